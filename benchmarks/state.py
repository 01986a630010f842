"""What it costs to keep an answer: the same stream with and without a store, in turns in one process.

A Chat app in this process streams answers of 200 deltas through the middleware to clients of which some come
at the same time. Measured is the CPU time of the process, threads included, so that SQLite's writer counts.
The medians of alternating repetitions are shown as ratios, which a noisy machine disturbs least.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from responses_asgi import MemoryStore, ResponsesMiddleware, SQLiteStore
from responses_asgi.stores import Records
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.types.json import dumps

__all__ = ["main"]

REPEATS = 9
DELTAS = 200
ROUNDS = 8
CLIENTS = (1, 16)
"""Clients at the same time, each of which asks once in a round."""

FRAME = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "house"}
HEADERS = [(b"content-type", b"application/json"), (b"authorization", b"Bearer key")]


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + dumps({**FRAME, "choices": [choice]}) + b"\n\n"


EVENTS = [_event({"content": " word"})] * DELTAS + [_event({}, "stop"), b"data: [DONE]\n\n"]


async def house(scope: Scope, receive: Receive, send: Send) -> None:
    """The Chat app: one event per message."""
    await receive()
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event in EVENTS:
        await send({"type": "http.response.body", "body": event, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def stream(component: ResponsesMiddleware, *, store: bool) -> None:
    """One request. Raises RuntimeError when a delta was lost."""
    body = dumps({"model": "house", "input": "Hi", "stream": True, "store": store})
    requests: list[Message] = [{"type": "http.request", "body": body}]
    seen = 0

    async def receive() -> Message:
        return requests.pop() if requests else await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        nonlocal seen
        seen += message.get("body", b"").count(b"event: response.output_text.delta")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/responses",
        "headers": HEADERS,
        "query_string": b"",
    }
    await component(scope, receive, send)
    if seen != DELTAS:
        raise RuntimeError(f"{DELTAS} deltas went in, {seen} came out")


def milliseconds(component: ResponsesMiddleware, clients: int, *, store: bool) -> float:
    """CPU time of one stream, the mean of many."""

    async def run() -> float:
        await stream(component, store=store)
        gc.collect()
        began = time.process_time_ns()
        for _ in range(ROUNDS * max(CLIENTS) // clients):
            await asyncio.gather(*(stream(component, store=store) for _ in range(clients)))
        spent = time.process_time_ns() - began
        await component.aclose()
        return spent / (ROUNDS * max(CLIENTS)) / 1e6

    return asyncio.run(run())


def main() -> None:
    """Measure each store beside none, and print one line per store."""
    with tempfile.TemporaryDirectory() as folder:
        stores: dict[str, Records] = {
            "memory": MemoryStore(),
            "SQLite": SQLiteStore(Path(folder) / "state.db"),
        }
        print(f"CPU per stream of {DELTAS} deltas, medians of {REPEATS}")
        print(f"{'store':>8} {'clients':>8} {'without':>11} {'with':>11} {'ratio':>7}")
        for name, store in stores.items():
            component = ResponsesMiddleware(house, store=store)
            for clients in CLIENTS:
                pairs = [
                    (
                        milliseconds(component, clients, store=False),
                        milliseconds(component, clients, store=True),
                    )
                    for _ in range(REPEATS)
                ]
                without, kept = (statistics.median(column) for column in zip(*pairs, strict=True))
                ratio = statistics.median(b / a for a, b in pairs)
                print(f"{name:>8} {clients:>8} {without:>8.2f} ms {kept:>8.2f} ms {ratio:>7.2f}")


if __name__ == "__main__":
    main()
