"""assert_valid_chat_stream: good streams, and for every rule a change of one that breaks this rule first."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from responses_asgi.testing import CHAT_RULES, InvalidStream, assert_valid_chat_stream
from responses_asgi.types.events import DONE, StreamEvent

JSON = dict[str, Any]
Chunks = list[JSON]
Change = Callable[[Chunks], "Chunks | bytes | None"]

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
SCORE = {"token": "lo", "logprob": -0.5, "bytes": None, "top_logprobs": []}
CITATION = {"type": "url_citation", "url_citation": {"url": "https://a.test"}}
ERROR = {"message": "It broke.", "type": "server_error", "param": None, "code": None}


def chunk(delta: JSON | None = None, finish: str | None = None, *, index: int = 0, **fields: Any) -> JSON:
    choice = {"index": index, "delta": delta or {}, "logprobs": None, "finish_reason": finish, **fields}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "m",
        "choices": [choice],
    }


def role(*, index: int = 0) -> JSON:
    return chunk({"role": "assistant", "content": "", "refusal": None}, index=index)


def call(index: int, arguments: str = "", *, kind: str = "function", **start: str) -> JSON:
    """A fragment of a call; with `id` and `name` its first one."""
    field = "input" if kind == "custom" else "arguments"
    names = {"name": start["name"]} if "name" in start else {}
    ids = {"id": start["id"], "type": kind} if "id" in start else {}
    return chunk({"tool_calls": [{"index": index, **ids, kind: {**names, field: arguments}}]})


def good() -> Chunks:
    """Reasoning, text with scores and a citation, and calls of both kinds that interleave."""
    return [
        role(),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}, logprobs={"content": [SCORE], "refusal": None}),
        chunk({"annotations": [CITATION]}),
        call(0, id="call_1", name="f"),
        call(1, id="call_2", name="g", kind="custom"),
        call(0, '{"a"'),
        call(1, "free", kind="custom"),
        call(0, ":1}"),
        chunk(finish="tool_calls"),
    ]


def text() -> Chunks:
    return [role(), chunk({"content": "Hello"}), chunk(finish="stop")]


def legacy() -> Chunks:
    return [
        role(),
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk(finish="function_call"),
    ]


def two() -> Chunks:
    """Two choices that interleave; the second one comes first."""
    return [
        role(index=1),
        role(),
        chunk({"content": "b"}, index=1),
        chunk({"refusal": "No."}),
        chunk({}, "length", index=1),
        chunk({}, "content_filter"),
    ]


def counted() -> Chunks:
    """A stream whose client asked for usage."""
    said = [{**piece, "usage": None} for piece in text()]
    return [*said, {**chunk(), "choices": [], "usage": USAGE}]


def failed() -> Chunks:
    return [*text()[:-1], {"error": ERROR}]


def wire(chunks: Chunks, *, newline: str = "\n", done: bool = True) -> bytes:
    datas = [json.dumps(piece) for piece in chunks] + ["[DONE]"] * done
    return "".join(f"data: {data}{newline * 2}" for data in datas).encode()


def is_failed(chunks: Chunks) -> bool:
    return "error" in chunks[-1]


# What a legal stream may look like


@pytest.mark.parametrize("make", [good, text, legacy, two, counted, failed])
def test_a_legal_stream_passes_in_every_form(make: Callable[[], Chunks]) -> None:
    chunks = make()
    done = not is_failed(chunks)
    completion = assert_valid_chat_stream(chunks)
    events = [StreamEvent("", json.dumps(piece).encode()) for piece in chunks]
    assert assert_valid_chat_stream([*events, *[StreamEvent("", DONE)] * done]) == completion
    body = wire(chunks, done=done)
    assert assert_valid_chat_stream(body) == completion
    assert assert_valid_chat_stream(body.decode()) == completion
    assert assert_valid_chat_stream([body[:17], body[17:]]) == completion
    crlf = wire(chunks, done=done, newline="\r\n")
    assert assert_valid_chat_stream(b": hi\n\n" + crlf) == completion


def test_the_whole_completion_is_returned() -> None:
    completion = assert_valid_chat_stream(good())
    assert completion["object"] == "chat.completion"
    choice = completion["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["logprobs"] == {"content": [SCORE], "refusal": None}
    assert choice["message"] == {
        "role": "assistant",
        "content": "Hello",
        "refusal": None,
        "reasoning_content": "hm",
        "annotations": [CITATION],
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"id": "call_2", "type": "custom", "custom": {"name": "g", "input": "free"}},
        ],
    }


def test_all_choices_are_returned_by_index() -> None:
    choices = assert_valid_chat_stream(two())["choices"]
    assert [choice["message"]["content"] for choice in choices] == [None, "b"]
    assert [choice["message"]["refusal"] for choice in choices] == ["No.", None]


def test_usage_and_error_are_returned() -> None:
    assert assert_valid_chat_stream(counted(), usage=True)["usage"] == USAGE
    assert assert_valid_chat_stream(failed()) == {"error": ERROR}


def test_an_upstream_need_not_count() -> None:
    assert "usage" not in assert_valid_chat_stream(counted()[:-1], usage=True)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_incomplete_answer_may_hold_calls(reason: str) -> None:
    chunks = good()
    chunks[-1]["choices"][0]["finish_reason"] = reason
    assert_valid_chat_stream(chunks)


def test_an_error_may_come_alone_or_after_one_of_two_choices_ended() -> None:
    assert_valid_chat_stream([{"error": ERROR}])
    assert_valid_chat_stream([*two()[:-1], {"error": ERROR}])


def test_usage_may_come_before_an_error() -> None:
    assert_valid_chat_stream([*counted()[:2], counted()[-1], {"error": ERROR}], usage=True)
    assert_valid_chat_stream([counted()[-1], {"error": ERROR}], usage=True)


def test_fields_that_nobody_knows_are_legal_and_say_something() -> None:
    chunks = text()
    chunks[1]["choices"][0]["delta"] = {"mood": "calm"}
    chunks[2]["service_tier"] = "default"
    completion = assert_valid_chat_stream(chunks)
    assert completion["choices"][0]["message"]["mood"] == "calm"
    assert completion["service_tier"] == "default"


def test_the_message_names_rule_chunk_and_what_was_expected() -> None:
    chunks = good()
    chunks[3]["id"] = "chatcmpl-2"
    with pytest.raises(InvalidStream) as caught:
        assert_valid_chat_stream(chunks)
    assert caught.value.rule == "chunk-id"
    assert caught.value.number == 3
    assert "event 3 (chunk): id: got 'chatcmpl-2', expected 'chatcmpl-1'" in str(caught.value)


# What breaks each rule. A case changes a good stream in place, or returns the changed one.


def put(number: int, **fields: Any) -> Change:
    """Set fields of a chunk."""
    return lambda chunks: chunks[number].update(fields)


def lose(number: int, field: str) -> Change:
    return lambda chunks: chunks[number].pop(field) and None


def say(number: int, **fields: Any) -> Change:
    """Set fields of a chunk's choice."""
    return lambda chunks: chunks[number]["choices"][0].update(fields)


