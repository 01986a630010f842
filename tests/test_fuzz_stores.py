"""Stores against a model of three dicts: whatever is asked of them in whatever order, all say the same."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from responses_asgi.errors import VersionConflictError
from responses_asgi.stores import Record
from responses_asgi.stores.event_log import LoggedEvent
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.redis import RedisStore
from responses_asgi.stores.sqlite import SQLiteStore
from tests.examples import examples
from tests.redis_server import BINARY, RedisServer, redis_server

ids = st.sampled_from(["a", "b", "c"])
owners = st.sampled_from(["", "o"])
names = st.lists(st.sampled_from(["x", "y"]), max_size=2).map(tuple)
numbers = st.integers(0, 6)


class Model:
    """What a store keeps, said as simply as can be."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[Record, int, int]] = {}
        self.places = 0
        self.puts = 0
        self.logs: dict[str, tuple[int, list[int], bool]] = {}
        self.leases: dict[str, int] = {}

    def put(self, record: Record) -> None:
        key = (record.owner, record.id)
        self.puts += 1
        if key in self.records:
            _, version, place = self.records[key]
            self.records[key] = (record, version + 1, place)
        else:
            self.places += 1
            self.records[key] = (record, 1, self.places)

    def listed(self, owner: str, *, parent: str | None, descending: bool) -> list[str]:
        found = [
            (place, record.id)
            for (owned, _), (record, _, place) in self.records.items()
            if owned == owner and parent in (None, record.parent)
        ]
        return [id for _, id in sorted(found, reverse=descending)]


