"""The event logs and leases of the built-in stores: by the rules of all, and beyond them."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from responses_asgi.errors import StoreError
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.event_log import LoggedEvent, LogPage
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.memory.events import EVENT_BYTES, LOG_BYTES
from responses_asgi.stores.records import Record
from responses_asgi.stores.sqlite import SQLiteStore, logs, tail
from responses_asgi.stores.sqlite import events as sqlite_events
from responses_asgi.stores.sqlite import store as store_module
from tests.background_rules import EventLogRules, LeaseRules, events, follow
from tests.loopback import until
from tests.store_rules import Clock, Subject


class MemorySubject:
    @pytest.fixture
    def subject(self) -> Subject:
        clock = Clock()
        return Subject(store=MemoryStore(ttl=100.0, clock=clock), wait=clock.wait)


class SQLiteSubject:
    @pytest.fixture
    async def subject(self, tmp_path: Path) -> AsyncIterator[Subject]:
        clock = Clock()

        def make() -> SQLiteStore:
            return SQLiteStore(tmp_path / "state.db", ttl=100.0, clock=clock)

        store = make()
        yield Subject(store=store, wait=clock.wait, again=make)
        await store.aclose()


class TestMemoryEvents(MemorySubject, EventLogRules):
    pass


class TestMemoryLeases(MemorySubject, LeaseRules):
    pass


class TestSQLiteEvents(SQLiteSubject, EventLogRules):
    pass


class TestSQLiteLeases(SQLiteSubject, LeaseRules):
    pass


def test_a_store_of_records_alone_is_none_for_background_work(tmp_path: Path) -> None:
    class RecordsOnly:
        async def get(self, kind: str, owner: str, id: str, *, renew: bool = False) -> Record | None:
            return None

    assert not isinstance(RecordsOnly(), BackgroundStore)
    assert isinstance(MemoryStore(), BackgroundStore)
    assert isinstance(SQLiteStore(tmp_path / "state.db"), BackgroundStore)


# ── memory ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_ended_logs_make_room_for_running_ones() -> None:
    log = MemoryStore(max_bytes=4 * (LOG_BYTES + EVENT_BYTES + 5_000)).events
    for n in range(4):
        await log.append(f"{n}", 1, [LoggedEvent(0, bytes(5_000))], ended=n in {1, 2})
    await log.append("4", 1, [LoggedEvent(0, bytes(4_000))])
    assert [await log.read(f"{n}") is not None for n in range(5)] == [True, False, True, True, True]
    await log.append("4", 1, [LoggedEvent(1, bytes(4_000))])
    assert await log.read("2") is None
    with pytest.raises(StoreError, match="cannot keep more events now") as caught:
        await log.append("4", 1, [LoggedEvent(2, bytes(9_000))])
    assert caught.value.status == 503
    assert await log.append("4", 1) == 1, "what did not fit left nothing behind"
    await log.expire("0", seconds=0)
    assert await log.append("4", 1, [LoggedEvent(2, bytes(4_000))]) == 2


async def test_an_ended_log_does_not_make_room_for_itself() -> None:
    log = MemoryStore(max_bytes=10_000).events
    await log.append("1", 1, [LoggedEvent(0, bytes(5_000))], ended=True)
    assert await log.append("1", 1, [LoggedEvent(0, bytes(5_000))], ended=True) == 0
    with pytest.raises(StoreError):
        await log.append("2", 1, [LoggedEvent(0, bytes(9_000))])


async def test_expired_logs_leave_the_memory() -> None:
    clock = Clock()
    log = MemoryStore(max_bytes=50_000_000, ttl=10.0, clock=clock).events

    async def fill() -> None:
        for n in range(1_000):
            await log.append(f"{clock.now} {n}", 1, [LoggedEvent(0, bytes(500))])
        await clock.wait(11)

    await fill()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await fill()
    await fill()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1_000 * (LOG_BYTES + EVENT_BYTES + 500) * 1.5


async def test_the_bytes_are_what_python_takes() -> None:
    log = MemoryStore().events
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(200):
        await log.append(f"resp_{n:050}", 1, [LoggedEvent(i, bytes(200)) for i in range(1_000, 1_050)])
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    counted = 200 * (LOG_BYTES + 50 * (EVENT_BYTES + 200))
    assert 0.6 * counted < taken < 1.2 * counted


# ── SQLite ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_logs_and_leases_outlive_the_store(tmp_path: Path) -> None:
    first = SQLiteStore(tmp_path / "state.db")
    await first.events.append("resp_1", 3, events(0, 1))
    epoch = await first.leases.claim("response", "resp_1", seconds=50)
    await first.aclose()
    second = SQLiteStore(tmp_path / "state.db")
    assert await second.events.read("resp_1") == LogPage(events(0, 1), False)
    assert await second.leases.claim("response", "resp_1", seconds=50) is None
    assert epoch is not None
    assert await second.leases.release("response", "resp_1", epoch)
    await second.aclose()


async def test_what_has_expired_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "TIDY_SECONDS", 0.02)
    clock = Clock()
    store = SQLiteStore(tmp_path / "state.db", ttl=10.0, clock=clock)
    for n in range(3 * logs.FORGOTTEN_AT_ONCE):
        await store.events.append(f"{n}", 1, events(*range(20)))
    await store.leases.claim("response", "abandoned", seconds=1.0)
    await clock.wait(10.5)
    await store.events.append("kept", 1, events(0))
    await store.leases.claim("response", "expired", seconds=0.0)
    other = sqlite3.connect(tmp_path / "state.db")

    def rows() -> list[int]:
        names = ("logs", "events", "leases")
        return [other.execute(f"SELECT count(*) FROM responses_asgi_{name}").fetchone()[0] for name in names]

    await until(lambda: rows() == [1, 1, 2])
    await clock.wait(1)
    await until(lambda: rows() == [1, 1, 1])
    other.close()
    assert await store.leases.expired("response") == ["expired"]
    await store.aclose()


async def test_one_who_waits_outlives_a_closed_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another loop has closed the file, and another process writes."""
    monkeypatch.setattr(sqlite_events, "_PATIENCE", 0.05)
    store, other = SQLiteStore(tmp_path / "state.db"), SQLiteStore(tmp_path / "state.db")
    await other.events.append("resp_1", 1, events(0))
    waiting = asyncio.ensure_future(store.events.read("resp_1", after=0, wait=30.0))
    await asyncio.sleep(0.05)
    await store.aclose()
    await other.events.append("resp_1", 1, events(1))
    assert await asyncio.wait_for(waiting, 10) == LogPage(events(1), False)
    await store.aclose()
    await other.aclose()


