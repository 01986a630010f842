"""The ASGI apps whose cost is measured, and those that they are compared with.

`APPS` names them. Each is made for an answer: an app in the same process that says it (`House`), or a
bridge to the URL of an upstream that does.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from benchmarks.answers import Answer
from responses_asgi import ChatCompletionsMiddleware, Gateway, ResponsesMiddleware, Upstream
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["APPS", "KEY", "Bare", "House", "Make", "PassThrough", "Relay"]

KEY = "sk-of-the-benchmarks"
"""The credential that clients show."""

Make = Callable[[Answer, str], ASGIApp]
"""`(answer, url) -> app`."""


class House:
    """An app of the user's that says an answer, and makes each of its events when it is to be sent.

    It is one of Starlette, as FastAPI's are, and so is what it costs: JSON of the standard library, and a
    `StreamingResponse` over a generator.
    """

    def __init__(self, answer: Answer) -> None:
        events = [_decoded(event) for events in answer.writes for event in events]

        async def say() -> AsyncIterator[str]:
            for name, document in events:
                text = document if isinstance(document, str) else json.dumps(document)
                yield f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n"
                if answer.pause:
                    await asyncio.sleep(answer.pause)

        async def create(request: Request) -> Response:
            await request.json()
            if not answer.streamed:
                return JSONResponse(events[0][1])
            return StreamingResponse(say(), media_type="text/event-stream")

        path = "/v1/chat/completions" if answer.api == "chat" else "/v1/responses"
        self._app = Starlette(routes=[Route(path, create, methods=["POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _decoded(event: bytes) -> tuple[str, Any]:
    """The name of an event, if it has one, and its JSON document, or `[DONE]`; or those of a whole answer."""
    head, found, data = event.rpartition(b"data: ")
    if not found:
        return "", json.loads(event)
    text = data.decode().strip()
    name = head.decode().removeprefix("event: ").strip()
    return name, text if text == "[DONE]" else json.loads(text)


class Bare:
    """The cheapest app there can be: says an answer in bytes made beforehand, a message for each write."""

    def __init__(self, answer: Answer) -> None:
        self._pieces = [b"".join(events) for events in answer.writes]
        self._pause = answer.pause
        headers = [(b"content-type", answer.content_type.encode())]
        self._start = {"type": "http.response.start", "status": 200, "headers": headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send(self._start)
        for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            if self._pause:
                await asyncio.sleep(self._pause)
        await send({"type": "http.response.body", "body": b""})


class PassThrough:
    """The least that a middleware can do: wrap `send`, look at each message, and pass it on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._app(scope, receive, sent)


class Relay:
    """The least that a bridge over httpx can do: the request's body out, the answer's bytes back."""

    def __init__(self, url: str) -> None:
        self._url = url
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._client = httpx.AsyncClient(limits=limits, timeout=60)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message["more_body"]
        url = self._url + scope["path"].removeprefix("/v1")
        kept = [(name, value) for name, value in scope["headers"] if name in (b"authorization", b"accept")]
        headers = [*kept, (b"content-type", b"application/json")]
        request = self._client.build_request(scope["method"], url, headers=headers, content=body)
        response = await self._client.send(request, stream=True)
        told = [(b"content-type", response.headers["content-type"].encode())]
        await send({"type": "http.response.start", "status": response.status_code, "headers": told})
        async for piece in response.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await response.aclose()
        await send({"type": "http.response.body", "body": b""})


def _stored_elsewhere(answer: Answer, url: str) -> ASGIApp:
    return ResponsesMiddleware(Upstream.http(url), store=os.environ["BENCHMARK_STORE"])


def _guarded(answer: Answer, url: str) -> ASGIApp:
    """A gateway whose clients have keys and limits."""
    from responses_asgi import KeyAuth, Limit, RateLimits

    return Gateway(
        Upstream.http(url),
        auth=KeyAuth(mode="static", tokens=[KEY]),
        rate_limits=RateLimits({"*": Limit(requests=1_000_000, tokens=10**12, concurrent=10_000)}),
    )


APPS: dict[str, Make] = {
    "pass-through": lambda answer, url: PassThrough(House(answer)),
    "middleware": lambda answer, url: ResponsesMiddleware(House(answer), store=None),
    "chat-middleware": lambda answer, url: ChatCompletionsMiddleware(House(answer)),
    "bare-pass-through": lambda answer, url: PassThrough(Bare(answer)),
    "bare-middleware": lambda answer, url: ResponsesMiddleware(Bare(answer), store=None),
    "relay": lambda answer, url: Relay(url),
    "bridge": lambda answer, url: ResponsesMiddleware(Upstream.http(url), store=None),
    "chat-bridge": lambda answer, url: ChatCompletionsMiddleware(Upstream.http(url, api="responses")),
    "gateway": lambda answer, url: Gateway(Upstream.http(url)),
    "guarded-gateway": _guarded,
    "stored": _stored_elsewhere,
}
