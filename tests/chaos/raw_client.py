"""A client that speaks HTTP by hand, so that it can do what no library does."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.ledger import Seen

SECONDS = 60.0


class RawClient:
    """One connection to a server; what arrives on it is read when it is asked for, and not before."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._got = bytearray()

    def head(self, path: str, *lines: str) -> bytes:
        fields = ("host: test", "content-type: application/json", "connection: close", *lines)
        return "\r\n".join([f"POST {path} HTTP/1.1", *fields, "", ""]).encode()

    def request(self, path: str, body: Any) -> bytes:
        content = json.dumps(body).encode()
        return self.head(path, f"content-length: {len(content)}") + content

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def read_events(self, number: int) -> bytes:
        """What was received, once so many events have come, or all that will."""
        async with asyncio.timeout(SECONDS):
            while self._got.count(b"\n\n") < number and await self._read(4_096):
                pass
        return bytes(self._got)

    async def answer(self, *, size: int = 65_536, pause: float = 0.0) -> Seen:
        """The whole answer, in pieces of at most this size with a pause after each."""
        async with asyncio.timeout(SECONDS):
            # A server that does not want to read the rest of a request resets the connection afterwards.
            with suppress(ConnectionError):
                while await self._read(size):  # noqa: ASYNC110 - the pace of a slow reader
                    await asyncio.sleep(pause)
        return parsed(bytes(self._got))

    async def _read(self, size: int) -> bytes:
        piece = await asyncio.get_running_loop().sock_recv(self._socket, size)
        self._got += piece
        return piece

    def end_of_requests(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Leave without a word, as a machine does that is switched off."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()


@asynccontextmanager
async def connected(url: str, *, buffer: int | None = None) -> AsyncIterator[RawClient]:
    """A connection, closed at the end. `buffer`: bytes that its socket holds unread."""
    split = urlsplit(url)
    with socket.socket() as made:
        made.setblocking(False)
        if buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        await asyncio.get_running_loop().sock_connect(made, (split.hostname, split.port))
        yield RawClient(made)


def parsed(got: bytes) -> Seen:
    """The answer in these bytes of HTTP/1.1."""
    head, _, rest = got.partition(b"\r\n\r\n")
    if not head:
        return Seen(0, b"", ended=False)
    status = int(head.split(b" ", 2)[1])
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if b"content-length" in fields:
        length = int(fields[b"content-length"])
        return Seen(status, rest[:length], ended=len(rest) >= length)
    if b"transfer-encoding" not in fields:
        return Seen(status, rest)
    body = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return Seen(status, bytes(body))
        body += rest[:length]
        rest = rest[length + 2 :]
    return Seen(status, bytes(body), ended=False)
