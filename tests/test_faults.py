"""Each fault reaches the OpenAI SDK as the documented exception, or a validator names the rule it breaks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import openai
import pytest

from responses_asgi import client
from responses_asgi.testing import (
    CRLF,
    Cut,
    DropIds,
    Edit,
    Error,
    ErrorEvent,
    FakeModel,
    Fault,
    Finish,
    InvalidStream,
    Malformed,
    ManualClock,
    NoFinish,
    Reasoning,
    RepeatFinish,
    Reply,
    ReuseIndex,
    Split,
    Stall,
    ToolCall,
    assert_valid_chat_stream,
    assert_valid_stream,
)
from tests.loopback import Got, ask, served

JSON = dict[str, Any]

SAID = [
    Reasoning("Where is it? "),
    "The fox left at dawn.",
    ToolCall("a", {"city": "Oslo"}, "call_a"),
    ToolCall("b", {"city": "Rome"}, "call_b"),
]
BODIES: dict[str, JSON] = {
    "chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "responses": {"model": "m", "input": "Hi"},
}
PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses"}
CHECKS: dict[str, Callable[[bytes], JSON]] = {
    "chat": assert_valid_chat_stream,
    "responses": assert_valid_stream,
}


async def answered(api: str, *faults: Fault, said: Any = SAID, stream: bool = True, **options: Any) -> Got:
    fake = FakeModel(Reply(*said, faults=faults), **options)
    return await ask(fake, PATHS[api], {**BODIES[api], "stream": stream})


async def read(api: str, fault: Fault, *, stream: bool) -> Any:
    """What the SDK makes of the answer; a stream is read to its end, and its events are returned."""
    async with client(FakeModel(Reply(*SAID, faults=fault)), max_retries=0) as sdk:
        create: Any = sdk.chat.completions.create if api == "chat" else sdk.responses.create
        answer = await create(**BODIES[api], stream=stream)
        return [event async for event in answer] if stream else answer


# Fault -> the exception of the SDK, or the rule that the validator names: on Chat, on Responses.
STREAMED: list[tuple[Fault, Any, Any]] = [
    (Cut(400), openai.APIConnectionError, openai.APIConnectionError),
    (Cut(0), openai.APIConnectionError, openai.APIConnectionError),
    (Cut(400, clean=True), "sse-form", "sse-form"),
    (ErrorEvent(3), openai.APIError, openai.APIError),
    (ErrorEvent(0), openai.APIError, openai.APIError),
    (Malformed(3), json.JSONDecodeError, json.JSONDecodeError),
    (NoFinish(), "unfinished", "no-terminal"),
    (NoFinish(marker=True), "unfinished", "no-terminal"),
    (RepeatFinish(), "after-finish", "after-terminal"),
    (ReuseIndex(), "tool-repeat", "output-index"),
    (DropIds(), "tool-start", "item-id"),
]


@pytest.mark.parametrize(
    ("fault", "api", "expected"),
    [(fault, api, expected[api]) for fault, chat, responses in STREAMED
     for api, expected in (("chat", {"chat": chat}), ("responses", {"responses": responses}))],
)  # fmt: skip
async def test_what_a_fault_of_a_stream_is_for_the_reader(fault: Fault, api: str, expected: Any) -> None:
    if isinstance(expected, str):
        assert (await read(api, fault, stream=True)) is not None
        with pytest.raises(InvalidStream) as caught:
            CHECKS[api]((await answered(api, fault)).body)
        assert caught.value.rule == expected
    else:
        with pytest.raises(expected):
            await read(api, fault, stream=True)


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("fault", [Split(), Split(7), CRLF(), Edit(lambda document, number: document)])
async def test_what_is_only_rare_is_read_as_ever(
    fault: Fault, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The two answers are compared byte by byte, and between them a second may end.
    monkeypatch.setattr("responses_asgi.testing.fake._now", lambda: 1_700_000_000)
    whole = (await answered(api)).body
    got = await answered(api, fault)
    assert got.body.replace(b"\r\n", b"\n") == whole
    assert CHECKS[api](got.body) == CHECKS[api](whole)
    assert len(await read(api, fault, stream=True)) == whole.count(b"\n\n") - (api == "chat")
    sizes = {len(piece) for piece in got.pieces}
    assert not isinstance(fault, Split) or max(sizes) == fault.size


WHOLE: list[tuple[Fault, Any]] = [
    (Cut(40), openai.APIConnectionError),
    (Cut(40, clean=True), json.JSONDecodeError),
    (Malformed(), json.JSONDecodeError),
]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(("fault", "expected"), WHOLE)
async def test_what_a_fault_of_a_whole_answer_is_for_the_reader(
    api: str, fault: Fault, expected: Any
) -> None:
    with pytest.raises(expected):
        await read(api, fault, stream=False)


async def test_whole_answers_that_are_wrong_are_read_as_they_are() -> None:
    assert (await read("chat", NoFinish(), stream=False)).choices[0].finish_reason is None
    assert (await read("responses", NoFinish(), stream=False)).status == "in_progress"
    assert (await read("chat", RepeatFinish(), stream=False)).choices[0].finish_reason == "tool_calls"
    calls = (await answered("chat", DropIds(), stream=False)).json()["choices"][0]["message"]["tool_calls"]
    assert [sorted(call) for call in calls] == [["function", "type"]] * 2
    items = (await answered("responses", DropIds(), stream=False)).json()["output"]
    assert not any({"id", "call_id"} & item.keys() for item in items)
    assert (await answered("chat", ErrorEvent(), stream=False)).json()["error"]["code"] == (
        "server_is_overloaded"
    )


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_a_cut_inside_an_answer(api: str) -> None:
    got = await answered(api, said=["The fox", Cut(), "left"])
    assert b"fox" in got.body
    assert not got.ended
    closed = await answered(api, said=["The fox", Cut(clean=True), "left"])
    assert closed.ended
    with pytest.raises(InvalidStream):
        CHECKS[api](closed.body)
    assert (await answered(api, said=[Cut()], stream=False)).pieces == []


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_a_stall_is_a_timeout_of_the_sdk(api: str) -> None:
    for fault in (Reply("fox", faults=Stall(at=2)), ["The", Stall(), " fox"]):
        async with client(FakeModel([fault]), max_retries=0, timeout=0.05) as sdk:
            create: Any = sdk.chat.completions.create if api == "chat" else sdk.responses.create
            with pytest.raises(openai.APITimeoutError):
                async for _ in await create(**BODIES[api], stream=True):
                    pass


async def test_an_error_event_after_the_end_never_comes() -> None:
    assert_valid_chat_stream((await answered("chat", ErrorEvent(99))).body)


async def test_a_stall_passes_by_the_clock() -> None:
    clock = ManualClock()
    got = await answered("chat", Stall(30, at=1), Split(100), clock=clock)
    assert clock.slept == [30]
    assert_valid_chat_stream(got.body)


async def test_a_rate_limit_is_waited_for_and_tried_again() -> None:
    fake = FakeModel([Error(429, retry_after=0.001), Error(503), "Hello."])
    async with client(fake, max_retries=2) as sdk:
        assert (await sdk.responses.create(model="m", input="Hi")).output_text == "Hello."
    assert len(fake.requests) == 3
    assert fake.requests[2].headers["x-stainless-retry-count"] == "2"


async def hear(stream: Any, said: list[str]) -> None:
    """Read a stream; the text before it broke off is in the list."""
    async for event in stream:
        said[0] += event.delta if event.type == TEXT else ""


async def test_a_failure_in_the_middle_of_a_stream() -> None:
    said = [""]
    async with client(FakeModel([["The fox", Error(503, "overloaded")]])) as sdk:
        stream = await sdk.responses.create(model="m", input="Hi", stream=True)
        with pytest.raises(openai.APIError, match="overloaded"):
            await hear(stream, said)
    assert said == ["The fox"]


@pytest.mark.parametrize("fault", [Cut(300), Cut(0)])
async def test_a_cut_on_a_port_is_a_broken_connection(fault: Fault) -> None:
    fake = FakeModel(Reply("The fox left.", faults=fault))
    async with served(fake) as base, httpx.AsyncClient(base_url=base) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post(PATHS["chat"], json={**BODIES["chat"], "stream": True})


async def test_faults_of_your_own_and_several_in_order() -> None:
    class Shout(Fault):
        async def body(self, body: AsyncGenerator[bytes], clock: Any) -> AsyncGenerator[bytes]:
            async for message in body:
                yield message.replace(b"fox", b"FOX")

    got = await answered("chat", Shout(), Cut(10_000), said=["The fox"])
    assert b"FOX" in got.body
    twice = Edit(lambda document, number: [document, document] if number == 1 else None)
    assert (await answered("chat", twice)).body.count(b"data: {") == 2
    assert b"[DONE]" in (await answered("chat", twice)).body


# ------------------------------------------------------------------ the stream rules, broken one by one


def at(kind: str, change: Callable[[JSON], Any], number: int = 0) -> Edit:
    """Change the event of this type that comes as this number; None drops it."""
    seen = -1

    def edit(document: JSON, position: int) -> Any:
        nonlocal seen
        if document.get("type") != kind:
            return document
        seen += 1
        return change(document) if seen == number else document

    return Edit(edit)


def twice(document: JSON) -> list[JSON]:
    return [document, document]


def gone(document: JSON) -> None:
    return None


def put(**values: Any) -> Callable[[JSON], JSON]:
    return lambda document: {**document, **values}


def inside(name: str, **values: Any) -> Callable[[JSON], JSON]:
    return lambda document: {**document, name: {**document[name], **values}}


def delta(**values: Any) -> Callable[[JSON, int], JSON]:
    """Change the delta of a Chat chunk that has text."""

    def edit(document: JSON, number: int) -> JSON:
        for choice in document.get("choices") or ():
            if choice["delta"].get("content"):
                choice["delta"].update(values)
        return document

    return edit


def call(**values: Any) -> Callable[[JSON, int], JSON]:
    """Change every fragment of a tool call."""

    def edit(document: JSON, number: int) -> JSON:
        for choice in document.get("choices") or ():
            for fragment in choice["delta"].get("tool_calls") or ():
                fragment.update(values)
        return document

    return edit


class AfterDone(Fault):
    """[DONE] follows an error."""

    async def body(self, body: AsyncGenerator[bytes], clock: Any) -> AsyncGenerator[bytes]:
        async for message in body:
            yield message
        yield b"data: [DONE]\n\n"


class NoBlankLines(Fault):
    async def body(self, body: AsyncGenerator[bytes], clock: Any) -> AsyncGenerator[bytes]:
        async for message in body:
            yield message[:-1]


ADDED, DONE = "response.output_item.added", "response.output_item.done"
REASONED = "response.reasoning_text.delta"
TEXT, COMPLETED = "response.output_text.delta", "response.completed"
USAGE = {"input_tokens": 1, "output_tokens": 1}

# Number of the rule (by subject) -> api, mutation, the rule that the validator names.
MUTATIONS: dict[str, list[tuple[str, Fault, str]]] = {
    "1 lifecycle": [
        ("responses", at("response.created", gone), "sequence-number"),
        ("responses", at("response.in_progress", put(type="response.created")), "event-name"),
        ("responses", at(COMPLETED, twice), "after-terminal"),
        ("responses", at(COMPLETED, gone), "no-terminal"),
        ("responses", at(TEXT, put(sequence_number=99)), "sequence-number"),
        ("chat", NoFinish(), "unfinished"),
        ("chat", RepeatFinish(), "after-finish"),
    ],
    "2 items": [
        ("responses", at(ADDED, put(output_index=1)), "output-index"),
        ("responses", at(DONE, gone, number=1), "sequence-number"),
        ("responses", at("response.content_part.added", put(content_index=1)), "part-index"),
        ("responses", ReuseIndex(), "output-index"),
    ],
    "3 ids": [
        ("responses", at(TEXT, put(item_id="msg_other")), "item-id"),
        ("responses", at(DONE, inside("item", id="rs_other")), "item-id"),
        ("responses", at(COMPLETED, inside("response", id="resp_other")), "response-id"),
        ("responses", DropIds(), "item-id"),
        ("chat", Edit(lambda document, number: {**document, "id": f"c{number}"}), "chunk-id"),
    ],
    "4 output and usage": [
        ("responses", at("response.output_text.done", put(text="else")), "text"),
        ("responses", at(COMPLETED, inside("response", output=[])), "terminal-output"),
        ("responses", at(COMPLETED, inside("response", usage=USAGE)), "usage"),
        ("chat", Edit(lambda document, number: {**document, "usage": 3}), "usage-key"),
    ],
    "5 why it ends": [
        ("responses", at(COMPLETED, inside("response", status="incomplete")), "status"),
        ("responses", NoFinish(), "no-terminal"),
        ("chat", NoFinish(marker=True), "unfinished"),
    ],
    "6 errors": [
        ("responses", ErrorEvent(3), "no-terminal"),
        ("responses", at(COMPLETED, inside("response", error={"code": "x", "message": "y"})), "error-field"),
        ("chat", Edit(lambda document, number: {"error": "no"} if number == 3 else document), "error"),
    ],
    "7 tool calls": [
        ("responses", at("response.function_call_arguments.done", put(arguments="{}")), "arguments"),
        ("responses", at(ADDED, inside("item", call_id=""), number=2), "call-id"),
        ("chat", ReuseIndex(), "tool-repeat"),
        ("chat", DropIds(), "tool-start"),
        ("chat", Edit(call(id="call_x")), "tool-repeat"),
        ("chat", Edit(call(index=5)), "tool-index"),
    ],
    "8 reasoning": [
        ("responses", at(REASONED, put(type="response.reasoning.delta")), "event-name"),
        ("responses", at("response.reasoning_text.done", put(text="")), "text"),
        ("chat", Edit(delta(reasoning="again")), "reasoning-field"),
    ],
    "9 framing": [
        ("responses", NoBlankLines(), "sse-form"),
        ("chat", NoBlankLines(), "sse-form"),
        ("responses", Cut(400, clean=True), "sse-form"),
        ("responses", Malformed(2), "json"),
        ("chat", Malformed(2), "json"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "number"), [(rule, number) for rule, each in MUTATIONS.items() for number in range(len(each))]
)
async def test_a_validator_names_the_stream_rule_that_is_broken(rule: str, number: int) -> None:
    api, fault, broken = MUTATIONS[rule][number]
    CHECKS[api]((await answered(api)).body)
    with pytest.raises(InvalidStream) as caught:
        CHECKS[api]((await answered(api, fault)).body)
    assert caught.value.rule == broken


@pytest.mark.parametrize(
    ("reason", "wrong", "rule"),
    [("length", "completed", "event-name"), ("content_filter", "failed", "event-name")],
)
async def test_an_incomplete_answer_cannot_pass_as_another(reason: Any, wrong: str, rule: str) -> None:
    fault = at("response.incomplete", put(type=f"response.{wrong}"))
    with pytest.raises(InvalidStream) as caught:
        assert_valid_stream((await answered("responses", fault, said=["Hi", Finish(reason)])).body)
    assert caught.value.rule == rule


async def test_a_failed_answer_says_so_once_and_at_the_end() -> None:
    said = ["The fox", Error(503)]
    for fault, rule in (
        (at("error", gone), "sequence-number"),
        (at("response.failed", gone), "no-terminal"),
        (at("error", put(message="something else")), "error-event"),
    ):
        with pytest.raises(InvalidStream) as caught:
            assert_valid_stream((await answered("responses", fault, said=said)).body)
        assert caught.value.rule == rule
    with pytest.raises(InvalidStream) as caught:
        assert_valid_chat_stream((await answered("chat", AfterDone(), said=said)).body)
    assert caught.value.rule == "done-marker"


async def test_the_model_stops_when_the_client_has_left() -> None:
    closed = asyncio.Event()

    async def endless(request: Any) -> AsyncGenerator[str]:
        try:
            while True:
                yield "on and on "
                await asyncio.sleep(0)
        finally:
            closed.set()

    async with client(FakeModel(endless)) as sdk:
        async with await sdk.responses.create(model="m", input="Hi", stream=True) as stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    break
        async with asyncio.timeout(5):
            await closed.wait()
