"""The command line.

`serve` is the gateway, `check` looks at its configuration, `keys` issues the keys of its clients, `models`
lists what it offers, `mcp` the tools of MCP servers; `codex` runs Codex CLI over it; `probe` finds out what a
server is like; `convert` works on stdin and stdout; `fake` plays a model.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from responses_asgi.cli import check, codex, convert, fake, keys, mcp, models, probe, serve
from responses_asgi.errors import ResponsesASGIError

__all__ = ["main"]

EXAMPLES = """\
examples:
  responses-asgi serve                                             a demo model on http://127.0.0.1:8000/v1
  responses-asgi serve --upstream http://localhost:11434 --profile ollama
  responses-asgi codex --upstream http://localhost:8000 --profile vllm --
  responses-asgi probe http://localhost:8000 --write gateway.yaml  what is this server like?
  responses-asgi check gateway.yaml && responses-asgi serve gateway.yaml
  responses-asgi convert request --to chat < request.json

Each command has a --help with examples of its own.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 well, 2 wrong usage or a set-up that cannot work.

    `check`, `convert`, `keys`, `mcp`, `models` and `probe` have a status 1 of their own; `codex` has that of
    Codex. 130: ended by Ctrl-C.

    `arguments` are those of the command line without the program's name; None: those of this process.
    """
    parser = argparse.ArgumentParser(
        prog="responses-asgi",
        description="Both OpenAI APIs, Chat Completions and Responses, of anything that speaks one of them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('responses-asgi')}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for command in (serve, codex, check, keys, models, mcp, probe, convert, fake):
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except ResponsesASGIError as error:
        print(f"responses-asgi: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status
