"""Looks after leases: our own jobs' are renewed, and those of workers that are gone are taken over."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from responses_asgi.background.job import CANCELLED, KIND, LOST, Keeping, settle
from responses_asgi.errors import StoreError
from responses_asgi.types.json import JSON, loads

if TYPE_CHECKING:
    from responses_asgi.background.worker import Worker

__all__ = ["CANCEL", "JOB", "Announce", "Watch"]

logger = logging.getLogger("responses_asgi")

JOB = "background"
"""The kind of the records that tell whose response a lease is for."""

CANCEL = "background.cancel"
"""The kind of the records that tell that somebody wants a response cancelled."""

Announce: TypeAlias = Callable[[str, JSON], Awaitable[None]]
"""`(owner, response) -> None`: is told each background response that has ended."""


class Watch:
    """One for each worker, running beside it until it is cancelled."""

    def __init__(self, worker: Worker, keeping: Keeping, announce: Announce | None) -> None:
        self._worker = worker
        self._keeping = keeping
        self._store = keeping.store
        self._limits = keeping.limits
        self._announce = announce
        self._renewed = 0.0
        self._swept = 0.0

    async def run(self) -> None:
        """Look again and again; a store that cannot be asked is asked again."""
        while True:
            try:
                await self._look()
            except StoreError as error:
                logger.warning("background work could not be looked after: %s", error)
                self._lose_expired()
            await asyncio.sleep(self._limits.poll)

    async def _look(self) -> None:
        now = time.monotonic()
        if now - self._renewed >= self._limits.lease / 3:
            for job in list(self._worker.jobs.values()):
                seconds = self._limits.lease
                if not await self._store.leases.renew(KIND, job.id, job.epoch, seconds=seconds):
                    job.lose()
            self._renewed = now
        if self._worker.jobs:
            await self._cancel_asked()
        if now - self._swept >= self._limits.lease / 2:
            self._swept = now
            for id in await self._store.leases.expired(KIND):
                await self._take_over(id)

    def _lose_expired(self) -> None:
        """Nothing that is written now would count: others may hold our leases."""
        if time.monotonic() - self._renewed > self._limits.lease:
            for job in list(self._worker.jobs.values()):
                job.lose()

    async def _cancel_asked(self) -> None:
        for flag in await self._store.list(CANCEL, "", limit=1000):
            job = self._worker.jobs.get(flag.id)
            if job is not None:
                job.end(CANCELLED)
                await self._store.delete(CANCEL, "", flag.id)

    async def _take_over(self, id: str) -> None:
        """End a response whose worker is gone."""
        epoch = await self._store.leases.claim(KIND, id, seconds=self._limits.lease)
        if epoch is None:
            return
        note = await self._store.get(JOB, "", id)
        owner = loads(note.data)["owner"] if note else ""
        stored = await self._keeping.state.kept.responses.load(owner, id) if note else None
        if stored is None:
            await self._store.events.append(id, epoch, ended=True)
            await self._store.events.expire(id, seconds=self._limits.retention)
        else:
            cancelled = await self._store.get(CANCEL, "", id)
            error = CANCELLED if cancelled else LOST
            logger.warning("the worker of the background response %s is gone", id)
            response = await settle(stored, error, owner=owner, epoch=epoch, keeping=self._keeping)
            if self._announce is not None:
                await self._announce(owner, response)
        await self._store.leases.release(KIND, id, epoch)
        await self._store.delete(JOB, "", id)
