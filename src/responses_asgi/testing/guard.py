"""`StreamGuard`: checks every Responses and Chat stream that leaves an app, and can repair it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

from responses_asgi.testing.guarded_stream import CheckedStream, CheckingOf, RepairedStream
from responses_asgi.testing.repair import cut_off
from responses_asgi.testing.rules import InvalidStream
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.types.events import Dialect
from responses_asgi.types.json import loads
from responses_asgi.upstreams.upstream import ENDPOINTS

__all__ = ["OnBroken", "StreamGuard"]

logger = logging.getLogger("responses_asgi.testing")

OnBroken: TypeAlias = Literal["raise", "log"] | Callable[[InvalidStream, Scope], None]
"""What becomes of a stream that breaks a rule: `raise` ends it, the others let it pass."""

# A request body above this is not looked at; it would have to be kept.
MAX_REQUEST_BYTES = 16 * 1024 * 1024


class StreamGuard:
    """ASGI middleware for development and CI: names the first rule of `RULES` or `CHAT_RULES` that a stream
    of the app breaks, and the event that breaks it.

    Streams are known by their path, or by their first event. Everything else passes untouched, as do
    compressed streams. Nothing is held back: only a legal stream's bytes are as they were.

    - `on_broken`: `"raise"` (the default) raises `InvalidStream` in the app and out of it, and what broke the
      rule is not sent; `"log"` writes a warning and lets the stream pass; or a function of the exception and
      the scope, which then also lets it pass.
    - `repair`: put right what can be: numbers, ids, the SSE form, missing openings, closings and endings. The
      first broken rule is logged; what cannot be repaired is treated as `on_broken` says.
    - `dialect`: of Responses streams.

    >>> app = StreamGuard(app)  # doctest: +SKIP
    >>> app.add_middleware(StreamGuard, repair=True, on_broken="log")  # doctest: +SKIP
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        repair: bool = False,
        on_broken: OnBroken = "raise",
        dialect: Dialect = "openai",
    ) -> None:
        self.repair = repair
        self.on_broken = on_broken
        self.dialect: Dialect = dialect
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = _Asked(receive)
        guarded = _Guarded(self, scope, asked, send)
        try:
            await self._app(scope, asked.receive, guarded.send)
        finally:
            await guarded.abandon()
        if guarded.broken is not None:  # the app caught it
            raise guarded.broken


class _Asked:
    """The request, looked at in passing: whether a Chat client asked for usage."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._pieces: list[bytes] = []
        self._size = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        if self._size > MAX_REQUEST_BYTES:
            self._pieces.clear()
        elif message["type"] == "http.request":
            self._pieces.append(message.get("body", b""))
        return message

    @property
    def usage(self) -> bool | None:
        """None when the request does not tell."""
        try:
            body = loads(b"".join(self._pieces))
            return bool((body.get("stream_options") or {}).get("include_usage"))
        except (ValueError, AttributeError):
            return None


class _Guarded:
    """One answer on its way; `broken` is what ended it."""

    def __init__(self, guard: StreamGuard, scope: Scope, asked: _Asked, send: Send) -> None:
        self.broken: InvalidStream | None = None
        self._guard = guard
        self._scope = scope
        self._asked = asked
        self._send = send
        self._stream: CheckedStream | RepairedStream | None = None
        self._complete = False

    async def send(self, message: Message) -> None:
        """The app's `send`."""
        if self.broken is not None:
            raise self.broken
        if message["type"] == "http.response.start" and _is_stream(message):
            message = self._begin(message)
        elif message["type"] == "http.response.body" and self._stream is not None:
            last = self._complete = not message.get("more_body", False)
            body = self._stream.feed(message.get("body", b"")) + (self._stream.end() if last else b"")
            if not body and not last:
                return
            message = {**message, "body": body}
        await self._send(message)

    async def abandon(self) -> None:
        """The app has ended. A stream that it left open is ended if it is to be repaired."""
        if isinstance(self._stream, RepairedStream) and not self._complete and self.broken is None:
            body = self._stream.fail(cut_off())
            await self._send({"type": "http.response.body", "body": body, "more_body": False})

    def _begin(self, message: Message) -> Message:
        path = self._scope["path"].rstrip("/")
        api = next((api for api, ending in ENDPOINTS.items() if path.endswith(ending)), None)
        make = CheckingOf(api, self._asked.usage, self._guard.dialect, self._treat)
        if not self._guard.repair:
            self._stream = CheckedStream(make)
            return message
        self._stream = RepairedStream(make, self._tell)
        headers = [(name, value) for name, value in message["headers"] if name.lower() != b"content-length"]
        return {**message, "headers": headers}

    def _treat(self, error: InvalidStream) -> None:
        """Treat a stream that is not legal as the user wants it."""
        on_broken = self._guard.on_broken
        if on_broken == "raise":
            self.broken = error
            raise error
        if on_broken == "log":
            self._tell(error, "the stream is not legal")
        else:
            on_broken(error, self._scope)

    def _tell(self, error: InvalidStream, what: str = "the stream was repaired") -> None:
        logger.warning("%s %s: %s: %s", self._scope["method"], self._scope["path"], what, error)


def _is_stream(start: Message) -> bool:
    headers: dict[bytes, bytes] = {name.lower(): value for name, value in start.get("headers") or ()}
    encoding = headers.get(b"content-encoding", b"identity")
    return headers.get(b"content-type", b"").startswith(b"text/event-stream") and encoding == b"identity"