class StoreMachine(RuleBasedStateMachine):
    """One store, and the model of it."""

    make: ClassVar[Callable[[Path], Any]]

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self.store = type(self).make(Path(self._folder.name))
        self.model = Model()

    def run(self, asked: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(asked)

    def teardown(self) -> None:
        self.run(self.store.aclose())
        self._runner.close()
        self._folder.cleanup()

    # Records

    @rule(
        id=ids, owner=owners, data=st.binary(max_size=3), parent=ids, names=names, version=st.integers(-1, 3)
    )
    def put(self, **said: Any) -> None:
        version = said.pop("version")
        record = Record(kind="k", **said)
        known = self.model.records.get((record.owner, record.id))
        if version >= 0 and version != (known[1] if known else 0):
            try:
                self.run(self.store.put(record, version=version))
            except VersionConflictError:
                return
            raise AssertionError("a version that is not there was replaced")
        self.run(self.store.put(record, **({"version": version} if version >= 0 else {})))
        self.model.put(record)

    @rule(id=ids, owner=owners)
    def get(self, id: str, owner: str) -> None:
        found = self.run(self.store.get("k", owner, id))
        known = self.model.records.get((owner, id))
        assert (found is None) == (known is None)
        if found and known:
            assert (found.data, found.parent, found.version) == (known[0].data, known[0].parent, known[1])

    @rule(id=ids, owner=owners)
    def delete(self, id: str, owner: str) -> None:
        gone = self.model.records.pop((owner, id), None)
        assert self.run(self.store.delete("k", owner, id)) == (gone is not None)

    @rule(owner=owners, name=st.sampled_from(["x", "y"]))
    def find(self, owner: str, name: str) -> None:
        found = self.run(self.store.find("k", owner, name))
        having = {
            record.id
            for (owned, _), (record, _, _) in self.model.records.items()
            if owned == owner and name in record.names
        }
        assert (found.id in having) if having else found is None

    @rule(owner=owners, parent=st.none() | ids, descending=st.booleans(), limit=st.integers(1, 3))
    def page(self, owner: str, parent: str | None, descending: bool, limit: int) -> None:
        """All of a list, page by page."""
        listed: list[str] = []
        after = None
        while True:
            page = self.run(
                self.store.list("k", owner, parent=parent, after=after, limit=limit, descending=descending)
            )
            listed += [record.id for record in page]
            if len(page) < limit:
                break
            after = page[-1].position
        assert listed == self.model.listed(owner, parent=parent, descending=descending)

    # Logs

    @rule(id=ids, epoch=st.integers(1, 3), first=numbers, count=st.integers(0, 3), ended=st.booleans())
    def append(self, id: str, epoch: int, first: int, count: int, ended: bool) -> None:
        written, known, over = self.model.logs.get(id, (0, [], False))
        last = known[-1] if known else -1
        fresh = [number for number in range(first, first + count) if number > last]
        events = [LoggedEvent(number, b"%d" % number) for number in range(first, first + count)]
        if epoch < written or (over and fresh):
            try:
                self.run(self.store.events.append(id, epoch, events, ended=ended))
            except VersionConflictError:
                return
            raise AssertionError("who is shut out has written")
        said = self.run(self.store.events.append(id, epoch, events, ended=ended))
        known = known + fresh
        assert said == (known[-1] if known else -1)
        self.model.logs[id] = (epoch, known, over or ended)

    @rule(id=ids, after=st.integers(-1, 7), limit=st.integers(1, 4))
    def read(self, id: str, after: int, limit: int) -> None:
        page = self.run(self.store.events.read(id, after=after, limit=limit))
        if id not in self.model.logs:
            assert page is None
            return
        _, known, over = self.model.logs[id]
        behind = [number for number in known if number > after]
        assert [event.number for event in page.events] == behind[:limit]
        assert all(event.data == b"%d" % event.number for event in page.events)
        assert page.ended == (over and len(behind) <= limit)

    # Leases

    @rule(id=ids)
    def claim(self, id: str) -> None:
        epoch = self.run(self.store.leases.claim("l", id, seconds=1000.0))
        assert (epoch is None) == (id in self.model.leases)
        if epoch is not None:
            self.model.leases[id] = epoch

    @rule(id=ids, off=st.integers(0, 1))
    def renew(self, id: str, off: int) -> None:
        epoch = self.model.leases.get(id, 1)
        held = id in self.model.leases and not off
        assert self.run(self.store.leases.renew("l", id, epoch + off, seconds=1000.0)) == held

    @rule(id=ids, off=st.integers(0, 1))
    def release(self, id: str, off: int) -> None:
        epoch = self.model.leases.get(id, 1)
        held = id in self.model.leases and not off
        assert self.run(self.store.leases.release("l", id, epoch + off)) == held
        if held:
            del self.model.leases[id]

    @rule()
    def count(self) -> None:
        assert self.run(self.store.leases.count("l")) == len(self.model.leases)
        assert list(self.run(self.store.leases.expired("l"))) == []


STEPS = settings(examples(12), stateful_step_count=40)


class MemoryMachine(StoreMachine):
    make = staticmethod(lambda folder: MemoryStore())


class SQLiteMachine(StoreMachine):
    make = staticmethod(lambda folder: SQLiteStore(folder / "state.db"))


TestMemory = MemoryMachine.TestCase
TestMemory.settings = settings(STEPS, max_examples=4 * STEPS.max_examples)
TestSQLite = SQLiteMachine.TestCase
TestSQLite.settings = STEPS


if BINARY is not None:

    class RedisMachine(StoreMachine):
        server: ClassVar[RedisServer]
        runs: ClassVar[int] = 0

        @staticmethod
        def make(folder: Path) -> RedisStore:
            # A prefix of its own: what an earlier run has left is not seen.
            RedisMachine.runs += 1
            return RedisStore(RedisMachine.server.url, prefix=f"run{RedisMachine.runs}")

    class TestRedis(RedisMachine.TestCase):
        settings = STEPS

        @classmethod
        def setUpClass(cls) -> None:
            cls.serving = redis_server()
            RedisMachine.server = cls.serving.__enter__()

        @classmethod
        def tearDownClass(cls) -> None:
            cls.serving.__exit__(None, None, None)
