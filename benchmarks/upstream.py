"""The upstream of the benchmarks: `python -m benchmarks.upstream`, then a port on the first line it prints.

It does as little as a server can: bytes made beforehand are written to the socket, and of the request it
reads no more than its first line and its length. `POST /chat-burst/...` is answered with that row of
`ANSWERS`: each event in an HTTP chunk of its own, as servers of models write them, and as many of them in
one call of `write` as the row says.
"""

from __future__ import annotations

import asyncio
import re
import socket
from importlib import import_module
from typing import cast

from benchmarks import installed

installed.choose(fast=installed.has_fast())

from benchmarks.answers import ANSWERS, Answer  # noqa: E402 - what may be imported is chosen first

__all__ = ["main"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class _Wire:
    """An answer as it lies on the wire: blocks, each written at once."""

    def __init__(self, answer: Answer) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {answer.content_type}\r\n"
        self.pause = answer.pause
        if answer.streamed:
            opening = f"{head}transfer-encoding: chunked\r\n\r\n".encode()
            writes = [b"".join(map(_chunked, events)) for events in answer.writes]
            self.blocks = [opening, *writes, b"0\r\n\r\n"]
        else:
            ((document,),) = answer.writes
            self.blocks = [f"{head}content-length: {len(document)}\r\n\r\n".encode() + document]


class _Connection(asyncio.Protocol):
    """One connection: requests one after the other."""

    def __init__(self, wires: dict[bytes, _Wire]) -> None:
        self._wires = wires
        self._received = b""
        self._writable = asyncio.Event()
        self._writable.set()
        self._answering: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, body = self._received.partition(b"\r\n\r\n")
        found = _LENGTH.search(head)
        if not ended or len(body) < (int(found[1]) if found else 0):
            return
        self._received = b""
        name = head.split(b"/", 2)[1]
        self._answering = asyncio.get_running_loop().create_task(self._answer(self._wires[name]))

    async def _answer(self, wire: _Wire) -> None:
        for block in wire.blocks:
            self._transport.write(block)
            if wire.pause:
                await asyncio.sleep(wire.pause)
            elif not self._writable.is_set():
                await self._writable.wait()


async def serve() -> None:
    """Serve until the process ends."""
    wires = {name.encode(): _Wire(answer) for name, answer in ANSWERS.items()}
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(wires), sock=listening, backlog=2048)
    print(listening.getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve, with uvloop where it is installed."""
    run = import_module("uvloop").run if installed.has_fast() else asyncio.run
    run(serve())


if __name__ == "__main__":
    main()
