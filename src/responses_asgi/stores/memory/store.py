"""Records in this process's memory, for as long as it runs."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, TypeAlias

from responses_asgi.errors import ConfigurationError, StoreError, VersionConflictError
from responses_asgi.stores.memory.events import MemoryEventLog
from responses_asgi.stores.memory.leases import MemoryLeases
from responses_asgi.stores.records import Record

__all__ = ["MemoryStore"]

RECORD_BYTES = 700
"""What a record takes beside its data and its texts: itself, and its places in the tables (measured)."""

_Key: TypeAlias = tuple[str, str, str]


class _Kept(NamedTuple):
    record: Record
    expires_at: float
    size: int


class MemoryStore:
    """Records that live in this process and are forgotten with it; the default of the middlewares.

    - `max_records`, `max_bytes`: at most so much is kept; the least recently used is forgotten first. The
      bytes count the data, the texts beside it and what Python needs for a record.
    - `ttl`: seconds for which a record is kept that names no ttl of its own.
    - `clock`: the time in seconds, for tests.

    Raises ConfigurationError for bounds that let nothing in. Knows no event loop and may be used from any
    thread. `tag` is six hexadecimal characters which differ from process to process and from run to run: put
    into the ids of what is kept here, it tells an id of another worker from one that never was.

    >>> import asyncio
    >>> store = MemoryStore(max_records=1)
    >>> asyncio.run(store.put(Record(kind="response", owner="", id="resp_1", data=b"{}")))
    >>> asyncio.run(store.get("response", "", "resp_1")).version
    1
    """

    def __init__(
        self,
        *,
        max_records: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        ttl: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, value in (("max_records", max_records), ("max_bytes", max_bytes), ("ttl", ttl)):
            if not value > 0:
                raise ConfigurationError(f"MemoryStore: {name} is {value!r}, expected a number above 0")
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._clock = clock
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._keys: dict[int, _Key] = {}
        self._index = _Index()
        self._bytes = 0
        self._last_position = 0
        self._lock = threading.Lock()
        self._tag, self._process = secrets.token_hex(3), os.getpid()
        self._events = MemoryEventLog(max_bytes=max_bytes, ttl=ttl, clock=clock)
        self._leases = MemoryLeases(clock)

    @property
    def tag(self) -> str:
        """The process tag. A fork draws its own: what it keeps from now on its parent does not have."""
        if self._process != os.getpid():
            self._tag, self._process = secrets.token_hex(3), os.getpid()
        return self._tag

    @property
    def events(self) -> MemoryEventLog:
        """The event logs of background responses; they have `max_bytes` of their own."""
        return self._events

    @property
    def leases(self) -> MemoryLeases:
        """The leases of background work."""
        return self._leases

    async def get(self, kind: str, owner: str, id: str, *, renew: bool = False) -> Record | None:
        """The record; None when there is none, or no longer. `renew`: its ttl begins anew."""
        with self._lock:
            now = self._clock()
            kept = self._use((kind, owner, id), now)
            if kept is None:
                return None
            if renew:
                self._kept[kind, owner, id] = kept._replace(expires_at=now + self._ttl_of(kept.record))
            return kept.record

    async def find(self, kind: str, owner: str, name: str) -> Record | None:
        """The record that has this name among its `names`; the newest if several have it."""
        with self._lock:
            positions = self._index.of(("name", kind, owner, name))
            return next(iter(self._living(positions[::-1])), None)

    async def put(self, *records: Record, version: int | None = None) -> None:
        """Keep the records, all or none. Raises VersionConflictError when `version` is not the stored one,
        StoreError when the records alone are more than the store may hold."""
        if version is not None and len(records) != 1:
            raise ValueError(f"put with a version takes one record, got {len(records)}")
        self._check_room(records)
        with self._lock:
            now = self._clock()
            for record in records:
                kept = self._current((record.kind, record.owner, record.id), now)
                stored = kept.record.version if kept else 0
                if version is not None and stored != version:
                    raise VersionConflictError()
                self._keep(record, kept, now)
            self._make_room(now)

    async def delete(self, kind: str, owner: str, *ids: str) -> int:
        """Forget these records and their names; how many there were."""
        with self._lock:
            now = self._clock()
            there = [id for id in dict.fromkeys(ids) if self._current((kind, owner, id), now)]
            for id in there:
                self._forget((kind, owner, id))
            return len(there)

    async def list(
        self,
        kind: str,
        owner: str,
        *,
        parent: str | None = None,
        after: int | None = None,
        limit: int = 20,
        descending: bool = False,
    ) -> Sequence[Record]:
        """At most `limit` records in the order of their `position`, beginning behind position `after`."""
        key = ("owner", kind, owner) if parent is None else ("parent", kind, owner, parent)
        with self._lock:
            positions = self._index.of(key)
            if descending:
                end = len(positions) if after is None else bisect_left(positions, after)
                behind = positions[:end][::-1]
            else:
                behind = positions[0 if after is None else bisect_right(positions, after) :]
            return [*islice(self._living(behind), max(min(limit, sys.maxsize), 0))]

    async def aclose(self) -> None:
        """Nothing is open; what is kept stays."""

    def _living(self, positions: Sequence[int]) -> Iterable[Record]:
        """The records at these positions that have not expired, each of them used by being looked at."""
        now = self._clock()
        for position in positions:
            kept = self._use(self._keys[position], now)
            if kept is not None:
                yield kept.record

    def _use(self, key: _Key, now: float) -> _Kept | None:
        kept = self._current(key, now)
        if kept is not None:
            self._kept.move_to_end(key)
        return kept

    def _current(self, key: _Key, now: float) -> _Kept | None:
        kept = self._kept.get(key)
        if kept is not None and kept.expires_at <= now:
            self._forget(key)
            return None
        return kept

    def _keep(self, record: Record, replaced: _Kept | None, now: float) -> None:
        key = (record.kind, record.owner, record.id)
        if replaced is None:
            self._last_position += 1
            position, stored = self._last_position, 0
        else:
            position, stored = replaced.record.position, replaced.record.version
            self._forget(key)
        record = replace(record, data=bytes(record.data), version=stored + 1, position=position)
        kept = self._kept[key] = _Kept(record, now + self._ttl_of(record), _size(record))
        self._bytes += kept.size
        self._keys[position] = key
        for place in _places(record):
            self._index.add(place, position)

    def _forget(self, key: _Key) -> None:
        kept = self._kept.pop(key)
        self._bytes -= kept.size
        del self._keys[kept.record.position]
        for place in _places(kept.record):
            self._index.discard(place, kept.record.position)

    def _check_room(self, records: Sequence[Record]) -> None:
        size = sum(map(_size, records))
        if size > self._max_bytes or len(records) > self._max_records:
            raise StoreError(
                f"This is too much to be kept: {len(records)} records of {size} bytes; the store holds at "
                f"most {self._max_records} records and {self._max_bytes} bytes.",
                status=413,
                code="store_too_small",
            )

    def _make_room(self, now: float) -> None:
        """What was just put is the most recently used, and there is room for it."""
        while self._kept:
            key, kept = next(iter(self._kept.items()))
            full = len(self._kept) > self._max_records or self._bytes > self._max_bytes
            if not full and kept.expires_at > now:
                return
            self._forget(key)

    def _ttl_of(self, record: Record) -> float:
        return self._ttl if record.ttl is None else record.ttl


class _Index:
    """The positions that belong to a key, in their order."""

    def __init__(self) -> None:
        self._positions: dict[tuple[str, ...], list[int]] = {}

    def of(self, key: tuple[str, ...]) -> Sequence[int]:
        return self._positions.get(key, ())

    def add(self, key: tuple[str, ...], position: int) -> None:
        insort(self._positions.setdefault(key, []), position)

    def discard(self, key: tuple[str, ...], position: int) -> None:
        positions = self._positions[key]
        del positions[bisect_left(positions, position)]
        if not positions:
            del self._positions[key]


def _places(record: Record) -> Iterable[tuple[str, ...]]:
    """The keys under which a record is listed and found."""
    yield "owner", record.kind, record.owner
    yield "parent", record.kind, record.owner, record.parent
    for name in dict.fromkeys(record.names):
        yield "name", record.kind, record.owner, name


def _size(record: Record) -> int:
    texts = (record.kind, record.owner, record.id, record.parent, *record.names)
    return RECORD_BYTES + len(record.data) + sum(map(sys.getsizeof, texts))
