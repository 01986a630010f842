"""One request's way through its client's budget: let in or refused, and settled at its end.

1. The tokens of a request are known only afterwards, so that an estimate is taken first. What an answer took
   more is counted, too, even beyond the limit: then the next request waits. What it took less is given back,
   unless what was taken counts less by now anyway.
2. Settling outlives the request's task, whose framework may cancel whatever it still waits for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, NamedTuple

from responses_asgi.errors import StoreError
from responses_asgi.exchange import Ended, Interception
from responses_asgi.limits.counters import Counters
from responses_asgi.limits.limit import Limit
from responses_asgi.limits.slots import Slots
from responses_asgi.limits.tokens import used_tokens
from responses_asgi.limits.told import limit_headers, refusal, too_many_at_once
from responses_asgi.limits.window import Window

__all__ = ["Admission", "Budget"]

# Tasks that settle; the event loop itself keeps only weak references.
_settling: set[asyncio.Task[None]] = set()


class Budget(NamedTuple):
    """What one client may use of one limit: the `key` of its counts, and where these are."""

    key: str
    limit: Limit
    counters: Counters
    slots: Slots

    async def take(self, name: str, cost: int) -> bool:
        """Take `cost` of `requests` or `tokens`, if there is room for it."""
        most = self._most(name)
        return await self.counters.take(self._count(name), cost, limit=most, period=self.limit.period)

    async def settle(self, amount: int) -> None:
        """Count so many tokens more, or less."""
        await self.counters.add(self._count("tokens"), amount, period=self.limit.period)

    async def windows(self) -> dict[str, Window]:
        """What is counted, by name."""
        names = [name for name in ("requests", "tokens") if getattr(self.limit, name) is not None]
        found = await asyncio.gather(
            *(
                self.counters.window(self._count(name), limit=self._most(name), period=self.limit.period)
                for name in names
            )
        )
        return dict(zip(names, found, strict=True))

    def _count(self, name: str) -> str:
        return f"{self.key}:{name}"

    def _most(self, name: str) -> int:
        most: int = getattr(self.limit, name)
        return most


class Admission(Interception):
    """The Interception of a request that takes from a budget.

    `input_tokens` are those of the request and `cost` what is taken for it before it is answered, both by
    estimate.
    """

    def __init__(self, budget: Budget, model: str, *, input_tokens: int = 0, cost: int) -> None:
        self._budget = budget
        self._model = model
        self._input = input_tokens
        self._cost = min(cost, budget.limit.tokens or cost)
        self._slot: str | None = None
        self._counted_until = 0.0

    async def admit(self, *, at_once: bool) -> None:
        """Take what is needed, with `at_once` a slot, too. Raises APIError, 429, and StoreError."""
        limit = self._budget.limit
        if at_once and limit.concurrent is not None:
            self._slot = await self._budget.slots.take(self._budget.key, limit.concurrent)
            if self._slot is None:
                raise too_many_at_once(self._model, limit.concurrent)
        try:
            if limit.requests is not None:
                await self._take("requests", 1)
            if limit.tokens is not None:
                await self._take("tokens", self._cost)
            windows = await self._budget.windows()
        except BaseException:
            await self._outliving(self._release())
            raise
        if "tokens" in windows:
            self._counted_until = time.monotonic() + windows["tokens"].shift
        named = limit_headers(windows).items()
        self.headers = [(name.encode(), value.encode()) for name, value in named]

    async def end(self, ended: Ended) -> None:
        await self._outliving(self._settle(self._used(ended)))

    async def _take(self, name: str, cost: int) -> None:
        if not await self._budget.take(name, cost):
            raise refusal(self._model, name, await self._budget.windows(), cost)

    def _used(self, ended: Ended) -> int:
        """The tokens that it took in the end: none where an upstream, or nobody, has refused it.

        An answer that took several calls may have failed in a later one.
        """
        answered = ended.begun or ended.answer.get("usage") is not None
        refused = ended.error is not None and ended.error.status != 499 and not answered
        return 0 if ended.upstream is None or refused else used_tokens(ended.answer, self._input)

    async def _settle(self, used: int) -> None:
        await self._release()
        more = used - self._cost
        if self._budget.limit.tokens is not None and (more > 0 or time.monotonic() < self._counted_until):
            # A store that is down says so in the log; what was taken there ends by itself.
            with suppress(StoreError):
                await self._budget.settle(more)

    async def _release(self) -> None:
        slot, self._slot = self._slot, None
        if slot is not None:
            with suppress(StoreError):
                await self._budget.slots.release(self._budget.key, slot)

    async def _outliving(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this even if the running task is cancelled meanwhile."""
        task = asyncio.get_running_loop().create_task(work)
        _settling.add(task)
        task.add_done_callback(_settling.discard)
        await asyncio.shield(task)
