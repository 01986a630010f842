"""Every recorded Chat answer goes through the bridge and comes out legal, saying what the server said.

The profile is that of the recording's provider. The meaning comes from tests/independent_reader.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from responses_asgi.profiles import Profile, profile_for
from responses_asgi.testing.recordings import Cuts
from tests.bridge import Asked, ask, response_of
from tests.facts import facts_of
from tests.independent_reader import Meaning, message_of, read
from tests.recordings import COUNTS, FOLDER, MISSING, Replay, recordings

JSON = dict[str, Any]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)

RECORDINGS = recordings("chat")
EVERY = [pytest.param(recording, id=recording["id"]) for recording in RECORDINGS]
STREAMS = [pytest.param(r, id=r["id"]) for r in RECORDINGS if r["streaming"]]


def profile_of(recording: JSON) -> Profile:
    return profile_for(recording["provider"])


def request_for(recording: JSON, *, stream: bool) -> JSON:
    """One user message, and a declaration of every tool that the recorded request declared."""
    declared = (recording["request"]["body"] or {}).get("tools") or []
    tools = [
        {"type": "custom", "name": tool["custom"]["name"]}
        if tool.get("type") == "custom"
        else {"type": "function", "name": tool["function"]["name"], "parameters": None}
        for tool in declared
        if tool.get("type") in ("function", "custom")
    ]
    body: JSON = {"model": "recorded", "input": "Go on.", "stream": stream}
    return {**body, "tools": tools} if tools else body


async def replay(recording: JSON, *, cuts: Cuts = "recorded", stream: bool | None = None) -> Asked:
    """What a client gets that asks for what was recorded, or, with `stream`, for this."""
    request = request_for(recording, stream=recording["streaming"] if stream is None else stream)
    asked = await ask(Replay(recording, cuts=cuts), request, profile=profile_of(recording))
    assert asked.raised is None
    return asked


def check_error(asked: Asked, recording: JSON, said: str) -> None:
    """The HTTP status stays, the body is OpenAI's, and the client is told when to come again."""
    status = recording["response"]["status"]
    assert asked.status >= 400
    assert status in (asked.status, 200)
    error = json.loads(asked.body)["error"]
    assert {"message", "type", "param", "code"} <= error.keys()
    assert said.strip() in error["message"]
    for name, value in recording["response"]["headers"].items():
        if name.lower() in ("retry-after", "retry-after-ms", "x-should-retry"):
            assert asked.headers[name.lower()] == value


def sentence_of(recording: JSON) -> str:
    """What a recorded HTTP error says; "" for a web page."""
    try:
        return message_of(json.loads(recording["response"]["body"]))
    except ValueError:
        return ""


def check_answer(asked: Asked, recording: JSON) -> None:
    meaning = read(recording)
    if meaning.status == "failed" and asked.status != 200:
        check_error(asked, recording, meaning.error)
        return
    said = facts_of(response_of(asked))
    assert (said.text, said.reasoning) in meaning.readings(think_tags=profile_of(recording).think_tags)
    assert said.refusal == meaning.refusal
    assert [call[0] for call in said.calls] == [call.name for call in meaning.calls]
    # A finished call of a tool without parameters has an empty object; a call that was cut has what it got.
    empty = "{}" if meaning.status == "completed" else ""
    assert [call[1] for call in said.calls] == [call.arguments or empty for call in meaning.calls]
    assert said.usage == meaning.usage
    assert said.status == meaning.status
    check_losses(asked, meaning)


def check_losses(asked: Asked, meaning: Meaning) -> None:
    reported = any(loss.path.startswith("choices[") and loss.path[8] != "0" for loss in asked.losses)
    assert reported == meaning.other_choices, "choices beside the first one must be in the loss report"


@pytest.mark.parametrize("recording", EVERY)
async def test_a_recorded_answer_keeps_its_meaning(recording: JSON) -> None:
    asked = await replay(recording)
    if recording["response"]["status"] >= 400:
        check_error(asked, recording, sentence_of(recording))
    else:
        check_answer(asked, recording)
    kind = "errors" if recording["response"]["status"] >= 400 else "whole"
    COUNTS["streams" if recording["streaming"] else kind] += 1


@pytest.mark.parametrize("cuts", ["whole", 1, 61])
@pytest.mark.parametrize("recording", STREAMS)
async def test_network_boundaries_change_nothing(recording: JSON, cuts: Cuts) -> None:
    as_recorded, otherwise = await replay(recording), await replay(recording, cuts=cuts)
    assert [_anonymous(e) for e in otherwise.events] == [_anonymous(e) for e in as_recorded.events]
    COUNTS["other cuts"] += 1


@pytest.mark.parametrize("recording", EVERY)
async def test_an_upstream_that_ignores_stream_is_understood(recording: JSON) -> None:
    """The client asks for the other form than the upstream answers in."""
    asked = await replay(recording, stream=not recording["streaming"])
    if recording["response"]["status"] >= 400:
        check_error(asked, recording, sentence_of(recording))
    else:
        assert asked.is_stream != recording["streaming"] or asked.status >= 400
        check_answer(asked, recording)
    COUNTS["other forms"] += 1


def _anonymous(value: Any) -> Any:
    """The value without the ids and times that are made anew for every answer."""
    if isinstance(value, dict):
        own = {"created_at", "completed_at"} | ({"id", "item_id"} if _is_minted(value) else set())
        return {key: _anonymous(entry) for key, entry in value.items() if key not in own}
    return [_anonymous(entry) for entry in value] if isinstance(value, list) else value


def _is_minted(value: JSON) -> bool:
    own = str(value.get("id") or value.get("item_id") or "")
    return own.startswith(("resp_", "msg_", "rs_", "fc_", "ctc_"))
