"""Events to the client: over SSE as they come, or as one JSON document at the end.

1. A sink is the only owner of the `send` it was given. Whoever has events for this client writes them here.
2. `write` has its turn for as long as the server takes the bytes, so that keep-alives, parallel tools and
   several writers never interleave.
3. Each SSE event lies whole in one `http.response.body` message (there are clients that read per message),
   and the events of one `write` go out in one message.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, runtime_checkable

from responses_asgi.sse import encode
from responses_asgi.types.asgi import Send
from responses_asgi.types.events import DONE, Event
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.replies import SSE_HEADERS, send_json

__all__ = ["Header", "JSONSink", "LastingSink", "SSESink", "Sink", "StayingSink"]

logger = logging.getLogger("responses_asgi")

Header = tuple[bytes, bytes]

KEEP_ALIVE = b": keep-alive\n\n"

_SSE_NAMES = frozenset(name for name, _ in SSE_HEADERS)


class Sink(Protocol):
    """Where the events of one response go."""

    headers: list[Header]
    """What goes out with the start of the response; may change until then."""

    started: bool
    """Whether the client has seen anything."""

    async def write(self, events: Sequence[Event]) -> None:
        """Give the client these events, in order, before anything that is written later."""

    async def close(self, events: Sequence[Event] = ()) -> None:
        """Give the client the last events, and say that nothing follows; once."""

    def stop(self) -> None:
        """Let go of timers without a word to the client, who has left or been told elsewhere."""


class LastingSink(ABC):
    """What a sink is, too, whose events outlive the process that writes them."""

    @abstractmethod
    async def flush(self) -> None:
        """Return when everything that was written lasts."""


@runtime_checkable
class StayingSink(Sink, Protocol):
    """A sink whose reader stays when an answer is given up, to be told how it ended."""

    unsaid: Sequence[Event]
    """The last events of an answer that was given up, which nobody has been told."""


class SSESink:
    """A response of type text/event-stream, started by its first write.

    `headers` go out besides the stream's own. `keep_alive` is the number of seconds of silence after which
    a comment is sent, 0 for never. `done` says whether `data: [DONE]` ends the stream. `start` sends what
    begins the response; None: `send` does. `on_left` is called when `send` raises OSError; None: that is
    raised.
    """

    __slots__ = (
        "_beat",
        "_closed",
        "_done",
        "_last_write",
        "_now",
        "_on_left",
        "_period",
        "_send",
        "_send_start",
        "_timer",
        "_turns",
        "headers",
        "started",
    )

    def __init__(
        self,
        send: Send,
        *,
        headers: Iterable[Header] = (),
        keep_alive: float = 0,
        done: bool = False,
        start: Send | None = None,
        on_left: Callable[[], None] | None = None,
    ) -> None:
        self.headers = list(headers)
        self.started = False
        self._send = send
        self._send_start = start or send
        self._on_left = on_left
        self._period = keep_alive
        self._done = done
        self._turns = _Turns()
        self._now = asyncio.get_running_loop().time
        self._last_write = 0.0
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._beat: asyncio.Task[None] | None = None

    async def write(self, events: Sequence[Event]) -> None:
        turns = self._turns
        if turns.taken:
            await turns.wait()
        turns.taken = True
        try:
            if not self.started:
                await self._start()
            body = events[0].sse if len(events) == 1 else b"".join([event.sse for event in events])
            await self._send({"type": "http.response.body", "body": body, "more_body": True})
            self._last_write = self._now()
        except OSError:
            if self._on_left is None:
                raise
            self._on_left()
        finally:
            if turns.waiting:
                turns.end()
            else:
                turns.taken = False

    async def close(self, events: Sequence[Event] = ()) -> None:
        turns = self._turns
        if turns.taken:
            await turns.wait()
        turns.taken = True
        try:
            if not self.started:
                await self._start()
            self.stop()
            body = b"".join([event.sse for event in events])
            if self._done:
                body += encode("", DONE)
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
        except OSError:
            if self._on_left is None:
                raise
            self._on_left()
        finally:
            turns.end()

    def stop(self) -> None:
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if self._beat:
            self._beat.cancel()

    async def _start(self) -> None:
        self.started = True
        headers = [header for header in self.headers if header[0] not in _SSE_NAMES] + SSE_HEADERS
        await self._send_start({"type": "http.response.start", "status": 200, "headers": headers})
        if self._period and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._on_timer)

    def _on_timer(self) -> None:
        """Look whether it has been quiet for long; a timer, because a task for each silence is enough."""
        loop = asyncio.get_running_loop()
        wait = self._last_write + self._period - self._now()
        if wait <= 0:
            wait = self._period
            if not self._turns.taken:
                self._beat = loop.create_task(self._keep_alive())
        self._timer = loop.call_later(wait, self._on_timer)

    async def _keep_alive(self) -> None:
        turns = self._turns
        if turns.taken:
            return
        turns.taken = True
        try:
            await self._send({"type": "http.response.body", "body": KEEP_ALIVE, "more_body": True})
        except Exception as error:
            # A client that has left is noticed by whoever reads `receive`, else by the next write.
            logger.debug("a keep-alive could not be sent", exc_info=True)
            if isinstance(error, OSError) and self._on_left:
                self._on_left()
        finally:
            turns.end()
        self._last_write = self._now()


class _Turns:
    """One at a time, in the order in which they came: `asyncio.Lock`, without a coroutine where nobody waits.

    A stream is nearly always written to by one, and the lock would be a tenth of what a block of it costs.
    Who finds `taken` set waits; then it is set, until `end`. Where nobody is `waiting`, it may be reset
    without that.
    """

    __slots__ = ("taken", "waiting")

    def __init__(self) -> None:
        self.taken = False
        self.waiting: deque[asyncio.Future[None]] | None = None

    async def wait(self) -> None:
        """Return when all that came before have ended their turns; `taken` is still set, for the caller."""
        turn = asyncio.get_running_loop().create_future()
        self.waiting = self.waiting or deque()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.end()
            raise

    def end(self) -> None:
        """The next one may."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken = False


class JSONSink:
    """A response that is one JSON document, asked for when it is closed."""

    __slots__ = (
        "_document",
        "_send",
        "headers",
        "started",
    )

    def __init__(self, send: Send, *, headers: Iterable[Header] = (), document: Callable[[], JSON]) -> None:
        self.headers = list(headers)
        self.started = False
        self._send = send
        self._document = document

    async def write(self, events: Sequence[Event]) -> None:
        """The document at the end holds what they say."""

    async def close(self, events: Sequence[Event] = ()) -> None:
        self.started = True
        await send_json(self._send, self._document(), headers=self.headers)

    def stop(self) -> None:
        """There is nothing to let go of."""
