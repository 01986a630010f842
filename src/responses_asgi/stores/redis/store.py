"""The store in Redis: see `keys` for what lies where, and `scripts` for what is done with it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from responses_asgi.errors import ConfigurationError, VersionConflictError
from responses_asgi.stores.records import Record
from responses_asgi.stores.redis.connections import Connections
from responses_asgi.stores.redis.events import RedisEventLog
from responses_asgi.stores.redis.keys import Space, digest
from responses_asgi.stores.redis.leases import RedisLeases
from responses_asgi.stores.redis.scripts import DELETE, FIELDS, FIND, LIST, PUT, RENEW
from responses_asgi.stores.redis.values import decoded, encoded, most, whole_ms

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

__all__ = ["RedisStore"]


class RedisStore:
    """Keeps records in Redis (6.2 or newer) or Valkey, for any number of processes and machines.

    - `url`: `redis://[user:password@]host[:port][/db]`, `rediss://...` for TLS, `unix://[user:password@]/path`;
      options of redis-py after a `?` (`ssl_ca_certs=...`, `max_connections=...`).
    - `client`: in place of a URL, a `redis.asyncio.Redis` or `RedisCluster`. It belongs to the event loop it
      is used in, and stays open.
    - `cluster`: the URL leads to a Redis Cluster. The records of one `put` must then have one owner.
    - `prefix`: what every key begins with. Stores with different prefixes do not see each other.
    - `ttl`: seconds after which a record is forgotten whose own `ttl` is None, 30 days by default.
    - `timeout`: seconds that one call may take as a whole, 5 by default; then it is a StoreError.
    - `max_connections`: how many per event loop, 4 by default, and one more for those who wait for events.
      What is asked while all are busy goes with the next, together.

    Every method is one round trip. Nothing is opened before it is used; a Redis that went away and came back
    is used again without more ado. Raises ConfigurationError for settings that cannot work, and
    MissingExtraError without the extra `redis`.

    >>> store = RedisStore("redis://localhost:6379/0", prefix="shop")
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Redis | RedisCluster | None = None,
        cluster: bool = False,
        prefix: str = "responses_asgi",
        ttl: float = 30 * 24 * 3600.0,
        timeout: float = 5.0,
        max_connections: int = 4,
    ) -> None:
        if "{" in prefix or "}" in prefix:
            raise ConfigurationError(
                f"prefix={prefix!r}: without braces, which Redis Cluster gives a meaning"
            )
        if ttl <= 0:
            raise ConfigurationError(f"ttl={ttl!r}: seconds, more than 0")
        self._prefix = encoded(prefix)
        self._ttl = ttl
        self._redis = Connections(
            url, client=client, cluster=cluster, timeout=timeout, max_connections=max_connections
        )
        self._events = RedisEventLog(self._redis, prefix=self._prefix, ttl=ttl)
        self._leases = RedisLeases(self._redis, prefix=self._prefix, ttl=ttl)

    @property
    def events(self) -> RedisEventLog:
        """The event logs of background responses."""
        return self._events

    @property
    def leases(self) -> RedisLeases:
        """The leases of background work."""
        return self._leases

    async def get(self, kind: str, owner: str, id: str, *, renew: bool = False) -> Record | None:
        """The record; None when there is none, or no longer. `renew`: its ttl begins anew."""
        space = self._space(kind, owner)
        key = space.record(id)
        if renew:
            lists = (space.counter, space.index, space.parents, space.names)
            found = await self._redis.run(RENEW, [key], *lists)
        else:
            found = await self._redis.command("HMGET", key, *FIELDS)
        return _record(kind, owner, found)

    async def find(self, kind: str, owner: str, name: str) -> Record | None:
        """The record that has this name among its `names`; the newest if several have it."""
        space, mark = self._space(kind, owner), digest(name)
        found = await self._redis.run(FIND, [space.names + mark], space.records, mark)
        return _record(kind, owner, found)

    async def put(self, *records: Record, version: int | None = None) -> None:
        """Keep the records, all or none; one that is there is replaced and keeps its `position`.

        `version`: only when the stored version of the (one) record is this (0: only when there is none);
        otherwise VersionConflictError is raised and nothing is changed.
        """
        if version is not None and len(records) != 1:
            raise ValueError(f"version= goes with one record, got {len(records)}")
        if not records:
            return
        keys: list[bytes] = []
        values: list[bytes | str | int] = ["" if version is None else version, os.urandom(12)]
        for record in records:
            space = self._space(record.kind, record.owner)
            keys.append(space.record(record.id))
            values += (space.records, space.counter, space.index, space.parents, space.names)
            values += self._values(record)
        if not await self._redis.run(PUT, keys, *values):
            raise VersionConflictError

    async def delete(self, kind: str, owner: str, *ids: str) -> int:
        """Forget these records and their names; how many there were."""
        if not ids:
            return 0
        space = self._space(kind, owner)
        keys = [space.record(id) for id in ids]
        count: int = await self._redis.run(DELETE, keys, space.index, space.parents, space.names)
        return count

    async def list(
        self,
        kind: str,
        owner: str,
        *,
        parent: str | None = None,
        after: int | None = None,
        limit: int = 20,
        descending: bool = False,
    ) -> Sequence[Record]:
        """At most `limit` records in the order of their `position`, beginning behind position `after`.

        `parent`: only those that belong to it.
        """
        if limit <= 0:
            return []
        space = self._space(kind, owner)
        mark = b"" if parent is None else digest(parent)
        listed = space.index if parent is None else space.parents + mark
        behind = "" if after is None else str(after)
        order = "1" if descending else ""
        found = await self._redis.run(LIST, [listed], space.records, mark, behind, most(limit), order)
        return [record for each in found if (record := _record(kind, owner, each)) is not None]

    async def aclose(self) -> None:
        """Close the connections of the running event loop; what is asked later opens new ones."""
        await self._events.aclose()
        await self._redis.aclose()

    def _space(self, kind: str, owner: str) -> Space:
        return Space(self._prefix, kind, owner)

    def _values(self, record: Record) -> tuple[bytes | str | int, ...]:
        """What the script that puts it is told of a record, in the order it reads them."""
        seconds = self._ttl if record.ttl is None else record.ttl
        return (
            digest(record.parent),
            b" ".join(map(digest, record.names)),
            max(1, whole_ms(seconds)),
            encoded(record.id),
            bytes(record.data),
            encoded(record.parent),
            json.dumps(record.names),
            "" if record.ttl is None else repr(record.ttl),
        )


def _record(kind: str, owner: str, found: Sequence[Any] | None) -> Record | None:
    """The record that Redis answered with, its values in the order of `FIELDS`."""
    if found is None or found[0] is None:
        return None
    id, data, parent, names, ttl, version, position = found[: len(FIELDS)]
    return Record(
        kind=kind,
        owner=owner,
        id=decoded(id),
        data=data,
        parent=decoded(parent),
        names=tuple(json.loads(names)),
        ttl=float(ttl) if ttl else None,
        version=int(version),
        position=int(position),
    )
