"""`responses-asgi serve`: one server, offered to clients of both APIs on a port."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, get_args

from responses_asgi.errors import MissingExtraError
from responses_asgi.profiles import PROFILES
from responses_asgi.translate.translator import Dialect

if TYPE_CHECKING:
    from responses_asgi.cli.health import HealthCheck

__all__ = ["add_parser", "application", "run"]

GRACEFUL_SECONDS = 30
"""How long open streams may go on after a stop signal; uvicorn by itself would wait for ever."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `serve` and its options to the command line."""
    parser = commands.add_parser(
        "serve",
        help="serve clients of both APIs from one server",
        description="Serve /v1/responses and /v1/chat/completions from a server that speaks one of them.",
    )
    parser.add_argument(
        "--upstream", required=True, metavar="URL", help="the server's base URL, with or without /v1"
    )
    parser.add_argument(
        "--api",
        choices=("chat", "responses"),
        default="chat",
        help="what the server speaks; the other API is translated to it (default: chat)",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"how the server departs from OpenAI (default: by host name): {', '.join(sorted(PROFILES))}",
    )
    parser.add_argument(
        "--model", metavar="NAME", help="the model asked for upstream (default: the client's)"
    )
    parser.add_argument(
        "--api-key-env", metavar="VARIABLE", help="the environment variable that holds the server's key"
    )
    parser.add_argument(
        "--credentials",
        choices=("own", "forward", "forward_or_own"),
        default="own",
        help="whose key goes upstream: the one given here, or the client's (default: own)",
    )
    parser.add_argument("--dialect", choices=get_args(Dialect), default="openai", help="default: openai")
    parser.add_argument("--strict", action="store_true", help="refuse what cannot be carried, with a 400")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.set_defaults(run=run)


def application(options: argparse.Namespace) -> HealthCheck:
    """The ASGI app that the options describe. Raises ConfigurationError when they cannot work together."""
    from responses_asgi.cli.health import HealthCheck
    from responses_asgi.middleware import ChatCompletionsMiddleware, ResponsesMiddleware
    from responses_asgi.upstreams.upstream import Upstream

    upstream = Upstream.http(
        options.upstream,
        api=options.api,
        profile=options.profile,
        model=options.model,
        api_key_env=options.api_key_env,
        credentials=options.credentials,
    )
    responses = ResponsesMiddleware(upstream, dialect=options.dialect, strict=options.strict)
    chat = ChatCompletionsMiddleware(upstream, strict=options.strict)
    bridge, own = (responses, chat) if options.api == "chat" else (chat, responses)
    return HealthCheck(bridge, own, upstream=options.upstream)


def run(options: argparse.Namespace) -> int:
    """Serve until stopped, then return 0. Raises MissingExtraError without uvicorn."""
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("serve", "server") from None
    app = application(options)
    logging.basicConfig(format="%(levelname)s: %(name)s: %(message)s")
    logging.getLogger("responses_asgi").setLevel(options.log_level.upper())
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_level=options.log_level,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    return 0
