"""Programs that are no good as MCP servers: `python odd.py KIND`, see the functions."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any


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


def partly(listed: Any = ({"nonsense": True},), called: Callable[[], None] | None = None) -> None:
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
            answer["result"] = {"tools": list(listed)}
        elif called and message["method"] == "tools/call":
            called()
        else:
            answer["error"] = {"code": -32601, "message": "no such method"}
        print(json.dumps(answer), flush=True)
        time.sleep(0)


POUR = ({"name": "pour", "inputSchema": {"type": "object"}},)


def floods() -> None:
    """Answers a call with a line that never ends."""

    def pour() -> None:
        while True:
            sys.stdout.write("x" * 65536)

    partly(POUR, pour)


def chatters() -> None:
    """Answers a call with lines without end, none of which is a message."""

    def pour() -> None:
        while True:
            sys.stdout.write("y\n" * 10_000)

    partly(POUR, pour)


def deaf() -> None:
    """Answers a call by no longer reading, nor ending when told to, and has a child that does neither."""

    def pour() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        with open(sys.argv[2], "w") as file:
            file.write(f"{os.getpid()} {child.pid}")
        time.sleep(3600)

    partly(POUR, pour)


if __name__ == "__main__":
    KINDS = (silent, garbage, ends, partly, floods, chatters, deaf)
    {kind.__name__: kind for kind in KINDS}[sys.argv[1]]()
