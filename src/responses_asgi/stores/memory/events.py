"""Event logs within this process."""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from responses_asgi.errors import StoreError, VersionConflictError
from responses_asgi.stores.event_log import LoggedEvent, LogPage, following
from responses_asgi.stores.waiters import Waiters, cut

__all__ = ["MemoryEventLog"]

EVENT_BYTES = 150
"""What an event takes beside its data, and LOG_BYTES a log beside its events (measured)."""
LOG_BYTES = 1_000


@dataclass(slots=True)
class _Log:
    epoch: int
    expires_at: float
    ended: bool = False
    size: int = 0
    events: list[LoggedEvent] = field(default_factory=list)

    @property
    def last(self) -> int:
        return self.events[-1].number if self.events else -1


class MemoryEventLog:
    """The `EventLog` of a MemoryStore.

    At most `max_bytes` are kept. Room is made by forgetting logs that have ended, the least recently written
    first; those of running work are kept, and what no longer fits raises StoreError.
    """

    def __init__(self, *, max_bytes: int, ttl: float, clock: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._clock = clock
        self._logs: OrderedDict[str, _Log] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._waiters = Waiters()

    async def append(
        self, id: str, epoch: int, events: Sequence[LoggedEvent] = (), *, ended: bool = False
    ) -> int:
        """Write the events behind what is there; the number of the last one there then, -1 for none."""
        with self._lock:
            now = self._clock()
            log = self._current(id, now) or _Log(epoch, now)
            new = following(events, log.last)
            if epoch < log.epoch or (log.ended and new):
                raise VersionConflictError("This log is written by another, or has ended.")
            more = EVENT_BYTES * len(new) + sum([len(event.data) for event in new])
            if id not in self._logs:
                more += LOG_BYTES
            self._make_room(id, more, now)
            log.events += new
            log.size += more
            self._bytes += more
            log.epoch, log.expires_at, log.ended = epoch, now + self._ttl, log.ended or ended
            self._logs[id] = log
            self._logs.move_to_end(id)
            last, page = log.last, LogPage(new, log.ended)
        self._waiters.tell(id, page)
        return last

    async def read(self, id: str, *, after: int = -1, limit: int = 1000, wait: float = 0.0) -> LogPage | None:
        """At most `limit` events with a number above `after`; None when there is no such log."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        limit = max(limit, 1)
        while True:
            with self._waiters.waiting(id, after) as waiter:
                page = self._page(id, after, limit)
                seconds = deadline - loop.time()
                if page is None or page.events or page.ended or seconds <= 0:
                    return page
                told = await waiter.wait(seconds)
            if told is not None:
                return cut(told, limit)

    async def expire(self, id: str, *, seconds: float) -> None:
        """Forget the log after this many seconds."""
        with self._lock:
            now = self._clock()
            log = self._current(id, now)
            if log is not None:
                log.expires_at = now + seconds

    def _page(self, id: str, after: int, limit: int) -> LogPage | None:
        with self._lock:
            log = self._current(id, self._clock())
            if log is None:
                return None
            start = bisect_right(log.events, after, key=_number)
            events = log.events[start : start + limit]
            return LogPage(events, log.ended and start + len(events) == len(log.events))

    def _current(self, id: str, now: float) -> _Log | None:
        log = self._logs.get(id)
        if log is not None and log.expires_at <= now:
            self._forget(id)
            return None
        return log

    def _make_room(self, id: str, more: int, now: float) -> None:
        """Forget what has expired and, if these bytes do not fit else, what has ended, except this log."""
        while self._logs and next(iter(self._logs.values())).expires_at <= now:
            self._forget(next(iter(self._logs)))
        if self._bytes + more <= self._max_bytes:
            return
        for ended in [key for key, log in self._logs.items() if log.ended and key != id]:
            self._forget(ended)
            if self._bytes + more <= self._max_bytes:
                return
        raise StoreError(f"The store cannot keep more events now: it holds at most {self._max_bytes} bytes.")

    def _forget(self, id: str) -> None:
        self._bytes -= self._logs.pop(id).size


def _number(event: LoggedEvent) -> int:
    return event.number
