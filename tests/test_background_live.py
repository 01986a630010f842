"""Logs that are read where they are written: what readers are told without asking the store, and when they
have to ask it all the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from responses_asgi import MemoryStore, StoreError
from responses_asgi.background.live import LiveLog
from responses_asgi.errors import VersionConflictError
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.event_log import EventLog, LoggedEvent, LogPage
from tests.background_driver import Model, assert_whole, events_of, serving
from tests.background_rules import events, follow


class Counted:
    """A store whose event log counts the calls; `failing`: appends fail, before or after they were done."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self.calls: Counter[str] = Counter()
        self.failing: str | None = None
        self.leases = self.inner.leases
        for name in ("get", "find", "put", "delete", "list", "aclose"):
            setattr(self, name, getattr(self.inner, name))

    @property
    def events(self) -> EventLog:
        return self

    async def append(
        self, id: str, epoch: int, events: Sequence[LoggedEvent] = (), *, ended: bool = False
    ) -> int:
        if self.failing == "before":
            raise StoreError("Away.")
        last = await self.inner.events.append(id, epoch, events, ended=ended)
        if self.failing == "after":
            raise StoreError("Away.")
        return last

    async def read(self, id: str, **asked: Any) -> LogPage | None:
        self.calls["wait" if asked.get("wait") else "read"] += 1
        return await self.inner.events.read(id, **asked)

    async def expire(self, id: str, *, seconds: float) -> None:
        await self.inner.events.expire(id, seconds=seconds)


@pytest.fixture
def store() -> Counted:
    return Counted()


@pytest.fixture
def log(store: Counted) -> LiveLog:
    assert isinstance(store, BackgroundStore)
    return LiveLog(store)


async def waiting(log: LiveLog, after: int) -> asyncio.Task[LogPage | None]:
    """A reader that waits already."""
    reader = asyncio.create_task(log.read("resp_1", after=after, wait=60))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not reader.done()
    return reader


async def test_who_has_read_all_is_told_without_asking_the_store(store: Counted, log: LiveLog) -> None:
    last = await log.append("resp_1", 1, events(0, 1))
    log.begin("resp_1", last)
    reader = await waiting(log, 1)
    await log.append("resp_1", 1, events(2, 3))
    assert await reader == LogPage(events(2, 3), False)
    reader = await waiting(log, 3)
    await log.append("resp_1", 1, events(4), ended=True)
    assert await reader == LogPage(events(4), True)
    assert await log.read("resp_1", after=4, wait=60) == LogPage([], True)
    assert store.calls == {}
    log.leave("resp_1")
    assert await log.read("resp_1", after=2, wait=60) == LogPage(events(3, 4), True)
    assert store.calls == {"wait": 1}


async def test_who_comes_a_little_later_is_told_what_was_written_last(store: Counted, log: LiveLog) -> None:
    await log.append("resp_1", 1, events(0, 1))
    log.begin("resp_1", 1)
    await log.append("resp_1", 1, events(2, 3, 4))
    assert await log.read("resp_1", after=1, wait=60) == LogPage(events(2, 3, 4), False)
    assert await log.read("resp_1", after=2, wait=60) == LogPage(events(3, 4), False)
    assert store.calls == {}
    assert await log.read("resp_1", after=0, wait=60) == LogPage(events(1, 2, 3, 4), False)
    assert store.calls == {"read": 1}


async def test_nothing_is_told_that_the_store_refuses(store: Counted, log: LiveLog) -> None:
    await log.append("resp_1", 1, events(0))
    log.begin("resp_1", 0)
    reader = await waiting(log, 0)
    await store.inner.events.append("resp_1", 2)
    with pytest.raises(VersionConflictError):
        await log.append("resp_1", 1, events(1))
    await asyncio.sleep(0.01)
    assert not reader.done()
    log.leave("resp_1")
    await store.inner.events.append("resp_1", 2, [LoggedEvent(1, b"the other's")], ended=True)
    assert await reader == LogPage([LoggedEvent(1, b"the other's")], True)


@pytest.mark.parametrize("failing", ["before", "after"])
async def test_after_a_failed_append_nothing_is_doubled_or_skipped(
    failing: str, store: Counted, log: LiveLog
) -> None:
    await log.append("resp_1", 1, events(0))
    log.begin("resp_1", 0)
    reader = asyncio.create_task(follow(log, "resp_1"))
    await asyncio.sleep(0)
    store.failing = failing
    with pytest.raises(StoreError):
        await log.append("resp_1", 1, events(1, 2))
    # It is not known how far the log goes: who comes now looks.
    late = asyncio.create_task(follow(log, "resp_1"))
    await asyncio.sleep(0.01)
    store.failing = None
    await log.append("resp_1", 1, events(1, 2))
    await log.append("resp_1", 1, events(3), ended=True)
    assert await reader == await late == [0, 1, 2, 3]


async def test_who_is_behind_reads_the_store_and_then_waits_here(store: Counted, log: LiveLog) -> None:
    await log.append("resp_1", 1, events(0, 1, 2))
    log.begin("resp_1", 2)
    assert await log.read("resp_1", after=0, limit=1, wait=60) == LogPage(events(1), False)
    assert await log.read("resp_1", after=1, wait=60) == LogPage(events(2), False)
    reader = await waiting(log, 2)
    await log.append("resp_1", 1, events(3, 4))
    assert await reader == LogPage(events(3, 4), False)
    assert store.calls == {"read": 2}


async def test_who_asks_for_little_is_told_little(log: LiveLog) -> None:
    log.begin("resp_1", await log.append("resp_1", 1))
    reader = asyncio.create_task(log.read("resp_1", limit=1, wait=60))
    await asyncio.sleep(0)
    await log.append("resp_1", 1, events(0, 1), ended=True)
    assert await reader == LogPage(events(0), False)


async def test_where_the_log_ends_is_looked_up_when_it_is_not_known(store: Counted, log: LiveLog) -> None:
    await store.inner.events.append("resp_1", 1, events(0))
    log.begin("resp_1")
    reader = await waiting(log, 0)
    assert store.calls == {"read": 1}
    await log.append("resp_1", 2, events(1))
    assert await reader == LogPage(events(1), False)


async def test_who_waits_in_vain_looks_at_the_store(store: Counted, log: LiveLog) -> None:
    """Another may have taken the log over without a word to us."""
    log.begin("resp_1", await log.append("resp_1", 1, events(0)))
    await store.inner.events.append("resp_1", 2, events(1))
    assert await log.read("resp_1", after=0, wait=0.02) == LogPage(events(1), False)


async def test_a_log_that_is_forgotten_is_gone_at_once(log: LiveLog) -> None:
    log.begin("resp_1", await log.append("resp_1", 1, events(0)))
    reader = await waiting(log, 0)
    await log.expire("resp_1", seconds=0)
    assert await asyncio.wait_for(reader, 30) is None


async def test_a_stream_of_this_process_is_not_read_back(store: Counted) -> None:
    model = Model(free=True)
    async with serving(model, store) as service:
        got = await service.ask(
            "POST", "/responses", {"model": "m", "input": "Hi", "background": True, "stream": True}
        )
    assert assert_whole(events_of(got))["status"] == "completed"
    assert store.calls == {}
