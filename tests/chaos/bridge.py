"""The bridge under fire: an app with every pair of APIs before one upstream, in a process of its own.

The first part of a path says which pair, `PAIRS`, and before it may stand `quick`: a short `read_timeout`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from responses_asgi import ChatCompletionsMiddleware, ResponsesMiddleware, Upstream
from responses_asgi.middleware.component import Component
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from tests.loopback import reply

ROOT = Path(__file__).resolve().parents[2]

URL, LIBRARY = "CHAOS_UPSTREAM", "CHAOS_LIBRARY"
LIBRARIES = ("fast", "httpx")
"""What carries requests to the upstream: what the package takes by itself, or always plain httpx."""
PATH = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
MAX_BODY = 1_000_000
QUICK_SECONDS = 1.0
START_SECONDS = 60.0

# Server -> how it is started; it is to give open streams two seconds when it is stopped.
GRACE = 2
COMMANDS: dict[str, list[str]] = {
    "uvicorn": ["uvicorn", "--log-level", "warning", "--timeout-graceful-shutdown", str(GRACE), "--port"],
    "granian": ["granian", "--interface", "asgi", "--workers-kill-timeout", str(GRACE), "--port"],
    "hypercorn": ["hypercorn", "--graceful-timeout", str(GRACE), "--bind"],
}


class Pair(NamedTuple):
    """Whose client, whose upstream; `untouched`: bytes pass, and with them whatever the upstream does."""

    client: str
    upstream: str
    untouched: bool = False


PAIRS: dict[str, Pair] = {
    "responses-over-chat": Pair("responses", "chat"),
    "chat-over-responses": Pair("chat", "responses"),
    "responses-over-responses": Pair("responses", "responses"),
    "chat-over-chat": Pair("chat", "chat"),
    "untouched": Pair("chat", "chat", untouched=True),
}


def component(pair: Pair, url: str, read_timeout: float) -> Component:
    client = None
    if os.environ.get(LIBRARY) == "httpx":
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        client = httpx.AsyncClient(timeout=httpx.Timeout(30, read=read_timeout), limits=limits)
    upstream = Upstream.http(url, api=pair.upstream, retries=0, read_timeout=read_timeout, client=client)
    kept: dict[str, Any] = {} if pair.untouched else {"store": "memory"}
    kind = ResponsesMiddleware if pair.client == "responses" else ChatCompletionsMiddleware
    return kind(upstream, max_body_bytes=MAX_BODY, keep_alive=0, **kept)


def make_app(url: str) -> ASGIApp:
    """All pairs, and `/inside`, which tells what runs in this process."""
    apps = {
        (*slow, name): component(pair, url, QUICK_SECONDS if slow else 60.0)
        for name, pair in PAIRS.items()
        for slow in ((), ("quick",))
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["path"] == "/inside":
            await reply(send, {"tasks": len(asyncio.all_tasks())})
            return
        parts = scope["path"].split("/")[1:]
        length = 2 if parts[0] == "quick" else 1
        prefix = "/" + "/".join(parts[:length])
        inner = {**scope, "root_path": scope.get("root_path", "") + prefix}
        await apps[*parts[:length]](inner, receive, send)

    async def _lifespan(receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for one in apps.values():
            await one.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    return app


app = make_app(os.environ[URL]) if URL in os.environ else None


class Process:
    """A process of a test, told of by /proc."""

    def __init__(self, started: subprocess.Popen[Any]) -> None:
        self.started = started

    @property
    def children(self) -> list[int]:
        """The processes it has started that still live."""
        tasks = Path(f"/proc/{self.started.pid}/task/{self.started.pid}/children")
        return [int(pid) for pid in tasks.read_text().split() if _state(int(pid)) != "Z"]

    @property
    def sockets(self) -> int:
        """Open sockets; a connection that is kept for the next request counts, too."""
        links = []
        for file in Path(f"/proc/{self.started.pid}/fd").iterdir():
            try:
                links.append(str(file.readlink()))
            except OSError:
                continue
        return sum(link.startswith("socket:") for link in links)

    @property
    def memory(self) -> int:
        """Bytes in use."""
        return self._status("VmRSS")

    @property
    def most_memory(self) -> int:
        """The most bytes that were in use since `forget_most_memory`."""
        return self._status("VmHWM")

    def forget_most_memory(self) -> None:
        Path(f"/proc/{self.started.pid}/clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        lines = Path(f"/proc/{self.started.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

    def end(self) -> None:
        """With all it has started, which is of its session."""
        with suppress(ProcessLookupError):
            os.killpg(self.started.pid, signal.SIGKILL)
        self.started.wait(30)


class Upstreamer(Process):
    """The upstream's process, and what it has written down of its connections."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "upstream.jsonl"
        self._log.touch()
        command = [sys.executable, "-m", "tests.chaos.upstream", str(self._log)]
        super().__init__(
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
        )
        assert self.started.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.started.stdout.readline())}/v1"

    def told(self, case: str) -> list[dict[str, Any]]:
        """What it says of the connections of one case."""
        lines = (json.loads(line) for line in self._log.read_text().splitlines())
        return [line for line in lines if line["case"] == case]


class Bridge(Process):
    """The bridge's process under one of the servers; `url` has no slash at its end."""

    def __init__(self, kind: str, upstream: str, folder: Path, library: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{kind}-{port}.log"
        where = f"127.0.0.1:{port}" if kind == "hypercorn" else str(port)
        with self.log.open("wb") as out:
            super().__init__(
                subprocess.Popen(
                    [sys.executable, "-m", *COMMANDS[kind], where, "tests.chaos.bridge:app"],
                    cwd=ROOT,
                    env={**os.environ, URL: upstream, LIBRARY: library, "PYTHONPATH": PATH},
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            )

    def wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.started.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            try:
                httpx.get(f"{self.url}/inside").raise_for_status()
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return

    @property
    def tasks(self) -> int:
        tasks: int = httpx.get(f"{self.url}/inside", timeout=60).json()["tasks"]
        return tasks


@contextmanager
def running_upstream(folder: Path) -> Iterator[Upstreamer]:
    upstream = Upstreamer(folder)
    try:
        yield upstream
    finally:
        upstream.end()


@contextmanager
def running_bridge(kind: str, upstream: str, folder: Path, *, library: str = "fast") -> Iterator[Bridge]:
    bridge = Bridge(kind, upstream, folder, library)
    try:
        bridge.wait_until_it_serves()
        yield bridge
    finally:
        bridge.end()


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
