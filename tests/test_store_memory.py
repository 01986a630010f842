"""What the memory store promises beyond the rules of all stores: its bounds, and its process tag."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import tracemalloc
from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError, StoreError
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.memory.store import RECORD_BYTES
from tests.store_rules import Clock, ids, in_threads, record


async def there(store: MemoryStore, *places: str) -> list[bool]:
    """Whether these ids are kept, asked without using them: a list of another kind would not tell."""
    kept = set(ids(await store.list("response", "a", limit=100_000)))
    return [place in kept for place in places]


async def test_the_least_recently_used_is_forgotten_first() -> None:
    store = MemoryStore(max_records=3)
    await store.put(*map(record, "123"))
    assert await store.get("response", "a", "1")
    await store.put(record("4"))
    assert await there(store, *"1234") == [True, False, True, True]


async def test_being_found_listed_and_replaced_is_use() -> None:
    store = MemoryStore(max_records=4)
    await store.put(
        record("named", names=("n",)), record("listed", parent="p"), record("old"), record("older")
    )
    assert await store.find("response", "a", "n")
    await store.list("response", "a", parent="p")
    await store.put(record("old"))
    await store.put(record("new"))
    await store.put(record("newer"), record("newest", parent="p"))
    assert await there(store, "older", "named", "listed", "old", "new", "newer", "newest") == [
        False,
        False,
        False,
        True,
        True,
        True,
        True,
    ]


async def test_bytes_are_bounded_too() -> None:
    size = RECORD_BYTES + 10_000
    store = MemoryStore(max_bytes=3 * size)
    for n in range(5):
        await store.put(record(str(n), bytes(9_000)))
    assert await there(store, *"01234") == [False, False, True, True, True]
    await store.put(record("4", bytes(19_000)))
    assert await there(store, *"234") == [False, True, True]
    assert await store.delete("response", "a", "4") == 1
    await store.put(record("5", bytes(19_000)))
    assert await there(store, *"35") == [True, True]


async def test_what_can_never_be_kept_is_refused_and_drives_nothing_out() -> None:
    store = MemoryStore(max_bytes=10_000, max_records=5)
    await store.put(record("small"))
    for records in (
        [record("big", bytes(10_000))],
        [record("1", bytes(4_500)), record("2", bytes(4_500))],
        [record("x" * 10_000)],
        [record("named", names=tuple(map(str, range(500))))],
        [record(str(n)) for n in range(6)],
    ):
        with pytest.raises(StoreError, match=r"at most 5 records and 10000 bytes") as caught:
            await store.put(*records)
        assert (caught.value.status, caught.value.headers) == (413, {})
    assert ids(await store.list("response", "a")) == ["small"]


async def test_expired_records_make_room_before_living_ones() -> None:
    clock = Clock()
    store = MemoryStore(max_records=2, clock=clock)
    await store.put(record("short", ttl=5.0))
    await clock.wait(6)
    await store.put(record("1"))
    await store.put(record("2"))
    assert await there(store, "1", "2") == [True, True]


async def test_what_is_forgotten_leaves_nothing_behind() -> None:
    """Memory returns to what it was, names and parents and all."""
    store = MemoryStore(max_records=200)

    async def fill(start: int) -> None:
        for n in range(start, start + 2_000):
            await store.put(record(f"{n}", owner=f"o{n}", parent=f"p{n}", names=(f"n{n}", f"m{n}")))

    await fill(0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await fill(2_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200 * 4_000


async def test_the_bytes_are_what_python_takes() -> None:
    store = MemoryStore()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(3_000):
        await store.put(record(f"resp_{n:040}", bytes(500), parent=f"conv_{n:040}", names=(f"call_{n:020}",)))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    counted = 3_000 * (RECORD_BYTES + 500 + 3 * 90)
    assert 0.5 * counted < taken < 1.3 * counted


@pytest.mark.parametrize("bound", ["max_records", "max_bytes", "ttl"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_bounds_that_let_nothing_in_are_refused(bound: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=bound):
        MemoryStore(**{bound: value})


def test_stores_have_tags_of_their_own() -> None:
    tags = {MemoryStore().tag for _ in range(20)}
    assert len(tags) > 15
    assert all(re.fullmatch("[0-9a-f]{6}", tag) for tag in tags)
    store = MemoryStore()
    assert store.tag == store.tag


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_has_a_tag_of_its_own_and_keeps_what_was_there() -> None:
    store = MemoryStore()
    asyncio.run(store.put(record("before")))
    tag = store.tag
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            found = asyncio.run(store.get("response", "a", "before"))
            os.write(writing, f"{store.tag} {store.tag} {found is not None}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with open(reading) as answer:
        first, second, found_there = answer.read().split()
    assert first == second != tag
    assert found_there == "True"
    assert store.tag == tag


def test_threads_that_drive_each_others_records_out() -> None:
    store = MemoryStore(max_records=50, max_bytes=100_000)

    def worker(n: int) -> Any:
        async def work() -> None:
            for i in range(300):
                await store.put(record(f"{n}/{i}", bytes(i), names=(f"{i}",), parent=f"{i % 7}"))
                await store.find("response", "a", f"{i}")
                await store.list("response", "a", parent=f"{i % 5}", limit=5)
                await store.delete("response", "a", f"{(n + 1) % 4}/{i}")

        return work

    in_threads(*map(worker, range(4)))
    kept = asyncio.run(store.list("response", "a", limit=1000))
    assert 0 < len(kept) <= 50
    assert threading.active_count() < 20
