"""Tools that the service runs, through the whole exchange: four pairs of APIs, streams and whole answers."""

from __future__ import annotations

import asyncio
import json

import pytest

from responses_asgi.stores.memory import MemoryStore
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from tests.asgi_driver import post
from tests.tool_rounds import CALLED, NAME, PATHS, Add, Model, Sums, ask, body_of, bridge

every = pytest.mark.parametrize("client", ["responses", "chat"])
over = pytest.mark.parametrize("spoken", ["responses", "chat"])
streamed = pytest.mark.parametrize("stream", [True, False])


@every
@over
@streamed
async def test_every_client_profits_from_a_tool_over_every_upstream(
    client: str, spoken: str, stream: bool
) -> None:
    model, hosted = Model(CALLED, ["It is ", "5."]), Sums(always=True)
    exchange = await ask(bridge(client, spoken, model, hosted), client, stream=stream)
    assert exchange.status == 200
    assert hosted.tool.calls == [{"a": 2, "b": 3}]
    assert len(model.asked) == 2
    if client == "responses":
        response = assert_valid_stream(exchange.body) if stream else exchange.json
        types = [item["type"] for item in response["output"]]
        assert types == ["mcp_list_tools", "mcp_call", "message"]
        assert response["output"][1]["output"] == "5"
        assert response["tools"] == [{"type": "mcp", "server_label": "sums"}]
        text = response["output"][2]["content"][0]["text"]
    else:
        completion = assert_valid_chat_stream(exchange.body) if stream else exchange.json
        choice = completion["choices"][0]
        assert choice["finish_reason"] == "stop"
        assert not choice["message"].get("tool_calls")
        text = choice["message"]["content"]
    assert text == "It is 5."


async def test_the_upstream_sees_its_call_and_the_result() -> None:
    model = Model(CALLED, "5")
    await ask(bridge("responses", "chat", model, Sums()), "responses")
    assert [message["role"] for message in model.asked[1]["messages"]] == ["user", "assistant", "tool"]
    assert model.asked[1]["messages"][2]["content"] == "5"
    assert model.asked[0]["tools"][0]["function"]["name"] == NAME


async def test_a_later_turn_has_the_call_in_its_history() -> None:
    store = MemoryStore()
    model = Model(CALLED, "5", "Five.")
    app = bridge("responses", "chat", model, Sums(), store)
    first = (await ask(app, "responses")).json
    again = await ask(app, "responses", input="In words?", previous_response_id=first["id"])
    assert [item["type"] for item in again.json["output"]] == ["message"]
    roles = [message["role"] for message in model.asked[2]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_is_asked_for_and_heeded(approve: bool) -> None:
    store = MemoryStore()
    model = Model(CALLED, "Done.")
    hosted = Sums(Add(approval=True))
    app = bridge("responses", "chat", model, hosted, store)
    first = (await ask(app, "responses")).json
    question = first["output"][-1]
    assert question["type"] == "mcp_approval_request"
    assert not hosted.tool.calls
    answer = {"type": "mcp_approval_response", "approval_request_id": question["id"], "approve": approve}
    exchange = await ask(app, "responses", stream=True, input=[answer], previous_response_id=first["id"])
    second = assert_valid_stream(exchange.body)
    shown = [item for item in second["output"] if item["type"] == "mcp_call"]
    assert [item["approval_request_id"] for item in shown] == ([question["id"]] if approve else [])
    assert hosted.tool.calls == ([{"a": 2, "b": 3}] if approve else [])
    told = model.asked[1]["messages"][-1]
    assert told["role"] == "tool"
    assert (told["content"] == "5") is approve


async def test_an_answer_to_a_question_nobody_asked_is_refused() -> None:
    answer = {"type": "mcp_approval_response", "approval_request_id": "mcpr_x", "approve": True}
    exchange = await ask(bridge("responses", "chat", Model(), Sums()), "responses", input=[answer])
    assert exchange.status == 400
    assert "mcpr_x" in exchange.json["error"]["message"]


@pytest.mark.parametrize("arguments", ['{"a":', "[1]"])
async def test_arguments_that_are_no_object_are_told_to_the_model(arguments: str) -> None:
    model, hosted = Model([ToolCall(NAME, arguments, call_id="call_1")], "Sorry."), Sums()
    exchange = await ask(bridge("responses", "chat", model, hosted), "responses", stream=True)
    response = assert_valid_stream(exchange.body)
    assert response["status"] == "completed"
    assert not hosted.tool.calls
    assert response["output"][1]["status"] == "failed"


async def test_calls_beyond_the_limit_of_the_request_are_not_made() -> None:
    calls = [ToolCall(NAME, {"a": n, "b": n}, call_id=f"call_{n}") for n in range(3)]
    model, hosted = Model(calls, "Enough."), Sums()
    exchange = await ask(bridge("responses", "chat", model, hosted), "responses", max_tool_calls=2)
    assert len(hosted.tool.calls) == 2
    assert exchange.json["status"] == "completed"
    assert [item["status"] for item in exchange.json["output"][1:4]].count("failed") == 1


async def test_a_model_that_never_stops_calling_is_stopped() -> None:
    model, hosted = Model(*[CALLED] * 9), Sums(rounds=3)
    exchange = await ask(bridge("responses", "chat", model, hosted), "responses", stream=True)
    assert_valid_stream(exchange.body)
    assert len(model.asked) == 3


async def test_parallel_calls_run_side_by_side() -> None:
    together = asyncio.Barrier(2)

    async def meet(arguments: JSON) -> HostedResult:
        await asyncio.wait_for(together.wait(), 20)
        return HostedResult("met")

    calls = [ToolCall(NAME, {"n": n}, call_id=f"call_{n}") for n in range(2)]
    model, hosted = Model(calls, "ok"), Sums(Add(run=meet))
    exchange = await ask(bridge("responses", "chat", model, hosted), "responses", stream=True)
    assert assert_valid_stream(exchange.body)["status"] == "completed"


async def test_a_tool_that_takes_too_long_is_given_up() -> None:
    async def never(arguments: JSON) -> HostedResult:
        await asyncio.sleep(3600)
        raise AssertionError

    model, hosted = Model(CALLED, "ok"), Sums(Add(run=never), seconds=0.05)
    exchange = await ask(bridge("responses", "chat", model, hosted), "responses", stream=True)
    assert assert_valid_stream(exchange.body)["output"][1]["status"] == "failed"


async def test_a_client_that_leaves_cancels_running_tools() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(arguments: JSON) -> HostedResult:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()
        raise AssertionError

    store = MemoryStore()
    app = bridge("responses", "chat", Model(CALLED), Sums(Add(run=wait)), store)
    exchange = post(app, body_of("responses", stream=True), path=PATHS["responses"]).start()
    await asyncio.wait_for(begun.wait(), 20)
    exchange.left.set()
    await asyncio.wait_for(cancelled.wait(), 20)
    await exchange.end()
    kept = json.loads((await store.list("response", ""))[0].data)["response"]
    assert kept["status"] == "cancelled"


async def test_a_request_without_such_tools_is_answered_as_ever() -> None:
    model = Model("Hi.")
    exchange = await ask(bridge("responses", "chat", model, Sums()), "responses", tools=[])
    assert [item["type"] for item in exchange.json["output"]] == ["message"]
