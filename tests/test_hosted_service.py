"""Hosted tools as a setting of components and gateways, driven by the OpenAI SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

import responses_asgi
from responses_asgi import ChatCompletionsMiddleware, Gateway, ResponsesMiddleware, Upstream
from responses_asgi.hosted import Hosted
from responses_asgi.upstreams.answers import ToolCall


def add(a: int, b: int) -> int:
    "The sum of two numbers."
    return a + b


async def model(request: dict[str, Any]) -> AsyncIterator[Any]:
    """Calls the first tool it is offered, then tells what came of it."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        yield f"It is {last['content']}."
    else:
        yield ToolCall(request["tools"][0]["function"]["name"], {"a": 2, "b": 3})


def services() -> dict[str, Any]:
    hosted = Hosted(tools=[add])
    upstream = Upstream.handler(model)
    return {
        "responses": ResponsesMiddleware(upstream, hosted=hosted),
        "chat": ChatCompletionsMiddleware(upstream, hosted=hosted),
        "gateway": Gateway(upstream, hosted=hosted),
    }


@pytest.mark.parametrize("name", ["responses", "gateway"])
@pytest.mark.parametrize("stream", [True, False])
async def test_responses_clients_see_the_call(name: str, stream: bool) -> None:
    service = services()[name]
    client = responses_asgi.client(service)
    if stream:
        async with client.responses.stream(model="m", input="2 + 3?") as events:
            async for _ in events:
                pass
            response = await events.get_final_response()
    else:
        response = await client.responses.create(model="m", input="2 + 3?")
    assert response.output_text == "It is 5."
    [call] = [item for item in response.output if item.type == "mcp_call"]
    assert (call.server_label, call.name, call.output) == ("tools", "add", "5")
    later = await client.responses.create(model="m", input="again", previous_response_id=response.id)
    assert later.output_text == "It is 5."
    await service.aclose()


@pytest.mark.parametrize("name", ["chat", "gateway"])
async def test_chat_clients_get_the_answer(name: str) -> None:
    service = services()[name]
    client = responses_asgi.client(service)
    question: Any = [{"role": "user", "content": "2 + 3?"}]
    completion = await client.chat.completions.create(model="m", messages=question)
    assert completion.choices[0].message.content == "It is 5."
    assert completion.choices[0].finish_reason == "stop"
    await service.aclose()


async def test_a_background_response_runs_tools_too() -> None:
    service = services()["responses"]
    client = responses_asgi.client(service)
    stream = await client.responses.create(model="m", input="2 + 3?", background=True, stream=True)
    events = [event async for event in stream]
    final: Any = events[-1]
    assert final.type == "response.completed"
    assert final.response.output_text == "It is 5."
    await service.aclose()


async def test_the_health_of_a_gateway_tells_of_its_tools() -> None:
    gateway = services()["gateway"]
    client = responses_asgi.client(gateway, base_url="http://localhost")
    health: Any = await client.get("/health", cast_to=object)
    assert health["hosted"] == {"servers": {}, "tools": 1}
    await gateway.aclose()
