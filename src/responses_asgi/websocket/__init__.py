"""The Responses API over WebSocket: `GET /responses`, upgraded. Each `response.create` is one exchange.

- `sockets` is the component: who may open a socket, and whether an upstream takes it over; `handshake` has
  its rules, `takeover` the latter.
- `connection` is one open socket: it reads, and knows when to end; `wire` owns the outer `send`.
- `messages` are what clients send and what they are answered, without the events of responses.
- `lanes` decides when a turn begins, `turn` is one of them, `outlet` tells its events, `warm_up` is one that
  asks nobody.
- `limits` are the bounds of all this.

Sources: https://developers.openai.com/api/docs/guides/websocket-mode and the Open Responses specification.
"""

from __future__ import annotations

from responses_asgi.websocket.limits import WebSocketLimits
from responses_asgi.websocket.sockets import ResponsesSockets

__all__ = ["ResponsesSockets", "WebSocketLimits"]
