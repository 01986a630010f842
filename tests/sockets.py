"""WebSockets for tests: a recording server behind the bridge, raw servers, and a bare ASGI client."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect

from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send

Play = Callable[["Socket"], Awaitable[None]]


@dataclass
class Socket:
    """The server's end of one accepted socket, and what arrived on it."""

    scope: Scope
    receive: Receive
    send: Send
    messages: list[str | bytes] = field(default_factory=list)
    closed: tuple[int | None, str | None] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.scope["headers"]}

    async def next(self) -> str | bytes | None:
        """The next message, None at the end."""
        message = await self.receive()
        if message["type"] == "websocket.disconnect":
            self.closed = (message.get("code"), message.get("reason"))
            self.over.set()
            return None
        text: str | None = message.get("text")
        data: str | bytes = text if text is not None else message["bytes"]
        self.messages.append(data)
        return data

    async def say(self, data: str | bytes) -> None:
        await self.send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})

    async def close(self, code: int, reason: str = "") -> None:
        await self.send({"type": "websocket.close", "code": code, "reason": reason})


async def echo(socket: Socket) -> None:
    while (data := await socket.next()) is not None:
        await socket.say(data)


class SocketServer:
    """An ASGI app that accepts sockets and has `play` at them; plain requests are a 404 of its own."""

    def __init__(
        self, play: Play = echo, *, headers: Sequence[tuple[bytes, bytes]] = (), choose: str | None = None
    ) -> None:
        self.sockets: list[Socket] = []
        self._play = play
        self._accept = {"type": "websocket.accept", "headers": list(headers), "subprotocol": choose}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        await receive()
        socket = Socket(scope, receive, send)
        self.sockets.append(socket)
        await send(self._accept)
        await self._play(socket)

    @property
    def last(self) -> Socket:
        return self.sockets[-1]


def denying(
    status: int, body: bytes = b'{"error":{"message":"no"}}', *headers: tuple[bytes, bytes]
) -> ASGIApp:
    """An app that answers handshakes with HTTP."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        start = {"type": "websocket.http.response.start", "status": status}
        await send({**start, "headers": [(b"content-type", b"application/json"), *headers]})
        await send({"type": "websocket.http.response.body", "body": body})

    return app


def accept_key(request: bytes) -> bytes:
    """The sec-websocket-accept of a handshake. Source: RFC 6455, 4.2.2."""
    lines = dict(line.split(b": ", 1) for line in request.split(b"\r\n")[1:] if line)
    lower = {name.lower(): value for name, value in lines.items()}
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(lower[b"sec-websocket-key"] + guid).digest())


def dial(url: str, path: str = "/v1/realtime", **options: Any) -> connect:
    """Connect to a server on loopback, which is named by its HTTP URL."""
    return connect(
        url.replace("http", "ws", 1) + path, proxy=None, compression=None, **{"max_size": None, **options}
    )


Raw = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(after: Raw, *, extra: bytes = b"", accept: bytes | None = None) -> AsyncIterator[str]:
    """A TCP server that shakes hands by hand, and then does what `after` says: its base URL."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: " + (accept or accept_key(request)) + b"\r\n" + extra + b"\r\n"
        )
        try:
            await after(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def frame(opcode: int, data: bytes, *, fin: bool = True) -> bytes:
    """A server's frame. Source: RFC 6455, 5.2."""
    head = bytes([opcode | (0x80 if fin else 0)])
    size = len(data)
    if size < 126:
        return head + bytes([size]) + data
    if size < 65_536:
        return head + bytes([126]) + size.to_bytes(2, "big") + data
    return head + bytes([127]) + size.to_bytes(8, "big") + data


class SocketAsked:
    """One WebSocket to an ASGI app, driven by hand; `hear` is what the client says next."""

    def __init__(self, app: ASGIApp, path: str = "/v1/realtime", **scope: Any) -> None:
        self.sent: list[Message] = []
        self.hear: asyncio.Queue[Message] = asyncio.Queue()
        self.hear.put_nowait({"type": "websocket.connect"})
        self.gone = False
        whole: Scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "subprotocols": [],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            **scope,
        }
        self.task = asyncio.create_task(self._run(app, whole))

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self.hear.get, self._send)

    async def _send(self, message: Message) -> None:
        if self.gone:
            raise OSError("the client is gone")
        self.sent.append(message)

    @property
    def types(self) -> list[str]:
        return [message["type"].removeprefix("websocket.") for message in self.sent]
