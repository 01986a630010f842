"""A server that breaks every promise of HTTP and of both APIs: a process of its own, and one per connection.

`python -m tests.chaos.upstream LOG` prints its port. A request names its fault in `model`, as JSON:
`{"case": "17", "fault": "killed", "at": 3}`; `at` counts the events (or pieces of a document) before it.
What each connection came to is a line of JSON in LOG.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any

from tests.chaos.answers import PATHS, answer
from tests.chaos.faults import FAULTS, Connection

SECONDS = 60.0


def serve(listening: socket.socket, log: str) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            with suppress(BaseException):
                _one(connection, log)
            os._exit(0)
        connection.close()


def _one(connection: socket.socket, log: str) -> None:
    connection.settimeout(SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head, _, body = _read_until(connection, b"\r\n\r\n").partition(b"\r\n\r\n")
    if not head:
        return
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields.get(b"content-length", b"0"))
    while len(body) < length:
        piece = connection.recv(65_536)
        if not piece:
            return
        body += piece
    asked: dict[str, Any] = json.loads(body)
    told = json.loads(asked["model"])
    path = head.split(b" ", 2)[1].decode()
    api = next(api for api, ending in PATHS.items() if path.endswith(ending.removeprefix("/v1")))
    pieces = answer(api, stream=bool(asked.get("stream")))
    made = Connection(connection, api, pieces, bool(asked.get("stream")), told.get("at", 0))

    def tell(end: str) -> None:
        line = json.dumps({"case": told["case"], "end": end, "sent": made.sent}) + "\n"
        file = os.open(log, os.O_WRONLY | os.O_APPEND)
        os.write(file, line.encode())
        os.close(file)

    made.before_death = lambda: tell("killed")
    began = time.monotonic()
    try:
        FAULTS[told["fault"]].play(made)
    except OSError as error:
        tell("gone" if not isinstance(error, TimeoutError) else f"stuck for {time.monotonic() - began:.0f} s")
    else:
        tell("over")


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    got = b""
    while end not in got:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        got += piece
    return got


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)
    serve(listening, sys.argv[1])


if __name__ == "__main__":
    main()
