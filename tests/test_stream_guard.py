"""StreamGuard: what it lets pass, what it names, what it repairs, and that it holds nothing back."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

import responses_asgi
from responses_asgi.testing import (
    CHAT_RULES,
    RULES,
    FakeModel,
    InvalidStream,
    StreamGuard,
    assert_valid_chat_stream,
    assert_valid_stream,
)
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from tests import test_chat_validator as chat
from tests import test_validator as responses
from tests.asgi_driver import SSE, Exchange, data, playing, post
from tests.examples import examples
from tests.recordings import COUNTS, FOLDER, MISSING, Replay, recordings

JSON = dict[str, Any]

PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions"}
CHECKS: dict[str, Callable[..., JSON]] = {"responses": assert_valid_stream, "chat": assert_valid_chat_stream}


class Guarded:
    """An answer that passed a guard, with what the guard had to say."""

    def __init__(self, exchange: Exchange, broken: list[InvalidStream]) -> None:
        self.exchange = exchange
        self.broken = broken

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.exchange.sent[1:])


async def guard(
    app: ASGIApp, api: str = "responses", *, path: str = "", usage: bool | None = None, **options: Any
) -> Guarded:
    broken: list[InvalidStream] = []
    options.setdefault("on_broken", lambda error, scope: broken.append(error))
    body = {} if usage is None else {"stream_options": {"include_usage": usage}}
    exchange = post(StreamGuard(app, **options), body, path=path or PATHS[api])
    return Guarded(await exchange.run(), broken)


def cut(text: bytes, size: int = 9) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def wires(module: Any) -> list[Any]:
    """The cases of a validator's tests that have a form on the wire: rule, bytes, whether usage is asked."""
    found = []
    for number, (rule, make, change) in enumerate(module.CASES):
        changed = make()
        returned = change(changed)
        changed = changed if returned is None else returned
        if not isinstance(changed, bytes):
            try:
                changed = module.wire(changed)
            except (KeyError, TypeError):
                continue
        # The validator is not told whether usage was asked for: the first chunk tells.
        usage = b'"usage"' in changed.partition(b"\n\n")[0]
        found.append(pytest.param(rule, changed, usage, id=f"{rule}-{number}"))
    return found


WIRES = {"responses": wires(responses), "chat": wires(chat)}
EVERY = [
    pytest.param(api, *case.values, id=f"{api}-{case.id}") for api, cases in WIRES.items() for case in cases
]

# What no repair can know. The rest of the rules are kept by every repaired stream of these cases.
NOT_REPAIRED = {
    "responses": {
        "shape",
        "json",
        "incomplete-details",
        "item-unannounced",
        "item-order",
        "item-identity",
        "item-status",
        "call-id",
        "phantom-item",
        "after-incomplete",
        "part-type",
    },
    "chat": {
        "shape",
        "json",
        "choice-index",
        "text",
        "annotations",
        "logprobs",
        "finish-reason",
        "after-finish",
        "tool-start",
        "arguments",
        "function-call",
    },
}


# --- naming what is broken


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_legal_streams_pass_byte_for_byte_and_message_for_message(api: str) -> None:
    text = responses.wire(responses.good()) if api == "responses" else chat.wire(chat.good())
    pieces = [b": hello\n\n", *cut(text)]
    for repair in (False, True):
        guarded = await guard(playing(*pieces), api, usage=False, repair=repair, on_broken="raise")
        if not repair:
            assert guarded.exchange.bodies == [*pieces, b""]
        else:
            assert guarded.body.startswith(b": hello\n\n")
            given, got = CHECKS[api](text), CHECKS[api](guarded.body)
            assert got == given


@pytest.mark.parametrize(("api", "rule", "text", "usage"), EVERY)
async def test_the_broken_rule_is_named_with_its_event(api: str, rule: str, text: bytes, usage: bool) -> None:
    with pytest.raises(InvalidStream) as caught:
        CHECKS[api](text)
    guarded = await guard(playing(*cut(text)), api, usage=usage)
    assert guarded.body == text
    (broken,) = guarded.broken
    assert broken.rule == caught.value.rule == rule
    if rule != "utf-8":  # a whole text is decoded before its first event is counted
        assert str(broken) == str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_line_ends_may_be_cut_anywhere(api: str, size: int) -> None:
    module: Any = responses if api == "responses" else chat
    text = module.wire(module.good(), newline="\r\n")
    guarded = await guard(playing(*cut(text, size)), api, usage=False, on_broken="raise")
    assert guarded.body == text
    repaired = await guard(playing(*cut(text, size)), api, usage=False, repair=True, on_broken="raise")
    assert CHECKS[api](repaired.body) == CHECKS[api](text)


