"""What is appended to several logs at the same moment goes to Redis as one script.

Workers write what they have gathered at the same moments, so that there are many; each by itself would cost
several times more. A cluster takes the keys of one log at a time.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

from responses_asgi.errors import StoreError
from responses_asgi.stores.event_log import LoggedEvent
from responses_asgi.stores.packing import packed
from responses_asgi.stores.redis.background_scripts import APPEND
from responses_asgi.stores.redis.connections import Connections
from responses_asgi.stores.redis.lanes import settle
from responses_asgi.stores.redis.values import whole_ms

__all__ = ["Appends"]

MOST = 100
"""Appends in one script."""

MOST_BYTES = 1_000_000
"""Of their events; what is larger goes by itself."""

Answer: TypeAlias = "int | list[int] | None"


class _Asked(NamedTuple):
    keys: Sequence[bytes]
    words: str
    data: bytes
    answer: asyncio.Future[Answer]


class _Loop:
    """What one event loop appends: what is to go at the end of its turn, and what is on its way."""

    def __init__(self) -> None:
        self.waiting: list[_Asked] = []
        self.sending: set[asyncio.Task[None]] = set()


class Appends:
    """Runs the script `APPEND` for all logs of one store; `ttl`: how many seconds they live after it."""

    def __init__(self, redis: Connections, *, ttl: float) -> None:
        self._redis = redis
        self._ttl = whole_ms(ttl)
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()
        self._alone = False

    async def append(
        self, keys: Sequence[bytes], epoch: int, events: Sequence[LoggedEvent], ended: bool
    ) -> Answer:
        """The script's answer for these events. Raises StoreError."""
        loop = asyncio.get_running_loop()
        first, last = (events[0].number, events[-1].number) if events else (0, 0)
        words = f"{epoch} {ended:d} {first} {last} {len(events)}"
        asked = _Asked(keys, words, packed(events) if events else b"", loop.create_future())
        here = self._loops.get(loop)
        if here is None:
            here = self._loops[loop] = _Loop()
        if not here.waiting:
            # At the end of the loop's turn: whoever appends in the same turn comes along.
            loop.call_soon(self._depart, here, loop, context=contextvars.Context())
        here.waiting.append(asked)
        return await asked.answer

    async def quiet(self) -> None:
        """Wait until what was appended in the running loop is done."""
        here = self._loops.get(asyncio.get_running_loop())
        while here and (here.waiting or here.sending):
            answers: list[asyncio.Future[Any]] = [asked.answer for asked in here.waiting]
            await asyncio.wait([*answers, *here.sending])

    def _depart(self, here: _Loop, loop: asyncio.AbstractEventLoop) -> None:
        waiting, here.waiting = here.waiting, []
        for batch in self._batches([asked for asked in waiting if not asked.answer.done()]):
            task = loop.create_task(self._send(batch))
            here.sending.add(task)
            task.add_done_callback(here.sending.discard)

    def _batches(self, waiting: Sequence[_Asked]) -> list[list[_Asked]]:
        """In order, each of them not too large."""
        alone = self._alone or self._redis.has_slots
        batches: list[list[_Asked]] = []
        size = 0
        for asked in waiting:
            size += len(asked.data)
            if not batches or alone or len(batches[-1]) == MOST or size > MOST_BYTES:
                batches.append([])
                size = len(asked.data)
            batches[-1].append(asked)
        return batches

    async def _send(self, batch: Sequence[_Asked]) -> None:
        waiting = [asked.answer for asked in batch]
        try:
            answers = await self._run(batch)
        except BaseException as error:
            if len(batch) > 1 and _is_cross_slot(error):
                # A cluster that looks like a single server.
                self._alone = True
                for asked in batch:
                    await self._send([asked])
                return
            settle(waiting, [error] * len(batch))
            if not isinstance(error, Exception):
                raise
        else:
            settle(waiting, answers)

    async def _run(self, batch: Sequence[_Asked]) -> Sequence[Answer]:
        keys = [key for asked in batch for key in asked.keys]
        words = " ".join([asked.words for asked in batch])
        answers: Sequence[Answer] = await self._redis.run(
            APPEND, keys, self._ttl, words, *(asked.data for asked in batch)
        )
        return answers


def _is_cross_slot(error: BaseException) -> bool:
    from redis.exceptions import ClusterCrossSlotError

    return isinstance(error, StoreError) and isinstance(error.__cause__, ClusterCrossSlotError)
