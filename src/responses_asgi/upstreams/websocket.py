"""One WebSocket on its way to a server elsewhere: messages both ways as they come, until either side ends.

1. The server is asked first; the client's socket is accepted when the server's is open, and refused with the
   server's own answer when it is not.
2. Neither direction waits for the other, and nothing is queued: who reads slowly slows the other side down.
3. Closing codes and reasons go through. Where one side vanishes without any, the other is told 1001 (a client
   that left) or 1011 (a server that is gone).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from responses_asgi.errors import APIError, MissingExtraError, UpstreamError
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import dumps
from responses_asgi.upstreams.client_errors import error_for
from responses_asgi.upstreams.closing import (
    GOING_AWAY,
    SocketEnded,
    sendable_close,
)
from responses_asgi.upstreams.handshake import Accepted, Refusal, open_socket
from responses_asgi.upstreams.masking import MessageMasking
from responses_asgi.upstreams.replies import close_code
from responses_asgi.upstreams.route import Call, Route

if TYPE_CHECKING:
    from responses_asgi.upstreams.frames import FrameStream

__all__ = ["SocketLimits", "SocketRelay"]

_logger = logging.getLogger("responses_asgi.upstream")


class SocketLimits(NamedTuple):
    """What a socket may take: `max_bytes` of one message, and times in seconds.

    `idle`: the longest time without a message in either direction. `ping`: how often a silent server is asked
    for a sign of life. `silence`: when it is given up. `handshake`: how long the server has to open the
    socket. `close`: how long it is waited for when the client has left.
    """

    max_bytes: int = 16 * 1024 * 1024
    idle: float = 3600.0
    ping: float = 20.0
    silence: float = 300.0
    handshake: float = 30.0
    close: float = 2.0


class End(NamedTuple):
    """How a socket ended, as the sides that have not ended it are told."""

    code: int
    reason: str
    tell_client: bool = True


class SocketRelay:
    """Carries one WebSocket; made for it and thrown away. `client` is of httpx or httpx2."""

    def __init__(
        self, route: Route, client: Any, scope: Scope, receive: Receive, send: Send, *, limits: SocketLimits
    ) -> None:
        self._route = route
        self._client = client
        self._scope = scope
        self._receive = receive
        self._send = send
        self._limits = limits
        self._presence = asyncio.timeout(None)
        self._shown = MessageMasking(())

    async def run(self) -> None:
        """Open the server's socket, or refuse the client's, and carry messages until one side ends."""
        await self._receive()  # websocket.connect
        try:
            answer = await self._open()
        except Exception as error:
            told = error if isinstance(error, APIError) else error_for(error)
            if told is None:
                raise
            cause = error if told is not error else error.__cause__
            if cause is not None:
                _logger.warning("%s (%s: %s)", told.message, type(cause).__name__, cause)
            answer = _refusal_of(told)
        if isinstance(answer, Refusal):
            await self._refuse(answer)
            return
        try:
            await self._carry(answer)
        finally:
            await answer.response.aclose()

    async def _open(self) -> Accepted | Refusal:
        _frame_stream()  # before the server is bothered
        call: Call = await self._route.call(self._scope, self._client, _no_model)
        self._shown = MessageMasking(call.secrets)
        try:
            async with asyncio.timeout(self._limits.handshake):
                return await open_socket(self._client, call, self._route.retry, site=self._route.site)
        except TimeoutError as error:
            raise UpstreamError(
                "The upstream took too long to open the WebSocket.", status=504, code="upstream_timeout"
            ) from error

    async def _refuse(self, refusal: Refusal) -> None:
        """Answer the handshake with HTTP where the server can do that, else close, which it makes a 403."""
        if "websocket.http.response" in (self._scope.get("extensions") or {}):
            start = {"status": refusal.status, "headers": refusal.headers}
            await self._send({"type": "websocket.http.response.start", **start})
            await self._send({"type": "websocket.http.response.body", "body": refusal.body})
        else:
            reason = f"refused with status {refusal.status}"
            code = close_code(refusal.status)
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _carry(self, accepted: Accepted) -> None:
        limits = self._limits
        frames = _frame_stream()(
            accepted.stream, max_bytes=limits.max_bytes, ping=limits.ping, silence=limits.silence
        )
        accept = {"subprotocol": accepted.subprotocol, "headers": accepted.headers}
        await self._send({"type": "websocket.accept", **accept})
        end = await self._until_one_side_ends(frames)
        if end.tell_client:
            with suppress(OSError):  # it has left meanwhile
                await self._send({"type": "websocket.close", "code": end.code, "reason": end.reason})
        await frames.close(end.code, end.reason, patience=limits.close)

    async def _until_one_side_ends(self, frames: FrameStream) -> End:
        down = asyncio.create_task(self._to_client(frames))
        up = asyncio.create_task(self._to_server(frames))
        try:
            async with self._presence:
                self._restart_idle()
                await asyncio.wait({down, up}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            return End(GOING_AWAY, f"no message for {self._limits.idle:g} seconds")
        else:
            return (down if down.done() else up).result()
        finally:
            down.cancel()
            up.cancel()
            await asyncio.gather(down, up, return_exceptions=True)

    async def _to_client(self, frames: FrameStream) -> End:
        while True:
            try:
                message = self._shown(await frames.receive())
            except SocketEnded as ended:
                return End(ended.code, str(self._shown(ended.reason)))
            self._restart_idle()
            kind = "text" if isinstance(message, str) else "bytes"
            try:
                await self._send({"type": "websocket.send", kind: message})
            except OSError:  # what servers raise when the client is gone
                return End(GOING_AWAY, "", tell_client=False)

    async def _to_server(self, frames: FrameStream) -> End:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return End(*sendable_close(message.get("code"), message.get("reason")), tell_client=False)
            self._restart_idle()
            text: str | None = message.get("text")
            data: str | bytes = text if text is not None else message["bytes"]
            try:
                await frames.send(data)
            except SocketEnded as ended:
                return End(ended.code, ended.reason)

    def _restart_idle(self) -> None:
        self._presence.reschedule(asyncio.get_running_loop().time() + self._limits.idle)


def _frame_stream() -> type[FrameStream]:
    """The class that speaks in frames, whose library is an extra; raises APIError without it."""
    try:
        from responses_asgi.upstreams.frames import FrameStream
    except ImportError:
        missing = MissingExtraError("passing WebSockets on to a server elsewhere", "ws")
        raise APIError(str(missing), status=501, code="websocket_unavailable") from missing
    return FrameStream


async def _no_model() -> str | None:
    """A handshake has no body that could name a model."""
    return None


def _refusal_of(error: APIError) -> Refusal:
    named = {"content-type": "application/json", **error.headers}
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
    return Refusal(error.status, headers, dumps(error.body()))
