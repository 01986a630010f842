"""Responses apps for the tests of Chat clients, and the requests of these clients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import httpx_sse

from responses_asgi.testing.response_shapes.shape import called, response, said, thought, told
from responses_asgi.types.asgi import ASGIApp
from tests.asgi_driver import Exchange, Headers, playing, post, whole

JSON = dict[str, Any]

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Hi"}]


def event(document: JSON) -> bytes:
    """One event as OpenAI's server sends it, with its `event:` line."""
    return b"event: %b\ndata: %b\n\n" % (document["type"].encode(), json.dumps(document).encode())


def stream_of(*items: list[JSON], **fields: Any) -> list[bytes]:
    """The events of a whole stream around these items, one message each."""
    return [event(document) for document in told(*items, **fields) if isinstance(document, dict)]


def response_of(*items: list[JSON], **fields: Any) -> JSON:
    """The response that such a stream ends with."""
    last = told(*items, **fields)[-1]
    assert isinstance(last, dict)
    document: JSON = last["response"]
    return document


HELLO = stream_of(said(0, "Hel", "lo"))


def playing_response(*items: list[JSON], seen: list[Any] | None = None, **fields: Any) -> ASGIApp:
    """An app that streams a response of these items."""
    return playing(*stream_of(*items, **fields), seen=seen)


def whole_response(*items: list[JSON], seen: list[Any] | None = None, **fields: Any) -> ASGIApp:
    """An app that answers with a response of these items."""
    return whole(response_of(*items, **fields), seen=seen)


def ask_chat(
    app: ASGIApp, *, stream: bool = False, path: str = CHAT, headers: Headers = (), **body: Any
) -> Exchange:
    """A Chat request; `body` are further fields."""
    document = {"model": "m", "messages": MESSAGES, **({"stream": True} if stream else {}), **body}
    return post(app, document, path=path, headers=headers)


def chunks_of(exchange: Exchange) -> list[JSON]:
    """The chunks as an independent reader sees them; there are no event lines, `[DONE]` is left out."""
    answer = httpx.Response(200, headers=exchange.headers, content=exchange.body)
    events = list(httpx_sse.EventSource(answer).iter_sse())
    assert {event.event for event in events} <= {"message"}
    return [json.loads(event.data) for event in events if event.data != "[DONE]"]


def text_of(chunks: Sequence[JSON], field: str = "content", index: int = 0) -> str:
    """What the chunks of one choice add up to."""
    return "".join(
        choice["delta"].get(field) or ""
        for chunk in chunks
        for choice in chunk.get("choices", ())
        if choice["index"] == index
    )


__all__ = [
    "CHAT",
    "HELLO",
    "MESSAGES",
    "ask_chat",
    "called",
    "chunks_of",
    "event",
    "playing_response",
    "response",
    "response_of",
    "said",
    "stream_of",
    "text_of",
    "thought",
    "told",
    "whole_response",
]
