"""Many streams that are open at the same time: the memory they need, and whether all come to their end.

A process calls an app for all of them, without a server, whose own memory is not looked at here:
`python -m benchmarks.open_streams APP ANSWER CLIENT URL [--fast]` prints how many streams were open at once,
and how many bytes more than before were resident at most, less those that the clients have read and keep.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks import installed
from benchmarks.measurement import Result, alternate
from benchmarks.processes import ROOT, Process, module, running

if TYPE_CHECKING:
    from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send

__all__ = ["STREAMS", "main", "measure"]

STREAMS = 1000

TURNS = 3
"""Memory varies little, and a turn takes as long as the streams are open."""

_MEGABYTE = 1_000_000

_INTERVAL = 0.2
"""Seconds between two looks at the memory."""

_SECONDS = 300.0
"""The longest that a turn may take."""

CONTENDERS: dict[str, dict[str, tuple[str, ...]]] = {
    "in-process": {
        "pass-through": ("bare-pass-through", "chat-open", "chat"),
        "middleware": ("bare-middleware", "chat-open", "responses"),
    },
    "http": {
        "relay": ("relay", "chat-open", "chat"),
        "bridge": ("bridge", "chat-open", "responses"),
        "bridge [fast]": ("bridge", "chat-open", "responses", "--fast"),
    },
}


def measure(name: str, repeats: int, *, place: Literal["in-process", "http"]) -> Result:
    """Megabytes (10^6 bytes) that all streams together need."""
    at_once: list[int] = []
    with running(module("upstream")) as upstream:
        measures: dict[str, Callable[[], float]] = {
            contender: partial(_in_a_process, arguments, upstream, at_once)
            for contender, arguments in CONTENDERS[place].items()
            if installed.has_fast() or "--fast" not in arguments
        }
        samples = alternate(measures, min(repeats, TURNS), warm_up=False)
    baseline = next(iter(measures))
    return Result(name, "MB", baseline, samples, {"streams open at once, the least": min(at_once)})


def _in_a_process(arguments: tuple[str, ...], upstream: Process, at_once: list[int]) -> float:
    app, answer, client, *options = arguments
    command = module("open_streams", app, answer, client, f"{upstream.url}/{answer}", *options)
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, cwd=ROOT, timeout=_SECONDS)
    most_open, needed = map(int, done.stdout.split())
    at_once.append(most_open)
    return needed / _MEGABYTE


class _Watch:
    """Counts the streams that are open, and looks at the memory of this process."""

    def __init__(self) -> None:
        self.most_open = 0
        self.most_bytes = 0
        self._open = 0

    def counted(self, app: ASGIApp) -> ASGIApp:
        """The app, whose streams are counted."""

        async def counting(scope: Scope, receive: Receive, send: Send) -> None:
            self._open += 1
            self.most_open = max(self.most_open, self._open)
            try:
                await app(scope, receive, send)
            finally:
                self._open -= 1

        return counting

    async def look(self) -> None:
        """Look until cancelled."""
        while True:
            self.most_bytes = max(self.most_bytes, _resident())
            await asyncio.sleep(_INTERVAL)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(arguments: list[str]) -> None:
    """Open the streams, check all that was read, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.open_streams")
    parser.add_argument("app")
    parser.add_argument("answer")
    parser.add_argument("client", choices=["chat", "responses"])
    parser.add_argument("url")
    parser.add_argument("--fast", action="store_true")
    asked = parser.parse_args(arguments)
    installed.choose(fast=asked.fast)
    from benchmarks.answers import ANSWERS
    from benchmarks.apps import APPS
    from benchmarks.calls import call
    from benchmarks.delivery import check

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    answer = ANSWERS[asked.answer]
    watch = _Watch()
    app = watch.counted(APPS[asked.app](answer, asked.url))

    async def streams(number: int) -> int:
        bodies = await asyncio.gather(*(call(app, answer, asked.client) for _ in range(number)))
        for body in bodies:
            check(body, answer, asked.client)
        return sum(map(len, bodies))

    async def run() -> int:
        await streams(1)
        before = _resident()
        looking = asyncio.create_task(watch.look())
        read = await streams(STREAMS)
        looking.cancel()
        return watch.most_bytes - before - read

    needed = asyncio.run(run())
    print(watch.most_open, needed)


if __name__ == "__main__":
    main(sys.argv[1:])
