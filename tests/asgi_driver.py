"""Drives an ASGI app one message at a time, as a server would, and keeps what it sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import httpx_sse

from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send

SSE = (b"content-type", b"text/event-stream")
JSON_TYPE = (b"content-type", b"application/json")

Headers = Sequence[tuple[bytes, bytes]]


def http_scope(path: str = "/v1/responses", **changes: Any) -> Scope:
    """The scope of a POST as uvicorn makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"test"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "extensions": {},
        **changes,
    }


class Exchange:
    """One request: run it whole, or start it and look at it on its way."""

    def __init__(self, app: ASGIApp, scope: Scope, pieces: Sequence[bytes]) -> None:
        self.app = app
        self.scope = scope
        self.pieces = list(pieces)
        self.sent: list[Message] = []
        self.left = asyncio.Event()
        self.news = asyncio.Condition()
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> Exchange:
        await asyncio.wait_for(self.app(self.scope, self.receive, self.send), 20)
        return self

    def start(self) -> Exchange:
        self.task = asyncio.create_task(self._call())
        return self

    async def _call(self) -> None:
        await self.app(self.scope, self.receive, self.send)

    async def end(self) -> None:
        assert self.task is not None
        await asyncio.wait_for(self.task, 20)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that a sent message brings about."""
        async with asyncio.timeout(20), self.news:
            await self.news.wait_for(condition)

    async def receive(self) -> Message:
        if self.pieces:
            piece = self.pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        assert not self.is_complete, f"after the final body: {message}"
        assert (message["type"] == "http.response.start") == (not self.sent), message
        self.sent.append(message)
        if self.is_complete:
            self.left.set()  # what a server says to a receive after the response
        async with self.news:
            self.news.notify_all()

    @property
    def is_complete(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get(
            "more_body", self.sent[-1]["type"] != "http.response.body"
        )

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> httpx.Headers:
        return httpx.Headers(self.sent[0]["headers"])

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]

    @property
    def body(self) -> bytes:
        return b"".join(self.bodies)

    @property
    def json(self) -> Any:
        assert self.headers["content-length"] == str(len(self.body))
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        assert list(self.json) == ["error"]
        error: dict[str, Any] = self.json["error"]
        return error

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events as an independent reader sees them; `[DONE]` is left out."""
        response = httpx.Response(200, headers=self.headers, content=self.body)
        events = [event for event in httpx_sse.EventSource(response).iter_sse() if event.data != "[DONE]"]
        decoded = [json.loads(event.data) for event in events]
        assert [event.event for event in events] == [event["type"] for event in decoded]
        return decoded

    @property
    def types(self) -> list[str]:
        return [event["type"].removeprefix("response.") for event in self.events]

    @property
    def text(self) -> str:
        """The text of the deltas."""
        return "".join(
            event["delta"] for event in self.events if event["type"] == "response.output_text.delta"
        )


def post(
    app: ASGIApp,
    body: Any = None,
    *,
    stream: bool = False,
    path: str = "/v1/responses",
    headers: Headers = (),
    pieces: Sequence[bytes] | None = None,
    **changes: Any,
) -> Exchange:
    """A Responses request; `pieces` are the messages of its body, else `body` goes as one."""
    document = {"model": "m", "input": "Hi", **({"stream": True} if stream else {})} if body is None else body
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    scope = http_scope(path, **changes)
    scope["headers"] = [*scope["headers"], *headers]
    return Exchange(app, scope, [content] if pieces is None else pieces)


# Chat apps


def chunk(content: str | None = None, finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }


def data(value: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


DONE = data(b"[DONE]")
HELLO = [data(chunk("Hel")), data(chunk("lo")), data(chunk(finish_reason="stop")), DONE]


def completion(content: str = "Hello", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        **more,
    }


def playing(
    *pieces: bytes, status: int = 200, headers: Headers = (SSE,), seen: list[Any] | None = None
) -> ASGIApp:
    """An app that reads its request and answers with these pieces; `seen` gets scope and body."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        assert not message["more_body"]
        if seen is not None:
            seen.extend([scope, json.loads(message["body"])])
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    return app


def whole(document: Any, *, status: int = 200, headers: Headers = (JSON_TYPE,), **more: Any) -> ASGIApp:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return playing(content, status=status, headers=headers, **more)
