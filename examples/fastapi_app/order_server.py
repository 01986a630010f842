"""An MCP server over stdin and stdout: it knows the order book."""

from __future__ import annotations

from mcp.server import MCPServer

server = MCPServer("orders", log_level="WARNING")

STATUS = {"A-1001": "delivered", "A-1002": "shipped", "A-1003": "packed"}


@server.tool()
def order_status(order_number: str) -> str:
    """What has become of an order."""
    return STATUS.get(order_number, "there is no such order")


if __name__ == "__main__":
    server.run()
