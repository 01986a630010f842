"""Event logs as SQL: what is asked of a connection.

Events that are appended together are one row, under the number of the last of them: a row for each would cost
several times more to write and to read. Most appends change nothing else: how far a log goes is told by its
rows, and its time is only lengthened when that makes a difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from sqlite3 import Connection
from typing import NamedTuple

from responses_asgi.errors import VersionConflictError
from responses_asgi.stores.event_log import LoggedEvent, LogPage, following
from responses_asgi.stores.packing import packed, unpacked
from responses_asgi.stores.sqlite.texts import for_sqlite, from_sqlite

__all__ = ["Appended", "append", "changed", "expire", "forget_expired", "last_position", "look_up", "read"]

FORGOTTEN_AT_ONCE = 5
"""Expired logs that are deleted in one go: each has all the events of an answer."""

_LAST = """
ifnull((SELECT max(number) FROM responses_asgi_events AS e WHERE e.log = responses_asgi_logs.log), -1)
"""
_STORED = f"SELECT log, epoch, {_LAST}, ended, expires_at FROM responses_asgi_logs WHERE id = ?"
_FORGET = "DELETE FROM responses_asgi_logs WHERE log = ?"
_BEGIN = "INSERT INTO responses_asgi_logs (id, epoch, ended, expires_at) VALUES (?, ?, ?, ?)"
_CONTINUE = "UPDATE responses_asgi_logs SET epoch = ?, ended = ?, expires_at = ? WHERE log = ?"
_ADD_EVENTS = "INSERT INTO responses_asgi_events (log, number, data) VALUES (?, ?, ?)"
_LOG = f"SELECT log, {_LAST}, ended FROM responses_asgi_logs WHERE id = ? AND expires_at > ?"
_EVENTS = "SELECT data FROM responses_asgi_events WHERE log = ? AND number > ? ORDER BY number"
_EXPIRE = "UPDATE responses_asgi_logs SET expires_at = ? WHERE id = ? AND expires_at > ?"
_FORGET_EXPIRED = f"""
DELETE FROM responses_asgi_logs WHERE log IN (
    SELECT log FROM responses_asgi_logs WHERE expires_at <= ? ORDER BY expires_at LIMIT {FORGOTTEN_AT_ONCE}
)
"""
_LAST_POSITION = "SELECT max(position) FROM responses_asgi_events"
_CHANGED = """
SELECT responses_asgi_logs.id, max(responses_asgi_events.number)
FROM responses_asgi_events JOIN responses_asgi_logs USING (log) WHERE responses_asgi_events.position > ?
GROUP BY responses_asgi_logs.log
"""

# SQLite's integers have 64 bits; numbers are what clients write.
_LARGEST = 2**63 - 1

# `islice` counts no further.
_MOST = 2**31

# The part of a log's time by which that is lengthened at least.
_WORTH_RENEWING = 0.01


class Appended(NamedTuple):
    """What an append came to: the log's last number then, what was new, and the position of that, if any."""

    last: int
    new: LogPage
    position: int | None


def append(
    connection: Connection,
    id: str,
    epoch: int,
    events: Sequence[LoggedEvent],
    *,
    ended: bool,
    now: float,
    ttl: float,
) -> Appended:
    """Write the events. Raises VersionConflictError before it writes."""
    row = connection.execute(_STORED, (for_sqlite(id),)).fetchone()
    if row is not None and row[4] <= now:
        connection.execute(_FORGET, row[:1])
        row = None
    log, stored_epoch, last, has_ended, expires_at = row or (None, epoch, -1, 0, 0.0)
    new = following(events, last)
    if epoch < stored_epoch or (has_ended and new):
        raise VersionConflictError("This log is written by another, or has ended.")
    last = new[-1].number if new else last
    ended = ended or bool(has_ended)
    if log is None:
        log = connection.execute(_BEGIN, (for_sqlite(id), epoch, ended, now + ttl)).lastrowid
    elif (epoch, ended) != (stored_epoch, bool(has_ended)) or now + ttl - expires_at > ttl * _WORTH_RENEWING:
        connection.execute(_CONTINUE, (epoch, ended, now + ttl, log))
    position = connection.execute(_ADD_EVENTS, (log, last, packed(new))).lastrowid if new else None
    return Appended(last, LogPage(new, ended), position)


def read(connection: Connection, id: str, *, after: int, limit: int, now: float) -> LogPage | None:
    """At most `limit` events behind number `after`."""
    found = look_up(connection, id, after=after, limit=limit, now=now)
    return None if found is None else found[0]


def look_up(
    connection: Connection, id: str, *, after: int, limit: int, now: float
) -> tuple[LogPage, int, bool] | None:
    """At most `limit` events behind number `after`; the number of the log's last one, and whether it has
    ended."""
    row = connection.execute(_LOG, (for_sqlite(id), now)).fetchone()
    if row is None:
        return None
    log, last, ended = row
    after = max(min(after, _LARGEST), -1)
    rows = connection.execute(_EVENTS, (log, after))
    behind = (event for (data,) in rows for event in unpacked(data, after))
    events = list(islice(behind, min(limit, _MOST)))
    read_up_to = events[-1].number if events else after
    return LogPage(events, bool(ended) and read_up_to >= last), last, bool(ended)


def expire(connection: Connection, id: str, *, now: float, seconds: float) -> None:
    """Let the log expire at another time, if it has not done so."""
    connection.execute(_EXPIRE, (now + seconds, for_sqlite(id), now))


def forget_expired(connection: Connection, now: float) -> bool:
    """Delete some expired logs; whether there may be more."""
    return connection.execute(_FORGET_EXPIRED, (now,)).rowcount == FORGOTTEN_AT_ONCE


def last_position(connection: Connection) -> int:
    """The position of the newest row of events of all logs."""
    (position,) = connection.execute(_LAST_POSITION).fetchone()
    return position or 0


def changed(connection: Connection, position: int) -> list[tuple[str, int]]:
    """The logs that have events behind this position, and the number of the last event of each."""
    return [(from_sqlite(id), last) for id, last in connection.execute(_CHANGED, (position,))]
