"""Clients in the same process as an app: they call it as a server would."""

from __future__ import annotations

import asyncio

from benchmarks.answers import Answer
from benchmarks.apps import KEY
from benchmarks.clients import PATHS, request_body
from responses_asgi.types.asgi import ASGIApp, Message, Scope
from responses_asgi.types.json import dumps
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["call"]


async def call(app: ASGIApp, answer: Answer, client: WireAPI) -> bytes:
    """Ask the app once, as a client of this API; the body of its answer."""
    body = dumps(request_body(answer, client))
    requests: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    told: list[bytes] = []
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": PATHS[client],
        "raw_path": PATHS[client].encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"authorization", b"Bearer " + KEY.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }

    async def receive() -> Message:
        return requests.pop() if requests else await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        told.append(message.get("body", b""))

    await app(scope, receive, send)
    return b"".join(told)