def hush(number: int, field: str) -> Change:
    """Remove a field of a chunk's choice."""

    def change(chunks: Chunks) -> None:
        del chunks[number]["choices"][0][field]

    return change


def call_with(number: int, **fields: Any) -> Change:
    """Set fields of a tool-call fragment."""
    return lambda chunks: chunks[number]["choices"][0]["delta"]["tool_calls"][0].update(fields)


def function_with(number: int, **fields: Any) -> Change:
    """Set fields of the function of a tool-call fragment."""
    return lambda chunks: chunks[number]["choices"][0]["delta"]["tool_calls"][0]["function"].update(fields)


def double(number: int) -> Change:
    return lambda chunks: [*chunks[: number + 1], *deepcopy(chunks[number:])]


def drop(number: int) -> Change:
    return lambda chunks: [piece for place, piece in enumerate(chunks) if place != number]


def add(piece: Any, *, at: int | None = None) -> Change:
    return lambda chunks: [*chunks[:at], piece, *(chunks[at:] if at is not None else [])]


def sent(change: Callable[[bytes], bytes], *, done: bool = True) -> Change:
    """Change the SSE text."""
    return lambda chunks: change(wire(chunks, done=done))


def renumber(chunks: Chunks) -> None:
    for piece in chunks:
        for choice in piece["choices"]:
            choice["index"] = 1


