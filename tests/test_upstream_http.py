from __future__ import annotations

import asyncio
import gzip
import json
import logging
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import openai
import pytest

from responses_asgi.errors import ConfigurationError, UpstreamError
from responses_asgi.types.asgi import ASGIApp, Send
from responses_asgi.upstreams import http
from responses_asgi.upstreams.upstream import Upstream
from tests.loopback import Asked, Received, Recorder, ask, reply, served, until, unused_url

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
JSON_TYPE = [("content-type", "application/json")]
SSE_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream")],
}


@asynccontextmanager
async def behind(server: ASGIApp, **options: Any) -> AsyncIterator[ASGIApp]:
    """The app of an `Upstream.http` in front of a real server."""
    async with served(server) as url:
        upstream = Upstream.http(url, **options)
        try:
            yield upstream.app
        finally:
            await upstream.aclose()


@pytest.fixture(params=["aiohttp", "httpx"], autouse=True)
def connections(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the connections of the package's own client are: with the extra `fast`, and without it."""
    if request.param == "httpx":
        monkeypatch.setattr(http, "FAST_LIBRARY", "a_library_that_is_not_there")
    found: str = request.param
    return found


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


def open_connections(client: Any) -> int:
    return len(client._transport._pool.connections)


# --- the way there


async def test_a_request_arrives_with_the_headers_that_are_let_through_and_no_others() -> None:
    server = Recorder()
    sent = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("authorization", "Bearer theirs"),
        ("api-key", "theirs"),
        ("cookie", "session=1"),
        ("host", "public.example"),
        ("user-agent", "OpenAI/Python"),
        ("accept-encoding", "gzip, br"),
        ("connection", "keep-alive"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-tenant", "acme"),
        ("openai-organization", "org"),
        ("openai-project", "proj"),
        ("idempotency-key", "idem"),
        ("x-client-request-id", "req-1"),
        ("traceparent", "00-1-2-01"),
        ("baggage", "user=1"),
    ]
    async with behind(server, headers={"X-Team": "blue"}) as app:
        assert (await ask(app, body=CHAT, headers=sent)).json() == {"ok": True}
    headers = server.last.headers
    host = headers.pop("host")
    assert host.startswith("127.0.0.1:")
    assert headers.pop("user-agent").startswith("responses-asgi/")
    assert headers.pop("connection", "keep-alive") == "keep-alive"
    assert headers == {
        "content-type": "application/json",
        "content-length": str(len(json.dumps(CHAT))),
        "accept": "application/json",
        "accept-encoding": "identity",
        "openai-organization": "org",
        "openai-project": "proj",
        "idempotency-key": "idem",
        "x-client-request-id": "req-1",
        "traceparent": "00-1-2-01",
        "x-team": "blue",
    }
    assert json.loads(server.last.body) == CHAT


async def test_organization_project_and_more_headers_can_be_set() -> None:
    server = Recorder()
    options = {"organization": "ours", "project": "p", "forward_headers": ["X-Tenant"], "api_key": "k"}
    sent = [("openai-organization", "theirs"), ("x-tenant", "acme"), ("x-other", "no")]
    async with behind(server, **options) as app:
        await ask(app, body=CHAT, headers=sent)
    headers = server.last.headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("ours", "p")
    assert (headers["x-tenant"], headers["authorization"]) == ("acme", "Bearer k")
    assert "x-other" not in headers


@pytest.mark.parametrize(
    ("name", "value"),
    [("x-title", "日本"), ("x-title", "a\r\nb: c"), ("x title", "a"), ("", "a"), ("a\n", "a")],
)
def test_headers_that_cannot_be_sent_are_refused_at_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be sent"):
        Upstream.http("http://host", headers={name: value})
    Upstream.http("http://host", headers={"x-title": "Café\t1"})


@pytest.mark.parametrize("name", ["Cookie", "authorization", "api-key", "Host", "transfer-encoding"])
def test_some_headers_cannot_be_forwarded_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name.lower()):
        Upstream.http("http://host", forward_headers=[name])


