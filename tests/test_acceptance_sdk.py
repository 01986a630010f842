"""What the openai SDK shows of every kind of answer: whole, streamed, parsed; async and sync; everywhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.acceptance import SERVERS, WRAPPINGS, open_houses

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
# A server closes the connection of an app that has raised, and a next request on it could be lost.
ONE_REQUEST_EACH = httpx2.Limits(max_keepalive_connections=0)
PIXEL = "data:image/png;base64,iVBORw0KGgo="


class Address(BaseModel):
    host: str
    port: int


class Asker:
    """The async client, or the sync one behind the same three methods."""

    def __init__(self, client: AsyncOpenAI | OpenAI) -> None:
        self.client: Any = client
        self._is_async = isinstance(client, AsyncOpenAI)

    async def create(self, model: str, input: Any, **options: Any) -> Any:
        return await self._of("create", model=model, input=input, **options)

    async def parse(self, model: str, input: Any, **options: Any) -> Any:
        return await self._of("parse", model=model, input=input, **options)

    async def stream(self, model: str, input: Any, **options: Any) -> tuple[list[Any], Any]:
        """The events that `stream()` yields, and the response that the last one brings."""
        if self._is_async:
            async with self.client.responses.stream(model=model, input=input, **options) as stream:
                events = [event async for event in stream]
                if events[-1].type == "response.completed":
                    return events, await stream.get_final_response()
        else:
            with self.client.responses.stream(model=model, input=input, **options) as stream:
                events = list(stream)
                if events[-1].type == "response.completed":
                    return events, stream.get_final_response()
        return events, events[-1].response

    async def both(self, model: str, input: Any, **options: Any) -> list[Any]:
        """The answer of `create`, and the final response of `stream()`."""
        return [
            await self.create(model, input, **options),
            (await self.stream(model, input, **options))[1],
        ]

    async def _of(self, method: str, **request: Any) -> Any:
        answer = getattr(self.client.responses, method)(**request)
        return await answer if self._is_async else answer


@pytest.fixture(scope="module")
def houses() -> Iterator[dict[str, str]]:
    with open_houses() as urls:
        yield urls


@pytest.fixture(scope="module")
def sync_client() -> Iterator[OpenAI]:
    with (
        httpx2.Client(limits=ONE_REQUEST_EACH) as http,
        OpenAI(base_url="http://test", api_key="any", max_retries=0, timeout=20, http_client=http) as client,
    ):
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def async_client() -> AsyncIterator[AsyncOpenAI]:
    async with (
        httpx2.AsyncClient(limits=ONE_REQUEST_EACH) as http,
        AsyncOpenAI(
            base_url="http://test", api_key="any", max_retries=0, timeout=20, http_client=http
        ) as client,
    ):
        yield client


WAYS = [(server, kind) for server in SERVERS for kind in ("async", "sync")]
each_way = pytest.mark.parametrize("way", WAYS, ids="-".join)
# What a server and a client have no part in: each of them once.
one_way_each = pytest.mark.parametrize("way", [WAYS[0], WAYS[-1]], ids="-".join)


@pytest.fixture
def client(
    way: tuple[str, str], houses: dict[str, str], async_client: AsyncOpenAI, sync_client: OpenAI
) -> AsyncOpenAI | OpenAI:
    """A client whose base URL is the server's root."""
    server, kind = way
    return (async_client if kind == "async" else sync_client).with_options(base_url=houses[server])


@pytest.fixture(params=WRAPPINGS)
def asker(request: pytest.FixtureRequest, client: AsyncOpenAI | OpenAI) -> Asker:
    return Asker(client.with_options(base_url=f"{client.base_url}/{WRAPPINGS[request.param]}"))


@each_way
async def test_text_reasoning_and_usage(asker: Asker) -> None:
    events, final = await asker.stream("greet", "hi")
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert deltas == ["Hel", "lo, ", "wörld 🌍"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    for response in (final, await asker.create("greet", "hi")):
        assert response.status == "completed"
        assert [item.type for item in response.output] == ["reasoning", "message"]
        thought = response.output[0]
        assert [part.text for part in thought.content or thought.summary] == ["A guest."]
        assert response.output_text == "Hello, wörld 🌍"
        usage = response.usage
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 7, 19)
        assert usage.input_tokens_details.cached_tokens == 4
        assert usage.output_tokens_details.reasoning_tokens == 3


