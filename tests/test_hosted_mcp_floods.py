"""MCP servers that are programs and pour out what is no message: they cost a bounded amount of memory, are
given up, and are begun anew; and programs that do not want to end."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from responses_asgi.hosted import Hosted, HostedLimits
from tests.hosted_servers import CONTEXT, alive, asking, call, odd, offered, opened, stdio
from tests.loopback import until

MEGABYTE = 1024 * 1024
SMALL = HostedLimits(
    call_timeout=60.0, start_wait=60.0, retry_first=0.05, retry_most=0.2, message_bytes=MEGABYTE
)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("floods", f"it has sent a message of more than {MEGABYTE} bytes"),
        ("chatters", "what it sends are no messages"),
    ],
)
async def test_a_server_that_never_stops_is_given_up(kind: str, why: str) -> None:
    async with opened(Hosted(servers={"s": odd(kind)}, limits=SMALL)) as hosted:
        offer = await offered(hosted, asking())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = await offer.tools["s__pour"].call({}, CONTEXT)
        assert result.failed
        assert result.output == f"The MCP server s failed: {why}"
        # In kilobytes: the bound of a message is held a few times, not what is poured out.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
        await until(lambda: hosted.health()["servers"]["s"]["state"] == "ready", 60)
        assert (await call(hosted, "s__pour")).failed


@pytest.mark.parametrize(("size", "fits"), [(MEGABYTE // 4, True), (5 * MEGABYTE, False)])
async def test_the_bound_of_one_message(size: int, fits: bool) -> None:
    async with opened(Hosted(servers={"s": stdio()}, limits=SMALL)) as hosted:
        big = await call(hosted, "s__big", {"size": size})
        assert big.failed is not fits
        if not fits:
            assert "it has sent a message of more than" in big.output
            await until(lambda: hosted.health()["servers"]["s"]["state"] == "ready", 60)
        assert (await call(hosted, "s__add", {"a": 1, "b": 2})).output == "3"


async def test_a_program_that_does_not_want_to_end_is_killed_with_its_children(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    async with opened(Hosted(servers={"s": odd("deaf", str(told))}, limits=SMALL)) as hosted:
        calling = asyncio.create_task(call(hosted, "s__pour"))
        await until(lambda: told.exists() and len(told.read_text().split()) == 2, 60)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
    for pid in told.read_text().split():
        await until(lambda pid=pid: not alive(int(pid)), 30)