async def test_a_broken_stream_is_ended_where_it_breaks() -> None:
    events = responses.good()
    blocks = [responses.wire([event]) for event in events]
    blocks[4] = blocks[4].replace(b'"sequence_number": 4', b'"sequence_number": 7')
    exchange = post(StreamGuard(playing(*blocks)))
    with pytest.raises(InvalidStream, match=r"^sequence-number: event 4 .*got 7, expected 4"):
        await exchange.run()
    assert exchange.bodies == blocks[:4]


async def test_an_app_cannot_swallow_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        for _ in range(2):
            with pytest.raises(InvalidStream):
                await send({"type": "http.response.body", "body": b"x\n\n", "more_body": True})

    exchange = post(StreamGuard(app))
    with pytest.raises(InvalidStream, match="sse-form"):
        await exchange.run()
    assert len(exchange.sent) == 1


async def test_a_warning_names_the_request_too(caplog: pytest.LogCaptureFixture) -> None:
    guarded = await guard(playing(data({"type": "x"})), on_broken="log")
    assert guarded.body == data({"type": "x"})
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("POST /v1/responses: the stream is not legal: sse-form: ")


async def test_the_request_tells_whether_usage_was_asked_for() -> None:
    counted, plain = chat.wire(chat.counted()), chat.wire(chat.text())
    assert not (await guard(playing(counted), "chat", usage=True)).broken
    assert not (await guard(playing(plain), "chat", usage=False)).broken
    assert [error.rule for error in (await guard(playing(counted), "chat", usage=False)).broken] == [
        "usage-key"
    ]
    assert [error.rule for error in (await guard(playing(plain), "chat", usage=True)).broken] == ["usage-key"]
    for body in (b"no JSON", b"[]", b'{"stream_options": 1}'):
        exchange = post(StreamGuard(_reading(counted)), body, path=PATHS["chat"])
        await exchange.run()
        assert exchange.body == counted


def _reading(text: bytes) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": text})

    return app


async def test_a_huge_request_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responses_asgi.testing.guard.MAX_REQUEST_BYTES", 10)
    counted = chat.wire(chat.counted())
    body = {"stream_options": {"include_usage": False}}
    exchange = post(StreamGuard(_reading(counted)), body, path=PATHS["chat"])
    await exchange.run()
    assert exchange.body == counted


async def test_open_responses_is_checked_by_its_own_rules() -> None:
    text = responses.wire(responses.good())
    named = await guard(playing(text), dialect="openresponses")
    assert [error.rule for error in named.broken] == ["dialect"]
    repaired = await guard(playing(text), dialect="openresponses", repair=True)
    assert not repaired.broken
    assert_valid_stream(repaired.body, dialect="openresponses")


# --- what is none of ours


OTHERS: list[tuple[str, list[bytes]]] = [
    ("another JSON", [data({"n": 1}), data({"n": 2})]),
    ("no JSON", [b": hi\n\n", b"data: tick\n\n", b"data: tock"]),
    ("a list", [b": hi\n\nda", b"ta: [1]\n\n"]),
    ("only comments", [b": hi\n", b"\n: ho\n\n"]),
    ("half an event", [b": hi\n\n", b"data: {"]),
    ("nothing", []),
]


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("pieces", [row[1] for row in OTHERS], ids=[row[0] for row in OTHERS])
async def test_other_streams_pass_untouched(pieces: list[bytes], repair: bool) -> None:
    guarded = await guard(playing(*pieces), path="/events", repair=repair, on_broken="raise")
    assert guarded.body == b"".join(pieces)


@pytest.mark.parametrize("repair", [False, True])
async def test_other_answers_pass_untouched(repair: bool) -> None:
    for headers in ([(b"content-type", b"application/json")], [SSE, (b"content-encoding", b"gzip")], []):
        guarded = await guard(playing(b"\xff\n\n", headers=headers), repair=repair, on_broken="raise")
        assert guarded.exchange.sent[0]["headers"] == headers
        assert guarded.exchange.sent[1:] == [
            {"type": "http.response.body", "body": b"\xff\n\n", "more_body": True},
            {"type": "http.response.body"},
        ]


