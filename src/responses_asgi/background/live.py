"""Event logs that this process writes itself: who reads them here is told, and need not ask the store.

1. What is told was written before: readers see nothing that a store could still refuse.
2. A log is live here while a worker of this component has its job. Whoever has read up to what was written
   last waits for the worker, or is told that at once; whoever is further back reads the store first.
3. Where an append has failed it is not known how far the log goes: the store is looked at. Where the job is
   gone without an end, others may write the rest: the store is listened to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.event_log import LoggedEvent, LogPage
from responses_asgi.stores.waiters import Waiters, cut, part

__all__ = ["LiveLog"]

_NOTHING = LogPage([], False)


class _Written:
    """A live log: the number of its last event, None where that is not known, and what was written last."""

    __slots__ = ("last", "newest")

    def __init__(self, last: int | None, newest: LogPage = _NOTHING) -> None:
        self.last = last
        self.newest = newest

    def is_behind(self, after: int) -> bool:
        """Whether there may be more than this number in the log."""
        return self.last is None or self.last > after


class LiveLog:
    """The `EventLog` of `store`, for a component that writes some of the logs; for all its event loops."""

    def __init__(self, store: BackgroundStore) -> None:
        self._store = store
        self._waiters = Waiters()
        self._live: dict[str, _Written] = {}

    def begin(self, id: str, last: int | None = None) -> None:
        """This component writes the log from now on; `last`: the number of its last event, where known."""
        self._live[id] = _Written(last)

    def leave(self, id: str) -> None:
        """It writes no more."""
        if self._live.pop(id, None):
            self._waiters.tell(id, None)

    async def append(
        self, id: str, epoch: int, events: Sequence[LoggedEvent] = (), *, ended: bool = False
    ) -> int:
        """Write the events, and then tell who waits here."""
        try:
            last = await self._store.events.append(id, epoch, events, ended=ended)
        except BaseException:
            # Perhaps they are there, perhaps another's are.
            self._doubt(id)
            raise
        if events or ended:
            page = LogPage(events, ended)
            if id in self._live:
                self._live[id] = _Written(last, page)
            self._waiters.tell(id, page)
        return last

    async def read(self, id: str, *, after: int = -1, limit: int = 1000, wait: float = 0.0) -> LogPage | None:
        """At most `limit` events with a number above `after`; None when there is no such log."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while wait > 0:
            with self._waiters.waiting(id, after) as waiter:
                # What is told from now on is not missed.
                live = self._live.get(id)
                if live is None:
                    break
                for page in part(after, live.newest):
                    if page is not None:
                        return cut(page, max(limit, 1))
                if live.is_behind(after):
                    page = await self._store.events.read(id, after=after, limit=limit)
                    if page is None or page.events or page.ended:
                        return page
                told = await waiter.wait(max(deadline - loop.time(), 0.0))
            if told is not None:
                return cut(told, max(limit, 1))
            wait = deadline - loop.time()
        return await self._store.events.read(id, after=after, limit=limit, wait=max(wait, 0.0))

    async def expire(self, id: str, *, seconds: float) -> None:
        """Forget the log after this many seconds; who waits for it looks again."""
        await self._store.events.expire(id, seconds=seconds)
        self._doubt(id)
        self._waiters.tell(id, None)

    def _doubt(self, id: str) -> None:
        if id in self._live:
            self._live[id] = _Written(None)
