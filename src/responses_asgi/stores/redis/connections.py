"""The connections to Redis: opened per event loop when first used, bounded in number and in time.

Whatever goes wrong on the way becomes a StoreError. Its text is for the client and names no address; the log
tells the operator which server, and what it said: the same failure once a minute, and when it answers again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from responses_asgi.errors import ConfigurationError, MissingExtraError, StoreError
from responses_asgi.stores.redis.channels import Channels
from responses_asgi.stores.redis.lanes import Lanes
from responses_asgi.stores.redis.scripts import Script

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

    Client = Redis | RedisCluster

__all__ = ["Connections"]

logger = logging.getLogger("responses_asgi")

SCHEMES = ("redis", "rediss", "unix")

QUIET_SECONDS = 60.0
"""For so long the same failure is logged at DEBUG only, once it was logged."""


class Connections:
    """Asks Redis, over connections of the running event loop. Parameters: see `RedisStore`.

    Raises ConfigurationError and MissingExtraError when it is made; opens nothing before it is used.
    """

    def __init__(
        self,
        url: str | None,
        *,
        client: Client | None,
        cluster: bool,
        timeout: float,
        max_connections: int,
    ) -> None:
        _need_redis()
        if (url is None) == (client is None):
            raise ConfigurationError("RedisStore takes either a url or client=, got both or neither")
        if timeout <= 0:
            raise ConfigurationError(f"timeout={timeout!r}: seconds, more than 0")
        self._timeout = timeout
        self._lanes = max_connections
        self._given = client
        self._open: dict[asyncio.AbstractEventLoop, Lanes] = {}
        self._away = False
        self._told: dict[str, float] = {}
        self._place = "Redis"
        if url is not None:
            self._place = _place(url)
            self._make = _maker(url, cluster=cluster, timeout=timeout, max_connections=max_connections)

    async def command(self, *parts: str | bytes) -> Any:
        """One command's answer, its strings as bytes. Raises StoreError."""
        async with self.asking():
            return await self._opened().ask(*parts)

    async def run(self, script: Script, keys: Sequence[bytes], *values: str | bytes | int) -> Any:
        """A script's answer, its strings as bytes. Raises StoreError."""
        from redis.exceptions import NoScriptError

        async with self.asking():
            opened = self._opened()
            try:
                return await opened.ask("EVALSHA", script.sha, len(keys), *keys, *values)
            except NoScriptError:
                # A server that is new, or was restarted. It remembers what it evaluates.
                return await opened.ask("EVAL", script.text, len(keys), *keys, *values)

    @property
    def has_slots(self) -> bool:
        """Whether the keys of one script have to lie in one slot: in a cluster."""
        return self._opened().has_slots

    async def aclose(self) -> None:
        """Close the connections of the running loop, after what was asked over them. A client that was given
        stays open."""
        opened = self._open.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            await opened.quiet.wait()
            if self._given is None:
                await opened.client.aclose()

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        """A time in which Redis is to answer; whatever goes wrong becomes a StoreError."""
        from redis.exceptions import RedisClusterException, RedisError

        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (RedisError, RedisClusterException, OSError) as error:
            raise self._failed(error) from error
        if self._away:
            self._away = False
            logger.warning("%s answers again", self._place)

    def client(self) -> Client:
        """A client of its own for the running event loop, to be closed by whoever asks; or the one given."""
        return self._make() if self._given is None else self._given

    def channels(self) -> Channels | None:
        """A connection of its own for channels; None where redis-py has none: for clusters, before 8."""
        client = self.client()
        return Channels(client, made_for_it=self._given is None) if hasattr(client, "pubsub") else None

    def _opened(self) -> Lanes:
        loop = asyncio.get_running_loop()
        opened = self._open.get(loop)
        if opened is None:
            for ended in [other for other in self._open if other.is_closed()]:
                del self._open[ended]
            client = self.client()
            opened = self._open[loop] = Lanes(client, lanes=self._lanes, timeout=self._timeout)
        return opened

    def _failed(self, error: Exception) -> StoreError:
        from redis.exceptions import ResponseError

        sentence, now = _sentence(error, self._timeout), time.monotonic()
        recent = now - self._told.get(sentence, -QUIET_SECONDS) < QUIET_SECONDS
        if not recent:
            self._told[sentence] = now
        self._away = self._away or not isinstance(error, ResponseError)
        level = logging.DEBUG if recent else logging.WARNING
        logger.log(level, "%s: %s (%s: %s)", self._place, sentence, type(error).__name__, error)
        return StoreError(sentence)


def _need_redis() -> None:
    try:
        import redis.asyncio  # noqa: F401 - whether it is there
    except ImportError:
        raise MissingExtraError("RedisStore", "redis") from None


def _place(url: str) -> str:
    """The server's address, for the log: nothing of the credentials. Raises ConfigurationError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or 6379
    except ValueError as error:
        raise ConfigurationError(f"The Redis URL cannot be read: {error}") from None
    if parts.scheme not in SCHEMES:
        allowed = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise ConfigurationError(f"A Redis URL begins with {allowed}; got {parts.scheme or 'none of them'!r}")
    if parts.scheme == "unix":
        return f"Redis at {parts.path}"
    database = parts.path.strip("/")
    if database and not database.isdecimal():
        raise ConfigurationError(f"The path of a Redis URL is the number of a database; got {database!r}")
    return f"Redis at {host}:{port}"


def _maker(url: str, *, cluster: bool, timeout: float, max_connections: int) -> Callable[[], Client]:
    """What opens a client for a loop. Options in the URL go before ours. Raises ConfigurationError."""
    from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError

    # Redis may have been restarted since a connection was used: one second try, none after a timeout.
    retry = Retry(NoBackoff(), 1, supported_errors=(ConnectionError,))
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "max_connections": max_connections,
        "retry": retry,
    }

    def single() -> Client:
        return Redis.from_pool(BlockingConnectionPool.from_url(url, **options, timeout=None))

    def several() -> Client:
        return RedisCluster.from_url(url, **options)

    try:
        # Nothing is opened, but an option that does not exist is found.
        pool: Any = BlockingConnectionPool.from_url(url, **options)
        pool.make_connection()
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"The Redis URL cannot be used: {error}") from None
    return several if cluster else single


def _sentence(error: Exception, timeout: float) -> str:
    """What a client is told of it."""
    from redis import exceptions

    # The first class that fits, so the narrow ones come first.
    sentences: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (
            (
                exceptions.AuthenticationError,
                exceptions.AuthenticationWrongNumberOfArgsError,
                exceptions.AuthorizationError,
                exceptions.NoPermissionError,
            ),
            "The store refuses the credentials of this service.",
        ),
        (exceptions.BusyLoadingError, "The store is starting."),
        ((exceptions.TimeoutError, TimeoutError), f"The store did not answer within {timeout:g} seconds."),
        (exceptions.OutOfMemoryError, "The store is full."),
        (exceptions.ReadOnlyError, "The store takes no changes at present."),
        (
            (exceptions.ConnectionError, exceptions.RedisClusterException, OSError),
            "The store cannot be reached.",
        ),
    )
    return next(
        (sentence for kinds, sentence in sentences if isinstance(error, kinds)),
        "The store could not do what it was asked.",
    )
