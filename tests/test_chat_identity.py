"""ChatToChat: what passes as it is, what is restored, and how streams end that their upstream did not end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from responses_asgi.errors import UpstreamError
from responses_asgi.profiles import PROFILES
from responses_asgi.testing import assert_valid_chat_stream
from responses_asgi.translate.chat_snapshot import chunks_of, fold_chunks
from responses_asgi.translate.chat_to_chat import ChatToChat
from responses_asgi.translate.translator import History
from responses_asgi.types.events import DONE
from responses_asgi.types.json import JSON, dumps

USER = {"role": "user", "content": "Hi"}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def chunk(delta: JSON | None, *, index: int = 0, finish: str | None = None, **more: Any) -> JSON:
    choices = [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}]
    frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "real"}
    return {**frame, "choices": choices, **more}


HELLO = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}, vendor={"a": 1.5}),
    chunk({"content": "lo", "reasoning_content": "hm"}),
    chunk({}, finish="stop"),
    chunk(None, usage=USAGE),
]


def translator(body: JSON | None = None, **options: Any) -> ChatToChat:
    profile = options.pop("profile", PROFILES["generic"])
    return ChatToChat({"model": "house", "messages": [USER], **(body or {})}, profile=profile, **options)


def run(machine: ChatToChat, chunks: list[JSON], *, marker: bool = True) -> tuple[list[JSON], bool]:
    """What was said, and whether `[DONE]` ended it."""
    events = machine.start()
    for each in chunks:
        events += machine.feed(each)
        if machine.failure:
            events += machine.fail(machine.failure)
            break
    else:
        events += machine.finish(marker=marker)
    done = bool(events) and events[-1].data == DONE
    assert all(event.type == "" for event in events)
    return [event.json() for event in events[: len(events) - done]], done


def test_chunks_pass_as_they_are() -> None:
    machine = translator({"stream": True})
    said, done = run(machine, HELLO)
    assert (said, done) == (HELLO, True)
    assert machine.snapshot() == fold_chunks(HELLO)
    assert machine.response_id == "c1"
    assert not list(machine.losses)


def test_renamed_model_is_asked_for_and_restored_everywhere() -> None:
    machine = translator({"stream": True}, upstream_model="real")
    assert machine.request()["model"] == "real"
    said, _ = run(machine, HELLO)
    assert {each["model"] for each in said} == {"house"} == {machine.snapshot()["model"]}


def test_a_client_without_a_model_is_told_the_upstreams() -> None:
    machine = ChatToChat({"messages": [USER]}, profile=PROFILES["generic"], upstream_model="real")
    said, _ = run(machine, HELLO)
    assert {each["model"] for each in said} == {"real"}


def test_history_stands_behind_the_leading_system_messages() -> None:
    system = {"role": "system", "content": "Be short."}
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "1?"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "2"}]},
    ]
    machine = translator({"messages": [system, USER]}, history=History(items))
    asked = machine.request([{"type": "message", "role": "user", "content": "more"}])
    contents = [message["content"] for message in asked["messages"]]
    assert contents == ["Be short.", "1?", "2", "Hi", "more"]
    assert machine.request()["messages"][-1] == USER


def test_only_system_messages_and_a_history() -> None:
    system = {"role": "developer", "content": "Be short."}
    machine = translator({"messages": [system]}, history=History([{"role": "user", "content": "1?"}]))
    assert [message["content"] for message in machine.request()["messages"]] == ["Be short.", "1?"]


@pytest.mark.parametrize("marker", [True, False])
def test_a_finish_reason_is_an_end_even_without_the_mark(marker: bool) -> None:
    said, done = run(translator({"stream": True}), HELLO, marker=marker)
    assert (said, done) == (HELLO, True)


@pytest.mark.parametrize(("chunks", "marker"), [(HELLO[:3], False), (HELLO[:3], True), ([], True)])
def test_an_answer_that_was_cut_off_is_an_error_without_the_mark(chunks: list[JSON], marker: bool) -> None:
    machine = translator({"stream": True}, profile=replace(PROFILES["generic"], done_completes=False))
    said, done = run(machine, chunks, marker=marker)
    assert said[:-1] == chunks
    assert not done
    assert "cut off" in said[-1]["error"]["message"]
    assert machine.snapshot() == said[-1]
    assert isinstance(machine.failure, UpstreamError)


def test_one_choice_of_two_without_an_end_is_cut_off() -> None:
    chunks = [chunk({"content": "a"}, finish="stop"), chunk({"content": "b"}, index=1)]
    said, done = run(translator({"stream": True, "n": 2}), chunks, marker=False)
    assert not done
    assert "error" in said[-1]


def test_the_mark_completes_where_the_profile_says_so() -> None:
    machine = translator({"stream": True}, profile=replace(PROFILES["generic"], done_completes=True))
    said, done = run(machine, HELLO[:3])
    assert done
    assert said[-1]["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert machine.snapshot() == fold_chunks(said)
    assert [loss.path for loss in machine.losses] == ["choices[0].finish_reason"]


def test_an_error_in_the_stream_is_told_once_and_is_the_end() -> None:
    said, done = run(translator({"stream": True}), [HELLO[0], {"error": {"message": "no", "code": 429}}])
    assert not done
    assert said[-1]["error"]["message"] == "no"


def test_a_whole_answer_to_a_streaming_client_becomes_chunks() -> None:
    whole = {
        "id": "c2",
        "object": "chat.completion",
        "created": 1,
        "model": "real",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                    ],
                },
                "finish_reason": "tool_calls",
            },
            {"message": {"content": "b"}, "finish_reason": "stop"},
        ],
        "usage": USAGE,
    }
    body = {"stream": True, "stream_options": {"include_usage": True}}
    machine = translator(body, upstream_model="real")
    said, done = run(machine, [whole])
    assert done
    assert machine.snapshot() == {**whole, "model": "house"}
    assert machine.response_id == "c2"
    assert_valid_chat_stream(b"".join(b"data: %b\n\n" % dumps(each) for each in said) + b"data: [DONE]\n\n")
    folded = fold_chunks(said)
    assert folded["usage"] == USAGE
    assert [choice["finish_reason"] for choice in folded["choices"]] == ["tool_calls", "stop"]
    assert folded["choices"][0]["message"]["tool_calls"] == whole["choices"][0]["message"]["tool_calls"]


def test_a_whole_answer_to_a_client_that_does_not_stream_is_the_answer() -> None:
    machine = translator(upstream_model="real")
    whole = {"id": "c2", "model": "real", "choices": [{"index": 0, "message": {"content": "b"}}]}
    assert run(machine, [whole]) == ([], True)
    assert machine.snapshot() == {**whole, "model": "house"}


def test_a_stream_to_a_client_that_does_not_stream_is_folded() -> None:
    machine = translator()
    run(machine, HELLO)
    assert machine.snapshot()["choices"][0]["message"]["content"] == "Hello"


def test_usage_is_told_only_where_it_was_asked_for() -> None:
    whole = {"id": "1", "choices": [], "usage": USAGE}
    assert chunks_of(whole, include_usage=False) == []
    assert chunks_of(whole, include_usage=True)[0]["usage"] == USAGE
    assert chunks_of({"id": "1"}, include_usage=True) == []
