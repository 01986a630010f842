"""An open WebSocket of an issued key: the key is looked at again while it is used.

A key that is revoked ends its sockets with their next message. What is being said to a client is not cut off
between two of its messages, as a streamed answer over HTTP is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from responses_asgi.auth.permission import check_frame
from responses_asgi.errors import APIError
from responses_asgi.keys.scopes import Allowed
from responses_asgi.types.asgi import Message, Receive, Send
from responses_asgi.types.json import dumps
from responses_asgi.upstreams.closing import sendable_close
from responses_asgi.upstreams.replies import close_code

__all__ = ["SocketGate"]

# For how many seconds a key that was good counts as good.
FRESH = 0.5


class SocketGate:
    """The outer `receive` and `send` of one socket, as the app gets them.

    - `check`: raises APIError when the key is not good any more, or nobody can tell.
    - `allowed`: what the key may do. `named`: whether the handshake named the model.
    - `refused`: is told of each refusal.
    """

    def __init__(
        self,
        receive: Receive,
        send: Send,
        *,
        check: Callable[[], Awaitable[None]],
        allowed: Allowed,
        named: bool,
        refused: Callable[[APIError], None],
    ) -> None:
        self._receive = receive
        self._send = send
        self._check = check
        self._allowed = allowed
        self._named = named
        self._refused = refused
        self._closed: Message | None = None
        self._good_until = asyncio.get_running_loop().time() + FRESH

    async def receive(self) -> Message:
        """The next message that the client may send; the end of the socket when its key is not good."""
        while self._closed is None:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            try:
                await self._check_again()
            except APIError as error:
                return await self._close(error)
            refusal = self._refusal(message)
            if refusal is None:
                return message
            await self._send({"type": "websocket.send", "text": refusal})
        return self._closed

    async def send(self, message: Message) -> None:
        """Send, unless the socket was closed here. Raises OSError then, as servers do."""
        if self._closed is not None:
            raise OSError("the socket is closed: its API key is not good any more")
        await self._send(message)

    async def _check_again(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._good_until:
            await self._check()
            self._good_until = now + FRESH

    async def _close(self, error: APIError) -> Message:
        self._refused(error)
        code, reason = sendable_close(close_code(error.status), error.message)
        self._closed = {"type": "websocket.disconnect", "code": code, "reason": reason}
        await self._send({"type": "websocket.close", "code": code, "reason": reason})
        return self._closed

    def _refusal(self, message: Message) -> str | None:
        """The error frame for a message that asks for a model that is not allowed."""
        if self._allowed.models is None:
            return None
        try:
            check_frame(message.get("text") or message.get("bytes") or b"", self._allowed, named=self._named)
        except APIError as error:
            self._refused(error)
            return dumps({"type": "error", "status": error.status, "error": error.error_object()}).decode()
        return None
