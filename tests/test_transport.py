from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import openai
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from responses_asgi.transport import ASGITransport
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from tests.loopback import until

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


def client_of(library: Any, app: ASGIApp, *, timeout: Any = 5.0, **options: Any) -> Any:
    transport = ASGITransport(app, **options)
    return library.AsyncClient(transport=transport, base_url="http://app.example", timeout=timeout)


def body(piece: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


async def test_the_app_sees_the_request_and_the_client_the_answer(library: Any) -> None:
    async def show(request: Request) -> Response:
        scope = request.scope
        seen = {
            "method": request.method,
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "body": (await request.body()).decode(),
            "header": request.headers["x-one"],
            "client": list(scope["client"]),
            "server": scope["server"][0],
            "spec": scope["asgi"]["spec_version"],
            "extensions": sorted(scope["extensions"]),
            "root_path": scope["root_path"],
            "who": who.get(),
        }
        return JSONResponse(seen, 201, headers={"x-two": "2"})

    who.set("caller")
    app = Starlette(routes=[Route("/{path:path}", show, methods=["POST"])])
    async with client_of(library, app, client=("10.0.0.9", 9)) as client:
        answer = await client.post("/a%20b?q=1&q=2", content=b"body", headers={"X-One": "1"})
    assert (answer.status_code, answer.headers["x-two"]) == (201, "2")
    assert isinstance(answer, library.Response)
    assert answer.request.method == "POST"
    assert answer.json() == {
        "method": "POST",
        "path": "/a b",
        "raw_path": "/a%20b",
        "query": "q=1&q=2",
        "body": "body",
        "header": "1",
        "client": ["10.0.0.9", 9],
        "server": "app.example",
        "spec": "2.3",
        "extensions": [],
        "root_path": "",
        "who": "caller",
    }


async def test_pieces_arrive_one_by_one_and_the_app_is_slowed_to_the_readers_pace(library: Any) -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send(START)
        for number in range(100):
            await send(body(f"<{number}>".encode()))
            sent += 1
        await send(body(b"", more=False))

    async with client_of(library, app) as client, client.stream("GET", "/") as answer:
        pieces = answer.aiter_raw()
        for number in range(100):
            assert await anext(pieces) == f"<{number}>".encode()
            assert sent <= number + 6
        assert [piece async for piece in pieces] == []


async def test_a_request_body_in_pieces_is_read_as_it_comes(library: Any) -> None:
    heard = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        parts = []
        while (message := await receive())["more_body"]:
            parts.append(message["body"].decode())
            heard.set()
        await send(START)
        await send(body(json.dumps(parts).encode(), more=False))

    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        await heard.wait()
        yield b"two"

    async with client_of(library, app) as client:
        assert (await client.post("/", content=pieces())).json() == ["one", "two"]


async def test_the_lifespans_state_is_copied_for_each_request(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["mine"] = scope["state"].get("mine", 0) + 1
        await send(START)
        await send(body(str(sorted(scope["state"].items())).encode(), more=False))

    state = {"shared": 1}
    async with client_of(library, app, state=state) as client:
        answers = [(await client.get("/")).text for _ in "ab"]
    assert answers == ["[('mine', 1), ('shared', 1)]"] * 2
    assert state == {"shared": 1}


async def test_head_answers_have_no_body(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"unwanted", more=False))

    async with client_of(library, app) as client:
        assert (await client.head("/")).content == b""


# --- leaving


@pytest.mark.parametrize("how", ["closed", "cancelled"])
async def test_an_app_that_listens_is_told_that_the_reader_left(library: Any, how: str) -> None:
    seen = []
    done = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        while (await receive())["type"] == "http.request":
            pass
        seen.append("http.disconnect")
        await send(body(b"too late"))
        done.set()

    async def begin(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        await app(scope, receive, send)

    async with client_of(library, begin) as client:
        await _leave(client, how)
        await asyncio.wait_for(done.wait(), 5)
    assert seen == ["http.disconnect"]


@pytest.mark.parametrize("how", ["closed", "cancelled"])
@pytest.mark.parametrize("kind", ["asleep", "sending", "stubborn"])
async def test_a_deaf_app_is_cancelled(library: Any, how: str, kind: str) -> None:
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        try:
            if kind == "sending":
                while True:
                    await send(body(b"more"))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if kind == "stubborn":
                raise LookupError("in the app's own cleaning up") from None
            raise
        finally:
            ended.set()

    async with client_of(library, app) as client:
        await _leave(client, how)
        await asyncio.wait_for(ended.wait(), 5)


async def _leave(client: Any, how: str) -> None:
    async def read() -> None:
        async with client.stream("GET", "/") as answer:
            assert await anext(answer.aiter_raw()) == b"first"
            reading.set()
            if how == "cancelled":
                await asyncio.Event().wait()

    reading = asyncio.Event()
    task = asyncio.create_task(read())
    await reading.wait()
    if how == "cancelled":
        task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_caller_that_is_cancelled_before_the_answer_ends_the_app(library: Any) -> None:
    called, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        called.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with client_of(library, app) as client:
        task = asyncio.create_task(client.get("/"))
        await called.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert ended.is_set()


async def test_background_tasks_run_after_the_last_piece_and_are_not_waited_for(library: Any) -> None:
    may_end = asyncio.Event()
    ended: list[str] = []

    async def later() -> None:
        await may_end.wait()
        ended.append("background")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async def endpoint(request: Request) -> Response:
        return StreamingResponse(pieces(), background=BackgroundTask(later))

    async with client_of(library, Starlette(routes=[Route("/", endpoint)])) as client:
        assert (await client.get("/")).content == b"ab"
        assert not ended
    may_end.set()
    await until(lambda: ended)


async def test_an_app_that_ends_its_answer_on_leaving_is_left_to_its_background_work(library: Any) -> None:
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        while (await receive())["type"] == "http.request":
            pass
        await send(body(b"", more=False))
        await may_end.wait()
        ended.set()

    async with client_of(library, app) as client:
        await _leave(client, "closed")
    may_end.set()
    await asyncio.wait_for(ended.wait(), 5)


async def test_an_answer_that_was_complete_but_not_read_leaves_no_task_behind(library: Any) -> None:
    before = asyncio.all_tasks()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(4):
            await send(body(b"x"))
        await send(body(b"", more=False))

    async with client_of(library, app) as client, client.stream("GET", "/"):
        await asyncio.sleep(0)
    await until(lambda: asyncio.all_tasks() == before)


# --- faults


async def test_an_exception_before_the_start_is_raised_or_a_500(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("a bug")

    async with client_of(library, app) as client:
        with pytest.raises(LookupError, match="a bug"):
            await client.get("/")
    async with client_of(library, app, raise_app_exceptions=False) as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.content) == (500, b"")


async def test_an_exception_in_the_body_is_the_librarys_read_error(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        raise LookupError("a bug")

    for raise_app_exceptions in (True, False):
        async with (
            client_of(library, app, raise_app_exceptions=raise_app_exceptions) as client,
            client.stream("GET", "/") as answer,
        ):
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"first"
            with pytest.raises(library.ReadError) as caught:
                await anext(pieces)
            assert isinstance(caught.value.__cause__, LookupError)


async def test_an_app_that_ends_early_is_an_error(library: Any) -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    async def cancelled(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    async def half(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.debug", "info": {}})
        await send(START)
        await send(START)
        await send(body(b"x"))

    async def headless(scope: Scope, receive: Receive, send: Send) -> None:
        await send(body(b"x"))

    for app in (silent, cancelled):
        async with client_of(library, app) as client:
            with pytest.raises(RuntimeError, match="incomplete"):
                await client.get("/")
    async with client_of(library, headless) as client:
        with pytest.raises(RuntimeError, match="before the start"):
            await client.get("/")
    async with client_of(library, half) as client:
        with pytest.raises(library.ReadError, match="incomplete"):
            await client.get("/")


async def test_a_failing_background_task_is_logged(library: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"", more=False))
        raise LookupError("in the background")

    async with client_of(library, app) as client:
        assert (await client.get("/")).status_code == 200
        await until(lambda: "in the background" in caplog.text)
    assert caplog.records[-1].levelno == logging.ERROR


@pytest.mark.parametrize("silent", ["before the start", "in the body"])
async def test_the_clients_read_timeout_holds(library: Any, silent: str) -> None:
    ended = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if silent == "in the body":
                await send(START)
                await send(body(b"first"))
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with client_of(library, app, timeout=library.Timeout(5, read=0.05)) as client:
        with pytest.raises(library.ReadTimeout):
            await client.get("/")
        await asyncio.wait_for(ended.wait(), 5)


# --- with the real client


@asynccontextmanager
async def sdk(library: Any, app: ASGIApp) -> AsyncIterator[openai.AsyncOpenAI]:
    http_client = client_of(library, app)
    async with openai.AsyncOpenAI(
        base_url="http://app.example/v1", api_key="any", max_retries=0, http_client=http_client
    ) as client:
        yield client


async def test_the_openai_client_streams_in_step_with_the_app(library: Any) -> None:
    may_send = asyncio.Semaphore(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-type", b"text/event-stream")]})
        for number in range(20):
            await may_send.acquire()
            chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": str(number)}}]}
            await send(body(f"data: {json.dumps(chunk)}\n\n".encode()))
        await send(body(b"data: [DONE]\n\n", more=False))

    async with sdk(library, app) as client:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        for number in range(20):
            may_send.release()
            chunk = await asyncio.wait_for(anext(stream), 10)
            assert chunk.choices[0].delta.content == str(number)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_the_openai_client_reports_a_stream_that_breaks(library: Any) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-type", b"text/event-stream")]})
        await send(body(b'data: {"id": "c", "choices": []}\n\n'))
        raise LookupError("a bug")

    async with sdk(library, app) as client:
        stream = await client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        with pytest.raises((openai.APIConnectionError, library.ReadError)):
            [chunk async for chunk in stream]
