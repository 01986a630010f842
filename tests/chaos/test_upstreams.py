"""Every fault of an upstream, at every event of its answer, through every pair of APIs."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.chaos.answers import answer
from tests.chaos.asking import Case, asked, cases, check
from tests.chaos.bridge import PAIRS, Bridge, Upstreamer
from tests.chaos.calm import Calm
from tests.chaos.faults import FAULTS, HUGE
from tests.chaos.ledger import LEDGER

AT_ONCE = 8
TRANSLATED = [name for name, pair in PAIRS.items() if not pair.untouched]
ORDINARY = [name for name, fault in FAULTS.items() if fault.streamed and not fault.large]
LARGE = [name for name, fault in FAULTS.items() if fault.large]

# A body within the bound is held whole, and copied some times on its way.
MOST_MEMORY = 4.5 * HUGE


@pytest.mark.timeout(300)
@pytest.mark.parametrize("pair", TRANSLATED)
async def test_whatever_the_upstream_does_the_answer_is_legal(
    pair: str, http: httpx.AsyncClient, bridge: Bridge, upstream: Upstreamer
) -> None:
    calm = Calm.of(bridge, upstream)
    lost, doubled = LEDGER.lost, LEDGER.doubled
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(case: Case) -> None:
        async with at_once:
            check(case, await asked(http, case))

    async with asyncio.TaskGroup() as group:
        for case in cases([pair], ORDINARY):
            group.create_task(one(case))
    assert (LEDGER.lost, LEDGER.doubled) == (lost, doubled)
    await calm.returns()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", LARGE)
@pytest.mark.parametrize("pair", TRANSLATED[:2])
async def test_what_is_huge_is_bounded_in_memory(
    pair: str, fault: str, http: httpx.AsyncClient, bridge: Bridge, upstream: Upstreamer
) -> None:
    calm = Calm.of(bridge, upstream)
    for case in cases([pair], [fault]):
        before = bridge.memory
        bridge.forget_most_memory()
        check(case, await asked(http, case))
        assert bridge.most_memory - before < MOST_MEMORY, str(case)
    await calm.returns()


@pytest.mark.parametrize("fault", ["killed", "torn", "reset", "half closed", "stalled", "a bad chunk"])
async def test_between_equals_with_nothing_to_do_an_answer_breaks_off_where_the_upstreams_does(
    fault: str, http: httpx.AsyncClient, bridge: Bridge, upstream: Upstreamer
) -> None:
    calm = Calm.of(bridge, upstream)
    for case in cases(["untouched"], [fault]):
        seen = await asked(http, case)
        outcome = check(case, seen).outcome
        sent = b"".join(answer(case.upstream, stream=case.stream))
        assert outcome == "502" or (outcome == "broken" and sent.startswith(seen.body)), str(case)
    await calm.returns()
