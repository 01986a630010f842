"""Event logs in Redis Streams."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext

from responses_asgi.errors import VersionConflictError
from responses_asgi.stores.event_log import LoggedEvent, LogPage, following
from responses_asgi.stores.packing import unpacked
from responses_asgi.stores.redis.appends import Appends
from responses_asgi.stores.redis.background_scripts import EXPIRE, READ
from responses_asgi.stores.redis.connections import Connections
from responses_asgi.stores.redis.keys import log_keys
from responses_asgi.stores.redis.tail import LogKeys, Tail
from responses_asgi.stores.redis.values import most, whole_ms
from responses_asgi.stores.waiters import cut

__all__ = ["RedisEventLog"]

MAX_NUMBER = 2**52
"""Above the number of any event; scripts count in doubles."""

END = b"2-0"
"""How the entry that ends a log is named."""

PATIENCE = 5.0
"""Seconds after which one who waits looks again, whatever was told or not."""

POLL = 0.1
"""The same where there are no channels: redis-py before 8 has none for clusters."""


class RedisEventLog:
    """The `EventLog` of a RedisStore. What is appended at the same moment
    is one round trip. All who wait in an event loop share one
    connection, on which Redis tells what was appended, and one reading of each log."""

    def __init__(self, redis: Connections, *, prefix: bytes, ttl: float) -> None:
        self._redis = redis
        self._prefix = prefix
        self._appends = Appends(redis, ttl=ttl)
        self._tails: dict[asyncio.AbstractEventLoop, Tail] = {}

    async def append(
        self, id: str, epoch: int, events: Sequence[LoggedEvent] = (), *, ended: bool = False
    ) -> int:
        """Write the events, all or none, behind what is there; the number of the last one there then."""
        following(events, -1)
        keys = log_keys(self._prefix, id)
        tail = self._tails.get(asyncio.get_running_loop())
        with tail.writing(keys, LogPage(events, ended)) if tail and events else nullcontext():
            last = await self._appends.append(keys, epoch, events, ended)
            while isinstance(last, list):
                # Some of them are there already.
                rest = following(events, last[0])
                last = await self._appends.append(keys, epoch, rest, ended)
            if last is None:
                raise VersionConflictError("This log is written by another, or has ended.")
        return last

    async def read(self, id: str, *, after: int = -1, limit: int = 1000, wait: float = 0.0) -> LogPage | None:
        """At most `limit` events with a number above `after`; None when there is no such log."""
        keys, limit = log_keys(self._prefix, id), max(1, most(limit))
        after = max(-1, min(after, MAX_NUMBER))
        if wait <= 0:
            return await self._page(keys, after, limit)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait
        while True:
            tail = self._tail(loop)
            with tail.waiters.waiting(keys[1].decode(), after) as waiter:
                if not await tail.nothing_behind(keys, after):
                    page = await tail.page(keys, after, limit)
                    if page is None or page.events or page.ended:
                        return page
                seconds = deadline - loop.time()
                if seconds <= 0:
                    return LogPage([], False)
                told = await waiter.wait(min(seconds, PATIENCE if tail.hears else POLL))
                if told is not None:
                    return cut(told, limit)
                tail.doubt(keys)

    async def expire(self, id: str, *, seconds: float) -> None:
        """Forget the log after this many seconds."""
        await self._redis.run(EXPIRE, log_keys(self._prefix, id), whole_ms(seconds))

    async def aclose(self) -> None:
        """Close the connection of those who wait in the running loop, after what was appended there."""
        await self._appends.quiet()
        tail = self._tails.pop(asyncio.get_running_loop(), None)
        if tail is not None:
            await tail.aclose()

    def _tail(self, loop: asyncio.AbstractEventLoop) -> Tail:
        tail = self._tails.get(loop)
        if tail is None or tail.over:
            for ended in [other for other in self._tails if other.is_closed()]:
                del self._tails[ended]
            tail = self._tails[loop] = Tail(self._redis, self._page)
        return tail

    async def _page(self, keys: LogKeys, after: int, limit: int) -> LogPage | None:
        """One event more is asked for than is wanted: instead of it there may be the end."""
        behind = f"1-{after}" if after >= 0 else "0-0"
        found = await self._redis.run(READ, keys, behind, limit + 1)
        if found is None:
            return None
        ended = bool(found) and found[-2] == END
        entries = found[1:-2:2] if ended else found[1::2]
        events = [event for entry in entries for event in unpacked(entry, after)]
        return cut(LogPage(events, ended), limit)
