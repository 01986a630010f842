"""Codex, a bridge, and a Chat server with a script, each on a port of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from responses_asgi.testing import ModelRequest, ToolCall
from tests import programs
from tests.chat_history import Turn, calling
from tests.codex.codex_cli import Codex
from tests.programs import Entrance, assistants

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


@contextmanager
def bridged(
    codex: Codex,
    turns: Sequence[Turn],
    *,
    profile: str,
    retries: int = 0,
    falls_back: bool = False,
    **settings: Any,
) -> Iterator[Entrance]:
    """Lead Codex over a bridge to a Chat server that says these turns, and fails what is not of them.

    Nothing but the transport that it is to use may come to the bridge; `falls_back`: from WebSockets to POST.
    """
    settings = {"seal_keys": SEAL_KEYS, **settings}
    with programs.bridged(turns, profile=profile, **settings) as entrance:
        codex.configure(entrance.base_url, retries=retries)
        yield entrance
    kinds = ["WEBSOCKET"] if codex.websockets else ["POST"]
    if codex.websockets and falls_back:
        kinds.append("POST")
    assert list(dict.fromkeys(entrance.seen)) == [f"{kind} /v1/responses" for kind in kinds]


def last_call(request: ModelRequest) -> ToolCall:
    """The last call in the history."""
    (*_, called) = (call for message in assistants(request) for call in message.get("tool_calls", ()))
    function = called["function"]
    return ToolCall(function["name"], json.loads(function["arguments"]), called["id"])
