"""One background response, from queued to its end, by the worker that holds its lease."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import NamedTuple

from responses_asgi.background.limits import BackgroundLimits
from responses_asgi.background.log_outlet import LogOutlet, LogSink
from responses_asgi.background.lost import end_log
from responses_asgi.errors import APIError, StoreError, VersionConflictError
from responses_asgi.exchange.run import Tries
from responses_asgi.history import State
from responses_asgi.history.responses import StoredResponse
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.types.json import JSON

__all__ = ["CANCELLED", "KIND", "LOST", "STOPPED", "Job", "Keeping", "settle"]

logger = logging.getLogger("responses_asgi")

KIND = "response"
"""The kind of the leases."""

CANCELLED = APIError("The response was cancelled.", status=499, type="client_error", code="cancelled")
LOST = APIError("The worker that made this response is gone.", status=500, code="server_error")
STOPPED = APIError("The service was stopped while it made this response.", status=503, code="server_error")


class Keeping(NamedTuple):
    """Where background work is kept, and within which bounds it is done."""

    state: State
    store: BackgroundStore
    limits: BackgroundLimits


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """What a worker knows of one response: whose it is, its id, and the epoch of the lease.

    `reason` says why it is to end early, once it is.
    """

    owner: str
    id: str
    epoch: int
    tries: Tries
    outlet: LogOutlet
    sink: LogSink
    task: asyncio.Task[None] | None = None
    reason: APIError | None = None
    lost: bool = False
    running: bool = False

    def end(self, reason: APIError) -> None:
        """Have it end: what is running is given up, what is queued never begins."""
        if self.reason is None:
            self.reason = reason
            self.outlet.give_up()
            if not self.running and self.task is not None:
                self.task.cancel()

    def lose(self) -> None:
        """The lease is somebody else's: let go without a word, who has it says what became of it."""
        self.lost = True
        if self.task is not None:
            self.task.cancel()

    async def run(self, state: State, turns: asyncio.Semaphore) -> None:
        """Make the answer when it is its turn; raises what is nobody's answer, for the log."""
        async with turns:
            self.running = True
            await _tell_status(state, self.owner, self.id, "in_progress")
            await self.tries.run(self.outlet)

    async def settle(self, keeping: Keeping) -> JSON | None:
        """Say and keep the end of what did not end by itself; the response as it is then, None when it is
        lost or forgotten. Raises StoreError."""
        if self.lost:
            return None
        stored = await keeping.state.kept.responses.load(self.owner, self.id)
        if stored is None:
            return None
        if self.sink.ended:
            await keeping.store.events.expire(self.id, seconds=keeping.limits.retention)
            return stored.response
        error = self.reason or self.outlet.refused or STOPPED
        return await settle(stored, error, owner=self.owner, epoch=self.epoch, keeping=keeping)


async def settle(
    stored: StoredResponse, error: APIError, *, owner: str, epoch: int, keeping: Keeping
) -> JSON:
    """End the log of a response that was cut off, and keep it so. Raises StoreError."""
    log, retention = keeping.store.events, keeping.limits.retention
    response = await end_log(log, epoch, stored, error, retention=retention)
    if error is CANCELLED and response["status"] == "failed":
        response = {**response, "status": "cancelled", "error": None}
    if response != stored.response:
        await keeping.state.kept.responses.keep(owner, _with(stored, response))
    return response


async def _tell_status(state: State, owner: str, id: str, status: str) -> None:
    try:
        stored = await state.kept.responses.load(owner, id)
        if stored is not None:
            await state.kept.responses.keep(owner, _with(stored, {**stored.response, "status": status}))
    except VersionConflictError:
        raise
    except StoreError as error:
        # It is only looked at; what is made of it is kept at the end.
        logger.warning("The status of %s could not be kept: %s", id, error)


def _with(stored: StoredResponse, response: JSON) -> StoredResponse:
    return StoredResponse(
        response=response,
        entries=stored.entries,
        previous=stored.previous,
        conversation=stored.conversation,
    )
