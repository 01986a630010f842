"""The client over aiohttp where it differs from that of httpx: exceptions, bodies, limits, and its choice."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import pytest

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.upstreams import fast_client, http
from responses_asgi.upstreams.client_errors import was_never_sent
from responses_asgi.upstreams.fast_client import FastClient
from responses_asgi.upstreams.http import ClientSettings
from tests.asgi_driver import post
from tests.loopback import Recorder, served, unused_url


@asynccontextmanager
async def client(**settings: Any) -> AsyncIterator[FastClient]:
    usual = {
        "connect": 5.0,
        "write": 5.0,
        "read": 30.0,
        "pool": 10.0,
        "max_connections": None,
        "keep_alive": 4.0,
    }
    made = FastClient(**{**usual, "verify": ssl.create_default_context(), **settings})
    try:
        yield made
    finally:
        await made.aclose()


async def asked(made: FastClient, url: str, content: Any = b"{}", **headers: str) -> httpx.Response:
    named = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    request = made.build_request("POST", url, headers=named, content=content)
    return await made.send(request, stream=True, follow_redirects=False)


@asynccontextmanager
async def server(answer: bytes, *, reads: bool = True) -> AsyncIterator[str]:
    """A server that answers any request with these bytes, and closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reads:
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"


def with_headers(lines: int, size: int = 1) -> bytes:
    """An answer with so many headers, of values of this size, two of which say how long it is."""
    more = b"".join(b"x-%d: %s\r\n" % (number, b"y" * size) for number in range(lines - 2))
    return b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n" + more + b"\r\n{}"


@pytest.mark.parametrize("lines", [129, fast_client._MAX_LINES])
async def test_as_many_headers_as_may_be(lines: int) -> None:
    async with server(with_headers(lines)) as url, client() as made:
        answer = await asked(made, url)
        assert len(answer.headers) == lines
        assert await answer.aread() == b"{}"


@pytest.mark.parametrize("library", [None, httpx.AsyncClient])
@pytest.mark.parametrize(
    "answer",
    [with_headers(40_000), with_headers(3, 200_000)],
    ids=["lines", "length"],
)
async def test_more_headers_are_told_as_what_they_are(library: Any, answer: bytes) -> None:
    async with server(answer) as url:
        upstream = Upstream.http(url, client=library and library())
        component = ResponsesMiddleware(upstream)
        exchange = await post(component, {"model": "m", "input": "Hi"}, path="/v1/responses").run()
        await component.aclose()
    assert exchange.status == 502
    error = exchange.json["error"]
    assert error["code"] == "upstream_unreadable"
    assert "headers than can be read" in error["message"]


async def test_an_answer_that_turns_out_to_be_no_http_ends_at_once() -> None:
    """aiohttp leaves who reads it waiting for ever."""
    going_on = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await going_on.wait()
        writer.write(b"zzz\r\nworld\r\n")
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    async with listening, client(read=60.0) as made, asyncio.timeout(30):
        answer = await asked(made, url)
        pieces = aiter(answer.aiter_raw())
        assert await anext(pieces) == b"hello"
        going_on.set()
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)
        await answer.aclose()


