"""Real frameworks inside and around the component, and the real client against a real server."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import django
import httpx
import openai
import pydantic
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from tests.asgi_driver import HELLO, SSE, chunk, completion, data, playing, post
from tests.loopback import served, until

FINISH = data(chunk(finish_reason="stop"))


class Broken(Exception):
    """Raised by a view on purpose."""


class Chat:
    """The chat endpoint of an app: says its text letter by letter, each after a `step` if there are steps."""

    def __init__(self, *, text: str = "Hello", fail_after: int | None = None) -> None:
        self.text = text
        self.fail_after = fail_after
        self.closed = asyncio.Event()
        self.step: asyncio.Semaphore | None = None
        self.said = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            for number, letter in enumerate(self.text):
                if number == self.fail_after:
                    raise Broken
                if self.step:
                    await self.step.acquire()
                self.said += 1
                yield data(chunk(letter))
            yield FINISH
            yield b"data: [DONE]\n\n"
        finally:
            self.closed.set()

    def fastapi(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def chat(body: dict[str, Any]) -> Any:
            if body.get("stream"):
                return StreamingResponse(self.pieces(), media_type="text/event-stream")
            return completion(self.text)

        return app


async def passes(request: Request, call_next: Any) -> Any:
    return await call_next(request)


# Middleware inside and around


@pytest.mark.parametrize("stream", [True, False])
async def test_base_http_middleware_and_gzip_inside(stream: bool) -> None:
    app = Chat(text="Hello " * 200).fastapi()
    app.add_middleware(GZipMiddleware, minimum_size=1)
    app.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    app.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    app.add_middleware(ResponsesMiddleware)
    exchange = await post(app, stream=stream, headers=[(b"accept-encoding", b"gzip")]).run()
    assert "content-encoding" not in exchange.headers
    if stream:
        assert exchange.text == "Hello " * 200
        assert_valid_stream(exchange.body)
    else:
        assert exchange.json["output"][0]["content"][0]["text"] == "Hello " * 200


async def test_app_that_compresses_whatever_is_accepted() -> None:
    packed = gzip.compress(json.dumps(completion()).encode())
    headers = [(b"content-type", b"application/json"), (b"content-encoding", b"gzip")]
    exchange = await post(ResponsesMiddleware(playing(packed, headers=headers))).run()
    assert exchange.json["status"] == "completed"


@pytest.mark.parametrize("count", [0, 2])
async def test_view_that_raises_in_the_middle_behind_base_http_middleware(count: int) -> None:
    """Behind BaseHTTPMiddleware the app's exception comes after a clean end of the body."""
    app = Chat(fail_after=3).fastapi()
    for _ in range(count):
        app.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    app.add_middleware(ResponsesMiddleware)
    exchange = post(app, stream=True)
    with pytest.raises((Broken, ExceptionGroup)):
        await exchange.run()
    assert exchange.text == "Hel"
    assert exchange.types[-2:] == ["error", "failed"]
    assert_valid_stream(exchange.body)


async def test_base_http_middleware_around() -> None:
    app = Chat().fastapi()
    app.add_middleware(ResponsesMiddleware)
    app.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    exchange = await post(app, stream=True).run()
    assert exchange.text == "Hello"


async def test_gzip_around_leaves_the_stream_alone() -> None:
    app = Chat().fastapi()
    app.add_middleware(ResponsesMiddleware)
    app.add_middleware(GZipMiddleware, minimum_size=1)
    exchange = await post(app, stream=True, headers=[(b"accept-encoding", b"gzip")]).run()
    assert exchange.text == "Hello"


@pytest.mark.parametrize("outside", [True, False])
async def test_cors_on_either_side(outside: bool) -> None:
    app = Chat().fastapi()
    cors: dict[str, Any] = {"allow_origins": ["https://a.example"], "allow_methods": ["POST"]}
    if not outside:
        app.add_middleware(CORSMiddleware, **cors)
    app.add_middleware(ResponsesMiddleware)
    if outside:
        app.add_middleware(CORSMiddleware, **cors)
    origin = (b"origin", b"https://a.example")
    for stream in (True, False):
        exchange = await post(app, stream=stream, headers=[origin]).run()
        assert exchange.headers["access-control-allow-origin"] == "https://a.example"
    ask = [origin, (b"access-control-request-method", b"POST")]
    assert (await post(app, method="OPTIONS", headers=ask).run()).status == 200


