"""The background responses of one event loop, each in a task of its own."""

from __future__ import annotations

import asyncio
import contextvars
import logging

from responses_asgi.background.job import KIND, STOPPED, Job, Keeping
from responses_asgi.background.watch import JOB, Announce
from responses_asgi.errors import APIError, StoreError, VersionConflictError

__all__ = ["Worker"]

logger = logging.getLogger("responses_asgi")

# Seconds between tries to say the end of a response while the store cannot be asked.
_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)


class Worker:
    """Runs jobs, at most `limits.running` at once; `jobs` are those that are not over, by id."""

    def __init__(self, keeping: Keeping, announce: Announce | None) -> None:
        self.jobs: dict[str, Job] = {}
        self._keeping = keeping
        self._limits = keeping.limits
        self._announce = announce
        self._turns = asyncio.Semaphore(keeping.limits.running)
        self._stopping = False

    def check_room(self) -> None:
        """Raises APIError, 429, when no more responses may wait, and 503 when none are begun any more."""
        if self._stopping:
            raise STOPPED
        if len(self.jobs) >= self._limits.running + self._limits.queued:
            raise APIError(
                f"{self._limits.queued} responses wait here already, and no more can; try again later.",
                status=429,
                code="rate_limit_exceeded",
                headers={"retry-after": "5"},
            )

    def start(self, job: Job) -> None:
        """Begin a job, whose lease is held."""
        self.jobs[job.id] = job
        loop = asyncio.get_running_loop()
        # Nothing of the request (a trace, Django's threads) stays alive in it.
        job.task = loop.create_task(self._run(job), context=contextvars.Context())

    async def stop(self) -> None:
        """Begin nothing any more; what runs has some time to end, then it fails."""
        self._stopping = True
        for job in list(self.jobs.values()):
            if not job.running:
                job.end(STOPPED)
        tasks = [job.task for job in self.jobs.values() if job.task]
        if tasks:
            await asyncio.wait(tasks, timeout=self._limits.drain)
        for job in list(self.jobs.values()):
            job.end(STOPPED)
        tasks = [job.task for job in self.jobs.values() if job.task]
        if tasks:
            await asyncio.wait(tasks, timeout=self._limits.drain + 1.0)
        for task in tasks:
            task.cancel()

    async def _run(self, job: Job) -> None:
        try:
            await job.run(self._keeping.state, self._turns)
        except asyncio.CancelledError:
            logger.debug("%s was given up", job.id)
        except VersionConflictError:
            job.lost = True
        except Exception:
            logger.exception("the background response %s failed", job.id)
        try:
            await self._settle(job)
        finally:
            self.jobs.pop(job.id, None)
            job.sink.stop()

    async def _settle(self, job: Job) -> None:
        """Say the end, as long as the lease lasts; who finds it afterwards says another one."""
        for pause in (*_PAUSES, None):
            try:
                response = await job.settle(self._keeping)
                await self._keeping.store.leases.release(KIND, job.id, job.epoch)
                if not job.lost:
                    await self._keeping.store.delete(JOB, "", job.id)
                if response is not None and self._announce is not None:
                    await self._announce(job.owner, response)
                return
            except VersionConflictError:
                return
            except StoreError as error:
                if pause is None:
                    logger.error("the end of %s could not be kept: %s", job.id, error)
                    return
                await asyncio.sleep(pause)