async def test_lifespan_and_websockets_are_the_apps() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope["type"], receive, send))

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        pass

    for kind in ("lifespan", "websocket"):
        await StreamGuard(app)({"type": kind}, receive, send)
    assert seen == [("lifespan", receive, send), ("websocket", receive, send)]


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("repair", [False, True])
async def test_on_other_paths_the_first_event_tells_the_api(api: str, repair: bool) -> None:
    text = responses.wire(responses.good()) if api == "responses" else chat.wire(chat.good())
    broken = text.replace(b'"sequence_number": 5', b'"sequence_number": 6').replace(
        b'"index": 1', b'"index": 5'
    )
    guarded = await guard(playing(b": hi\n", b"\n", *cut(broken)), path="/stream", usage=False, repair=repair)
    if repair:
        assert not guarded.broken
        assert guarded.body.startswith(b": hi\n\n")
        CHECKS[api](guarded.body)
    else:
        assert [error.rule in (RULES if api == "responses" else CHAT_RULES) for error in guarded.broken] == [
            True
        ]


# --- repairing


@pytest.mark.parametrize(("api", "rule", "text", "usage"), EVERY)
async def test_what_can_be_repaired_is_legal_and_the_rest_is_named(
    api: str, rule: str, text: bytes, usage: bool, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = await guard(playing(*cut(text)), api, usage=usage, repair=True)
    if rule != "utf-8":  # its bytes are replaced
        assert f"the stream was repaired: {rule}: " in caplog.text
    if guarded.broken:
        [broken] = guarded.broken
        # What a shell is told is never guessed at.
        shell = "shell_call_command" in str(broken) or "action.commands" in str(broken)
        assert shell or broken.rule in NOT_REPAIRED[api]
    else:
        CHECKS[api](guarded.body)


def test_most_rules_can_be_repaired() -> None:
    assert len(RULES.keys() - NOT_REPAIRED["responses"]) > 25
    assert len(CHAT_RULES.keys() - NOT_REPAIRED["chat"]) > 15


async def test_an_unrepairable_stream_is_raised_or_passes() -> None:
    text = responses.wire(responses.empty_message())
    exchange = post(StreamGuard(playing(text), repair=True))
    with pytest.raises(InvalidStream, match="phantom-item"):
        await exchange.run()
    passed = await guard(playing(text), repair=True, on_broken="log")
    types = [event["type"] for event in responses.empty_message()]
    assert [json.loads(line[6:])["type"] for line in passed.body.splitlines()[1::3]] == types


async def test_ids_and_numbers_are_put_right() -> None:
    events = [deepcopy(event) for event in responses.good()]
    for event in events:
        event.pop("sequence_number")
        if "item_id" in event:
            event["item_id"] = "rotated"
    guarded = await guard(playing(*(responses.wire([event]) for event in events)), repair=True)
    assert not guarded.broken
    assert assert_valid_stream(guarded.body) == responses.good()[-1]["response"]


async def test_an_item_told_only_at_its_end_is_told_whole() -> None:
    events = responses.good()
    final = events[-1]["response"]
    ends = [event for event in events if event["type"] == "response.output_item.done"]
    for told in ([events[0], *ends, events[-1]], [events[-1]], [events[0], events[-1]]):
        guarded = await guard(playing(*(responses.wire([event]) for event in told)), repair=True)
        assert not guarded.broken, guarded.broken
        response = assert_valid_stream(guarded.body)
        assert [item["type"] for item in response["output"]] == [item["type"] for item in final["output"]]
        assert response["output"][1]["content"][0]["text"] == final["output"][1]["content"][0]["text"]


@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_a_stream_that_is_cut_off_ends_as_a_failure(api: str) -> None:
    text = responses.wire(responses.good()) if api == "responses" else chat.wire(chat.good())
    for end in range(0, len(text) - 20, 97):
        guarded = await guard(playing(*cut(text[:end], 50)), api, usage=False, repair=True)
        assert not guarded.broken, guarded.broken
        answer = CHECKS[api](guarded.body)
        assert "ended before the answer did" in answer["error"]["message"]


@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("how", ["raises", "returns"])
async def test_a_stream_that_the_app_leaves_open_is_ended(api: str, how: str) -> None:
    text = (
        responses.wire(responses.good()[:8]) if api == "responses" else chat.wire(chat.good()[:3], done=False)
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": text, "more_body": True})
        if how == "raises":
            raise LookupError("a bug")

    for path in (PATHS[api], "/stream"):
        exchange = post(StreamGuard(app, repair=True), {}, path=path)
        if how == "raises":
            with pytest.raises(LookupError):
                await exchange.run()
        else:
            await exchange.run()
        assert exchange.is_complete
        CHECKS[api](exchange.body)
    plain = post(StreamGuard(app), {}, path=PATHS[api])
    if how == "returns":
        assert not (await plain.run()).is_complete


async def test_an_event_that_never_ends_is_given_back_when_the_app_leaves_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": b'data: {"n', "more_body": True})

    exchange = await post(StreamGuard(app, repair=True), path="/stream").run()
    assert exchange.body == b'data: {"n'


async def test_events_without_data_say_nothing() -> None:
    text = chat.wire(chat.text())
    guarded = await guard(playing(b"event: ping\n\n", text), "chat", usage=False, repair=True)
    assert not guarded.broken
    assert assert_valid_chat_stream(guarded.body) == assert_valid_chat_stream(text)


async def test_a_content_length_does_not_outlive_a_repair() -> None:
    text = chat.wire(chat.good())
    headers = [SSE, (b"content-length", str(len(text)).encode())]
    repaired = await guard(playing(text, headers=headers), "chat", usage=False, repair=True)
    assert repaired.exchange.sent[0]["headers"] == [SSE]
    passed = await guard(playing(text, headers=headers), "chat", usage=False)
    assert passed.exchange.sent[0]["headers"] == headers


PROVIDERS_CHUNKS: list[tuple[str, list[JSON], JSON]] = [
    (
        "calls without index, id and type, whole in the message, and stop",
        [{"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": {}}}]}}]}],
        {},
    ),
    (
        "a custom call in pieces under one index with another id",
        [
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "custom": {"name": "f"}}]}}]},
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "custom": {"input": "x", "name": "f"}}]}}]},
            {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "b", "custom": {"name": "g"}}]}}]},
        ],
        {"calls": 2},
    ),
    (
        "reasoning in two fields and a legacy call",
        [
            {"choices": [{"delta": {"reasoning": "a", "reasoning_content": "a"}}]},
            {"choices": [{"delta": {"reasoning": "b"}}]},
            {"choices": [{"delta": {"function_call": {"name": "f"}}}]},
            {
                "choices": [
                    {"delta": {"function_call": {"name": "f", "arguments": "{}"}}, "finish_reason": "stop"}
                ]
            },
        ],
        {"reasoning_content": "ab", "finish": "function_call"},
    ),
    (
        "another name of an ending, in capitals, with text",
        [{"choices": [{"delta": {"content": "x"}, "finish_reason": "MAX_TOKENS"}]}],
        {"finish": "length"},
    ),
    (
        "usage on every chunk",
        [{"choices": [{"delta": {"content": "x"}}], "usage": {"prompt_tokens": 1}}] * 2,
        {},
    ),
    ("an empty answer", [{"choices": [{"delta": {}, "finish_reason": "stop"}]}], {"finish": "stop"}),
]


