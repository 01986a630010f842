"""The background responses of one event loop: so many are made at once, the others wait for their turn."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections import deque
from collections.abc import Iterator, Sequence

from responses_asgi.background.ending import STOPPED
from responses_asgi.background.job import Job
from responses_asgi.background.keeping import KIND, Keeping
from responses_asgi.errors import APIError, VersionConflictError

__all__ = ["Worker"]

logger = logging.getLogger("responses_asgi")

# How long it may take to say the ends of what was stopped.
_END_SECONDS = 5.0


class Worker:
    """Runs jobs, at most `limits.running` at once.

    `jobs` are those whose lease it holds, by id. `stopping`: it begins no others.
    """

    def __init__(self, keeping: Keeping) -> None:
        self.jobs: dict[str, Job] = {}
        self._keeping = keeping
        self._limits = keeping.limits
        self._queue: deque[Job] = deque()
        self._running = 0
        self._beginning = 0
        self.stopping = False

    @property
    def running(self) -> int:
        """How many responses are being made."""
        return self._running

    @contextlib.contextmanager
    def place(self, size: int) -> Iterator[bool]:
        """A place for one more job with a request of so many bytes; whether that will have to wait.

        Raises APIError, 429, when no more jobs may wait, and 503 when none are begun any more.
        """
        if self.stopping:
            raise STOPPED
        limits = self._limits
        taken = len(self.jobs) + self._beginning
        waits = self._running + len(self._queue) + self._beginning >= limits.running
        waiting_bytes = sum(job.size for job in self._queue) if waits else 0
        if taken >= limits.running + limits.queued or waiting_bytes + size * waits > limits.queued_bytes:
            raise APIError(
                f"{len(self._queue)} background responses wait here for their turn, and no more can; try "
                "again later.",
                status=429,
                code="rate_limit_exceeded",
                headers={"retry-after": "5"},
            )
        self._beginning += 1
        try:
            yield waits
        finally:
            self._beginning -= 1

    def start(self, job: Job) -> None:
        """Make the answer of a job when it is its turn."""
        self.jobs[job.id] = job
        self._keeping.log.begin(job.id, job.logged)
        self._queue.append(job)
        self._next()

    def end(self, job: Job, reason: APIError) -> None:
        """Have it end: what is being made is given up, what waits never begins."""
        if job.reason is None:
            job.reason = reason
            job.outlet.give_up()
            if job.task is None:
                self._queue.remove(job)
                self._begin(job)

    def lose(self, job: Job) -> None:
        """Let go of it without a word: its lease is somebody else's, who says what became of it."""
        job.lost = True
        if job.task is not None:
            job.task.cancel()
        else:
            self._queue.remove(job)
            self._forget(job)

    async def stop(self) -> None:
        """Begin nothing any more; what runs has some time to end, then it fails, or is left to others."""
        self.stopping = True
        left = [job for job in [*self._queue] if self._leave(job)]
        await self._wait(self._limits.drain)
        left += [job for job in [*self.jobs.values()] if self._leave(job)]
        await self._wait(_END_SECONDS)
        for job in [*self.jobs.values()]:
            if job.task is not None:
                job.task.cancel()
        await self._wait(1.0)
        await self._leave_to_others(left)

    async def _leave_to_others(self, jobs: Sequence[Job]) -> None:
        """End their leases, so that they are found at once, and ended by who writes with a new one."""
        renew = self._keeping.store.leases.renew
        ends = (renew(KIND, job.held.name, job.held.epoch, seconds=0.0) for job in jobs)
        await asyncio.gather(*ends, return_exceptions=True)

    def _leave(self, job: Job) -> bool:
        """Have it end, or leave it to another worker, if that may begin it again."""
        if self._limits.rerun and not job.outlet.log.said and job.reason is None:
            self.lose(job)
            return True
        self.end(job, STOPPED)
        return False

    async def _wait(self, seconds: float) -> None:
        tasks = [job.task for job in self.jobs.values() if job.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def _next(self) -> None:
        while self._queue and self._running < self._limits.running:
            job = self._queue.popleft()
            job.running = True
            self._running += 1
            self._begin(job)

    def _begin(self, job: Job) -> None:
        # Nothing of a request (a trace, Django's threads) stays alive in it.
        task = asyncio.get_running_loop().create_task(self._run(job), context=contextvars.Context())
        job.task = task
        task.add_done_callback(lambda _: self._over(job))

    async def _run(self, job: Job) -> None:
        await job.make()
        if job.running:
            job.running = False
            self._running -= 1
            self._next()
        try:
            await job.settle(self._keeping)
        except VersionConflictError:
            logger.warning("another worker has taken over the background response %s", job.id)
        except Exception as error:
            logger.error("the end of the background response %s could not be kept: %s", job.id, error)
            await self._leave_to_others([job])

    def _forget(self, job: Job) -> None:
        self.jobs.pop(job.id, None)
        self._keeping.log.leave(job.id)

    def _over(self, job: Job) -> None:
        self._forget(job)
        job.outlet.log.stop()
        if job.running:
            # It was cancelled before its first step.
            job.running = False
            self._running -= 1
            self._next()
