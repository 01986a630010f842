"""Chat fields -> Responses fields: what takes more than one row of the table to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, Profile, profile_for
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.types.json import JSON

CHAT: JSON = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def translate(body: JSON, profile: str | Profile = "openai") -> tuple[JSON, list[tuple[str, str]]]:
    losses = Losses()
    made = to_responses_request({**CHAT, **body}, profile=profile_for(profile), losses=losses)
    return made, [(loss.path, loss.action) for loss in losses]


def test_the_least_request() -> None:
    made, lost = translate({})
    assert made == {
        "model": "m",
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "store": False,
    }
    assert lost == []


def test_a_model_is_not_made_up() -> None:
    made = to_responses_request(
        {"messages": CHAT["messages"]}, profile=profile_for("openai"), losses=Losses()
    )
    assert "model" not in made


@pytest.mark.parametrize(
    ("model", "profile", "asked"),
    [
        ("gpt-5.5", "openai", True),
        ("o4-mini", "azure", True),
        ("gpt-10", "openai", True),
        ("gpt-5.3-codex", "copilot", True),
        ("openai/gpt-5.6-sol", "openrouter", True),
        ("grok-4.3", "xai", True),
        ("grok-4-1-fast-non-reasoning", "xai", False),
        ("gpt-5-chat-latest", "openai", False),
        ("gpt-4o", "openai", False),
        ("ft:gpt-4o:me", "openai", False),
        ("anthropic/claude", "openrouter", False),
        ("gpt-5.5", "generic", False),
        ("gpt-5.5", "vllm", False),
    ],
)
def test_only_models_that_reason_are_asked_for_encrypted_reasoning(
    model: str, profile: str, asked: bool
) -> None:
    made, _ = translate({"model": model}, profile)
    assert made.get("include") == (["reasoning.encrypted_content"] if asked else None)


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"reasoning_effort": "low"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "low", "store": True}, False),
    ],
)
def test_an_effort_tells_that_the_model_reasons(fields: JSON, asked: bool) -> None:
    made, _ = translate({"model": "my-deployment", **fields}, "azure")
    assert ("include" in made) is asked


def test_nothing_is_asked_for_twice() -> None:
    fields = {"model": "gpt-5.5", "logprobs": True, "include": ["reasoning.encrypted_content"]}
    made, _ = translate(fields)
    assert made["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]


@pytest.mark.parametrize(
    ("fields", "limit", "lost"),
    [
        ({"max_tokens": 16}, 16, []),
        ({"max_tokens": 15}, 16, [("max_tokens", "clamped")]),
        ({"max_tokens": 99, "max_completion_tokens": 99}, 99, []),
        (
            {"max_tokens": 99, "max_completion_tokens": 1},
            16,
            [("max_tokens", "dropped"), ("max_completion_tokens", "clamped")],
        ),
    ],
)
def test_token_limits(fields: JSON, limit: int, lost: list[tuple[str, str]]) -> None:
    made, told = translate(fields)
    assert made["max_output_tokens"] == limit
    assert told == lost
    assert not made.keys() & {"max_tokens", "max_completion_tokens"}


def test_a_server_may_take_shorter_answers() -> None:
    made, lost = translate({"max_tokens": 3}, replace(PROFILES["vllm"], min_output_tokens=1))
    assert made["max_output_tokens"] == 3
    assert lost == []


def test_what_a_server_does_not_take_is_reported_in_the_words_of_the_client() -> None:
    names = frozenset({"text", "reasoning", "tools", "max_output_tokens", "include", "store", "metadata"})
    profile = replace(PROFILES["generic"], name="small", responses_withheld=names)
    made, lost = translate(
        {
            "verbosity": "low",
            "reasoning_effort": "low",
            "web_search_options": {},
            "max_completion_tokens": 99,
            "logprobs": True,
            "store": False,
        },
        profile,
    )
    assert made.keys() == {"model", "input"}
    assert {path for path, _ in lost} == {
        *("verbosity", "reasoning_effort", "web_search_options", "max_completion_tokens", "logprobs")
    }
    assert translate({"store": True}, profile)[1] == [("store", "dropped")]


@pytest.mark.parametrize("choice", ["none", "auto"])
def test_a_choice_among_no_tools_is_not_sent(choice: str) -> None:
    made, lost = translate({"tool_choice": choice})
    assert "tool_choice" not in made
    assert lost == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice.function.name"),
        ({"function_call": {"name": "f"}}, "function_call.name"),
    ],
)
def test_a_demand_for_a_tool_that_is_not_there_is_refused(fields: JSON, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        translate(fields)
    assert caught.value.param == param


def test_a_tool_may_say_in_both_forms_what_it_is() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "a"}}
    plain, lost = translate({"tools": [tool]})
    assert translate({"tools": [{**tool, "name": "f", "description": "a"}]}) == (plain, lost)
    other, lost = translate({"tools": [{**tool, "name": ["g"], "parameters": 1}]})
    assert other == plain
    assert lost == [("tools[0].name", "dropped"), ("tools[0].parameters", "dropped")]


def test_web_search_is_a_tool_beside_the_others() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    made, _ = translate({"tools": tools, "web_search_options": {"search_context_size": "high"}})
    assert [tool["type"] for tool in made["tools"]] == ["function", "web_search"]
    assert translate({"web_search_options": {}, "tool_choice": "required"})[0]["tool_choice"] == "required"


def test_null_is_absent() -> None:
    nulls = dict.fromkeys(("temperature", "tools", "stop", "functions", "response_format", "n", "seed", "x"))
    assert translate(nulls) == translate({})
