"""The outer `send` of one socket, and its only owner.

A frame is sent when the one before it has been taken, so that a client that reads slowly slows its upstreams
down. One that does not read at all is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from responses_asgi.types.asgi import Send

__all__ = ["Wire"]

logger = logging.getLogger("responses_asgi")

# A client that does not read does not read this either; its server gives it up when it answers no ping.
_CLOSE_TIMEOUT = 5.0


class Wire:
    """Sends frames; `timeout`: the seconds a client may take for those of one call.

    `lost` is called once, when sending shows that the client has left. After that, `gone`, nothing is sent;
    `closed` tells that the server needs no word that the socket is over.
    """

    def __init__(self, send: Send, *, timeout: float, lost: Callable[[], None]) -> None:
        self.gone = False
        self.closed = False
        self._send = send
        self._timeout = timeout
        self._lost = lost
        self._lock = asyncio.Lock()

    async def say(self, frames: Sequence[str]) -> None:
        """Send these frames, with no others between them; nothing happens when the client has left."""
        async with self._lock:
            if self.gone:
                return
            try:
                async with asyncio.timeout(self._timeout):
                    for text in frames:
                        await self._send({"type": "websocket.send", "text": text})
            except Exception as error:
                # Servers raise different things for a client that has left.
                logger.debug("a frame could not be sent: %r", error)
                self.leave()

    async def close(self, code: int, reason: str) -> None:
        """Close the socket, unless it is closed."""
        if self.closed:
            return
        self.gone = self.closed = True
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except Exception as error:
            logger.debug("the socket could not be closed: %r", error)

    def leave(self) -> None:
        """The client has left."""
        if not self.gone:
            self.gone = True
            self._lost()
