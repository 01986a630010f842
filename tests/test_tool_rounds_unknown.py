"""Calls of tools that a server of ours does not have: the model is told, the client is not asked."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from tests.tool_rounds import CALLED, Add, Model, Offered, Sums, ask, bridge

STRAY = [ToolCall("sums__plus", {"a": 2, "b": 3}, call_id="call_9")]
TOLD = "There is no tool 'sums__plus'. Those of the server 'sums' are: sums__add."
over = pytest.mark.parametrize("spoken", ["responses", "chat"])


def told(model: Model, spoken: str) -> list[str]:
    """What the model was told of its calls, at its last turn."""
    if spoken == "chat":
        return [message["content"] for message in model.asked[-1]["messages"] if message["role"] == "tool"]
    items = model.asked[-1]["input"]
    return [item["output"] for item in items if item.get("type") == "function_call_output"]


@over
async def test_the_model_is_told_what_there_is_and_goes_on(spoken: str) -> None:
    model, hosted = Model(STRAY, CALLED, "It is 5."), Sums()
    exchange = await ask(bridge("responses", spoken, model, hosted), "responses", stream=True)
    response = assert_valid_stream(exchange.body)
    assert [item["type"] for item in response["output"]] == [
        "mcp_list_tools",
        "mcp_call",
        "mcp_call",
        "message",
    ]
    stray = response["output"][1]
    assert (stray["server_label"], stray["name"], stray["status"]) == ("sums", "plus", "failed")
    assert stray["error"]["content"][0]["text"] == TOLD
    assert told(model, spoken) == [TOLD, "5"]
    assert hosted.tool.calls == [{"a": 2, "b": 3}]


@over
async def test_a_chat_client_is_not_asked_either(spoken: str) -> None:
    model = Model(STRAY, "Sorry.")
    exchange = await ask(bridge("chat", spoken, model, Sums(always=True)), "chat", stream=True)
    answer = assert_valid_chat_stream(exchange.body)["choices"][0]
    assert (answer["finish_reason"], answer["message"]["content"]) == ("stop", "Sorry.")
    assert told(model, spoken) == [TOLD]


async def test_a_model_that_does_not_listen_is_asked_no_more_than_it_may_be() -> None:
    model = Model(*[STRAY] * 9)
    exchange = await ask(bridge("responses", "chat", model, Sums(rounds=3)), "responses", stream=True)
    response = assert_valid_stream(exchange.body)
    assert len(model.asked) == 3
    assert [item["type"] for item in response["output"]] == ["mcp_list_tools", *["mcp_call"] * 3]


@pytest.mark.parametrize(
    ("own", "item"),
    [
        ({"type": "function", "name": "sums__plus", "parameters": {"type": "object"}}, "function_call"),
        ({"type": "custom", "name": "sums__plus"}, "custom_tool_call"),
        (
            {"type": "namespace", "name": "sums", "tools": [{"type": "function", "name": "plus"}]},
            "function_call",
        ),
    ],
)
async def test_a_tool_of_the_client_is_its_own_whatever_its_name(own: JSON, item: str) -> None:
    tools = [{"type": "mcp", "server_label": "sums"}, own]
    model = Model([ToolCall("sums__plus", '{"input":"x"}', call_id="call_9")])
    exchange = await ask(bridge("responses", "chat", model, Sums()), "responses", stream=True, tools=tools)
    response = assert_valid_stream(exchange.body)
    assert response["output"][-1]["type"] == item
    assert len(model.asked) == 1


@pytest.mark.parametrize("called", ["plus", "sums__", "other__plus", "sums_plus"])
async def test_what_is_named_like_nothing_here_is_the_client_s(called: str) -> None:
    model = Model([ToolCall(called, {}, call_id="call_9")])
    exchange = await ask(bridge("responses", "chat", model, Sums()), "responses")
    assert exchange.json["output"][-1]["type"] == "function_call"
    assert exchange.json["output"][-1]["name"] == called


async def test_a_server_that_has_no_tools_at_present() -> None:
    class Away(Sums):
        async def offer(self, body: JSON, context: Any, history: Any) -> Any:
            return Offered({key: value for key, value in body.items() if key != "tools"}, {})

    model = Model(STRAY, "Sorry.")
    exchange = await ask(bridge("responses", "chat", model, Away(Add())), "responses")
    assert exchange.json["output"][0]["status"] == "failed"
    assert told(model, "chat") == ["There is no tool 'sums__plus', and none of the server 'sums' at present."]
