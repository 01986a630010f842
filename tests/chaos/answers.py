"""The answer that every case is about, in both APIs; its deltas are counted by the numbered words in them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

from responses_asgi.testing import FakeModel, Reasoning, Reply, ToolCall, assert_valid_chat_stream
from responses_asgi.testing import assert_valid_stream as assert_valid_responses_stream
from tests.loopback import ask

JSON = dict[str, Any]
API = Literal["chat", "responses"]

PATHS: dict[API, str] = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
ASKED: dict[API, JSON] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "responses": {"input": "Hi"},
}
CHECKS = {"chat": assert_valid_chat_stream, "responses": assert_valid_responses_stream}

WORDS = tuple(f"{kind}{n}" for kind, count in (("r", 2), ("w", 10), ("a", 3)) for n in range(count))
"""What is said, in this order: reasoning, text, and the arguments of a call. No word comes twice."""

_WORD = re.compile(r"[rwa]\d+")
_TIME = re.compile(rb"\b1[78]\d{8}\b")


def said(*kinds: str) -> str:
    return " ".join(word for word in WORDS if word.startswith(kinds))


def _made(api: API, *, stream: bool) -> tuple[bytes, ...]:
    call = ToolCall("find", {"x": said("a")}, "call_a")
    fake = FakeModel([Reply(Reasoning(said("r") + " "), said("w"), call)])
    body: JSON = {"model": "m", **ASKED[api], "stream": stream}
    if stream and api == "chat":
        body["stream_options"] = {"include_usage": True}
    text = _TIME.sub(b"1700000000", asyncio.run(ask(fake, PATHS[api], body)).body)
    if stream:
        return tuple(block + b"\n\n" for block in text.split(b"\n\n") if block)
    size = -(-len(text) // 8)
    return tuple(text[start : start + size] for start in range(0, len(text), size))


_ANSWERS = {(api, stream): _made(api, stream=stream) for api in PATHS for stream in (True, False)}


def answer(api: API, *, stream: bool) -> tuple[bytes, ...]:
    """The pieces of the right answer: the events of a stream, or a JSON document cut in eight."""
    return _ANSWERS[api, stream]


def words_in(api: API, document: JSON) -> list[str]:
    """The words of one event of a stream."""
    if api == "responses":
        return _found(document.get("delta")) if document.get("type", "").endswith(".delta") else []
    found: list[str] = []
    for choice in document.get("choices") or ():
        delta = choice["delta"]
        calls = [call["function"].get("arguments") for call in delta.get("tool_calls") or ()]
        found += _found(delta.get("reasoning_content"), delta.get("content"), *calls)
    return found


def words_of_events(api: API, events: list[JSON]) -> list[str]:
    return [word for event in events for word in words_in(api, event)]


def words_of_document(api: API, document: JSON) -> list[str]:
    """The words of an answer that is not streamed, in the order in which they were said."""
    if api == "chat":
        message = document["choices"][0]["message"]
        calls = [call["function"]["arguments"] for call in message.get("tool_calls") or ()]
        return _found(message.get("reasoning_content"), message.get("content"), *calls)
    return _found(*(text for item in document["output"] for text in _texts_of_item(item)))


def events_in(text: bytes) -> list[JSON]:
    """The documents of a stream; [DONE] and comments are left out."""
    datas = (
        line.removeprefix(b"data: ")
        for block in text.split(b"\n\n")
        for line in block.split(b"\n")
        if line.startswith(b"data: ")
    )
    return [json.loads(data) for data in datas if data != b"[DONE]"]


def _texts_of_item(item: JSON) -> Iterator[str]:
    for part in item.get("content") or ():
        yield part.get("text") or ""
    yield item.get("arguments") or ""


def _found(*texts: str | None) -> list[str]:
    return [word for text in texts for word in _WORD.findall(text or "")]