CASES: list[tuple[str, Callable[[], Chunks], Change]] = [
    ("shape", good, say(3, logprobs={"content": True, "refusal": None})),
    ("shape", good, call_with(5, type=["function"])),
    ("shape", text, lambda chunks: [chunks[0], chunk({"x": [1]}), chunk({"x": {"y": 1}}), *chunks[1:]]),
    ("utf-8", text, sent(lambda body: body.replace(b"Hello", b"\xff"))),
    ("sse-form", text, sent(lambda body: body[:-1])),
    ("sse-form", text, sent(lambda body: b"event: chunk\n" + body)),
    ("sse-form", text, sent(lambda body: body.replace(b"data: ", b"data:"))),
    ("json", text, sent(lambda body: b"data: {\n\n" + body)),
    ("json", text, sent(lambda body: b"data: []\n\n" + body)),
    ("done-marker", text, sent(lambda body: body, done=False)),
    ("done-marker", text, sent(lambda body: body + b"data: [DONE]\n\n")),
    ("done-marker", text, sent(lambda body: body + wire([chunk()]))),
    ("done-marker", failed, sent(lambda body: body)),
    ("object", text, put(1, object="chat.completion")),
    ("chunk-id", text, put(0, id="")),
    ("chunk-id", text, put(2, id="chatcmpl-2")),
    ("created", text, put(0, created=1.5)),
    ("created", text, put(1, created=5)),
    ("model", text, put(0, model=None)),
    ("model", text, put(1, model="n")),
    ("choices", text, put(1, choices=None)),
    ("choices", text, put(1, choices=[])),
    ("choices", counted, put(3, usage=None)),
    ("choices", text, lambda chunks: chunks[1]["choices"].extend(chunks[1]["choices"])),
    ("choices", text, say(1, delta=None)),
    ("choice-index", text, say(0, index=None)),
    ("choice-index", text, say(0, index=-1)),
    ("choice-index", text, put(0, choices=[7])),
    ("choice-index", text, renumber),
    ("unfinished", text, lambda chunks: chunks[:-1]),
    ("unfinished", two, lambda chunks: chunks[:-1]),
    ("unfinished", text, lambda chunks: []),
    ("unfinished", text, sent(lambda body: b"data: [DONE]\n\n" + body)),
    ("role", text, say(0, delta={"content": ""})),
    ("role", text, say(0, delta={"role": "user"})),
    ("role", text, double(0)),
    ("text", text, say(1, delta={"content": ["Hello"]})),
    ("text", text, say(1, delta={"content": None})),
    ("text", text, say(0, delta={"role": "assistant", "refusal": 5})),
    ("text", text, say(1, delta={"reasoning": {}})),
    ("empty-chunk", text, say(1, delta={"content": ""})),
    ("empty-chunk", text, say(1, delta={})),
    ("empty-chunk", text, say(1, delta={"tool_calls": []})),
    ("reasoning-field", good, say(2, delta={"reasoning": "hm"})),
    ("annotations", good, say(4, delta={"annotations": {}})),
    ("annotations", good, say(4, delta={"annotations": [{"type": "url_citation", "url": "https://a.test"}]})),
    ("logprobs", good, say(3, logprobs=[])),
    ("logprobs", good, say(3, logprobs={"content": [SCORE]})),
    ("logprobs", good, say(3, logprobs={"content": [{"token": "lo"}], "refusal": None})),
    ("finish-reason", text, say(2, finish_reason="end")),
    ("finish-reason", text, say(2, finish_reason=True)),
    ("finish-reason", text, hush(1, "finish_reason")),
    ("finish-content", text, say(2, delta={"content": "!"})),
    ("after-finish", text, double(2)),
    ("after-finish", text, add(chunk({"content": "!"}))),
    ("finish-fits", good, say(-1, finish_reason="stop")),
    ("finish-fits", text, say(-1, finish_reason="tool_calls")),
    ("finish-fits", legacy, say(-1, finish_reason="tool_calls")),
    ("finish-fits", legacy, say(-1, finish_reason="stop")),
    ("finish-fits", good, say(-1, finish_reason="function_call")),
    ("tool-index", good, call_with(5, index=1)),
    ("tool-index", good, call_with(7, index=None)),
    ("tool-index", good, call_with(7, index=-1)),
    ("tool-index", good, call_with(7, index=True)),
    ("tool-index", good, say(5, delta={"tool_calls": {}})),
    ("tool-index", good, say(5, delta={"tool_calls": [None]})),
    ("tool-start", good, call_with(5, id="")),
    ("tool-start", good, call_with(5, type=None)),
    ("tool-start", good, call_with(5, function={"arguments": ""})),
    ("tool-start", good, drop(6)),
    ("tool-id", good, call_with(6, id="call_1")),
    ("tool-repeat", good, call_with(7, id="call_1")),
    ("tool-repeat", good, call_with(7, type="function")),
    ("tool-repeat", good, function_with(7, name="f")),
    ("arguments", good, function_with(7, arguments={"a": 1})),
    ("arguments", good, function_with(7, arguments=None)),
    ("arguments", good, call_with(5, type="custom")),
    ("arguments", legacy, say(2, delta={"function_call": {}})),
    ("function-call", legacy, say(1, delta={"function_call": {"arguments": ""}})),
    ("function-call", legacy, say(2, delta={"function_call": {"name": "f", "arguments": ""}})),
    ("function-call", legacy, say(1, delta={"function_call": "f"})),
    ("function-call", legacy, add(call(0, id="call_1", name="g"), at=3)),
    ("function-call", good, add(legacy()[1], at=8)),
    ("usage", counted, put(3, usage={"prompt_tokens": 1, "completion_tokens": 2})),
    ("usage", counted, put(3, usage=7)),
    ("usage-key", counted, lose(1, "usage")),
    ("usage-key", counted, put(2, usage=USAGE)),
    ("usage-key", text, put(1, usage=None)),
    ("usage-key", text, put(2, usage=USAGE)),
    ("usage-chunk", text, add({**chunk(), "choices": [], "usage": USAGE})),
    ("usage-chunk", counted, double(3)),
    ("usage-chunk", counted, lambda chunks: [*chunks[:2], chunks[3], chunks[2]]),
    ("unfinished", counted, lambda chunks: chunks[3:]),
    ("unfinished", counted, lambda chunks: [*chunks[:2], chunks[3]]),
    ("error", failed, put(2, error="broke")),
    ("error", failed, put(2, error={"message": "broke", "type": "server_error", "param": None})),
    ("error", failed, put(2, error={**ERROR, "message": ""})),
    ("after-error", failed, add(chunk({"content": "!"}))),
]


