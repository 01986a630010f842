"""Programs of others as clients of a bridge: run with stdin closed, bounded in time, and kept on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from responses_asgi import Gateway, Upstream
from responses_asgi.testing import FakeModel, ModelRequest, served
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.types.json import JSON
from tests.chat_history import Turn

# Seconds for one run, most of which take one or two; opencode takes ten.
PATIENCE = 100.0


class Finished(NamedTuple):
    status: int
    stdout: str
    stderr: str


def finished(
    command: Sequence[str], folder: Path, variables: Mapping[str, str], *, stdin: str | None = None
) -> Finished:
    """Run a command to its end; it and its children are ended when they take too long.

    `stdin`: what it reads; None: stdin is closed.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(stdin, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(f"{command} did not end in {PATIENCE} s:\n{stdout}\n{stderr}") from None
    return Finished(process.returncode, stdout, stderr)


def bare_environment(home: Path) -> dict[str, str]:
    """No more than a program needs, and proxies that lead nowhere: whatever is not on loopback fails."""
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1",
    }


class Entrance:
    """Notes what comes to a bridge: "POST /v1/responses", "WEBSOCKET /v1/responses"; and what they say."""

    def __init__(self, app: ASGIApp) -> None:
        self.seen: list[str] = []
        self.bodies: list[JSON] = []
        self.base_url = ""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            self.seen.append(f"{scope.get('method', 'WEBSOCKET')} {scope['path']}")
        body = bytearray()

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                self.bodies.append(json.loads(message["text"]))
            if message["type"] == "http.request":
                body.extend(message.get("body", b""))
                if body and not message.get("more_body"):
                    self.bodies.append(json.loads(body))
            return message

        await self._app(scope, heard, send)


@contextmanager
def bridged(turns: Sequence[Turn] | FakeModel, *, profile: str, **settings: Any) -> Iterator[Entrance]:
    """A gateway before a Chat server that says these turns and fails what is not of them, each on a port."""
    model = turns if isinstance(turns, FakeModel) else FakeModel(turns, strict=True, profile=profile)
    with model, served(model) as server:
        upstream = Upstream.http(server.base_url, profile=profile)
        entrance = Entrance(Gateway({"*": upstream}, **settings))
        with served(entrance) as bridge:
            entrance.base_url = bridge.base_url
            yield entrance


def outputs(request: ModelRequest) -> list[str]:
    """What the tools gave back since the model last spoke."""
    return [result.output for result in request.tool_results]


def assistants(request: ModelRequest) -> list[JSON]:
    """The assistant's messages."""
    return [message for message in request.messages if message["role"] == "assistant"]
