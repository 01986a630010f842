"""MCP servers for tests of hosted tools: programs that are run, and apps on loopback."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from responses_asgi.hosted import Hosted, HostedLimits, MCPServer, Offer
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from tests.loopback import served
from tests.mcp_servers.tools import make_server

SERVERS = Path(__file__).parent / "mcp_servers"
QUICK = HostedLimits(call_timeout=20.0, start_wait=20.0, retry_first=0.05, retry_most=0.2)


def stdio(log: Path | None = None, **settings: Any) -> MCPServer:
    """The server with all tools, as a program; `log` is told its starts."""
    env = {**settings.pop("env", {}), **({"LOG_FILE": str(log)} if log else {})}
    return MCPServer(command=sys.executable, args=[str(SERVERS / "tools.py")], env=env, **settings)


def odd(kind: str, *args: str) -> MCPServer:
    """A program that is no good as a server."""
    return MCPServer(command=sys.executable, args=[str(SERVERS / "odd.py"), kind, *args])


def started(log: Path) -> list[int]:
    """The process ids of the servers that told this log of their start."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("start ")]


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@asynccontextmanager
async def over_http(app: ASGIApp | None = None, **options: Any) -> AsyncIterator[str]:
    """The URL of the same server over HTTP."""
    if app is None:
        app = make_server().streamable_http_app(**options)
    async with lifespan_of(app), served(app) as base:
        yield f"{base}/mcp"


@asynccontextmanager
async def lifespan_of(app: Any) -> AsyncIterator[None]:
    async with app.router.lifespan_context(app):
        yield


@asynccontextmanager
async def opened(hosted: Hosted) -> AsyncIterator[Hosted]:
    """Hosted tools with their servers begun."""
    async with hosted.resource():
        yield hosted


def mcp(label: str, **said: Any) -> JSON:
    """The tool of a request that names a server."""
    return {"type": "mcp", "server_label": label, **said}


def asking(*tools: JSON, **said: Any) -> JSON:
    return {"model": "m", "input": "Hi", "tools": list(tools), **said}


async def call(hosted: Hosted, name: str, arguments: JSON | None = None, body: JSON | None = None) -> Any:
    """Call the tool that is offered under this name."""
    offer = await hosted.offer(body or asking(), CONTEXT)
    assert offer
    return await offer.tools[name].call(arguments or {}, CONTEXT)


async def offered(hosted: Hosted, body: JSON, context: ExchangeContext | None = None) -> Offer:
    """What the request is offered, which must be something."""
    offer = await hosted.offer(body, context or CONTEXT)
    assert offer is not None
    return offer


def context(owner: str = "", *, api: str = "responses", response_id: str = "") -> ExchangeContext:
    """The request of this owner."""
    return ExchangeContext(
        api=api,
        response_id=response_id,
        principal=owner or None,
        scope={"type": "http"},
        request={"model": "m"},
    )


CONTEXT = context()


def names(tools: Sequence[JSON]) -> list[str]:
    return [tool["name"] for tool in tools]


def held() -> set[object]:
    """The tasks of this loop, and the sockets and pipes of this process: what is new must not stay."""
    found: set[object] = set(asyncio.all_tasks())
    for entry in os.listdir("/proc/self/fd"):
        try:
            link = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:
            continue
        if link.startswith(("socket:", "pipe:")):
            found.add(link)
    return found
