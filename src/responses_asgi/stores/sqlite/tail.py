"""Who waits for events: they are told of what this process writes, and for others the file is looked at.

1. Each row of events has a position above those of all before it. What is behind the last known position is
   looked for, unless this process has written all of it.
2. Of a log that somebody reads on and on, it is known how far it goes: who has read up to there waits without
   looking again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from sqlite3 import Connection

from responses_asgi.stores.event_log import LogPage
from responses_asgi.stores.sqlite import logs as sql
from responses_asgi.stores.waiters import Waiters

__all__ = ["Tail"]

LOOK_SECONDS = 0.01
"""Between two looks at the file, while somebody waits and others write."""

QUIET_LOOK_SECONDS = 0.1
"""The same when no other process has written for `KEPT_SECONDS`."""

KEPT_SECONDS = 5.0
"""For so long it is known how far a log goes after somebody has waited for it last."""

_ALL = 2**63 - 1


class _Followed:
    """A log that is waited for: the number of its newest event that was seen, whether that is known to be the
    last one, the number up to which this process writes itself, and when somebody last asked."""

    __slots__ = ("known", "newest", "own", "used")

    def __init__(self) -> None:
        self.newest = self.own = -1
        self.known = False
        self.used = 0.0


class Tail:
    """The waiters of one store, and the state of the reader's connection that serves them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.waiters = Waiters()
        self._clock = clock
        self._connection: Connection | None = None
        self._position = 0
        self._own: list[int] = []
        self._told_by_others = 0.0
        self._followed: dict[str, _Followed] = {}
        self._lock = threading.Lock()

    def nothing_behind(self, id: str, after: int) -> bool:
        """Whether the log is known to have nothing behind this number, and what follows will be told."""
        with self._lock:
            # Noted before the log is read, so that what is told meanwhile is not missed.
            followed = self._followed.setdefault(id, _Followed())
            followed.used = time.monotonic()
            return followed.known and followed.newest <= after

    def doubt(self, id: str) -> None:
        """Look again, whatever is known: nothing was told for long."""
        with self._lock:
            self._followed.pop(id, None)

    def writing(self, id: str, number: int) -> None:
        """This process writes up to this number."""
        with self._lock:
            if (followed := self._followed.get(id)) is not None:
                followed.own = number

    def wrote(self, id: str, appended: sql.Appended) -> None:
        """This process has written that."""
        with self._lock:
            if self._followed and appended.position is not None:
                self._own.append(appended.position)
        self._tell(id, appended.new)

    def read(self, connection: Connection, id: str, *, after: int, limit: int) -> LogPage | None:
        """A page for one who waits already: what is committed after it was read will be told."""
        if connection is not self._connection:
            # Of what came between the connections nothing is known.
            with self._lock:
                for followed in self._followed.values():
                    followed.known = False
                self._own.clear()
            self.waiters.tell_all()
            self._connection = connection
            self._position = sql.last_position(connection)
        found = sql.look_up(connection, id, after=after, limit=limit, now=self._clock())
        if found is None:
            return None
        page, last, ended = found
        with self._lock:
            if (read := self._followed.get(id)) is not None:
                read.newest, read.known = max(read.newest, last), not ended
        return page

    def look(self, connection: Connection) -> float | None:
        """The reader's chore: tell those who wait what was written; when to look again."""
        lowest = self.waiters.lowest()
        oldest = time.monotonic() - KEPT_SECONDS
        with self._lock:
            for id in [id for id, one in self._followed.items() if one.used < oldest and id not in lowest]:
                del self._followed[id]
            if not (lowest or self._followed):
                self._connection = None
                self._own.clear()
                return None
        if connection is self._connection:
            self._tell_new(connection, lowest)
        return LOOK_SECONDS if self._told_by_others > oldest else QUIET_LOOK_SECONDS

    def _tell_new(self, connection: Connection, lowest: dict[str, int]) -> None:
        position = sql.last_position(connection)
        if not self._others_wrote(position):
            self._position = position
            return
        for id, last in sql.changed(connection, self._position):
            if self._is_news(id, last) and id in lowest:
                page = sql.read(connection, id, after=lowest[id], limit=_ALL, now=self._clock())
                if page is not None:
                    self._tell(id, page)
        self._position = position

    def _others_wrote(self, position: int) -> bool:
        """Whether any row up to this position may be another's; of ours, the newest may not be known yet."""
        with self._lock:
            own = sum(self._position < each <= position for each in self._own)
            self._own = [each for each in self._own if each > position]
        return own < position - self._position

    def _tell(self, id: str, page: LogPage) -> None:
        with self._lock:
            followed = self._followed.get(id)
            if page.ended:
                self._followed.pop(id, None)
            elif followed is not None and page.events:
                followed.newest = max(followed.newest, page.events[-1].number)
        self.waiters.tell(id, page)

    def _is_news(self, id: str, last: int) -> bool:
        """Whether somebody has written up to this number who did not tell."""
        with self._lock:
            followed = self._followed.get(id)
            if followed is None or followed.newest >= last:
                return followed is None
            followed.newest = last
            if last > followed.own:
                self._told_by_others = time.monotonic()
            return True