async def test_what_a_hook_set_is_sent_and_wins() -> None:
    server = Recorder()
    extension = {"api": "responses", "headers": {"X-Tenant": "acme", "authorization": "Bearer tenant"}}
    async with behind(server, api_key="mine", passthrough=[]) as app:
        got = await ask(app, body=CHAT, extensions={"responses_asgi": extension})
    assert got.status == 200
    assert server.last.headers["x-tenant"] == "acme"
    assert server.last.headers["authorization"] == "Bearer tenant"


@pytest.mark.parametrize(
    ("mode", "key", "client", "arrives"),
    [
        ("own", "mine", "Bearer theirs", "Bearer mine"),
        ("own", None, "Bearer theirs", None),
        ("forward", None, "Bearer theirs", "Bearer theirs"),
        ("forward", None, None, None),
        ("forward_or_own", "mine", "Bearer theirs", "Bearer theirs"),
        ("forward_or_own", "mine", None, "Bearer mine"),
    ],
)
async def test_whose_credential_arrives(
    mode: Any, key: str | None, client: str | None, arrives: str | None
) -> None:
    server = Recorder()
    async with behind(server, credentials=mode, api_key=key) as app:
        await ask(app, body=CHAT, headers=[("authorization", client)] if client else [])
    assert server.last.headers.get("authorization") == arrives


async def test_azure_the_classic_way() -> None:
    server = Recorder()
    options = {"profile": "azure", "api_version": "2025-04-01", "api_key": "k"}
    async with behind(server, **options) as app:
        await ask(app, "/v1/chat/completions", {**CHAT, "model": "gpt"}, headers=JSON_TYPE)
        first = server.last
        await ask(app, "/openai/v1/models", method="GET")
        second = server.last
        multipart = [("content-type", "multipart/form-data; boundary=x")]
        await ask(app, "/openai/deployments/whisper/audio/transcriptions", b"--x--", headers=multipart)
        third = server.last
        unnamed = [
            await ask(app, "/v1/chat/completions", body, headers=JSON_TYPE)
            for body in (b"{", b"[]", {"messages": []}, {"model": 5})
        ]
    assert (first.path, first.query) == ("/openai/deployments/gpt/chat/completions", "api-version=2025-04-01")
    assert first.headers["api-key"] == "k"
    assert "authorization" not in first.headers
    assert (second.path, second.query) == ("/openai/models", "api-version=2025-04-01")
    assert third.path == "/openai/deployments/whisper/audio/transcriptions"
    assert {(got.status, got.json()["error"]["param"]) for got in unnamed} == {(400, "model")}


async def test_azure_by_entra_token_and_deployment_even_for_a_body_in_pieces() -> None:
    server = Recorder()

    async def token() -> str:
        return "entra"

    async with behind(server, profile="azure", api_version="v", deployment="d", token=token) as app:
        await ask(app, pieces=[b'{"model"', b': "x"}'], headers=JSON_TYPE)
    assert server.last.path == "/openai/deployments/d/chat/completions"
    assert server.last.headers["authorization"] == "Bearer entra"
    assert server.last.body == b'{"model": "x"}'
    async with behind(server, profile="azure", api_version="v") as app:
        await ask(app, pieces=[b'{"model"', b': "x"}'], headers=JSON_TYPE)
    assert server.last.path == "/openai/deployments/x/chat/completions"


async def test_a_token_provider_that_fails_is_told_as_the_upstreams_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def token() -> str:
        raise RuntimeError("secret detail")

    async with behind(Recorder(), token=token) as app:
        got = await ask(app, body=CHAT)
    assert (got.status, got.code) == (502, "upstream_credential")
    assert b"secret" not in got.body
    assert "secret detail" in caplog.text


