"""Whatever a Chat history holds, the Responses input is well-formed and nothing is lost in silence; and a
history that goes there and back still says the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, Profile
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request
from tests.recordings import FOLDER, MISSING, recordings

DOCUMENT = Path(__file__).parents[2] / "shared" / "spec" / "openai.subset.openapi.json"
CALLS = ("function_call", "custom_tool_call")
OUTPUTS = tuple(f"{kind}_output" for kind in CALLS)

profiles = st.sampled_from(sorted(PROFILES.values(), key=lambda profile: profile.name))
words = st.integers(0, 10**6).map(lambda number: f"word{number}end")
# Short ones that collide, with each other and with those that are made up; and one that is too long.
call_ids = st.sampled_from(["a", "b", "call_0", "call_1", "call_2", "x" * 80, ""])

texts = st.builds(lambda word: {"type": "text", "text": word}, words)
images = st.builds(lambda word: {"type": "image_url", "image_url": {"url": f"data:{word}"}}, words)
contents = st.one_of(words, st.lists(st.one_of(texts, images), max_size=3))
functions = st.builds(
    lambda key, name, word: {"id": key, "type": "function", "function": {"name": name, "arguments": word}},
    call_ids,
    st.sampled_from(["f", "g"]),
    words,
)
customs = st.builds(
    lambda key, word: {"id": key, "type": "custom", "custom": {"name": "c", "input": word}}, call_ids, words
)
assistants = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={
        "content": st.one_of(st.none(), words, st.lists(texts, max_size=2)),
        "refusal": words,
        "tool_calls": st.lists(st.one_of(functions, customs), max_size=3),
        "function_call": st.builds(lambda word: {"name": "f", "arguments": word}, words),
        "reasoning_content": words,
        "reasoning_details": st.lists(
            st.builds(lambda word: {"type": "reasoning.text", "text": word, "signature": "s"}, words),
            min_size=1,
            max_size=2,
        ),
    },
)
messages = st.one_of(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "system", "developer"]),
        contents,
    ),
    assistants,
    st.builds(
        lambda key, content: {"role": "tool", "tool_call_id": key, "content": content}, call_ids, contents
    ),
    st.builds(lambda word: {"role": "function", "name": "f", "content": word}, words),
)


def assert_well_formed(items: list[JSON]) -> None:
    """What Responses demands of an input: calls and outputs in pairs, the call first, each id once."""
    waiting: dict[str, str] = {}
    seen: set[str] = set()
    for item in items:
        kind = item["type"]
        if kind in CALLS:
            assert item["call_id"] not in seen
            seen.add(item["call_id"])
            waiting[item["call_id"]] = kind
        elif kind in OUTPUTS:
            assert kind == f"{waiting.pop(item['call_id'])}_output"
        assert 0 < len(item.get("call_id", "x")) <= 64
    assert waiting == {}
    ids = [item["id"] for item in items if item["type"] != "reasoning" and "id" in item]
    assert len(ids) == len(set(ids))


def spoken(value: Any) -> Iterator[str]:
    """Every generated word inside a message."""
    if isinstance(value, str) and "word" in value:
        yield value.removeprefix("data:")
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from spoken(inner)


@given(history=st.lists(messages, min_size=1, max_size=12), profile=profiles)
def test_histories_of_any_kind(history: list[JSON], profile: Profile) -> None:
    losses = Losses()
    body = validate_chat_request({"model": "m", "messages": history})
    items = to_responses_request(body, profile=profile, losses=losses)["input"]
    assert validate_request({"model": "m", "input": items})
    assert_well_formed(items)
    told = json.dumps(items)
    lost = [loss.path for loss in losses if loss.action == "dropped"]
    for i, message in enumerate(history):
        sealed = any(item["type"] == "reasoning" and "encrypted_content" in item for item in items)
        for word in spoken(message):
            in_details = sealed and word in json.dumps(message.get("reasoning_details", ""))
            assert word in told or in_details or any(path.startswith(f"messages[{i}]") for path in lost)
    said = [item["role"] for item in items if item.get("role") in ("system", "developer", "user")]
    assert said == [
        message["role"] for message in history if message["role"] in ("system", "developer", "user")
    ]


@given(history=st.lists(messages, min_size=1, max_size=12), profile=profiles, data=st.data())
def test_memory_of_any_kind(history: list[JSON], profile: Profile, data: st.DataObject) -> None:
    """Remembered items come back at most once, whatever ids the history uses again."""
    rounds = [message for message in history if message.get("tool_calls")]
    known: dict[str, list[JSON]] = {}
    for i, message in enumerate(rounds):
        answer: list[JSON] = [
            {"type": "reasoning", "id": f"rs_{i}", "summary": [], "encrypted_content": f"secret{i}"}
        ]
        said = message.get("content") or ""
        texts = [said] if isinstance(said, str) else [part["text"] for part in said]
        parts = [{"type": "output_text", "text": text} for text in texts]
        refusal = [{"type": "refusal", "refusal": message["refusal"]}] if "refusal" in message else []
        answer.append(
            {"type": "message", "id": f"msg_{i}", "role": "assistant", "content": [*parts, *refusal]}
        )
        for j, call in enumerate(message["tool_calls"]):
            kind, key, said = (
                ("custom_tool_call", "input", call["custom"])
                if call["type"] == "custom"
                else ("function_call", "arguments", call["function"])
            )
            answer.append(
                {
                    "type": kind,
                    "id": f"item_{i}_{j}",
                    "call_id": call["id"],
                    "name": said["name"],
                    key: said[key],
                }
            )
        if data.draw(st.booleans()):
            known |= {call["id"]: answer for call in message["tool_calls"] if call["id"]}
    body = validate_chat_request({"model": "m", "messages": history})
    items = to_responses_request(
        body, profile=profile, losses=Losses(), recall=lambda call_id: known.get(call_id, ())
    )["input"]
    assert_well_formed(items)
    secrets = [item["encrypted_content"] for item in items if "secret" in str(item.get("encrypted_content"))]
    assert len(secrets) == len(set(secrets))
    if len(rounds) == 1 and known and "function_call" not in rounds[0]:
        assert secrets == ["secret0"] or any(not call["id"] for call in rounds[0]["tool_calls"])


# There and back


def rounds_of(number: int, word: str, calls: int, spoken_first: bool) -> list[JSON]:
    """A question, and an answer of text or calls; the ids tell the rounds apart."""
    question: JSON = {"role": "user", "content": f"question {word}"}
    if not calls:
        return [question, {"role": "assistant", "content": f"answer {word}"}]
    made = [
        {
            "id": f"call_{number}_{i}",
            "type": "function",
            "function": {"name": "f", "arguments": json.dumps({word: i})},
        }
        for i in range(calls)
    ]
    outputs = [
        {"role": "tool", "tool_call_id": f"call_{number}_{i}", "content": f"output {word} {i}"}
        for i in range(calls)
    ]
    said = f"wait {word}" if spoken_first else None
    return [question, {"role": "assistant", "content": said, "tool_calls": made}, *outputs]


turns = st.lists(
    st.one_of(
        st.tuples(words, st.integers(0, 3), st.booleans()),
        st.tuples(words, st.sampled_from(["system", "developer"])),
    ),
    min_size=1,
    max_size=6,
)


def chat_history(drawn: list[Any]) -> list[JSON]:
    history: list[JSON] = []
    for number, turn in enumerate(drawn):
        if len(turn) == 2:
            history.append({"role": turn[1], "content": f"rule {turn[0]}"})
        else:
            history += rounds_of(number, *turn)
    return history


@given(drawn=turns)
def test_chat_there_and_back(drawn: list[Any]) -> None:
    history, losses = chat_history(drawn), Losses()
    body = validate_chat_request({"model": "m", "messages": history})
    made = to_responses_request(body, profile=PROFILES["openai"], losses=losses)
    back = to_chat_request(validate_request(made), profile=PROFILES["openai"], losses=losses)
    assert back["messages"] == history
    assert losses == []


@given(drawn=turns)
def test_responses_there_and_back(drawn: list[Any]) -> None:
    start = validate_chat_request({"model": "m", "messages": chat_history(drawn)})
    request = to_responses_request(start, profile=PROFILES["openai"], losses=Losses())
    losses = Losses()
    chat = to_chat_request(validate_request(request), profile=PROFILES["openai"], losses=losses)
    back = to_responses_request(validate_chat_request(chat), profile=PROFILES["openai"], losses=losses)
    assert back == request
    assert losses == []


# Recorded requests


def recorded() -> list[Any]:
    return [
        pytest.param(recording["request"]["body"], id=recording["id"])
        for recording in recordings("chat")
        if recording["request"]["body"] is not None
    ]


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
@pytest.mark.parametrize("body", recorded())
def test_recorded_requests_are_translated_or_refused_with_a_place(body: JSON) -> None:
    for name in ("openai", "generic", "openrouter", "vllm"):
        losses = Losses()
        try:
            checked = validate_chat_request(body, model_required=False)
            made = to_responses_request(checked, profile=PROFILES[name], losses=losses)
        except InvalidRequestError as error:
            place = error.param
        else:
            place = "carried"
            assert validate_request(made, model_required=False)
            assert_well_formed(made["input"])
            assert made["store"] is bool(body.get("store"))
            assert "messages" not in made
        assert place


def vendors_own(request: JSON) -> bool:
    """Whether the client asked for something of another vendor, which is carried as it is."""
    choice = request.get("tool_choice")
    return (
        any(":" in tool["type"] for tool in request.get("tools", ()))
        or (isinstance(choice, dict) and choice["type"] == "tool")
        or request.get("service_tier") == "on_demand"
    )


@pytest.mark.skipif(not FOLDER.exists() or not DOCUMENT.exists(), reason=MISSING)
def test_recorded_requests_fit_the_document() -> None:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))["components"]
    # Messages of the short form fit several of its branches, which `oneOf` takes for a mistake.
    components = json.loads(json.dumps(document).replace('"oneOf"', '"anyOf"'))
    checker = Draft202012Validator({"$ref": "#/components/schemas/CreateResponse", "components": components})
    checked = 0
    for recording in recordings("chat"):
        body = recording["request"]["body"]
        try:
            chat = validate_chat_request(body)
            made = to_responses_request(chat, profile=PROFILES["openai"], losses=Losses())
        except InvalidRequestError:
            continue
        if not vendors_own(made):
            error = best_match(checker.iter_errors(made))
            assert error is None, f"{recording['id']} at {error.json_path}: {error.message[:300]}"
            checked += 1
    assert checked > 250
