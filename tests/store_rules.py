"""What every store does: one rule, one test, whatever keeps the records.

A store is tested by a class that inherits the rules and says in a fixture how such a store is made:

    class TestMyStore(RecordRules):
        @pytest.fixture
        def subject(self) -> Subject:
            return Subject(MyStore())

The rules use the protocol only, besides `aclose`. Each begins with an empty store.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pytest

from responses_asgi.errors import VersionConflictError
from responses_asgi.stores.records import Record, Records

HOSTILE = [
    "",
    " ",
    "/../../etc/passwd",
    "a/b\\c",
    "a\0b",
    "a",
    "'; DROP TABLE records; --",
    '"quoted"',
    "100%_*?[a-z]{1}",
    "line\nbreak\r\n",
    "colon:colon::{tag}",
    "Zoë",
    "Zoe\u0308",
    "🦊" * 20,
    "\ud800",
    "\ud83d and \ude00",
    "long " * 200_000,
]
"""Ids as a client might write them: all of them are data, and no two are the same."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A store, and what the rules must know of it.

    - `store`: empty, with a ttl of its own of `store_ttl` seconds.
    - `wait`: lets this many seconds pass, by the store's clock. The rules count in `second`s: 1.0 with a
      clock that is set, less with the real one.
    - `again`: another store over the same records, as another process has it; None where there is no such.
    - `largest`: bytes of data it can keep in one record.
    """

    store: Records
    wait: Callable[[float], Awaitable[None]]
    second: float = 1.0
    store_ttl: float = 100.0
    again: Callable[[], Records] | None = None
    largest: int = 5_000_000


class Clock:
    """A clock that is set by hand. `Subject(store=MemoryStore(clock=clock), wait=clock.wait)`"""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.now += seconds


def record(
    id: str = "resp_1", data: bytes = b"{}", *, kind: str = "response", owner: str = "a", **more: Any
) -> Record:
    """A record with little to say."""
    return Record(kind=kind, owner=owner, id=id, data=data, **more)


def told(found: Record | None) -> Record | None:
    """What was put, without what the store added."""
    return found and replace(found, version=0, position=0)


def ids(found: Sequence[Record]) -> list[str]:
    return [one.id for one in found]


def in_threads(*works: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run each in a thread and an event loop of its own, at the same time; raises what one of them raises."""
    errors: list[BaseException] = []

    def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