@pytest.mark.parametrize(
    ("chunks", "expected"), [row[1:] for row in PROVIDERS_CHUNKS], ids=[row[0] for row in PROVIDERS_CHUNKS]
)
@pytest.mark.parametrize("usage", [None, False, True])
async def test_chunks_as_other_servers_send_them(
    chunks: list[JSON], expected: JSON, usage: bool | None
) -> None:
    chunks = deepcopy(chunks)
    for call in chunks[0]["choices"][0].get("message", {}).get("tool_calls", ()):
        call["function"]["arguments"] = "{}"
    text = b"".join(map(data, chunks)) + b'data: "[DONE]"\r\n\r\n'
    guarded = await guard(playing(text), "chat", usage=usage, repair=True)
    assert not guarded.broken, guarded.broken
    completion = assert_valid_chat_stream(guarded.body, usage=usage)
    choice = completion["choices"][0]
    for name, value in expected.items():
        found = {"calls": len(choice["message"].get("tool_calls", ())), "finish": choice["finish_reason"]}
        assert (found | choice["message"])[name] == value


async def test_errors_inside_a_stream_take_their_legal_form() -> None:
    begun = responses.wire(responses.good()[:2])
    for text, message in (
        (begun + b'event: error\ndata: {"message": "it broke", "code": "x"}\n\n', "it broke"),
        (begun + data({"type": "error", "message": "it broke", "code": "x"}), "it broke"),
        (
            begun + data({"type": "response.failed", "response": {"error": {"message": "it broke"}}}),
            "it broke",
        ),
        (begun + data({"type": "response.failed"}), "failed without a message"),
    ):
        guarded = await guard(playing(text), repair=True)
        assert not guarded.broken
        assert message in assert_valid_stream(guarded.body)["error"]["message"]
    for text in (
        data({"error": "it broke"}),
        data({"choices": [{"index": 0, "error": {"message": "it broke"}}]}),
        b'event: error\ndata: {"message": "it broke"}\n\n',
        data({"error": {"message": "it broke"}}) + b"data: [DONE]\n\n" + data({"choices": []}),
    ):
        guarded = await guard(playing(text), "chat", repair=True)
        assert not guarded.broken
        assert assert_valid_chat_stream(guarded.body)["error"]["message"] == "it broke"


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(place for key, entry in entries for place in places(entry, (*path, key)))]