@each_way
async def test_create_with_stream_yields_the_same_events(asker: Asker) -> None:
    stream = await asker.create("greet", "hi", stream=True)
    is_async = isinstance(stream, openai.AsyncStream)
    events = [event async for event in stream] if is_async else list(stream)
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "Hello, wörld 🌍"


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@one_way_each
async def test_tool_round_trip_with_parallel_calls(asker: Asker, streamed: bool) -> None:
    conversation: list[Any] = [{"role": "user", "content": "Compare Oslo and Paris."}]
    if streamed:
        events, first = await asker.stream("weather", conversation, tools=[WEATHER])
        told = [json.loads(event.arguments) for event in events if event.type.endswith("arguments.done")]
        assert told == [{"city": "Oslo"}, {"city": "Paris"}]
    else:
        first = await asker.create("weather", conversation, tools=[WEATHER])
    assert [item.type for item in first.output] == ["reasoning", "function_call", "function_call"]
    calls = first.output[1:]
    assert [json.loads(call.arguments) for call in calls] == [{"city": "Oslo"}, {"city": "Paris"}]
    assert {call.name for call in calls} == {"get_weather"}
    conversation += first.output
    for call, weather in zip(reversed(calls), ("rain", "snow"), strict=True):
        conversation.append({"type": "function_call_output", "call_id": call.call_id, "output": weather})
    second = await asker.create("weather", conversation, tools=[WEATHER])
    assert second.output_text == "Oslo: snow. Paris: rain. "
    assert second.status == "completed"


@each_way
async def test_structured_output(asker: Asker) -> None:
    address = Address(host="example", port=8000)
    assert (await asker.parse("address", "where?", text_format=Address)).output_parsed == address
    assert (await asker.stream("address", "where?", text_format=Address))[1].output_parsed == address


@one_way_each
async def test_refusal(asker: Asker) -> None:
    for response in await asker.both("refuse", "Build a bomb."):
        assert response.status == "completed"
        ((part,),) = [item.content for item in response.output]
        assert (part.type, part.refusal) == ("refusal", "I cannot.")
        assert response.output_text == ""


@one_way_each
async def test_images_in_the_input(asker: Asker) -> None:
    content = [
        {"type": "input_text", "text": "What is on them?"},
        {"type": "input_image", "image_url": PIXEL, "detail": "low"},
        {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": "auto"},
    ]
    for response in await asker.both("look", [{"role": "user", "content": content}]):
        text, inline, linked = response.output_text.split("; ")
        assert text == "text What is on them?"
        assert inline == f"image_url {{'url': '{PIXEL}', 'detail': 'low'}}"
        assert linked.startswith("image_url {'url': 'https://example.com/cat.png'")


@pytest.mark.parametrize(
    ("scene", "text", "reason"),
    [("tell", "Once upon a time", "max_output_tokens"), ("censor", "Once", "content_filter")],
)
@one_way_each
async def test_an_answer_that_was_stopped_is_incomplete(
    asker: Asker, scene: str, text: str, reason: str
) -> None:
    events, final = await asker.stream(scene, "A tale.")
    assert events[-1].type == "response.incomplete"
    for response in (final, await asker.create(scene, "A tale.")):
        assert (response.status, response.incomplete_details.reason) == ("incomplete", reason)
        assert response.output_text == text


@one_way_each
async def test_errors_of_the_service_are_the_sdks_exceptions(asker: Asker) -> None:
    for request in (asker.create("deny", "hi"), asker.stream("deny", "hi")):
        with pytest.raises(openai.RateLimitError, match="slow down") as caught:
            await request
        assert caught.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.APIError, match=r"had an error|closed the connection|cut off"):
        await asker.stream("raise after", "hi")


@one_way_each
async def test_a_route_that_forbids_unknown_fields_gets_none(client: AsyncOpenAI | OpenAI) -> None:
    """Everything a client may send that not every chat route knows."""
    asker = Asker(client.with_options(base_url=f"{client.base_url}/{WRAPPINGS['in-house route']}"))
    responses = await asker.both(
        "greet",
        [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "hi"}],
        instructions="Be brief.",
        max_output_tokens=100,
        metadata={"run": "1"},
        parallel_tool_calls=True,
        prompt_cache_key="k",
        safety_identifier="s",
        service_tier="auto",
        store=False,
        temperature=0.5,
        text={"format": {"type": "text"}, "verbosity": "low"},
        tool_choice="auto",
        tools=[WEATHER],
        top_p=0.9,
        truncation="disabled",
        include=["reasoning.encrypted_content"],
    )
    for response in responses:
        assert response.output_text == "Hello, wörld 🌍"
        assert response.metadata == {"run": "1"}
