"""Where the events of a background response go: into its log, in the order and under the numbers they have.

1. Events are gathered for a moment and written together: one commit for each would cost several times more.
   While the event loop is busy they are gathered for longer, so that it does not become busier by that.
2. The log is written before anybody is shown anything; readers read the log.
3. What was said is in the log before the response is kept, and that before the last event: so that only this
   event can ever be missing of a response that has ended.
4. While the store is away, events are kept here, for as long as a lease lasts; then the work is given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial

from responses_asgi.background.keeping import Held, Keeping, ResponseRecord
from responses_asgi.errors import APIError, StoreError
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.outlets import KeepingOutlet
from responses_asgi.history import Turn
from responses_asgi.sinks import Header, LastingSink, Sink
from responses_asgi.stores.event_log import LoggedEvent
from responses_asgi.translate.translator import Translator
from responses_asgi.types.asgi import Message
from responses_asgi.types.events import DONE, QUEUED, Event
from responses_asgi.types.json import JSON

__all__ = ["LogOutlet", "LogSink"]

logger = logging.getLogger("responses_asgi")

# Events that wait to be written; more than these hold the upstream back.
_MOST_WAITING = 512

# Each time the loop comes this part of the time too late, events are gathered once as long again; at most so
# many times.
_BUSY = 0.25
_LONGEST = 8


class LogSink(LastingSink):
    """Writes the events of one response to its log, behind those that say that it is queued.

    `said`: whether any of them tells more than that it is being made. `failure`: why nothing can be written
    any longer.
    """

    def __init__(self, keeping: Keeping, held: Held) -> None:
        self.headers: list[Header] = []
        self.started = False
        self.ended = False
        self.failure: Exception | None = None
        self._keeping = keeping
        self._held = held
        self._number = len(QUEUED)
        self._waiting: list[LoggedEvent] = []
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._times = 1
        self._task: asyncio.Task[None] | None = None

    @property
    def said(self) -> bool:
        return self._number > len(QUEUED) + 1

    async def write(self, events: Sequence[Event]) -> None:
        if self.failure is not None:
            raise self.failure
        self.started = True
        for event in events:
            # Only what has no name may be that mark; to look at the data of each is dear.
            if event.type or event.data != DONE:
                self._waiting.append(LoggedEvent(self._number, event.sse))
                self._number += 1
        if len(self._waiting) > _MOST_WAITING:
            await self.flush()
        elif self._timer is None:
            self._set_timer()

    async def flush(self) -> None:
        """Write what waits; it is in the log when this returns, and nobody else has taken it over."""
        await self._append(ended=False)

    async def close(self, events: Sequence[Event] = ()) -> None:
        await self.write(events)
        await self._append(ended=True)
        self.ended = True
        self.stop()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _set_timer(self) -> None:
        """Have what waits written soon; at the same moment as that of other responses, in one commit."""
        if self._waiting and self._timer is None and self._task is None:
            seconds = self._keeping.limits.flush
            now = self._loop.time()
            due = (now // seconds + self._times) * seconds if seconds else now
            self._timer = self._loop.call_at(due, self._on_timer, due)

    def _on_timer(self, due: float) -> None:
        self._timer = None
        if seconds := self._keeping.limits.flush:
            late = self._loop.time() - due
            self._times = min(1 + int(late / (seconds * _BUSY)), _LONGEST)
        self._task = self._loop.create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        try:
            await self._append(ended=False)
        except Exception:
            logger.debug("the log of %s cannot be written", self._held.id, exc_info=True)
        finally:
            self._task = None
            self._set_timer()

    async def _append(self, *, ended: bool) -> None:
        """Have all that waits written, once for all who want that."""
        async with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            batch = [*self._waiting]
            tries = _Tries(self._keeping, self._held, batch, ended=ended)
            try:
                await self._keeping.insist(tries.append, f"log the events of {self._held.id}")
            except Exception as error:
                self.failure = error
                raise
            del self._waiting[: len(batch)]


class _Tries:
    """One batch on its way into the log."""

    def __init__(self, keeping: Keeping, held: Held, batch: Sequence[LoggedEvent], *, ended: bool) -> None:
        self._append = partial(keeping.log.append, held.id, held.epoch)
        self._batch = batch
        self._ended = ended
        self._failed = False

    async def append(self) -> None:
        """Try. Raises what the store raises, and StoreError when it has lost what was written before."""
        if self._failed and self._batch and await self._append() < self._batch[0].number - 1:
            raise StoreError("The store has lost events of this response.", status=410, code="events_lost")
        self._failed = True
        await self._append(self._batch, ended=self._ended)


class LogOutlet(KeepingOutlet):
    """The Outlet of one background response; `give_up` ends its upstream calls as if a client had left.

    `kept` is the response, once it is kept as one that has ended.
    """

    def __init__(self, keeping: Keeping, held: Held, record: ResponseRecord) -> None:
        self.on_left: Callable[[], None] | None = None
        self.refused: APIError | None = None
        self.kept: JSON | None = None
        self.log = LogSink(keeping, held)
        self._keeping = keeping
        self._held = held
        self._record = record
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
        return self.log

    async def refuse(self, error: APIError, headers: Sequence[Header] = ()) -> None:
        self.refused = error

    async def vanish(self) -> None:
        """The job says what became of it."""

    async def keep(self, turn: Turn, answer: JSON, *, left: bool = False) -> bool:
        """Keep the answer, unless its lease is lost. Raises what the store raises in the end."""
        if left:
            # The job says what became of it.
            return True
        try:
            await self.keep_as(turn, answer, doing=f"keep the end of {self._held.id}")
        except APIError as error:
            self.refused = error
            raise
        self.kept = answer
        return True

    async def keep_as(self, turn: Turn, answer: JSON, *, doing: str) -> None:
        """Keep the answer as it is now."""
        record, *items = turn.records(answer)
        await self._keeping.insist(partial(self._record.put, record), doing)
        if items:
            await self._keeping.insist(partial(self._keeping.store.put, *items), doing)
