"""An MCP server over stdin and stdout with one tool, as small as the protocol allows."""

from __future__ import annotations

import json
import sys
from typing import Any

TOOL = {
    "name": "list_events",
    "description": "Lists the events in the calendar of a day.",
    "inputSchema": {
        "type": "object",
        "properties": {"day": {"type": "string"}},
        "required": ["day"],
    },
}


def result_of(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """What is answered to a request."""
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "calendar", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": f"On {params['arguments']['day']}: tea with the Queen"}]}
    return {}


if __name__ == "__main__":
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message and "method" in message:
            result = result_of(message["method"], message.get("params") or {})
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
