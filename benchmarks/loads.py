"""Scenarios in which clients ask servers: who is asked what, and what that costs the server.

Each contender is a server in a process of its own. They take turns; in a turn some clients at the same time
ask for answers, and the CPU time that the server's processes used for them is divided by the deltas.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from benchmarks import installed
from benchmarks.answers import ANSWERS, Answer
from benchmarks.clients import ask_over_http, ask_over_websocket
from benchmarks.delivery import check, check_events
from benchmarks.measurement import Result, alternate
from benchmarks.peers import PEERS
from benchmarks.processes import Process, module, running
from benchmarks.stores import store_url
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["FAST", "Asked", "Contender", "Load", "measure"]

FAST = " [fast]"
"""The end of the names of contenders that have the extra `fast`."""


class Asked(NamedTuple):
    """How a contender is asked in its turn: by so many clients at the same time, so many times each."""

    connections: int = 8
    requests: int = 6


_OWN = "CPU of the upstream itself"

_NOTHING = 0.01
"""Microseconds that an upstream takes which nobody asks."""


@dataclass(frozen=True)
class Contender:
    """A server: a row of `APPS` or `PEERS` in front of a row of `ANSWERS`, and how it is asked.

    - `client`: the API that its clients speak. `over`: how they are connected.
    - `fast`: whether it has the extra `fast`. `store`: the store that the app `stored` is given.
    - `asked`: how, if not as the others.
    """

    name: str
    app: str
    answer: str
    client: WireAPI
    fast: bool = False
    over: Literal["http", "websocket"] = "http"
    store: str = ""
    asked: Asked | None = None

    @property
    def said(self) -> Answer:
        """What its upstream says."""
        return ANSWERS[self.answer]

    def made_fast(self) -> Contender:
        """The same with the extra."""
        return replace(self, name=self.name + FAST, fast=True)


@dataclass(frozen=True)
class Load:
    """Contenders, the first of them the baseline. `per`: what their cost is divided by."""

    about: str
    contenders: tuple[Contender, ...]
    asked: Asked = field(default_factory=Asked)
    per: Literal["delta", "request"] = "delta"


def measure(name: str, load: Load, repeats: int) -> Result:
    """Start the servers, let them take turns, and check all that they answered."""
    with ExitStack() as stack:
        upstream = stack.enter_context(running(module("upstream")))
        fast = installed.has_fast()
        measures: dict[str, Callable[[], float]] = {}
        spent_upstream: list[float] = []
        for contender in load.contenders:
            if fast or not contender.fast:
                server = _started(stack, contender, upstream)
                measures[contender.name] = _turn(server, contender, load, upstream, spent_upstream)
        samples = alternate(measures, repeats)
    baseline = load.contenders[0].name
    result = Result(name, f"us/{load.per}", baseline, samples)
    own = statistics.median(spent_upstream)
    if own < _NOTHING:
        return result
    return replace(
        result, also={_OWN: own, f"times as much is taken by {baseline}": result.median(baseline) / own}
    )


def _started(stack: ExitStack, contender: Contender, upstream: Process) -> Process:
    options = ["--fast"] if contender.fast else []
    url = f"{upstream.url}/{contender.answer}"
    if contender.app in PEERS:
        return stack.enter_context(PEERS[contender.app](url))
    environment = {}
    if contender.store:
        environment["BENCHMARK_STORE"] = stack.enter_context(store_url(contender.store))
    command = module("server", contender.app, contender.answer, url, *options)
    return stack.enter_context(running(command, environment=environment))


def _turn(
    server: Process, contender: Contender, load: Load, upstream: Process, spent_upstream: list[float]
) -> Callable[[], float]:
    """A turn of this contender: microseconds of CPU per delta, or per request."""
    answer = contender.said
    connections, requests = contender.asked or load.asked
    divisor = connections * requests * (answer.deltas if load.per == "delta" else 1)
    exact = contender.app not in PEERS

    def turn() -> float:
        before, upstream_before = server.cpu(), upstream.cpu()
        if contender.over == "http":
            bodies = asyncio.run(
                ask_over_http(
                    server.url, answer, contender.client, connections=connections, requests=requests
                )
            )
            spent = server.cpu() - before
            for body in bodies:
                check(body, answer, contender.client, exact=exact)
        else:
            turns = asyncio.run(
                ask_over_websocket(server.url, answer, connections=connections, requests=requests)
            )
            spent = server.cpu() - before
            for events in turns:
                check_events(events, answer)
        spent_upstream.append((upstream.cpu() - upstream_before) / divisor * 1e6)
        return spent / divisor * 1e6

    return turn
