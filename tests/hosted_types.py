"""A service with functions for the API's hosted tools, behind a scripted model, on a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI

from responses_asgi import ChatCompletionsMiddleware, Hosted, ResponsesMiddleware, Upstream
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from tests.asgi_driver import Exchange, post
from tests.loopback import served
from tests.schemas import FOLDER, assert_events_fit, assert_response_fits
from tests.tool_rounds import Model as ScriptedModel

PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions"}


class Model(ScriptedModel):
    """What it was offered is told, too."""

    def offered(self, turn: int = 0) -> dict[str, JSON]:
        """The functions of a call by their names; both APIs are read."""
        tools = [tool.get("function") or tool for tool in self.asked[turn].get("tools") or ()]
        return {tool["name"]: tool for tool in tools}

    def results(self, turn: int = 1) -> list[Any]:
        """The results of tools that a call tells."""
        asked = self.asked[turn]
        if "messages" in asked:
            return [message["content"] for message in asked["messages"] if message["role"] == "tool"]
        return [item["output"] for item in asked["input"] if item.get("type") == "function_call_output"]


def calling(name: str, arguments: Any, call_id: str = "call_1") -> list[Any]:
    """A turn of a model that calls one function."""
    return [ToolCall(name, arguments, call_id=call_id)]


def service(
    model: Any, hosted: Hosted, *, client: str = "responses", spoken: Any = "chat", **options: Any
) -> Any:
    """The component that such a client is served by, in front of a model that speaks so."""
    make = ResponsesMiddleware if client == "responses" else ChatCompletionsMiddleware
    return make(Upstream.handler(model, api=spoken), hosted=hosted, **options)


async def asked(app: Any, body: JSON, *, client: str = "responses") -> Exchange:
    """What comes of one request."""
    return await post(app, {"model": "m", **body}, path=PATHS[client]).run()


async def streamed(app: Any, tools: list[JSON], *, fits: bool = True, **said: Any) -> tuple[list[JSON], JSON]:
    """The events of a legal stream that fits the document, and the response that it tells."""
    exchange = await asked(app, {"input": "Hi", "tools": tools, "stream": True, **said})
    assert exchange.status == 200, exchange.body
    response = assert_valid_stream(exchange.body)
    events = exchange.events
    if fits and FOLDER.exists():
        assert_events_fit(events, "openai")
        assert_response_fits(response, "openai")
    return events, response


def steps(events: list[JSON], place: int) -> list[str]:
    """The types of the events of one item."""
    return [event["type"] for event in events if event.get("output_index") == place]


def types(response: JSON) -> list[str]:
    return [item["type"] for item in response["output"]]


@asynccontextmanager
async def sdk(app: Any) -> AsyncIterator[AsyncOpenAI]:
    """The real SDK, over HTTP."""
    async with (
        served(app) as base,
        AsyncOpenAI(base_url=f"{base}/v1", api_key="sk-test", max_retries=0) as client,
    ):
        yield client


async def both_ways(app: Any, **request: Any) -> list[Mapping[str, Any]]:
    """The response that the SDK reads of a stream, and of a whole answer, as dicts."""
    async with sdk(app) as client:
        async with client.responses.stream(model="m", **request) as stream:
            async for _ in stream:
                pass
            told = await stream.get_final_response()
        whole = await client.responses.create(model="m", **request)
    return [told.to_dict(), whole.to_dict()]
