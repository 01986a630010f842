"""Who waits for events, and how they learn of those that other processes write: the file is looked at.

`PRAGMA data_version` changes with each commit of another connection and costs a few microseconds; only then
are the events behind the last known position looked for. Source: https://www.sqlite.org/pragma.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from sqlite3 import Connection

from responses_asgi.stores.event_log import LogPage
from responses_asgi.stores.sqlite import logs as sql
from responses_asgi.stores.waiters import Waiters

__all__ = ["Tail"]

LOOK_SECONDS = 0.01
"""Between two looks at the file, while somebody waits."""

_ALL = 2**63 - 1


class Tail:
    """The waiters of one store, and the state of the reader's connection that serves them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.waiters = Waiters()
        self._clock = clock
        self._connection: Connection | None = None
        self._data_version = 0
        self._position = 0

    def read(self, connection: Connection, id: str, *, after: int, limit: int) -> LogPage | None:
        """A page for one who waits already: what is committed after it was read will be told."""
        if connection is not self._connection:
            # Of what came between the connections nothing is known.
            self.waiters.tell_all()
            self._connection = connection
            self._data_version = _data_version(connection)
            self._position = sql.last_position(connection)
        return sql.read(connection, id, after=after, limit=limit, now=self._clock())

    def look(self, connection: Connection) -> float | None:
        """The reader's chore: tell those who wait what was written; when to look again."""
        lowest = self.waiters.lowest()
        if not lowest:
            self._connection = None
            return None
        if connection is self._connection:
            self._tell(connection, lowest)
        return LOOK_SECONDS

    def _tell(self, connection: Connection, lowest: dict[str, int]) -> None:
        data_version = _data_version(connection)
        if data_version == self._data_version:
            return
        position = sql.last_position(connection)
        for id in sql.changed(connection, self._position):
            if id in lowest:
                page = sql.read(connection, id, after=lowest[id], limit=_ALL, now=self._clock())
                if page is not None:
                    self.waiters.tell(id, page)
        self._data_version, self._position = data_version, position


def _data_version(connection: Connection) -> int:
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)
