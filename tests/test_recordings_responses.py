"""Every recorded Responses answer becomes a legal Chat answer that says what the server said.

The meaning comes from tests/independent_responses_reader.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chat_facts import calls_of, citations_of, facts_of_choice
from tests.chat_machine import ChatAnswer, answer, answer_to_bytes
from tests.independent_responses_reader import Meaning, events_of, read
from tests.recordings import COUNTS, FOLDER, MISSING, recordings

JSON = dict[str, Any]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)

CREATED = [r for r in recordings("responses") if "op:create" in r["tags"]]
ANSWERED = [r for r in CREATED if r["response"]["status"] == 200]
EVERY = [pytest.param(recording, id=recording["id"]) for recording in ANSWERED]
STREAMS = [pytest.param(r, id=r["id"]) for r in ANSWERED if r["streaming"]]

COUNTED: JSON = {"stream": True, "stream_options": {"include_usage": True}}


def replay(recording: JSON, *, block: int = 1 << 20, request: JSON = COUNTED) -> ChatAnswer:
    """What the machine makes of the recorded bytes, read in blocks of this many."""
    body = recording["response"]["body"]
    if recording["streaming"]:
        return answer_to_bytes(body.encode(), request, block=block)
    return answer([json.loads(body)], request, marker=True)


def check(got: ChatAnswer, meaning: Meaning) -> None:
    if meaning.finish == "failed":
        assert got.failure is not None
        assert meaning.error in got.completion["error"]["message"]
        if meaning.acts:
            assert any(kind in got.completion["error"]["message"] for kind in meaning.acts)
        return
    check_completion(got.completion, meaning)
    others = {f"output.{kind}" for kind in meaning.others}
    assert others <= got.reported, "items that Chat cannot say must be in the loss report"


def check_completion(completion: JSON, meaning: Meaning) -> None:
    said = facts_of_choice(completion)
    message = completion["choices"][0]["message"]
    assert said.text in meaning.texts
    assert said.reasoning in meaning.reasonings
    assert said.refusal == meaning.refusal
    kinds = {"function_call": "function", "custom_tool_call": "custom"}
    assert [call["id"] for call in calls_of(message)] == [own for own, *_ in meaning.calls]
    assert [call["type"] for call in calls_of(message)] == [kinds[kind] for _, kind, *_ in meaning.calls]
    assert said.calls == tuple((name, arguments) for *_, name, arguments in meaning.calls)
    assert said.usage == meaning.usage
    assert said.status == meaning.finish
    assert citations_of(message) == meaning.citations


@pytest.mark.parametrize("recording", EVERY)
def test_a_recorded_answer_keeps_its_meaning(recording: JSON) -> None:
    check(replay(recording), read(recording))
    COUNTS["Responses streams" if recording["streaming"] else "whole responses"] += 1


@pytest.mark.parametrize("block", [1, 61])
@pytest.mark.parametrize("recording", STREAMS)
def test_network_boundaries_change_nothing(recording: JSON, block: int) -> None:
    assert replay(recording, block=block).chunks == replay(recording).chunks


@pytest.mark.parametrize("recording", EVERY)
def test_usage_is_told_only_where_it_is_asked_for(recording: JSON) -> None:
    got = replay(recording, request={"stream": True, "stream_options": None})
    asked = replay(recording)
    assert all("usage" not in chunk for chunk in got.chunks)
    assert got.completion == asked.completion


@pytest.mark.parametrize("recording", STREAMS)
def test_the_terminal_response_alone_means_the_same(recording: JSON) -> None:
    """An upstream that answers whole, where the recorded one streamed."""
    ends = [event["response"] for event in events_of(recording["response"]["body"]) if "response" in event]
    if not ends[-1]["output"]:
        assert ends[-1]["status"] == "failed"
        return
    check(answer(ends[-1:], COUNTED, marker=True), read(recording))
