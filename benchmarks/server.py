"""A server whose cost is measured: `python -m benchmarks.server APP ANSWER URL [--fast]`.

uvicorn serves a row of `APPS` on a free port of 127.0.0.1, which is the first line that is printed. Without
`--fast` it has nothing of the extra `fast`: asyncio's own loop and h11.
"""

from __future__ import annotations

import argparse
import socket
import sys

from benchmarks import installed

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serve until the process ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server")
    parser.add_argument("app")
    parser.add_argument("answer")
    parser.add_argument("url")
    parser.add_argument("--fast", action="store_true")
    asked = parser.parse_args(arguments)
    installed.choose(fast=asked.fast)

    import uvicorn

    from benchmarks.answers import ANSWERS
    from benchmarks.apps import APPS

    app = APPS[asked.app](ANSWERS[asked.answer], asked.url)
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        app,
        loop="uvloop" if asked.fast else "asyncio",
        http="httptools" if asked.fast else "h11",
        log_level="warning",
        lifespan="auto",
        backlog=2048,
        ws_per_message_deflate=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1:])
