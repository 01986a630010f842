"""What each delta and each request costs in instructions and calls: a loaded machine does not change them.

Counted are the interpreter's own instructions (bytecode) and calls (of Python and C functions) that an answer
of more deltas takes beyond one of fewer, divided by the difference: that leaves out what is done once for a
request. That is what is counted of short requests, of which more are asked than fewer, through the middleware
in front of an app in the same process. The work of a C function is not seen, only that it is called.

`python -m benchmarks.counts` compares with the baseline of this version of Python, `--write` makes the
figures the new baseline, which is kept in `baselines.json`. Coverage would be counted, too: run it without.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks import installed

if __name__ == "__main__":
    installed.choose(fast=False)

from benchmarks.answers import Answer, Kind
from benchmarks.apps import Bare
from benchmarks.calls import call
from benchmarks.delivery import check
from benchmarks.translator import events_of, translate
from responses_asgi import ChatCompletionsMiddleware, ResponsesMiddleware
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["TOLERANCE", "Cost", "baseline", "compare", "count_all", "main"]

TOLERANCE = 0.10
"""By what share a figure may lie above its baseline."""

FEWER, MORE = 32, 64
"""Deltas of the two answers that are compared; both are whole bursts."""

SHORT = 8
"""Deltas of a short answer, which come together."""

FEWER_REQUESTS, MORE_REQUESTS = 1, 3

BASELINES = Path(__file__).with_name("baselines.json")

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Cost:
    """What one delta, or one request, takes: interpreter instructions, and calls."""

    instructions: float
    calls: float


def _in_translator(answer: Answer) -> Callable[[], object]:
    return partial(translate, answer.api, events_of(answer))


def _in_middleware(answer: Answer) -> Callable[[], object]:
    """The whole way through the middleware in front of an app in the same process."""
    app, client = _behind_middleware(answer)
    return lambda: check(asyncio.run(call(app, answer, client)), answer, client)


def _behind_middleware(answer: Answer) -> tuple[ASGIApp, WireAPI]:
    """An app that says the answer, behind the middleware, and the API of its clients."""
    if answer.api == "chat":
        return ResponsesMiddleware(Bare(answer), store=None), "responses"
    return ChatCompletionsMiddleware(Bare(answer)), "chat"


_WAYS: dict[str, tuple[Callable[[Answer], Callable[[], object]], int]] = {
    "translator": (_in_translator, 1),
    "middleware": (_in_middleware, 1),
    "middleware in bursts": (_in_middleware, 32),
}
"""Ways of a delta, and how many of them come together."""

_APIS: dict[str, WireAPI] = {"chat to responses": "chat", "responses to chat": "responses"}
_KINDS: tuple[Kind, ...] = ("text", "arguments")
_FORMS = {"stream": True, "JSON": False}


def count_all() -> dict[str, Cost]:
    """The cost of a delta on each way, in each direction, of each kind; and of a short request."""
    deltas = {
        f"{way}, {direction}, {kind}": _of_delta(made, api, kind, together)
        for way, (made, together) in _WAYS.items()
        for direction, api in _APIS.items()
        for kind in _KINDS
    }
    requests = {
        f"short request, {direction}, {form}": _of_request(api, streamed=streamed)
        for direction, api in _APIS.items()
        for form, streamed in _FORMS.items()
    }
    return deltas | requests


def _of_delta(
    made: Callable[[Answer], Callable[[], object]], api: WireAPI, kind: Kind, together: int
) -> Cost:
    fewer, more = (_count(made(Answer(api, deltas, kind, together=together))) for deltas in (FEWER, MORE))
    return _each(fewer, more, MORE - FEWER)


def _of_request(api: WireAPI, *, streamed: bool) -> Cost:
    answer = Answer(api, SHORT, together=FEWER, streamed=streamed)
    app, client = _behind_middleware(answer)

    async def ask(times: int) -> bytes:
        return [await call(app, answer, client) for _ in range(times)][-1]

    def work(times: int) -> None:
        check(asyncio.run(ask(times)), answer, client)

    fewer, more = (_count(partial(work, times)) for times in (FEWER_REQUESTS, MORE_REQUESTS))
    return _each(fewer, more, MORE_REQUESTS - FEWER_REQUESTS)


def _each(fewer: Cost, more: Cost, difference: int) -> Cost:
    return Cost(
        (more.instructions - fewer.instructions) / difference, (more.calls - fewer.calls) / difference
    )


def _count(work: Callable[[], object]) -> Cost:
    """What all of the work takes; done once before, so that what is made at first use is there."""
    instructions = calls = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal instructions
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        instructions += event == "opcode"
        return trace

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    work()
    gc.collect()
    gc.disable()
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
        sys.settrace(None)
        gc.enable()
    return Cost(instructions, calls)


def baseline() -> dict[str, Cost]:
    """What is committed for this version of Python; nothing where there is none."""
    committed = json.loads(BASELINES.read_text(encoding="utf-8")).get(VERSION, {})
    return {name: Cost(**figures) for name, figures in committed.items()}


def compare(measured: Mapping[str, Cost], committed: Mapping[str, Cost]) -> tuple[list[str], list[str]]:
    """What has become dearer than its baseline and the tolerance allow, and what cheaper by as much."""
    dearer, cheaper = [], []
    for name, cost in measured.items():
        before = committed.get(name)
        if before is None:
            dearer.append(f"{name}: no baseline")
            continue
        for figure in ("instructions", "calls"):
            was, now = getattr(before, figure), getattr(cost, figure)
            told = f"{name}: {now:.1f} {figure}, {now / was - 1:+.1%} of {was:.1f}"
            if now > was * (1 + TOLERANCE):
                dearer.append(told)
            elif now < was * (1 - TOLERANCE):
                cheaper.append(told)
    return dearer, cheaper


def write(measured: Mapping[str, Cost]) -> None:
    """Make these figures the baseline of this version of Python."""
    versions = json.loads(BASELINES.read_text(encoding="utf-8")) if BASELINES.exists() else {}
    versions[VERSION] = {name: vars(cost) for name, cost in measured.items()}
    BASELINES.write_text(json.dumps(versions, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Count; returns the exit code, 1 where something has become dearer."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counts")
    parser.add_argument("--write", action="store_true", help="make the figures the new baseline")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON, and compare nothing")
    asked = parser.parse_args(arguments)
    measured = count_all()
    if asked.json:
        print(json.dumps({name: vars(cost) for name, cost in measured.items()}))
        return 0
    if asked.write:
        write(measured)
    committed = baseline()
    print(f"{'per delta, or request':<50} {'instructions':>12} {'was':>8} {'calls':>8} {'was':>8}")
    for name, cost in measured.items():
        was = committed.get(name, Cost(0, 0))
        figures = f"{cost.instructions:>12.1f} {was.instructions:>8.1f} {cost.calls:>8.1f} {was.calls:>8.1f}"
        print(f"{name:<50} {figures}")
    dearer, cheaper = compare(measured, committed)
    for told in dearer:
        print(f"dearer: {told}")
    for told in cheaper:
        print(f"cheaper: {told}; --write keeps it so")
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