# Everything else of the app


async def test_the_rest_of_the_app_is_as_before() -> None:
    app = Chat().fastapi()

    @app.get("/v1/responses")
    async def own() -> PlainTextResponse:
        return PlainTextResponse("the app's own")

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type=request.headers.get("content-type"))

    @app.websocket("/v1/realtime")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    app.add_middleware(ResponsesMiddleware)
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/v1/responses")).text == "the app's own"
        upload = client.build_request("POST", "/echo", files={"file": ("ü.bin", b"\x00" * 1000)})
        sent = await upload.aread()
        echoed = await client.send(upload)
        assert echoed.content == sent
        assert echoed.headers["content-type"] == upload.headers["content-type"]
        blob = bytes(range(256)) * 1000
        assert (await client.post("/echo", content=blob)).content == blob
        chat = await client.post("/v1/chat/completions", json={"stream": True})
        assert chat.text.endswith("data: [DONE]\n\n")
    await asyncio.wait_for(_websocket_echo(app), 5)


async def _websocket_echo(app: ASGIApp) -> None:
    messages: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hi"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/v1/realtime",
        "headers": [],
        "query_string": b"",
        "subprotocols": [],
    }
    await app(scope, receive, send)
    assert [message["type"] for message in sent][:2] == ["websocket.accept", "websocket.send"]
    assert sent[1]["text"] == "hi"


# Mounts


async def test_mounted_in_starlette_with_its_own_app_or_upstream() -> None:
    inner = Chat().fastapi()

    async def parrot(request: Any) -> Any:
        yield request["messages"][-1]["content"]

    app = Starlette(
        routes=[
            Mount("/wrapped", ResponsesMiddleware(inner)),
            Mount("/upstream/v1", ResponsesMiddleware(Upstream.asgi(inner))),
            Mount("/handler", ResponsesMiddleware(Upstream.handler(parrot))),
        ],
        middleware=[Middleware(GZipMiddleware)],
    )
    for where, text in (
        ("/wrapped/v1/responses", "Hello"),
        ("/upstream/v1/responses", "Hello"),
        ("/handler/responses", "Hi"),
    ):
        assert (await post(app, stream=True, path=where).run()).text == text
        assert (await post(app, stream=True, path="/root" + where, root_path="/root").run()).text == text


# Django


async def django_chat(request: HttpRequest) -> Any:
    chat = DJANGO["chat"]
    body = json.loads(request.body)
    if body.get("stream"):
        return StreamingHttpResponse(chat.pieces(), content_type="text/event-stream")
    if body["messages"][0]["content"] == "fail":
        raise Broken
    return JsonResponse(completion(chat.text))


DJANGO = {"chat": Chat()}
urlpatterns = [path("v1/chat/completions", csrf_exempt(django_chat))]


@pytest.fixture
def django_app() -> Iterator[ASGIHandler]:
    if not settings.configured:
        settings.configure(SECRET_KEY="test")
        django.setup()
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], DEBUG=False):
        DJANGO["chat"] = Chat()
        yield ASGIHandler()


@pytest.mark.parametrize("stream", [True, False])
async def test_django(django_app: ASGIHandler, stream: bool) -> None:
    exchange = await post(ResponsesMiddleware(django_app), stream=stream).run()
    assert b"Hello" in exchange.body
    if stream:
        assert exchange.text == "Hello"
        assert_valid_stream(exchange.body)


async def test_django_error_pages_become_openai_errors(django_app: ASGIHandler) -> None:
    component = ResponsesMiddleware(django_app)
    missing = await post(component, path="/responses").run()
    assert missing.status == 404
    assert (
        missing.error["message"] == "The upstream answered HTTP 404 with text/html that is no error message."
    )
    broken = await post(component, {"model": "m", "input": "fail"}).run()
    assert (broken.status, broken.error["code"]) == (500, "server_error")


# The real client and a real server


def apps(django_app: ASGIHandler, chat: Chat) -> dict[str, ASGIApp]:
    DJANGO["chat"] = chat
    fastapi = chat.fastapi()
    fastapi.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    fastapi.add_middleware(ResponsesMiddleware)
    fastapi.add_middleware(BaseHTTPMiddleware, dispatch=passes)
    mounted = FastAPI()
    mounted.mount("/v1", ResponsesMiddleware(Upstream.asgi(chat.fastapi())))
    return {"fastapi": fastapi, "django": ResponsesMiddleware(django_app), "mounted": mounted}


