"""What was used of each budget, counted by the library `limits`: in this process, or in Redis for many.

A window slides. Memory is kept for each event loop: a server has one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from responses_asgi.errors import MissingExtraError
from responses_asgi.limits.window import Window
from responses_asgi.stores.redis.connections import Connections

if TYPE_CHECKING:
    from limits.aio.storage import MemoryStorage, RedisStorage

__all__ = ["Counters", "MemoryCounters", "RedisCounters", "need_limits"]

SWEEP_SECONDS = 1.0
"""How often memory is looked through for what has expired."""

# More than any limit: what is added must be counted, whether there is room or not.
_ANY = 2**50


class Counters(Protocol):
    """Counts by key. Raises StoreError when it cannot be asked."""

    async def take(self, key: str, cost: int, *, limit: int, period: int) -> bool:
        """Count `cost` if there is room for it."""

    async def add(self, key: str, amount: int, *, period: int) -> None:
        """Count so much more, or less, in the current window."""

    async def window(self, key: str, *, limit: int, period: int) -> Window:
        """What is counted."""

    async def aclose(self) -> None:
        """Let go of what is held for the running event loop."""


class MemoryCounters:
    """Counters of this process. Raises MissingExtraError when it is made."""

    def __init__(self) -> None:
        need_limits()
        self._storages: WeakKeyDictionary[asyncio.AbstractEventLoop, MemoryStorage] = WeakKeyDictionary()

    async def take(self, key: str, cost: int, *, limit: int, period: int) -> bool:
        return await self._storage().acquire_sliding_window_entry(key, limit, period, cost)

    async def add(self, key: str, amount: int, *, period: int) -> None:
        await self._storage().acquire_sliding_window_entry(key, _ANY, period, amount)

    async def window(self, key: str, *, limit: int, period: int) -> Window:
        return Window(limit, period, *await self._storage().get_sliding_window(key, period))

    async def aclose(self) -> None:
        """Nothing is held but memory."""

    def _storage(self) -> MemoryStorage:
        from limits.aio.storage import MemoryStorage

        storage = self._storages.get(loop := asyncio.get_running_loop())
        if storage is None:
            storage = self._storages[loop] = MemoryStorage()
        _let_rest(storage)
        return storage


class _Rest:
    """Stands where the storage keeps the task of its last sweep, so that the next one waits for a while."""

    def __init__(self) -> None:
        self._until = time.monotonic() + SWEEP_SECONDS

    def done(self) -> bool:
        return time.monotonic() >= self._until

    def cancel(self) -> None:
        """Nothing runs."""


def _let_rest(storage: Any) -> None:
    """Look for what has expired once in a while: the storage would at each request look at all there is."""
    if isinstance(storage.timer, asyncio.Task) and storage.timer.done():
        storage.timer = _Rest()


class RedisCounters:
    """Counters in Redis, reached as `connections` are."""

    def __init__(self, connections: Connections, *, prefix: str) -> None:
        need_limits()
        self._connections = connections
        self._prefix = prefix
        self._open: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, RedisStorage]]
        self._open = WeakKeyDictionary()

    async def take(self, key: str, cost: int, *, limit: int, period: int) -> bool:
        async with self._connections.asking():
            return await self._storage().acquire_sliding_window_entry(key, limit, period, cost)

    async def add(self, key: str, amount: int, *, period: int) -> None:
        async with self._connections.asking():
            await self._storage().acquire_sliding_window_entry(key, _ANY, period, amount)

    async def window(self, key: str, *, limit: int, period: int) -> Window:
        async with self._connections.asking():
            return Window(limit, period, *await self._storage().get_sliding_window(key, period))

    async def aclose(self) -> None:
        opened = self._open.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            await opened[0].aclose()

    def _storage(self) -> RedisStorage:
        from limits.aio.storage import RedisStorage

        loop = asyncio.get_running_loop()
        if loop not in self._open:
            client: Any = self._connections.client()
            # The pool knows the address; of the URL just the scheme is read.
            options: dict[str, Any] = {"connection_pool": client.connection_pool}
            storage = RedisStorage(
                "async+redis://", implementation="redispy", key_prefix=self._prefix, **options
            )
            self._open[loop] = client, storage
        return self._open[loop][1]


def need_limits() -> None:
    """Raises MissingExtraError where the library is not installed."""
    try:
        import limits.aio  # noqa: F401 - whether it is there
    except ImportError:
        raise MissingExtraError("RateLimits", "ratelimit") from None
