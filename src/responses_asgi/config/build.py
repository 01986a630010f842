"""From a configuration to the gateway that it describes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from responses_asgi.background import BackgroundLimits
from responses_asgi.config.auth import make_auth, make_keys
from responses_asgi.config.checks import KINDS, problems_between
from responses_asgi.config.demo import demo
from responses_asgi.config.imports import imported
from responses_asgi.config.models import Config, TargetConfig, UpstreamConfig
from responses_asgi.config.problems import Problem, ProblemsError, key_path
from responses_asgi.config.rate_limits import RateLimitsConfig, make_rate_limits
from responses_asgi.config.section import Section
from responses_asgi.config.sources import Loaded
from responses_asgi.config.telemetry import TelemetryConfig
from responses_asgi.errors import ConfigurationError, MissingExtraError
from responses_asgi.gateway.cors import CORS
from responses_asgi.gateway.gateway import Gateway
from responses_asgi.keys import Keys
from responses_asgi.stores.url import store_from_url
from responses_asgi.upstreams.upstream import Upstream
from responses_asgi.webhooks import Webhook
from responses_asgi.websocket import WebSocketLimits

__all__ = ["DEMO", "Setup", "keys_of", "set_up"]

DEMO = "demo"
"""As `handler` of an upstream: the built-in model."""

_HOOKS = ("before_upstream", "on_event", "after_exchange")

# Keys at the top that the gateway takes by the same name.
_SAME = frozenset(
    {
        "auth_path",
        "auth_ttl",
        "dialect",
        "dry_run",
        "finish_unattended",
        "list_upstream_models",
        "loss_header",
        "reasoning_as_summary",
        "reasoning_field",
        "strict",
    }
)

# What the Python API calls the keys that have another name here.
_CALLED = {"base_url": "url", "seal_keys": "seal_keys_env", "secret": "secret_env"}

# Keys at the top that name a function.
_FUNCTIONS = ("count_tokens", "principal")


class Setup(NamedTuple):
    """What a configuration came to: its upstreams by name, who answers for which model, and the app."""

    config: Config
    upstreams: Mapping[str, Upstream]
    table: Mapping[str, Any]
    app: Gateway


def set_up(loaded: Loaded, *, source: str | None = None) -> Setup:
    """Make the upstreams and the gateway.

    Raises ProblemsError with all that was found by `load`, between the keys, and here. `source` is told in
    it.
    """
    problems = [*loaded.problems]
    _add(problems, problems_between(loaded))
    config = loaded.config
    upstreams: dict[str, Upstream] = {}
    for name, given in config.upstreams.items():
        path = key_path(("upstreams", name))
        if any(problem.path == path for problem in problems):
            continue
        options = _options(given, path, problems)
        if not any(_within(problem.path, path) for problem in problems):
            found = _tried(partial(_upstream, given, options), path, problems, UpstreamConfig)
            upstreams |= {name: found} if found else {}
    objects = {
        name: _imported(path, name, problems) for name in _FUNCTIONS if (path := getattr(config, name))
    }
    if config.cors is not None and not any(_within(problem.path, "cors") for problem in problems):
        objects["cors"] = _tried(partial(CORS, **config.cors.model_dump()), "", problems, Config)
    if config.auth is not None and not any(_within(problem.path, "auth") for problem in problems):
        make = make_auth(
            config.auth,
            lambda path, key: _imported(path, f"auth.{key}", problems),
            max_body_bytes=config.limits.max_body_bytes,
        )
        objects["auth"] = _tried(make, "auth", problems)
    if config.hosted is not None:
        named = enumerate(config.hosted.tools)
        functions = [_imported(path, f"hosted.tools[{i}]", problems) for i, path in named]
        types = {
            name: _imported(path, f"hosted.types.{name}", problems)
            for name, path in config.hosted.types.items()
        }
        if all((*functions, *types.values())):
            objects["hosted"] = _tried(partial(config.hosted.make, functions, types), "hosted", problems)
    if config.rate_limits is not None:
        limits = make_rate_limits(
            config.rate_limits, lambda path, key: _imported(path, f"rate_limits.{key}", problems)
        )
        objects["rate_limits"] = _tried(limits, "rate_limits", problems, RateLimitsConfig)
    if "telemetry" in config.model_fields_set:
        objects["telemetry"] = _tried(config.telemetry.make, "telemetry", problems, TelemetryConfig)
    if config.store is not None:
        objects["store"] = _tried(partial(store_from_url, config.store), "store", problems, Config)
    hooks = [hook for name in config.webhooks if (hook := _webhook(config, name, problems))]
    if not problems:
        if hooks:
            objects["webhooks"] = hooks
        table, settings = _table(config, upstreams), _settings(config)
        app = _tried(partial(Gateway, table, **settings, **objects), "", problems, Config)
        if app is not None:
            return Setup(config, upstreams, table, app)
    raise ProblemsError(problems, source)


def keys_of(config: Config) -> Keys:
    """The issued keys of the gateway. Raises ConfigurationError for a store that cannot be."""
    return make_keys(config.auth, config.store)


def _add(problems: list[Problem], found: Iterable[Problem]) -> None:
    """Add what does not merely follow from what is already there."""
    told = [problem.path for problem in problems]
    problems += [each for each in found if not any(_within(path, each.path) for path in told)]


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


def _tried(
    make: Callable[[], Any], path: str, problems: list[Problem], keys: type[Section] | None = None
) -> Any:
    """What `make` returns; None when it fails, which is a problem at the path, or at the key of `keys` below
    it with which the error begins."""
    try:
        return make()
    except (ConfigurationError, MissingExtraError) as error:
        message = str(error)
        named, _, rest = message.partition(" ")
        option, bracket, _ = named.partition("[")
        key = _CALLED.get(option, option)
        if keys is not None and key.partition(".")[0] in keys.model_fields:
            path = key if path in ("", key) else f"{path}.{key}"
            message = message if bracket else rest
        problems.append(Problem(path, message))
        return None


def _imported(path: str, key: str, problems: list[Problem]) -> Any:
    return _tried(partial(imported, path), key, problems)


def _options(given: UpstreamConfig, path: str, problems: list[Problem]) -> dict[str, Any]:
    """The options of an upstream that were given, with imported hooks."""
    names = given.model_fields_set - {*KINDS, "api_key", "api_key_env"}
    options = {name: getattr(given, name) for name in names}
    for name in _HOOKS:
        if options.get(name) is not None:
            options[name] = _imported(options[name], f"{path}.{name}", problems)
    for kind in KINDS[1:]:
        named = getattr(given, kind)
        if named is not None:
            made = (
                demo if kind == "handler" and named == DEMO else _imported(named, f"{path}.{kind}", problems)
            )
            options[kind] = made
    if given.api_key is not None:
        options["api_key"] = given.api_key.get_secret_value()
    if given.api_key_env is not None:
        options["api_key_env"] = given.api_key_env
    return options


def _upstream(given: UpstreamConfig, options: dict[str, Any]) -> Upstream:
    if given.url is not None:
        return Upstream.http(given.url, **options)
    makers: dict[str, Callable[..., Upstream]] = {
        "app": Upstream.asgi,
        "wsgi": Upstream.wsgi,
        "handler": Upstream.handler,
    }
    kind = next(kind for kind in makers if kind in options)
    return makers[kind](options.pop(kind), **options)


def _webhook(config: Config, name: str, problems: list[Problem]) -> Webhook | None:
    path, given = key_path(("webhooks", name)), config.webhooks[name]
    if any(_within(problem.path, path) for problem in problems):
        return None
    secrets = [each.strip() for each in os.environ[given.secrets_env].split(",") if each.strip()]
    options = given.model_dump(include={"events", "allow_private"})
    hook: Webhook | None = _tried(partial(Webhook, given.url, secrets, **options), path, problems)
    return hook


def _table(config: Config, upstreams: Mapping[str, Upstream]) -> dict[str, Any]:
    """The gateway's table: model name to upstreams, or to those for each client API."""
    if not config.models:
        return {"*": next(iter(upstreams.values()))}
    # One object for each upstream and model, so that the gateway sees that two names share one.
    made: dict[tuple[str, str | None], Upstream] = {}

    def upstream(target: TargetConfig) -> Upstream:
        key = (target.upstream, target.model)
        if key not in made:
            plain = upstreams[target.upstream]
            made[key] = replace(plain, model=target.model) if target.model else plain
        return made[key]

    def several(targets: Sequence[TargetConfig]) -> list[Upstream]:
        return [upstream(target) for target in targets]

    table: dict[str, Any] = {}
    for model, entry in config.models.items():
        targets = entry.targets()
        if "each" in targets:
            table[model] = several(targets["each"])
        else:
            table[model] = {api: several(listed) for api, listed in targets.items()}
    return table


def _settings(config: Config) -> dict[str, Any]:
    settings: dict[str, Any] = {name: getattr(config, name) for name in _SAME & config.model_fields_set}
    settings |= {name: getattr(config.limits, name) for name in type(config.limits).model_fields}
    if "background" in config.model_fields_set:
        bounds = config.background.model_dump()
        settings["background"] = BackgroundLimits(**bounds) if bounds.pop("enabled") else False
    if "websocket" in config.model_fields_set:
        bounds = config.websocket.model_dump()
        settings["websocket"] = WebSocketLimits(**bounds) if bounds.pop("enabled") else False
    if config.secret_env is not None:
        settings["secret"] = os.environ[config.secret_env]
    if config.seal_keys_env is not None:
        keys = os.environ[config.seal_keys_env].split(",")
        settings["seal_keys"] = [key.strip() for key in keys if key.strip()]
    return settings
