"""One background response, from queued to its end, by the worker that holds its lease."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from responses_asgi.background.ending import STOPPED, end_response
from responses_asgi.background.keeping import Held, Keeping, ResponseRecord
from responses_asgi.background.log_outlet import LogOutlet
from responses_asgi.errors import APIError, VersionConflictError
from responses_asgi.exchange.inner_response import internal_error
from responses_asgi.exchange.run import Tries

__all__ = ["Job"]

logger = logging.getLogger("responses_asgi")


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """What a worker knows of one response.

    - `logged`: the number of the last event in its log when it is begun, if that is known.
    - `size`: bytes of its request. `waited`: whether it is kept as queued, which it will have to be told.
    - `held_until`: when its lease is over at the latest, by `time.monotonic`.
    - `reason`: why it is to end early, once it is. `lost`: its lease is somebody else's, who says its end.
    - `over`: everything was done, and its lease is being released or was.
    """

    held: Held
    tries: Tries
    outlet: LogOutlet
    held_until: float
    size: int
    logged: int | None = None
    waited: bool = False
    task: asyncio.Task[None] | None = None
    reason: APIError | None = None
    lost: bool = False
    over: bool = False
    running: bool = False

    @classmethod
    def of(
        cls, keeping: Keeping, held: Held, tries: Tries, record: ResponseRecord, *, held_until: float
    ) -> Job:
        """The job of a prepared request, the record of which is kept."""
        outlet = LogOutlet(keeping, held, record)
        size = len(tries.first.request.body)
        return cls(held=held, tries=tries, outlet=outlet, held_until=held_until, size=size)

    @property
    def id(self) -> str:
        """The id of the response."""
        return self.held.id

    async def make(self) -> None:
        """Make the answer, unless it is to end already. Never raises, but for a cancellation from outside."""
        try:
            if self.reason is None:
                await self._make()
            else:
                await self.tries.drop(self.reason)
        except asyncio.CancelledError:
            # By whoever has found the lease lost, or ends the event loop.
            self.reason = self.reason or STOPPED
        except VersionConflictError:
            self.lost = True
        except Exception as error:
            logger.exception("the background response %s failed", self.id)
            told = error if isinstance(error, APIError) else internal_error()
            self.reason = self.reason or self.outlet.refused or told

    async def _make(self) -> None:
        if self.waited:
            turn, running = self.tries.first.turn, {**self.tries.first.translator.snapshot()}
            await self.outlet.keep_as(turn, running, doing=f"tell that {self.id} is being made")
        await self.tries.run(self.outlet)

    async def settle(self, keeping: Keeping) -> None:
        """Say the end, keep it and announce it, then let go. Raises VersionConflictError when another has the
        lease, and what the store raises when that cannot be done while the lease lasts."""
        if self.lost:
            return
        log = self.outlet.log
        response = self.outlet.kept
        if not log.ended:
            if log.failure is not None:
                raise log.failure
            # What is on its way into the log must be there before it is looked at.
            await log.flush()
            error = self.reason or self.outlet.refused or internal_error()
            response = await end_response(keeping, self.held, error)
        await keeping.tell_end(self.held, response)
        self.over = True
        await keeping.let_go(self.held)
