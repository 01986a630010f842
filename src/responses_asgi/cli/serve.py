"""`responses-asgi serve`: both APIs in front of every upstream, on a port."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from responses_asgi.cli.flags import add_flags, configuration
from responses_asgi.cli.hide_credentials import HidesCredentials
from responses_asgi.errors import MissingExtraError

if TYPE_CHECKING:
    from responses_asgi.config import Config, Setup
    from responses_asgi.gateway.gateway import Gateway

__all__ = ["CancelledIsNoError", "add_parser", "prepared", "run", "worker"]

ARGUMENTS = "_RESPONSES_ASGI_ARGUMENTS"
"""The environment variable by which workers are told the flags; no key of a server is in them."""

EXAMPLES = """\
examples:
  responses-asgi serve                                    a built-in demo model, to see it work
  responses-asgi serve gateway.yaml
  responses-asgi serve --upstream http://localhost:11434 --profile ollama
  responses-asgi serve --upstream https://api.deepseek.com --api-key-env DEEPSEEK_API_KEY --port 9000
  responses-asgi serve --upstream https://api.openai.com --api responses --api-key-env OPENAI_API_KEY
  responses-asgi serve gateway.yaml --host 0.0.0.0 --workers 4 --store sqlite:///responses.db

Every key of the file is an environment variable, too: RESPONSES_ASGI_SERVER__PORT=9000. Flags count before
the environment, that before .env, that before the file. Set the base URL of clients to http://HOST:PORT/v1.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `serve` and its options to the command line."""
    parser = commands.add_parser(
        "serve",
        help="serve clients of both APIs",
        description="Serve /v1/responses and /v1/chat/completions from servers that speak one of them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_flags(parser)
    parser.set_defaults(run=run)


def prepared(options: argparse.Namespace, flags: dict[str, Any]) -> Setup:
    """What the options describe. Raises ConfigurationError, and MissingExtraError without the extra."""
    try:
        from responses_asgi.config import DEMO, load, set_up
    except ModuleNotFoundError as error:
        raise MissingExtraError("a configuration", "server") from error
    loaded = load(options.config, flags=flags, env_file=options.env_file)
    if options.config is None and not loaded.upstreams:
        flags = {**flags, "upstreams": {DEMO: {"handler": DEMO}}, "models": {DEMO: DEMO, "*": DEMO}}
        loaded = load(flags=flags, env_file=options.env_file)
    return set_up(loaded, source=options.config)


def run(options: argparse.Namespace) -> int:
    """Serve until stopped, then return 0. Raises MissingExtraError without uvicorn."""
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("serve", "server") from None
    setup = prepared(options, configuration(options))
    server = setup.config.server
    _log(setup.config)
    if "demo" in setup.upstreams and options.config is None:
        print("No upstream is named, so a built-in demo model answers; see --help.", file=sys.stderr)
    app: Any = setup.app
    settings: dict[str, Any] = {}
    if server.workers > 1:
        os.environ[ARGUMENTS] = json.dumps(_given(options))
        app, settings = f"{__name__}:worker", {"factory": True, "workers": server.workers}
    uvicorn.run(
        app,
        host=server.host,
        port=server.port,
        log_level=server.log_level,
        access_log=server.access_log,
        root_path=server.root_path,
        ssl_certfile=server.ssl_certfile,
        ssl_keyfile=server.ssl_keyfile,
        timeout_graceful_shutdown=server.graceful_timeout,
        **settings,
    )
    return 0


def worker() -> Gateway:
    """The app of one of several processes, from the flags that the first one was given."""
    options = argparse.Namespace(**json.loads(os.environ[ARGUMENTS]))
    setup = prepared(options, configuration(options))
    _log(setup.config)
    return setup.app


def _given(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name not in ("run", "command")}


class CancelledIsNoError(logging.Filter):
    """Makes one line of what uvicorn reports with a traceback: a request that the stop cancelled."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            record.msg, record.args, record.exc_info = "A request was still open; it was cancelled", (), None
        return True


def _log(config: Config) -> None:
    logging.basicConfig(format="%(levelname)s: %(name)s: %(message)s")
    logging.getLogger("uvicorn.error").addFilter(CancelledIsNoError())
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).addFilter(HidesCredentials())
    logging.getLogger("responses_asgi").setLevel(config.server.log_level.upper())
