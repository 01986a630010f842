"""Whose request it is. State is kept by owner, and nobody is shown another owner's."""

from __future__ import annotations

import hashlib
import hmac
import inspect
import re
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any, TypeAlias

from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.context import extension

__all__ = ["Owners", "Principal", "issued_to", "user_of"]

Principal: TypeAlias = Callable[[Scope], "str | Awaitable[str | None] | None"]
"""`(scope) -> whose request it is`, sync or async; None: nobody's."""

_CREDENTIALS = frozenset({b"authorization", b"api-key", b"x-api-key"})

# Schemes of `Authorization` that say nothing without what follows them.
_SAY_NOTHING = frozenset({b"", b"basic", b"bearer", b"digest", b"negotiate", b"token"})

_OWNER = re.compile("[0-9a-f]{64}")

# Where users say who they are: Django's primary key, Starlette's identity, Starlette's name.
_IDENTITIES = ("pk", "identity", "display_name")


class Owners:
    """Tells the owner of a request: 64 hexadecimal characters, or "" for a request without a credential.

    `principal` decides alone if it is given. Otherwise the first of these that is there: the id of an issued
    key, which a component around this one left in the scope; an authenticated `scope["user"]` of Starlette or
    Django; the headers Authorization, api-key and x-api-key. Never a cookie, which a browser sends for
    anybody's page. A token that is exchanged for a new one is another owner; `principal` can tell better.

    `secret` keys the hash (HMAC-SHA256), so that nobody can find a weak token by the owners in a store.
    Processes that share a store need the same one; without it the hash is a plain SHA-256.

    >>> import asyncio
    >>> owners = Owners(lambda scope: "alice")
    >>> len(asyncio.run(owners.of({"type": "http", "headers": []})))
    64
    """

    def __init__(self, principal: Principal | None = None, secret: bytes | str | None = None) -> None:
        self._principal = principal
        self._secret = secret.encode() if isinstance(secret, str) else secret

    @property
    def decided(self) -> bool:
        """Whether `principal` decides who is let in."""
        return self._principal is not None

    async def of(self, scope: Scope) -> str:
        """The owner of the request with this scope. Raises what `principal` raises."""
        if self._principal is not None:
            said: Any = self._principal(scope)
            if inspect.isawaitable(said):
                said = await said
            return self._hash(b"principal", str(said)) if said not in (None, "") else ""
        told = _told(scope)
        if told is not None:
            return told if _OWNER.fullmatch(told) else self._hash(b"key", told)
        user = user_of(scope)
        return self._hash(b"user", *user) if user else self._of_headers(scope)

    def _of_headers(self, scope: Scope) -> str:
        found = [
            (name, stripped)
            for given, value in scope.get("headers") or ()
            if (name := given.lower()) in _CREDENTIALS
            and (stripped := value.strip()).lower() not in _SAY_NOTHING
        ]
        return self._hash(b"headers", *chain.from_iterable(sorted(found))) if found else ""

    def _hash(self, kind: bytes, *parts: str | bytes) -> str:
        """No two kinds and lists of parts give the same: every part is preceded by its length."""
        told = b"%d:%b" % (len(kind), kind)
        for part in parts:
            encoded = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
            told += b"%d:%b" % (len(encoded), encoded)
        if self._secret is None:
            return hashlib.sha256(told).hexdigest()
        return hmac.new(self._secret, told, hashlib.sha256).hexdigest()


def issued_to(scope: Scope) -> str | None:
    """The id of the issued key that a component around this one was shown; None when there is none."""
    told = _told(scope)
    return None if told is None or _OWNER.fullmatch(told) else told


def _told(scope: Scope) -> str | None:
    """Whom a component around this one works for: an issued key, or an owner, which is the same one here."""
    principal = extension(scope).get("principal")
    return principal if isinstance(principal, str) and principal else None


def user_of(scope: Scope) -> tuple[str, str] | None:
    """The kind of the host app's authenticated user and what tells it from others; None for anybody else."""
    user = scope.get("user")
    if getattr(user, "is_authenticated", False) is not True:
        return None
    for name in _IDENTITIES:
        try:
            identity = getattr(user, name, None)
        except NotImplementedError:
            # How Starlette's users say that they have none.
            continue
        if identity not in (None, ""):
            # The class that a lazy object stands for, which `type` does not tell.
            return user.__class__.__qualname__, f"{name}:{identity}"
    return None
