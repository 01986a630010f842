"""An open WebSocket to a server elsewhere: messages in and out over the network stream of an HTTP client.

The frames are those of the `websockets` package, whose protocol does no I/O of its own: it answers pings and
closes, bounds messages and checks what the server sends. Source: RFC 6455.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import suppress
from typing import Any

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import CLOSED, OPEN, Protocol, Side

from responses_asgi.upstreams.client_errors import is_network_error
from responses_asgi.upstreams.closing import (
    INTERNAL_ERROR,
    INVALID_DATA,
    TOO_BIG,
    SocketEnded,
    sendable_close,
)

__all__ = ["FrameStream"]

READ_BYTES = 65_536


class FrameStream:
    """Sends and receives whole messages.

    `stream` is a network stream of httpcore or httpcore2, on which the handshake is over. A message may have
    `max_bytes`. A silent server is sent a ping every `ping` seconds, and given up after `silence` seconds:
    much later, because servers do not read while they are busy with what they read before.
    """

    def __init__(self, stream: Any, *, max_bytes: int, ping: float, silence: float) -> None:
        self._stream = stream
        self._protocol = Protocol(Side.CLIENT, max_size=max_bytes)
        self._max_bytes = max_bytes
        self._ping = ping
        self._max_pings = math.ceil(silence / ping) - 1
        self._pings = 0
        self._writing = asyncio.Lock()
        self._parts: list[bytes] = []
        self._opcode = Opcode.TEXT
        self._messages: deque[str | bytes] = deque()
        self._ended: SocketEnded | None = None

    async def send(self, message: str | bytes) -> None:
        """Send one message; waits as long as the server reads slowly. Raises SocketEnded when it is too big.

        What cannot be sent any more is dropped: `receive` tells why.
        """
        data = message.encode() if isinstance(message, str) else message
        if len(data) > self._max_bytes:
            raise SocketEnded(TOO_BIG, f"a message has more than {self._max_bytes} bytes")
        if self._protocol.state is not OPEN:
            return
        if isinstance(message, str):
            self._protocol.send_text(data)
        else:
            self._protocol.send_binary(data)
        await self._flush()

    async def receive(self) -> str | bytes:
        """The next message; raises SocketEnded when there is none any more."""
        while not self._messages:
            if self._ended is not None:
                raise self._ended
            await self._read()
        return self._messages.popleft()

    async def close(self, code: int, reason: str, *, patience: float) -> None:
        """Say goodbye, unless that was said, and wait at most `patience` seconds for the server to hang up.

        What it still sends is thrown away; nobody else may be receiving.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                if self._protocol.state is OPEN:
                    self._protocol.send_close(code, reason)
                    await self._flush()
                while self._protocol.state is not CLOSED:
                    await self._read()

    async def _read(self) -> None:
        """Take in what the server sent next, if it is only a part of a message."""
        data = await self._next_bytes()
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        if self._ended is None:
            self._ended = self._end()
        await self._flush()

    async def _next_bytes(self) -> bytes:
        """What was read, or nothing at the end; an end is also a server that no longer answers."""
        while True:
            try:
                data: bytes = await self._stream.read(READ_BYTES, timeout=self._ping)
            except Exception as error:
                if not is_network_error(error):
                    raise
                if type(error).__name__ != "ReadTimeout":
                    return b""
                if self._pings >= self._max_pings:
                    reason = "the upstream gives no sign of life"
                    self._ended = self._ended or SocketEnded(INTERNAL_ERROR, reason)
                    return b""
                self._pings += 1
                self._protocol.send_ping(b"")
                await self._flush()
            else:
                self._pings = 0
                return data

    async def _flush(self) -> None:
        # Sorted out before the lock is waited for, so that frames keep the order they were made in.
        data = b"".join(self._protocol.data_to_send())
        if not data:
            return
        async with self._writing:
            try:
                await self._stream.write(data)
            except Exception as error:
                if not is_network_error(error):
                    raise  # else reading fails too, after what the server said last

    def _take(self, frame: Frame) -> None:
        """Add a frame to its message; control frames were dealt with by the protocol."""
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._opcode = frame.opcode
        elif frame.opcode is not Opcode.CONT:
            return
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return
        whole = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        if self._opcode is Opcode.BINARY:
            self._messages.append(whole)
            return
        try:
            self._messages.append(whole.decode())
        except UnicodeDecodeError:
            self._protocol.fail(INVALID_DATA, "not UTF-8")
            self._ended = SocketEnded(INTERNAL_ERROR, "the upstream sent text that is not UTF-8")

    def _end(self) -> SocketEnded | None:
        """Why the server's side is over, if it is, in the words of a close frame for the client."""
        closed, cause = self._protocol.close_rcvd, self._protocol.parser_exc
        if isinstance(cause, PayloadTooBig):
            return SocketEnded(TOO_BIG, f"a message of the upstream has more than {self._max_bytes} bytes")
        if isinstance(cause, EOFError):
            return SocketEnded(INTERNAL_ERROR, "the upstream closed the connection")
        if cause is not None:
            return SocketEnded(INTERNAL_ERROR, "the upstream broke the WebSocket protocol")
        return SocketEnded(*sendable_close(closed.code, closed.reason)) if closed is not None else None
