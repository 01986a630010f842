"""Records in one SQLite file."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from sqlite3 import Connection

from responses_asgi.errors import ConfigurationError, StoreError
from responses_asgi.stores.records import Record
from responses_asgi.stores.sqlite import logs
from responses_asgi.stores.sqlite import records as sql
from responses_asgi.stores.sqlite.database import Database
from responses_asgi.stores.sqlite.events import SQLiteEventLog
from responses_asgi.stores.sqlite.leases import SQLiteLeases, forget_abandoned
from responses_asgi.stores.sqlite.tail import Tail
from responses_asgi.stores.sqlite.worker import Worker

__all__ = ["SQLiteStore"]

TIDY_SECONDS = 60.0
"""Between two looks for what has expired."""

_SYNCHRONOUS = ("OFF", "NORMAL", "FULL", "EXTRA")

# A renewal that lengthens a life by less than this part of it is left out: it would rewrite the record.
_WORTH_RENEWING = 0.01


class SQLiteStore:
    """Records in an SQLite file: they outlive the process, and several processes of one machine share them.

    - `path`: the file; it is made when it is not there, its directory is not. A relative one belongs to the
      directory in which the process is now. Not on a network file system: https://www.sqlite.org/wal.html
    - `ttl`: seconds for which a record is kept that names no ttl of its own; 30 days. Expired records are
      deleted from the file little by little.
    - `busy_timeout`: seconds for which a locked file is waited for.
    - `synchronous`: what a commit waits for, in SQLite's words. "NORMAL": the last moments may be lost when
      the machine loses power, never when the process is killed; "FULL": not even then, for a high price.
    - `max_bytes`: the file grows no larger, None: as large as the disk; what does not fit raises StoreError.
    - `clock`: the time in seconds since 1970, for tests.

    Raises ConfigurationError for parameters that cannot work. The file is opened when it is first used; the
    store can be made before a server forks. Writing and reading have a thread each: no event loop waits for a
    disk or a lock. A put is over when it is committed; puts that wait side by side are committed together.

    >>> import asyncio, tempfile
    >>> async def kept(path):
    ...     store = SQLiteStore(path)
    ...     await store.put(Record(kind="response", owner="", id="resp_1", data=b"{}"))
    ...     await store.aclose()
    ...     return await SQLiteStore(path).get("response", "", "resp_1")
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     asyncio.run(kept(f"{directory}/state.db")).data
    b'{}'
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: float = 30 * 24 * 3600.0,
        busy_timeout: float = 5.0,
        synchronous: str = "NORMAL",
        max_bytes: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ttl = _above_zero("ttl", ttl)
        self._clock = clock
        if synchronous not in _SYNCHRONOUS:
            raise ConfigurationError(
                f"SQLiteStore: synchronous is {synchronous!r}, expected one of {', '.join(_SYNCHRONOUS)}"
            )
        database = Database(
            _file(path),
            busy_timeout=_above_zero("busy_timeout", busy_timeout),
            synchronous=synchronous,
            max_bytes=None if max_bytes is None else int(_above_zero("max_bytes", max_bytes)),
        )
        self.path = database.path
        tail = Tail(clock)
        self._reader = Worker(database, writes=False, chore=tail.look)
        self._writer = Worker(database, writes=True, chore=partial(_tidy, clock=clock, ttl=ttl))
        self._events = SQLiteEventLog(
            writer=self._writer, reader=self._reader, tail=tail, ttl=ttl, clock=clock
        )
        self._leases = SQLiteLeases(writer=self._writer, reader=self._reader, clock=clock)

    @property
    def events(self) -> SQLiteEventLog:
        """The event logs of background responses."""
        return self._events

    @property
    def leases(self) -> SQLiteLeases:
        """The leases of background work, for all processes that use the file."""
        return self._leases

    async def get(self, kind: str, owner: str, id: str, *, renew: bool = False) -> Record | None:
        """The record; None when there is none, or no longer. `renew`: its ttl begins anew."""
        now = self._clock()
        found = await self._reader.run(partial(sql.get, kind=kind, owner=owner, id=id, now=now))
        if found is None:
            return None
        record, expires_at = found
        if renew:
            await self._renew(record, expires_at, now)
        return record

    async def _renew(self, record: Record, expires_at: float, now: float) -> None:
        """Let its ttl begin anew. If that fails, which is logged, the record is given all the same."""
        ttl = self._ttl if record.ttl is None else record.ttl
        if now + ttl - expires_at > ttl * _WORTH_RENEWING:
            renewal = partial(sql.renew, position=record.position, expires_at=now + ttl, now=now)
            with contextlib.suppress(StoreError):
                await self._writer.run(renewal)

    async def find(self, kind: str, owner: str, name: str) -> Record | None:
        """The record that has this name among its `names`; the newest if several have it."""
        now = self._clock()
        return await self._reader.run(partial(sql.find, kind=kind, owner=owner, name=name, now=now))

    async def put(self, *records: Record, version: int | None = None) -> None:
        """Keep the records, all or none. Raises VersionConflictError when `version` is not the stored one."""
        if version is not None and len(records) != 1:
            raise ValueError(f"put with a version takes one record, got {len(records)}")
        now = self._clock()
        await self._writer.run(partial(sql.put, records=records, version=version, now=now, ttl=self._ttl))

    async def delete(self, kind: str, owner: str, *ids: str) -> int:
        """Forget these records and their names; how many there were."""
        now = self._clock()
        return await self._writer.run(partial(sql.delete, kind=kind, owner=owner, ids=ids, now=now))

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
        asked = partial(
            sql.list_records,
            kind=kind,
            owner=owner,
            parent=parent,
            after=after,
            limit=limit,
            descending=descending,
            now=self._clock(),
        )
        return await self._reader.run(asked)

    async def aclose(self) -> None:
        """Finish what was asked and close the file, for all loops; what is asked later opens it anew."""
        await self._writer.aclose()
        await self._reader.aclose()


def _file(path: str | os.PathLike[str]) -> str:
    """The path as SQLite is given it. With `:memory:` and "" each connection has a database of its own."""
    text = os.fspath(path)
    if text in ("", ":memory:"):
        raise ConfigurationError(f"SQLiteStore: path is {text!r}, expected a file; in memory: MemoryStore()")
    if "\0" in text:
        raise ConfigurationError(f"SQLiteStore: path is {text!r}, expected a file's name, without NUL")
    return os.path.abspath(text)


def _above_zero(name: str, value: float) -> float:
    if not value > 0:
        raise ConfigurationError(f"SQLiteStore: {name} is {value!r}, expected a number above 0")
    return value


def _tidy(connection: Connection, *, clock: Callable[[], float], ttl: float) -> float:
    """The writer's chore: take out what has expired, some at a time, others may write between."""
    now = clock()
    forget_abandoned(connection, now - ttl)
    more = [sql.forget_expired(connection, now), logs.forget_expired(connection, now)]
    return 0.0 if any(more) else TIDY_SECONDS
