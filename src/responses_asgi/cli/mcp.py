"""`responses-asgi mcp list`: the tools of the MCP servers in an `mcp.json`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from responses_asgi.types.json import JSON, dumps

if TYPE_CHECKING:
    from responses_asgi.hosted import Hosted

__all__ = ["add_parser", "run"]

EXAMPLES = """\
examples:
  responses-asgi mcp list                           the servers of ./mcp.json, and their tools
  responses-asgi mcp list other.json --timeout 60   for servers that are slow to start
  responses-asgi mcp list --json                    with the schemas of the tools
"""

_MAX_CHARS = 100


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `mcp` and its options to the command line."""
    parser = commands.add_parser("mcp", help="list the tools of MCP servers", description="MCP servers.")
    actions = parser.add_subparsers(title="actions", dest="action", required=True)
    listing = actions.add_parser(
        "list",
        help="start the servers and list their tools",
        description="Start the MCP servers of a file, list their tools, and end them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    listing.add_argument(
        "file", nargs="?", default="mcp.json", metavar="FILE", help="an mcp.json; default: ./%(default)s"
    )
    listing.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="how long to wait; default: %(default)g",
    )
    listing.add_argument("--json", action="store_true", help="print JSON: a list of mcp_list_tools items")
    listing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the tools; returns 1 when a server cannot tell them. Raises ConfigurationError for the file."""
    from responses_asgi.hosted import Hosted, HostedLimits

    limits = HostedLimits(start_wait=options.timeout, connect_timeout=options.timeout)
    items = asyncio.run(_items(Hosted(servers=options.file, limits=limits)))
    if options.json:
        print(dumps(items).decode())
    else:
        _tell(items)
    failed = [item for item in items if item.get("error")]
    for item in failed:
        print(f"responses-asgi: {item['server_label']}: {item['error']}", file=sys.stderr)
    return 1 if failed else 0


async def _items(hosted: Hosted) -> list[JSON]:
    from responses_asgi.upstreams.context import ExchangeContext

    named = [{"type": "mcp", "server_label": label} for label in hosted.labels]
    async with hosted.resource():
        offer = await hosted.offer({"tools": named}, ExchangeContext.of({}, {}, api="responses"))
        return offer.listed if offer else []


def _tell(items: list[JSON]) -> None:
    if not items:
        print("The file names no servers.")
    for item in items:
        tools = item["tools"]
        state = "away" if item.get("error") else f"{len(tools)} tools"
        print(f"{item['server_label']}: {state}")
        width = max((len(tool["name"]) for tool in tools), default=0)
        for tool in tools:
            said = (tool["description"] or "").strip().partition("\n")[0]
            print(f"  {tool['name']:{width}}  {said[:_MAX_CHARS]}".rstrip())
