"""MCP servers over HTTP: the operator's, and guests that requests bring along."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.hosted import Hosted, HostedLimits, MCPServer, Offer
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from tests.hosted_servers import (
    CONTEXT,
    QUICK,
    SERVERS,
    asking,
    call,
    context,
    held,
    lifespan_of,
    mcp,
    names,
    offered,
    opened,
    over_http,
    started,
)
from tests.loopback import Recorder, served, until, unused_url
from tests.mcp_servers.tools import make_server

LOOPBACK = ["127.0.0.1"]
ALICE = context("alice")


def guests(**settings: Any) -> Hosted:
    return Hosted(allow_hosts=LOOPBACK, limits=HostedLimits(call_timeout=20.0, **settings))


def bringing(url: str, **said: Any) -> JSON:
    return asking(mcp("mine", server_url=url, **said))


async def add(offer: Offer, context: ExchangeContext = ALICE) -> Any:
    return await offer.tools["mine__add"].call({"a": 1, "b": 2}, context)


@pytest.mark.parametrize("options", [{}, {"json_response": True}, {"stateless_http": True}])
async def test_a_server_of_the_operator(options: dict[str, bool]) -> None:
    async with (
        over_http(**options) as url,
        opened(Hosted(servers={"s": MCPServer(url=url)}, limits=QUICK)) as hosted,
    ):
        assert (await call(hosted, "s__add", {"a": 1, "b": 2})).output == "3"
        assert (await call(hosted, "s__fail", {"reason": "no ink"})).failed
        big = await call(hosted, "s__big", {"size": 5_000_000})
        assert big.output.endswith("of 5000000 characters]")


async def test_a_message_that_is_too_large_is_given_up() -> None:
    limits = HostedLimits(start_wait=20.0, message_bytes=100_000, retry_first=0.05)
    for options in ({}, {"json_response": True}):
        async with (
            over_http(**options) as url,
            opened(Hosted(servers={"s": MCPServer(url=url)}, limits=limits)) as hosted,
        ):
            big = await call(hosted, "s__big", {"size": 1_000_000})
            assert big.failed
            assert (await call(hosted, "s__add", {"a": 1, "b": 2})).output == "3"


async def test_headers_go_to_the_server_and_are_told_to_nobody() -> None:
    seen = Recorder(lambda request, send: _refuse(send))
    async with served(seen) as base:
        server = MCPServer(url=f"{base}/mcp?key=in-the-url", headers={"Authorization": "Bearer top-secret"})
        async with opened(Hosted(servers={"s": server}, limits=QUICK)) as hosted:
            offer = await offered(hosted, asking(mcp("s")))
            assert seen.requests[0].headers["authorization"] == "Bearer top-secret"
            told = f"{offer.listed} {hosted.health()} {server!r}"
            assert "error" in told
            assert "top-secret" not in told
            assert "in-the-url" not in told


async def _refuse(send: Any) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": b"not with top-secret and in-the-url"})


async def test_a_server_that_is_restarted_is_used_again() -> None:
    app = Restartable()
    async with (
        served(app) as base,
        opened(Hosted(servers={"s": MCPServer(url=f"{base}/mcp")}, limits=QUICK)) as hosted,
    ):
        for _ in range(2):
            async with app.running():
                assert (await call(hosted, "s__add", {"a": 1, "b": 2})).output == "3"
            gone = await call(hosted, "s__add", {"a": 1, "b": 2})
            assert gone.failed
            assert "MCP server s failed" in gone.output


PATIENT = HostedLimits(call_timeout=60.0, start_wait=60.0, retry_first=0.05, retry_most=0.2)


async def test_a_server_that_is_killed_in_a_call_is_told_and_used_again(tmp_path: Path) -> None:
    log, url = tmp_path / "log", unused_url()
    env = {**os.environ, "LOG_FILE": str(log), "PORT": url.rpartition(":")[2]}

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(sys.executable, str(SERVERS / "tools.py"), env=env)

    running = await start()
    try:
        async with opened(Hosted(servers={"s": MCPServer(url=f"{url}/mcp")}, limits=PATIENT)) as hosted:
            await until(lambda: hosted.health()["servers"]["s"]["state"] == "ready", 60)
            hanging = asyncio.create_task(call(hosted, "s__hang"))
            await until(lambda: "hang began" in log.read_text(), 30)
            running.kill()
            await running.wait()
            gone = await hanging
            assert gone.failed
            assert "MCP server s failed" in gone.output
            running = await start()
            await until(lambda: len(started(log)) == 2, 60)
            await until(lambda: hosted.health()["servers"]["s"]["state"] == "ready", 60)
            assert (await call(hosted, "s__add", {"a": 1, "b": 2})).output == "3"
    finally:
        running.kill()
        await running.wait()


class Restartable:
    """An MCP server that comes and goes behind one port."""

    def __init__(self) -> None:
        self._app: Any = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = make_server().streamable_http_app()
        async with lifespan_of(app):
            self._app = app
            try:
                yield
            finally:
                self._app = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b"away"})
        else:
            await self._app(scope, receive, send)


async def test_a_forgotten_session_is_begun_anew_within_the_call() -> None:
    app = Restartable()
    async with (
        served(Legacy(app)) as base,
        opened(Hosted(servers={"s": MCPServer(url=f"{base}/mcp")}, limits=QUICK)) as hosted,
    ):
        for _ in range(2):
            async with app.running():
                assert (await call(hosted, "s__add", {"a": 1, "b": 2})).output == "3"


class Legacy:
    """Hides from the client that the server knows the newer protocol."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if b"server/discover" in [value for name, value in scope["headers"] if name == b"mcp-method"]:
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 400, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._app(scope, receive, send)


