"""The command line: `serve` bridges one server, `convert` works on stdin and stdout, `fake` plays a model."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from responses_asgi.cli import convert, fake, serve
from responses_asgi.errors import ResponsesASGIError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 well, 2 wrong usage or a set-up that cannot work.

    `convert` has a status 1 of its own, for what cannot be converted.

    `arguments` are those of the command line without the program's name; None: those of this process.
    """
    parser = argparse.ArgumentParser(
        prog="responses-asgi",
        description="Serve OpenAI Responses clients from anything that speaks Chat Completions.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('responses-asgi')}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    serve.add_parser(commands)
    convert.add_parser(commands)
    fake.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except ResponsesASGIError as error:
        print(f"responses-asgi: {error}", file=sys.stderr)
        return 2
    return status
