"""Where background work is kept: leases, logs, and the records of responses, written by who holds the lease.

A lease is for a response; its id names the owner, too, so that whoever finds it abandoned has all that is
needed to end it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

from responses_asgi.background.insist import insist
from responses_asgi.background.limits import BackgroundLimits
from responses_asgi.background.live import LiveLog
from responses_asgi.errors import VersionConflictError
from responses_asgi.history import State
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.records import Record, Records
from responses_asgi.types.json import JSON

__all__ = ["CANCEL", "JOB", "KIND", "Announce", "Held", "Keeping", "ResponseRecord"]

T = TypeVar("T")

KIND = "response"
"""The kind of the leases."""

CANCEL = "background.cancel"
"""The kind of the records that tell that somebody wants a response cancelled."""

JOB = "background"
"""The kind of the records that have the requests of responses which may be begun again."""

Announce: TypeAlias = Callable[[str, JSON], Awaitable[None]]
"""`(owner, response)`: is told each background response that has ended, once at least. Raises StoreError."""


class Held(NamedTuple):
    """A lease that is held: whose response it is for, its id, and the epoch."""

    owner: str
    id: str
    epoch: int

    @property
    def name(self) -> str:
        """The id of the lease."""
        return lease_name(self.owner, self.id)


def lease_name(owner: str, id: str) -> str:
    """The id of the lease of a response."""
    return f"{id} {owner}"


@dataclass(slots=True, eq=False)
class Keeping:
    """Where background work is kept, and within which bounds it is done; `announce`: None tells nobody.

    `log`: the event logs of the store, as those who write here and read here use them.
    """

    state: State
    store: BackgroundStore
    limits: BackgroundLimits
    announce: Announce | None = None
    log: LiveLog = field(init=False)

    def __post_init__(self) -> None:
        self.log = LiveLog(self.store)

    async def claim(self, owner: str, id: str) -> Held | None:
        """Hold the lease of a response; None while somebody else does."""
        seconds = self.limits.lease
        epoch = await self.store.leases.claim(KIND, lease_name(owner, id), seconds=seconds)
        return None if epoch is None else Held(owner, id, epoch)

    async def insist(self, ask: Callable[[], Awaitable[T]], doing: str) -> T:
        """Ask the store for as long as a lease lasts."""
        return await insist(ask, seconds=self.limits.lease, doing=doing)

    async def tell_end(self, held: Held, response: JSON | None) -> None:
        """Announce the end of a response, if it is kept. Raises StoreError.

        While its lease is held, so that whoever finds that abandoned announces it again.
        """
        if response is not None and self.announce is not None:
            announce = partial(self.announce, held.owner, response)
            await self.insist(announce, f"announce the end of {held.id}")

    async def let_go(self, held: Held) -> None:
        """Hold the lease of a response that has ended no longer. Raises StoreError."""
        store, id = self.store, held.id

        async def forget() -> None:
            forgetting = [store.delete(JOB, "", id)] if self.limits.rerun else []
            await asyncio.gather(
                self.log.expire(id, seconds=self.limits.retention),
                store.leases.release(KIND, held.name, held.epoch),
                *forgetting,
            )

        await self.insist(forget, f"let go of {id}")


class ResponseRecord:
    """The record of one response, which only who holds its lease changes.

    `version` is what was written or read last. A worker that was asleep while its lease ran out, and others
    ended the response, can so not undo that.
    """

    def __init__(self, store: Records, version: int = 0) -> None:
        self.version = version
        self._store = store

    async def put(self, record: Record) -> None:
        """Write it. Raises VersionConflictError when somebody else has written or deleted it."""
        try:
            await self._store.put(record, version=self.version)
        except VersionConflictError:
            # An earlier try may have been carried out although its answer was lost.
            there = await self._store.get(record.kind, record.owner, record.id)
            if there is None or (there.version, there.data) != (self.version + 1, record.data):
                raise
        self.version += 1
