"""What must be right between the keys of a configuration."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from responses_asgi.config.auth import AuthConfig, variables_of
from responses_asgi.config.models import Config, ServerConfig, UpstreamConfig
from responses_asgi.config.problems import Problem, key_path
from responses_asgi.config.sources import Loaded
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["KINDS", "SHARED_STORE", "problems_between"]

KINDS = ("url", "app", "wsgi", "handler")
"""The keys that say what an upstream is; each has exactly one of them."""

SHARED_STORE = "sqlite:///responses.db"
"""A store that several workers can share, to be named in errors."""

# Key of an upstream -> the kinds that it is for. Keys that are not named are for all kinds.
_FOR = {
    "path": ("app", "wsgi"),
    **dict.fromkeys(
        (
            "api_key",
            "api_key_env",
            "api_version",
            "connect_timeout",
            "credentials",
            "deployment",
            "forward_headers",
            "max_connections",
            "organization",
            "passthrough",
            "pool_timeout",
            "project",
            "proxy",
            "read_timeout",
            "retries",
            "retry_delay",
            "status_retries",
            "verify",
            "websocket_idle_timeout",
            "websocket_max_bytes",
            "write_timeout",
        ),
        ("url",),
    ),
}


def problems_between(loaded: Loaded) -> Iterator[Problem]:
    """What does not fit together: names without a counterpart, keys that exclude each other, no variable."""
    config = loaded.config
    for name, upstream in config.upstreams.items():
        yield from _of_upstream(name, upstream)
    yield from _of_models(loaded)
    for key in ("secret_env", "seal_keys_env"):
        yield from _variable(getattr(config, key), key)
    for name, webhook in config.webhooks.items():
        yield from _variable(webhook.secrets_env, key_path(("webhooks", name, "secrets_env")))
    if config.auth is not None:
        yield from _of_auth(config, config.auth)
    if config.server.workers > 1 and _keeps_in_memory(config):
        yield Problem(
            "server.workers",
            f"{config.server.workers} workers cannot share a store in memory; "
            f"name one that they can share, as in --store {SHARED_STORE}, or none",
        )
    yield from _of_tls(config.server)
    if config.cors is not None and config.cors.credentials and "*" in config.cors.origins:
        yield Problem("cors.credentials", "cannot be allowed to all sites; name them in cors.origins")


def _of_tls(server: ServerConfig) -> Iterator[Problem]:
    files = {"ssl_certfile": server.ssl_certfile, "ssl_keyfile": server.ssl_keyfile}
    missing = [key for key, file in files.items() if file and not Path(file).is_file()]
    for key in missing:
        yield Problem(f"server.{key}", f"there is no file {files[key]}")
    if not (server.ssl_certfile and server.ssl_keyfile):
        if any(files.values()):
            yield Problem("server", "ssl_certfile and ssl_keyfile are needed together")
    elif not missing:
        try:
            # A key with a password is one that nobody is there to type.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                server.ssl_certfile, server.ssl_keyfile, password=lambda: ""
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            yield Problem("server.ssl_certfile", f"cannot be used with that key: {reason}")


def _keeps_in_memory(config: Config) -> bool:
    """Whether what is kept is known to one process only."""
    chat = any(upstream.api == "chat" for upstream in config.upstreams.values())
    return config.store == "memory" or (config.store is None and chat)


def _of_auth(config: Config, auth: AuthConfig) -> Iterator[Problem]:
    for key, name in variables_of(auth):
        yield from _variable(name, f"auth.{key}")
    if (auth.tokens_env is None) == (auth.mode == "static"):
        yield Problem("auth.tokens_env", "and the mode static are needed together")
    if (auth.allow is None) == (auth.mode == "host"):
        yield Problem("auth.allow", "and the mode host are needed together")
    if auth.mode == "managed" and auth.keys_store is None and config.store == "none":
        yield Problem("auth.keys_store", "is needed for issued keys, as `store` is none")
    if config.server.workers > 1 and auth.keys_store == "memory":
        yield Problem("auth.keys_store", f"cannot be memory for {config.server.workers} workers")


def _of_upstream(name: str, upstream: UpstreamConfig) -> Iterator[Problem]:
    kinds = [kind for kind in KINDS if getattr(upstream, kind) is not None]
    if len(kinds) != 1:
        got = " and ".join(kinds) or "none of them"
        yield Problem(key_path(("upstreams", name)), f"needs one of {', '.join(KINDS)}, got {got}")
        return
    for key in sorted(upstream.model_fields_set):
        if kinds[0] not in _FOR.get(key, KINDS):
            yield Problem(
                key_path(("upstreams", name, key)), f"is for upstreams with {' or '.join(_FOR[key])} only"
            )
    yield from _variable(upstream.api_key_env, key_path(("upstreams", name, "api_key_env")))


def _variable(name: str | None, path: str) -> Iterator[Problem]:
    if name is not None and not os.environ.get(name, "").strip():
        yield Problem(path, f"the environment variable {name} is not set")


def _of_models(loaded: Loaded) -> Iterator[Problem]:
    config, names = loaded.config, loaded.upstreams
    for model, entry in config.models.items():
        targets = entry.targets()
        if not model.strip() or model.count("*") > 1:
            yield Problem(key_path(("models", model)), "must be a model's name, or a pattern with one '*'")
        if not targets or ("each" in targets and len(targets) > 1):
            apis = " and ".join(get_args(WireAPI))
            yield Problem(key_path(("models", model)), f"must name an upstream, or one for each of {apis}")
        for api, listed in targets.items():
            for place, target in enumerate(listed):
                if target.upstream not in names:
                    where = ("models", model, api, *([place] if len(listed) > 1 else ()))
                    known = ", ".join(sorted(names)) or "none"
                    yield Problem(
                        key_path(where), f"there is no upstream {target.upstream!r}; known are {known}"
                    )
    if not loaded.mentioned and len(names) > 1:
        yield Problem(
            "models", 'is needed with several upstreams: model name to upstream, "*" for all others'
        )
    elif loaded.mentioned:
        for name in sorted(names - loaded.mentioned):
            yield Problem(key_path(("upstreams", name)), "is not used: no model in `models` leads to it")
    if not names:
        yield Problem("upstreams", "at least one is needed, such as `local: {url: http://localhost:8000}`")