class Keeping:
    """get, put, delete."""

    async def test_what_was_put_is_there(self, subject: Subject) -> None:
        put = record(data=b"\x00\xff{}", parent="conv_1", names=("call_1", "call_2"), ttl=50.0)
        await subject.store.put(put)
        found = await subject.store.get("response", "a", "resp_1")
        assert found is not None
        assert told(found) == put
        assert found.version == 1
        assert isinstance(found.data, bytes)

    async def test_what_was_not_put_is_not(self, subject: Subject) -> None:
        await subject.store.put(record())
        for place in (
            ("response", "a", "resp_2"),
            ("response", "b", "resp_1"),
            ("conversation", "a", "resp_1"),
        ):
            assert await subject.store.get(*place) is None

    async def test_putting_nothing_is_nothing(self, subject: Subject) -> None:
        await subject.store.put()
        assert await subject.store.list("response", "a") == []

    async def test_a_replaced_record_is_the_new_one_in_the_old_position(self, subject: Subject) -> None:
        store = subject.store
        await store.put(record("1", parent="p", names=("n",)), record("2"))
        first = await store.get("response", "a", "1")
        await store.put(record("1", b"new", parent="q", names=("m",), ttl=9.0))
        second = await store.get("response", "a", "1")
        assert first is not None
        assert second is not None
        assert told(second) == record("1", b"new", parent="q", names=("m",), ttl=9.0)
        assert second.position == first.position
        assert second.version == 2
        assert ids(await store.list("response", "a")) == ["1", "2"]

    async def test_what_is_put_sets_neither_version_nor_position(self, subject: Subject) -> None:
        await subject.store.put(record("1"))
        await subject.store.put(record("2", version=77, position=-5))
        one, two = await subject.store.list("response", "a")
        assert (one.version, two.version) == (1, 1)
        assert one.position < two.position

    async def test_a_record_read_can_be_put_again(self, subject: Subject) -> None:
        await subject.store.put(record(names=("n",), parent="p"))
        found = await subject.store.get("response", "a", "resp_1")
        assert found is not None
        await subject.store.put(replace(found, data=b"more"), version=found.version)
        assert await subject.store.get("response", "a", "resp_1") == replace(found, data=b"more", version=2)

    async def test_many_are_put_at_once_in_their_order(self, subject: Subject) -> None:
        await subject.store.put(*(record(f"{n:03}", str(n).encode()) for n in range(250)))
        found = await subject.store.list("response", "a", limit=1000)
        assert [(one.id, one.data) for one in found] == [(f"{n:03}", str(n).encode()) for n in range(250)]

    async def test_of_two_records_of_one_place_in_a_put_the_last_stays(self, subject: Subject) -> None:
        await subject.store.put(record("1", b"one", names=("x",)), record("1", b"two", names=("y",)))
        assert [one.data for one in await subject.store.list("response", "a")] == [b"two"]
        assert await subject.store.find("response", "a", "x") is None

    async def test_delete_says_how_many_there_were(self, subject: Subject) -> None:
        store = subject.store
        await store.put(*map(record, "123"))
        assert await store.delete("response", "a") == 0
        assert await store.delete("response", "a", "1", "3", "4", "1") == 2
        assert await store.delete("response", "a", "1") == 0
        assert ids(await store.list("response", "a")) == ["2"]
        assert await store.get("response", "a", "1") is None

    async def test_a_record_put_after_its_deletion_is_new(self, subject: Subject) -> None:
        store = subject.store
        await store.put(*map(record, "12"))
        await store.delete("response", "a", "1")
        await store.put(record("1"))
        found = await store.list("response", "a")
        assert [(one.id, one.version) for one in found] == [("2", 1), ("1", 1)]

    async def test_positions_are_not_given_twice(self, subject: Subject) -> None:
        """A cursor that names a deleted record's position still leads to what is behind it."""
        store = subject.store
        await store.put(record("1"), record("2"))
        last = (await store.list("response", "a"))[-1].position
        await store.delete("response", "a", "2")
        await store.put(record("3"))
        assert ids(await store.list("response", "a", after=last)) == ["3"]


class Versions:
    """put only if nobody else has."""

    async def test_put_only_when_there_is_none(self, subject: Subject) -> None:
        store = subject.store
        await store.put(record(data=b"1"), version=0)
        with pytest.raises(VersionConflictError):
            await store.put(record(data=b"2"), version=0)
        found = await store.get("response", "a", "resp_1")
        assert found is not None
        assert (found.data, found.version) == (b"1", 1)

    async def test_put_only_over_the_version_that_was_read(self, subject: Subject) -> None:
        store = subject.store
        await store.put(record(data=b"1"))
        await store.put(record(data=b"2"), version=1)
        with pytest.raises(VersionConflictError):
            await store.put(record(data=b"3", names=("n",)), version=1)
        with pytest.raises(VersionConflictError):
            await store.put(record(data=b"3"), version=3)
        found = await store.get("response", "a", "resp_1")
        assert found is not None
        assert (found.data, found.version) == (b"2", 2)
        assert await store.find("response", "a", "n") is None

    async def test_no_version_is_that_of_nothing(self, subject: Subject) -> None:
        with pytest.raises(VersionConflictError):
            await subject.store.put(record(), version=1)
        assert await subject.store.get("response", "a", "resp_1") is None

    async def test_a_deleted_record_begins_at_no_version(self, subject: Subject) -> None:
        await subject.store.put(record())
        await subject.store.delete("response", "a", "resp_1")
        await subject.store.put(record(), version=0)

    async def test_a_version_is_of_one_record(self, subject: Subject) -> None:
        for records in ((), (record("1"), record("2"))):
            with pytest.raises(ValueError, match="one record"):
                await subject.store.put(*records, version=0)
        assert await subject.store.list("response", "a") == []

    async def test_of_many_that_change_a_record_each_counts_once(self, subject: Subject) -> None:
        store = subject.store
        await store.put(record(data=b"0"))

        async def count() -> None:
            for _ in range(500):
                found = await store.get("response", "a", "resp_1")
                assert found is not None
                try:
                    await store.put(record(data=str(int(found.data) + 1).encode()), version=found.version)
                except VersionConflictError:
                    await asyncio.sleep(0)
                else:
                    return
            raise AssertionError("500 conflicts in a row")

        await asyncio.gather(*(count() for _ in range(8)))
        found = await store.get("response", "a", "resp_1")
        assert found is not None
        assert (found.data, found.version) == (b"8", 9)


