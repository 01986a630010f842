"""The OpenAI SDK bound in-process, over upstreams of either API and over apps."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI

import responses_asgi
from examples.fastapi_app.main import app as order_desk
from responses_asgi import MissingExtraError, Reasoning, ResponsesMiddleware, ToolCall, Upstream
from responses_asgi.testing import Error, FakeModel
from tests.loopback import served

MESSAGES: Any = [{"role": "user", "content": "weather?"}]
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


async def weather_model(request: dict[str, Any]) -> AsyncIterator[Any]:
    last = request["messages"][-1]
    if last["role"] == "tool":
        yield f"It is {last['content']}."
    else:
        yield Reasoning("Ask the tool.")
        yield ToolCall("weather", {"city": "Oslo"})


def test_five_lines_chain_a_call_and_its_result_over_a_chat_upstream() -> None:
    with responses_asgi.sync_client(Upstream.handler(weather_model)) as client:
        first = client.responses.create(model="m", input="weather?", tools=[WEATHER])
        call = next(item for item in first.output if item.type == "function_call")
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        second = client.responses.create(model="m", input=[*first.output, result], tools=[WEATHER])
    assert (call.name, call.arguments) == ("weather", '{"city":"Oslo"}')
    assert second.output_text == "It is sunny."


async def test_the_same_with_the_async_client() -> None:
    async with responses_asgi.client(Upstream.handler(weather_model)) as client:
        first = await client.responses.create(model="m", input="weather?", tools=[WEATHER])
        call = next(item for item in first.output if item.type == "function_call")
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        history: Any = [*first.output, result]
        async with client.responses.stream(model="m", input=history, tools=[WEATHER]) as stream:
            deltas = [e.delta async for e in stream if e.type == "response.output_text.delta"]
    assert "".join(deltas) == "It is sunny."


def upstreams() -> list[tuple[str, Upstream]]:
    def say_hi(request: dict[str, Any]) -> str:
        return "hi"

    return [
        ("chat", Upstream.handler(say_hi)),
        ("responses", Upstream.handler(say_hi, api="responses")),
        ("both", Upstream.asgi(FakeModel("hi"), api="both")),
    ]


@pytest.mark.parametrize("upstream", [row[1] for row in upstreams()], ids=[row[0] for row in upstreams()])
async def test_an_upstream_has_both_apis_whichever_it_speaks(upstream: Upstream) -> None:
    async with responses_asgi.client(upstream) as client:
        response = await client.responses.create(model="m", input="hello")
        completion = await client.chat.completions.create(model="m", messages=MESSAGES)
        chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices]
    assert response.output_text == completion.choices[0].message.content == "".join(said) == "hi"


def test_edits_and_hooks_reach_both_apis() -> None:
    models, seen = [], []

    def model(request: dict[str, Any]) -> str:
        models.append(request["model"])
        return "hi"

    upstream = Upstream.handler(
        model,
        model="small",
        on_event=lambda event, context: seen.append(event.type),
        after_exchange=lambda snapshot, losses, timings, context: seen.append("after"),
    )
    with responses_asgi.sync_client(upstream) as client:
        client.chat.completions.create(model="m", messages=MESSAGES)
        assert seen == ["after"]
        client.responses.create(model="m", input="hello")
    assert models == ["small", "small"]
    assert seen[1] == "response.created"
    assert seen[-1] == "after"


def test_an_app_is_called_as_it_is_under_its_own_path() -> None:
    with responses_asgi.sync_client(order_desk) as client:
        answer = client.responses.create(model="house", input="Where is A-1002?")
    with responses_asgi.sync_client(order_desk, base_url="http://localhost/mounted/v1") as client:
        mounted = client.responses.create(model="concierge", input="Are you open on Sunday?")
    assert answer.output_text.startswith("Order A-1002")
    assert mounted.output_text == "On Sunday: closed."


def test_a_component_and_its_upstreams_errors_reach_the_client_as_the_sdks_exceptions() -> None:
    limited = FakeModel([Error(429, "slow down", retry_after=0), "hi", Error(429, "slow down")])
    with responses_asgi.sync_client(ResponsesMiddleware(Upstream.asgi(limited))) as client:
        assert client.responses.create(model="m", input="hello").output_text == "hi"
        once = client.with_options(max_retries=0)
        with pytest.raises(openai.RateLimitError, match="slow down"):
            once.responses.create(model="m", input="hello")
    assert len(limited.requests) == 3


def test_the_key_of_the_environment_is_not_shown_to_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user")
    model = FakeModel("hi")
    with responses_asgi.sync_client(model) as client:
        client.responses.create(model="m", input="hello")
    with responses_asgi.sync_client(model, api_key="given") as client:
        client.responses.create(model="m", input="hello")
    keys = [request.headers["authorization"] for request in model.requests]
    assert keys == ["Bearer in-process", "Bearer given"]


async def test_closing_the_client_closes_the_connections_of_an_upstream() -> None:
    async with served(FakeModel("hi")) as url:
        upstream = Upstream.http(url)
        client = responses_asgi.client(upstream)
        assert (await client.responses.create(model="m", input="hello")).output_text == "hi"
        clients: Any = upstream.app._clients
        assert [held.is_closed for held in clients.values()] == [False]
        held = next(iter(clients.values()))
        await client.close()
        assert held.is_closed


async def test_a_client_that_is_not_async_reaches_servers_elsewhere() -> None:
    async with served(FakeModel("hi")) as url:

        def ask() -> str:
            with responses_asgi.sync_client(Upstream.http(url)) as client:
                return client.responses.create(model="m", input="hello").output_text

        assert await asyncio.to_thread(ask) == "hi"


def test_the_sdks_timeout_holds() -> None:
    async def silent(request: dict[str, Any]) -> str:
        await asyncio.Event().wait()
        return ""

    with (
        responses_asgi.sync_client(Upstream.handler(silent), max_retries=0, timeout=0.1) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        client.responses.create(model="m", input="hello")


def test_context_variables_are_seen_by_the_app() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
    app = FastAPI()

    @app.get("/v1/who")
    async def show() -> str:
        return who.get()

    who.set("caller")
    with responses_asgi.sync_client(app) as client:
        assert client.get("/who", cast_to=httpx.Response).json() == "caller"


@pytest.mark.parametrize("name", ["client", "sync_client"])
def test_without_the_sdk_the_error_names_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=rf"{name}\(\) needs the package 'openai'"):
        getattr(responses_asgi, name)(FakeModel("hi"))


def test_the_names_are_functions_in_whatever_order_they_are_used() -> None:
    """A module of the same name as a function in it would take its place."""
    script = """
        import sys
        import responses_asgi
        assert callable(responses_asgi.sync_client) and callable(responses_asgi.client)
        assert "openai" not in sys.modules
        from responses_asgi.testing import Collected, collect
        import responses_asgi.testing
        assert callable(responses_asgi.testing.collect)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
