"""Leases in one SQLite file, between the processes of one machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from sqlite3 import Connection

from responses_asgi.stores.sqlite.texts import all_for_sqlite, from_sqlite
from responses_asgi.stores.sqlite.worker import Worker

__all__ = ["SQLiteLeases", "forget_abandoned"]

_STORED = "SELECT epoch, expires_at FROM responses_asgi_leases WHERE kind = ? AND id = ?"
_FORGET = "DELETE FROM responses_asgi_leases WHERE epoch = ?"
_CLAIM = "INSERT INTO responses_asgi_leases (kind, id, expires_at) VALUES (?, ?, ?)"
_RENEW = "UPDATE responses_asgi_leases SET expires_at = ? WHERE epoch = ? AND kind = ? AND id = ?"
_RELEASE = "DELETE FROM responses_asgi_leases WHERE epoch = ? AND kind = ? AND id = ?"
_EXPIRED = """
SELECT id FROM responses_asgi_leases WHERE kind = ? AND expires_at <= ? ORDER BY expires_at, epoch LIMIT ?
"""
_COUNT = "SELECT count(*) FROM responses_asgi_leases WHERE kind = ?"
_FORGET_ABANDONED = "DELETE FROM responses_asgi_leases WHERE expires_at <= ?"


class SQLiteLeases:
    """The `Leases` of an SQLiteStore."""

    def __init__(self, *, writer: Worker, reader: Worker, clock: Callable[[], float]) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    async def claim(self, kind: str, id: str, *, seconds: float) -> int | None:
        """Hold this from now on; the epoch, None while somebody holds it."""
        work = partial(_claim, place=all_for_sqlite(kind, id), now=self._clock(), seconds=seconds)
        return await self._writer.run(work)

    async def renew(self, kind: str, id: str, epoch: int, *, seconds: float) -> bool:
        """Hold it for so many seconds from now; False when it is lost."""
        values = (self._clock() + seconds, epoch, *all_for_sqlite(kind, id))
        return await self._writer.run(lambda connection: connection.execute(_RENEW, values).rowcount == 1)

    async def release(self, kind: str, id: str, epoch: int) -> bool:
        """Hold it no longer; False when it was lost before."""
        values = (epoch, *all_for_sqlite(kind, id))
        return await self._writer.run(lambda connection: connection.execute(_RELEASE, values).rowcount == 1)

    async def expired(self, kind: str, *, limit: int = 100) -> Sequence[str]:
        """Ids whose time is over, the longest expired first."""
        values = (*all_for_sqlite(kind), self._clock(), max(limit, 0))
        rows = await self._reader.run(lambda connection: connection.execute(_EXPIRED, values).fetchall())
        return [from_sqlite(id) for (id,) in rows]

    async def count(self, kind: str) -> int:
        """How many were claimed and not released."""
        values = all_for_sqlite(kind)
        count: int
        (count,) = await self._reader.run(lambda connection: connection.execute(_COUNT, values).fetchone())
        return count


def forget_abandoned(connection: Connection, before: float) -> None:
    """Delete the leases whose time was over then: what they were for is forgotten as well."""
    connection.execute(_FORGET_ABANDONED, (before,))


def _claim(connection: Connection, place: tuple[str | bytes, ...], now: float, seconds: float) -> int | None:
    held = connection.execute(_STORED, place).fetchone()
    if held is not None and held[1] > now:
        return None
    if held is not None:
        connection.execute(_FORGET, held[:1])
    return connection.execute(_CLAIM, (*place, now + seconds)).lastrowid
