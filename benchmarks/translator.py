"""What one delta costs in the pure translators, beside plain JSON work on the same chunk.

`json` decodes a chunk and encodes it again; the others read the bytes of its event as an exchange does, and
let a machine make of it what the client is told. Each turn is a process of its own, with the JSON library of
the extra `fast` or without: `python -m benchmarks.translator NAME [--fast]` prints the microseconds of CPU
per delta.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchmarks import installed
from benchmarks.measurement import Result, alternate
from benchmarks.processes import ROOT, module

if TYPE_CHECKING:
    from benchmarks.answers import Answer
    from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["KINDS", "again", "events_of", "main", "measure", "translate"]

KINDS: dict[str, str] = {
    "json": "chat-burst",
    "text": "chat-burst",
    "arguments": "chat-calls",
    "text from Responses": "responses-burst",
    "arguments from Responses": "responses-calls",
}
"""What is measured, and the row of `ANSWERS` that is translated."""

TIMES = 20
"""How often the answer is translated in one turn."""


def measure(name: str, repeats: int) -> Result:
    """Microseconds of CPU per delta, of each kind without and with the extra `fast`."""
    measures: dict[str, Callable[[], float]] = {}
    for suffix, options in (("", ()), (" [fast]", ("--fast",))):
        if options and not installed.has_fast():
            continue
        for kind in KINDS:
            measures[kind + suffix] = partial(_in_a_process, kind, options)
    return Result(name, "us/delta", "json", alternate(measures, repeats))


def _in_a_process(kind: str, options: Sequence[str]) -> float:
    command = module("translator", kind, *options)
    return float(subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout)


def translate(api: WireAPI, events: Sequence[bytes]) -> int:
    """Read and translate the events of one answer of an upstream that speaks this API, one by one, as an
    exchange does; returns how many came out."""
    from responses_asgi import PROFILES
    from responses_asgi.sse import MAX_EVENT_BYTES
    from responses_asgi.translate.chat_to_responses import ChatToResponses
    from responses_asgi.translate.chunk_reader import ChunkReader
    from responses_asgi.translate.responses_to_chat import ResponsesToChat
    from responses_asgi.translate.translator import RepeatingTranslator

    numbers = itertools.count()

    def new_id(prefix: str) -> str:
        return f"{prefix}_{next(numbers)}"

    machine: ChatToResponses | ResponsesToChat
    if api == "responses":
        chat = {"model": "house", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        machine = ChatToResponses(chat, profile=PROFILES["generic"], new_id=new_id, now=lambda: 0)
    else:
        responses = {"model": "house", "input": "hi", "stream": True}
        machine = ResponsesToChat(responses, profile=PROFILES["generic"], new_id=new_id, now=lambda: 0)
    repeating = machine if isinstance(machine, RepeatingTranslator) else None
    reader = ChunkReader(max_event_bytes=MAX_EVENT_BYTES, repeats=repeating is not None)
    machine.request()
    count = len(machine.start())
    for event in events:
        for chunk in reader.read(event):
            if isinstance(chunk, dict):
                count += len(machine.feed(chunk))
            elif repeating is not None and isinstance(chunk, str):
                count += len(repeating.repeat(chunk))
            elif repeating is not None:
                count += len(repeating.repeat_all(chunk))
    return count + len(machine.finish(marker=reader.done))


def again(events: Sequence[bytes]) -> int:
    """Decode and encode the JSON in every event; returns how many there were."""
    from responses_asgi.types.json import dumps, loads

    documents = (event.rpartition(b"data: ")[2].strip() for event in events)
    return sum(1 for document in documents if document != b"[DONE]" and dumps(loads(document)))


def events_of(answer: Answer) -> list[bytes]:
    """The events of an answer, each by itself."""
    return [event for events in answer.writes for event in events]


def main(arguments: list[str]) -> None:
    """Print the microseconds per delta. Raises RuntimeError when a delta was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.translator")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--fast", action="store_true")
    asked = parser.parse_args(arguments)
    installed.choose(fast=asked.fast)
    from benchmarks.answers import ANSWERS

    answer = ANSWERS[KINDS[asked.kind]]
    events = events_of(answer)
    work = partial(again, events) if asked.kind == "json" else partial(translate, answer.api, events)
    for _ in range(3):
        work()
    gc.collect()
    began = time.process_time_ns()
    counts = [work() for _ in range(TIMES)]
    spent = time.process_time_ns() - began
    if min(counts) < answer.deltas:
        raise RuntimeError(f"{answer.deltas} deltas went in, {min(counts)} events came out")
    print(spent / TIMES / answer.deltas / 1000)


if __name__ == "__main__":
    main(sys.argv[1:])
