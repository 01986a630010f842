"""A tool that adds, offered to scripted upstreams through whole exchanges, for tests of rounds of tools."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from responses_asgi.exchange import Options, Route, Service, run_exchange
from responses_asgi.history import State
from responses_asgi.owners import Owners
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import ToolCall
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.upstream import Upstream
from tests.asgi_driver import Exchange, post

PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions"}
NAME = "sums__add"
LISTED = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "sums", "tools": [{"name": "add"}]}


@dataclass
class Add:
    label: str = "sums"
    name: str = "add"
    approval: bool = False
    typed: None = None
    calls: list[JSON] = field(default_factory=list)
    run: Callable[[JSON], Any] | None = None

    async def call(self, arguments: JSON, context: ExchangeContext, tell: Any) -> HostedResult:
        self.calls.append(arguments)
        if self.run is not None:
            return await self.run(arguments)
        return HostedResult(str(arguments["a"] + arguments["b"]))


@dataclass
class Offered:
    body: JSON
    tools: Mapping[str, Add]
    listed: Sequence[JSON] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    labels: Sequence[str] = ("sums",)


@dataclass
class Sums:
    """Offers one tool with every request that asks for the server `sums`, or always."""

    tool: Add = field(default_factory=Add)
    rounds: int = 8
    concurrency: int = 4
    seconds: float = 20.0
    always: bool = False
    progress: bool = False

    def resource(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def offer(self, body: JSON, context: ExchangeContext, history: Sequence[JSON]) -> Offered | None:
        asked = [tool for tool in body.get("tools") or () if tool.get("server_label") == "sums"]
        if not (asked or self.always):
            return None
        others = [tool for tool in body.get("tools") or () if tool not in asked]
        offered = {"type": "function", "name": NAME, "parameters": {"type": "object"}}
        known = any(item.get("type") == "mcp_list_tools" for item in history)
        listed = [] if known or context.api == "chat" else [LISTED]
        return Offered({**body, "tools": [*others, offered]}, {NAME: self.tool}, listed)


class Model:
    """A scripted upstream: what it says in each call, and what it was asked."""

    def __init__(self, *turns: Any) -> None:
        self.turns = list(turns)
        self.asked: list[JSON] = []

    async def __call__(self, request: JSON) -> AsyncIterator[Any]:
        self.asked.append(json.loads(json.dumps(request)))
        said = self.turns.pop(0)
        for piece in said if isinstance(said, list) else [said]:
            yield piece


def bridge(
    client: Any,
    spoken: Any,
    model: Any,
    hosted: Any,
    store: MemoryStore | None = None,
    *,
    others: Sequence[Any] = (),
    record: Mapping[str, Any] | None = None,
    **service: Any,
) -> Any:
    """The exchange of a client with models; `record` holds settings of the upstreams."""
    routes = [
        Route(Upstream.handler(each, api=spoken, **(record or {})), PATHS[spoken])
        for each in (model, *others)
    ]
    state = State(store, owners=Owners())
    made = Service(**{"options": Options(), "state": state, "hosted": hosted, **service})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await run_exchange(scope, receive, send, client=client, choose=lambda body: routes, service=made)

    return app


def body_of(client: str, *, stream: bool, **more: Any) -> JSON:
    said: JSON = (
        {"input": "What is 2 + 3?", "tools": [{"type": "mcp", "server_label": "sums"}]}
        if client == "responses"
        else {"messages": [{"role": "user", "content": "What is 2 + 3?"}]}
    )
    return {"model": "m", "stream": stream, **said, **more}


async def ask(app: Any, client: str, *, stream: bool = False, **more: Any) -> Exchange:
    return await post(app, body_of(client, stream=stream, **more), path=PATHS[client]).run()


CALLED = [ToolCall(NAME, {"a": 2, "b": 3}, call_id="call_1")]
