"""An exchange that is over is freed at once: it holds no cycle that waits for the collector."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest

from responses_asgi import ChatCompletionsMiddleware, ResponsesMiddleware
from responses_asgi.testing import FakeModel
from responses_asgi.types.asgi import ASGIApp, Message

RESPONSES = ("/v1/responses", {"model": "m", "input": "Hi"})
CHAT = ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "Hi"}]})


async def post(app: ASGIApp, path: str, body: dict[str, Any]) -> bytes:
    requests: list[Message] = [{"type": "http.request", "body": json.dumps(body).encode()}]
    said = bytearray()

    async def receive() -> Message:
        return requests.pop() if requests else await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        said.extend(message.get("body", b""))

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return bytes(said)


def house(answer: list[bytes]) -> ASGIApp:
    """An app without cycles of its own: it says these bytes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        headers = [(b"content-type", b"text/event-stream" if len(answer) > 1 else b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in answer:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


async def answer_of(path: str, body: dict[str, Any]) -> list[bytes]:
    """What the scripted model says to it, as the pieces of a stream or as one document."""
    said = await post(FakeModel(), path, body)
    return [event + b"\n\n" for event in said.split(b"\n\n") if event] if body.get("stream") else [said]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("middleware", "client", "upstream"),
    [(ResponsesMiddleware, RESPONSES, CHAT), (ChatCompletionsMiddleware, CHAT, RESPONSES)],
    ids=["responses", "chat"],
)
async def test_nothing_is_left_for_the_collector(
    middleware: Any, client: Any, upstream: Any, stream: bool
) -> None:
    answer = await answer_of(upstream[0], {**upstream[1], "stream": stream})
    app = middleware(house(answer))
    body = {**client[1], "stream": stream}
    assert await post(app, client[0], body)
    await asyncio.sleep(0)
    gc.collect()
    known = len(gc.garbage)
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await post(app, client[0], body)
        await asyncio.sleep(0)
        gc.collect()
        left = {f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage[known:]}
    finally:
        gc.set_debug(0)
        del gc.garbage[known:]
        gc.enable()
    assert {name for name in left if name.startswith("responses_asgi")} == set()
