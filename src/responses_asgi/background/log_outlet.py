"""Where the events of a background response go: into its log, in the order and under the numbers they have.

1. Events are gathered for a moment and written together: one commit for each would cost several times more.
2. The log is written before anybody is shown anything; readers read the log.
3. What was said is in the log before the response is kept, so that only its last event can ever be missing
   of a response that has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from responses_asgi.errors import APIError
from responses_asgi.exchange.options import Options
from responses_asgi.sinks import Header, Sink
from responses_asgi.sse import encode
from responses_asgi.stores.event_log import EventLog, LoggedEvent
from responses_asgi.translate.translator import Translator
from responses_asgi.types.asgi import Message
from responses_asgi.types.events import DONE, Event

__all__ = ["LogOutlet", "LogSink"]

# Events that wait to be written; more than these hold the upstream back.
_MOST_WAITING = 512


class LogSink:
    """Writes the events of one response to its log, as the lease of this `epoch`.

    `flush_seconds`: how long events are gathered. A log that cannot be written fails the next write.
    """

    def __init__(self, log: EventLog, id: str, epoch: int, *, flush_seconds: float) -> None:
        self.headers: list[Header] = []
        self.started = False
        self.ended = False
        self._log = log
        self._id = id
        self._epoch = epoch
        self._seconds = flush_seconds
        self._number = 0
        self._waiting: list[LoggedEvent] = []
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    async def write(self, events: Sequence[Event]) -> None:
        if self._failure is not None:
            raise self._failure
        self.started = True
        for event in events:
            if event.data != DONE:
                self._waiting.append(LoggedEvent(self._number, encode(event.type, event.data)))
                self._number += 1
        if len(self._waiting) > _MOST_WAITING:
            await self.flush()
        elif self._waiting and self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._on_timer)

    async def flush(self) -> None:
        """Write what waits; it is in the log when this returns."""
        await self._append(ended=False)

    async def close(self, events: Sequence[Event] = ()) -> None:
        await self.write(events)
        await self._append(ended=True)
        self.ended = True
        self.stop()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _on_timer(self) -> None:
        self._timer = None
        self._task = self._loop.create_task(self._flush_quietly())

    async def _flush_quietly(self) -> None:
        try:
            await self.flush()
        except Exception as error:
            self._failure = error

    async def _append(self, *, ended: bool) -> None:
        async with self._lock:
            if self._timer:
                self._timer.cancel()
                self._timer = None
            batch, self._waiting = self._waiting, []
            if not (batch or ended):
                return
            try:
                await self._log.append(self._id, self._epoch, batch, ended=ended)
            except BaseException:
                self._waiting = batch + self._waiting
                raise


class LogOutlet:
    """The Outlet of one background response; `give_up` ends its upstream calls as if a client had left."""

    def __init__(self, sink: LogSink) -> None:
        self.on_left: Callable[[], None] | None = None
        self.refused: APIError | None = None
        self._sink = sink
        self._over = asyncio.Event()

    def give_up(self) -> None:
        """Have the upstream calls end."""
        self._over.set()

    async def receive(self) -> Message:
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def pass_on(self, message: Message) -> None:
        """Nobody is there whom an early hint would help."""

    def sink(self, translator: Translator, options: Options, *, add_done: bool) -> Sink:
        return self._sink

    async def refuse(self, error: APIError, headers: Sequence[Header] = ()) -> None:
        self.refused = error

    async def vanish(self) -> None:
        """The job says what became of it."""
