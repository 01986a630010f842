"""The small ASGI answers that the package's own upstream apps give themselves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

from responses_asgi.errors import APIError
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import dumps
from responses_asgi.upstreams.closing import INTERNAL_ERROR, POLICY_VIOLATION, TRY_AGAIN_LATER

__all__ = [
    "DENIAL",
    "SSE_HEADERS",
    "close_code",
    "deny_websocket",
    "refuse_websocket",
    "send_error",
    "send_json",
    "send_to_nobody",
    "serve_lifespan",
]

Headers = Iterable[tuple[bytes, bytes]]

DENIAL = "websocket.http.response"
"""The extension of servers that can refuse a WebSocket with an HTTP answer.

Source: https://asgi.readthedocs.io/en/latest/extensions.html#websocket-denial-response
"""

SSE_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
"""The headers of an event stream; the last keeps nginx from holding events back."""


async def send_json(send: Send, document: Any, *, status: int = 200, headers: Headers = ()) -> None:
    """Send one whole JSON answer."""
    body = dumps(document)
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: APIError, *, headers: Headers = ()) -> None:
    """Send an error as its HTTP status and OpenAI's error body; its own headers replace those given."""
    named = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in error.headers.items()}
    others = [header for header in headers if header[0] not in named]
    await send_json(send, error.body(), status=error.status, headers=[*named.items(), *others])


async def send_to_nobody(send: Send) -> None:
    """End an answer whose client has left before its start.

    Servers drop it; a middleware that waits for an answer takes none for a mistake of the app.
    """
    with suppress(OSError):
        await send({"type": "http.response.start", "status": 499, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


async def deny_websocket(receive: Receive, send: Send) -> None:
    """Refuse a WebSocket before it opens; servers answer HTTP 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": "no WebSocket here"})


async def refuse_websocket(scope: Scope, send: Send, error: APIError) -> None:
    """Refuse a WebSocket before it opens, with the error as its HTTP answer where the server can send one.

    `websocket.connect` has been received.
    """
    if DENIAL in (scope.get("extensions") or {}):
        body = dumps(error.body())
        named = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
        start = {"type": "websocket.http.response.start", "status": error.status, "headers": headers}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        reason = f"refused with status {error.status}"
        await send({"type": "websocket.close", "code": close_code(error.status), "reason": reason})


def close_code(status: int) -> int:
    """The close code that says the most of what an HTTP status would."""
    if status in (429, 503):
        return TRY_AGAIN_LATER
    return POLICY_VIOLATION if status < 500 else INTERNAL_ERROR


async def serve_lifespan(
    receive: Receive, send: Send, stop: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Take part in the server's start and stop; `stop` runs before the end of the stop is told."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    if stop is not None:
        await stop()
    await send({"type": "lifespan.shutdown.complete"})
