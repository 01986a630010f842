"""Records as SQL: what is asked of a connection. Times are seconds since 1970: processes share the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection
from typing import Any

from responses_asgi.errors import VersionConflictError
from responses_asgi.stores.records import Record
from responses_asgi.stores.sqlite.texts import all_for_sqlite, from_sqlite

__all__ = ["delete", "find", "forget_expired", "get", "list_records", "put", "renew"]

FORGOTTEN_AT_ONCE = 100
"""Expired records that are deleted in one go: others write between them."""

# SQLite's integers have 64 bits; cursors are what clients write.
_LARGEST = 2**63 - 1

_TABLE = "responses_asgi_records"
_COLUMNS = "kind, owner, id, parent, names, ttl, version, position, data"
_GET = (
    f"SELECT {_COLUMNS}, expires_at FROM {_TABLE} WHERE kind = ? AND owner = ? AND id = ? AND expires_at > ?"
)
_FIND = f"""
SELECT {_COLUMNS} FROM {_TABLE} WHERE expires_at > ? AND position IN (
    SELECT position FROM responses_asgi_names WHERE kind = ? AND owner = ? AND name = ?
) ORDER BY position DESC LIMIT 1
"""
_STORED = f"SELECT position, version, names, expires_at FROM {_TABLE} WHERE kind = ? AND owner = ? AND id = ?"
_INSERT = f"""
INSERT INTO {_TABLE} (kind, owner, id, parent, names, ttl, expires_at, data, version)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)
"""
_REPLACE = f"""
UPDATE {_TABLE} SET parent = ?, names = ?, ttl = ?, expires_at = ?, data = ?, version = version + 1
WHERE position = ?
"""
_FORGET = f"DELETE FROM {_TABLE} WHERE position = ?"
_ADD_NAME = "INSERT INTO responses_asgi_names (kind, owner, name, position) VALUES (?, ?, ?, ?)"
_DELETE_NAMES = "DELETE FROM responses_asgi_names WHERE position = ?"
_RENEW = f"UPDATE {_TABLE} SET expires_at = ? WHERE position = ? AND expires_at > ?"
_DELETE = f"DELETE FROM {_TABLE} WHERE kind = ? AND owner = ? AND id = ? AND expires_at > ?"
_FORGET_EXPIRED = f"""
DELETE FROM {_TABLE} WHERE position IN (
    SELECT position FROM {_TABLE} WHERE expires_at <= ? ORDER BY expires_at LIMIT {FORGOTTEN_AT_ONCE}
)
"""


def get(connection: Connection, kind: str, owner: str, id: str, now: float) -> tuple[Record, float] | None:
    """The record, and when it expires."""
    row = connection.execute(_GET, (*all_for_sqlite(kind, owner, id), now)).fetchone()
    return None if row is None else (_record(row), row[-1])


def find(connection: Connection, kind: str, owner: str, name: str, now: float) -> Record | None:
    """The newest record with this name."""
    row = connection.execute(_FIND, (now, *all_for_sqlite(kind, owner, name))).fetchone()
    return None if row is None else _record(row)


def list_records(
    connection: Connection,
    kind: str,
    owner: str,
    *,
    parent: str | None,
    after: int | None,
    limit: int,
    descending: bool,
    now: float,
) -> Sequence[Record]:
    """At most `limit` records behind position `after`, in order."""
    conditions = ["kind = ?", "owner = ?"]
    values: list[Any] = [*all_for_sqlite(kind, owner)]
    if parent:
        # The second half is the index's own condition: what has no parent is not in it.
        conditions.append("parent = ? AND parent <> ''")
        values += all_for_sqlite(parent)
    elif parent is not None:
        conditions.append("parent = ''")
    if after is not None:
        conditions.append("position < ?" if descending else "position > ?")
        values.append(max(min(after, _LARGEST), -1))
    sql = (
        # The sign keeps the index on expiry out: it would have to be sorted.
        f"SELECT {_COLUMNS} FROM {_TABLE} WHERE {' AND '.join(conditions)} AND +expires_at > ? "
        f"ORDER BY position {'DESC' if descending else 'ASC'} LIMIT ?"
    )
    rows = connection.execute(sql, (*values, now, max(min(limit, _LARGEST), 0)))
    return [_record(row) for row in rows]


def put(
    connection: Connection, records: Sequence[Record], version: int | None, *, now: float, ttl: float
) -> None:
    """Keep the records, within the transaction that is open. `ttl`: of a record that names none.

    Raises VersionConflictError, before anything is written, when the only record is not of this version.
    """
    for record in records:
        place = all_for_sqlite(record.kind, record.owner, record.id)
        row = connection.execute(_STORED, place).fetchone()
        position, stored, stored_names, expires_at = row or (None, 0, "", 0.0)
        if expires_at <= now:
            stored = 0
        if version is not None and stored != version:
            raise VersionConflictError()
        if position is not None and not stored:
            connection.execute(_FORGET, (position,))
            stored_names = ""
        names = json.dumps(record.names) if record.names else ""
        content = (
            *all_for_sqlite(record.parent, names),
            record.ttl,
            now + (ttl if record.ttl is None else record.ttl),
            record.data,
        )
        if stored:
            connection.execute(_REPLACE, (*content, position))
        else:
            position = connection.execute(_INSERT, (*place, *content)).lastrowid
        if names == stored_names:
            continue
        if stored_names:
            connection.execute(_DELETE_NAMES, (position,))
        for name in dict.fromkeys(record.names):
            connection.execute(_ADD_NAME, (*all_for_sqlite(record.kind, record.owner, name), position))


def renew(connection: Connection, position: int, expires_at: float, now: float) -> None:
    """Let the record expire at another time, if it has not done so."""
    connection.execute(_RENEW, (expires_at, position, now))


def delete(connection: Connection, kind: str, owner: str, ids: Sequence[str], now: float) -> int:
    """Delete the records; how many there were."""
    rows = [(*all_for_sqlite(kind, owner, id), now) for id in ids]
    return connection.executemany(_DELETE, rows).rowcount if rows else 0


def forget_expired(connection: Connection, now: float) -> bool:
    """Delete some expired records; whether there may be more."""
    return connection.execute(_FORGET_EXPIRED, (now,)).rowcount == FORGOTTEN_AT_ONCE


def _record(row: Sequence[Any]) -> Record:
    kind, owner, id, parent, names, ttl, version, position, data = row[:9]
    return Record(
        kind=from_sqlite(kind),
        owner=from_sqlite(owner),
        id=from_sqlite(id),
        data=data,
        parent=from_sqlite(parent),
        names=tuple(json.loads(names)) if names else (),
        ttl=ttl,
        version=version,
        position=position,
    )
