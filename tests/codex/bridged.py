"""Codex, a bridge, and a Chat server with a script, each on a port of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from responses_asgi import Gateway, Upstream
from responses_asgi.testing import FakeModel, ModelRequest, ToolCall, served
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from tests.chat_history import Turn, calling
from tests.codex.codex_cli import Codex

SEAL_KEYS = ["the bridge's own secret"]


class Shape(NamedTuple):
    """One of the three ways in which Codex asks, which it chooses by the model's name."""

    model: str
    profile: str
    """The Chat server that is played: each has demands of its own."""

    code_mode: bool = False
    """The model is given one tool that runs JavaScript, which has the others."""

    def shell(self, command: str, call_id: str | None = None) -> Any:
        """A call that runs the command."""
        if self.code_mode:
            arguments = json.dumps({"cmd": command})
            return calling("exec", f"text((await tools.exec_command({arguments})).output)", call_id)
        return calling("exec_command", {"cmd": command}, call_id)


SHAPES = {
    "fallback": Shape("some-model", "vllm"),
    "classic": Shape("gpt-5.5", "deepseek"),
    "code mode": Shape("gpt-6-sol", "llamacpp", code_mode=True),
}


class Entrance:
    """Notes what comes to the bridge: methods of requests, and "WEBSOCKET"."""

    def __init__(self, app: ASGIApp) -> None:
        self.seen: list[str] = []
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            assert scope["path"] == "/v1/responses", scope["path"]
            self.seen.append(scope.get("method", "WEBSOCKET"))
        await self._app(scope, receive, send)


@contextmanager
def bridged(
    codex: Codex,
    turns: Sequence[Turn],
    *,
    profile: str,
    websockets: bool = False,
    retries: int = 0,
    **settings: Any,
) -> Iterator[Entrance]:
    """Lead Codex over a bridge to a Chat server that says these turns, and fails what is not of them."""
    settings = {"seal_keys": SEAL_KEYS, **settings}
    with FakeModel(turns, strict=True, profile=profile) as model, served(model) as server:
        gateway = Gateway({"*": Upstream.http(server.base_url, profile=profile)}, **settings)
        entrance = Entrance(gateway)
        with served(entrance) as bridge:
            codex.configure(bridge.base_url, websockets=websockets, retries=retries)
            yield entrance


def outputs(request: ModelRequest) -> list[str]:
    """What the tools gave back since the model last spoke."""
    return [result.output for result in request.tool_results]


def assistants(request: ModelRequest) -> list[dict[str, Any]]:
    """The assistant's messages."""
    return [message for message in request.messages if message["role"] == "assistant"]


def last_call(request: ModelRequest) -> ToolCall:
    """The last call in the history."""
    (*_, called) = (call for message in assistants(request) for call in message.get("tool_calls", ()))
    function = called["function"]
    return ToolCall(function["name"], json.loads(function["arguments"]), called["id"])
