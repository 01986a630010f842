"""What keeps the events of background responses: logs that one worker writes and any may read.

A log belongs to nobody: who may read it is decided by the record of its response.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import ge
from typing import NamedTuple, Protocol

__all__ = ["EventLog", "LogPage", "LoggedEvent", "following"]


class LoggedEvent(NamedTuple):
    """One event: its sequence number, which is its place in the log, and what is sent of it."""

    number: int
    data: bytes


class LogPage(NamedTuple):
    """What was read: events in order, and whether nothing will ever follow behind them."""

    events: Sequence[LoggedEvent]
    ended: bool


class EventLog(Protocol):
    """Logs by id. Every method raises StoreError when the store cannot be asked, and may be called from any
    event loop."""

    async def append(
        self, id: str, epoch: int, events: Sequence[LoggedEvent] = (), *, ended: bool = False
    ) -> int:
        """Write the events, all or none, behind what is there; the number of the last one there then, -1 for
        an empty log. It is made when it is not there.

        Numbers only grow, from 0 on; events whose number is not above the last one are there already, so that
        an append that failed can be repeated. `epoch` is the writer's lease: from its first append on, even
        one of no events, all lower ones are shut out. `ended`: nothing follows.

        Raises VersionConflictError, and writes nothing, when a higher epoch has written, or when events would
        follow the end.
        """

    async def read(self, id: str, *, after: int = -1, limit: int = 1000, wait: float = 0.0) -> LogPage | None:
        """At most `limit` events, one at least, with a number above `after`; None when there is no such log.

        `wait`: when there is nothing to read yet, wait at most this many seconds until there is.
        """

    async def expire(self, id: str, *, seconds: float) -> None:
        """Forget the log after this many seconds, instead of the store's ttl after the last append."""


def following(events: Sequence[LoggedEvent], last: int) -> list[LoggedEvent]:
    """The events behind number `last`. Raises ValueError when their numbers do not grow."""
    numbers = [-1, *[event.number for event in events]]
    if any(map(ge, numbers, numbers[1:])):
        raise ValueError(f"events are logged by growing numbers from 0 on, got {numbers[1:21]}")
    return [event for event in events if event.number > last]
