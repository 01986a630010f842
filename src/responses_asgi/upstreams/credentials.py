"""Whose credential an HTTP upstream is shown: the operator's, the client's, or none."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

from responses_asgi.errors import ConfigurationError, UpstreamError

__all__ = ["Credentials", "CredentialsMode", "Shown", "Token"]

CredentialsMode = Literal["own", "forward", "forward_or_own"]

Token: TypeAlias = "str | Callable[[], str | Awaitable[str]]"
"""An Entra token, or a function that returns a fresh one (azure-identity's token providers are such)."""


class Shown(NamedTuple):
    """The headers that carry the credential of one request, and whether it is the operator's."""

    headers: dict[str, str]
    own: bool


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a request upstream is made as.

    `mode` is `"own"` (the key or token configured here, or none), `"forward"` (the client's own) or
    `"forward_or_own"`. With `azure`, keys go into the `api-key` header instead of `Authorization`.
    """

    mode: CredentialsMode = "own"
    key: str | None = None
    token: Token | None = None
    azure: bool = False

    def __repr__(self) -> str:
        return f"Credentials(mode={self.mode!r}, own={'yes' if self.key or self.token else 'no'})"

    @classmethod
    def configure(
        cls,
        mode: CredentialsMode,
        *,
        api_key: str | None = None,
        api_key_env: str | None = None,
        token: Token | None = None,
        azure: bool = False,
    ) -> Credentials:
        """Check what the user gave and read the environment variable; raises ConfigurationError."""
        if mode not in get_args(CredentialsMode):
            names = ", ".join(get_args(CredentialsMode))
            raise ConfigurationError(f"credentials must be one of {names}, got {mode!r}")
        given = [
            name
            for name, value in (("api_key", api_key), ("api_key_env", api_key_env), ("token", token))
            if value is not None
        ]
        if len(given) > 1:
            raise ConfigurationError(f"give one of {' and '.join(given)}, not both")
        if given and mode == "forward":
            raise ConfigurationError(
                f'{given[0]} is never used with credentials="forward"; say "forward_or_own" or leave it out'
            )
        key = _key_from(api_key_env) if api_key_env is not None else api_key
        return cls(mode, _clean(key, given[0]) if key is not None else None, token, azure)

    async def show(self, client: Mapping[str, str]) -> Shown:
        """The credential for one request, given the client's request headers (names in lower case)."""
        if self.mode != "own":
            theirs = self._forwarded(client)
            if theirs or self.mode == "forward":
                return Shown(theirs, own=False)
        if self.token is not None:
            return Shown({"authorization": f"Bearer {await _fresh(self.token)}"}, own=True)
        if self.key is not None:
            named = {"api-key": self.key} if self.azure else {"authorization": f"Bearer {self.key}"}
            return Shown(named, own=True)
        return Shown({}, own=False)

    def _forwarded(self, client: Mapping[str, str]) -> dict[str, str]:
        """The client's credential as this server reads it: a bearer key, for Azure also `api-key`."""
        if "authorization" in client:
            return {"authorization": client["authorization"]}
        if "api-key" in client:
            key = client["api-key"]
            return {"api-key": key} if self.azure else {"authorization": f"Bearer {key}"}
        return {}


async def _fresh(token: Token) -> str:
    """The token now; raises UpstreamError when its provider fails."""
    if isinstance(token, str):
        return token
    try:
        # A provider that is not async may ask the network, so it runs in a thread.
        answer = token() if inspect.iscoroutinefunction(token) else await asyncio.to_thread(token)
        return answer if isinstance(answer, str) else await answer
    except Exception as error:
        raise UpstreamError(
            "The credential for the upstream could not be obtained.", status=502, code="upstream_credential"
        ) from error


def _key_from(variable: str) -> str:
    key = os.environ.get(variable, "")
    if not key.strip():
        raise ConfigurationError(f"the environment variable {variable} holds no key")
    return key


def _clean(key: str, source: str) -> str:
    """The key without the newline that files leave on it; it has to fit into a header."""
    stripped = key.strip()
    if not stripped or not stripped.isascii() or not stripped.isprintable():
        raise ConfigurationError(f"{source} gives a key that is empty or has characters no header can carry")
    return stripped
