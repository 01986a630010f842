"""Which tool types an operator does not pass on: left out and reported, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from responses_asgi import (
    PROFILES,
    ChatCompletionsMiddleware,
    ConfigurationError,
    InvalidRequestError,
    Profile,
    ResponsesMiddleware,
    Upstream,
    chat_request_to_responses,
    responses_request_to_chat,
)
from responses_asgi.profiles import ToolPolicy
from responses_asgi.testing import FakeModel
from responses_asgi.translate.chat_to_chat import ChatToChat
from responses_asgi.translate.responses_to_responses import ResponsesToResponses
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import WireAPI
from tests.loopback import served

F: JSON = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
CHAT_F: JSON = {"type": "function", "function": {"name": "f"}}
SEARCH: JSON = {"type": "web_search"}
CUSTOM: JSON = {"type": "custom", "custom": {"name": "c"}}


def with_policy(policy: Mapping[str, ToolPolicy], name: str = "openai") -> Profile:
    return replace(PROFILES[name], tool_policy=policy)


def to_chat(policy: Mapping[str, ToolPolicy], **fields: Any) -> tuple[JSON, list[tuple[str, str]]]:
    body = {"model": "m", "input": "Hi", **fields}
    made, losses = responses_request_to_chat(body, profile=with_policy(policy))
    return made, [(loss.path, loss.action) for loss in losses]


def to_responses(policy: Mapping[str, ToolPolicy], **fields: Any) -> tuple[JSON, list[tuple[str, str]]]:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    made, losses = chat_request_to_responses(body, profile=with_policy(policy))
    return made, [(loss.path, loss.action) for loss in losses]


def test_a_refused_type_is_a_400_with_its_place() -> None:
    with pytest.raises(InvalidRequestError, match="'web_search'") as caught:
        to_chat({"web_search": "error"}, tools=[F, SEARCH])
    assert caught.value.param == "tools[1].type"
    with pytest.raises(InvalidRequestError) as caught:
        to_responses({"custom": "error"}, tools=[CHAT_F, CUSTOM])
    assert caught.value.param == "tools[1].type"


def test_a_dropped_type_is_left_out_and_reported() -> None:
    assert to_chat({"function": "drop"}, tools=[F]) == (
        {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
        [("tools[0]", "dropped")],
    )
    made, losses = to_responses({"custom": "drop"}, tools=[CUSTOM, CHAT_F, SEARCH])
    assert [tool["type"] for tool in made["tools"]] == ["function", "web_search"]
    assert losses == [("tools[0]", "dropped")]


def test_the_star_means_all_but_functions_and_what_is_named() -> None:
    policy: dict[str, ToolPolicy] = {"*": "drop", "custom": "error"}
    made, losses = to_responses(policy, tools=[SEARCH, CHAT_F], web_search_options={})
    assert [tool["type"] for tool in made["tools"]] == ["function"]
    assert losses == [("tools[0]", "dropped"), ("web_search_options", "dropped")]
    with pytest.raises(InvalidRequestError, match="'custom'"):
        to_responses(policy, tools=[CUSTOM])


def test_the_older_functions_fall_under_the_policy_of_functions() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        to_responses({"function": "error"}, functions=[{"name": "f"}])
    assert caught.value.param == "functions[0].type"


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "web_search"}, "tool_choice.type"),
        ({"type": "custom", "custom": {"name": "c"}}, "tool_choice.custom.name"),
        ("required", "tool_choice"),
    ],
)
def test_a_demand_for_a_dropped_tool_cannot_be_met(choice: Any, param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        to_responses({"*": "drop"}, tools=[SEARCH, CUSTOM], tool_choice=choice)
    assert caught.value.param == param


def test_dropped_tools_are_not_among_the_allowed_ones() -> None:
    allowed = {"mode": "auto", "tools": [SEARCH, {"type": "function", "function": {"name": "f"}}]}
    made, losses = to_responses(
        {"web_search": "drop"},
        tools=[SEARCH, CHAT_F],
        tool_choice={"type": "allowed_tools", "allowed_tools": allowed},
    )
    assert made["tool_choice"]["tools"] == [{"type": "function", "name": "f"}]
    assert ("tool_choice.allowed_tools.tools[0]", "dropped") in losses


async def test_a_served_upstream_refuses_and_drops() -> None:
    fake = FakeModel("Four.")
    profile = with_policy({"custom": "error", "*": "drop"})
    chat = ResponsesMiddleware(Upstream.asgi(fake, profile=profile))
    async with served(chat) as url, httpx.AsyncClient() as http:
        body = {"model": "m", "input": "2 + 2?", "tools": [F, SEARCH]}
        answer = await http.post(f"{url}/v1/responses", json=body)
        body["tools"] = [{"type": "custom", "name": "c"}]
        refused = await http.post(f"{url}/v1/responses", json=body)
    assert answer.status_code == 200
    assert answer.headers["x-responses-asgi-loss"] == "tools[1];dropped"
    assert [tool["type"] for tool in fake.requests[0].body["tools"]] == ["function"]
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "tools[0].type"
    assert len(fake.requests) == 1


async def test_a_served_responses_upstream_is_not_sent_them_either() -> None:
    fake = FakeModel("Four.")
    upstream = Upstream.asgi(fake, api="responses", profile=with_policy({"*": "drop"}))
    async with served(ChatCompletionsMiddleware(upstream)) as url, httpx.AsyncClient() as http:
        body = {"model": "m", "messages": [{"role": "user", "content": "2 + 2?"}], "tools": [CHAT_F, CUSTOM]}
        answer = await http.post(f"{url}/v1/chat/completions", json=body)
    assert answer.status_code == 200
    assert [tool["type"] for tool in fake.requests[0].body["tools"]] == ["function"]


# Between equals


def translated(api: WireAPI, policy: Mapping[str, ToolPolicy], **fields: Any) -> tuple[JSON, list[str]]:
    """What a request to an upstream of its own API becomes."""
    translator: ChatToChat | ResponsesToResponses
    if api == "chat":
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
        translator = ChatToChat(body, profile=with_policy(policy))
    else:
        translator = ResponsesToResponses(
            {"model": "m", "input": "Hi", **fields},
            new_id=lambda prefix: prefix + "1",
            now=lambda: 0,
            profile=with_policy(policy),
        )
    made = translator.request()
    return {name: made[name] for name in made if name not in ("model", "messages")}, [
        loss.path for loss in translator.losses
    ]


def test_between_equals_dropped_tools_are_left_out_wherever_they_are_declared() -> None:
    added = {"type": "additional_tools", "tools": [SEARCH, F]}
    said = {"role": "user", "content": "Hi"}
    made, losses = translated("responses", {"*": "drop"}, input=[added, said], tools=[F, SEARCH])
    assert made["tools"] == [F]
    assert made["input"] == [{"type": "additional_tools", "tools": [F]}, said]
    assert losses == ["tools[1]", "input[0].tools[0]"]
    made, losses = translated("chat", {"*": "drop"}, tools=[CHAT_F, CUSTOM], web_search_options={})
    assert made == {"tools": [CHAT_F]}
    assert losses == ["tools[1]", "web_search_options"]
    made, losses = translated(
        "chat",
        {"function": "drop"},
        functions=[{"name": "f"}],
        function_call="auto",
        parallel_tool_calls=True,
    )
    assert made == {}
    assert losses == ["functions[0]"]


def test_between_equals_nothing_changes_without_a_policy_for_what_is_there() -> None:
    fields: JSON = {"tools": [F, SEARCH], "tool_choice": {"type": "web_search"}, "input": [{"role": "user"}]}
    assert translated("responses", {}, **fields) == (fields, [])
    assert translated("responses", {"custom": "error"}, **fields) == (fields, [])
    modes: JSON = {"tools": [CHAT_F], "tool_choice": {"type": "auto"}}
    assert translated("chat", {"custom": "error"}, **modes) == (modes, [])


@pytest.mark.parametrize(
    ("api", "policy", "fields", "param"),
    [
        ("responses", {"web_search": "error"}, {"tools": [F, SEARCH]}, "tools[1].type"),
        ("responses", {"*": "drop"}, {"tools": [SEARCH], "tool_choice": "required"}, "tool_choice"),
        ("responses", {"*": "drop"}, {"tools": [F, SEARCH], "tool_choice": SEARCH}, "tool_choice.type"),
        ("chat", {"*": "drop"}, {"tools": [CHAT_F, CUSTOM], "tool_choice": CUSTOM}, "tool_choice.type"),
        (
            "chat",
            {"function": "drop"},
            {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
            "function_call.type",
        ),
        (
            "responses",
            {"*": "drop"},
            {
                "tools": [F, SEARCH],
                "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [SEARCH]},
            },
            "tool_choice.tools",
        ),
    ],
)
def test_between_equals_what_cannot_be_met_is_refused(
    api: WireAPI, policy: dict[str, ToolPolicy], fields: JSON, param: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        translated(api, policy, **fields)
    assert caught.value.param == param


def test_between_equals_allowed_tools_are_those_that_are_left() -> None:
    chat = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [CUSTOM, CHAT_F]}}
    made, losses = translated("chat", {"custom": "drop"}, tools=[CHAT_F, CUSTOM], tool_choice=chat)
    assert made["tool_choice"]["allowed_tools"] == {"mode": "auto", "tools": [CHAT_F]}
    assert "tool_choice.allowed_tools.tools[0]" in losses
    flat = {"type": "allowed_tools", "mode": "auto", "tools": [SEARCH]}
    made, _ = translated("responses", {"*": "drop"}, tools=[F, SEARCH], tool_choice=flat)
    assert made["tool_choice"] == "none"
    flat["tools"] = [SEARCH, {"type": "function", "name": "f"}]
    made, _ = translated("responses", {"*": "drop"}, tools=[F, SEARCH], tool_choice=flat)
    assert made["tool_choice"]["tools"] == [{"type": "function", "name": "f"}]


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_a_served_upstream_of_the_same_api_obeys_as_well(api: WireAPI) -> None:
    fake = FakeModel("Four.")
    upstream = Upstream.asgi(fake, api=api, tool_policy={"custom": "drop", "web_search": "error"})
    component: Any = ResponsesMiddleware if api == "responses" else ChatCompletionsMiddleware
    path = "/v1/responses" if api == "responses" else "/v1/chat/completions"
    custom = {"type": "custom", "name": "c"} if api == "responses" else CUSTOM
    given: JSON = (
        {"input": "2 + 2?"} if api == "responses" else {"messages": [{"role": "user", "content": "?"}]}
    )
    async with served(component(upstream)) as url, httpx.AsyncClient() as http:
        answer = await http.post(f"{url}{path}", json={"model": "m", "tools": [custom], **given})
        refused = await http.post(f"{url}{path}", json={"model": "m", "tools": [SEARCH], **given})
    assert answer.status_code == 200
    assert "tools" not in fake.requests[0].body
    assert refused.json()["error"]["param"] == "tools[0].type"
    assert len(fake.requests) == 1


def test_a_policy_is_checked_when_an_upstream_is_made() -> None:
    with pytest.raises(ConfigurationError, match=r"tool_policy\['x'\] must be drop or error, got 'ban'"):
        Upstream.asgi(FakeModel(), tool_policy={"x": "ban"})  # type: ignore[dict-item] # what is tested
    profile = with_policy({"a": "drop"})
    upstream = Upstream.asgi(FakeModel(), profile=profile, tool_policy={"b": "error"})
    assert upstream.profile.tool_policy == {"a": "drop", "b": "error"}