async def test_big_bodies_in_pieces_pass_unbuffered_and_whole() -> None:
    server = Recorder()
    pieces = [bytes([number]) * 1_000_000 for number in range(20)]
    async with behind(server) as app:
        length = [("content-length", str(sum(map(len, pieces))))]
        got = await ask(app, "/v1/files", pieces=pieces, headers=length)
        assert got.status == 200
        known = server.last
        await ask(app, "/v1/files", pieces=pieces)
    assert known.body == server.last.body == b"".join(pieces)
    assert "transfer-encoding" not in known.headers
    assert server.last.headers["transfer-encoding"] == "chunked"


async def test_a_request_body_is_sent_on_before_it_is_complete() -> None:
    heard = asyncio.Event()

    async def server(scope: Any, receive: Any, send: Send) -> None:
        assert (await receive())["body"] == b"first"
        heard.set()
        while (await receive()).get("more_body"):
            pass
        await reply(send, {})

    async def receive() -> Any:
        if not heard.is_set() and not begun:
            begun.append(1)
            return {"type": "http.request", "body": b"first", "more_body": True}
        await heard.wait()
        return {"type": "http.request", "body": b"second", "more_body": False}

    begun: list[int] = []
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async with behind(server) as app, asyncio.timeout(10):
        scope = {"type": "http", "method": "POST", "path": "/v1/files", "headers": [], "query_string": b""}
        await app(scope, receive, send)
    assert messages[0]["status"] == 200


async def test_a_client_that_leaves_while_it_uploads_is_nobodys_error() -> None:
    server = Recorder()
    messages: list[Any] = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async with behind(server) as app:
        scope = {"type": "http", "method": "POST", "path": "/v1/files", "headers": [], "query_string": b""}
        await app(scope, receive, send)
        await app(scope, receive, send)
    assert not server.requests


@pytest.mark.parametrize(
    ("method", "path", "passes"),
    [
        ("POST", "/v1/chat/completions", True),
        ("POST", "/v1/completions", True),
        ("POST", "/v1/embeddings", True),
        ("POST", "/v1/moderations", True),
        ("POST", "/v1/audio/speech", True),
        ("POST", "/v1/images/generations", True),
        ("GET", "/v1/models", True),
        ("HEAD", "/v1/models/llama", True),
        ("GET", "/v1/responses/resp_1", True),
        ("GET", "/v1/chat/completions", False),
        ("DELETE", "/v1/models/llama", False),
        ("GET", "/v1/files", False),
        ("GET", "/v1/modelsx", False),
        ("GET", "/v1/organization/admin_api_keys", False),
        ("GET", "/", False),
    ],
)
async def test_with_a_key_of_ours_only_the_named_endpoints_can_be_reached(
    method: str, path: str, passes: bool
) -> None:
    server = Recorder()
    async with behind(server, api_key="mine") as app:
        got = await ask(app, path, method=method)
    assert (got.status, len(server.requests)) == ((200, 1) if passes else (404, 0))
    if not passes:
        assert got.code == "not_found"


async def test_the_list_of_endpoints_can_be_set() -> None:
    server = Recorder()
    async with behind(server, api_key="mine", passthrough=["files", "post batches"]) as app:
        paths = [
            ("GET", "/v1/files/1"),
            ("POST", "/v1/batches"),
            ("GET", "/v1/batches"),
            ("GET", "/v1/models"),
        ]
        got = [(await ask(app, path, method=method)).status for method, path in paths]
    assert got == [200, 200, 404, 404]


@pytest.mark.parametrize(
    "options", [{"headers": {"Authorization": "Basic x"}}, {"credentials": "forward"}, {}]
)
async def test_the_list_counts_for_keys_of_ours_alone(options: dict[str, Any]) -> None:
    server = Recorder()
    async with behind(server, **options) as app:
        got = await ask(app, "/v1/files", method="GET", headers=[("authorization", "Bearer theirs")])
    assert got.status == (404 if "headers" in options else 200)