@pytest.mark.parametrize("size", [1_000, 262_144, 262_145, 1_000_000])
async def test_a_body_arrives_whole_whether_or_not_it_goes_in_pieces(size: int) -> None:
    recorder, body = Recorder(), bytes(range(250)) * (size // 250) + b"x" * (size % 250)
    async with served(recorder) as url, client() as made:
        await (await asked(made, f"{url}/v1/x", body)).aclose()
    assert recorder.last.body == body
    assert recorder.last.headers["content-length"] == str(size)
    assert "transfer-encoding" not in recorder.last.headers


async def test_a_body_that_is_slow_to_come_is_waited_for() -> None:
    async def slow() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b"):
            await asyncio.sleep(0.4)
            yield piece

    recorder = Recorder()
    async with served(recorder) as url, client(write=0.1) as made:
        await (await asked(made, f"{url}/v1/x", slow())).aclose()
    assert recorder.last.body == b"ab"


async def test_a_connection_that_is_refused_was_never_sent_anything() -> None:
    async with client() as made:
        with pytest.raises(httpx.ConnectError) as failed:
            await asked(made, unused_url())
    assert was_never_sent(failed.value)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nconte", b"what?\r\n\r\n"])
async def test_a_request_that_may_have_arrived_is_not_said_to_be_unsent(answer: bytes) -> None:
    async with server(answer) as url, client() as made:
        with pytest.raises(httpx.RemoteProtocolError) as failed:
            await asked(made, url)
    assert not was_never_sent(failed.value)


async def test_an_answer_that_breaks_off_is_said_to() -> None:
    async with server(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf") as url, client() as made:
        response = await asked(made, url)
        with pytest.raises(httpx.RemoteProtocolError):
            await response.aread()
        await response.aclose()


async def test_a_silent_server_is_told_from_one_that_is_not_there() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        while (await receive())["type"] != "http.disconnect":
            pass

    async with served(silent) as url, client(read=0.2) as made:
        with pytest.raises(httpx.ReadTimeout):
            await asked(made, url)


async def test_connections_that_are_all_in_use_are_waited_for() -> None:
    async with served(Recorder()) as url, client(max_connections=1, pool=0.1) as made:
        first = await asked(made, url)
        with pytest.raises(httpx.PoolTimeout):
            await asked(made, url)
        await first.aclose()
        await first.aclose()
        for _ in range(2):  # what failed, or was closed, has given back no more and no less than it took
            second = await asked(made, url)
            with pytest.raises(httpx.PoolTimeout):
                await asked(made, url)
            await second.aclose()


async def test_what_the_body_raises_is_raised_as_it_is() -> None:
    class Left(Exception):
        pass

    async def body() -> AsyncIterator[bytes]:
        yield b"half"
        raise Left

    async with served(Recorder()) as url, client() as made:
        with pytest.raises(Left):
            await asked(made, url, body())


async def test_a_body_in_pieces_arrives() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    recorder = Recorder()
    async with served(recorder) as url, client() as made:
        response = await asked(made, url, body())
        await response.aread()
        await response.aclose()
    assert recorder.last.body == b"one two"


async def test_a_header_that_cannot_be_sent_is_an_error_of_this_side() -> None:
    async with served(Recorder()) as url, client() as made:
        with pytest.raises(httpx.LocalProtocolError):
            await asked(made, url, tenant="a\r\nb: c")


@pytest.mark.parametrize(
    ("given", "sent"), [("Zürich €".encode(), "Zürich €".encode()), (b"caf\xe9", "café".encode())]
)
async def test_values_of_headers_are_utf_8_and_stay_so(given: bytes, sent: bytes) -> None:
    recorder = Recorder()
    async with served(recorder) as url, client() as made:
        request = made.build_request("POST", url, headers=[(b"x-title", given)])
        response = await made.send(request, stream=True, follow_redirects=False)
        await response.aclose()
    assert recorder.last.headers["x-title"].encode("latin-1") == sent


async def test_a_connection_that_was_closed_while_the_loop_was_busy_is_not_used() -> None:
    """A POST that was sent on it could not be sent again: it may have arrived."""
    closed = threading.Event()

    def serve(listening: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone")
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        async with client() as made:
            for _ in range(2):
                response = await asked(made, f"http://127.0.0.1:{listening.getsockname()[1]}/")
                assert await response.aread() == b"done"
                await response.aclose()
                assert closed.wait(30)  # the loop stands still


async def test_heads_of_answers_may_be_long() -> None:
    async def says_much(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"x-policy", b"a" * 30_000)]
        start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": b"done"})

    async with served(says_much) as url, client() as made:
        response = await asked(made, url)
        assert await response.aread() == b"done"
        assert len(response.headers["x-policy"]) == 30_000
        await response.aclose()


async def test_a_mistake_in_the_body_s_reader_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served(Recorder()) as url, client() as made:
        response = await asked(made, url)

        def broken(self: object) -> None:
            raise KeyError("ours")

        monkeypatch.setattr(aiohttp.StreamReader, "iter_any", broken)
        with pytest.raises(KeyError):
            await response.aread()
        await response.aclose()


@pytest.mark.parametrize(
    ("settings", "environment", "fast"),
    [
        ({}, {}, True),
        ({}, {"NO_PROXY": "localhost"}, True),
        ({}, {"HTTPS_PROXY": "http://proxy:1"}, False),
        ({"proxy": False}, {"HTTPS_PROXY": "http://proxy:1"}, True),
        ({"proxy": "none"}, {}, True),
        ({"proxy": "http://proxy:1"}, {}, False),
    ],
)
def test_httpx_is_used_where_there_may_be_a_proxy(
    settings: dict[str, Any], environment: dict[str, str], fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert http._is_fast(ClientSettings(**settings)) is fast
    monkeypatch.setattr(http, "FAST_LIBRARY", "a_library_that_is_not_there")
    assert not http._is_fast(ClientSettings(**settings))