class Answer(pydantic.BaseModel):
    a: int


@pytest.mark.parametrize("name", ["fastapi", "django", "mounted"])
async def test_openai_client(name: str, django_app: ASGIHandler) -> None:
    app = apps(django_app, Chat(text='{"a": 1}'))[name]
    async with (
        served(app) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
    ):
        created = await client.responses.create(model="m", input="Hi")
        assert created.output_text == '{"a": 1}'
        events = [event async for event in await client.responses.create(model="m", input="Hi", stream=True)]
        assert [event.sequence_number for event in events] == list(range(len(events)))
        async with client.responses.stream(model="m", input="Hi") as stream:
            async for _ in stream:
                pass
            assert (await stream.get_final_response()).output_text == '{"a": 1}'
        parsed = await client.responses.parse(model="m", input="Hi", text_format=Answer)
        assert parsed.output_parsed == Answer(a=1)
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(model="m", input=5)  # type: ignore[call-overload]  # the mistake is the test
        assert caught.value.param == "input"


@pytest.mark.parametrize("name", ["fastapi", "django", "mounted"])
async def test_client_that_leaves_ends_the_view(name: str, django_app: ASGIHandler) -> None:
    chat = Chat(text="x" * 1000)
    chat.step = asyncio.Semaphore(1)
    async with served(apps(django_app, chat)[name]) as url, httpx.AsyncClient(base_url=url) as client:
        body = {"model": "m", "input": "Hi", "stream": True}
        async with client.stream("POST", "/v1/responses", json=body) as response:
            lines = response.aiter_lines()
            assert await anext(lines) == "event: response.created"
        await asyncio.wait_for(chat.closed.wait(), 5)


@pytest.mark.parametrize("name", ["fastapi", "django", "mounted"])
async def test_each_delta_arrives_before_the_next_is_made(name: str, django_app: ASGIHandler) -> None:
    chat = Chat(text="abcdefghij" * 2)
    chat.step = asyncio.Semaphore(1)
    body = {"model": "m", "input": "Hi", "stream": True}
    deltas = 0
    async with (
        served(apps(django_app, chat)[name]) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("POST", "/v1/responses", json=body) as response,
    ):
        async for line in response.aiter_lines():
            if line == "event: response.output_text.delta":
                deltas += 1
                assert chat.said == deltas
                chat.step.release()
    assert deltas == 20


async def test_raised_exception_closes_the_stream_for_a_real_client() -> None:
    app = Chat(fail_after=2).fastapi()
    app.add_middleware(ResponsesMiddleware)
    async with (
        served(app) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client,
    ):
        with pytest.raises(openai.APIError, match="had an error while processing"):
            async for _ in await client.responses.create(model="m", input="Hi", stream=True):
                pass


async def test_keep_alive_reaches_the_client_while_the_model_thinks() -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b"".join(HELLO)})

    component = ResponsesMiddleware(app, keep_alive=0.05)
    async with served(component) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        body = {"model": "m", "input": "Hi", "stream": True}
        async with client.stream("POST", "/v1/responses", json=body) as response:
            lines = [line async for line in _lines_until_kept_alive(response, go)]
        assert lines.count(": keep-alive") >= 2
        assert lines[-3] == "event: response.completed"


async def _lines_until_kept_alive(response: httpx.Response, go: asyncio.Event) -> AsyncIterator[str]:
    kept_alive = 0
    async for line in response.aiter_lines():
        kept_alive += line == ": keep-alive"
        if kept_alive == 2:
            go.set()
        yield line


async def test_handler_and_http_upstream_in_a_row() -> None:
    """A bridge over HTTP to a server that is a wrapped app itself; its connection ends with the client's."""
    chat = Chat(text="Hello")
    async with served(chat.fastapi()) as url:
        component = ResponsesMiddleware(Upstream.http(url))
        exchange = await post(component, stream=True).run()
        assert exchange.text == "Hello"
        slow = Chat(text="x" * 1000)
        slow.step = asyncio.Semaphore(1)
        async with served(slow.fastapi()) as slow_url:
            leaving = post(ResponsesMiddleware(Upstream.http(slow_url)), stream=True).start()
            await leaving.until(lambda: len(leaving.sent) >= 2)
            leaving.left.set()
            await leaving.end()
            await until(slow.closed.is_set)
        await component.aclose()