@pytest.mark.parametrize(("rule", "make", "change"), CASES)
def test_a_broken_rule_is_named(rule: str, make: Callable[[], Chunks], change: Change) -> None:
    chunks = make()
    changed = change(chunks)
    with pytest.raises(InvalidStream, match=f"^{rule}: "):
        assert_valid_chat_stream(changed if isinstance(changed, list | bytes) else chunks)


def test_every_rule_has_a_case_that_breaks_it() -> None:
    assert {rule for rule, _, _ in CASES} == set(CHAT_RULES)


def test_the_caller_says_whether_usage_was_asked_for() -> None:
    assert_valid_chat_stream(text(), usage=False)
    for chunks, asked in ((text(), True), (counted(), False)):
        with pytest.raises(InvalidStream, match=r"^usage-key: "):
            assert_valid_chat_stream(chunks, usage=asked)


def test_events_have_no_name_and_end_with_the_marker() -> None:
    events = [StreamEvent("", json.dumps(piece).encode()) for piece in text()]
    with pytest.raises(InvalidStream, match=r"^done-marker: "):
        assert_valid_chat_stream(events)
    with pytest.raises(InvalidStream, match=r"^sse-form: "):
        assert_valid_chat_stream([StreamEvent("chunk", events[0].data), *events[1:]])