async def test_a_key_in_the_users_client_is_a_key_of_ours(library: Any) -> None:
    server = Recorder()
    async with library.AsyncClient(headers={"authorization": "Bearer held"}, cookies={"a": "b"}) as client:
        async with behind(server, client=client) as app:
            assert (await ask(app, "/v1/files", method="GET")).status == 404
            assert (await ask(app, body=CHAT)).status == 200
        assert not client.is_closed
    assert server.last.headers["authorization"] == "Bearer held"
    assert "cookie" not in server.last.headers


async def test_the_users_client_can_hold_the_key_as_its_auth(library: Any) -> None:
    server = Recorder()
    async with library.AsyncClient(auth=("user", "secret")) as client, behind(server, client=client) as app:
        assert (await ask(app, "/v1/files", method="GET")).status == 404
        assert (await ask(app, body=CHAT)).status == 200
    assert server.last.headers["authorization"].startswith("Basic ")


async def test_paths_that_lead_elsewhere_never_reach_the_server() -> None:
    server = Recorder()
    async with behind(server) as app:
        for path in ("/v1/../admin", "//evil.example/v1/models", "/v1/models/%2e%2e"):
            got = await ask(app, path, method="GET")
            assert (got.status, got.code) == (400, "invalid_path")
    assert not server.requests


# --- the way back


