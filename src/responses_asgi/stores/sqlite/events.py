"""Event logs in one SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from responses_asgi.stores.event_log import LoggedEvent, LogPage
from responses_asgi.stores.sqlite import logs as sql
from responses_asgi.stores.sqlite.tail import Tail
from responses_asgi.stores.sqlite.worker import Worker
from responses_asgi.stores.waiters import cut

__all__ = ["SQLiteEventLog"]

_PATIENCE = 5.0
"""Seconds after which one who waits looks again: a failing file, or one that was closed, tells nothing."""


class SQLiteEventLog:
    """The `EventLog` of an SQLiteStore. Readers in this process learn of an event when it is committed, those
    of other processes some milliseconds later."""

    def __init__(
        self, *, writer: Worker, reader: Worker, tail: Tail, ttl: float, clock: Callable[[], float]
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._tail = tail
        self._ttl = ttl
        self._clock = clock

    async def append(
        self, id: str, epoch: int, events: Sequence[LoggedEvent] = (), *, ended: bool = False
    ) -> int:
        """Write the events behind what is there; the number of the last one there then, -1 for none."""
        work = partial(
            sql.append, id=id, epoch=epoch, events=events, ended=ended, now=self._clock(), ttl=self._ttl
        )
        if events:
            self._tail.writing(id, events[-1].number)
        appended = await self._writer.run(work)
        self._tail.wrote(id, appended)
        return appended.last

    async def read(self, id: str, *, after: int = -1, limit: int = 1000, wait: float = 0.0) -> LogPage | None:
        """At most `limit` events with a number above `after`; None when there is no such log."""
        limit = max(limit, 1)
        if wait <= 0:
            work = partial(sql.read, id=id, after=after, limit=limit, now=self._clock())
            return await self._reader.run(work)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            with self._tail.waiters.waiting(id, after) as waiter:
                if not self._tail.nothing_behind(id, after):
                    page = await self._reader.run(partial(self._tail.read, id=id, after=after, limit=limit))
                    if page is None or page.events or page.ended:
                        return page
                seconds = deadline - loop.time()
                if seconds <= 0:
                    return LogPage([], False)
                told = await waiter.wait(min(seconds, _PATIENCE))
            if told is not None:
                return cut(told, limit)
            self._tail.doubt(id)

    async def expire(self, id: str, *, seconds: float) -> None:
        """Forget the log after this many seconds."""
        await self._writer.run(partial(sql.expire, id=id, now=self._clock(), seconds=seconds))
