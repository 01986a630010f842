"""Where the answer of an exchange goes, and where it is known from whether anybody still waits for it.

An HTTP response is one outlet; others (a socket, a log) tell the same events in another way.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from responses_asgi.errors import APIError
from responses_asgi.exchange.options import Options
from responses_asgi.history import Turn
from responses_asgi.sinks import Header, JSONSink, Sink, SSESink
from responses_asgi.translate.translator import Translator
from responses_asgi.types.asgi import Message, Receive, Send
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.replies import send_error, send_to_nobody

__all__ = ["HTTPOutlet", "KeepingOutlet", "Outlet"]


class Outlet(Protocol):
    """The client's end of one exchange. Several attempts may use it in turn, until one of them starts."""

    on_left: Callable[[], None] | None
    """Called when sending shows that the client has left; set by whoever makes the upstream calls."""

    def receive(self) -> Awaitable[Message]:
        """ASGI's `receive`, of which only `http.disconnect` means anything: nobody waits any longer."""

    async def pass_on(self, message: Message) -> None:
        """Give the server a message that is no part of the answer (an early hint)."""

    def sink(self, translator: Translator, options: Options, *, add_done: bool) -> Sink:
        """What tells this translator's events; `add_done`: a stream ends with a `[DONE]` of its own."""

    async def refuse(self, error: APIError, headers: Sequence[Header] = ()) -> None:
        """Tell an error before anything else was told, with headers of the upstream's answer; once."""

    async def vanish(self) -> None:
        """End without a word: the client left before there was an answer."""


class KeepingOutlet(ABC):
    """What an outlet is, too, that keeps the answer itself: others may be responsible for it meanwhile."""

    @abstractmethod
    async def keep(self, turn: Turn, answer: JSON, *, left: bool = False) -> bool:
        """What `Turn.keep` does."""


class HTTPOutlet:
    """The Outlet of one HTTP request: a stream of events, or with `stream` false one JSON document.

    With `unattended` it makes no difference whether the client stays. `headers` go out with the start of the
    response, in place of those of the same names.
    """

    __slots__ = (
        "_headers",
        "_receive",
        "_send",
        "_stream",
        "_unattended",
        "on_left",
    )

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        stream: bool,
        unattended: bool = False,
        headers: Sequence[Header] = (),
    ) -> None:
        self.on_left: Callable[[], None] | None = None
        self._receive = receive
        self._send = send
        self._stream = stream
        self._unattended = unattended
        self._headers = headers

    def receive(self) -> Awaitable[Message]:
        return asyncio.Future[Message]() if self._unattended else self._receive()

    async def pass_on(self, message: Message) -> None:
        if self._headers and message["type"] == "http.response.start":
            message, self._headers = _with_headers(message, self._headers), ()
        try:
            await self._send(message)
        except OSError:
            self._left()

    def sink(self, translator: Translator, options: Options, *, add_done: bool) -> Sink:
        if self._stream:
            return SSESink(
                self._send,
                keep_alive=options.keep_alive,
                done=add_done,
                start=self.pass_on,
                on_left=self._left,
            )
        return JSONSink(self.pass_on, document=translator.snapshot)

    async def refuse(self, error: APIError, headers: Sequence[Header] = ()) -> None:
        await send_error(self.pass_on, error, headers=headers)

    async def vanish(self) -> None:
        await send_to_nobody(self._send)

    def _left(self) -> None:
        """Servers of spec version 2.4 and later tell by OSError in `send` that the client has left."""
        if self.on_left and not self._unattended:
            self.on_left()


def _with_headers(start: Message, headers: Sequence[Header]) -> Message:
    names = {name for name, _ in headers}
    kept = [header for header in start.get("headers") or () if bytes(header[0]).lower() not in names]
    return {**start, "headers": [*kept, *headers]}
