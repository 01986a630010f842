"""Clients over HTTP and WebSockets: each asks again and again on one connection, and keeps what it read.

What they read is looked at afterwards (`delivery`), so that the clients do little while a server is measured.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, cast
from urllib.parse import urlsplit

from benchmarks.answers import Answer
from benchmarks.apps import KEY
from responses_asgi.types.json import dumps
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["ask_over_http", "ask_over_websocket", "request_body"]

PATHS: dict[WireAPI, str] = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}

SECONDS = 120.0
"""The longest that one turn may take."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_PARAMETERS = {"type": "object", "properties": {"list": {"type": "array", "items": {"type": "integer"}}}}


def request_body(answer: Answer, client: WireAPI) -> dict[str, Any]:
    """What a client of this API asks, to be given this answer."""
    body: dict[str, Any] = {"model": "house", "stream": answer.streamed}
    if client == "chat":
        body["messages"] = [{"role": "user", "content": "Hi"}]
        tool: dict[str, Any] = {
            "type": "function",
            "function": {"name": "add", "parameters": _PARAMETERS, "strict": False},
        }
    else:
        body["input"] = "Hi"
        tool = {"type": "function", "name": "add", "parameters": _PARAMETERS, "strict": False}
    return body | ({"tools": [tool]} if answer.kind == "arguments" else {})


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._head = b""
        self._missing: int | None = None
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("The server closed the connection."))

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer, without the framing of its chunks."""
        self._pieces, self._head, self._missing = [], b"", None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._head:
            self._pieces.append(data)
            head, ended, data = b"".join(self._pieces).partition(b"\r\n\r\n")
            if not ended:
                return
            self._head, self._pieces = head, []
            found = _LENGTH.search(head)
            self._missing = int(found[1]) if found else None
        self._pieces.append(data)
        if self._missing is None:
            tail = data if len(data) >= len(_LAST_CHUNK) else b"".join(self._pieces[-len(_LAST_CHUNK) :])
            if tail.endswith(_LAST_CHUNK):
                self._finish(_without_chunks(b"".join(self._pieces)))
        else:
            self._missing -= len(data)
            if self._missing <= 0:
                self._finish(b"".join(self._pieces))

    def _finish(self, body: bytes) -> None:
        if self._head.startswith(b"HTTP/1.1 200"):
            self._answer.set_result(body)
        else:
            self._answer.set_exception(RuntimeError(f"{self._head!r} {body[:1000]!r}"))


def _without_chunks(framed: bytes) -> bytes:
    pieces: list[bytes] = []
    at = 0
    while True:
        end = framed.index(b"\r\n", at)
        size = int(framed[at:end], 16)
        if not size:
            return b"".join(pieces)
        pieces.append(framed[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


async def ask_over_http(
    url: str, answer: Answer, client: WireAPI, *, connections: int, requests: int, key: str = KEY
) -> list[bytes]:
    """The bodies of all answers: so many requests on each of so many connections at the same time."""
    target = urlsplit(url)
    body = dumps(request_body(answer, client))
    request = (
        f"POST {PATHS[client]} HTTP/1.1\r\nhost: {target.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"accept: {answer.content_type}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body
    loop = asyncio.get_running_loop()

    async def ask() -> list[bytes]:
        _, connection = await loop.create_connection(_Connection, target.hostname or "", target.port or 80)
        try:
            return [await connection.ask(request) for _ in range(requests)]
        finally:
            connection.close()

    async with asyncio.timeout(SECONDS):
        asked = await asyncio.gather(*(ask() for _ in range(connections)))
    return [each for bodies in asked for each in bodies]


async def ask_over_websocket(
    url: str, answer: Answer, *, connections: int, requests: int, key: str = KEY
) -> list[list[dict[str, Any]]]:
    """The events of all answers: so many turns on each of so many connections at the same time."""
    from websockets.asyncio.client import connect

    fields = {name: value for name, value in request_body(answer, "responses").items() if name != "stream"}
    turn = json.dumps({"type": "response.create", **fields})
    address = url.replace("http", "ws", 1) + PATHS["responses"]

    async def ask() -> list[list[str | bytes]]:
        turns = []
        headers = {"authorization": f"Bearer {key}"}
        async with connect(
            address, additional_headers=headers, compression=None, proxy=None, max_size=None
        ) as socket:
            for _ in range(requests):
                await socket.send(turn)
                messages = [await socket.recv()]
                while not _is_terminal(messages[-1]):
                    messages.append(await socket.recv())
                turns.append(messages)
        return turns

    async with asyncio.timeout(SECONDS):
        asked = await asyncio.gather(*(ask() for _ in range(connections)))
    return [[json.loads(message) for message in turn] for turns in asked for turn in turns]


def _is_terminal(message: str | bytes) -> bool:
    head = message[:200] if isinstance(message, str) else message[:200].decode()
    return any(f'"type":"{kind}"' in head for kind in ("response.completed", "response.failed", "error")) or (
        '"response.incomplete"' in head
    )
