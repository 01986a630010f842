"""One open socket, from `websocket.accept` to its end.

1. The connection's own task reads, and each turn has a task: nothing is made for a single frame.
2. Whoever is not a client that has left is told why it ends: an error, a code and a reason.
3. When it ends, everything that runs for it ends, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from responses_asgi.auth import Guard
from responses_asgi.errors import APIError, InvalidRequestError
from responses_asgi.exchange import Choose, Service
from responses_asgi.history import Recent
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.closing import GOING_AWAY, POLICY_VIOLATION
from responses_asgi.websocket.lanes import Lanes
from responses_asgi.websocket.limits import WebSocketLimits
from responses_asgi.websocket.messages import (
    MAIN_LANE,
    PONG,
    decode,
    error_frame,
    lane_of,
    read_create,
    steer_failed,
)
from responses_asgi.websocket.turn import Serving, SocketTurn
from responses_asgi.websocket.wire import Wire

__all__ = ["Connection"]

logger = logging.getLogger("responses_asgi")

Act = Callable[[JSON, str, int], Awaitable[None]]
"""`(message, lane, bytes) -> None`; raises APIError to be told to the client."""


class End(NamedTuple):
    """How the client is told that the socket ends."""

    code: int
    reason: str
    error: APIError | None = None


_UNREAD = End(POLICY_VIOLATION, "what was sent was not read")


class Connection:
    """Serves one socket; `model` is the one that its path names, `scope` that of a POST to it."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        choose: Choose,
        service: Service,
        guard: Guard,
        model: str | None,
        limits: WebSocketLimits,
    ) -> None:
        self._limits = limits
        self._model = model
        self._options = service.options
        self._receive = receive
        self._wire = Wire(send, timeout=limits.write_timeout, lost=self._lost)
        self._lanes = Lanes(limits, quiet=self._on_quiet)
        recent = Recent(max_bytes=limits.max_history_bytes)
        self._serving = Serving(scope, choose, service, guard, recent)
        self._loop = asyncio.get_running_loop()
        self._presence = asyncio.timeout(None)
        self._reading = False
        self._end: End | None = None
        self._invalid = 0
        self._expires = self._loop.time() + limits.lifetime
        self._quiet_since = self._loop.time()
        self._acts: dict[str, Act] = {
            "response.create": self._create,
            "response.cancel": self._cancel,
            "response.steer": self._steer,
            "response.processed": self._processed,
            "ping": self._ping,
        }

    async def run(self) -> None:
        """Serve the socket, which has been accepted, until it ends; returns when all its turns are over."""
        self._timer = self._loop.call_later(0, self._on_timer)
        try:
            await self._read()
            end = self._end or _UNREAD
            if end.error is not None:
                await self._wire.say([error_frame(end.error)])
            self._lanes.leave()
            await self._wire.close(end.code, end.reason)
        except asyncio.CancelledError:
            self._lanes.cancel()
            raise
        finally:
            self._timer.cancel()
            self._wire.gone = True
            self._lanes.leave()
            await self._lanes.ended()

    async def _read(self) -> None:
        """Take messages until the socket ends."""
        self._reading = True
        try:
            async with self._presence:
                while self._end is None and not self._wire.gone:
                    message = await self._receive()
                    if message["type"] == "websocket.disconnect":
                        self._wire.gone = self._wire.closed = True
                        return
                    self._quiet_since = self._loop.time()
                    await self._take(message)
        except TimeoutError:
            if not self._presence.expired():
                raise
        finally:
            self._reading = False

    async def _take(self, message: Message) -> None:
        lane = MAIN_LANE
        try:
            document, size = decode(
                message, max_bytes=self._limits.max_message_bytes, max_depth=self._options.max_depth
            )
            lane = lane_of(document)
            act = self._act(document)
        except InvalidRequestError as error:
            await self._wire.say([error_frame(error, lane)])
            self._invalid += 1
            if self._invalid >= self._limits.max_invalid:
                self._finish(End(POLICY_VIOLATION, f"{self._invalid} invalid messages in a row"))
            return
        self._invalid = 0
        try:
            await act(document, lane, size)
        except APIError as error:
            await self._wire.say([error_frame(error, lane)])

    def _act(self, document: JSON) -> Act:
        """What is done about a message of this type. Raises InvalidRequestError."""
        kind = document.get("type")
        act = self._acts.get(kind) if isinstance(kind, str) else None
        if act is None:
            known = ", ".join(f"'{name}'" for name in self._acts)
            shown = repr(kind) if len(repr(kind)) <= 60 else f"{repr(kind)[:60]}..."
            raise InvalidRequestError(
                f"Unknown message type: got {shown}; expected one of {known}.",
                param="type",
                code="invalid_value",
            )
        return act

    async def _create(self, document: JSON, lane: str, size: int) -> None:
        if self._loop.time() >= self._expires:
            raise self._expired()
        create = read_create(document, lane, size, model=self._model)
        self._lanes.add(SocketTurn(create, self._serving, self._wire))

    async def _cancel(self, document: JSON, lane: str, size: int) -> None:
        id = document.get("response_id")
        turn = self._lanes.current(lane) if id is None else self._lanes.find(str(id))
        if turn is None or turn.cancelled:
            where = f"on the lane '{lane}'" if lane else "here"
            raise InvalidRequestError(
                f"No response is being made {where} that could be cancelled."
                if id is None
                else f"No response with the id {str(id)[:80]!r} is being made here.",
                code="response_cancel_not_active",
            )
        turn.cancel()

    async def _steer(self, document: JSON, lane: str, size: int) -> None:
        previous = document.get("previous_response_id")
        turn = self._lanes.find(previous) if isinstance(previous, str) else None
        await self._wire.say([steer_failed(document, turn.create.lane if turn else lane)])

    async def _processed(self, document: JSON, lane: str, size: int) -> None:
        """The client has read a response; what it needs of it is remembered anyway."""

    async def _ping(self, document: JSON, lane: str, size: int) -> None:
        await self._wire.say([PONG])

    # Ends

    def _on_timer(self) -> None:
        """Look whether it is time to end; a timer, because messages and turns are many."""
        now = self._loop.time()
        limits = self._limits
        idle_at = now + limits.idle if self._lanes.busy else self._quiet_since + limits.idle
        if now >= self._expires and (not self._lanes.busy or now >= self._expires + limits.drain):
            self._finish(End(GOING_AWAY, "lifetime", self._expired()))
        elif now >= idle_at:
            self._finish(End(GOING_AWAY, f"no message for {limits.idle:g} seconds"))
        else:
            expires = self._expires if now < self._expires else self._expires + limits.drain
            self._timer = self._loop.call_at(min(expires, idle_at), self._on_timer)

    def _on_quiet(self) -> None:
        self._quiet_since = self._loop.time()
        if self._quiet_since >= self._expires:
            self._finish(End(GOING_AWAY, "lifetime", self._expired()))

    def _expired(self) -> APIError:
        return InvalidRequestError(
            f"This connection is open for {self._limits.lifetime / 60:g} minutes, its limit; open a new one.",
            code="websocket_connection_limit_reached",
        )

    def _finish(self, end: End) -> None:
        """Have the socket end in this way, unless it ends already."""
        if self._end is None:
            self._end = end
            self._stop_reading()

    def _lost(self) -> None:
        """The client has left."""
        self._lanes.leave()
        self._stop_reading()

    def _stop_reading(self) -> None:
        if self._reading and not self._presence.expired():
            self._presence.reschedule(self._loop.time())
