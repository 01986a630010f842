from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from examples.serving import ROOT, uvicorn

TICKET_TOOL: dict[str, Any] = {
    "type": "function",
    "name": "open_ticket",
    "parameters": {"type": "object", "properties": {"subject": {"type": "string"}}},
}
RETURNS = "Goods can be returned within 30 days."


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with uvicorn("desk.asgi:application", folder=ROOT / "examples" / "django_app") as url:
        yield url


@pytest.fixture
def client(base_url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{base_url}/v1", api_key="anybody", max_retries=0) as client:
        yield client


def test_create_answers_with_reasoning_and_text(client: OpenAI) -> None:
    response = client.responses.create(model="clerk", instructions="Be kind.", input="Can I return this?")
    assert response.status == "completed"
    assert response.output_text == RETURNS
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_stream_arrives_in_pieces(client: OpenAI) -> None:
    with client.responses.stream(model="clerk", input="Can I return this?") as stream:
        events = list(stream)
    words = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(words) == 7
    assert "".join(words) == RETURNS
    assert events[-1].type == "response.completed"


def test_tool_round_trip(client: OpenAI) -> None:
    tools: list[Any] = [TICKET_TOOL]
    conversation: list[Any] = [{"role": "user", "content": "Open a ticket: the lid is broken."}]
    first = client.responses.create(model="clerk", input=conversation, tools=tools)
    (call,) = (item for item in first.output if item.type == "function_call")
    assert json.loads(call.arguments) == {"subject": "Open a ticket: the lid is broken."}
    conversation += [item.to_dict(mode="json") for item in first.output]
    conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": "ticket 17"})
    assert (
        client.responses.create(model="clerk", input=conversation, tools=tools).output_text
        == "Done: ticket 17."
    )


async def test_async_create_and_stream(base_url: str) -> None:
    async with AsyncOpenAI(base_url=f"{base_url}/v1", api_key="anybody", max_retries=0) as client:
        whole = await client.responses.create(model="clerk", input="How can I pay?")
        stream = await client.responses.create(model="clerk", input="How can I pay?", stream=True)
        words = [event.delta async for event in stream if event.type == "response.output_text.delta"]
    assert whole.output_text == "".join(words) == "We take cards and bank transfers."


def test_django_middleware_guards_responses_too(base_url: str) -> None:
    reply = httpx.post(f"{base_url}/v1/responses", json={"model": "clerk", "input": "hi"})
    assert reply.status_code == 401
    assert reply.json()["error"]["message"] == "Bring a bearer token."


def test_a_request_larger_than_djangos_default_limit_passes(client: OpenAI) -> None:
    long_question = "Can I return this? " + "x" * 3_000_000
    assert client.responses.create(model="clerk", input=long_question).output_text == RETURNS


def test_the_chat_route_is_as_it_was(client: OpenAI) -> None:
    completion = client.chat.completions.create(
        model="clerk", messages=[{"role": "user", "content": "How can I pay?"}]
    )
    assert completion.choices[0].message.content == "We take cards and bank transfers."