# Guests


async def test_a_request_brings_its_own_server() -> None:
    async with over_http() as url, opened(guests()) as hosted:
        body = bringing(url, allowed_tools=["add", "fail"], server_description="Does sums.")
        offer = await offered(hosted, body, ALICE)
        assert names(offer.body["tools"]) == ["mine__add", "mine__fail"]
        assert offer.body["tools"][0]["description"] == "Adds two numbers.\n\nServer: Does sums."
        assert names(offer.listed[0]["tools"]) == ["add", "fail"]
        assert offer.tools["mine__add"].approval  # the default of the API
        assert (await add(offer)).output == "3"
        assert hosted.health() == {"servers": {}, "guests": 1}
        await offered(hosted, body, ALICE)
        assert hosted.health()["guests"] == 1


async def test_guests_of_others_are_others() -> None:
    async with over_http() as url, opened(guests()) as hosted:
        for whose in (ALICE, context("bob"), CONTEXT):
            await offered(hosted, bringing(url), whose)
        await offered(hosted, bringing(url, authorization="a token"), ALICE)
        assert hosted.health()["guests"] == 4


async def test_the_clients_headers_reach_its_server() -> None:
    seen = Recorder()
    async with served(seen) as base, opened(guests()) as hosted:
        body = bringing(f"{base}/mcp", authorization="my-token", headers={"X-Team": "blue"})
        offer = await offered(hosted, body, ALICE)
        assert offer.listed[0]["error"]
        assert seen.requests[0].headers["authorization"] == "Bearer my-token"
        assert seen.requests[0].headers["x-team"] == "blue"
        assert "my-token" not in str(offer.listed)


async def test_a_guest_that_is_away_is_told_and_tried_again_by_the_next_request() -> None:
    async with opened(guests(start_wait=5.0)) as hosted:
        offer = await offered(hosted, bringing(unused_url()), ALICE)
        assert offer.listed[0]["error"].startswith("The MCP server cannot be used: ")
        assert offer.tools == {}
        assert "tools" not in offer.body


async def test_guests_are_few_and_leave_when_idle() -> None:
    before = held()
    async with over_http() as url, opened(guests(owner_guests=2, guests=3, guest_idle=0.5)) as hosted:
        offers = [await offered(hosted, bringing(f"{url}?n={n}"), ALICE) for n in range(3)]
        assert hosted.health()["guests"] == 2
        await offered(hosted, bringing(url), context("bob"))
        await offered(hosted, bringing(url), context("carol"))
        assert hosted.health()["guests"] == 3
        # The first connection was given up; its tools begin it anew.
        assert (await add(offers[0])).output == "3"
        await until(lambda: hosted.health()["guests"] == 0)
        assert (await add(offers[1])).output == "3"
    await until(lambda: not held() - before, 30)


