"""Hosted tools in whole exchanges: real MCP servers and Python functions behind a scripted Chat server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from responses_asgi.exchange import Options, Route, Service, run_exchange
from responses_asgi.history import State
from responses_asgi.hosted import Hosted, HostedLimits
from responses_asgi.owners import Owners
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from responses_asgi.upstreams.upstream import Upstream
from tests.asgi_driver import Exchange, post
from tests.hosted_servers import QUICK, alive, held, mcp, opened, started, stdio
from tests.loopback import until

PATH = "/v1/chat/completions"


class Model:
    """A Chat server that calls the tool of its question once a round, until it has called it often enough."""

    def __init__(self) -> None:
        self.asked: list[JSON] = []

    async def __call__(self, request: JSON) -> AsyncIterator[Any]:
        self.asked.append(request)
        name, times, arguments = json.loads(request["messages"][0]["content"])
        results = [message["content"] for message in request["messages"] if message["role"] == "tool"]
        if len(results) < times:
            yield ToolCall(name, arguments, call_id=f"call_{len(results)}")
        else:
            yield f"It says: {results}"


def bridge(hosted: Hosted, model: Model) -> Any:
    service = Service(options=Options(), state=State(None, owners=Owners()), hosted=hosted)
    route = Route(Upstream.handler(model, api="chat"), PATH)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await run_exchange(
            scope, receive, send, client="responses", choose=lambda body: (route,), service=service
        )

    return app


async def ask(app: Any, name: str, times: int = 1, arguments: Any = None, **said: Any) -> Exchange:
    question = json.dumps([name, times, arguments or {}])
    body = {"model": "m", "stream": True, "input": question, **said}
    exchange = post(app, body, path="/v1/responses")
    await asyncio.wait_for(app(exchange.scope, exchange.receive, exchange.send), 240)
    return exchange


def whole(exchange: Exchange) -> tuple[list[str], JSON]:
    """The types of the items of a legal stream, and the response."""
    response = assert_valid_stream(exchange.body)
    assert response["status"] == "completed"
    return [item["type"] for item in response["output"]], response


def double(number: int) -> int:
    """Doubles a number."""
    return 2 * number


async def test_one_response_with_tools_of_both_kinds() -> None:
    async with opened(Hosted(servers={"maths": stdio()}, tools=[double], limits=QUICK)) as hosted:
        app = bridge(hosted, Model())
        added = await ask(
            app, "maths__add", 2, {"a": 1, "b": 2}, tools=[mcp("maths", require_approval="never")]
        )
        types, response = whole(added)
        assert types == ["mcp_list_tools", "mcp_call", "mcp_call", "message"]
        assert response["output"][1]["output"] == "3"
        doubled = whole(await ask(app, "tools__double", arguments={"number": 4}))
        assert doubled[0] == ["mcp_call", "message"]
        assert doubled[1]["output"][0]["output"] == "8"


async def test_a_server_that_dies_in_a_call_costs_only_the_call(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with opened(Hosted(servers={"s": stdio(log)}, limits=QUICK)) as hosted:
        app = bridge(hosted, Model())
        types, response = whole(await ask(app, "s__crash"))
        assert types == ["mcp_call", "message"]
        assert response["output"][0]["status"] == "failed"
        assert "MCP server s failed" in response["output"][0]["error"]["content"][0]["text"]
        _, response = whole(await ask(app, "s__add", arguments={"a": 1, "b": 2}))
        assert response["output"][0]["output"] == "3"
        assert len(started(log)) == 2


async def test_a_client_that_leaves_ends_the_call(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with opened(Hosted(servers={"s": stdio(log)}, limits=QUICK)) as hosted:
        body = {"model": "m", "stream": True, "input": json.dumps(["s__hang", 1, {}])}
        exchange = post(bridge(hosted, Model()), body, path="/v1/responses").start()
        await until(lambda: log.exists() and "hang began" in log.read_text(), 30)
        exchange.left.set()
        await exchange.end()
        await until(lambda: "hang given up" in log.read_text())


@pytest.mark.timeout(360)
async def test_a_hundred_responses_of_five_rounds_leave_nothing_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = held()
    limits = HostedLimits(call_timeout=120.0, start_wait=120.0, connect_timeout=120.0)
    async with opened(Hosted(servers={"s": stdio(log)}, limits=limits)) as hosted:
        app = bridge(hosted, Model())
        exchanges = await asyncio.gather(
            *(ask(app, "s__add", 5, {"a": number, "b": 1}) for number in range(100))
        )
    for number, exchange in enumerate(exchanges):
        types, response = whole(exchange)
        assert types == ["mcp_call"] * 5 + ["message"]
        assert {item["output"] for item in response["output"][:5]} == {str(number + 1)}
    assert len(started(log)) == 1
    await until(lambda: not alive(started(log)[0]), 60)
    await until(lambda: not held() - before, 60)
