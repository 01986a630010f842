"""What it costs to make an answer in the background: the same stream with and without, in turns.

A Chat app in this process streams answers of 200 deltas through the middleware to clients of which some come
at the same time, all at once (burst) or 20 deltas at a time with a pause (paced). Both kinds of answers are
kept; those in the background are also logged, and their clients read the log. Measured is the CPU time of the
process, threads included, so that SQLite's count. The medians of alternating repetitions are shown as ratios,
which a noisy machine disturbs least.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from responses_asgi import MemoryStore, ResponsesMiddleware, SQLiteStore
from responses_asgi.stores import Records
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.types.json import dumps

__all__ = ["main"]

REPEATS = 7
DELTAS = 200
STREAMS = 64
CLIENTS = (1, 16)
"""Clients at the same time."""

PAUSES = {"burst": None, "paced": 0.01}
"""Seconds between two deltas."""

FRAME = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "house"}
HEADERS = [(b"content-type", b"application/json"), (b"authorization", b"Bearer key")]


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + dumps({**FRAME, "choices": [choice]}) + b"\n\n"


EVENTS = [_event({"content": " word"})] * DELTAS + [_event({}, "stop"), b"data: [DONE]\n\n"]


class House:
    """The Chat app: one event per message."""

    def __init__(self, pause: float | None) -> None:
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


async def stream(component: ResponsesMiddleware, *, background: bool) -> None:
    """One request. Raises RuntimeError when a delta was lost."""
    body = dumps({"model": "house", "input": "Hi", "stream": True, "background": background})
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


def milliseconds(component: ResponsesMiddleware, clients: int, *, background: bool, streams: int) -> float:
    """CPU time of one stream, the mean of many."""

    async def run() -> float:
        await stream(component, background=background)
        gc.collect()
        began = time.process_time_ns()
        for _ in range(streams // clients):
            await asyncio.gather(*(stream(component, background=background) for _ in range(clients)))
        spent = time.process_time_ns() - began
        await component.aclose()
        return spent / streams / 1e6

    return asyncio.run(run())


def main(repeats: int = REPEATS) -> None:
    """Measure each store, and print one line per store, pace and number of clients."""
    print(f"CPU per stream of {DELTAS} deltas, medians of {repeats}")
    print(f"{'store':>8} {'pace':>8} {'clients':>8} {'foreground':>13} {'background':>13} {'ratio':>7}")
    with tempfile.TemporaryDirectory() as folder:
        stores: dict[str, Records] = {
            "memory": MemoryStore(),
            "SQLite": SQLiteStore(Path(folder) / "state.db"),
        }
        for name, store in stores.items():
            for pace, pause in PAUSES.items():
                component = ResponsesMiddleware(House(pause), store=store)
                for clients in CLIENTS if pause is None else CLIENTS[-1:]:
                    streams = STREAMS if pause is None else clients
                    pairs = [
                        (
                            milliseconds(component, clients, background=False, streams=streams),
                            milliseconds(component, clients, background=True, streams=streams),
                        )
                        for _ in range(repeats)
                    ]
                    before, after = (statistics.median(column) for column in zip(*pairs, strict=True))
                    ratio = statistics.median(b / a for a, b in pairs)
                    print(
                        f"{name:>8} {pace:>8} {clients:>8} {before:>10.2f} ms {after:>10.2f} ms {ratio:>7.2f}"
                    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