class Names:
    """find."""

    async def test_a_record_is_found_by_each_of_its_names(self, subject: Subject) -> None:
        put = record(names=("call_1", "call_2", "call_1"))
        await subject.store.put(put)
        for name in ("call_1", "call_2"):
            assert told(await subject.store.find("response", "a", name)) == put
        assert await subject.store.find("response", "a", "call_3") is None

    async def test_its_id_is_no_name(self, subject: Subject) -> None:
        await subject.store.put(record("resp_1", names=("call_1",)))
        assert await subject.store.find("response", "a", "resp_1") is None
        assert await subject.store.get("response", "a", "call_1") is None

    async def test_the_newest_with_the_name_is_found(self, subject: Subject) -> None:
        store = subject.store
        for id in ("1", "2", "3"):
            await store.put(record(id, names=("n",)))
        await store.put(record("1", names=("n",)))
        found = [await store.find("response", "a", "n")]
        for id in ("3", "2", "1"):
            await store.delete("response", "a", id)
            found.append(await store.find("response", "a", "n"))
        assert [one and one.id for one in found] == ["3", "2", "1", None]

    async def test_names_are_of_a_kind_and_an_owner(self, subject: Subject) -> None:
        await subject.store.put(record(names=("n",)))
        assert await subject.store.find("response", "b", "n") is None
        assert await subject.store.find("item", "a", "n") is None

    async def test_a_replaced_record_has_its_new_names_only(self, subject: Subject) -> None:
        store = subject.store
        await store.put(record(names=("x", "y")))
        await store.put(record(names=("y", "z")))
        assert await store.find("response", "a", "x") is None
        assert await store.find("response", "a", "y")
        assert await store.find("response", "a", "z")
        await store.put(record())
        assert [await store.find("response", "a", name) for name in "xyz"] == [None] * 3

    async def test_names_are_forgotten_with_the_record(self, subject: Subject) -> None:
        await subject.store.put(record(names=("n",)))
        await subject.store.delete("response", "a", "resp_1")
        await subject.store.put(record())
        assert await subject.store.find("response", "a", "n") is None


class Lists:
    """list."""

    async def test_pages_of_either_order(self, subject: Subject) -> None:
        store = subject.store
        await store.put(*(record(f"{n:02}") for n in range(25)))
        for descending in (False, True):
            pages: list[list[str]] = []
            after = None
            while page := await store.list("response", "a", after=after, limit=10, descending=descending):
                pages.append(ids(page))
                after = page[-1].position
            assert [len(page) for page in pages] == [10, 10, 5]
            assert [*chain(*pages)] == sorted((f"{n:02}" for n in range(25)), reverse=descending)

    async def test_twenty_unless_said_otherwise(self, subject: Subject) -> None:
        await subject.store.put(*(record(f"{n:02}") for n in range(25)))
        assert ids(await subject.store.list("response", "a")) == [f"{n:02}" for n in range(20)]

    async def test_limits_and_cursors_of_any_size(self, subject: Subject) -> None:
        store = subject.store
        await store.put(*map(record, "12"))
        assert await store.list("response", "a", limit=0) == []
        assert ids(await store.list("response", "a", limit=1)) == ["1"]
        assert ids(await store.list("response", "a", limit=10**30)) == ["1", "2"]
        assert await store.list("response", "a", after=10**30) == []
        assert ids(await store.list("response", "a", after=-(10**30))) == ["1", "2"]
        assert await store.list("response", "a", after=-(10**30), descending=True) == []
        assert ids(await store.list("response", "a", after=10**30, descending=True)) == ["2", "1"]

    async def test_lists_are_of_a_kind_and_an_owner(self, subject: Subject) -> None:
        await subject.store.put(record("1"), record("2", owner="b"), record("3", kind="item"))
        assert ids(await subject.store.list("response", "a")) == ["1"]
        assert ids(await subject.store.list("response", "b")) == ["2"]
        assert ids(await subject.store.list("item", "a")) == ["3"]
        assert await subject.store.list("item", "b") == []

    async def test_lists_of_what_belongs_to_a_record(self, subject: Subject) -> None:
        store = subject.store
        for n in range(9):
            await store.put(record(str(n), parent=("", "p", "q")[n % 3]))
        await store.put(record("b", owner="b", parent="p"))
        assert ids(await store.list("response", "a", parent="p")) == ["1", "4", "7"]
        assert ids(await store.list("response", "a", parent="p", descending=True, limit=2)) == ["7", "4"]
        assert ids(await store.list("response", "a", parent="")) == ["0", "3", "6"]
        assert await store.list("response", "a", parent="r") == []
        four = await store.get("response", "a", "4")
        assert four is not None
        assert ids(await store.list("response", "a", parent="p", after=four.position)) == ["7"]
        assert ids(await store.list("response", "a", parent="q", after=four.position)) == ["5", "8"]

    async def test_a_record_that_is_given_another_parent_goes_over_to_it(self, subject: Subject) -> None:
        store = subject.store
        await store.put(record("1", parent="p"), record("2", parent="q"))
        await store.put(record("1", parent="q"))
        assert await store.list("response", "a", parent="p") == []
        assert ids(await store.list("response", "a", parent="q")) == ["1", "2"]


