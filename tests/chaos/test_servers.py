"""A server that is stopped or killed while it streams: what its clients see, and that it does go."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.chaos.asking import Case, asked
from tests.chaos.bridge import COMMANDS, GRACE, Bridge, Upstreamer, running_bridge
from tests.chaos.endings import ENDINGS, Ending
from tests.chaos.ledger import LEDGER, Seen, Verdict, judge
from tests.loopback import until


class Scene(NamedTuple):
    """A request whose answer takes `at` milliseconds for each event."""

    at: int
    stream: bool


# Well inside what a server is told to wait, and well outside.
SHORT, LONG = 40, 1_500
SCENES = {
    "short stream": Scene(SHORT, True),
    "long stream": Scene(LONG, True),
    "long document": Scene(LONG, False),
}

# How long a server may take to go, above what it was told to wait.
SLACK = 30.0


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("kind", COMMANDS)
async def test_what_clients_see_when_their_server_goes(
    kind: str, how: str, scene: str, upstream: Upstreamer, folder: Path
) -> None:
    ending = ENDINGS[kind][how][scene]
    at, stream = SCENES[scene]
    for pair in ("responses-over-chat", "chat-over-responses"):
        with running_bridge(kind, upstream.url, folder) as bridge:
            case = Case(pair, "slow", at=at, stream=stream)
            await _goes(bridge, upstream, case, how, ending)
        await until(lambda: upstream.children == [], 30)


async def _goes(bridge: Bridge, upstream: Upstreamer, case: Case, how: str, ending: Ending) -> None:
    async with httpx.AsyncClient(base_url=bridge.url, timeout=60) as http:
        asking = asyncio.create_task(_asked(http, case))
        await until(lambda: upstream.children, 30)
        if how == "SIGKILL":
            # All of its processes, as a machine's end or the kernel's hunt for memory is.
            os.killpg(bridge.started.pid, signal.SIGKILL)
        else:
            bridge.started.send_signal(signal.SIGTERM)
        began = time.monotonic()
        seen = await asking
    outcome, words = _outcome(case, seen)
    LEDGER.enter(Verdict(outcome, words, len(words)))
    assert outcome in ending.split(" or "), seen
    await asyncio.to_thread(bridge.started.wait, GRACE + SLACK)
    if how == "SIGTERM" and outcome != "whole":
        assert time.monotonic() - began > GRACE - 0.5


async def _asked(http: httpx.AsyncClient, case: Case) -> Seen:
    try:
        return await asked(http, case)
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return Seen(0, b"", ended=False)


def _outcome(case: Case, seen: Seen) -> tuple[str, list[str]]:
    """The connection's end counts as `broken` with and without a status; a server's page is no verdict."""
    if not seen.status:
        return "broken", []
    if seen.status == 500:
        return "500", []
    verdict = judge(case.client, seen, stream=case.stream)
    return verdict.outcome, verdict.words
