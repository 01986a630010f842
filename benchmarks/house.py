"""What the measurements of state and background work share: a Chat app in this process, its clients, stores.

Measured is the CPU time of the process, threads included, so that SQLite's count; a Redis server's does not.
Both ways are measured in turns, and the medians are shown as ratios, which a noisy machine disturbs least.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from responses_asgi import MemoryStore, RedisStore, ResponsesMiddleware, SQLiteStore
from responses_asgi.stores import Records
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.types.json import dumps
from tests.redis_server import BINARY, redis_server

__all__ = ["DELTAS", "House", "Medians", "medians", "stores"]

DELTAS = 200

FRAME = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "house"}
HEADERS = [(b"content-type", b"application/json"), (b"authorization", b"Bearer key")]
SCOPE = {"type": "http", "method": "POST", "path": "/v1/responses", "headers": HEADERS, "query_string": b""}


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + dumps({**FRAME, "choices": [choice]}) + b"\n\n"


EVENTS = [_event({"content": " word"})] * DELTAS + [_event({}, "stop"), b"data: [DONE]\n\n"]


class House:
    """The Chat app: one event per message, all at once or with a `pause` in seconds after each."""

    def __init__(self, pause: float | None = None) -> None:
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for event in EVENTS:
            await send({"type": "http.response.body", "body": event, "more_body": True})
            if self._pause is not None:
                await asyncio.sleep(self._pause)
        await send({"type": "http.response.body", "body": b""})


class Medians(NamedTuple):
    """CPU milliseconds of one stream, and of one with what is measured; the ratio is that of the pairs."""

    without: float
    measured: float
    ratio: float


def medians(
    component: ResponsesMiddleware,
    without: Mapping[str, Any],
    measured: Mapping[str, Any],
    *,
    clients: int,
    streams: int,
    repeats: int,
) -> Medians:
    """Ask with these fields of the body and with those, so many clients at a time."""
    pairs = [
        tuple(_milliseconds(component, fields, clients, streams) for fields in (without, measured))
        for _ in range(repeats)
    ]
    before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Medians(before, after, statistics.median(b / a for a, b in pairs))


@contextlib.contextmanager
def stores() -> Iterator[Mapping[str, Records]]:
    """Each built-in store; Redis where a redis-server is installed."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        made: dict[str, Records] = {
            "memory": MemoryStore(),
            "SQLite": SQLiteStore(Path(folder) / "state.db"),
        }
        if BINARY is not None:
            made["Redis"] = RedisStore(stack.enter_context(redis_server()).url)
        yield made


def _milliseconds(
    component: ResponsesMiddleware, fields: Mapping[str, Any], clients: int, streams: int
) -> float:
    """CPU time of one stream, the mean of so many."""

    async def run() -> float:
        await _stream(component, fields)
        gc.collect()
        began = time.process_time_ns()
        for _ in range(streams // clients):
            await asyncio.gather(*(_stream(component, fields) for _ in range(clients)))
        spent = time.process_time_ns() - began
        await component.aclose()
        return spent / streams / 1e6

    return asyncio.run(run())


async def _stream(component: ResponsesMiddleware, fields: Mapping[str, Any]) -> None:
    """One request. Raises RuntimeError when a delta was lost."""
    body = dumps({"model": "house", "input": "Hi", "stream": True, **fields})
    requests: list[Message] = [{"type": "http.request", "body": body}]
    seen = 0

    async def receive() -> Message:
        return requests.pop() if requests else await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        nonlocal seen
        seen += message.get("body", b"").count(b"event: response.output_text.delta")

    await component(dict(SCOPE), receive, send)
    if seen != DELTAS:
        raise RuntimeError(f"{DELTAS} deltas went in, {seen} came out")
