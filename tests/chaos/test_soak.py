"""A thousand streams over minutes, some of which break off at either end: nothing grows, nothing is left."""

from __future__ import annotations

import asyncio
import os
from itertools import cycle
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.chaos.answers import answer
from tests.chaos.asking import Case, asked, check
from tests.chaos.bridge import PAIRS, Bridge, Upstreamer, running_bridge, running_upstream
from tests.chaos.calm import Calm
from tests.chaos.faults import MB
from tests.chaos.ledger import LEDGER, Verdict
from tests.chaos.raw_client import connected

TRANSLATED = [name for name, pair in PAIRS.items() if not pair.untouched]
STREAMS = int(os.environ.get("RESPONSES_ASGI_SOAK", "1000"))
AT_ONCE = 50
# Milliseconds between two events: a stream takes four to seven seconds.
PACE = 225
EVENTS = 19

# Of every ten streams so many end as they should; one is killed upstream, one is left by its client.
KINDS = ("slow",) * 8 + ("killed", "left")

# What memory may differ by between the third and the last quarter, which no leak of a stream's size fits in.
NOISE = 4 * MB


async def test_a_thousand_streams_leave_nothing(tmp_path: Path) -> None:
    with running_upstream(tmp_path) as upstream, running_bridge("uvicorn", upstream.url, tmp_path) as bridge:
        await _soak(bridge, upstream)


async def _soak(bridge: Bridge, upstream: Upstreamer) -> None:
    await _warm_up(bridge)
    calm = Calm.of(bridge, upstream)
    translated = cycle(TRANSLATED)
    plans = [(next(translated), KINDS[number % len(KINDS)], number) for number in range(STREAMS)]
    at_once, memory, sockets = asyncio.Semaphore(AT_ONCE), [], []

    async def one(http: httpx.AsyncClient, pair: str, kind: str, number: int) -> None:
        async with at_once:
            await _stream(bridge, http, pair, kind, number)
            memory.append(bridge.memory)
            sockets.append(bridge.sockets)

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with (
        httpx.AsyncClient(base_url=bridge.url, timeout=120, limits=limits) as http,
        asyncio.TaskGroup() as group,
    ):
        for plan in plans:
            group.create_task(one(http, *plan))
    await calm.returns()
    quarter = STREAMS // 4
    third, last = median(memory[2 * quarter : 3 * quarter]), median(memory[3 * quarter :])
    print(
        f"soak: {STREAMS:,} streams, {third / MB:.1f} MB in the third quarter and {last / MB:.1f} MB in the "
        f"last, at most {max(sockets)} sockets"
    )
    assert last - third < NOISE
    assert max(sockets) < calm.sockets + 4 * AT_ONCE
    assert (LEDGER.lost, LEDGER.doubled) == (0, 0)


async def _warm_up(bridge: Bridge) -> None:
    """What each component starts with its first request stays, such as what looks after background work."""
    async with httpx.AsyncClient(base_url=bridge.url, timeout=60) as http:
        for pair in TRANSLATED:
            check(Case(pair, "none"), await asked(http, Case(pair, "none")))


async def _stream(bridge: Bridge, http: httpx.AsyncClient, pair: str, kind: str, number: int) -> None:
    length = len(answer(PAIRS[pair].upstream, stream=True))
    pace = PACE * EVENTS // length
    if kind == "left":
        case = Case(pair, "slow", at=pace)
        async with connected(bridge.url) as client:
            await client.send(client.request(case.path, case.body(f"soak-{number}")))
            await client.read_events(1 + number % length)
        LEDGER.enter(Verdict("left", [], 0))
        return
    case = Case(pair, kind, at=pace if kind == "slow" else number % length)
    check(case, await asked(http, case))


@pytest.fixture(autouse=True, scope="module")
def patience(pytestconfig: pytest.Config) -> None:
    """A soak takes as long as it takes."""
    pytestconfig.option.timeout = 0
