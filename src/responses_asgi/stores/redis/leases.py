"""Leases in Redis, between all processes and machines that share it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from responses_asgi.stores.redis.background_scripts import CLAIM, EXPIRED, RELEASE, RENEW_LEASE
from responses_asgi.stores.redis.connections import Connections
from responses_asgi.stores.redis.keys import digest, lease_keys
from responses_asgi.stores.redis.values import decoded, encoded, most, whole_ms

__all__ = ["RedisLeases"]


class RedisLeases:
    """The `Leases` of a RedisStore. One that was neither released nor claimed anew within `ttl` seconds after
    its end is forgotten."""

    def __init__(self, redis: Connections, *, prefix: bytes, ttl: float) -> None:
        self._redis = redis
        self._prefix = prefix
        self._ttl = ttl

    async def claim(self, kind: str, id: str, *, seconds: float) -> int | None:
        """Hold this from now on for so many seconds; the epoch, None while somebody holds it."""
        values = (digest(id), encoded(id), whole_ms(seconds), whole_ms(self._ttl), os.urandom(12))
        epoch: int | None = await self._redis.run(CLAIM, self._keys(kind), *values)
        return epoch

    async def renew(self, kind: str, id: str, epoch: int, *, seconds: float) -> bool:
        """Hold it for so many seconds from now, even if its time was over; False when it is lost."""
        values = (digest(id), epoch, whole_ms(seconds))
        return bool(await self._redis.run(RENEW_LEASE, self._keys(kind), *values))

    async def release(self, kind: str, id: str, epoch: int) -> bool:
        """Hold it no longer, the work is done; False when it was lost before."""
        return bool(await self._redis.run(RELEASE, self._keys(kind), digest(id), epoch))

    async def expired(self, kind: str, *, limit: int = 100) -> Sequence[str]:
        """Ids whose time is over and that nobody has released or claimed since, the longest expired first."""
        return [decoded(id) for id in await self._redis.run(EXPIRED, self._keys(kind), most(limit))]

    async def count(self, kind: str) -> int:
        """How many were claimed and not released."""
        times = self._keys(kind)[1]
        count: int = await self._redis.command("ZCARD", times)
        return count

    def _keys(self, kind: str) -> Sequence[bytes]:
        return lease_keys(self._prefix, kind)
