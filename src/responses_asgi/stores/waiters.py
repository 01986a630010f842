"""Who waits for the next events of a log, in any event loop and thread of this process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from responses_asgi.stores.event_log import LogPage

__all__ = ["Waiter", "Waiters", "cut", "part"]


class Waiter:
    """One reader that has read up to `after`."""

    __slots__ = ("_answer", "after", "loop")

    def __init__(self, after: int) -> None:
        self.after = after
        self.loop = asyncio.get_running_loop()
        self._answer: asyncio.Future[LogPage | None] = self.loop.create_future()

    async def wait(self, seconds: float) -> LogPage | None:
        """What was told, within this time; None: read again."""
        timer = self.loop.call_later(seconds, self.settle, None)
        try:
            return await self._answer
        finally:
            timer.cancel()

    def settle(self, page: LogPage | None) -> None:
        """In the waiter's loop."""
        if not self._answer.done():
            self._answer.set_result(page)


class Waiters:
    """All that wait, by the id of the log."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[Waiter]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def waiting(self, id: str, after: int) -> Iterator[Waiter]:
        """Wait from now on: what is told while the log is looked at is not missed."""
        waiter = Waiter(after)
        with self._lock:
            self._waiting.setdefault(id, set()).add(waiter)
        try:
            yield waiter
        finally:
            with self._lock:
                others = self._waiting[id]
                others.discard(waiter)
                if not others:
                    del self._waiting[id]

    def lowest(self) -> dict[str, int]:
        """The logs that are waited for, and where the reader is that has read least of each."""
        with self._lock:
            return {id: min(one.after for one in waiting) for id, waiting in self._waiting.items()}

    def tell(self, id: str, page: LogPage | None) -> None:
        """These events follow in this log; from any thread. Who has not read up to them is told to read, and
        for None all are."""
        with self._lock:
            waiting = [*self._waiting.get(id, ())]
        if waiting:
            _settle((waiter, told) for waiter in waiting for told in part(waiter.after, page))

    def tell_all(self) -> None:
        """All are to read again; from any thread."""
        with self._lock:
            waiting = [waiter for one in self._waiting.values() for waiter in one]
        _settle((waiter, None) for waiter in waiting)


def cut(page: LogPage, limit: int) -> LogPage:
    """Its first events, at most so many."""
    return page if len(page.events) <= limit else LogPage(page.events[:limit], False)


def part(after: int, page: LogPage | None) -> Iterable[LogPage | None]:
    """What a reader is told who has read up to `after`: nothing if it knows that, None if it has to read."""
    if page is None:
        yield None
        return
    events = page.events
    if events and events[0].number <= after:
        events = [event for event in events if event.number > after]
    if events and events[0].number > after + 1:
        yield None
    elif events or page.ended:
        yield page if events is page.events else LogPage(events, page.ended)


def _settle(told: Iterable[tuple[Waiter, LogPage | None]]) -> None:
    """Wake each other loop once. A loop that is closed waits for nothing any more."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiter, Any]]] = {}
    for waiter, page in told:
        by_loop.setdefault(waiter.loop, []).append((waiter, page))
    here: asyncio.AbstractEventLoop | None = None
    with contextlib.suppress(RuntimeError):
        here = asyncio.get_running_loop()
    for loop, pages in by_loop.items():
        if loop is here:
            _settle_all(pages)
            continue
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle_all, pages)


def _settle_all(pages: list[tuple[Waiter, LogPage | None]]) -> None:
    for waiter, page in pages:
        waiter.settle(page)
