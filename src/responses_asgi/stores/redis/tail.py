"""Who waits for events in one event loop, and how they learn of them.

1. While somebody waits for a log, its channel is subscribed to. Only when Redis has confirmed that is the log
   read: what is appended later is told.
2. What is told is the number of the last event. Then the log is read once, for all who wait for it here. Who
   has read up to that number need not look, and who come too late, but at the same time, look together.
3. What this loop has written itself is told at once, and not read again when Redis tells of it.
4. When the connection fails, all look again, over a new one: they find what there is, or the failure.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

from responses_asgi.stores.event_log import LogPage
from responses_asgi.stores.redis.channels import Channels, Told
from responses_asgi.stores.redis.connections import Connections
from responses_asgi.stores.waiters import Waiters

__all__ = ["LogKeys", "Tail"]

LogKeys = tuple[bytes, bytes]
T = TypeVar("T")

KEPT_SECONDS = 10.0
"""For so long a channel is listened to after the last who waited for it; who reads on comes back soon."""

SWEEP_SECONDS = 5.0

MAX_TOLD = 1000
"""The most events that are read for those who wait; who has read less reads on."""


class _Followed:
    """A log that is listened to: whether Redis has confirmed that, and how far the log is known to go.

    `own` is what Redis tells of what this loop has written or writes now, which need not be heard.
    """

    __slots__ = ("ended", "heard", "keys", "newest", "own", "ready", "used")

    def __init__(self, keys: LogKeys, ready: asyncio.Future[None]) -> None:
        self.keys = keys
        self.ready = ready
        self.newest: int | None = None
        self.ended = False
        self.heard = 0
        self.own = -1
        self.used = 0.0


class Tail:
    """Serves those who wait, in the running loop. `over`: it has ended, and another one is to be made.

    `read` reads a page of the log with these keys, behind a number. `hears` is False where there are no
    channels; then nobody is told anything.
    """

    def __init__(
        self, redis: Connections, read: Callable[[LogKeys, int, int], Coroutine[Any, Any, LogPage | None]]
    ) -> None:
        self.waiters = Waiters()
        self.over = False
        self._redis = redis
        self._read = read
        self._channels: Channels | None = redis.channels()
        self._followed: dict[str, _Followed] = {}
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None
        self._subscribing: set[asyncio.Task[None]] = set()
        self._reading: dict[tuple[str, int, int, int], asyncio.Task[LogPage | None]] = {}

    @property
    def hears(self) -> bool:
        """Whether those who wait are told."""
        return self._channels is not None

    async def nothing_behind(self, keys: LogKeys, after: int) -> bool:
        """Whether the log is known to have nothing behind this number; listens to it from now on.

        Raises StoreError when it cannot be listened to.
        """
        if self._channels is None:
            return False
        name = keys[1].decode()
        followed = self._followed.get(name)
        if followed is None:
            followed = self._followed[name] = _Followed(keys, self._loop.create_future())
            self._start(self._subscribe(self._channels, name))
        followed.used = self._loop.time()
        if not followed.ready.done():
            async with self._redis.asking():
                await asyncio.shield(followed.ready)
        return followed.newest is not None and followed.newest <= after and not followed.ended

    async def page(self, keys: LogKeys, after: int, limit: int) -> LogPage | None:
        """A page of the log, read together with all who ask for the same now. Raises StoreError."""
        name = keys[1].decode()
        followed = self._followed.get(name)
        if followed is None:
            return await self._read(keys, after, limit)
        # A reading that was begun before the last message may lack what that told of.
        place = (name, after, limit, followed.heard)
        reading = self._reading.get(place)
        if reading is None:
            reading = self._reading[place] = self._task(self._read(keys, after, limit))
            reading.add_done_callback(lambda done: self._has_read(place, done))
        return await asyncio.shield(reading)

    @contextlib.contextmanager
    def writing(self, keys: LogKeys, page: LogPage) -> Iterator[None]:
        """These events, one at least, are written meanwhile; those who wait are told when that is done."""
        name = keys[1].decode()
        followed = self._followed.get(name)
        if followed is None:
            yield
            return
        last = page.events[-1].number
        followed.own = last * 2 + page.ended
        # What others write after that is heard.
        is_heard = followed.ready.done()
        try:
            yield
        except BaseException:
            # Perhaps they are there, perhaps another's are.
            followed.own, followed.newest = -1, None
            followed.heard += 1
            self.waiters.tell_all()
            raise
        followed.heard += 1
        if is_heard:
            followed.newest = max(-1 if followed.newest is None else followed.newest, last)
        followed.ended = followed.ended or page.ended
        self.waiters.tell(name, page)

    def doubt(self, keys: LogKeys) -> None:
        """Nothing was told for long: the log is to be looked at."""
        followed = self._followed.get(keys[1].decode())
        if followed is not None:
            followed.newest = None

    async def aclose(self) -> None:
        """Close the connection; those who wait look again."""
        self._end(None)
        tasks = [task for task in (self._listening, *self._subscribing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._channels is not None:
            await self._channels.aclose()

    def _has_read(self, place: tuple[str, int, int, int], reading: asyncio.Task[LogPage | None]) -> None:
        del self._reading[place]
        if not reading.cancelled():
            # Nobody may be left who would learn of a failure.
            reading.exception()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._task(work)
        self._subscribing.add(task)
        task.add_done_callback(self._subscribing.discard)

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        # Nothing of a request (trace span, Django's threads) stays alive in it.
        return self._loop.create_task(work, context=contextvars.Context())

    async def _subscribe(self, channels: Channels, name: str) -> None:
        try:
            async with self._redis.asking(), self._sending:
                await channels.subscribe(name)
        except Exception as error:
            self._end(error)
            await channels.aclose()
            return
        if self._listening is None and not self.over:
            self._listening = self._task(self._listen(channels))

    async def _listen(self, channels: Channels) -> None:
        swept = self._loop.time()
        try:
            while self._followed and not self.over:
                changed: set[str] = set()
                told = await channels.told(SWEEP_SECONDS)
                while told is not None:
                    self._hear(told, changed)
                    told = await channels.told(0)
                await self._tell(changed)
                if self._loop.time() - swept >= SWEEP_SECONDS:
                    swept = self._loop.time()
                    await self._sweep(channels, swept)
            self._end(None)
        except Exception as error:
            self._end(error)
        finally:
            await channels.aclose()

    def _hear(self, told: Told, changed: set[str]) -> None:
        followed = self._followed.get(told.channel)
        if followed is None:
            return
        if told.number is None and not followed.ready.done():
            followed.ready.set_result(None)
            return
        if told.number is not None and told.number <= followed.own:
            return
        changed.add(told.channel)
        followed.heard += 1
        if told.number is None:
            # The connection was lost in between.
            followed.newest = None
        else:
            followed.newest, ended = divmod(told.number, 2)
            followed.ended = bool(ended)

    async def _tell(self, changed: Iterable[str]) -> None:
        lowest = self.waiters.lowest() if changed else {}
        await asyncio.gather(*(self._tell_one(name, lowest[name]) for name in changed if name in lowest))

    async def _tell_one(self, name: str, after: int) -> None:
        followed = self._followed.get(name)
        page = followed and await self.page(followed.keys, after, MAX_TOLD)
        if page:
            self.waiters.tell(name, page)

    async def _sweep(self, channels: Channels, now: float) -> None:
        waiting = self.waiters.lowest()
        unused = [
            name
            for name, followed in self._followed.items()
            if name not in waiting and now - followed.used > KEPT_SECONDS
        ]
        for name in unused:
            del self._followed[name]
        for name in unused:
            async with self._sending:
                if name not in self._followed:
                    await channels.unsubscribe(name)

    def _end(self, error: Exception | None) -> None:
        """All look again, who waits for a confirmation learns of the failure."""
        self.over = True
        for followed in self._followed.values():
            if followed.ready.done():
                continue
            if error is None:
                followed.ready.set_result(None)
            else:
                followed.ready.set_exception(error)
                followed.ready.exception()
        self.waiters.tell_all()
