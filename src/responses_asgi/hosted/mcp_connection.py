"""The connection to one MCP server: one task owns it, begins it anew when it is lost, and keeps the list of
its tools.

1. The owner task alone enters and leaves the session, which the SDK demands, and has a context of its own.
2. Calls are made by the tasks that want them. One that fails is told at once; the owner then looks whether
   the server still answers, and begins it anew if not.
3. The tools that were listed last stay known while a server is away: a call then waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from contextlib import suppress
from typing import Any

from responses_asgi.errors import ResponsesASGIError
from responses_asgi.hosted.limits import HostedLimits
from responses_asgi.hosted.mcp_client import opened, tools_change
from responses_asgi.hosted.mcp_server import MCPServer, without_secrets
from responses_asgi.types.json import JSON, dumps

__all__ = ["Connection", "MCPServerError"]

logger = logging.getLogger("responses_asgi")

# A server that was there for so long has started well; one that ends sooner is waited for longer each time.
_STEADY = 10.0
# A request that finds a server away has it tried at once, but not more often than this.
_SPACING = 1.0
# A server that worked is waited for while it is started again, unless that fails so often.
_TRIES = 3
_CLOSING = 10.0
_MAX_ERROR_CHARS = 500
_MAX_PAGES = 100


class MCPServerError(ResponsesASGIError):
    """An MCP server cannot be reached, or a call of it failed; the message says why, and holds no secret."""


class Connection:
    """The connection to one server, for the running loop.

    `persistent`: it is kept, and begun anew whenever it is lost. Otherwise it is begun when it is used.
    `state` is "starting" while waiting for it is worthwhile, "ready", "failed" (it is tried again in the
    background, or when it is next used), or "stopped".
    """

    def __init__(
        self, label: str, server: MCPServer, limits: HostedLimits, *, persistent: bool = True
    ) -> None:
        self.label = label
        self.server = server
        self.state = "stopped"
        self.tools: list[JSON] | None = None
        self.error: str | None = None
        self.used = time.monotonic()
        self.calls = 0
        self._limits = limits
        self._persistent = persistent
        self._client: Any = None
        self._owner: asyncio.Task[None] | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._news = asyncio.Event()
        self._lost = self._stale = self._closing = False
        self._tried = float("-inf")
        self._listing: asyncio.Timeout | None = None
        self._broken: str | None = None
        self._told: str | None = None

    def start(self) -> None:
        """Begin to connect, in the background, unless that is being done."""
        if self._owner is None and not self._closing:
            self.state = "starting"
            self._tried = time.monotonic()
            loop = asyncio.get_running_loop()
            self._owner = loop.create_task(self._own(), context=contextvars.Context())

    async def aclose(self) -> None:
        """End the session for good, and the server's process with it."""
        self._closing = True
        self._news.set()
        owner = self._owner
        if owner is not None:
            if self._client is None:
                owner.cancel()
            elif self._listing is not None and not self._listing.expired():
                # A server that does not answer any more is not waited for.
                self._listing.reschedule(asyncio.get_running_loop().time())
            _, late = await asyncio.wait([owner], timeout=_CLOSING)
            if late:
                owner.cancel()
                await asyncio.wait([owner], timeout=_CLOSING)
        self._settle("stopped")

    async def listed(self, wait: float) -> list[JSON]:
        """The tools that are known, or once they are known. Raises MCPServerError when they are not `wait`
        seconds after the server was begun, and at once for a kept connection that has failed."""
        self.used = time.monotonic()
        self._wake()
        if self.tools is None and self.state == "starting":
            with suppress(TimeoutError):
                async with asyncio.timeout(self._tried + wait - time.monotonic()):
                    await self._settled()
        if self.tools is None:
            raise MCPServerError(self.error or f"it is still starting after {wait:g} s")
        return self.tools

    async def call(self, name: str, arguments: JSON) -> Any:
        """Call a tool, and give the SDK's result. Raises MCPServerError for everything else."""
        self.used = time.monotonic()
        self.calls += 1
        try:
            return await self._call(name, arguments)
        except Exception as error:
            self._changed()
            raise MCPServerError(f"The MCP server {self.label} failed: {self._said(error)}") from error
        except asyncio.CancelledError:
            # It may be one that hangs: whether it still answers is found out by listing its tools.
            self._changed()
            raise
        finally:
            self.calls -= 1
            self.used = time.monotonic()

    def health(self) -> JSON:
        """The state for people: no secret is in it."""
        told: JSON = {"state": self.state, "tools": len(self.tools or ())}
        return told | {"error": self.error} if self.error else told

    # What others wait for

    async def _call(self, name: str, arguments: JSON) -> Any:
        client = await self._connected()
        try:
            return await client.call_tool(name, arguments)
        except Exception as error:
            if not _forgotten(error):
                raise
        # A server that was started anew knows no session of before, and has not looked at the call.
        if self._client is client:
            self._gone()
        return await (await self._connected()).call_tool(name, arguments)

    async def _connected(self) -> Any:
        self._wake()
        while self._client is None:
            if self.state != "starting":
                raise MCPServerError(self.error or "it is not connected")
            await self._settled()
        return self._client

    def _wake(self) -> None:
        """Have a server that is away tried again now, if it was not just now."""
        if self.state in ("failed", "stopped") and time.monotonic() - self._tried >= _SPACING:
            self._news.set()
            self.start()

    async def _settled(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def _settle(self, state: str) -> None:
        self.state = state
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    # The owner task

    async def _own(self) -> None:
        failures = 0
        try:
            while not self._closing:
                began = time.monotonic()
                worked = await self._once()
                failures = 0 if worked and time.monotonic() - began >= _STEADY else failures + 1
                if self._closing or not self._persistent:
                    return
                self._settle("starting" if worked and failures <= _TRIES else "failed")
                await self._pause(failures - 1 if worked else failures)
        finally:
            self._owner = self._client = None
            self._settle("failed" if self.error and not self._closing else "stopped")

    async def _once(self) -> bool:
        """One session from its beginning to its end, whatever ends it; whether it had begun well."""
        worked = self._lost = self._stale = False
        self._broken = None
        self._tried = time.monotonic()
        try:
            async with (
                asyncio.timeout(self._limits.connect_timeout) as starting,
                opened(
                    self.server,
                    self._limits,
                    changed=self._changed,
                    lost=self._gone,
                    broken=self._give_up,
                ) as client,
            ):
                await self._list(client)
                starting.reschedule(None)
                worked, self._client, self.error = True, client, None
                self._told = None
                logger.info("MCP server %s is ready with %d tools", self.label, len(self.tools or ()))
                self._settle("ready")
                await self._watch(client)
            self.error = self._broken or "it has ended the connection"
        except Exception as error:
            late = starting.expired()
            self.error = f"no start in {self._limits.connect_timeout:g} s" if late else self._said(error)
        self._client = None
        if not self._closing:
            # One that stays away for the same reason is tried whenever it is needed.
            level = logging.DEBUG if self.error == self._told else logging.WARNING
            logger.log(level, "MCP server %s: %s", self.label, self.error)
            self._told = self.error
        return worked

    async def _pause(self, failures: int) -> None:
        """Wait before the next attempt, but no longer than until somebody needs the server."""
        self._news.clear()
        if failures > 0:
            delay = min(self._limits.retry_most, self._limits.retry_first * 2.0 ** min(failures - 1, 16))
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._news.wait()

    async def _watch(self, client: Any) -> None:
        """Until the connection is lost or no longer wanted: keep the list of tools as the server has it."""
        listening = asyncio.create_task(self._listen(client)) if tools_change(client) else None
        try:
            while not (self._lost or self._closing):
                if self._stale:
                    self._stale = False
                    try:
                        async with asyncio.timeout(self._limits.connect_timeout) as self._listing:
                            await self._list(client)
                    except TimeoutError:
                        raise MCPServerError("it no longer answers") from None
                    finally:
                        self._listing = None
                await self._news.wait()
                self._news.clear()
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.wait([listening])

    async def _listen(self, client: Any) -> None:
        """Hear of changes, from servers that have to be asked to tell them."""
        delay = self._limits.retry_first
        while True:
            try:
                async with client.listen(tools_list_changed=True) as subscription:
                    async for _ in subscription:
                        self._changed()
            except Exception as error:
                logger.debug("MCP server %s tells no changes: %s", self.label, self._said(error))
            await asyncio.sleep(delay)
            delay = min(delay * 2, self._limits.retry_most)
            self._changed()

    async def _list(self, client: Any) -> None:
        tools: list[JSON] = []
        cursor, most = None, self._limits.tools
        for _ in range(_MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            tools += [_tool(tool) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None or len(tools) > most:
                break
        if len(tools) > most:
            logger.warning("MCP server %s: of %d tools the first %d count", self.label, len(tools), most)
            del tools[most:]
        size = len(dumps(tools))
        if size > self._limits.list_chars:
            raise MCPServerError(
                f"its list of tools takes {size} bytes, and {self._limits.list_chars} are allowed"
            )
        self.tools = tools

    def _changed(self) -> None:
        self._stale = True
        self._news.set()

    def _give_up(self, reason: str) -> None:
        self._broken = reason

    def _gone(self) -> None:
        self._lost = True
        self._client = None
        if self.state == "ready":
            self.state = "starting" if self._persistent else "stopped"
        self._news.set()

    def _said(self, error: BaseException) -> str:
        """An error in a sentence without secrets; of a group, the first real one. A server that was given up
        has failed for that reason."""
        if self._broken:
            return self._broken
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        said = str(error).strip() or type(error).__name__
        return without_secrets(said, self.server)[:_MAX_ERROR_CHARS]


def _forgotten(error: Exception) -> bool:
    """Whether a server refused a call since it does not know the session."""
    return getattr(error, "code", None) == -32600 and "session" in str(error).lower()


def _tool(tool: Any) -> JSON:
    """An MCP tool as an `mcp_list_tools` item tells it."""
    hints = tool.annotations
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.input_schema,
        "annotations": {"read_only": bool(hints and hints.read_only_hint)},
    }