async def test_one_who_waits_is_told_that_the_file_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_events, "_PATIENCE", 0.05)
    path = tmp_path / "state.db"
    store = SQLiteStore(path, busy_timeout=0.1)
    await store.events.append("resp_1", 1, events(0))
    waiting = asyncio.ensure_future(store.events.read("resp_1", after=0, wait=30.0))
    await asyncio.sleep(0.05)
    path.unlink()
    path.mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        await asyncio.wait_for(waiting, 10)
    path.rmdir()
    await store.events.append("resp_1", 1, events(0))
    await store.aclose()


async def test_nobody_looks_at_the_file_when_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    last_position = logs.last_position

    def counted(connection: sqlite3.Connection) -> int:
        looks.append(last_position(connection))
        return looks[-1]

    monkeypatch.setattr(logs, "last_position", counted)
    store = SQLiteStore(tmp_path / "state.db")
    await store.events.append("resp_1", 1, events(0))
    assert await store.events.read("resp_1") == LogPage(events(0), False)
    assert looks == []
    waiting = asyncio.ensure_future(store.events.read("resp_1", after=0, wait=30.0))
    await until(lambda: len(looks) > 5)
    await store.events.append("resp_1", 1, events(1))
    assert await waiting == LogPage(events(1), False)
    await until(lambda: store._events._tail._connection is None)
    before = len(looks)
    await asyncio.sleep(10 * tail.LOOK_SECONDS)
    assert len(looks) == before
    await store.aclose()


