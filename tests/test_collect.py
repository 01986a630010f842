"""collect(): whatever a client iterates over becomes the answer it tells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2
import pytest

import responses_asgi
from responses_asgi import Reasoning, ToolCall, Usage
from responses_asgi.testing import Collected, FakeModel, Refusal, collect
from responses_asgi.types.events import DONE, StreamEvent
from tests import test_chat_validator as chat
from tests import test_validator as responses

RESPONSES = responses.wire(responses.good()) + b"data: [DONE]\n\n"
CHAT = chat.wire(chat.good())
MESSAGES: Any = [{"role": "user", "content": "x"}]


def same(collected: Collected, expected: Collected) -> bool:
    return collected.answer == expected.answer and collected.api == expected.api


def test_a_responses_stream() -> None:
    collected = collect(RESPONSES)
    assert collected.api == "responses"
    assert collected.events == responses.good()
    assert collected.answer == responses.good()[-1]["response"]
    assert collected.text == "Hello"
    assert collected.reasoning == "hm"
    assert collected.refusal == "No."
    assert [(call.name, call.arguments) for call in collected.tool_calls] == [
        (call["name"], call.get("arguments", call.get("input")))
        for call in collected.answer["output"]
        if "call_id" in call
    ]
    assert len(collected.tool_calls) == 3
    assert collected.usage == responses.USAGE
    assert (collected.finish, collected.error) == ("completed", None)


def test_a_chat_stream() -> None:
    collected = collect(CHAT)
    assert collected.api == "chat"
    assert collected.events == chat.good()
    assert (collected.text, collected.reasoning, collected.refusal) == ("Hello", "hm", "")
    assert collected.tool_calls == [ToolCall("f", '{"a":1}', "call_1"), ToolCall("g", "free", "call_2")]
    assert (collected.finish, collected.usage, collected.error) == ("tool_calls", None, None)
    assert collect(chat.wire(chat.counted())).usage == chat.USAGE
    assert collect([{"choices": [{"delta": {"reasoning": "r", "refusal": "no"}}]}]).reasoning == "r"


def test_what_failed_and_what_broke_off() -> None:
    assert collect(responses.failed()).error == responses.ERROR
    assert collect(responses.failed()).finish == "failed"
    assert collect(responses.failed()[:-1]).error == responses.ERROR
    flat = {"type": "error", "message": "broke"}
    assert collect([flat]).error == flat
    assert collect(chat.failed()).error == chat.ERROR
    part = collect(RESPONSES[: RESPONSES.index(b'"delta": "lo"') - 5])
    assert (part.text, part.finish, part.usage) == ("Hel", "in_progress", None)
    nothing = collect(b"data: {broken\n\ndata: [1]\n\n")
    assert (nothing.events, nothing.answer, nothing.text, nothing.finish) == ([], {}, "", None)
    assert (nothing.tool_calls, nothing.error) == ([], None)
    assert (collect([flat]).text, collect([flat]).tool_calls) == ("", [])


@pytest.mark.parametrize("text", [RESPONSES, CHAT], ids=["responses", "chat"])
async def test_every_form_of_a_stream(text: bytes) -> None:
    whole = collect(text)
    events = [StreamEvent(event.get("type", ""), json.dumps(event).encode()) for event in whole.events]
    forms: list[Any] = [
        text.decode(),
        [text[:100], text[100:]],
        [text.decode()[:100], text.decode()[100:]],
        whole.events,
        [*events, StreamEvent("", DONE)],
        *(library.Response(200, content=text) for library in (httpx, httpx2)),
        *(library.Response(200, content=iter([text[:50], text[50:]])) for library in (httpx, httpx2)),
    ]
    for form in forms:
        assert same(collect(form), whole)

    async def pieces() -> AsyncIterator[bytes]:
        yield text[:50]
        yield text[50:]

    assert same(await collect(pieces()), whole)
    for library in (httpx, httpx2):
        assert same(await collect(library.Response(200, content=pieces())), whole)


async def test_the_streams_of_the_sdk() -> None:
    said = [Reasoning("hm"), "Hello", ToolCall("f", {"a": 1}, "call_1"), Usage(3, 2)]
    model = FakeModel([said] * 4)
    async with responses_asgi.client(model) as client:
        collected = [
            await collect(await client.responses.create(model="m", input="x", stream=True)),
            await collect(await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)),
        ]

    def ask() -> list[Collected]:
        with responses_asgi.sync_client(model) as client:
            return [
                collect(client.responses.create(model="m", input="x", stream=True)),
                collect(client.chat.completions.create(model="m", messages=MESSAGES, stream=True)),
            ]

    collected += await asyncio.to_thread(ask)
    assert [each.api for each in collected] == ["responses", "chat"] * 2
    for each in collected:
        assert (each.text, each.reasoning) == ("Hello", "hm")
        assert each.tool_calls == [ToolCall("f", '{"a":1}', "call_1")]


async def test_a_refusal_of_the_sdk() -> None:
    async with responses_asgi.client(FakeModel([Refusal("I will not.")] * 2)) as client:
        stream = await client.responses.create(model="m", input="x", stream=True)
        assert (await collect(stream)).refusal == "I will not."
        chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert (await collect(chunks)).refusal == "I will not."
