"""A part of the chaos suite that takes seconds: some events of every fault, both directions, real processes.

All of it is `make chaos`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from tests.chaos.asking import Case, asked, cases, check
from tests.chaos.bridge import Bridge, Upstreamer, running_bridge, running_upstream
from tests.chaos.calm import Calm
from tests.chaos.faults import FAULTS
from tests.chaos.ledger import LEDGER, Ledger, Verdict

PAIRS = ("responses-over-chat", "chat-over-responses")
SWIFT = [name for name, fault in FAULTS.items() if fault.streamed and not fault.large]
AT_ONCE = 8


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstreamer]:
    with running_upstream(tmp_path_factory.mktemp("upstream")) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def bridge(upstream: Upstreamer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    with running_bridge(
        "uvicorn", upstream.url, tmp_path_factory.mktemp("bridge"), library="httpx"
    ) as bridge:
        yield bridge


@pytest.mark.parametrize("pair", PAIRS)
async def test_whatever_the_upstream_does_the_answer_is_legal(
    pair: str, bridge: Bridge, upstream: Upstreamer
) -> None:
    calm = Calm.of(bridge, upstream)
    lost, doubled = LEDGER.lost, LEDGER.doubled
    at_once = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=bridge.url, timeout=60, limits=limits) as http:

        async def one(case: Case) -> None:
            async with at_once:
                check(case, await asked(http, case))

        await asyncio.gather(*map(one, cases([pair], SWIFT, every=6)))
    assert (LEDGER.lost, LEDGER.doubled) == (lost, doubled)
    await calm.returns()


@pytest.mark.parametrize(
    ("verdict", "sent", "lost", "doubled"),
    [
        (Verdict("failed", ["r0", "r1"], 2), ["r0", "r1"], 0, 0),
        (Verdict("failed", ["r0"], 2), ["r0", "r1"], 1, 0),
        (Verdict("failed", ["r0", "w0"], 2), [], 1, 0),
        (Verdict("whole", ["r0", "r1"], 2), [], 13, 0),
        (Verdict("failed", ["r0", "r1", "r1"], 2), [], 1, 1),
    ],
)
def test_the_ledger_counts_what_is_lost_and_what_comes_twice(
    verdict: Verdict, sent: list[str], lost: int, doubled: int
) -> None:
    ledger = Ledger()
    ledger.enter(verdict, sent=sent)
    assert (ledger.lost, ledger.doubled) == (lost, doubled)
    assert str(ledger).startswith(f"chaos: 1 cases, 2 events, {lost} lost, {doubled} doubled")
