"""The flags of `serve`, and the configuration that they say."""

from __future__ import annotations

import argparse
from typing import Any, get_args

from responses_asgi.errors import ConfigurationError
from responses_asgi.profiles import PROFILES
from responses_asgi.types.events import Dialect

__all__ = ["add_flags", "add_source_flags", "configuration"]

ONE = "upstream"
"""What an upstream given by `--upstream` is called in errors."""

# Flag -> the place in the configuration that it sets.
_PLACES: dict[str, tuple[str, ...]] = {
    "host": ("server", "host"),
    "port": ("server", "port"),
    "workers": ("server", "workers"),
    "log_level": ("server", "log_level"),
    "graceful_timeout": ("server", "graceful_timeout"),
    "store": ("store",),
    "keys_store": ("auth", "keys_store"),
    "mcp": ("hosted", "mcp"),
    "dialect": ("dialect",),
    "strict": ("strict",),
}

# Flag -> the key of the upstream that `--upstream` makes.
_OF_UPSTREAM = ("api", "profile", "model", "api_key_env", "credentials")


def add_source_flags(parser: argparse.ArgumentParser) -> None:
    """Add what says where the configuration lies."""
    parser.add_argument("config", nargs="?", metavar="CONFIG", help="a configuration file, in YAML")
    parser.add_argument(
        "--env-file", metavar="FILE", help="environment variables to set that are not set (default: .env)"
    )


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add all flags of `serve`."""
    add_source_flags(parser)
    one = parser.add_argument_group("one upstream, without a file")
    one.add_argument("--upstream", metavar="URL", help="the server's base URL, with or without /v1")
    one.add_argument(
        "--api", choices=("chat", "responses", "both"), help="what the server speaks (default: chat)"
    )
    one.add_argument(
        "--profile",
        metavar="NAME",
        help=f"how the server departs from OpenAI (default: by host name): {', '.join(sorted(PROFILES))}",
    )
    one.add_argument("--model", metavar="NAME", help="the model asked for upstream (default: the client's)")
    one.add_argument(
        "--api-key-env", metavar="VARIABLE", help="the environment variable that holds the server's key"
    )
    one.add_argument(
        "--credentials",
        choices=("own", "forward", "forward_or_own"),
        help="whose key goes upstream: the one given here, or the client's (default: own)",
    )
    two = parser.add_argument_group("clients of each API to a server of the other, without a file")
    for api, clients in (("responses", "Chat"), ("chat", "Responses")):
        two.add_argument(f"--{api}-upstream", metavar="URL", help=f"where {clients} clients are served from")
        two.add_argument(f"--{api}-api-key-env", metavar="VARIABLE", help="its key, as --api-key-env")
    how = parser.add_argument_group("how it is served; these count before file and environment")
    how.add_argument("--dialect", choices=get_args(Dialect), help="of Responses answers (default: openai)")
    how.add_argument(
        "--strict", action="store_true", default=None, help="refuse what cannot be carried, with a 400"
    )
    how.add_argument("--store", metavar="URL", help="memory (default), none, sqlite:///FILE, redis://...")
    how.add_argument(
        "--keys-store",
        metavar="URL",
        help="ask for issued keys, which are kept there (default: nobody is asked)",
    )
    how.add_argument("--mcp", metavar="FILE", help="run the tools of the MCP servers in this mcp.json")
    how.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    how.add_argument("--port", type=int, help="port to listen on (default: 8000)")
    how.add_argument(
        "--workers", type=int, metavar="N", help="processes (default: 1); several share a --store"
    )
    how.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="default: info")
    how.add_argument(
        "--graceful-timeout", type=int, metavar="SECONDS", help="for open answers at a stop (default: 30)"
    )


def configuration(options: argparse.Namespace) -> dict[str, Any]:
    """What the flags say, in the form of a configuration file. Raises ConfigurationError."""
    said: dict[str, Any] = {}
    for flag, place in _PLACES.items():
        value = getattr(options, flag)
        if value is not None:
            section = said.setdefault(place[0], {}) if len(place) > 1 else said
            section[place[-1]] = value
    return said | _upstreams(options)


def _upstreams(options: argparse.Namespace) -> dict[str, Any]:
    one = {key: getattr(options, key) for key in _OF_UPSTREAM if getattr(options, key) is not None}
    urls = {api: getattr(options, f"{api}_upstream") for api in ("chat", "responses")}
    urls = {api: url for api, url in urls.items() if url is not None}
    keys = {api: getattr(options, f"{api}_api_key_env") for api in ("chat", "responses")}
    for api, key in keys.items():
        if key is not None and api not in urls:
            raise ConfigurationError(f"--{api}-api-key-env is for --{api}-upstream, which is not given")
    if options.config is not None and (options.upstream or urls):
        raise ConfigurationError(
            f"give {options.config} or the upstreams, not both: a file names them itself"
        )
    if options.upstream is None and one:
        raise ConfigurationError(f"{_flag(min(one))} is for --upstream, which is not given")
    if options.upstream is not None and urls:
        raise ConfigurationError(f"give --upstream or {_flag(f'{min(urls)}_upstream')}, not both")
    if options.upstream is not None:
        return {"upstreams": {ONE: {"url": options.upstream, **one}}, "models": {"*": ONE}}
    if not urls:
        return {}
    upstreams = {
        api: {"url": url, "api": api, **({"api_key_env": keys[api]} if keys[api] else {})}
        for api, url in urls.items()
    }
    if len(urls) == 1:
        return {"upstreams": upstreams, "models": {"*": next(iter(urls))}}
    return {"upstreams": upstreams, "models": {"*": {"chat": "responses", "responses": "chat"}}}


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
