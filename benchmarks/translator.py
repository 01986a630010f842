"""What one text delta costs in the pure translator, beside plain JSON work on the same chunk.

Baseline: decode the chunk and encode it again. Bridge: decode it and let the machine make its events. Both
are measured in turns in one process, and the medians are shown, so a noisy machine disturbs both alike.
"""

from __future__ import annotations

import gc
import itertools
import statistics
import time
from collections.abc import Callable

from responses_asgi.profiles import PROFILES
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.types.json import dumps, loads

__all__ = ["main"]

REPEATS = 7
LENGTHS = (1_000, 10_000)
"""Deltas per answer. The cost per delta must not grow with the length."""

CHUNK = {
    "id": "chatcmpl-0123456789",
    "object": "chat.completion.chunk",
    "created": 1_700_000_000,
    "model": "house",
    "choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}],
}
LAST = {**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def plain(chunks: list[bytes]) -> int:
    """Decode and encode every chunk; returns how many there were."""
    return sum(1 for chunk in chunks if dumps(loads(chunk)))


def bridge(chunks: list[bytes]) -> int:
    """Decode and translate every chunk; returns how many text deltas came out."""
    numbers = itertools.count()
    body = {"model": "house", "input": "hi", "stream": True}
    machine = ResponsesToChat(
        body, profile=PROFILES["generic"], new_id=lambda prefix: f"{prefix}_{next(numbers)}", now=lambda: 0
    )
    machine.request()
    machine.start()
    deltas = 0
    for chunk in chunks:
        deltas += sum(event.type == "response.output_text.delta" for event in machine.feed(loads(chunk)))
    machine.feed(LAST)
    machine.finish(marker=True)
    return deltas


def nanoseconds(work: Callable[[list[bytes]], int], chunks: list[bytes]) -> float:
    """CPU time per chunk. Raises RuntimeError when a delta was lost."""
    gc.collect()
    began = time.process_time_ns()
    count = work(chunks)
    spent = time.process_time_ns() - began
    if count != len(chunks):
        raise RuntimeError(f"{len(chunks)} chunks went in, {count} came out")
    return spent / len(chunks)


def main() -> None:
    """Measure both and print one line per length."""
    print(
        f"{'deltas':>8} {'json':>10} {'translator':>12} {'ratio':>7}   (CPU per delta, median of {REPEATS})"
    )
    for length in LENGTHS:
        chunks = [dumps(CHUNK)] * length
        pairs = [(nanoseconds(plain, chunks), nanoseconds(bridge, chunks)) for _ in range(REPEATS)]
        json_ns, bridge_ns = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{length:>8} {json_ns:>7.0f} ns {bridge_ns:>9.0f} ns {bridge_ns / json_ns:>6.1f}x")


if __name__ == "__main__":
    main()
