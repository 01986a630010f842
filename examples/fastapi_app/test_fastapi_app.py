from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from examples.serving import uvicorn

WEATHER_TOOL: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ORDER_ANSWER = "Order A-1002 (6 x Espresso cups to Lisbon) is shipped, 2 days to go."


class Order(BaseModel):
    order_number: str
    item: str
    status: str


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with uvicorn("examples.fastapi_app.main:app") as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{base_url}/v1", api_key="anybody", max_retries=0) as client:
        yield client


@pytest.fixture
def async_client(base_url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{base_url}/v1", api_key="anybody", max_retries=0)


def test_create_answers_with_reasoning_text_and_usage(client: OpenAI) -> None:
    response = client.responses.create(model="house", input="Where is A-1002?")
    assert response.status == "completed"
    assert response.output_text == ORDER_ANSWER
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage is not None
    assert response.usage.output_tokens_details.reasoning_tokens == 11
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_the_chat_route_is_as_it_was(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model="house", messages=[{"role": "user", "content": "Where is A-1002?"}]
    )
    assert completion.choices[0].message.content == ORDER_ANSWER
    assert client.get("/../health", cast_to=httpx.Response).json() == {"status": "ok"}


def test_stream_says_what_create_says(client: OpenAI) -> None:
    with client.responses.stream(model="house", input="Where is A-1002?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text == ORDER_ANSWER
    assert len(deltas) > 10
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"


def test_parse_reads_a_model(client: OpenAI) -> None:
    response = client.responses.parse(model="house", input="Look up A-1003.", text_format=Order)
    assert response.output_parsed == Order(order_number="A-1003", item="Burr grinder", status="packed")


def test_tool_round_trip_with_parallel_calls(client: OpenAI) -> None:
    conversation: list[Any] = [{"role": "user", "content": "Compare the weather in Oslo and Paris."}]
    tools: list[Any] = [WEATHER_TOOL]
    first = client.responses.create(model="house", input=conversation, tools=tools)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Oslo"}, {"city": "Paris"}]
    conversation += [item.to_dict(mode="json") for item in first.output]
    for call, weather in zip(calls, ("snow", "rain"), strict=True):
        conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": weather})
    second = client.responses.create(model="house", input=conversation, tools=tools)
    assert second.output_text == "For Oslo: snow. For Paris: rain. "


def test_the_service_runs_a_function_and_a_tool_of_an_mcp_server(client: OpenAI) -> None:
    tools: list[Any] = [{"type": "mcp", "server_label": label} for label in ("tools", "orders")]
    question = "What is the weather in Oslo, and where is A-1002?"
    with client.responses.stream(model="house", input=question, tools=tools) as stream:
        final = list(stream)[-1]
    assert final.type == "response.completed"
    calls = [item for item in final.response.output if item.type == "mcp_call"]
    assert [(call.server_label, call.name, call.output) for call in calls] == [
        ("tools", "weather", "18 degrees in Oslo"),
        ("orders", "order_status", "shipped"),
    ]
    assert final.response.output_text == "For Oslo: 18 degrees in Oslo. For A-1002: shipped. "
    listed = [item.server_label for item in final.response.output if item.type == "mcp_list_tools"]
    assert listed == ["tools", "orders"]


def test_token_limit_ends_the_answer_as_incomplete(client: OpenAI) -> None:
    response = client.responses.create(model="house", input="Where is A-1002?", max_output_tokens=3)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text == "Order A-1002 (6"


async def test_async_create_stream_and_parse(async_client: AsyncOpenAI) -> None:
    async with async_client as client:
        response = await client.responses.create(model="house", input="Where is A-1002?")
        async with client.responses.stream(model="house", input="Where is A-1002?") as stream:
            words = [event.delta async for event in stream if event.type == "response.output_text.delta"]
        parsed = await client.responses.parse(model="house", input="Look up A-1003.", text_format=Order)
    assert response.output_text == "".join(words) == ORDER_ANSWER
    assert parsed.output_parsed is not None
    assert parsed.output_parsed.status == "packed"


async def test_async_streamed_tool_call(async_client: AsyncOpenAI) -> None:
    async with async_client as client:
        tools: list[Any] = [WEATHER_TOOL]
        stream = await client.responses.create(
            model="house", input="Weather in Tokyo?", tools=tools, stream=True
        )
        events = [event async for event in stream]
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [json.loads(event.arguments) for event in done] == [{"city": "Tokyo"}]
    assert events[-1].type == "response.completed"


def test_the_apps_own_access_rule_guards_responses_too(base_url: str) -> None:
    body = {"model": "house", "input": "hi", "messages": [{"role": "user", "content": "hi"}]}
    chat = httpx.post(f"{base_url}/v1/chat/completions", json=body)
    responses = httpx.post(f"{base_url}/v1/responses", json=body)
    assert responses.status_code == chat.status_code
    assert responses.status_code in (401, 403)
    assert responses.json()["error"]["message"] == chat.json()["detail"]


def test_the_apps_own_validation_reaches_the_client(client: OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.responses.create(model="house", input="hi", temperature=1.5)
    assert "temperature: Input should be less than or equal to 1" in caught.value.message


def test_the_mounted_generator_answers_and_streams(base_url: str) -> None:
    with OpenAI(base_url=f"{base_url}/mounted/v1", api_key="anybody", max_retries=0) as client:
        whole = client.responses.create(model="concierge", input="Are you open on Sunday?")
        with client.responses.stream(model="concierge", input="Are you open on Sunday?") as stream:
            words = [event.delta for event in stream if event.type == "response.output_text.delta"]
    assert whole.output_text == "On Sunday: closed."
    assert words == ["On ", "Sunday: ", "closed", "."]
    assert [item.type for item in whole.output] == ["reasoning", "message"]
