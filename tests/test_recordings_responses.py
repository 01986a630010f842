"""Every recorded Responses answer becomes a legal Chat answer that says what the server said.

The meaning comes from tests/independent_responses_reader.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from responses_asgi.profiles import profile_for
from responses_asgi.testing.recordings import Cuts
from tests.bridge import Asked, ask_chat, completion_of
from tests.chat_facts import calls_of, citations_of, facts_of_choice
from tests.chat_machine import ChatAnswer, answer, answer_to_bytes
from tests.independent_responses_reader import Meaning, events_of, read
from tests.recordings import COUNTS, FOLDER, MISSING, Replay, recordings
from tests.test_recordings_chat import check_error, sentence_of

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


# The same through the middleware: bytes in, bytes out


async def ask(recording: JSON, *, stream: bool, cuts: Cuts = "recorded") -> Asked:
    body: JSON = {"model": "recorded", "messages": [{"role": "user", "content": "Go on."}]}
    asked = await ask_chat(
        Replay(recording, cuts=cuts),
        {**body, **(COUNTED if stream else {})},
        profile=profile_for(recording["provider"]),
    )
    assert asked.raised is None
    return asked


def check_asked(asked: Asked, recording: JSON) -> None:
    if recording["response"]["status"] >= 400:
        check_error(asked, recording, sentence_of(recording))
        return
    meaning = read(recording)
    if meaning.finish == "failed" and not asked.is_stream:
        check_error(asked, recording, meaning.error)
        return
    completion = completion_of(asked)
    if meaning.finish == "failed":
        assert meaning.error in completion["error"]["message"]
    else:
        check_completion(completion, meaning)


@pytest.mark.parametrize("recording", [pytest.param(r, id=r["id"]) for r in CREATED])
async def test_a_client_gets_what_was_recorded(recording: JSON) -> None:
    check_asked(await ask(recording, stream=recording["streaming"]), recording)
    COUNTS["Chat clients of recorded Responses servers"] += 1


@pytest.mark.parametrize("recording", [pytest.param(r, id=r["id"]) for r in CREATED])
async def test_an_upstream_that_ignores_stream_is_understood(recording: JSON) -> None:
    """The client asks for the other form than the upstream answers in."""
    asked = await ask(recording, stream=not recording["streaming"])
    assert asked.is_stream != recording["streaming"] or asked.status >= 400
    check_asked(asked, recording)


@pytest.mark.parametrize("cuts", ["whole", 1, 61])
@pytest.mark.parametrize("recording", STREAMS)
async def test_a_client_does_not_see_network_boundaries(recording: JSON, cuts: Cuts) -> None:
    check_asked(await ask(recording, stream=True, cuts=cuts), recording)
