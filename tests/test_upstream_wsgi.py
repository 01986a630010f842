from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import flask
import openai
import pytest

from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.upstreams.upstream import Upstream
from tests.loopback import Asked, ask, served, until

CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
SSE = [("Content-Type", "text/event-stream")]

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


class Steps:
    """A WSGI app that streams numbered pieces, each after `go` was released for it."""

    def __init__(self, *, count: int) -> None:
        self.go = threading.Semaphore(0)
        self.waiting = 0
        self.closed = 0
        self._count = count

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", SSE)
        return self._pieces()

    def _pieces(self) -> Iterator[bytes]:
        try:
            for number in range(self._count):
                self.waiting += 1
                assert self.go.acquire(timeout=10)
                yield f"data: {number}\n\n".encode()
        finally:
            self.closed += 1


async def test_request_and_answer_are_those_of_a_wsgi_server() -> None:
    app = flask.Flask("app")

    @app.post("/v1/chat/completions")
    def chat() -> Any:
        asked = flask.request
        return {"body": asked.json, "tenant": asked.headers["x-tenant"], "who": who.get()}, 201, {"X-Id": "1"}

    token = who.set("me")
    headers = [("content-type", "application/json"), ("x-tenant", "acme")]
    got = await ask(Upstream.wsgi(app).app, body={"model": "m"}, headers=headers)
    who.reset(token)
    assert (got.status, got.headers["x-id"]) == (201, "1")
    assert got.json() == {"body": {"model": "m"}, "tenant": "acme", "who": "me"}


async def test_a_generator_streams_piece_by_piece() -> None:
    app = Steps(count=20)
    asked = Asked(Upstream.wsgi(app).app)
    for number in range(20):
        await until(lambda number=number: app.waiting == number + 1)
        assert len(asked.got.pieces) == number
        app.go.release()
        await until(lambda number=number: len(asked.got.pieces) == number + 1)
    assert (await asked.result()).ended
    assert app.closed == 1


async def test_requests_run_side_by_side() -> None:
    together = threading.Barrier(3, timeout=10)

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", SSE)
        for number in range(3):
            together.wait()
            yield f"{number}".encode()

    asgi = Upstream.wsgi(app).app
    answers = await asyncio.gather(*(ask(asgi) for _ in range(3)))
    assert [got.body for got in answers] == [b"012"] * 3


@pytest.mark.parametrize("how", ["left", "cancelled"])
async def test_a_stream_is_stopped_at_its_next_piece_when_the_client_leaves(how: str) -> None:
    app = Steps(count=1000)
    asked = Asked(Upstream.wsgi(app).app)
    app.go.release()
    await until(lambda: asked.got.pieces)
    await until(lambda: app.waiting == 2)
    asked.leave() if how == "left" else asked.task.cancel()
    async with asyncio.timeout(5):  # although the app's thread sleeps
        await asyncio.gather(asked.task, return_exceptions=True)
    app.go.release(1000)
    await until(lambda: app.closed)
    assert app.waiting == 2


async def test_a_stream_that_is_being_sent_is_stopped_too() -> None:
    closed = threading.Event()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", SSE)
        try:
            for _ in range(1000):
                yield b"x"
        finally:
            closed.set()

    stuck = asyncio.Event()
    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        stuck.set()
        await asyncio.Event().wait()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
    }
    task = asyncio.create_task(Upstream.wsgi(app).app(scope, receive, send))
    await stuck.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(closed.is_set)


async def test_an_exception_is_raised_before_and_after_the_start() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", SSE)
        if environ["PATH_INFO"] == "/late":
            yield b"x"
        raise LookupError("a bug")

    asgi = Upstream.wsgi(app).app
    got = await ask(asgi, "/early")
    assert (type(got.raised), got.status) == (LookupError, 0)
    got = await ask(asgi, "/late")
    assert (type(got.raised), got.status, got.ended) == (LookupError, 200, False)


async def test_lifespan_is_served_and_websockets_are_refused() -> None:
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}, {"type": "websocket.connect"}])
    said: list[str] = []

    async def receive() -> Any:
        return next(asked)

    async def send(message: Any) -> None:
        said.append(message["type"])

    app = Upstream.wsgi(Steps(count=0)).app
    await app({"type": "lifespan"}, receive, send)
    await app({"type": "websocket"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


async def test_a_flask_app_behind_the_bridge_streams_to_the_openai_client() -> None:
    app = flask.Flask("app")

    @app.post("/v1/chat/completions")
    def chat() -> Any:
        asked = flask.request.json
        assert asked is not None
        text = asked["messages"][-1]["content"]

        def events() -> Iterator[str]:
            for word in text.split():
                yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'content': word}}]})}\n\n"
            yield f"data: {json.dumps({'choices': [{'index': 0, 'delta': {}, 'finish_reason': 'stop'}]})}\n\n"
            yield "data: [DONE]\n\n"

        return flask.Response(events(), mimetype="text/event-stream")

    async with (
        served(ResponsesMiddleware(Upstream.wsgi(app))) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):

        async def run(text: str) -> list[str]:
            async with client.responses.stream(model="m", input=text) as stream:
                deltas = [event.delta async for event in stream if event.type == "response.output_text.delta"]
                assert (await stream.get_final_response()).status == "completed"
                return deltas

        assert await asyncio.gather(*(run("a b c") for _ in range(3))) == [["a", "b", "c"]] * 3


async def test_a_client_that_leaves_while_it_uploads_is_nobodys_error() -> None:
    messages = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    await Upstream.wsgi(Steps(count=0)).app({"type": "http", "headers": []}, receive, send)
