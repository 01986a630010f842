"""`responses-asgi models`: the models that a running gateway, or any such server, offers."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from responses_asgi.cli.asking import ask
from responses_asgi.errors import APIError

if TYPE_CHECKING:
    from responses_asgi.upstreams.upstream import Upstream

__all__ = ["add_parser", "run"]

EXAMPLES = """\
examples:
  responses-asgi models                                                  of a gateway on this machine
  responses-asgi models https://api.openai.com --api-key-env OPENAI_API_KEY
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `models` and its options to the command line."""
    parser = commands.add_parser(
        "models",
        help="list the models of a running gateway or server",
        description="List the models that a running gateway, or any server with /models, offers.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "url", nargs="?", default="http://127.0.0.1:8000", metavar="URL", help="default: %(default)s"
    )
    parser.add_argument(
        "--api-key-env", metavar="VARIABLE", help="the environment variable that holds the key"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a name a line; returns 1 when the server cannot say. Raises ConfigurationError for the URL."""
    from responses_asgi.upstreams.upstream import Upstream

    upstream = Upstream.http(options.url, api_key_env=options.api_key_env, read_timeout=30.0)
    return _tell(options.url, asyncio.run(_models(upstream)))


async def _models(upstream: Upstream) -> list[str] | str:
    """The names, or why there are none."""
    try:
        answer = await ask(upstream.app, "GET", "/v1/models")
        error = answer.error()
        if error is not None:
            return error.message
        document = answer.document()
        listed = document.get("data") if isinstance(document, dict) else None
        if not isinstance(listed, list):
            return "there is no list of models"
        return [str(model.get("id")) for model in listed]
    except APIError as error:
        return error.message
    finally:
        await upstream.aclose()


def _tell(url: str, found: list[str] | str) -> int:
    if isinstance(found, str):
        print(f"responses-asgi: {url}: {found}", file=sys.stderr)
        return 1
    for name in found:
        print(name)
    return 0
