"""How it is decided who may come in: one class for each mode of `KeyAuth`.

| mode | who is let in | what goes on of the credential |
|---|---|---|
| `managed` | who shows an issued key | nothing |
| `static` | who shows one of a list of tokens | nothing |
| `passthrough` | who shows any credential | all of it: the app or the upstream decides |
| `forward_or_own` | everybody | all of it, except issued keys |
| `host` | whom the host app, or a function, knows | all of it |
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hmac import compare_digest
from typing import Any, NamedTuple, Protocol, TypeAlias

from responses_asgi.auth.presented import presented
from responses_asgi.errors import APIError, ConfigurationError
from responses_asgi.keys import Keys
from responses_asgi.keys.keys import unknown_key
from responses_asgi.keys.scopes import Allowed
from responses_asgi.keys.token import is_token
from responses_asgi.owners import user_of
from responses_asgi.types.asgi import Scope

__all__ = [
    "Admitted",
    "Allow",
    "ForwardOrOwn",
    "Host",
    "Managed",
    "Mode",
    "PassThrough",
    "Static",
    "Tokens",
]

Allow: TypeAlias = "Callable[[Scope], bool | str | Awaitable[bool | str | None] | None]"
"""`(scope) -> whether, or as whom, a client is let in`, sync or async."""

Tokens: TypeAlias = "Sequence[str] | Mapping[str, str]"
"""Tokens, or names of those who have them to their tokens."""

MIN_TOKEN_CHARS = 16


class Admitted(NamedTuple):
    """A client that was let in.

    `principal`: who it is; None: whoever the credential says. `key`: the id of its issued key. `allowed`:
    what it may do. `goes_on`: whether whoever answers it is shown its credential.
    """

    principal: str | None = None
    key: str | None = None
    allowed: Allowed = Allowed()
    goes_on: bool = False


class Mode(Protocol):
    """Decides on one request."""

    async def admit(self, scope: Scope) -> Admitted:
        """Raises APIError: 401 for a client that is not let in, 503 when that cannot be found out."""


class Managed:
    """Issued keys; what they open is the operator's own credential."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def admit(self, scope: Scope) -> Admitted:
        """Let in who shows a good key."""
        token, malformed = _shown(scope)
        try:
            key = await self._keys.verify(token)
        except APIError as error:
            raise (malformed or error) from error.__cause__
        return Admitted(key.id, key.id, Allowed.by(key.scopes))


class Static:
    """A list of tokens that the operator has made up. Raises ConfigurationError for one that can be guessed.

    What is compared are hashes under a key of this process, so that no time tells anything about a token.
    """

    def __init__(self, tokens: Tokens) -> None:
        named = tokens if isinstance(tokens, Mapping) else {_name(token): token for token in tokens}
        if not named:
            raise ConfigurationError("tokens is empty, so that nobody could come in")
        self._secret = secrets.token_bytes(32)
        self._names: dict[bytes, tuple[bytes, str]] = {}
        for name, token in named.items():
            digest = self._digest(_checked(token))
            self._names[digest[:8]] = digest, name
        self._nobody = secrets.token_bytes(32), ""

    def __repr__(self) -> str:
        return f"Static({len(self._names)})"

    async def admit(self, scope: Scope) -> Admitted:
        """Let in who shows one of the tokens."""
        token, malformed = _shown(scope)
        digest = self._digest(token or "")
        known, name = self._names.get(digest[:8], self._nobody)
        if not compare_digest(digest, known) or token is None:
            raise malformed or unknown_key(token)
        return Admitted(f"static:{name}")

    def _digest(self, token: str) -> bytes:
        return hmac.new(self._secret, token.encode(), hashlib.sha256).digest()


class PassThrough:
    """Any credential, which somebody behind this looks at."""

    async def admit(self, scope: Scope) -> Admitted:
        """Let in who shows a credential."""
        if presented(scope) is None:
            raise unknown_key(None)
        return Admitted(goes_on=True)


class ForwardOrOwn:
    """Everybody: a credential is sent on, who has none is served with the operator's own, and so is who shows
    an issued key, if there are any."""

    def __init__(self, keys: Keys | None) -> None:
        self._managed = Managed(keys) if keys else None

    async def admit(self, scope: Scope) -> Admitted:
        """Let in everybody but those who show an issued key that is not good."""
        token = presented(scope)
        if self._managed is not None and token is not None and is_token(token):
            return await self._managed.admit(scope)
        return Admitted(goes_on=True)


class Host:
    """The host app: its authenticated `scope["user"]`, or what a function says of the scope."""

    def __init__(self, allow: Allow | None = None) -> None:
        self._allow = allow

    async def admit(self, scope: Scope) -> Admitted:
        """Let in whom the host knows. Raises what the function raises."""
        if self._allow is None:
            user = user_of(scope)
            if user is not None:
                return Admitted(f"host:{':'.join(user)}", goes_on=True)
        else:
            said: Any = self._allow(scope)
            if inspect.isawaitable(said):
                said = await said
            if isinstance(said, str) and said:
                return Admitted(f"host:{said}", goes_on=True)
            if said is True:
                return Admitted(goes_on=True)
        raise APIError("This service does not know who is asking; sign in first.", status=401)


def _shown(scope: Scope) -> tuple[str | None, APIError | None]:
    """The key that is shown, or why none can be read: that is told after the comparison that all get."""
    try:
        return presented(scope), None
    except APIError as error:
        return None, error


def _name(token: str) -> str:
    """A name for somebody who has none: a hash, the same in every process."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


def _checked(token: str) -> str:
    if len(token) < MIN_TOKEN_CHARS or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            f"a token needs at least {MIN_TOKEN_CHARS} printable characters and no space, got {len(token)}"
        )
    if is_token(token):
        raise ConfigurationError("a token of this list must not look like an issued key")
    return token
