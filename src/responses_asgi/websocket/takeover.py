"""A socket that an upstream may have as it is: one that speaks Responses over WebSocket itself."""

from __future__ import annotations

import logging

from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.upstreams.replies import DENIAL

__all__ = ["took_over"]

logger = logging.getLogger("responses_asgi")

# How servers say that there is no WebSocket here: no such route, no such method, an upgrade that nobody
# knows, the answer of ASGI servers to an app that closes at once, and the bridge's own lack of an extra.
_NO_SOCKET = frozenset({400, 403, 404, 405, 426, 501})
_NOT_OPENED = b"upstream_no_websocket"


class _Held:
    """What the app sends, held until it has opened the socket."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.opened = False
        self.gone = False
        self.messages: list[Message] = []
        self._connected = False
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        message = await self._receive()
        self.gone = self.gone or message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Message) -> None:
        self.opened = self.opened or message["type"] == "websocket.accept"
        if self.opened:
            await self._send(message)
        else:
            self.messages.append(message)

    @property
    def has_none(self) -> bool:
        """Whether the app said that it opens no sockets at all, or nothing."""
        status = next((message["status"] for message in self.messages if "status" in message), 403)
        body = b"".join(message.get("body", b"") for message in self.messages)
        return status in _NO_SOCKET or _NOT_OPENED in body


async def took_over(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> bool:
    """Offer the socket to the app, `websocket.connect` having been received, and wait for its end.

    False when the app opens no sockets, so that it is still to be answered. Another refusal is the answer.
    """
    held = _Held(receive, send)
    offered = scope.get("extensions") or {}
    try:
        await app({**scope, "extensions": {**offered, DENIAL: {}}}, held.receive, held.send)
    except Exception:
        if held.opened:
            raise
        # How frameworks say that they know no WebSockets (Django).
        logger.debug("the upstream's app took no WebSocket", exc_info=True)
        return held.gone
    if held.opened or held.gone:
        return True
    if held.has_none:
        return False
    if DENIAL in offered:
        for message in held.messages:
            await send(message)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": "refused by the upstream"})
    return True
