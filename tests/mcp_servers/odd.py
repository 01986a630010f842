"""Programs that are no good as MCP servers: `python odd.py silent|garbage|ends|partly`."""

from __future__ import annotations

import json
import sys
import time


def silent() -> None:
    """Reads, and never says a word."""
    for _ in sys.stdin:
        pass


def garbage() -> None:
    """Answers each line with things that are no messages."""
    for _ in sys.stdin:
        print("Hello! I am starting up ...\n{\n[1, 2]\n\x00\x01", flush=True)


def ends() -> None:
    """Says why on stderr, and ends."""
    print("there is no database", file=sys.stderr)
    sys.exit(1)


def partly() -> None:
    """Knows the handshake of an older version, and answers each listing with nonsense."""
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        answer = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "initialize":
            told = {"name": "partly", "version": "1"}
            answer["result"] = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": told,
            }
        elif message["method"] == "tools/list":
            answer["result"] = {"tools": [{"nonsense": True}]}
        else:
            answer["error"] = {"code": -32601, "message": "no such method"}
        print(json.dumps(answer), flush=True)
        time.sleep(0)


if __name__ == "__main__":
    {"silent": silent, "garbage": garbage, "ends": ends, "partly": partly}[sys.argv[1]]()
