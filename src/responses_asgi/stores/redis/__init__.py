"""Records in Redis, for services that run in many processes or on many machines."""

from __future__ import annotations

from responses_asgi.stores.redis.store import RedisStore

__all__ = ["RedisStore"]
