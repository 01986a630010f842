"""WebSockets to a server elsewhere, over real connections on both sides."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from responses_asgi import ChatCompletionsMiddleware, ConfigurationError, ResponsesMiddleware, Upstream
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.upstreams.credentials import Credentials
from responses_asgi.upstreams.http import HTTPUpstream
from responses_asgi.upstreams.target import URLTarget
from responses_asgi.upstreams.websocket import SocketLimits
from tests.loopback import served, stop, until, unused_url
from tests.sockets import (
    Socket,
    SocketAsked,
    SocketServer,
    accept_key,
    denying,
    dial,
    frame,
    raw_server,
)

TEXT, BINARY, CONTINUATION = 1, 2, 0


@asynccontextmanager
async def bridged(server: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """The URL of a bridge before a real server."""
    async with served(server, ws_max_size=64 * 1024 * 1024) as behind:
        upstream = Upstream.http(behind, **options)
        async with served(upstream.app) as url:
            try:
                yield url
            finally:
                await upstream.aclose()


@asynccontextmanager
async def before(behind: str, **limits: Any) -> AsyncIterator[str]:
    """The same before a URL, with limits that users cannot set one by one."""
    app = HTTPUpstream(URLTarget(behind + "/v1"), sockets=SocketLimits(**limits))
    async with served(app) as url:
        try:
            yield url
        finally:
            await app.aclose()


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


async def end_of(socket: ClientConnection) -> tuple[int, str]:
    """How the server closes the socket."""
    async with asyncio.timeout(20):
        await socket.wait_closed()
    assert socket.close_code is not None
    return socket.close_code, socket.close_reason or ""


async def refusal_of(url: str, path: str = "/v1/realtime", **options: Any) -> Any:
    """The HTTP answer to a handshake."""
    with pytest.raises(InvalidStatus) as caught:
        async with dial(url, path, **options):
            pass
    return caught.value.response


# --- what passes


async def test_messages_of_both_kinds_pass_in_order_and_whole(library: Any) -> None:
    said: list[str | bytes] = [
        "hi",
        b"\x00\xff",
        "",
        b"",
        "ünï€ 𝄞",
        bytes(range(256)) * 8000,
        "x" * 2_000_000,
    ]
    server = SocketServer()
    async with library.AsyncClient() as client, bridged(server, client=client) as url, dial(url) as socket:
        for message in said:
            await socket.send(message)
        assert [await socket.recv() for _ in said] == said
    assert server.last.messages == said


async def test_the_handshake_arrives_with_its_query_and_what_is_let_through() -> None:
    server = SocketServer(headers=[(b"x-request-id", b"req_1"), (b"set-cookie", b"a=b")], choose="realtime")
    headers = {
        "authorization": "Bearer theirs",
        "api-key": "theirs",
        "cookie": "session=1",
        "openai-beta": "realtime=v1",
        "x-tenant": "acme",
        "x-other": "no",
    }
    async with (
        bridged(server, forward_headers=["x-tenant"]) as url,
        dial(
            url,
            "/v1/realtime?model=gpt-realtime&q=%C3%A9%2B&&",
            additional_headers=headers,
            subprotocols=["realtime", "other"],
            origin="https://public.example",
        ) as socket,
    ):
        assert socket.subprotocol == "realtime"
        assert socket.response is not None
        assert socket.response.headers["x-request-id"] == "req_1"
        assert "set-cookie" not in socket.response.headers
    scope, got = server.last.scope, server.last.headers
    assert (scope["path"], scope["query_string"]) == ("/v1/realtime", b"model=gpt-realtime&q=%C3%A9%2B&&")
    assert scope["subprotocols"] == ["realtime", "other"]
    assert got.pop("user-agent").startswith("responses-asgi/")
    assert got.pop("host").startswith("127.0.0.1:")
    assert len(got.pop("sec-websocket-key")) == 24
    assert got == {
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-protocol": "realtime, other",
        "openai-beta": "realtime=v1",
        "x-tenant": "acme",
    }


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, ""), (1001, "bye"), (1008, "no"), (1012, "restart"), (3000, ""), (4321, "ünï€ of 123 bytes")],
)
async def test_closing_codes_and_reasons_pass_both_ways(code: int, reason: str) -> None:
    async def leave(socket: Socket) -> None:
        if await socket.next() == "you":
            await socket.close(code, reason)
        await socket.next()

    server = SocketServer(leave)
    async with bridged(server) as url:
        async with dial(url) as socket:
            await socket.send("you")
            assert await end_of(socket) == (code, reason)
        async with dial(url) as socket:
            await socket.send("me")
            await socket.close(code, reason)
        await until(lambda: len(server.sockets) == 2 and server.last.over.is_set())
    assert server.last.closed == (code, reason)


async def test_a_close_without_a_code_is_an_ordinary_one() -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(8, b""))
        await reader.read()

    async with raw_server(leave) as behind, before(behind) as url, dial(url) as socket:
        assert await end_of(socket) == (1000, "")


async def test_fragments_are_put_together_and_pings_answered() -> None:
    heard: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            frame(TEXT, b"h\xc3", fin=False) + frame(9, b"you?") + frame(CONTINUATION, b"\xa9", fin=False)
        )
        writer.write(frame(CONTINUATION, b"!") + frame(BINARY, b"a", fin=False) + frame(CONTINUATION, b"b"))
        heard.append(await reader.readexactly(2 + 4 + 4))
        await reader.read()

    async with raw_server(talk) as behind, before(behind, close=0.1) as url, dial(url) as socket:
        assert [await socket.recv(), await socket.recv()] == ["hé!", b"ab"]
        await until(lambda: heard)
    mask = heard[0][2:6]
    assert heard[0][:2] == bytes([0x80 | 10, 0x80 | 4])
    assert bytes(byte ^ mask[index] for index, byte in enumerate(heard[0][6:])) == b"you?"


async def test_directions_do_not_wait_for_each_other_and_who_reads_slowly_slows_the_other_down() -> None:
    count = 0
    piece = b"x" * 100_000

    async def flood(socket: Socket) -> None:
        nonlocal count
        for _ in range(3000):
            await socket.say(piece)
            count += 1
        while await socket.next() is not None:
            pass

    server = SocketServer(flood)
    async with bridged(server) as url, dial(url, max_queue=1) as socket:
        await socket.recv()
        seen = -1
        while seen != count:
            seen = count
            await asyncio.sleep(0.3)
        # 300 MB are on offer; what lies in the buffers of four sockets is a few.
        assert count < 1000
        for _ in range(2999):
            assert len(await socket.recv()) == len(piece)
        assert count == 3000


async def test_a_server_that_does_not_read_slows_the_client_down() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()

    over = asyncio.Event()
    async with raw_server(deaf) as behind:
        limits = SocketLimits(idle=1.0, close=0.1)
        app = HTTPUpstream(URLTarget(behind), sockets=limits)
        asked = SocketAsked(app)
        for _ in range(300):
            asked.hear.put_nowait({"type": "websocket.receive", "bytes": bytes(1_000_000)})
        await asyncio.wait_for(asked.task, 20)
        assert asked.hear.qsize() > 200
        assert asked.sent[1:] == [
            {"type": "websocket.close", "code": 1001, "reason": "no message for 1 seconds"}
        ]
        over.set()
        await app.aclose()


# --- refusals


@pytest.mark.parametrize("status", [400, 401, 404, 426, 429, 500, 503])
async def test_a_refusal_of_the_server_is_the_clients_own(status: int, library: Any) -> None:
    body = b'{"error":{"message":"not here"}}'
    server = denying(status, body, (b"retry-after", b"7"), (b"server", b"theirs"))
    async with library.AsyncClient() as client, bridged(server, client=client) as url:
        response = await refusal_of(url)
    assert (response.status_code, response.body) == (status, body)
    assert response.headers["retry-after"] == "7"
    assert "theirs" not in response.headers.get_all("server")


async def test_a_refusal_is_retried_only_when_that_is_asked_for() -> None:
    asked = 0

    async def busy(scope: Any, receive: Any, send: Any) -> None:
        nonlocal asked
        asked += 1
        app = denying(503, b"{}", (b"retry-after-ms", b"1")) if asked < 3 else SocketServer()
        await app(scope, receive, send)

    async with bridged(busy) as url:
        assert (await refusal_of(url)).status_code == 503
    async with bridged(busy, status_retries=2) as url, dial(url) as socket:
        await socket.send("hi")
        assert await socket.recv() == "hi"
    assert asked == 3


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (200, [], "upstream_no_websocket"),
        (304, [], "upstream_no_websocket"),
        (307, [("location", "http://127.0.0.1:1/x")], "upstream_redirect"),
    ],
)
async def test_an_answer_that_is_neither_a_socket_nor_an_error_is_a_502(
    status: int, headers: list[tuple[str, str]], code: str
) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, headers=headers))
    upstream = Upstream.http("http://server", client=httpx.AsyncClient(transport=transport))
    async with served(upstream.app) as url:
        response = await refusal_of(url)
    assert (response.status_code, json.loads(response.body)["error"]["code"]) == (502, code)


@pytest.mark.parametrize(("status", "told"), [(499, 400), (520, 502)])
async def test_a_refusal_with_a_status_of_its_own_is_told_as_a_common_one(status: int, told: int) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Odd\r\ncontent-length: 3\r\n\r\nwhy".encode())
        await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server, before(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as url:
        response = await refusal_of(url)
    assert (response.status_code, response.body) == (told, b"why")


async def test_a_long_or_compressed_refusal_is_read_and_cut() -> None:
    import gzip

    packed = gzip.compress(b"no" * 500_000)
    async with bridged(denying(403, packed, (b"content-encoding", b"gzip"))) as url:
        response = await refusal_of(url)
    assert response.body == b"no" * (65_536 // 2)
    assert "content-encoding" not in response.headers
    async with bridged(denying(403, b"odd", (b"content-encoding", b"unheard-of"))) as url:
        response = await refusal_of(url)
    assert (response.body, response.headers["content-encoding"]) == (b"odd", "unheard-of")


async def test_a_server_that_is_not_there_is_a_502(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Upstream.http(unused_url(), retries=0)
    async with served(upstream.app) as url:
        response = await refusal_of(url)
    await upstream.aclose()
    assert response.status_code == 502
    assert json.loads(response.body)["error"]["code"] == "upstream_unreachable"
    assert "ConnectError" in caplog.text


async def test_a_server_that_never_opens_the_socket_is_a_504() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server, before(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", handshake=0.2) as url:
        response = await refusal_of(url)
    assert response.status_code == 504
    assert json.loads(response.body)["error"]["code"] == "upstream_timeout"


@pytest.mark.parametrize(
    "wrong",
    [
        {"accept": b"bm90IGl0"},
        {"extra": b"sec-websocket-protocol: never-offered\r\n"},
        {"extra": b"sec-websocket-extensions: permessage-deflate\r\n"},
    ],
)
async def test_a_handshake_that_is_not_valid_is_a_502(wrong: dict[str, bytes]) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(wait, **wrong) as behind, before(behind) as url:
        response = await refusal_of(url)
    assert response.status_code == 502
    assert json.loads(response.body)["error"]["code"] == "upstream_handshake"


async def test_a_client_whose_transport_has_no_network_stream_is_told_of() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        handshake = b"GET / HTTP/1.1\r\n" + b"\r\n".join(b": ".join(pair) for pair in request.headers.raw)
        headers = {"sec-websocket-accept": accept_key(handshake).decode()}
        return httpx.Response(101, headers=headers)

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with served(Upstream.http("http://server", client=client).app) as url:
        response = await refusal_of(url)
    assert response.status_code == 501
    assert "cannot carry WebSockets" in json.loads(response.body)["error"]["message"]


async def test_a_client_that_speaks_http_2_is_told_of() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, extensions={"http_version": b"HTTP/2"})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with served(Upstream.http("http://server", client=client).app) as url:
        response = await refusal_of(url)
    assert response.status_code == 502
    assert "HTTP/2" in json.loads(response.body)["error"]["message"]


async def test_without_the_extra_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SocketServer()
    async with bridged(server) as url:
        monkeypatch.setitem(sys.modules, "responses_asgi.upstreams.frames", None)
        response = await refusal_of(url)
    assert response.status_code == 501
    assert "pip install 'responses-asgi[ws]'" in json.loads(response.body)["error"]["message"]
    assert server.sockets == []


@pytest.mark.parametrize(("status", "code"), [(401, 1008), (429, 1013), (503, 1013), (500, 1011)])
async def test_a_server_without_http_denials_is_told_a_code(status: int, code: int) -> None:
    async with served(denying(status)) as behind:
        upstream = Upstream.http(behind)
        asked = SocketAsked(upstream.app)
        await asyncio.wait_for(asked.task, 10)
        await upstream.aclose()
    reason = f"refused with status {status}"
    assert asked.sent == [{"type": "websocket.close", "code": code, "reason": reason}]


async def test_a_path_that_leads_elsewhere_is_refused() -> None:
    asked = SocketAsked(
        Upstream.http("http://server").app, "/v1/../secret", extensions={"websocket.http.response": {}}
    )
    await asyncio.wait_for(asked.task, 10)
    assert asked.sent[0]["status"] == 400
    assert json.loads(asked.sent[1]["body"])["error"]["code"] == "invalid_path"


async def test_a_socket_names_no_model_where_azure_needs_one() -> None:
    upstream = Upstream.http("http://server", profile="azure", api_version="v9")
    denial = {"websocket.http.response": {}}
    asked = SocketAsked(upstream.app, "/v1/chat/completions", extensions=denial)
    await asyncio.wait_for(asked.task, 10)
    assert json.loads(asked.sent[1]["body"])["error"]["param"] == "model"


async def test_a_bug_is_not_hidden() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise LookupError("a bug")

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    asked = SocketAsked(Upstream.http("http://server", client=client).app)
    with pytest.raises(LookupError):
        await asyncio.wait_for(asked.task, 10)


# --- ends


async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(frame(TEXT, b"last"))
    await writer.drain()


async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(frame(TEXT, b"last") + b"\xff\xff\xff\xff")
    await reader.read()


async def not_utf8(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(frame(TEXT, b"last") + frame(TEXT, b"\xff"))
    await reader.read()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(frame(TEXT, b"last"))
    await reader.readexactly(1)
    writer.transport.abort()


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (cut, "the upstream closed the connection"),
        (reset, "the upstream closed the connection"),
        (nonsense, "the upstream broke the WebSocket protocol"),
        (not_utf8, "the upstream sent text that is not UTF-8"),
    ],
)
async def test_a_server_that_fails_is_told_as_1011(after: Any, reason: str, library: Any) -> None:
    async with raw_server(after) as behind, library.AsyncClient() as client:
        upstream = Upstream.http(behind, client=client)
        async with served(upstream.app) as url, dial(url) as socket:
            assert await socket.recv() == "last"
            await socket.send("and you")
            assert await end_of(socket) == (1011, reason)
        await until(lambda: not client._transport._pool.connections)


async def test_messages_that_are_too_big_end_the_socket() -> None:
    async def big(socket: Socket) -> None:
        while (said := await socket.next()) is not None:
            await socket.say("x" * 20_001 if said == "you" else said)

    server = SocketServer(big)
    async with bridged(server, websocket_max_bytes=20_000) as url:
        async with dial(url) as socket:
            await socket.send("x" * 20_000)
            assert await socket.recv() == "x" * 20_000
            await socket.send("you")
            assert await end_of(socket) == (1009, "a message of the upstream has more than 20000 bytes")
        await until(server.last.over.is_set)
        assert server.last.closed is not None
        assert server.last.closed[0] == 1009
        async with dial(url) as socket:
            await socket.send("ü" * 10_001)
            assert await end_of(socket) == (1009, "a message has more than 20000 bytes")
        await until(lambda: len(server.sockets) == 2 and server.last.over.is_set())
        assert server.last.closed == (1009, "a message has more than 20000 bytes")


async def test_a_client_that_vanishes_is_told_to_the_server(library: Any) -> None:
    server = SocketServer()
    async with library.AsyncClient() as client, bridged(server, client=client) as url:
        async with dial(url) as socket:
            await socket.send("hi")
            assert await socket.recv() == "hi"
            socket.transport.abort()
        await until(server.last.over.is_set)
        # How uvicorn tells of it: a close without a code.
        assert server.last.closed == (1000, "")
        await until(lambda: not client._transport._pool.connections)


async def test_a_client_that_is_found_gone_when_it_is_spoken_to_ends_the_socket() -> None:
    async def greet(socket: Socket) -> None:
        await socket.next()
        await socket.say("hello")
        await socket.next()

    server = SocketServer(greet)
    async with served(server) as behind:
        upstream = Upstream.http(behind)
        asked = SocketAsked(upstream.app)
        await until(lambda: asked.types == ["accept"])
        asked.gone = True
        asked.hear.put_nowait({"type": "websocket.receive", "bytes": b"hi", "text": None})
        await asyncio.wait_for(asked.task, 10)
        await until(server.last.over.is_set)
        await upstream.aclose()
    assert server.last.closed == (1001, "")


async def test_a_client_that_leaves_with_the_server_is_no_error() -> None:
    async def leave(socket: Socket) -> None:
        await socket.next()
        await socket.close(1000)
        await socket.next()

    async with served(SocketServer(leave)) as behind:
        upstream = Upstream.http(behind)
        asked = SocketAsked(upstream.app)
        await until(lambda: asked.types == ["accept"])
        asked.gone = True
        asked.hear.put_nowait({"type": "websocket.receive", "text": "hi"})
        await asyncio.wait_for(asked.task, 10)
        await upstream.aclose()


async def test_a_socket_without_messages_ends() -> None:
    server = SocketServer()
    async with bridged(server, websocket_idle_timeout=0.3) as url, dial(url) as socket:
        assert await end_of(socket) == (1001, "no message for 0.3 seconds")
        await until(server.last.over.is_set)
    assert server.last.closed == (1001, "no message for 0.3 seconds")


async def test_messages_keep_a_socket_open_beyond_the_idle_time() -> None:
    async def tick(socket: Socket) -> None:
        for number in range(8):
            await asyncio.sleep(0.2)
            await socket.say(str(number))
        await socket.close(1000)
        await socket.next()

    async with bridged(SocketServer(tick), websocket_idle_timeout=1.2) as url, dial(url) as socket:
        assert [await socket.recv() for _ in range(8)] == [str(number) for number in range(8)]
        assert await end_of(socket) == (1000, "")


async def test_a_server_that_gives_no_sign_of_life_is_given_up() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    limits = {"ping": 0.05, "silence": 0.2, "close": 0.1}
    async with raw_server(mute) as behind, before(behind, **limits) as url, dial(url) as socket:
        assert await end_of(socket) == (1011, "the upstream gives no sign of life")


async def test_a_silent_server_that_answers_pings_is_kept() -> None:
    limits = {"ping": 0.2, "silence": 0.8}
    async with served(SocketServer()) as behind, before(behind, **limits) as url, dial(url) as socket:
        await asyncio.sleep(1.5)
        await socket.send("still there?")
        assert await socket.recv() == "still there?"


async def test_a_cancelled_socket_leaves_nothing_open(library: Any) -> None:
    server = SocketServer()
    async with library.AsyncClient() as client, served(server) as behind:
        asked = SocketAsked(Upstream.http(behind, client=client).app)
        await until(lambda: asked.types == ["accept"])
        assert len(client._transport._pool.connections) == 1
        await stop(asked.task)
        assert asked.task.cancelled()
        assert not client._transport._pool.connections
        await until(server.last.over.is_set)


# --- whose credential


async def test_with_a_key_of_ours_only_listed_paths_are_open() -> None:
    server = SocketServer()
    async with bridged(server, api_key="ours") as url:
        response = await refusal_of(url, "/v1/realtime?model=m")
        assert response.status_code == 404
        assert (
            json.loads(response.body)["error"]["message"] == "GET /realtime is not passed on to the upstream."
        )
        assert server.sockets == []
        async with dial(url, "/v1/responses"):
            assert server.last.scope["path"] == "/v1/responses"
    async with bridged(server, api_key="ours", passthrough=["realtime"]) as url:
        async with dial(url, additional_headers={"authorization": "Bearer theirs"}):
            assert server.last.headers["authorization"] == "Bearer ours"
        assert (await refusal_of(url, "/v1/responses")).status_code == 404


@pytest.mark.parametrize(
    ("path", "subprotocols", "headers"),
    [
        ("/v1/realtime", ["realtime"], {"authorization": "Bearer theirs"}),
        ("/v1/realtime", ["realtime"], {"api-key": "theirs"}),
        ("/v1/realtime?model=m&api-key=theirs", ["realtime"], {}),
        ("/v1/realtime?model=m&api%2Dkey=theirs&b=", ["realtime"], {}),
        ("/v1/realtime?access_token=theirs", ["realtime"], {}),
        ("/v1/realtime", ["realtime", "openai-insecure-api-key.theirs", "openai-beta.realtime-v1"], {}),
    ],
)
@pytest.mark.parametrize("mode", ["own", "forward", "forward_or_own"])
async def test_a_clients_key_goes_only_where_it_was_asked_for(
    path: str, subprotocols: Any, headers: dict[str, str], mode: Any
) -> None:
    server = SocketServer(choose="realtime")
    async with (
        bridged(server, credentials=mode) as url,
        dial(url, path, additional_headers=headers, subprotocols=subprotocols),
    ):
        scope, got = server.last.scope, server.last.headers
        assert got.get("authorization") == (None if mode == "own" else "Bearer theirs")
        del got["authorization" if mode != "own" else "host"]
        assert "theirs" not in f"{scope['query_string']} {scope['subprotocols']} {got}"
        assert scope["subprotocols"] == [name for name in subprotocols if "key" not in name]
        assert scope["query_string"] == {
            "/v1/realtime?model=m&api-key=theirs": b"model=m",
            "/v1/realtime?model=m&api%2Dkey=theirs&b=": b"model=m&b=",
        }.get(path, b"")


async def test_a_clients_key_wins_where_ours_is_only_for_those_without() -> None:
    server = SocketServer()
    options: dict[str, Any] = {
        "credentials": "forward_or_own",
        "api_key": "ours",
        "passthrough": ["realtime"],
    }
    async with bridged(server, **options) as url:
        async with dial(url, "/v1/realtime?api-key=theirs"):
            assert server.last.headers["authorization"] == "Bearer theirs"
        async with dial(url):
            assert server.last.headers["authorization"] == "Bearer ours"


async def test_azure_is_asked_for_the_deployment_with_its_key() -> None:
    server = SocketServer()
    async with (
        bridged(server, api_key="ours", profile="azure", api_version="v9", passthrough=["realtime"]) as url,
        dial(url, "/openai/realtime?api-version=v1&deployment=gpt&api-key=theirs"),
    ):
        scope = server.last.scope
        assert (scope["path"], scope["query_string"]) == (
            "/openai/realtime",
            b"api-version=v9&deployment=gpt",
        )
        assert server.last.headers["api-key"] == "ours"


# --- as part of something larger


@pytest.mark.parametrize("middleware", [ResponsesMiddleware, ChatCompletionsMiddleware])
async def test_sockets_pass_a_mounted_middleware(middleware: Any) -> None:
    server = SocketServer()
    async with served(server) as behind:
        api = "responses" if middleware is ChatCompletionsMiddleware else "chat"
        upstream = Upstream.http(behind, api=api)
        host = FastAPI()
        host.mount("/ai", middleware(upstream))
        async with served(host) as url, dial(url, "/ai/v1/realtime?model=m") as socket:
            await socket.send("hi")
            assert await socket.recv() == "hi"
        await upstream.aclose()
    assert (server.last.scope["path"], server.last.scope["query_string"]) == ("/v1/realtime", b"model=m")


def test_a_clients_own_settings_are_not_mixed_with_ours() -> None:
    for options in ({"proxy": "http://proxy:3128"}, {"proxy": False}, {"verify": False}):
        with pytest.raises(ConfigurationError, match="proxy and verify are those of the client"):
            Upstream.http("http://server", client=httpx.AsyncClient(), **options)  # type: ignore[arg-type] # any


def test_credentials_are_not_shown() -> None:
    assert "secret" not in repr(Credentials(key="secret"))