# As text, so that no two places share a value.
VALUES = [*map(json.dumps, (None, True, 0, -1, 2, math.pi, "", "x", [], [[]], [1], ["x"], {}, {"a": {}}))]


@examples(300)
@given(data=st.data())
@pytest.mark.parametrize("api", ["responses", "chat"])
def test_no_value_of_another_type_is_too_much_for_a_repair(api: str, data: st.DataObject) -> None:
    module: Any = responses if api == "responses" else chat
    events = json.loads(json.dumps(data.draw(st.sampled_from([module.good(), module.failed()]))))
    for _ in range(data.draw(st.integers(1, 3))):
        event = data.draw(st.sampled_from(events))
        *path, last = data.draw(st.sampled_from([place for place in places(event) if place]))
        home = event
        for key in path:
            home = home[key]
        home[last] = json.loads(data.draw(st.sampled_from(VALUES)))
    text = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    guarded = asyncio.run(guard(playing(text), api, repair=True))
    if not guarded.broken:
        CHECKS[api](guarded.body)


# --- nothing is held back


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_each_event_arrives_when_it_is_said(api: str, repair: bool) -> None:
    may_say = asyncio.Semaphore(0)
    module: Any = responses if api == "responses" else chat
    blocks = [module.wire([event]) for event in responses.good()] if api == "responses" else []
    blocks = blocks or [chat.wire([chunk], done=False) for chunk in chat.good()]
    blocks.insert(3, b": keep-alive\n\n")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        for block in blocks:
            await may_say.acquire()
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if api == "responses" else b"data: [DONE]\n\n"})

    body = {"stream_options": {"include_usage": False}}
    exchange = post(StreamGuard(app, repair=repair), body, path=PATHS[api]).start()
    for number, _ in enumerate(blocks, 1):
        may_say.release()
        await exchange.until(lambda number=number: len(exchange.sent) > number)
    await exchange.end()


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
@pytest.mark.parametrize("api", ["responses", "chat"])
async def test_every_recorded_stream_passes_as_it_is_and_can_be_repaired(api: str) -> None:
    left = []
    kept = "content-type"  # of some recordings it was not
    streams = [each for each in recordings(api) if each["streaming"] and kept in each["response"]["headers"]]
    for recording in streams:
        passed = await guard(Replay(recording, cuts=13), api)
        assert passed.body == recording["response"]["body"].encode()
        repaired = await guard(Replay(recording, cuts=13), api, repair=True)
        if repaired.broken:
            left.append((repaired.broken[0].rule, recording["id"]))
        else:
            CHECKS[api](repaired.body)
        COUNTS["guarded and repaired"] += 1
    # Empty reasoning items, which the server has announced; thinking parts; text after the finish_reason.
    assert {rule for rule, _ in left} <= {"phantom-item", "text", "after-finish"}
    assert len(left) < len(streams) / 3


# --- in front of a real app


async def test_it_is_added_to_fastapi_in_a_line() -> None:
    app = FastAPI()
    app.add_middleware(StreamGuard, repair=True, on_broken="log")

    @app.post("/v1/chat/completions")
    async def answer() -> StreamingResponse:
        async def chunks() -> Any:
            yield 'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'

        return StreamingResponse(chunks(), media_type="text/event-stream")

    async with responses_asgi.client(app) as client:
        messages: Any = [{"role": "user", "content": "x"}]
        async with client.chat.completions.stream(model="m", messages=messages) as stream:
            completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == "Hi"
    assert completion.id.startswith("chatcmpl-")


async def test_the_sdk_meets_the_exception_where_the_stream_breaks() -> None:
    guarded = StreamGuard(_reading(chat.wire([chat.chunk({"content": "Hi"})], done=False)))
    transport = responses_asgi.ASGITransport(guarded)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        with pytest.raises(httpx.ReadError, match="role: event 0") as caught:
            await client.post("/v1/chat/completions", json={})
    assert isinstance(caught.value.__cause__, InvalidStream)


@pytest.mark.parametrize("repair", [False, True])
async def test_the_fake_model_keeps_the_rules(repair: bool) -> None:
    app = StreamGuard(FakeModel(["one", "two"]), repair=repair)
    async with responses_asgi.client(app) as client:
        stream = await client.responses.create(model="m", input="x", stream=True)
        assert [event.type async for event in stream][-1] == "response.completed"
        messages: Any = [{"role": "user", "content": "x"}]
        chunks = await client.chat.completions.create(model="m", messages=messages, stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in chunks]
    assert "".join(said) == "two"
