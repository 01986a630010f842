"""Works the outbox off, for one event loop.

1. What this process has announced it delivers itself, when it is due. What others have left is found by a
   look into the store, at the start and every `sweep` seconds.
2. Each webhook has a lane of its own, with a bound on attempts at once: one that hangs delays no other.
3. Whatever a store or an attempt does, the deliverer goes on; what it cannot settle is found by a later look.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from responses_asgi.webhooks.outbox import Delivery, Outbox
from responses_asgi.webhooks.sender import GONE, Outcome, Sender
from responses_asgi.webhooks.webhook import Webhook

__all__ = ["Deliverer", "Pace"]

logger = logging.getLogger("responses_asgi")

MAX_ASKED_SECONDS = 24 * 3600.0
"""A receiver that asks to be left alone for longer is asked again after this time."""

MAX_PLANNED = 10_000
"""Deliveries of one webhook that are held in mind; the looks into the store find the others."""

# An attempt is over when its time is, give or take the store's.
_SETTLING_SECONDS = 30.0

# Pauses are up to this part longer, by chance, so that what failed together does not come again together.
_JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When and how much is sent; `Webhooks` says what the fields are."""

    retries: Sequence[float]
    timeout: float
    concurrency: int
    sweep: float
    drain: float
    now: Callable[[], float] = time.time

    def pause(self, attempts: int, asked: float | None) -> float | None:
        """Seconds until the next attempt after so many; None: there is none.

        A receiver may ask for a longer pause, not for a shorter one: it would use up the attempts at once.
        """
        if attempts > len(self.retries):
            return None
        pause = self.retries[attempts - 1] * (1 + _JITTER * random.random())
        return max(pause, min(asked or 0.0, MAX_ASKED_SECONDS))


@dataclass(slots=True)
class _Lane:
    """What is planned for one webhook, earliest first, and what is under way."""

    webhook: Webhook
    planned: list[tuple[float, str]] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    running: set[asyncio.Task[None]] = field(default_factory=set)

    def plan(self, id: str, due: float) -> None:
        """Deliver this when it is due, unless that is planned or under way."""
        if id not in self.known and len(self.known) < MAX_PLANNED:
            self.known.add(id)
            heapq.heappush(self.planned, (due, id))

    def is_due(self, now: float) -> bool:
        return bool(self.planned) and self.planned[0][0] <= now


class Deliverer:
    """Delivers in the event loop it is made in, from then on until `stop`."""

    def __init__(self, outbox: Outbox, webhooks: Sequence[Webhook], sender: Sender, pace: Pace) -> None:
        self._outbox = outbox
        self._sender = sender
        self._pace = pace
        self._lanes = {webhook.id: _Lane(webhook) for webhook in webhooks}
        self._changed = asyncio.Event()
        self._stopping = False
        self._next_sweep = 0.0
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Deliver what is due now, for at most `drain` seconds, and end. What is left is in the outbox."""
        self._stopping = True
        self._changed.set()
        await asyncio.wait([self._task], timeout=self._pace.drain)
        self._task.cancel()
        attempts = [task for lane in self._lanes.values() for task in lane.running]
        for task in attempts:
            task.cancel()
        if attempts:
            await asyncio.wait(attempts)
        await self._sender.aclose()
        left = sum(len(lane.known) for lane in self._lanes.values())
        if left:
            logger.info("Stopped with %d webhook deliveries to be made; the store has them", left)

    def plan(self, delivery: Delivery) -> None:
        """Deliver this when it is due."""
        lane = self._lanes.get(delivery.webhook)
        if lane is not None:
            lane.plan(delivery.id, delivery.due)
            self._changed.set()

    async def _run(self) -> None:
        while not self._stopping or self._has_work():
            self._changed.clear()
            loop = asyncio.get_running_loop()
            if loop.time() >= self._next_sweep and not self._stopping:
                await self._sweep()
                self._next_sweep = loop.time() + self._pace.sweep
            seconds = self._start_due()
            if not self._stopping:
                seconds = min(seconds, self._next_sweep - loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(seconds, 0.0)):
                    await self._changed.wait()

    def _has_work(self) -> bool:
        now = self._pace.now()
        return any(lane.running or lane.is_due(now) for lane in self._lanes.values())

    def _start_due(self) -> float:
        """Begin what is due and has a place; the seconds until something else is due."""
        now, seconds = self._pace.now(), self._pace.sweep
        for lane in self._lanes.values():
            while lane.is_due(now) and len(lane.running) < self._pace.concurrency:
                _, id = heapq.heappop(lane.planned)
                task = asyncio.create_task(self._deliver(lane, id))
                lane.running.add(task)
                task.add_done_callback(lane.running.discard)
                task.add_done_callback(lambda _: self._changed.set())
            if lane.planned and len(lane.running) < self._pace.concurrency:
                seconds = min(seconds, lane.planned[0][0] - now)
        return seconds

    async def _sweep(self) -> None:
        """Plan what is due in the store, whoever announced it."""
        after: int | None = None
        try:
            while True:
                due, after = await self._outbox.due(after, now=self._pace.now())
                for delivery in due:
                    self.plan(delivery)
                if after is None:
                    return
        except Exception as error:
            # A user's own store may raise anything.
            logger.warning("The store could not be asked for webhooks that are due: %s", error)

    async def _deliver(self, lane: _Lane, id: str) -> None:
        again: float | None = None
        try:
            seconds = self._pace.timeout + _SETTLING_SECONDS
            taken = await self._outbox.take(id, now=self._pace.now(), seconds=seconds)
            if taken is not None:
                delivery, version = taken
                outcome = await self._sender.send(lane.webhook, delivery)
                again = await self._settle(delivery, version, outcome)
        except Exception as error:
            logger.warning("The store failed while a webhook was delivered, which is tried again: %s", error)
        lane.known.discard(id)
        if again is not None:
            lane.plan(id, again)

    async def _settle(self, delivery: Delivery, version: int, outcome: Outcome) -> float | None:
        """Note in the outbox how the attempt ended; when the next one is due, None: not by us."""
        told = (delivery.event, delivery.event_id, delivery.site)
        if outcome.delivered:
            logger.debug("Webhook %s %s was delivered to %s", *told)
            await self._outbox.delivered(delivery)
            return None
        now = self._pace.now()
        ended = replace(delivery, status=outcome.status, error=outcome.error)
        pause = None if outcome.status == GONE else self._pace.pause(delivery.attempts, outcome.asked)
        status = outcome.status or "no answer"
        if pause is None:
            logger.warning("Webhook %s %s was given up: %s did not take it (%s)", *told, status)
            await self._outbox.bury(ended, version, now=now)
            return None
        message = "Webhook %s %s was not taken by %s (%s), attempt %d; again in %.0f seconds"
        logger.info(message, *told, status, delivery.attempts, pause)
        again = replace(ended, due=now + pause)
        return again.due if await self._outbox.put_off(again, version, now=now) else None
