"""An MCP server with tools that behave, and tools that do not.

`python tools.py` talks over stdin and stdout. `LOG_FILE` in its environment: a file that is told each start
and each tool that is given up; `MANY`: how many further tools it has; `PORT`: where it talks over HTTP.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

SMALL_PNG = bytes.fromhex("89504e470d0a1a0a")


def note(text: str) -> None:
    if path := os.environ.get("LOG_FILE"):
        with open(path, "a") as file:
            file.write(f"{text}\n")


def make_server(many: int = 0) -> MCPServer:
    server: MCPServer = MCPServer("tools", log_level="CRITICAL")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def add(a: int, b: int) -> int:
        """Adds two numbers."""
        return a + b

    @server.tool()
    def fail(reason: str) -> str:
        raise ToolError(reason)

    @server.tool()
    def crash() -> str:
        os._exit(3)

    @server.tool()
    async def hang(ctx: Context[Any, Any]) -> str:
        note("hang began")
        try:
            await asyncio.sleep(3600)
        finally:
            note("hang given up")
        return ""

    @server.tool()
    async def block(seconds: float) -> str:
        """Blocks the whole server."""
        time.sleep(seconds)  # noqa: ASYNC251 - that is what it is for
        return "over"

    @server.tool()
    def big(size: int) -> str:
        return "x" * size

    @server.tool(structured_output=False)
    def picture() -> list[Any]:
        return ["Look:", Image(data=SMALL_PNG, format="png")]

    @server.tool()
    def record() -> dict[str, Any]:
        return {"name": "Ada", "born": 1815}

    @server.tool()
    def environment(name: str) -> str:
        return os.environ.get(name, "(not set)")

    @server.tool()
    async def grow(ctx: Context[Any, Any]) -> str:
        """Gives the server one more tool."""

        def later() -> str:
            return "later"

        server.add_tool(later)
        await ctx.notify_tools_changed()
        await ctx.session.send_tool_list_changed()
        return "grown"

    for number in range(many):
        server.add_tool(lambda: "", name=f"many_{number}", description="One of many.")
    return server


if __name__ == "__main__":
    note(f"start {os.getpid()}")
    if port := os.environ.get("PORT"):
        uvicorn.run(make_server().streamable_http_app(), port=int(port), log_level="critical")
    else:
        make_server(int(os.environ.get("MANY", "0"))).run()
