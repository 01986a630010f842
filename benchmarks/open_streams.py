"""Many streams that are open at the same time: the memory that each server needs for them, and whether all of
them come to their end."""

from __future__ import annotations

import asyncio
import resource
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Literal

from benchmarks.clients import ask_over_http
from benchmarks.delivery import check
from benchmarks.loads import Contender
from benchmarks.measurement import Result, alternate
from benchmarks.processes import Process, module, running

__all__ = ["STREAMS", "measure"]

STREAMS = 1000

_MEGABYTE = 1_000_000

_INTERVAL = 0.2
"""Seconds between two looks at the memory of the server."""

CONTENDERS: dict[str, tuple[Contender, ...]] = {
    "in-process": (
        Contender("pass-through", "pass-through", "chat-open", "chat"),
        Contender("middleware", "middleware", "chat-open", "responses"),
    ),
    "http": (
        Contender("relay", "relay", "chat-open", "chat"),
        Contender("bridge", "bridge", "chat-open", "responses"),
        Contender("bridge", "bridge", "chat-open", "responses").made_fast(),
    ),
}


def measure(name: str, repeats: int, *, place: Literal["in-process", "http"]) -> Result:
    """Megabytes (10^6 bytes) that a new server needs at most above what it had before, in each turn."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    contenders = CONTENDERS[place]
    with running(module("upstream")) as upstream:
        measures = {each.name: _turn(each, upstream) for each in contenders}
        return Result(name, "MB", contenders[0].name, alternate(measures, repeats))


def _turn(contender: Contender, upstream: Process) -> Callable[[], float]:
    options = ["--fast"] if contender.fast else []
    url = f"{upstream.url}/{contender.answer}"
    command = module("server", contender.app, contender.answer, url, *options)

    def turn() -> float:
        with ExitStack() as stack:
            server = stack.enter_context(running(command))
            _ask(server, contender, streams=10)
            before = server.memory()
            peak = stack.enter_context(_Peak(server))
            _ask(server, contender, streams=STREAMS)
            return (peak.bytes - before) / _MEGABYTE

    return turn


def _ask(server: Process, contender: Contender, *, streams: int) -> None:
    asked = ask_over_http(server.url, contender.said, contender.client, connections=streams, requests=1)
    for body in asyncio.run(asked):
        check(body, contender.said, contender.client)


class _Peak:
    """The most memory that a server has while the block lasts, in `bytes`."""

    def __init__(self, server: Process) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.bytes = 0

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_INTERVAL):
            self.bytes = max(self.bytes, self._server.memory())
