"""Real servers on loopback, and a bare ASGI client, for tests of upstreams and transport."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send


@asynccontextmanager
async def served(app: ASGIApp, **options: Any) -> AsyncIterator[str]:
    """Serve the app with uvicorn on a free port of 127.0.0.1, and yield its base URL."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1, **options)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()


def unused_url() -> str:
    """A base URL where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until the condition holds; fails the test when it does not come to hold."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event to set
            await asyncio.sleep(0.005)


@dataclass
class Received:
    """One request that a `Recorder` saw."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    messages: int


Script = Callable[[Received, Send], Any]


class Recorder:
    """An ASGI app that keeps its requests; `script` answers them, by default with a small JSON document."""

    def __init__(self, script: Script | None = None) -> None:
        self.requests: list[Received] = []
        self._script = script

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pieces, more = [], True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            pieces.append(message["body"])
            more = message["more_body"]
        raw = scope["raw_path"].decode()
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        request = Received(
            scope["method"], raw, scope["query_string"].decode(), headers, b"".join(pieces), len(pieces)
        )
        self.requests.append(request)
        await (self._script or say_ok)(request, send)

    @property
    def last(self) -> Received:
        return self.requests[-1]


async def say_ok(request: Received, send: Send) -> None:
    await reply(send, {"ok": True})


async def reply(
    send: Send, document: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()
) -> None:
    """Send one whole answer: bytes as they are, anything else as JSON."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    named = [
        (name.encode(), value.encode()) for name, value in (("content-type", "application/json"), *headers)
    ]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Got:
    """What an ASGI app answered."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    ended: bool = False
    raised: BaseException | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an OpenAI error body, whose four keys are checked on the way."""
        error = self.json()["error"]
        assert {"message", "type", "param", "code"} <= set(error)
        code: str = error["code"]
        return code


class Asked:
    """One running request to an ASGI app; `leave()` is the client going away."""

    def __init__(
        self,
        app: ASGIApp,
        path: str = "/v1/chat/completions",
        body: Any = b"",
        *,
        method: str = "POST",
        headers: Iterable[tuple[str, str]] = (),
        query: str = "",
        pieces: Iterable[bytes] = (),
        **scope: Any,
    ) -> None:
        self.got = Got()
        self._gone = asyncio.Event()
        content = list(pieces) or [body if isinstance(body, bytes) else json.dumps(body).encode()]
        self._messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": index < len(content) - 1}
            for index, piece in enumerate(content)
        ]
        whole: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            **scope,
        }
        self.task = asyncio.create_task(self._run(app, whole))

    def leave(self) -> None:
        self._gone.set()

    async def result(self) -> Got:
        await self.task
        return self.got

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:
            self.got.raised = error

    async def _receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        got = self.got
        if message["type"] == "http.response.start":
            got.status = message["status"]
            got.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            assert not got.ended
            if message.get("body"):
                got.pieces.append(bytes(message["body"]))
            got.ended = not message.get("more_body", False)


async def ask(app: ASGIApp, *args: Any, **options: Any) -> Got:
    """Call the app once, as a client that stays, and return what it answered."""
    return await Asked(app, *args, **options).result()


async def stop(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
