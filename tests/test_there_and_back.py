"""Each machine reads what the other one made of a recorded answer: what both protocols hold is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest

from responses_asgi.profiles import PROFILES
from responses_asgi.translate.chunk_reader import ChunkReader
from tests import chat_machine, machine
from tests.chat_facts import calls_of, facts_of_choice
from tests.facts import Facts, facts_of
from tests.recordings import COUNTS, FOLDER, MISSING, recordings
from tests.test_recordings_chat import profile_of, request_for

JSON = dict[str, Any]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)

FINISHES = {
    "completed": {"stop", "tool_calls"},
    "incomplete:max_output_tokens": {"length"},
    "incomplete:content_filter": {"content_filter"},
}


def answers(api: str) -> list[Any]:
    return [
        pytest.param(recording, id=recording["id"])
        for recording in recordings(api)
        if recording["response"]["status"] == 200 and (api == "chat" or "op:create" in recording["tags"])
    ]


def sent(recording: JSON) -> tuple[list[JSON], bool]:
    """The recorded events, or the whole answer as the only one, and whether the end mark was seen."""
    body = recording["response"]["body"]
    if not recording["streaming"]:
        return [json.loads(body)], True
    reader = ChunkReader(max_event_bytes=1 << 24)
    return [*reader.read(body.encode()), *reader.flush()], reader.done


def custom_names(completion: JSON) -> list[str]:
    """The names of the custom tools that were called: only a request that declares them gets them back."""
    calls = [call for choice in completion.get("choices", ()) for call in calls_of(choice["message"])]
    return [call["custom"]["name"] for call in calls if call["type"] == "custom"]


def check_same(response: JSON, completion: JSON) -> None:
    """The response and the completion say the same."""
    said = facts_of(response)
    if "error" in completion:
        assert response["status"] == "failed"
        assert response["error"]["message"] == completion["error"]["message"]
        return
    choice = completion["choices"][0]
    assert choice["finish_reason"] in FINISHES[said.status]
    assert facts_of_choice(completion) == Facts(
        text=said.text,
        reasoning=said.reasoning,
        refusal=said.refusal,
        calls=said.calls,
        usage=said.usage,
        status=choice["finish_reason"],
    )
    made = [item["call_id"] for item in response["output"] if "call_id" in item]
    assert [call["id"] for call in calls_of(choice["message"])] == made


@pytest.mark.parametrize("recording", answers("responses"))
def test_a_recorded_response_survives_chat(recording: JSON) -> None:
    """A Responses client of a Chat upstream that is a bridge to the recorded server."""
    events, marker = sent(recording)
    between = chat_machine.answer(events, marker=marker)
    tools = [{"type": "custom", "name": name} for name in custom_names(between.completion)]
    back = machine.answer(
        between.chunks, {"tools": tools}, marker=between.failure is None, profile=PROFILES["generic"]
    )
    check_same(back.response, between.completion)
    COUNTS["there and back from Responses"] += 1


@pytest.mark.parametrize("recording", answers("chat"))
def test_a_recorded_completion_survives_responses(recording: JSON) -> None:
    """A Chat client of a Responses upstream that is a bridge to the recorded server."""
    chunks, marker = sent(recording)
    request = request_for(recording, stream=True)
    between = machine.answer(chunks, request, marker=marker, profile=profile_of(recording))
    back = chat_machine.answer(between.events)
    check_same(between.response, back.completion)
    COUNTS["there and back from Chat"] += 1
