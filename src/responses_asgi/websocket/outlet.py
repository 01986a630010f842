"""Where the events of one turn go: to its socket, one JSON object in each text frame, as they are told over
SSE, with the name of their lane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from responses_asgi.errors import APIError
from responses_asgi.exchange.options import Options
from responses_asgi.sinks import Header, Sink
from responses_asgi.translate.translator import Translator
from responses_asgi.types.asgi import Message
from responses_asgi.types.events import DONE, Event, StreamEvent
from responses_asgi.types.json import JSON, dumps
from responses_asgi.websocket.messages import error_frame
from responses_asgi.websocket.wire import Wire

__all__ = ["CANCELLED", "SocketOutlet", "SocketSink"]

CANCELLED = APIError(
    "The response was cancelled by the client.", status=499, type="client_error", code="response_cancelled"
)

OnEnd = Callable[[JSON | None, int], None]
"""`(response, bytes) -> None`: is told the response before its last event is, and the size of that; None for
a turn that ends without a response."""


class SocketSink:
    """The sink of one try at a turn; with the protocol's own end, no `[DONE]` is said."""

    def __init__(self, outlet: SocketOutlet, translator: Translator) -> None:
        self.headers: list[Header] = []
        self.started = False
        self.unsaid: Sequence[Event] = ()
        self.translator = translator
        self._outlet = outlet

    async def write(self, events: Sequence[Event]) -> None:
        self.started = True
        await self._outlet.tell(events)

    async def close(self, events: Sequence[Event] = ()) -> None:
        self.started = True
        await self._outlet.end(self.translator.snapshot(), events)

    def stop(self) -> None:
        """There is nothing to let go of: the server keeps its sockets alive."""


class SocketOutlet:
    """The Outlet of one turn. `on_end` is called once, before the last word is said; `over` once after it.

    With `unattended` it makes no difference whether the client stays.
    """

    def __init__(self, wire: Wire, lane: str, *, on_end: OnEnd, over: Callable[[], None]) -> None:
        self.on_left: Callable[[], None] | None = None
        self.cancelled = False
        self.unattended = False
        self._wire = wire
        self._lane = lane
        self._tail = f',"stream_id":"{lane}"}}'.encode() if lane else b""
        self._on_end = on_end
        self._over = over
        self._ended = False
        self._gone = asyncio.Event()
        self._sink: SocketSink | None = None

    @property
    def left(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._gone.is_set()

    @property
    def ended(self) -> bool:
        """Whether the last word has been said."""
        return self._ended

    @property
    def response_id(self) -> str | None:
        """The id of the response that is being told."""
        return self._sink.translator.response_id if self._sink else None

    def leave(self) -> None:
        """The client has left: have the upstream calls end."""
        if not self.unattended:
            self._gone.set()

    def cancel(self) -> None:
        """The client is there, and does not want the answer: have the upstream calls end."""
        self.cancelled = True
        self._gone.set()

    async def receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def pass_on(self, message: Message) -> None:
        """A socket has no place for early hints."""

    def sink(self, translator: Translator, options: Options, *, add_done: bool) -> Sink:
        self._sink = SocketSink(self, translator)
        return self._sink

    async def refuse(self, error: APIError, headers: Sequence[Header] = ()) -> None:
        if self._ended:
            return
        self._ended = True
        self._on_end(None, 0)
        await self._wire.say([error_frame(error, self._lane, headers)])
        self._over()

    async def vanish(self) -> None:
        if self.cancelled:
            await self.refuse(CANCELLED)

    async def tell(self, events: Sequence[Event]) -> None:
        """Say events that are not the last."""
        if events and not self._ended:
            await self._wire.say([self._framed(event) for event in events if event.data != DONE])

    async def end(self, response: JSON, events: Sequence[Event]) -> None:
        """Say the last events, of which this is the response."""
        if self._ended:
            return
        self._ended = True
        self._on_end(response, len(events[-1].data) if events else 0)
        if self.cancelled:
            events = [_as_cancelled(event) for event in events]
        await self._wire.say([self._framed(event) for event in events if event.data != DONE])
        self._over()

    async def finish(self) -> None:
        """Say what is left to say when the exchange is over, such as the end of a cancelled response."""
        if self._ended:
            return
        if self._sink and self._sink.started and self._sink.unsaid:
            await self.end(self._sink.translator.snapshot(), self._sink.unsaid)
            return
        self._ended = True
        self._on_end(None, 0)
        self._over()

    def _framed(self, event: Event) -> str:
        """The event's own bytes; the lane's name is put in before the closing brace."""
        data = event.data
        return (data[:-1] + self._tail).decode() if self._tail else data.decode()


def _as_cancelled(event: Event) -> Event:
    """The event of a failure with its cause: the upstream only knows that nobody listened any more."""
    if event.type not in ("error", "response.failed"):
        return event
    error = CANCELLED.response_error()
    told = event.json()
    if event.type == "error":
        told |= {name: error[name] for name in ("code", "message", "param")}
        told["error"] = error
    else:
        told["response"]["error"] = error
    return StreamEvent(event.type, dumps(told))
