"""Who is being answered right now, so that nobody is answered too often at once.

A slot is let go of when its answer ends, however that is. In Redis it also ends by itself: a process renews
what it holds, so that what one leaves behind that was killed is free again after `SLOT_SECONDS`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from typing import Protocol
from weakref import WeakKeyDictionary

from responses_asgi.errors import StoreError
from responses_asgi.stores.redis.connections import Connections
from responses_asgi.stores.redis.scripts import Script

__all__ = ["SLOT_SECONDS", "MemorySlots", "RedisSlots", "Slots"]

logger = logging.getLogger("responses_asgi")

SLOT_SECONDS = 30.0
"""For how long a slot in Redis is held without being renewed."""

# KEYS: the slots of one budget. ARGV: how many there are, for how many milliseconds, the name of this one.
_TAKE = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
""")

# ARGV: for how many milliseconds, the names of the slots. One that was lost meanwhile is there again.
_RENEW = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
""")


class Slots(Protocol):
    """So many for each key. Raises StoreError when it cannot be asked."""

    async def take(self, key: str, most: int) -> str | None:
        """The name of a slot that is now held; None: all are."""

    async def release(self, key: str, slot: str) -> None:
        """Let go of it."""


class MemorySlots:
    """Slots of this process."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    async def take(self, key: str, most: int) -> str | None:
        if self._held[key] >= most:
            return None
        self._held[key] += 1
        return key

    async def release(self, key: str, slot: str) -> None:
        self._held[key] -= 1
        if self._held[key] <= 0:
            del self._held[key]


class RedisSlots:
    """Slots in Redis; each lasts `seconds` unless it is renewed, which this does while it holds any."""

    def __init__(self, connections: Connections, *, prefix: str, seconds: float = SLOT_SECONDS) -> None:
        self._connections = connections
        self._prefix = prefix
        self._seconds = seconds
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Held] = WeakKeyDictionary()

    async def take(self, key: str, most: int) -> str | None:
        slot = os.urandom(9).hex()
        taken = await self._connections.run(_TAKE, [self._key(key)], most, self._milliseconds, slot)
        if not taken:
            return None
        held = self._loops.setdefault(asyncio.get_running_loop(), _Held())
        held.slots.setdefault(key, set()).add(slot)
        if held.renewing is None:
            held.renewing = asyncio.get_running_loop().create_task(self._renew(held))
        return slot

    async def release(self, key: str, slot: str) -> None:
        held = self._loops[asyncio.get_running_loop()]
        held.slots[key].discard(slot)
        if not held.slots[key]:
            del held.slots[key]
        if not held.slots:
            held.stop()
        await self._connections.command("ZREM", self._key(key), slot)

    async def _renew(self, held: _Held) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            for key, slots in [*held.slots.items()]:
                try:
                    await self._connections.run(_RENEW, [self._key(key)], self._milliseconds, *slots)
                except StoreError:
                    # It is told in the log already, and tried again.
                    break

    @property
    def _milliseconds(self) -> int:
        return round(self._seconds * 1000)

    def _key(self, key: str) -> bytes:
        return f"{self._prefix}:{key}:slots".encode()


class _Held:
    """What one event loop holds: slots by key, and the task that renews them."""

    def __init__(self) -> None:
        self.slots: dict[str, set[str]] = {}
        self.renewing: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Nothing is held."""
        if self.renewing is not None:
            self.renewing.cancel()
            self.renewing = None
