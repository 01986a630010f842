"""Whatever the history holds, the Chat messages are well-formed and nothing is lost in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, Profile
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request

RECORDINGS = Path(__file__).parents[2] / "shared" / "recordings" / "responses"
ROLES = {"system", "developer", "user", "assistant", "tool"}

profiles = st.sampled_from(sorted(PROFILES.values(), key=lambda profile: profile.name))
words = st.integers(0, 10**6).map(lambda number: f"word{number}end")
call_ids = st.sampled_from(["a", "b", "c", "call_0", "abcDEF123"])
optional_ids = st.one_of(call_ids, st.none())

texts = st.builds(lambda word: {"type": "input_text", "text": word}, words)
images = st.builds(lambda word: {"type": "input_image", "image_url": f"data:{word}"}, words)
contents = st.one_of(words, st.lists(st.one_of(texts, images), max_size=3))

items = st.one_of(
    st.builds(
        lambda role, content: {"type": "message", "role": role, "content": content},
        st.sampled_from(["user", "system", "developer"]),
        contents,
    ),
    st.builds(lambda word: {"role": "assistant", "content": [{"type": "output_text", "text": word}]}, words),
    st.builds(lambda word: {"role": "assistant", "content": [{"type": "refusal", "refusal": word}]}, words),
    st.builds(
        lambda key, word: {"type": "function_call", "call_id": key, "name": "f", "arguments": word},
        optional_ids,
        words,
    ),
    st.builds(
        lambda key, content: {"type": "function_call_output", "call_id": key, "output": content},
        optional_ids,
        contents,
    ),
    st.builds(
        lambda key, word: {"type": "custom_tool_call", "call_id": key, "name": "c", "input": word},
        call_ids,
        words,
    ),
    st.builds(
        lambda key, word: {"type": "custom_tool_call_output", "call_id": key, "output": word},
        call_ids,
        words,
    ),
    st.builds(lambda word: {"type": "reasoning", "summary": [{"type": "summary_text", "text": word}]}, words),
)


def assert_well_formed(messages: list[JSON], profile: Profile) -> None:
    """What Chat Completions demands of a history."""
    open_ids: list[str] = []
    seen: set[str] = set()
    for message in messages:
        assert message["role"] in ROLES - ({"developer"} if not profile.developer_role else set())
        if message["role"] == "tool":
            assert open_ids.pop(0) == message["tool_call_id"]
            continue
        assert open_ids == [], "a call is not answered directly after its message"
        if message["role"] == "assistant":
            open_ids = [call["id"] for call in message.get("tool_calls", ())]
            assert seen.isdisjoint(open_ids)
            assert len(open_ids) == len(set(open_ids))
            seen.update(open_ids)
            assert isinstance(message["content"], str | list) or open_ids or message.get("refusal")
        else:
            assert isinstance(message["content"], str | list)
    assert open_ids == []


def spoken(value: Any) -> Iterator[str]:
    """Every generated word inside an item."""
    if isinstance(value, str) and "word" in value:
        yield value.removeprefix("data:")
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from spoken(inner)


@given(history=st.lists(items, min_size=1, max_size=12), profile=profiles, instructions=words)
def test_histories_of_any_kind(history: list[JSON], profile: Profile, instructions: str) -> None:
    losses = Losses()
    body = validate_request({"model": "m", "input": history, "instructions": instructions})
    messages = to_chat_request(body, profile=profile, losses=losses)["messages"]
    assert_well_formed(messages, profile)
    told = json.dumps(messages)
    lost = [loss.path for loss in losses if loss.action == "dropped"]
    assert instructions in told
    for i, item in enumerate(history):
        for word in spoken(item):
            assert word in told or any(path.startswith(f"input[{i}]") for path in lost)


def recorded() -> list[Any]:
    paths = sorted(RECORDINGS.glob("*/*.json")) if RECORDINGS.exists() else []
    return [pytest.param(path, id=path.stem) for path in paths]


@pytest.mark.skipif(not RECORDINGS.exists(), reason=f"{RECORDINGS} is not here")
@pytest.mark.parametrize("path", recorded())
def test_recorded_requests_are_translated_or_refused_with_a_place(path: Path) -> None:
    body = json.loads(path.read_text())["request"]["body"]
    for name in ("openai", "generic", "mistral", "deepseek", "vllm", "openrouter"):
        try:
            chat = to_chat_request(validate_request(body), profile=PROFILES[name], losses=Losses())
        except InvalidRequestError as error:
            place = error.param
        else:
            place = "carried"
            assert_well_formed(chat["messages"], PROFILES[name])
        assert place or body is None
