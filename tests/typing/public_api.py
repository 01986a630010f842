"""Checked by mypy and pyright, never run: the public names fit together as a user would put them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import httpx
import httpx2
from django.core.asgi import get_asgi_application
from fastapi import FastAPI
from openai import AsyncOpenAI, OpenAI
from starlette.applications import Starlette
from starlette.middleware import Middleware

from responses_asgi import (
    CORS,
    PROFILES,
    ASGITransport,
    ChatCompletionsMiddleware,
    ChatRequest,
    ConvertedStream,
    ExchangeContext,
    Gateway,
    Losses,
    Profile,
    Reasoning,
    ResponsesMiddleware,
    ResponsesRequest,
    ToolCall,
    Upstream,
    chat_request_to_responses,
    chat_stream_to_responses,
    client,
    completion_to_response,
    response_to_completion,
    responses_request_to_chat,
    responses_stream_to_chat,
    sync_client,
)
from responses_asgi.testing import Collected, FakeModel, StreamGuard, Turn, assert_valid_stream, collect


def wrap_fastapi() -> FastAPI:
    app = FastAPI()
    app.add_middleware(ResponsesMiddleware)
    app.add_middleware(
        ResponsesMiddleware, path="/api/llm/responses", upstream_path="/api/llm/chat", strict=True
    )
    app.mount("/local/v1", ResponsesMiddleware(Upstream.http("http://localhost:8000/v1", profile="vllm")))
    return app


def wrap_for_chat_clients() -> FastAPI:
    app = FastAPI()
    app.add_middleware(ChatCompletionsMiddleware)
    app.add_middleware(
        ChatCompletionsMiddleware,
        path="/api/llm/chat",
        upstream_path="/api/llm/responses",
        reasoning_field=None,
        max_choices=4,
        loss_header=False,
    )
    upstream = Upstream.http("https://api.openai.com", api="responses", api_key_env="OPENAI_API_KEY")
    app.mount("/openai/v1", ChatCompletionsMiddleware(upstream))
    app.mount("/house/v1", ChatCompletionsMiddleware(Upstream.handler(answer, api="responses")))
    return app


def put_before_many() -> FastAPI:
    server = Upstream.http("http://localhost:8000/v1", profile="vllm")
    gateway = Gateway(
        {
            "gpt-5.5": [server, Upstream.handler(answer, api="responses")],
            "gpt-*": {"chat": server, "responses": (server, server)},
            "*": server,
        },
        list_upstream_models=True,
        cors=CORS(origins="https://chat.example.org", methods=["POST"], max_age=60),
        dry_run=False,
        store="memory",
        strict=True,
        dialect="openresponses",
        max_choices=2,
    )
    app = FastAPI(lifespan=gateway.lifespan)
    app.mount("/v1", gateway)
    app.mount("/alone", Gateway(server))
    by_name: dict[str, Upstream] = {"house": server}
    app.mount("/named", Gateway(by_name))
    return app


async def answer(request: ResponsesRequest) -> AsyncIterator[str | dict[str, Any]]:
    yield str(request.get("input"))


def wrap_starlette() -> Starlette:
    return Starlette(middleware=[Middleware(ResponsesMiddleware, dialect="openresponses", keep_alive=5.0)])


def wrap_django() -> ResponsesMiddleware:
    return ResponsesMiddleware(get_asgi_application())


async def words(request: ChatRequest, context: ExchangeContext) -> AsyncIterator[str | Reasoning | ToolCall]:
    yield Reasoning("hm")
    yield f"{context.response_id}: {request['messages'][-1]['content']}"
    yield ToolCall("get_time", {"zone": "UTC"})


def whole(request: dict[str, Any]) -> str:
    return str(request["model"])


def pieces(request: dict[str, Any]) -> Iterator[str]:
    yield from request["model"]


def handlers() -> list[Upstream]:
    return [Upstream.handler(function) for function in (words, whole, pieces)]


def before_upstream(body: dict[str, Any], headers: dict[str, str], context: ExchangeContext) -> None:
    headers["x-response"] = context.response_id


def hooks_and_clients() -> list[Upstream]:
    return [
        Upstream.http("http://localhost", client=httpx.AsyncClient(), before_upstream=before_upstream),
        Upstream.http("http://localhost", client=httpx2.AsyncClient(), set={"seed": 1}, drop=["user"]),
        Upstream.asgi(FastAPI(), path="/chat", model="house", headers={"x-a": "b"}),
    ]


def profiles() -> Profile:
    assert_type(PROFILES["generic"], Profile)
    return PROFILES["generic"]


def clients() -> tuple[AsyncOpenAI, httpx.AsyncClient]:
    app = ResponsesMiddleware(FakeModel([Turn([{"choices": []}])]))
    transport = ASGITransport(app)
    openai = AsyncOpenAI(http_client=httpx2.AsyncClient(transport=transport))
    return openai, httpx.AsyncClient(transport=ASGITransport(app))


def sync_transports(app: FastAPI) -> tuple[httpx.Client, httpx2.Client]:
    transport = ASGITransport(app)
    return httpx.Client(transport=transport), httpx2.Client(transport=transport)


def sdk_clients(app: FastAPI) -> None:
    assert_type(client(Upstream.http("http://localhost"), max_retries=0), AsyncOpenAI)
    assert_type(sync_client(app), OpenAI)


def guard(app: FastAPI) -> StreamGuard:
    app.add_middleware(StreamGuard, repair=True, on_broken="log")
    return StreamGuard(app, on_broken=lambda error, scope: print(error.rule, scope["path"]))


async def collecting(client: AsyncOpenAI, sync: OpenAI) -> str:
    stream = await client.responses.create(model="m", input="Hi", stream=True)
    assert_type(await collect(stream), Collected)
    assert_type(collect(sync.responses.create(model="m", input="Hi", stream=True)), Collected)
    return collect(b"data: [DONE]").text


def check(stream: bytes) -> str:
    final = assert_valid_stream(stream, dialect="openresponses")
    assert_type(final, dict[str, Any])
    return str(final["status"])


def conversions(body: Iterator[bytes]) -> list[bytes]:
    request, losses = responses_request_to_chat({"model": "m", "input": "Hi"}, profile="vllm")
    assert_type(request, dict[str, Any])
    assert_type(losses, Losses)
    completion = response_to_completion({"output": []}, request=request).value
    response = completion_to_response(completion, dialect="openresponses", now=lambda: 0).value
    stream = chat_stream_to_responses([completion], request=chat_request_to_responses(request).value)
    assert_type(stream, ConvertedStream)
    events = [event for event in stream if event != response]
    return [*responses_stream_to_chat(body).sse(), *responses_stream_to_chat(events).sse()]
