"""The thread and the event loop behind clients that are not async."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async

from responses_asgi import ASGITransport
from responses_asgi.transport.loop_thread import Caller, LoopThread, Stopped
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send

START = {"type": "http.response.start", "status": 200, "headers": []}


def body(piece: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": more}


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(body(threading.current_thread().name.encode(), more=False))


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(body(b"first"))
    await asyncio.Event().wait()


def client_of(app: ASGIApp) -> httpx.Client:
    return httpx.Client(transport=ASGITransport(app), base_url="http://app", timeout=10)


others: list[threading.Thread] = []
"""Threads of other tests' clients."""


def loops() -> list[threading.Thread]:
    threads = [thread for thread in threading.enumerate() if thread.name == "responses-asgi"]
    return [thread for thread in threads if thread not in others]


@pytest.fixture(autouse=True)
def threads_before() -> None:
    gc.collect()
    others.extend(loops())


def test_the_thread_begins_with_the_first_request_and_ends_with_close() -> None:
    with client_of(hello) as client:
        assert not loops()
        assert client.get("/").text == "responses-asgi"
        assert client.get("/").text == "responses-asgi"
        assert len(loops()) == 1
    assert not loops()


def test_a_transport_can_be_used_again_after_close() -> None:
    transport = ASGITransport(hello)
    for _ in range(2):
        request = httpx.Request("GET", "http://app/")
        assert transport.handle_request(request).read() == b"responses-asgi"
        transport.close()
    transport.close()
    assert not loops()


def test_a_forgotten_client_leaves_no_thread() -> None:
    client = client_of(hello)
    assert client.get("/").status_code == 200
    del client
    gc.collect()
    assert not loops()


def test_an_answer_keeps_the_loop_alive_that_it_comes_from() -> None:
    answer = ASGITransport(endless).handle_request(httpx.Request("GET", "http://app/"))
    gc.collect()
    pieces = answer.iter_raw()
    assert next(pieces) == b"first"
    answer.close()
    del answer, pieces
    gc.collect()
    assert not loops()


def test_closing_the_transport_ends_what_waits_for_the_app() -> None:
    transport = ASGITransport(endless)
    answer = transport.handle_request(httpx.Request("GET", "http://app/"))
    pieces = answer.iter_raw()
    assert next(pieces) == b"first"
    closing = threading.Timer(0.05, transport.close)
    closing.start()
    with pytest.raises(Stopped, match="the transport was closed"):
        next(pieces)
    closing.join()
    answer.close()
    with pytest.raises(Stopped):
        Caller(_ended()).wait(asyncio.sleep(0))


def _ended() -> LoopThread:
    thread = LoopThread()
    thread.stop()
    return thread


def test_the_requests_generator_runs_in_the_callers_thread() -> None:
    threads = []

    def pieces() -> Iterator[bytes]:
        threads.append(threading.current_thread())
        yield b"piece"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await hello(scope, receive, send)

    with client_of(app) as client:
        client.post("/", content=pieces())
    assert threads == [threading.current_thread()]


def test_an_interrupt_leaves_the_app_and_the_client_usable() -> None:
    ended = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise KeyboardInterrupt

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            await hello(scope, receive, send)
            return
        try:
            while (await receive())["more_body"]:
                pass
        finally:
            ended.set()

    with client_of(app) as client:
        with pytest.raises(KeyboardInterrupt):
            client.post("/", content=pieces())
        assert ended.wait(10)
        assert client.get("/").status_code == 200


def test_a_sync_view_can_call_sync_views_in_the_same_process() -> None:
    """asgiref runs both in the thread of their request; were it one request's, they would wait for ever."""

    def inner() -> bytes:
        return threading.current_thread().name.encode()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(await sync_to_async(inner)(), more=False))

    def view() -> tuple[str, str]:
        with client_of(app) as client:
            return threading.current_thread().name, client.get("/").text

    async def serve() -> tuple[str, str]:
        async with ThreadSensitiveContext():
            return await sync_to_async(view)()

    outer, called = asyncio.run(asyncio.wait_for(serve(), 20))
    assert outer != called


FORKING = """
import os, sys, httpx
from responses_asgi import ASGITransport

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})

client = httpx.Client(transport=ASGITransport(app), base_url="http://app", timeout=10)
assert client.get("/").text == "hello"
child = os.fork()
assert client.get("/").text == "hello"
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_a_loop_of_its_own() -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING],
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
