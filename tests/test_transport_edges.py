"""Every edge of ASGI that a transport can meet, for the async and other clients of httpx and httpx2."""

from __future__ import annotations

import asyncio
import builtins
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import pytest
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse

from responses_asgi import ASGITransport
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
END = {"type": "http.response.body", "body": b"", "more_body": False}
MEGABYTE = 2**20
SIZE = 24 * MEGABYTE

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


def body(piece: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": piece, "more_body": True}


@dataclass(frozen=True)
class Kind:
    """One of the four clients; each call is a client of its own."""

    library: Any
    sync: bool

    def ask(
        self, app: ASGIApp, method: str = "GET", *, pieces: Any = (), timeout: Any = 10.0, **options: Any
    ) -> Any:
        """The whole answer. `pieces` are those of the request's body, each a function to call."""
        transport = ASGITransport(app, **options)
        if self.sync:
            content = (piece() for piece in pieces) if pieces else None
            with self.library.Client(transport=transport, base_url="http://app", timeout=timeout) as client:
                return client.request(method, "/", content=content)
        return asyncio.run(self._ask(transport, method, pieces, timeout))

    async def _ask(self, transport: ASGITransport, method: str, pieces: Any, timeout: Any) -> Any:
        async def content() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield await asyncio.to_thread(piece)

        async with self.library.AsyncClient(
            transport=transport, base_url="http://app", timeout=timeout
        ) as client:
            return await client.request(method, "/", content=content() if pieces else None)

    def read(self, app: ASGIApp, look: Callable[[Iterator[bytes]], None]) -> None:
        """Let `look` read the answer piece by piece, then leave."""
        transport = ASGITransport(app)
        if self.sync:
            with (
                self.library.Client(transport=transport, base_url="http://app") as client,
                client.stream("GET", "/") as answer,
            ):
                look(answer.iter_raw())
            return
        with asyncio.Runner() as runner:
            client = self.library.AsyncClient(transport=transport, base_url="http://app")
            answer = runner.run(client.send(client.build_request("GET", "/"), stream=True))
            pieces = answer.aiter_raw()
            with closing(_stepped(runner, pieces)) as steps:
                look(steps)
            runner.run(answer.aclose())
            runner.run(client.aclose())


def _stepped(runner: asyncio.Runner, pieces: AsyncIterator[bytes]) -> Iterator[bytes]:
    async def step() -> bytes | None:
        return await anext(pieces, None)

    while (piece := runner.run(step())) is not None:
        yield piece


@pytest.fixture(
    params=[Kind(library, sync) for library in (httpx, httpx2) for sync in (False, True)],
    ids=["httpx-async", "httpx", "httpx2-async", "httpx2"],
)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def sending(*messages: dict[str, Any], then: Callable[[], Awaitable[None]] | None = None) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        if then is not None:
            await then()

    return app


async def fail() -> None:
    raise LookupError("a bug")


async def cancel() -> None:
    raise asyncio.CancelledError


async def hang() -> None:
    await asyncio.Event().wait()


WHOLE: list[tuple[str, ASGIApp, tuple[int, bytes]]] = [
    ("one message", sending(START, {"type": "http.response.body", "body": b"a"}), (200, b"a")),
    ("no body", sending(START, END), (200, b"")),
    ("no headers", sending({"type": "http.response.start", "status": 204}, END), (204, b"")),
    ("a body without bytes", sending(START, {"type": "http.response.body"}), (200, b"")),
    ("empty pieces", sending(START, body(b""), body(b"a"), body(b""), END), (200, b"a")),
    ("unknown messages", sending({"type": "http.response.debug"}, START, body(b"a"), END), (200, b"a")),
    ("a failing background task", sending(START, body(b"a"), END, then=fail), (200, b"a")),
    ("an endless background task", sending(START, body(b"a"), END, then=hang), (200, b"a")),
    ("more after the end", sending(START, body(b"a"), END, body(b"b")), (200, b"a")),
]


@pytest.mark.parametrize(("app", "expected"), [row[1:] for row in WHOLE], ids=[row[0] for row in WHOLE])
def test_what_is_a_whole_answer(kind: Kind, app: ASGIApp, expected: tuple[int, bytes]) -> None:
    answer = kind.ask(app)
    assert (answer.status_code, answer.content) == expected
    assert isinstance(answer, kind.library.Response)


BROKEN: list[tuple[str, ASGIApp, str, str]] = [
    ("raises before the start", sending(then=fail), "LookupError", "a bug"),
    ("raises after the start", sending(START, then=fail), "ReadError", "a bug"),
    ("raises in the body", sending(START, body(b"a"), then=fail), "ReadError", "a bug"),
    ("never starts", sending(), "RuntimeError", "incomplete"),
    ("is cancelled by itself", sending(then=cancel), "RuntimeError", "incomplete"),
    ("ends early", sending(START, body(b"a")), "ReadError", "incomplete"),
    ("sends a body first", sending(body(b"a")), "RuntimeError", "before the start"),
    ("is silent before the start", sending(then=hang), "ReadTimeout", "silent"),
    ("is silent after the start", sending(START, then=hang), "ReadTimeout", "silent"),
    ("is silent in the body", sending(START, body(b"a"), then=hang), "ReadTimeout", "silent"),
]


@pytest.mark.parametrize(
    ("app", "error", "message"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_what_is_a_broken_answer(kind: Kind, app: ASGIApp, error: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        kind.ask(app, timeout=kind.library.Timeout(10, read=0.1 if error == "ReadTimeout" else 10))
    expected = getattr(kind.library, error, None) or getattr(builtins, error)
    assert type(caught.value) is expected


def test_an_exception_before_the_start_can_be_a_500(kind: Kind) -> None:
    answer = kind.ask(sending(then=fail), raise_app_exceptions=False)
    assert (answer.status_code, answer.content) == (500, b"")


def test_a_huge_answer_arrives_whole(kind: Kind) -> None:
    pieces = [body(bytes([number % 251]) * MEGABYTE) for number in range(SIZE // MEGABYTE)]
    answer = kind.ask(sending(START, *pieces, END))
    assert answer.content == b"".join(piece["body"] for piece in pieces)


def test_a_huge_request_arrives_whole_and_piece_by_piece(kind: Kind) -> None:
    received: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive())["more_body"]:
            received.append(message["body"])
        await send(START)
        await send(END)

    pieces = [bytes([number % 251]) * MEGABYTE for number in range(SIZE // MEGABYTE)]
    asked = kind.ask(app, "POST", pieces=[lambda piece=piece: piece for piece in pieces])
    assert asked.status_code == 200
    assert received == pieces


def test_an_app_need_not_read_the_request(kind: Kind) -> None:
    def never() -> bytes:
        raise AssertionError("the request was read")

    assert kind.ask(sending(START, body(b"no"), END), "POST", pieces=[never]).content == b"no"


def test_the_requests_own_failure_is_raised(kind: Kind) -> None:
    def broken() -> bytes:
        raise LookupError("in the generator")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass

    with pytest.raises(LookupError, match="in the generator"):
        kind.ask(app, "POST", pieces=[lambda: b"one", broken])


def test_the_clients_own_time_is_not_the_apps(kind: Kind) -> None:
    def slow() -> bytes:
        time.sleep(0.4)
        return b"piece"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await send(START)
        await send(END)

    timeout = kind.library.Timeout(5, read=0.7)
    assert kind.ask(app, "POST", pieces=[slow, slow, slow], timeout=timeout).status_code == 200


def test_the_first_byte_arrives_when_it_is_produced(kind: Kind) -> None:
    read = threading.Semaphore(0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for number in range(20):
            await send(body(str(number).encode()))
            while not read.acquire(blocking=False):  # noqa: ASYNC110 - the reader is in another thread
                await asyncio.sleep(0.001)
        await send(END)

    def look(pieces: Iterator[bytes]) -> None:
        for number in range(20):
            assert next(pieces) == str(number).encode()
            read.release()
        assert list(pieces) == []

    kind.read(app, look)


def test_an_app_that_ignores_the_disconnect_is_ended(kind: Kind) -> None:
    ended = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send(START)
            while True:
                await send(body(b"more"))
        finally:
            ended.set()

    kind.read(app, lambda pieces: None if next(pieces) == b"more" else pytest.fail("something else"))
    assert ended.wait(10)


def test_an_app_that_listens_hears_of_the_disconnect(kind: Kind) -> None:
    heard: list[str] = []
    told = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send(body(b"first"))
        while (message := await receive())["type"] == "http.request":
            pass
        heard.append(message["type"])
        told.set()

    kind.read(app, lambda pieces: None if next(pieces) == b"first" else pytest.fail("something else"))
    assert told.wait(10)
    assert heard == ["http.disconnect"]


def test_background_tasks_are_not_waited_for(kind: Kind) -> None:
    ran, may_run = threading.Event(), threading.Event()

    def later() -> None:
        assert may_run.wait(10)
        ran.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("a", background=BackgroundTask(later))(scope, receive, send)

    def look(pieces: Iterator[bytes]) -> None:
        assert b"".join(pieces) == b"a"
        assert not ran.is_set()
        may_run.set()
        assert ran.wait(10)

    kind.read(app, look)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
def test_a_hundred_at_once_share_a_client_and_keep_their_contexts(library: Any, sync: bool) -> None:
    inside = 0
    full = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside
        inside += 1
        if inside == 100:
            full.set()
        await send(START)
        while not full.is_set():  # noqa: ASYNC110 - of threads and tasks alike
            await asyncio.sleep(0.005)
        await send(body(f"{scope['path']} {who.get()}".encode()))
        await send(END)

    transport = ASGITransport(app)
    if sync:
        with library.Client(transport=transport, base_url="http://app", timeout=30) as client:

            def ask(number: int) -> str:
                who.set(f"caller {number}")
                return str(client.get(f"/{number}").text)

            with ThreadPoolExecutor(100) as threads:
                answers = list(threads.map(ask, range(100)))
    else:

        async def ask_all() -> list[str]:
            async with library.AsyncClient(transport=transport, base_url="http://app", timeout=30) as client:

                async def ask(number: int) -> str:
                    who.set(f"caller {number}")
                    return str((await client.get(f"/{number}")).text)

                return await asyncio.gather(*map(ask, range(100)))

        answers = asyncio.run(ask_all())
    assert answers == [f"/{number} caller {number}" for number in range(100)]
    assert who.get() == "nobody"
