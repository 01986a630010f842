"""One scripted service behind every wrapping, under real servers that run in threads of the test process.

The model of a request is the name of a scene, with "#KEY" behind it where a test holds the scene's door.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import flask
import hypercorn.asyncio
import hypercorn.config
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.test import override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.errors import UpstreamError
from responses_asgi.types.asgi import ASGIApp
from tests.acceptance_scenes import (
    Denial,
    Door,
    Knock,
    Step,
    document,
    events,
    play,
    play_in_thread,
    steps_of,
)

SERVERS = ("uvicorn", "hypercorn")
WRAPPINGS = {
    "fastapi": "fastapi/v1",
    "layered": "layered/v1",
    "django": "django/v1",
    "http": "http/v1",
    "handler": "handler/v1",
    "sync handler": "sync-handler/v1",
    "in-house route": "in-house/api/llm",
    "flask": "flask/v1",
}
"""Name -> where its Responses API lies."""


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    steps: Iterable[Step]
    door: Door


def opened(body: dict[str, Any]) -> Reply:
    """How a chat route begins its answer; raises what is to be raised before it."""
    steps, door = steps_of(body)
    first = steps[0]
    if isinstance(first, BaseException):
        raise first
    if isinstance(first, Denial):
        error = json.dumps({"error": {"message": first.message}}).encode()
        return Reply(first.status, {"content-type": "application/json", **first.headers}, [error], door)
    if body.get("stream"):
        return Reply(200, {"content-type": "text/event-stream"}, events(steps), door)
    return Reply(200, {"content-type": "application/json"}, document(steps), door)


async def held(body: dict[str, Any]) -> None:
    """Wait at the door in the view itself, if the scene says so."""
    steps, door = steps_of(body)
    if isinstance(steps[0], Knock) and steps[0].before:
        try:
            await door.passing()
        finally:
            door.ended.set()


# Services


async def chat(body: dict[str, Any]) -> Response:
    await held(body)
    reply = opened(body)
    return StreamingResponse(play(reply.steps, reply.door), reply.status, reply.headers)


def fastapi_app() -> FastAPI:
    app = FastAPI()
    app.post("/v1/chat/completions")(chat)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # uvicorn closes the connection of an app that has raised: a client that keeps it should know.
        return PlainTextResponse("Internal Server Error", 500, {"connection": "close"})

    return app


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid")

    role: str
    content: str | list[dict[str, Any]] | None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class HouseRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    messages: list[Message]
    stream: bool = False
    stream_options: dict[str, bool] | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None


def in_house_app() -> FastAPI:
    app = FastAPI()

    @app.post("/api/llm/chat")
    async def house_chat(request: HouseRequest) -> Response:
        return await chat(request.model_dump(exclude_unset=True))

    app.add_middleware(ResponsesMiddleware, path="/api/llm/responses", upstream_path="/api/llm/chat")
    return app


async def pass_on(request: Request, call_next: Any) -> Any:
    return await call_next(request)


def layered_app() -> FastAPI:
    app = fastapi_app()
    app.add_middleware(GZipMiddleware, minimum_size=1)
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    app.add_middleware(ResponsesMiddleware)
    return app


@csrf_exempt
async def django_chat(request: HttpRequest) -> HttpResponseBase:
    body = json.loads(request.body)
    await held(body)
    reply = opened(body)
    return StreamingHttpResponse(play(reply.steps, reply.door), status=reply.status, headers=reply.headers)


urlpatterns = [path("v1/chat/completions", django_chat)]


def flask_app() -> flask.Flask:
    app = flask.Flask("house")

    @app.post("/v1/chat/completions")
    def flask_chat() -> flask.Response:
        reply = opened(flask.request.get_json())
        return flask.Response(play_in_thread(reply.steps, reply.door), reply.status, reply.headers)

    return app


def _as_pieces(steps: Iterable[Step]) -> Iterator[Step]:
    for step in steps:
        if isinstance(step, Denial):
            raise UpstreamError(step.message, status=step.status, headers=step.headers)
        yield step


async def handler(request: dict[str, Any]) -> AsyncIterator[Any]:
    steps, door = steps_of(request)
    async for piece in play(_as_pieces(steps), door):
        yield piece


def sync_handler(request: dict[str, Any]) -> Iterator[Any]:
    steps, door = steps_of(request)
    yield from play_in_thread(_as_pieces(steps), door)


def house(upstream_url: str) -> FastAPI:
    """Every wrapping in one app. `upstream_url` is where the plain FastAPI app is served."""
    over_http = ResponsesMiddleware(Upstream.http(f"{upstream_url}/v1"))
    wrapped = fastapi_app()
    wrapped.add_middleware(ResponsesMiddleware)
    app = FastAPI(lifespan=over_http.lifespan)
    app.mount("/fastapi", wrapped)
    app.mount("/layered", layered_app())
    app.mount("/django", ResponsesMiddleware(get_asgi_application()))
    app.mount("/http/v1", over_http)
    app.mount("/handler/v1", ResponsesMiddleware(Upstream.handler(handler)))
    app.mount("/sync-handler/v1", ResponsesMiddleware(Upstream.handler(sync_handler)))
    app.mount("/in-house", in_house_app())
    app.mount("/flask", ResponsesMiddleware(Upstream.wsgi(flask_app())))
    return app


# Servers


@contextmanager
def under_uvicorn(app: ASGIApp) -> Iterator[str]:
    listening = _listening()
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield _url(listening)
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@contextmanager
def under_hypercorn(app: ASGIApp) -> Iterator[str]:
    listening = _listening()
    url = _url(listening)
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listening.detach()}"]
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = 1
    stop = threading.Event()

    async def stopped() -> None:
        while not stop.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.02)

    def run() -> None:
        serving = hypercorn.asyncio.serve(app, config, mode="asgi", shutdown_trigger=stopped)
        asyncio.run(serving)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield url
    finally:
        stop.set()
        thread.join(10)


def _listening() -> socket.socket:
    """Connections wait in its queue until the server is there."""
    # Without the protocol's number asyncio does not set TCP_NODELAY, and small pieces wait 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


def _url(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def open_houses() -> Iterator[dict[str, str]]:
    """The house under each server, and a uvicorn of its own for its HTTP upstream: server -> base URL."""
    if not settings.configured:
        settings.configure(SECRET_KEY="test")
    with ExitStack() as stack:
        django = override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[], DEBUG=False)
        stack.enter_context(django)
        upstream = stack.enter_context(under_uvicorn(fastapi_app()))
        yield {
            "uvicorn": stack.enter_context(under_uvicorn(house(upstream))),
            "hypercorn": stack.enter_context(under_hypercorn(house(upstream))),
        }


def wait_for(event: threading.Event, seconds: float = 5.0) -> float:
    """Seconds until the event was set; fails the test when it was not."""
    began = time.monotonic()
    assert event.wait(seconds), f"still not after {seconds} seconds"
    return time.monotonic() - began
