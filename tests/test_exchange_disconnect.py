"""The client leaves, the server stops, the app lingers: who is ended, when, and what stays behind."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from responses_asgi.exchange import Options, inner_call
from responses_asgi.exchange.inner_call import InnerCall
from responses_asgi.loss import Losses
from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.request import while_client_stays
from responses_asgi.upstreams.upstream import Upstream
from tests.asgi_driver import DONE, HELLO, JSON_TYPE, SSE, Exchange, chunk, completion, data, playing, post

FINISH = data(chunk(finish_reason="stop")) + DONE


class Endless:
    """Sends a chunk and then waits for ever, unless it hears of the client's leaving."""

    def __init__(self, *, listens: bool = False, streams: bool = True) -> None:
        self.listens = listens
        self.streams = streams
        self.started = asyncio.Event()
        self.end = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        type_ = SSE if self.streams else JSON_TYPE
        await send({"type": "http.response.start", "status": 200, "headers": [type_]})
        await send(
            {"type": "http.response.body", "body": HELLO[0] if self.streams else b"{", "more_body": True}
        )
        self.started.set()
        try:
            if self.listens:
                self.end = (await receive())["type"]
            else:
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.end = "cancelled"
            raise


async def leave(exchange: Exchange, started: asyncio.Event) -> None:
    """The client leaves in the middle; the call must be over within a second."""
    exchange.start()
    await asyncio.wait_for(started.wait(), 20)
    exchange.left.set()
    assert exchange.task is not None
    await asyncio.wait_for(exchange.task, 1)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("stream", [True, False])
async def test_deaf_app_is_cancelled(stream: bool, streams: bool) -> None:
    app = Endless(streams=streams)
    exchange = post(ResponsesMiddleware(app), stream=stream)
    await leave(exchange, app.started)
    assert app.end == "cancelled"
    opened = stream and streams
    assert (exchange.status, exchange.is_complete) == ((200, False) if opened else (499, True))


async def test_app_that_listens_ends_by_itself() -> None:
    app = Endless(listens=True)
    await leave(post(ResponsesMiddleware(app), stream=True), app.started)
    assert app.end == "http.disconnect"


async def test_cancelling_of_json_calls_can_be_switched_off() -> None:
    go, seen = asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        seen.append((await receive())["type"])
        await go.wait()
        await playing_json(send)
        seen.append("done")

    exchange = post(ResponsesMiddleware(app, cancel_json=False)).start()
    exchange.left.set()
    await asyncio.sleep(2 * Options().grace)
    assert seen == ["http.disconnect"]
    go.set()
    await exchange.end()
    assert seen == ["http.disconnect", "done"]
    assert exchange.json["status"] == "completed"


async def playing_json(send: Send) -> None:
    import json

    await send({"type": "http.response.start", "status": 200, "headers": [JSON_TYPE]})
    await send({"type": "http.response.body", "body": json.dumps(completion()).encode()})


async def test_hook_learns_that_the_client_left() -> None:
    told: list[JSON] = []

    def after(snapshot: JSON, losses: Losses, timings: Mapping[str, float], context: ExchangeContext) -> None:
        told.append(snapshot)

    app = Endless()
    await leave(post(ResponsesMiddleware(app, after_exchange=after), stream=True), app.started)
    assert (told[0]["status"], told[0]["error"]["code"]) == ("failed", "client_left")
    assert told[0]["output"][0]["content"][0]["text"] == "Hel"


async def test_client_that_leaves_before_the_start_of_the_answer() -> None:
    told: list[JSON] = []
    started = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        await asyncio.sleep(60)

    def after(snapshot: JSON, losses: Losses, timings: Mapping[str, float], context: ExchangeContext) -> None:
        told.append(snapshot)
        assert "first_byte" not in timings

    exchange = post(ResponsesMiddleware(app, after_exchange=after), stream=True)
    await leave(exchange, started)
    assert (exchange.status, exchange.body) == (499, b"")
    assert told[0]["error"]["code"] == "client_left"


