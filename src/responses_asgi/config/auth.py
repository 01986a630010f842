"""The section `auth`: who may come in, and where the keys are that open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from responses_asgi.auth import KeyAuth
from responses_asgi.auth.key_auth import AuthMode
from responses_asgi.config.section import ImportPath, Seconds, Section, Words
from responses_asgi.errors import ConfigurationError
from responses_asgi.keys import KeyPolicy, Keys

__all__ = ["AuthConfig", "listed", "make_auth", "make_keys", "variables_of"]


class AuthConfig(Section):
    """Who may come in. Without this section everybody may."""

    mode: AuthMode = "managed"
    """Who: `managed` (issued keys), `static` (the tokens of `tokens_env`), `passthrough` (any credential,
    which the upstream checks), `forward_or_own` (everybody) or `host` (whom `allow` lets in)."""

    keys_store: str | None = None
    """What keeps issued keys, like `store`. Default: the `store`."""

    pepper_env: str | None = None
    """The environment variable with the secret without which kept keys are worth nothing; with commas, the
    newest first."""

    require_expiration: bool = False
    """Whether every key must expire."""

    allow_none: bool = False
    """Whether a key may live for ever all the same, where that is asked for."""

    default_ttl: Seconds | None = None
    """Seconds for which a key lives whose expiration nobody names. Default: for ever."""

    tokens_env: str | None = None
    """Of `static`: the environment variable with the tokens; with commas."""

    allow: ImportPath | None = None
    """Of `host`: a function of the ASGI scope that says whether, or as whom, a client is let in, as
    `module:name`."""

    admin_key_env: str | None = None
    """The environment variable with the credential that opens the routes of keys, and `GET /metrics`. Issued
    keys with the scope `admin` open them, too; those with `metrics` the latter."""

    admin: ImportPath | None = None
    """A function of the ASGI scope that says who may use the routes of keys, as `module:name`."""

    keys_path: str | None = "/keys"
    """Where the routes of keys are; null for nowhere."""

    open_paths: Words = ["/health"]
    """What everybody may GET, such as `/static/*`; `POST /login` names another method."""


_VARIABLES = ("pepper_env", "tokens_env", "admin_key_env")


def variables_of(config: AuthConfig) -> Iterator[tuple[str, str]]:
    """The environment variables that the section names, by their keys."""
    for key in _VARIABLES:
        name = getattr(config, key)
        if name is not None:
            yield key, name


def make_keys(config: AuthConfig | None, store: str | None) -> Keys:
    """The issued keys; `store` is where they are if the section names no store of theirs.

    Raises ConfigurationError for a store that cannot be.
    """
    config = config or AuthConfig()
    url = config.keys_store or store
    if url is None:
        raise ConfigurationError("issued keys need a store: name `auth.keys_store` or `store`")
    for key, name in variables_of(config):
        if key == "pepper_env" and not os.environ.get(name, "").strip():
            raise ConfigurationError(f"auth.{key}: the environment variable {name} is not set")
    return Keys(url, **_of_keys(config))


def make_auth(
    config: AuthConfig, imported: Callable[[str, str], Any], *, max_body_bytes: int
) -> Callable[[], KeyAuth]:
    """Makes the door that the section describes. `imported` finds what a `module:name` under a key names."""
    functions = {key: imported(path, key) for key in ("allow", "admin") if (path := getattr(config, key))}
    managed = config.mode == "managed" or config.keys_store is not None

    def make() -> KeyAuth:
        return KeyAuth(
            mode=config.mode,
            keys=config.keys_store,
            **(_of_keys(config) if managed else {}),
            tokens=listed(config.tokens_env),
            admin_key=os.environ[config.admin_key_env].strip() if config.admin_key_env else None,
            keys_path=config.keys_path,
            open_paths=config.open_paths,
            max_body_bytes=max_body_bytes,
            **functions,
        )

    return make


def listed(variable: str | None) -> list[str] | None:
    """What an environment variable holds, at its commas; None for no variable."""
    if variable is None:
        return None
    return [each.strip() for each in os.environ[variable].split(",") if each.strip()]


def _of_keys(config: AuthConfig) -> dict[str, Any]:
    policy = KeyPolicy(
        require_expiration=config.require_expiration,
        allow_none=config.allow_none,
        default_ttl=config.default_ttl,
    )
    return {"pepper": listed(config.pepper_env), "policy": policy}
