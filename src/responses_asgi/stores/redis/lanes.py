"""Sends what is asked at the same moment together: a batch costs little more than its first command.

There are a few lanes, each a connection at work. While all of them are busy, what is asked collects, and goes
with the next that is free. So a loop that asks little waits for nobody, and one that asks much sends much at
a time, in the order in which it was asked.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ["Lanes", "settle"]

MAX_BATCH = 100


class _Asked(NamedTuple):
    parts: Sequence[Any]
    answer: asyncio.Future[Any]


class Lanes:
    """The commands of one client, in the running event loop. A batch that takes longer than `timeout` seconds
    fails with a TimeoutError. A cluster's commands go to different servers, each by itself."""

    def __init__(self, client: Redis | RedisCluster, *, lanes: int, timeout: float) -> None:
        from redis.asyncio import RedisCluster

        self.client: Any = client
        self.quiet = asyncio.Event()
        self.quiet.set()
        self._loop = asyncio.get_running_loop()
        self._timeout = timeout
        self._free = self._lanes = lanes
        self.has_slots = isinstance(client, RedisCluster)
        self._most = 1 if self.has_slots else MAX_BATCH
        self._waiting: deque[_Asked] = deque()
        self._departing = False
        self._carrying: set[asyncio.Task[None]] = set()

    async def ask(self, *parts: Any) -> Any:
        """The answer to a command, its strings as bytes. Raises what redis-py raises."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(_Asked(parts, answer))
        self.quiet.clear()
        self._depart_soon()
        return await answer

    def _depart_soon(self) -> None:
        """At the end of the loop's next turn: whoever asks in this one comes along, and so do appends, which
        are gathered in it."""
        if self._free and not self._departing:
            self._departing = True
            self._loop.call_soon(self._loop.call_soon, self._depart)

    def _depart(self) -> None:
        self._departing = False
        while self._free and (batch := self._next()):
            self._free -= 1
            # Nothing of a request (trace span, Django's threads) stays alive in it.
            task = self._loop.create_task(self._carry(batch), context=contextvars.Context())
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)
        if self._free == self._lanes:
            self.quiet.set()

    def _next(self) -> list[_Asked]:
        """The next batch, without those who have given up."""
        batch: list[_Asked] = []
        while self._waiting and len(batch) < self._most:
            asked = self._waiting.popleft()
            if not asked.answer.done():
                batch.append(asked)
        return batch

    async def _carry(self, batch: Sequence[_Asked]) -> None:
        waiting = [asked.answer for asked in batch]
        try:
            async with asyncio.timeout(self._timeout):
                answers = await self._send([asked.parts for asked in batch])
        except BaseException as error:
            settle(waiting, [error] * len(batch))
            if not isinstance(error, Exception):
                raise
        else:
            settle(waiting, answers)
        finally:
            self._free += 1
            self._depart_soon()

    async def _send(self, commands: Sequence[Sequence[Any]]) -> Sequence[Any]:
        from redis.client import NEVER_DECODE

        as_bytes = {NEVER_DECODE: True}
        if len(commands) == 1:
            return [await self.client.execute_command(*commands[0], **as_bytes)]
        async with self.client.pipeline(transaction=False) as pipeline:
            for parts in commands:
                pipeline.execute_command(*parts, **as_bytes)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
            return answers


def settle(asked: Iterable[asyncio.Future[Any]], answers: Sequence[Any]) -> None:
    """Give each who still waits its answer, or its exception."""
    for waiting, answer in zip(asked, answers, strict=True):
        if waiting.done():
            continue
        if isinstance(answer, asyncio.CancelledError):
            waiting.cancel()
        elif isinstance(answer, BaseException):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)
