"""`responses-asgi fake`: a scripted model on a port, for programs in any language."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from responses_asgi.errors import MissingExtraError
from responses_asgi.profiles import PROFILES

if TYPE_CHECKING:
    from responses_asgi.testing import FakeModel

__all__ = ["add_parser", "fake_model", "run"]

EXAMPLES = """\
examples:
  responses-asgi fake                                               repeats what it is told
  responses-asgi fake script.json --port 9000 --ttft 0.3 --tokens-per-second 40
  responses-asgi fake script.py --profile vllm                      answers as a vLLM server does

Set the base URL of clients to http://HOST:PORT/v1. What a script can say: docs/testing.md.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `fake` and its options to the command line."""
    parser = commands.add_parser(
        "fake",
        help="serve a scripted model",
        description="Serve /v1/chat/completions and /v1/responses from a script; without one, as an echo.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "script",
        nargs="?",
        metavar="SCRIPT",
        help="a .py file with `fake` (a FakeModel) or `turns`, or a JSON file",
    )
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"the Chat server to play (default: the script's, or openai): {', '.join(sorted(PROFILES))}",
    )
    parser.add_argument("--ttft", type=float, metavar="SECONDS", help="wait before the first delta")
    parser.add_argument("--tokens-per-second", type=float, metavar="N", help="speed (default: no waiting)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: 8000)")
    parser.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error"), help="default: info"
    )
    parser.set_defaults(run=run)


def fake_model(options: argparse.Namespace) -> FakeModel:
    """The model that the options describe. Raises ConfigurationError for a file that is no script."""
    from responses_asgi.testing import FakeModel, Pace
    from responses_asgi.testing.script_file import load_fake

    pace = None
    if options.ttft is not None or options.tokens_per_second is not None:
        pace = Pace(ttft=options.ttft or 0.0, tokens_per_second=options.tokens_per_second)
    if options.script is None:
        return FakeModel(profile=options.profile or "openai", pace=pace)
    return load_fake(options.script, profile=options.profile, pace=pace)


def run(options: argparse.Namespace) -> int:
    """Serve until stopped, then return 0. Raises MissingExtraError without uvicorn."""
    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("fake", "server") from None
    uvicorn.run(
        fake_model(options),
        host=options.host,
        port=options.port,
        log_level=options.log_level,
        timeout_graceful_shutdown=1,
    )
    return 0
