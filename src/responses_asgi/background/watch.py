"""Looks after leases: our own are renewed, and what workers that are gone left behind is seen to.

1. Renewing goes on whatever else does: a store that hangs costs a round, and an exception a line in the log.
2. A lease that could not be renewed while it lasted, nor after that, is given up, since others may hold it.
   Having come too late alone, on a busy machine, costs nothing: one that nobody has claimed is still ours.
3. When the clock was set, or the machine was asleep or very busy, all leases may look expired that are not.
   Then nothing is taken over until those who live have renewed theirs.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from responses_asgi.background.again import Prepare
from responses_asgi.background.ending import CANCELLED
from responses_asgi.background.job import Job
from responses_asgi.background.keeping import CANCEL, KIND, Keeping
from responses_asgi.background.takeover import take_over
from responses_asgi.background.worker import Worker
from responses_asgi.errors import StoreError, VersionConflictError

__all__ = ["Watch"]

logger = logging.getLogger("responses_asgi")

# Store calls at once.
_RENEWALS = 100
_TAKE_OVERS = 8

_PAGE = 100


class Watch:
    """One for each worker, running beside it until it is cancelled.

    `prepare` begins kept requests again; None: none is. `now` is the unix time, for tests.
    """

    def __init__(
        self,
        worker: Worker,
        keeping: Keeping,
        *,
        prepare: Prepare | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._worker = worker
        self._keeping = keeping
        self._store = keeping.store
        self._limits = keeping.limits
        self._prepare = prepare
        self._now = now
        self._renewing = asyncio.Semaphore(_RENEWALS)
        self._taking = asyncio.Semaphore(_TAKE_OVERS)
        self._offset = now() - time.monotonic()
        self._sweep_seconds = min(self._limits.poll, self._limits.lease / 2)
        self._sweep_due = time.monotonic()
        self._quiet_until = 0.0
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Look again and again."""
        self._sweep_due = time.monotonic()
        await asyncio.gather(
            self._every(self._limits.lease / 4, "renewed", self._renew_all),
            self._every(self._limits.poll, "cancelled", self._cancel_asked),
            self._every(self._sweep_seconds, "taken over", self._sweep),
        )

    async def _every(self, seconds: float, what: str, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await look()
            except Exception as error:
                # A user's own store may raise anything, and nothing may end this.
                if what not in self._failing:
                    _warn("background work", what, error)
                    self._failing.add(what)
            else:
                self._failing.discard(what)
            await asyncio.sleep(seconds)

    # Our own

    async def _renew_all(self) -> None:
        jobs = [*self._worker.jobs.values()]
        results = await asyncio.gather(*map(self._renew, jobs), return_exceptions=True)
        for failure in results:
            if isinstance(failure, Exception):
                raise failure

    async def _renew(self, job: Job) -> None:
        held, seconds = job.held, self._limits.lease
        began = time.monotonic()
        try:
            async with self._renewing, asyncio.timeout(seconds / 2):
                renewed = await self._store.leases.renew(KIND, held.name, held.epoch, seconds=seconds)
        except Exception:
            if began >= job.held_until and job.id in self._worker.jobs:
                logger.error("the lease of %s could not be renewed; it is given up", job.id)
                self._worker.lose(job)
            raise
        if renewed:
            job.held_until = began + seconds
        elif job.id in self._worker.jobs and not job.over:
            logger.error("the lease of %s is lost; somebody else ends it", job.id)
            self._worker.lose(job)

    async def _cancel_asked(self) -> None:
        """End the jobs that somebody wants cancelled, in whatever process that was asked."""
        after: int | None = None
        async with asyncio.timeout(self._limits.lease):
            while self._worker.jobs:
                page = await self._store.list(CANCEL, "", after=after, limit=_PAGE)
                for flag in page:
                    if job := self._worker.jobs.get(flag.id):
                        self._worker.end(job, CANCELLED)
                        await self._store.delete(CANCEL, "", flag.id)
                if len(page) < _PAGE:
                    return
                after = page[-1].position

    # What others left behind

    async def _sweep(self) -> None:
        try:
            if self._is_quiet():
                return
            async with asyncio.timeout(self._limits.lease):
                expired = await self._store.leases.expired(KIND, limit=_PAGE)
            own = {job.held.name for job in self._worker.jobs.values()}
            found = (name for name in expired if name not in own)
            await asyncio.gather(*map(self._take_over, found))
        finally:
            self._sweep_due = time.monotonic() + self._sweep_seconds

    def _is_quiet(self) -> bool:
        """Whether nothing is to be taken over now."""
        lease, now = self._limits.lease, time.monotonic()
        offset = self._now() - now
        if abs(offset - self._offset) > lease / 4:
            logger.warning("the clock has jumped by %.1f seconds", offset - self._offset)
            self._quiet_until = now + lease
        elif now - self._sweep_due > lease / 2:
            # What kept us may have kept the others. They are late as well, and renew theirs at once.
            self._quiet_until = max(self._quiet_until, now + lease / 4)
        self._offset = offset
        return self._worker.stopping or now < self._quiet_until

    async def _take_over(self, lease: str) -> None:
        try:
            # After this time it is somebody else's.
            async with self._taking, asyncio.timeout(self._limits.lease):
                await take_over(self._keeping, self._worker, lease, self._prepare)
        except VersionConflictError:
            logger.debug("%s was taken over by somebody else, too", lease)
        except Exception as error:
            # It is found again.
            _warn(lease.partition(" ")[0], "taken over", error)


def _warn(subject: str, what: str, error: Exception) -> None:
    trace = None if isinstance(error, StoreError | TimeoutError) else error
    told = str(error) or "the store does not answer"
    logger.warning("%s could not be %s: %s", subject, what, told, exc_info=trace)
