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
    InvalidRequestError,
    Profile,
    ResponsesMiddleware,
    Upstream,
    chat_request_to_responses,
    responses_request_to_chat,
)
from responses_asgi.profiles import ToolPolicy
from responses_asgi.testing import FakeModel
from responses_asgi.types.json import JSON
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
