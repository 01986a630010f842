"""Which store a URL means, for settings that are text."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from responses_asgi.errors import ConfigurationError
from responses_asgi.stores.records import Records

__all__ = ["store_from_url"]

_ALLOWED = "memory, none, sqlite:///relative/path, sqlite:////absolute/path, redis://, rediss:// or unix://"


def store_from_url(url: str) -> Records | None:
    """The store that a setting names; None for "none".

    - `memory`: a new MemoryStore; `none`: no store.
    - `sqlite:///state.db`: an SQLiteStore, its path relative to the working directory; `sqlite:////var/state.db`
      is absolute. Percent-encoded characters are decoded; there are no parameters behind `?`.
    - `redis://`, `rediss://`, `unix://`: a RedisStore; the whole URL is redis-py's.

    Raises ConfigurationError for anything else, and what the stores raise for the path or the URL.

    >>> store_from_url("none") is None, type(store_from_url("memory")).__name__
    (True, 'MemoryStore')
    """
    word, separator, _ = url.partition("://")
    make = _STORES.get((word.lower(), bool(separator)))
    if make is None:
        # Only its beginning is told: the rest may hold a password.
        scheme, colon, _ = url.partition(":")
        raise ConfigurationError(f"store is {scheme + colon!r}, expected one of {_ALLOWED}")
    return make(url)


def _memory(url: str) -> Records:
    from responses_asgi.stores.memory import MemoryStore

    return MemoryStore()


def _none(url: str) -> None:
    return None


def _sqlite(url: str) -> Records:
    from responses_asgi.stores.sqlite import SQLiteStore

    path = url[len("sqlite://") :]
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ConfigurationError(f"store is {url!r}, expected {_ALLOWED}; without ? and #")
    return SQLiteStore(unquote(path[1:]))


def _redis(url: str) -> Records:
    from responses_asgi.stores.redis import RedisStore

    return RedisStore(url)


_STORES: dict[tuple[str, bool], Callable[[str], Records | None]] = {
    ("memory", False): _memory,
    ("none", False): _none,
    ("sqlite", True): _sqlite,
    ("redis", True): _redis,
    ("rediss", True): _redis,
    ("unix", True): _redis,
}
