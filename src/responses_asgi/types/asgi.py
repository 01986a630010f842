"""The names of the ASGI interface, and what holds for every scope made here.

Source: https://asgi.readthedocs.io/en/latest/specs/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import quote

__all__ = [
    "SPEC_VERSION",
    "ASGIApp",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "percent_encoded",
    "raw_path",
    "split_root",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""Any framework's app fits (Starlette's, Django's, Litestar's): they differ only in how they are typed."""

SPEC_VERSION = "2.3"
"""The version that apps are told: with 2.4 Starlette stops listening to http.disconnect, and sees only at its
next send that the client left."""


def percent_encoded(path: str) -> str:
    """A path as it stands in a URL.

    >>> percent_encoded("/models/my model:1")
    '/models/my%20model:1'
    """
    return quote(path, safe="/:@!$&'()*+,;=~")


@lru_cache(maxsize=256)  # nearly every request goes to one of a few paths
def raw_path(path: str) -> bytes:
    """The `raw_path` of a scope with this `path`."""
    return percent_encoded(path).encode("ascii")


def split_root(scope: Scope) -> tuple[str, str]:
    """The mount point in the scope's path, and the path below it.

    Some servers (uvicorn) and Starlette's mounts leave `root_path` at the front of `path`, others (hypercorn,
    granian) do not; it is cut off only where it is there, in whole segments.
    """
    path: str = scope["path"]
    root = (scope.get("root_path") or "").rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        return root, path[len(root) :]
    return "", path