async def test_what_others_write_is_told_among_much_that_is_our_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of both in any order: none of another's is taken for one of ours, whoever looks when."""
    # Nothing is found because it is looked for anyway.
    monkeypatch.setattr(sqlite_events, "_PATIENCE", 600.0)
    monkeypatch.setattr(tail, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(tail, "QUIET_LOOK_SECONDS", 0.001)
    ours, theirs = (SQLiteStore(tmp_path / "state.db") for _ in range(2))
    await ours.events.append("ours", 1, events(0))
    await theirs.events.append("theirs", 1, events(0))
    following = [
        asyncio.ensure_future(follow(store.events, id, wait=60.0))
        for store in (ours, theirs)
        for id in ("ours", "theirs")
    ]

    async def write(store: SQLiteStore, id: str, seed: int) -> None:
        chance = random.Random(seed)
        for number in range(1, 200):
            await store.events.append(id, 1, events(number), ended=number == 199)
            if chance.random() < 0.3:
                # Its rows go away again, and leave a gap in the positions.
                await store.events.append(f"{id} {number}", 1, events(0), ended=True)
                await store.events.expire(f"{id} {number}", seconds=0.0)
            await asyncio.sleep(chance.choice((0.0, 0.0, 0.002)))

    await asyncio.gather(write(ours, "ours", 1), write(theirs, "theirs", 2))
    assert await asyncio.gather(*following) == [[*range(200)]] * 4
    await ours.aclose()
    await theirs.aclose()


async def test_a_log_lives_on_while_it_is_written(tmp_path: Path) -> None:
    """Its time is not lengthened by every append, but by each that would let it end noticeably sooner."""
    now = 1_000.0
    store = SQLiteStore(tmp_path / "state.db", ttl=100.0, clock=lambda: now)
    await store.events.append("resp_1", 1, events(0))
    for number in range(1, 500):
        now += 0.9
        await store.events.append("resp_1", 1, events(number))
    now += 98.9
    page = await store.events.read("resp_1", after=498)
    assert page == LogPage(events(499), False)
    now += 1.2
    assert await store.events.read("resp_1") is None
    await store.aclose()


async def test_a_killed_writer_is_taken_over_from_without_a_gap(tmp_path: Path) -> None:
    program = """
        import asyncio, sys
        from responses_asgi import SQLiteStore
        from responses_asgi.stores.event_log import LoggedEvent

        async def main(path):
            store = SQLiteStore(path)
            epoch = await store.leases.claim("response", "resp_1", seconds=0.5)
            for n in range(10**9):
                await store.events.append("resp_1", epoch, [LoggedEvent(n, b"event")])
                if n % 10 == 0:
                    assert await store.leases.renew("response", "resp_1", epoch, seconds=0.5)
                    print(n, flush=True)
                    await asyncio.sleep(0.001)

        asyncio.run(main(sys.argv[1]))
    """
    store = SQLiteStore(tmp_path / "state.db")
    await store.events.append("none", 1)
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "state.db")]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    readers = [asyncio.ensure_future(follow(store.events, "resp_1")) for _ in range(10)]
    told = 0
    while told < 300:
        told = int(await process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    await process.wait()
    epoch = None
    async with asyncio.timeout(20):
        while epoch is None:
            await asyncio.sleep(0.05)
            for id in await store.leases.expired("response"):
                epoch = await store.leases.claim("response", id, seconds=50)
    last = await store.events.append("resp_1", epoch)
    assert last >= told
    await store.events.append("resp_1", epoch, [LoggedEvent(last + 1, b"failed")], ended=True)
    assert await asyncio.gather(*readers) == [[*range(last + 2)]] * 10
    await store.aclose()