class Time:
    """ttl."""

    async def test_a_record_is_forgotten_after_its_ttl(self, subject: Subject) -> None:
        store, second = subject.store, subject.second
        await store.put(record("short", ttl=2 * second, names=("n",), parent="p"), record("long", parent="p"))
        await subject.wait(1 * second)
        assert ids(await store.list("response", "a")) == ["short", "long"]
        await subject.wait(1.5 * second)
        assert await store.get("response", "a", "short") is None
        assert await store.get("response", "a", "short", renew=True) is None
        assert await store.find("response", "a", "n") is None
        assert ids(await store.list("response", "a")) == ["long"]
        assert ids(await store.list("response", "a", parent="p")) == ["long"]
        assert await store.delete("response", "a", "short", "long") == 1

    async def test_an_expired_record_is_no_record_to_replace(self, subject: Subject) -> None:
        store, second = subject.store, subject.second
        await store.put(record("1", ttl=second, names=("n",)))
        await store.put(record("2"))
        await subject.wait(2 * second)
        await store.put(record("1"), version=0)
        found = await store.list("response", "a")
        assert [(one.id, one.version) for one in found] == [("2", 1), ("1", 1)]
        assert await store.find("response", "a", "n") is None

    async def test_the_name_of_an_expired_record_finds_an_older_one(self, subject: Subject) -> None:
        store, second = subject.store, subject.second
        await store.put(record("1", names=("n",)))
        await store.put(record("2", names=("n",), ttl=second))
        assert ids([await store.find("response", "a", "n") or record("none")]) == ["2"]
        await subject.wait(2 * second)
        assert ids([await store.find("response", "a", "n") or record("none")]) == ["1"]

    async def test_expired_records_take_no_place_in_a_page(self, subject: Subject) -> None:
        store, second = subject.store, subject.second
        await store.put(*(record(str(n), ttl=second if n < 5 else None) for n in range(8)))
        await subject.wait(2 * second)
        assert ids(await store.list("response", "a", limit=2)) == ["5", "6"]
        assert ids(await store.list("response", "a", limit=5, descending=True)) == ["7", "6", "5"]

    async def test_renewing_begins_the_ttl_anew(self, subject: Subject) -> None:
        store, second = subject.store, subject.second
        await store.put(record("read", ttl=4 * second), record("renewed", ttl=4 * second, names=("n",)))
        await subject.wait(2.5 * second)
        assert await store.get("response", "a", "read")
        assert await store.get("response", "a", "renewed", renew=True)
        await subject.wait(2.5 * second)
        assert await store.get("response", "a", "read") is None
        renewed = await store.find("response", "a", "n")
        assert renewed == await store.get("response", "a", "renewed")
        assert renewed is not None
        assert renewed.version == 1
        await subject.wait(2.5 * second)
        assert await store.get("response", "a", "renewed") is None

    async def test_putting_begins_the_ttl_anew(self, subject: Subject) -> None:
        store, second = subject.store, subject.second
        await store.put(record("1", ttl=2 * second))
        await subject.wait(1.5 * second)
        await store.put(record("1", ttl=2 * second))
        await subject.wait(1 * second)
        found = await store.get("response", "a", "1")
        assert found is not None
        assert found.version == 2

    async def test_the_store_has_a_ttl_for_what_names_none(self, subject: Subject) -> None:
        store = subject.store
        await store.put(record("1"), record("2", ttl=10 * subject.store_ttl))
        await subject.wait(subject.store_ttl + subject.second)
        assert ids(await store.list("response", "a")) == ["2"]

    async def test_renewing_what_names_no_ttl_gives_it_the_stores(self, subject: Subject) -> None:
        store = subject.store
        await store.put(record())
        await subject.wait(subject.store_ttl * 0.6)
        assert await store.get("response", "a", "resp_1", renew=True)
        await subject.wait(subject.store_ttl * 0.6)
        assert await store.get("response", "a", "resp_1")
        await subject.wait(subject.store_ttl * 0.6)
        assert await store.get("response", "a", "resp_1") is None


