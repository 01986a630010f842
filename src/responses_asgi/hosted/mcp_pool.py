"""All connections to MCP servers of one event loop: those of the operator, and guests that requests bring.

Guests are kept for a while after their last use, for the one client that brought them, within bounds.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import time
from collections.abc import Mapping

from responses_asgi.hosted.limits import HostedLimits
from responses_asgi.hosted.mcp_connection import Connection, MCPServerError
from responses_asgi.hosted.mcp_server import MCPServer
from responses_asgi.types.json import dumps

__all__ = ["Pool"]


class Pool:
    """Begins the operator's servers in the background, each on its own; `aclose` ends all."""

    def __init__(self, servers: Mapping[str, MCPServer], limits: HostedLimits) -> None:
        self.connections = {label: Connection(label, server, limits) for label, server in servers.items()}
        self.guests: dict[tuple[str, bytes], Connection] = {}
        self._limits = limits
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to connect to the operator's servers."""
        for connection in self.connections.values():
            connection.start()

    async def aclose(self) -> None:
        """End all sessions, side by side."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        guests, self.guests = list(self.guests.values()), {}
        for connection in [*self.connections.values(), *guests]:
            self._close(connection)
        if self._closing:
            await asyncio.wait(self._closing)

    def guest(self, label: str, server: MCPServer, owner: str) -> Connection:
        """The connection to a server that a request of this owner brings along.

        Raises MCPServerError when there are too many that are in use.
        """
        key = (owner, hashlib.sha256(dumps([server.url, sorted(server.headers.items())])).digest())
        found = self.guests.pop(key, None)
        if found is None:
            self._make_room(owner)
            found = Connection(label, server, self._limits, persistent=False)
        found.used = time.monotonic()
        self.guests[key] = found
        if self._sweeping is None:
            self._sweep()
        return found

    def _make_room(self, owner: str) -> None:
        """Give up the connection that has not been used for longest, where there are as many as allowed."""
        own = [key for key in self.guests if key[0] == owner]
        for keys, most in ((own, self._limits.owner_guests), (list(self.guests), self._limits.guests)):
            if len(keys) < most:
                continue
            idle = next((key for key in keys if key in self.guests and not self.guests[key].calls), None)
            if idle is None:
                raise MCPServerError("too many servers are in use at the same time; try again later")
            self._close(self.guests.pop(idle))

    def _sweep(self) -> None:
        now, idle = time.monotonic(), self._limits.guest_idle
        for key, guest in list(self.guests.items()):
            if not guest.calls and now - guest.used >= idle:
                self._close(self.guests.pop(key))
        loop = asyncio.get_running_loop()
        context = contextvars.Context()
        self._sweeping = loop.call_later(idle / 2, self._sweep, context=context) if self.guests else None

    def _close(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(connection.aclose(), context=contextvars.Context())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