@pytest.mark.parametrize("reading", [True, False])
async def test_middleware_that_waits_for_an_answer_outlives_the_client(reading: bool) -> None:
    """BaseHTTPMiddleware takes an app that answers nothing for a mistake."""
    started = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        await asyncio.sleep(60)

    async def passes(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    exchange = post(
        BaseHTTPMiddleware(ResponsesMiddleware(app), dispatch=passes),
        pieces=[b"{", b""] if reading else None,
    )
    if reading:
        exchange.pieces = []
        started.set()
    await leave(exchange, started)


async def test_exception_after_the_client_left_is_raised() -> None:
    started = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            raise KeyError("clean-up failed")

    exchange = post(ResponsesMiddleware(app), stream=True).start()
    await started.wait()
    exchange.left.set()
    with pytest.raises(KeyError):
        await exchange.end()


@pytest.mark.parametrize("wait", ["sleep", "generator", "disconnect"])
async def test_starlette_app_ends_when_the_client_leaves(wait: str) -> None:
    started, closed = asyncio.Event(), asyncio.Event()

    async def chat(request: Request) -> Response:
        if wait == "disconnect":
            started.set()
            while not await request.is_disconnected():  # noqa: ASYNC110 - polling is what is tested
                await asyncio.sleep(0.01)
            closed.set()
            return Response()

        async def pieces() -> Any:
            try:
                yield HELLO[0]
                started.set()
                await asyncio.sleep(60)
            finally:
                closed.set()

        if wait == "sleep":
            async for _ in pieces():
                pass
        return StreamingResponse(pieces(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    await leave(post(ResponsesMiddleware(app), stream=True), started)
    assert closed.is_set()


async def test_server_that_says_by_oserror_that_the_client_left() -> None:
    app = Endless()
    sent = 0

    async def send(message: Message) -> None:
        nonlocal sent
        sent += 1
        raise OSError("connection lost")

    exchange = post(ResponsesMiddleware(app), stream=True)
    await asyncio.wait_for(ResponsesMiddleware(app)(exchange.scope, exchange.receive, send), 1)
    assert sent > 0
    assert app.end == "cancelled"


async def test_receive_that_fails_counts_as_gone() -> None:
    app = Endless()
    exchange = post(ResponsesMiddleware(app), stream=True)

    async def receive() -> Message:
        if exchange.pieces:
            return await exchange.receive()
        raise RuntimeError("no more messages")

    await asyncio.wait_for(ResponsesMiddleware(app)(exchange.scope, receive, exchange.send), 1)
    assert app.end == "cancelled"


async def test_receive_that_never_waits_does_not_keep_the_loop_busy() -> None:
    calls = 0

    async def receive() -> Message:
        nonlocal calls
        calls += 1
        body = b'{"model":"m","input":"Hi"}' if calls == 1 else b""
        return {"type": "http.request", "body": body, "more_body": False}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.05)
        await playing_json(send)

    exchange = post(ResponsesMiddleware(app))
    await ResponsesMiddleware(app)(exchange.scope, receive, exchange.send)
    assert exchange.status == 200
    assert calls < 50


# What must not be cancelled


async def test_background_task_runs_after_the_answer_and_after_the_client_left() -> None:
    ran = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(2 * Options().grace)
        ran.set()

    async def chat(request: Request) -> Response:
        return JSONResponse(completion(), background=BackgroundTask(work))

    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    exchange = post(ResponsesMiddleware(app)).start()
    await exchange.until(lambda: exchange.is_complete)
    assert not ran.is_set()
    await exchange.end()
    assert ran.is_set()


async def test_code_after_the_done_marker_runs_to_its_end() -> None:
    """The server's http.disconnect after a complete response is not the client's leaving."""
    saved = asyncio.Event()

    async def chat(request: Request) -> Response:
        async def pieces() -> Any:
            yield b"".join(HELLO)
            await asyncio.sleep(2 * Options().grace)
            saved.set()

        return StreamingResponse(pieces(), media_type="text/event-stream")

    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    await post(ResponsesMiddleware(app), stream=True).run()
    assert saved.is_set()


async def test_app_that_never_ends_after_the_done_marker_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_call, "LINGER", 0.1)
    end = ""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal end
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": b"".join(HELLO), "more_body": True})
        try:
            while True:
                await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            end = "cancelled"
            raise

    exchange = await post(ResponsesMiddleware(app), stream=True).run()
    assert end == "cancelled"
    assert exchange.types[-1] == "completed"


async def test_app_that_listens_after_its_final_body_hears_of_the_end() -> None:
    heard = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await playing(*HELLO)(scope, receive, send)
        heard.append((await receive())["type"])

    await post(ResponsesMiddleware(app), stream=True).run()
    assert heard == ["http.disconnect"]


async def test_final_body_saves_an_app_whose_client_has_just_left() -> None:
    ran = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal ran
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        await playing_json(send)
        await asyncio.sleep(2 * Options().grace)
        ran = True

    exchange = post(ResponsesMiddleware(app)).start()
    exchange.left.set()
    await exchange.end()
    assert ran


async def test_app_that_answers_while_it_is_being_cancelled() -> None:
    started = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await playing_json(send)
            raise

    await leave(post(ResponsesMiddleware(app)), started)


async def test_app_whose_answer_is_of_no_use_lets_go_of_what_it_holds() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

        async def work() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
            try:
                await send({"type": "http.response.body", "body": b"data: rubbish\n\n", "more_body": True})
            finally:
                # As HTTP libraries do when they give a connection back.
                for _ in range(5):
                    await asyncio.sleep(0)
                ended.append("let go")

        read = asyncio.Event()
        read.set()
        await while_client_stays(receive, work(), after=read)

    got = await post(ResponsesMiddleware(app), stream=True).run()
    assert ended == ["let go"]
    assert got.events[-1]["type"] == "response.failed"


# What the app's own surroundings keep


async def test_cancellation_from_outside_passes_through() -> None:
    app = Endless()
    exchange = post(ResponsesMiddleware(app, keep_alive=0.01), stream=True).start()
    await app.started.wait()
    assert exchange.task is not None
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.task
    assert app.end == "cancelled"
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_timeout_around_the_component_is_told_from_its_own() -> None:
    app = Endless()
    exchange = post(ResponsesMiddleware(app), stream=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await exchange.app(exchange.scope, exchange.receive, exchange.send)
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # there is one here
    assert app.end == "cancelled"


async def test_timeout_of_the_app_is_the_app_s() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    exchange = post(ResponsesMiddleware(app))
    with pytest.raises(TimeoutError):
        await exchange.run()
    assert exchange.status == 500


async def test_app_runs_in_the_task_and_the_context_of_the_request() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    tasks = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.current_task())
        assert variable.get() == "outer"
        variable.set("inner")
        await playing(*HELLO)(scope, receive, send)

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        variable.set("outer")
        tasks.append(asyncio.current_task())
        await ResponsesMiddleware(app)(scope, receive, send)
        assert variable.get() == "inner"

    await post(outer).run()
    assert tasks[0] is tasks[1]


async def test_nothing_is_left_behind_by_an_exchange() -> None:
    for stream in (True, False):
        await post(ResponsesMiddleware(playing(*HELLO)), stream=stream).run()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def call_of(app: Callable[[InnerCall, Receive], Awaitable[None]]) -> InnerCall:
    """Run an app that is handed its own call, whose client stays."""

    async def silent(message: Message) -> None:
        raise AssertionError

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        await app(call, receive)

    call = InnerCall(b"", cancel=True, grace=0, is_answered=lambda: False)
    await asyncio.wait_for(call.run(run, {}, silent), 10)
    return call


async def test_finished_app_is_safe_from_every_timer() -> None:
    async def app(call: InnerCall, receive: Receive) -> None:
        call.give_up()
        call.linger()
        call.linger()
        call.finished()
        call.give_up()
        call.left()
        await asyncio.sleep(0.05)

    assert not (await call_of(app)).client_left


async def test_app_that_is_slow_to_be_cancelled_is_cancelled_once() -> None:
    cancelled = 0

    async def app(call: InnerCall, receive: Receive) -> None:
        nonlocal cancelled
        call.give_up()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled += 1
            call.left()
            await asyncio.sleep(0.05)
            call.finished()
            raise

    await call_of(app)
    assert cancelled == 1


def concurrent(app: ASGIApp) -> list[Exchange]:
    return [post(app, stream=True) for _ in range(20)]


async def test_exchanges_side_by_side_do_not_mix() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        identity = scope["extensions"]["responses_asgi"]["response_id"]
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        for _ in range(5):
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": data(chunk(identity)), "more_body": True})
        await send({"type": "http.response.body", "body": FINISH})

    exchanges = concurrent(ResponsesMiddleware(app))
    await asyncio.gather(*(exchange.run() for exchange in exchanges))
    for exchange in exchanges:
        assert exchange.text == exchange.events[0]["response"]["id"] * 5


@pytest.mark.parametrize("stays", [True, False])
async def test_an_answer_that_is_kept_may_be_finished_without_its_client(stays: bool) -> None:
    store = MemoryStore()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def model(request: JSON) -> AsyncIterator[str]:
        yield "Hel"
        begun.set()
        await go_on.wait()
        yield "lo"

    component = ResponsesMiddleware(Upstream.handler(model), store=store, finish_unattended=stays)
    exchange = post(component, {"model": "m", "input": "Hi", "stream": True}).start()
    await asyncio.wait_for(begun.wait(), 20)
    exchange.left.set()
    await asyncio.sleep(2 * Options().grace)
    go_on.set()
    await exchange.end()
    kept = (await store.list("response", ""))[0]
    response = json.loads(kept.data)["response"]
    assert response["status"] == ("completed" if stays else "cancelled")
    assert response["output"][0]["content"][0]["text"] == ("Hello" if stays else "Hel")
