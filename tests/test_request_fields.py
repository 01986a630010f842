"""Rules of single request fields that say more than the table of outcomes can."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, Profile, profile_for
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.translate.tool_table import tool_table
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request

F: JSON = {"type": "function", "name": "f", "parameters": {"type": "object"}}
G: JSON = {"type": "function", "name": "g"}
SEARCH: JSON = {"type": "web_search"}


def translate(profile: str | Profile = "generic", **body: Any) -> tuple[JSON, list[tuple[str, str]]]:
    losses = Losses()
    request = validate_request({"model": "m", "input": "Hi", **body})
    chat = to_chat_request(request, profile=profile_for(profile), losses=losses)
    return chat, [(loss.path, loss.action) for loss in losses]


def refused(profile: str = "generic", **body: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        translate(profile, **body)
    return caught.value


@pytest.mark.parametrize("nothing", [None, []])
def test_where_nothing_is_said_nothing_is_asked(nothing: object) -> None:
    error = refused(input=nothing)
    assert (error.param, error.code) == ("input", "missing_required_parameter")
    assert translate(input=nothing, instructions="Hi")[0]["messages"] == [{"role": "system", "content": "Hi"}]


def test_the_least_request_is_the_least_request() -> None:
    assert translate() == ({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}, [])


def test_null_counts_as_absent() -> None:
    names = ["tools", "tool_choice", "text", "reasoning", "include", "metadata", "stream", "store", "vendor"]
    nothing = dict.fromkeys([*names, "stream_options", "background", "truncation", "prompt"])
    assert translate(**nothing) == translate()


def test_defaults_that_are_spelled_out_lose_nothing() -> None:
    chat, losses = translate(
        store=False,
        background=False,
        truncation="disabled",
        metadata={},
        tools=[],
        include=[],
        stream_options={"include_obfuscation": False},
        n=1,
        reasoning={"effort": None, "summary": None},
        parallel_tool_calls=True,
        tool_choice="auto",
    )
    assert (chat, losses) == translate()


def test_items_of_earlier_rounds_follow_the_input() -> None:
    rounds = [
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "compaction", "encrypted_content": "x"},
    ]
    inputs: list[Any] = ["Hi", [{"role": "user", "content": "Hi"}], None]
    for given in inputs:
        body = {"model": "m", "input": given, "instructions": "Be brief."}
        chat = to_chat_request(body, profile=PROFILES["generic"], losses=Losses(), items=rounds[:2])
        roles = [message["role"] for message in chat["messages"]]
        assert roles == ["system", *(["user"] if given else []), "assistant", "tool"]
        with pytest.raises(InvalidRequestError) as caught:
            to_chat_request(body, profile=PROFILES["generic"], losses=Losses(), items=rounds)
        assert caught.value.param == f"input[{3 if given else 2}].type"


def test_a_model_is_not_made_up() -> None:
    chat = to_chat_request({"input": "Hi"}, profile=PROFILES["generic"], losses=Losses())
    assert "model" not in chat


def test_own_fields_do_not_override_what_the_request_says() -> None:
    chat, _ = translate(max_output_tokens=5, max_tokens=7, seed=1)
    assert (chat["max_tokens"], chat["seed"]) == (5, 1)


@pytest.mark.parametrize("field", ["previous_response_id", "conversation"])
def test_there_is_no_state_and_the_error_says_what_to_do(field: str) -> None:
    error = refused(**{field: "x_1"})
    assert error.param == field
    assert "send the whole conversation as `input`" in error.message


# Streams


def test_usage_is_asked_for_in_streams_only() -> None:
    assert translate(stream=True)[0]["stream_options"] == {"include_usage": True}
    assert translate("mistral", stream=True)[0].keys() == {"model", "messages", "stream"}
    assert "stream_options" not in translate(stream=False)[0]


# Reasoning and log probabilities


@pytest.mark.parametrize(
    ("effort", "sent", "clamped"),
    [
        ("minimal", "high", True),
        ("low", "high", True),
        ("medium", "high", True),
        ("high", "high", False),
        ("xhigh", "max", True),
        ("max", "max", False),
    ],
)
def test_deepseek_thinks_at_two_levels(effort: str, sent: str, clamped: bool) -> None:
    chat, losses = translate("deepseek", reasoning={"effort": effort})
    assert chat["thinking"] == {"type": "enabled"}
    assert chat["reasoning_effort"] == sent
    assert losses == ([("reasoning.effort", "clamped")] if clamped else [])


def test_deepseek_says_log_probabilities_only_without_thinking() -> None:
    asked: JSON = {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}
    chat, losses = translate("deepseek", reasoning={"effort": "high"}, **asked)
    assert not {"logprobs", "top_logprobs"} & chat.keys()
    assert losses == [("include[0]", "dropped"), ("top_logprobs", "dropped")]
    for more in ({}, {"reasoning": {"effort": "none"}}):
        chat, losses = translate("deepseek", **asked, **more)
        assert (chat["logprobs"], chat["top_logprobs"], losses) == (True, 2, [])


def test_thinking_is_switched_off_without_an_effort() -> None:
    chat, losses = translate("qwen", reasoning={"effort": "none"})
    assert chat["enable_thinking"] is False
    assert "reasoning_effort" not in chat
    assert losses == []
    assert translate("openai", reasoning={"effort": "none"})[0]["reasoning_effort"] == "none"


def test_log_probabilities_asked_for_by_count_are_lost_once() -> None:
    assert translate("groq", top_logprobs=2)[1] == [("top_logprobs", "dropped")]


def test_an_unknown_reasoning_field_is_reported() -> None:
    assert translate(reasoning={"budget": 5})[1] == [("reasoning.budget", "dropped")]


# Tools


def test_tools_that_cannot_be_sent_leave_the_model_free() -> None:
    chat, losses = translate(tools=[SEARCH, F], tool_choice="auto", parallel_tool_calls=True)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["f"]
    assert (chat["tool_choice"], chat["parallel_tool_calls"]) == ("auto", True)
    assert losses == [("tools[0]", "dropped")]


def test_without_any_tool_left_nothing_about_tools_is_sent() -> None:
    for choice in ("auto", "none"):
        chat, losses = translate(tools=[SEARCH], tool_choice=choice, parallel_tool_calls=True)
        assert chat.keys() == {"model", "messages"}
        assert losses == [("tools[0]", "dropped")]


@pytest.mark.parametrize("tools", [[], [SEARCH], [{"type": "namespace", "name": "n", "tools": []}]])
def test_a_demand_that_no_tool_is_left_for_is_refused(tools: list[JSON]) -> None:
    assert refused(tools=tools, tool_choice="required").param == "tool_choice"
    assert refused("perplexity", tools=[F], tool_choice="required").param == "tool_choice"


def test_required_with_a_tool_left_is_carried() -> None:
    assert translate(tools=[SEARCH, F], tool_choice="required")[0]["tool_choice"] == "required"


def test_a_choice_that_names_what_cannot_be_sent_is_refused() -> None:
    tools = [F, {"type": "custom", "name": "c"}, SEARCH]
    assert refused(tools=tools, tool_choice={"type": "custom", "name": "f"}).param == "tool_choice.name"
    assert refused(tools=tools, tool_choice={"type": "shell"}).param == "tool_choice.type"
    assert refused(tools=tools, tool_choice={"type": "web_search"}).param == "tool_choice.type"
    assert refused(tools=tools, tool_choice={"type": "function", "name": "c"}).param == "tool_choice.name"


def test_allowed_tools_are_enforced_by_leaving_the_others_out() -> None:
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    chat, losses = translate(tools=[F, G], tool_choice=allowed)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["g"]
    assert chat["tool_choice"] == "required"
    assert losses == [("tool_choice", "emulated")]
    chat, losses = translate("openai", tools=[F, G], tool_choice=allowed)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["f", "g"]
    assert chat["tool_choice"]["allowed_tools"] == {
        "mode": "required",
        "tools": [{"type": "function", "function": {"name": "g"}}],
    }
    assert losses == []


@pytest.mark.parametrize("profile", ["generic", "openai"])
def test_allowed_tools_of_which_none_can_be_sent(profile: str) -> None:
    allowed: JSON = {"type": "allowed_tools", "tools": [SEARCH, {"type": "function", "name": "gone"}]}
    chat, losses = translate(profile, tools=[F, SEARCH], tool_choice=allowed)
    assert not {"tools", "tool_choice"} & chat.keys()
    assert ("tool_choice.tools[0]", "dropped") in losses
    assert ("tool_choice.tools[1]", "dropped") in losses
    error = refused(profile, tools=[F], tool_choice={**allowed, "mode": "required"})
    assert error.param == "tool_choice.tools"


def test_properties_that_ask_for_nothing_are_not_reported() -> None:
    quiet = {**F, "strict": None, "description": None, "defer_loading": False, "output_schema": None}
    chat, losses = translate(tools=[quiet])
    assert chat["tools"] == [{"type": "function", "function": {"name": "f", "parameters": F["parameters"]}}]
    assert losses == []
    assert translate("deepseek", tools=[{**F, "strict": False}])[1] == []


@pytest.mark.parametrize("own", [{}, {"name": "other"}, "no definition"])
def test_a_tool_may_say_in_both_forms_what_it_is(own: object) -> None:
    both = {**F, "function": {"name": "f"}}
    chosen = {"type": "function", "name": "f"}
    sent = {"type": "function", "function": {"name": "f", "parameters": F["parameters"]}}
    chat, losses = translate(tools=[both], tool_choice=chosen)
    assert (chat["tools"], losses) == ([sent], [])
    chat, losses = translate(tools=[{**both, "function": own}], tool_choice=chosen)
    assert chat["tools"] == [sent]
    assert losses == ([("tools[0].function", "dropped")] if own else [])


def test_the_tool_table_has_a_row_for_every_name_that_is_sent() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [G, SEARCH]}
    body = {"model": "m", "tools": [F, SEARCH], "input": [more, {"role": "user", "content": "Hi"}]}
    table = tool_table(body, profile=PROFILES["generic"])
    assert [(name, row.name, row.kind.call) for name, row in table.rows.items()] == [
        ("f", "f", "function_call"),
        ("g", "g", "function_call"),
    ]
    chat, _ = translate(**body)
    assert [tool["function"]["name"] for tool in chat["tools"]] == ["f", "g"]
    assert tool_table({"input": "Hi"}, profile=PROFILES["generic"]).rows == {}


# A profile is data


def test_a_derived_profile_changes_what_is_sent() -> None:
    mine = replace(
        PROFILES["generic"],
        name="mine",
        token_limit_field="max_completion_tokens",
        withheld=frozenset({"temperature"}),
        stream_usage=False,
    )
    chat, losses = translate(mine, max_output_tokens=5, temperature=1, stream=True, metadata={"k": "v"})
    assert chat == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": 5,
        "metadata": {"k": "v"},
        "stream": True,
    }
    assert losses == [("temperature", "dropped")]


def test_an_output_format_of_unknown_type_goes_through() -> None:
    assert translate(text={"format": {"type": "grammar", "syntax": "x"}})[0]["response_format"] == {
        "type": "grammar",
        "syntax": "x",
    }


def test_no_log_probabilities_are_none() -> None:
    assert not {"logprobs", "top_logprobs"} & translate(top_logprobs=0)[0].keys()
    chat, _ = translate(top_logprobs=0, include=["message.output_text.logprobs"])
    assert (chat["logprobs"], chat["top_logprobs"]) == (True, 0)


def test_the_last_of_several_functions_of_one_name_is_sent() -> None:
    def tool(description: str) -> JSON:
        return {"type": "function", "name": "f", "description": description}

    chat, losses = translate(tools=[tool("old"), tool("new"), tool("new")])
    assert [sent["function"]["description"] for sent in chat["tools"]] == ["new"]
    assert losses == [("tools[0]", "dropped")]
