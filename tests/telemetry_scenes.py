"""Exchanges of every outcome, for whoever looks on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from responses_asgi import Gateway, Upstream, Usage
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from tests.loopback import until

SECRET = "sk-very-secret-credential"
WORDS = "words-of-the-user"


async def house(request: dict[str, Any]) -> AsyncIterator[Any]:
    """Answers "fine", and tells what it took."""
    yield "fi"
    yield "ne"
    yield Usage(11, 7, cached_tokens=4, reasoning_tokens=2)


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    """An upstream that refuses, and repeats what it was asked."""
    error = {"error": {"message": f"{WORDS} {SECRET}", "type": "server_error", "code": "overloaded"}}
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(error).encode()})


async def breaking(scope: Scope, receive: Receive, send: Send) -> None:
    """An upstream that breaks off in the middle of a stream."""
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    chunk = {"choices": [{"index": 0, "delta": {"content": "half"}, "finish_reason": None}]}
    await send({"type": "http.response.body", "body": b"data: " + json.dumps(chunk).encode() + b"\n\n"})


def gateway(*telemetry: Any, **settings: Any) -> Gateway:
    upstreams = {
        "house": Upstream.handler(house),
        "failing": Upstream.asgi(failing),
        "breaking": Upstream.asgi(breaking),
    }
    return Gateway(upstreams, telemetry=telemetry, **settings)


async def ask(app: Any, model: str = "house", *, headers: Any = None, **body: Any) -> httpx.Response:
    """One Responses request of a client with a credential."""
    transport = httpx.ASGITransport(app, client=("10.1.2.3", 1), raise_app_exceptions=False)
    given = {"authorization": f"Bearer {SECRET}", **(headers or {})}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=given) as client:
        return await client.post("/v1/responses", json={"model": model, "input": WORDS, **body})


async def ask_chat(app: Any, **body: Any) -> httpx.Response:
    """One Chat request."""
    transport = httpx.ASGITransport(app, client=("10.1.2.3", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        messages = [{"role": "user", "content": WORDS}]
        return await client.post(
            "/v1/chat/completions", json={"model": "house", "messages": messages, **body}
        )


async def leave(telemetry: Sequence[Any]) -> None:
    """A client that leaves in the middle of a stream."""
    there = asyncio.Event()
    gone = asyncio.Event()

    async def waiting(request: dict[str, Any]) -> AsyncIterator[str]:
        yield "half"
        there.set()
        await asyncio.Event().wait()

    asked = [
        {"type": "http.request", "body": json.dumps({"model": "m", "input": WORDS, "stream": True}).encode()}
    ]

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        """Nobody reads it."""

    scope = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": [], "query_string": b""}
    task = asyncio.create_task(Gateway(Upstream.handler(waiting), telemetry=telemetry)(scope, receive, send))
    await until(there.is_set)
    gone.set()
    await task
