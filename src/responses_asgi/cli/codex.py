"""`responses-asgi codex`: Codex CLI on a model that it does not know the protocol of."""

from __future__ import annotations

import argparse
import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from threading import Event
from typing import Any

from responses_asgi.cli import codex_config
from responses_asgi.cli.serve import prepared
from responses_asgi.errors import ConfigurationError
from responses_asgi.profiles import PROFILES
from responses_asgi.testing.server import served

__all__ = ["add_parser", "run"]

EXAMPLES = """\
examples:
  responses-asgi codex --upstream http://localhost:11434 --model qwen3-coder --
  responses-asgi codex --upstream http://localhost:11434 --model qwen3-coder -- exec "Mend the tests"
  responses-asgi codex --upstream https://api.deepseek.com --api-key-env DEEPSEEK_API_KEY -- resume --last
  responses-asgi codex --upstream http://localhost:8000    the lines for config.toml, served until Ctrl-C
  responses-asgi codex --upstream http://localhost:8000 --port 8123 --write
  responses-asgi codex --config gateway.yaml -- --model gpt-5.5

With -- codex is run over the bridge, and what follows are its arguments; none of your files is changed.
Codex chooses its tools by the model's name: one that it does not know gets plain functions.
"""

ONE = "upstream"
"""What the upstream is called in errors."""

# Seconds: a signal that comes just before a wait is seen only after it.
_WAKE = 0.5

_OF_UPSTREAM = ("api", "profile", "model", "api_key_env")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `codex` and its options to the command line."""
    parser = commands.add_parser(
        "codex",
        help="run Codex CLI on any upstream",
        usage="%(prog)s [options] [-- ARGUMENT ...]",
        description="Start a bridge for Codex CLI, and run codex with it, or tell how it is configured.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--upstream", metavar="URL", help="the server's base URL, with or without /v1")
    parser.add_argument(
        "--api", choices=("chat", "responses", "both"), help="what the server speaks (default: chat)"
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"how the server departs from OpenAI (default: by host name): {', '.join(sorted(PROFILES))}",
    )
    parser.add_argument(
        "--model", metavar="NAME", help="the model that Codex asks for, and the server is asked"
    )
    parser.add_argument(
        "--api-key-env", metavar="VARIABLE", help="the environment variable that holds the server's key"
    )
    parser.add_argument("--config", metavar="FILE", help="a configuration file of `serve` in place of these")
    parser.add_argument(
        "--env-file", metavar="FILE", help="environment variables to set that are not set (default: .env)"
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--write", action="store_true", help="write the lines into the config.toml of Codex")
    parser.add_argument(
        "--log", metavar="FILE", help="where the log goes (default: stderr; beside codex: nowhere)"
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- ARGUMENT ...", help="of codex")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Start the bridge, then run Codex and return its exit status, or serve until stopped.

    Raises ConfigurationError for what cannot work, and MissingExtraError without uvicorn.
    """
    app: Any = prepared(options, _flags(options)).app
    program = shutil.which("codex")
    if options.arguments and program is None:
        raise ConfigurationError("codex is not on the PATH; it is installed by: npm install -g @openai/codex")
    _log(options)
    with served(app, port=options.port) as server:
        values = codex_config.settings(server.base_url, options.model)
        path = codex_config.config_path()
        if options.write:
            codex_config.write(path, values)
            print(f"Written into {path}.", file=sys.stderr)
        if options.arguments:
            own = options.arguments[1:] if options.arguments[0] == "--" else options.arguments
            return _codex([str(program), *codex_config.arguments(values), *own])
        if not options.write:
            print(codex_config.lines(values), flush=True)
            print(f"These lines belong into {path}.", file=sys.stderr)
        print("The bridge serves Codex until Ctrl-C.", file=sys.stderr, flush=True)
        never = Event()
        while not never.wait(_WAKE):
            pass
    return 0


def _flags(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say, in the form of a configuration file."""
    given = {key: getattr(options, key) for key in _OF_UPSTREAM if getattr(options, key) is not None}
    if options.upstream is None:
        given.pop("model", None)
        if given:
            flag = min(given).replace("_", "-")
            raise ConfigurationError(f"--{flag} is for --upstream, which is not given")
        return {}
    if options.config is not None:
        raise ConfigurationError(f"give {options.config} or --upstream, not both: a file names them itself")
    upstreams = {ONE: {"url": options.upstream, **given}}
    # Codex shows summaries of reasoning, and what a model thinks only by a setting of its own.
    return {"upstreams": upstreams, "models": {"*": ONE}, "reasoning_as_summary": True}


def _log(options: argparse.Namespace) -> None:
    form = "%(levelname)s: %(name)s: %(message)s"
    if options.arguments and not options.log:
        logging.basicConfig(handlers=[logging.NullHandler()])  # the terminal is Codex's
    else:
        logging.basicConfig(filename=options.log, format=form)
    logging.getLogger("responses_asgi").setLevel(logging.INFO)


def _codex(command: Sequence[str]) -> int:
    """Run Codex in this terminal, where Ctrl-C is for Codex alone."""
    before = signal.signal(signal.SIGINT, _ignored)
    try:
        status = subprocess.run(command, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status


def _ignored(number: int, frame: object) -> None:
    """Not SIG_IGN, which a child process would inherit."""