class AnyData:
    """What clients may send."""

    async def test_ids_are_only_data(self, subject: Subject) -> None:
        store = subject.store
        await store.put(*(record(id, str(n).encode(), names=(id + "!",)) for n, id in enumerate(HOSTILE)))
        assert ids(await store.list("response", "a", limit=100)) == HOSTILE
        for n, id in enumerate(HOSTILE):
            got = await store.get("response", "a", id)
            assert got is not None
            assert (got.id, got.data) == (id, str(n).encode())
            assert await store.find("response", "a", id + "!") == got
            assert await store.find("response", "a", id + "?") is None
        assert await store.delete("response", "a", *HOSTILE[::2]) == len(HOSTILE[::2])
        assert ids(await store.list("response", "a", limit=100)) == HOSTILE[1::2]

    async def test_kinds_owners_and_parents_are_only_data(self, subject: Subject) -> None:
        store = subject.store
        await store.put(*(record("1", b"k", kind=text) for text in HOSTILE))
        await store.put(*(record("1", b"o", owner=text + "~") for text in HOSTILE))
        await store.put(*(record(str(n), kind="child", parent=text) for n, text in enumerate(HOSTILE)))
        for n, text in enumerate(HOSTILE):
            of_kind = await store.get(text, "a", "1")
            of_owner = await store.list("response", text + "~")
            assert told(of_kind) == record("1", b"k", kind=text)
            assert [*map(told, of_owner)] == [record("1", b"o", owner=text + "~")]
            assert ids(await store.list("child", "a", parent=text)) == [str(n)]

    async def test_places_do_not_run_into_each_other(self, subject: Subject) -> None:
        """No separator between kind, owner and id makes two places one."""
        places = [
            (a, b, c) for a in ("x", "x:", "x:y") for b in ("", ":", "y:z") for c in ("z", ":z", "y::z")
        ]
        await subject.store.put(
            *(Record(kind=k, owner=o, id=i, data=f"{k}|{o}|{i}".encode()) for k, o, i in places)
        )
        for place in places:
            found = await subject.store.get(*place)
            assert found is not None
            assert found.data == "|".join(place).encode()

    async def test_data_of_any_size(self, subject: Subject) -> None:
        data = bytes(range(256)) * (subject.largest // 256)
        await subject.store.put(record("big", data), record("none", b""))
        big, none = await subject.store.list("response", "a")
        assert big.data == data
        assert none.data == b""

    async def test_data_is_kept_as_it_was_when_it_was_put(self, subject: Subject) -> None:
        data: Any = bytearray(b"before")
        await subject.store.put(record(data=data))
        data[:] = b"after!"
        found = await subject.store.get("response", "a", "resp_1")
        assert found is not None
        assert found.data == b"before"

    async def test_a_record_has_many_names(self, subject: Subject) -> None:
        names = tuple(f"call_{n}" for n in range(300))
        await subject.store.put(record(names=names))
        found = await subject.store.find("response", "a", "call_299")
        assert found is not None
        assert found.names == names


class Concurrency:
    """Tasks, threads, event loops, processes."""

    async def test_tasks_side_by_side(self, subject: Subject) -> None:
        store = subject.store

        async def one(n: int) -> None:
            await store.put(record(f"{n}", names=(f"n{n}",), parent=f"p{n % 5}"))
            assert await store.get("response", "a", f"{n}")
            assert await store.find("response", "a", f"n{n}")

        await asyncio.gather(*map(one, range(200)))
        found = await store.list("response", "a", limit=1000)
        assert sorted(ids(found)) == sorted(map(str, range(200)))
        assert len({each.position for each in found}) == 200
        assert [len(await store.list("response", "a", parent=f"p{p}", limit=99)) for p in range(5)] == [
            40
        ] * 5

    async def test_a_failed_put_takes_no_other_with_it(self, subject: Subject) -> None:
        await subject.store.put(record("there"))
        puts = [subject.store.put(record(f"{n}")) for n in range(20)]
        puts.insert(10, subject.store.put(record("there", b"late"), version=0))
        outcomes = await asyncio.gather(*puts, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes if outcome] == [VersionConflictError]
        assert len(await subject.store.list("response", "a", limit=100)) == 21

    async def test_cancelled_callers_leave_the_store_whole(self, subject: Subject) -> None:
        store = subject.store
        tasks = [asyncio.ensure_future(store.put(record(f"{n}", b"x" * 1000))) for n in range(50)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await store.put(record("last"))
        found = ids(await store.list("response", "a", limit=100))
        assert {*map(str, range(1, 50, 2)), "last"} <= {*found}

    def test_several_threads_and_loops(self, subject: Subject) -> None:
        store = subject.store

        def worker(n: int) -> Callable[[], Coroutine[Any, Any, None]]:
            async def work() -> None:
                await asyncio.gather(*(store.put(record(f"{n}/{i}", parent=f"{n}")) for i in range(25)))
                found = await store.list("response", "a", parent=f"{n}", limit=100)
                assert sorted(ids(found)) == sorted(f"{n}/{i}" for i in range(25))
                await store.aclose()

            return work

        in_threads(*map(worker, range(4)))

        async def count() -> None:
            assert len(await store.list("response", "a", limit=1000)) == 100
            await store.aclose()

        asyncio.run(count())

    def test_a_loop_may_end_without_closing(self, subject: Subject) -> None:
        async def put(n: int) -> None:
            await subject.store.put(record(str(n)))

        async def look() -> None:
            assert len(await subject.store.list("response", "a")) == 3
            await subject.store.aclose()

        for n in range(3):
            asyncio.run(put(n))
        asyncio.run(look())

    async def test_what_is_closed_opens_anew(self, subject: Subject) -> None:
        store = subject.store
        await store.aclose()
        for n in range(3):
            await store.put(record(str(n)))
            await store.aclose()
            assert len(await store.list("response", "a")) == n + 1
            await store.aclose()
            await store.aclose()

    async def test_closing_finishes_what_was_asked(self, subject: Subject) -> None:
        store = subject.store
        puts = [asyncio.ensure_future(store.put(record(f"{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        await store.aclose()
        await asyncio.gather(*puts)
        assert len(await store.list("response", "a", limit=100)) == 20

    async def test_another_store_sees_the_same_records(self, subject: Subject) -> None:
        if subject.again is None:
            pytest.skip("kept within the store object: no other has it")
        store, other = subject.store, subject.again()
        await store.put(record("1", names=("n",)))
        found = await other.get("response", "a", "1")
        assert found == await store.get("response", "a", "1") == await other.find("response", "a", "n")
        await other.put(record("1", b"theirs"), version=1)
        with pytest.raises(VersionConflictError):
            await store.put(record("1", b"ours"), version=1)
        await asyncio.gather(
            *(each.put(record(f"{n}{id(each)}")) for n in range(50) for each in (store, other))
        )
        found_by_one = await store.list("response", "a", limit=1000)
        assert found_by_one == await other.list("response", "a", limit=1000)
        assert len({each.position for each in found_by_one}) == len(found_by_one) == 101
        await other.aclose()


class RecordRules(Keeping, Versions, Names, Lists, Time, AnyData, Concurrency):
    """All rules of the `Records` protocol."""