async def test_the_answer_comes_back_as_it_is_except_for_what_belongs_to_the_connection() -> None:
    async def script(request: Received, send: Send) -> None:
        named = [
            ("x-request-id", "req_1"),
            ("retry-after", "7"),
            ("x-ratelimit-remaining-tokens", "5"),
            ("openai-processing-ms", "12"),
            ("set-cookie", "a=1"),
            ("strict-transport-security", "max-age=1"),
            ("keep-alive", "timeout=5"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
        ]
        await reply(send, {"error": {"message": "slow down"}}, 429, named)

    async with behind(Recorder(script)) as app:
        got = await ask(app, body=CHAT)
    assert got.status == 429
    assert got.json() == {"error": {"message": "slow down"}}
    assert got.headers == {
        "content-type": "application/json",
        "x-request-id": "req_1",
        "retry-after": "7",
        "x-ratelimit-remaining-tokens": "5",
        "openai-processing-ms": "12",
    }


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("unheard-of", lambda data: data[::-1])],
)
async def test_an_answer_compressed_unasked_is_undone_where_that_is_possible(
    encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    plain = json.dumps({"text": "x" * 1000}).encode()

    async def script(request: Received, send: Send) -> None:
        assert request.headers["accept-encoding"] == "identity"
        body = encode(plain)
        await reply(send, body, headers=[("content-encoding", encoding), ("content-length", str(len(body)))])

    async with behind(Recorder(script)) as app:
        got = await ask(app, body=CHAT)
    if encoding == "unheard-of":
        assert (got.body, got.headers["content-encoding"]) == (plain[::-1], encoding)
    else:
        assert got.body == plain
        assert not {"content-encoding", "content-length"} & set(got.headers)


async def test_multipart_and_binary_pass_byte_for_byte() -> None:
    noise = bytes(range(256)) * 5000
    boundary = [("content-type", "multipart/form-data; boundary=AaB03x"), ("content-length", str(len(noise)))]

    async def script(request: Received, send: Send) -> None:
        await reply(send, request.body[::-1], headers=[("content-disposition", "attachment")])

    server = Recorder(script)
    async with behind(server) as app:
        got = await ask(app, "/v1/audio/transcriptions", noise, headers=boundary)
    assert server.last.headers["content-type"] == "multipart/form-data; boundary=AaB03x"
    assert got.body == noise[::-1]
    assert got.headers["content-disposition"] == "attachment"


async def test_each_piece_goes_out_before_the_next_is_sent(library: Any) -> None:
    may_send = asyncio.Event()

    async def script(request: Received, send: Send) -> None:
        await send(SSE_START)
        for number in range(20):
            await send(
                {"type": "http.response.body", "body": f"data: {number}\n\n".encode(), "more_body": True}
            )
            await may_send.wait()
            may_send.clear()
        await send({"type": "http.response.body", "body": b""})

    async with library.AsyncClient() as client, behind(Recorder(script), client=client) as app:
        asked = Asked(app, body=CHAT)
        await until(lambda: asked.got.status)
        for number in range(20):
            await until(lambda number=number: asked.got.body.endswith(f"data: {number}\n\n".encode()))
            may_send.set()
        assert (await asked.result()).ended
    assert asked.got.body == b"".join(f"data: {number}\n\n".encode() for number in range(20))


async def test_a_hundred_streams_run_side_by_side() -> None:
    arrived = 0
    all_here = asyncio.Event()

    async def script(request: Received, send: Send) -> None:
        nonlocal arrived
        await send(SSE_START)
        arrived += 1
        if arrived == 100:
            all_here.set()
        await all_here.wait()
        await send({"type": "http.response.body", "body": request.body})

    async with behind(Recorder(script)) as app:
        answers = await asyncio.gather(*(ask(app, body=str(number).encode()) for number in range(100)))
    assert [got.body for got in answers] == [str(number).encode() for number in range(100)]


@pytest.mark.parametrize("how", ["left", "cancelled"])
async def test_fifty_streams_given_up_leave_nothing_open(library: Any, how: str) -> None:
    running = 0

    async def server(scope: Any, receive: Any, send: Send) -> None:
        nonlocal running
        running += 1
        await send(SSE_START)
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        running -= 1

    async with library.AsyncClient(limits=library.Limits()) as client, behind(server, client=client) as app:
        streams = [Asked(app, body=CHAT) for _ in range(50)]
        await until(lambda: running == 50 and all(asked.got.pieces for asked in streams))
        assert open_connections(client) == 50
        for asked in streams:
            asked.leave() if how == "left" else asked.task.cancel()
        results = await asyncio.gather(*(asked.task for asked in streams), return_exceptions=True)
        assert {type(result) for result in results} == (
            {type(None)} if how == "left" else {asyncio.CancelledError}
        )
        await until(lambda: running == 0)
        assert open_connections(client) == 0


async def test_a_client_that_leaves_before_the_answer_ends_the_request_upstream() -> None:
    waiting = asyncio.Event()
    ended = asyncio.Event()

    async def server(scope: Any, receive: Any, send: Send) -> None:
        await receive()
        waiting.set()
        await receive()
        ended.set()

    async with behind(server) as app:
        asked = Asked(app, body=CHAT)
        await waiting.wait()
        asked.leave()
        await asyncio.wait_for(ended.wait(), 5)
        assert (await asked.result()).status == 0


# --- faults


class Failing:
    """A transport that raises what it is given, one exception after another, then answers."""

    def __init__(self, library: Any, *errors: str, status: int = 200) -> None:
        self.asked = 0
        self._library = library
        self._errors: Iterator[str] = iter(errors)
        self._status = status

    async def handle_async_request(self, request: Any) -> Any:
        self.asked += 1
        if name := next(self._errors, None):
            raise getattr(self._library, name)("why")
        return self._library.Response(self._status, json={"ok": True})

    async def aclose(self) -> None:
        pass


def failing(library: Any, *errors: str, **options: Any) -> tuple[ASGIApp, Failing]:
    transport = Failing(library, *errors)
    client = library.AsyncClient(transport=transport)
    return Upstream.http("http://server", client=client, retry_delay=0.001, **options).app, transport


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ("ConnectTimeout", 504, "upstream_timeout"),
        ("ReadTimeout", 504, "upstream_timeout"),
        ("WriteTimeout", 504, "upstream_timeout"),
        ("PoolTimeout", 503, "upstream_busy"),
        ("ConnectError", 502, "upstream_unreachable"),
        ("ProxyError", 502, "upstream_unreachable"),
        ("UnsupportedProtocol", 502, "upstream_unreachable"),
        ("InvalidURL", 502, "upstream_unreachable"),
        ("ReadError", 502, "upstream_disconnected"),
        ("WriteError", 502, "upstream_disconnected"),
        ("RemoteProtocolError", 502, "upstream_disconnected"),
        ("DecodingError", 502, "upstream_unreadable"),
    ],
)
async def test_failures_before_the_answer_are_told_as_openai_errors(
    library: Any, error: str, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    app, transport = failing(library, error, retries=0)
    got = await ask(app, body=CHAT)
    assert (got.status, got.code, got.raised) == (status, code, None)
    assert transport.asked == 1
    assert "x-should-retry" not in got.headers
    assert error in caplog.text


async def test_an_unknown_exception_is_not_hidden() -> None:
    class Broken(Failing):
        async def handle_async_request(self, request: Any) -> Any:
            raise LookupError("a bug")

    client = httpx.AsyncClient(transport=Broken(httpx))  # type: ignore[arg-type] # duck-typed
    got = await ask(Upstream.http("http://server", client=client).app, body=CHAT)
    assert isinstance(got.raised, LookupError)
    assert got.status == 0


@pytest.mark.parametrize("error", ["ConnectError", "ConnectTimeout"])
async def test_connections_that_fail_are_tried_twice_more(library: Any, error: str) -> None:
    app, transport = failing(library, error, error)
    got = await ask(app, body=CHAT)
    assert (transport.asked, got.status, got.headers["x-should-retry"]) == (3, 200, "false")
    app, transport = failing(library, error, error, error)
    got = await ask(app, body=CHAT)
    assert (transport.asked, got.code[:8], got.headers["x-should-retry"]) == (3, "upstream", "false")


@pytest.mark.parametrize("error", ["ReadError", "RemoteProtocolError", "ReadTimeout", "PoolTimeout"])
async def test_a_request_that_may_have_been_sent_is_never_sent_again(library: Any, error: str) -> None:
    app, transport = failing(library, error)
    assert (await ask(app, body=CHAT)).status >= 502
    assert transport.asked == 1


async def test_an_unused_port_is_told_in_one_answer() -> None:
    upstream = Upstream.http(unused_url(), retry_delay=0.001)
    got = await ask(upstream.app, body=CHAT)
    assert (got.status, got.code, got.headers["x-should-retry"]) == (502, "upstream_unreachable", "false")
    await upstream.aclose()


def flaky(*answers: tuple[int, list[tuple[str, str]]]) -> Recorder:
    remaining = list(answers)

    async def script(request: Received, send: Send) -> None:
        status, headers = remaining.pop(0)
        await reply(send, {"status": status}, status, headers)

    return Recorder(script)


async def test_error_statuses_are_answers_by_default() -> None:
    server = flaky((503, [("x-should-retry", "true")]))
    async with behind(server) as app:
        got = await ask(app, body=CHAT)
    assert (got.status, got.headers["x-should-retry"], len(server.requests)) == (503, "true", 1)


async def test_error_statuses_are_retried_when_that_is_asked_for() -> None:
    at_once = [("retry-after-ms", "1")]
    server = flaky((429, at_once), (503, at_once), (200, []), (500, at_once), (500, at_once), (500, []))
    async with behind(server, status_retries=2) as app:
        got = await ask(app, body=CHAT)
        assert (got.status, len(server.requests), got.headers["x-should-retry"]) == (200, 3, "false")
        got = await ask(app, body=CHAT)
        assert (got.status, len(server.requests), got.headers["x-should-retry"]) == (500, 6, "false")
    assert {request.body for request in server.requests} == {json.dumps(CHAT).encode()}


async def test_a_body_that_was_not_kept_is_not_sent_again() -> None:
    server = flaky((503, [("retry-after-ms", "1")]))
    async with behind(server, status_retries=2) as app:
        got = await ask(app, pieces=[b"a", b"b"])
    assert (got.status, len(server.requests)) == (503, 1)


@pytest.mark.parametrize("times", [1, 3])
async def test_a_body_in_pieces_survives_connections_that_never_were(library: Any, times: int) -> None:
    app, transport = failing(library, *["ConnectError"] * times, retries=3)
    assert (await ask(app, pieces=[b"a", b"b"])).status == 200
    assert transport.asked == times + 1


async def test_redirects_are_neither_followed_nor_shown(caplog: pytest.LogCaptureFixture) -> None:
    server = flaky((307, [("location", "http://127.0.0.1:1/internal")]), (304, []))
    async with behind(server) as app:
        got = await ask(app, body=CHAT)
        assert (got.status, got.code, "location" in got.headers) == (502, "upstream_redirect", False)
        assert "internal" in caplog.text
        assert (await ask(app, "/v1/models", method="GET")).status == 304
    assert len(server.requests) == 2


async def test_silence_is_bounded_and_a_full_pool_is_said() -> None:
    waiting = asyncio.Event()

    async def server(scope: Any, receive: Any, send: Send) -> None:
        if scope["path"] == "/v1/mute":
            await waiting.wait()
            return
        await send(SSE_START)
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        await waiting.wait()

    async with behind(server, read_timeout=0.2, max_connections=1, pool_timeout=0.05) as app:
        got = await ask(app, "/v1/mute", CHAT)
        assert (got.status, got.code) == (504, "upstream_timeout")
        held = Asked(app, body=CHAT)
        await until(lambda: held.got.pieces)
        got = await ask(app, body=CHAT)
        assert (got.status, got.code) == (503, "upstream_busy")
        late = await held.result()
        waiting.set()
    assert (late.status, late.ended) == (200, False)
    assert isinstance(late.raised, UpstreamError)
    assert late.raised.code == "upstream_timeout"


async def test_a_connection_that_breaks_in_the_stream_is_raised(library: Any) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with library.AsyncClient() as client, server:
        got = await ask(Upstream.http(url, client=client).app, body=CHAT)
    assert (got.status, got.body, got.ended) == (200, b"hello", False)
    assert isinstance(got.raised, UpstreamError)
    assert got.raised.code == "upstream_disconnected"


# --- as an app


async def test_each_event_loop_has_a_client_of_its_own_and_can_close_it() -> None:
    async with served(Recorder()) as url:
        upstream = Upstream.http(url)
        statuses = await asyncio.to_thread(lambda: [asyncio.run(_once(upstream)) for _ in range(2)])
        assert statuses == [200, 200]
        assert (await ask(upstream.app, body=CHAT)).status == 200
        await upstream.aclose()
        await upstream.aclose()
        assert (await ask(upstream.app, body=CHAT)).status == 200
        await upstream.aclose()


async def _once(upstream: Upstream) -> int:
    got = await ask(upstream.app, body=CHAT)
    await upstream.aclose()
    return got.status


async def test_lifespan_closes_the_client() -> None:
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    said: list[str] = []

    async def receive() -> Any:
        return next(asked)

    async def send(message: Any) -> None:
        said.append(message["type"])

    app = Upstream.http("http://server").app
    await app({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_it_can_be_served_to_the_openai_client_by_itself() -> None:
    async def script(request: Received, send: Send) -> None:
        await reply(send, {"object": "list", "data": [{"id": "llama", "object": "model", "created": 1}]})

    server = Recorder(script)
    async with (
        behind(server, api_key="mine") as app,
        served(app) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="theirs", max_retries=0) as client,
    ):
        assert [model.id async for model in client.models.list()] == ["llama"]
        with pytest.raises(openai.NotFoundError):
            await client.files.list()
    assert server.last.headers["authorization"] == "Bearer mine"


async def test_nothing_of_a_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="responses_asgi")
    upstream = Upstream.http(unused_url(), api_key="sk-very-secret", retries=0)
    await ask(upstream.app, body=CHAT)
    await upstream.aclose()
    assert "sk-very-secret" not in caplog.text + repr(upstream)