async def test_too_many_guests_in_use() -> None:
    async with over_http() as url, opened(guests(owner_guests=1)) as hosted:
        offer = await offered(hosted, bringing(url), ALICE)
        running = asyncio.create_task(offer.tools["mine__hang"].call({}, ALICE))
        await asyncio.sleep(0.3)
        more = await offered(hosted, bringing(f"{url}?n=2"), ALICE)
        assert "too many servers are in use" in more.listed[0]["error"]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


WRONG: list[tuple[JSON, str]] = [
    ({"server_url": "https://evil.example/mcp"}, "server_url"),
    ({"server_url": "http://good.example/mcp"}, "server_url"),
    ({"server_url": "https://good.example.evil.example/mcp"}, "server_url"),
    ({"server_url": "https://x.wide.example/mcp", "headers": {"Host": "a"}}, "headers.Host"),
    ({"server_url": "https://wide.example/mcp"}, "server_url"),
    ({"server_url": "https://good.example\\@evil.example/mcp"}, "server_url"),
    ({"server_url": "https://good.example@evil.example/"}, "server_url"),
    ({"server_url": "https://user:pass@good.example/"}, "server_url"),
    ({"server_url": "ftp://good.example/"}, "server_url"),
    ({"server_url": "https://good.example:44x/"}, "server_url"),
    ({"server_url": "good.example"}, "server_url"),
    ({"server_url": 5}, "server_url"),
    ({"server_url": "https://127.0.0.1/"}, "server_url"),
    ({"server_url": "https://good.example/", "headers": {"a b": "c"}}, "headers.a b"),
    ({"server_url": "https://good.example/", "headers": {"x": "a\r\nb: c"}}, "headers.x"),
    ({"server_url": "https://good.example/", "headers": "x"}, "headers"),
    ({"server_url": "https://good.example/", "headers": {"x": 5}}, "headers.x"),
    ({"server_url": "https://good.example/", "authorization": "a\nb"}, "authorization"),
    (
        {"server_url": "https://good.example/", "authorization": "a", "headers": {"Authorization": "b"}},
        "authorization",
    ),
    ({"server_url": "https://good.example/", "allowed_tools": "read"}, "allowed_tools"),
    ({"server_url": "https://good.example/", "allowed_tools": [1]}, "allowed_tools[0]"),
    ({"server_url": "https://good.example/", "allowed_tools": {"tool_names": 5}}, "allowed_tools.tool_names"),
    ({"server_url": "https://good.example/", "allowed_tools": {"read_only": 1}}, "allowed_tools.read_only"),
    ({"server_url": "https://good.example/", "require_approval": "maybe"}, "require_approval"),
    ({"server_url": "https://good.example/", "require_approval": {"ever": {}}}, "require_approval.ever"),
    ({"server_url": "https://good.example/", "require_approval": {"never": 5}}, "require_approval.never"),
    ({"server_url": "https://good.example/", "server_label": "a b"}, "server_label"),
    ({"connector_id": "connector_gmail"}, "connector_id"),
    ({"tunnel_id": "tunnel_1"}, "tunnel_id"),
    ({"server_label": "unknown"}, "server_label"),
    ({"server_label": None}, "server_label"),
]


@pytest.mark.parametrize(("said", "param"), WRONG)
async def test_what_a_request_may_not_say(said: JSON, param: str) -> None:
    hosted = Hosted(allow_hosts=["good.example", "*.wide.example"])
    with pytest.raises(InvalidRequestError) as caught:
        await offered(hosted, asking(mcp("x") | said))
    assert caught.value.param == f"tools[0].{param}"
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "url",
    [
        "https://good.example/",
        "https://GOOD.example.:8443/a",
        "https://a.b.wide.example/",
        "https://port.example:8443",
    ],
)
async def test_hosts_that_are_allowed(url: str) -> None:
    hosted = Hosted(allow_hosts=["Good.Example", "*.wide.example", "port.example:8443"])
    offer = await offered(hosted, bringing(url))
    # Its connections have not been begun: it is listed, with an error.
    assert "has not been started" in offer.listed[0]["error"]


async def test_without_allowed_hosts_the_upstream_gets_the_tool() -> None:
    body = bringing("https://mcp.example/")
    assert await Hosted().offer(body, CONTEXT) is None
