"""MCP servers that are programs: real ones, good and bad, and nothing of them stays behind."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest

from responses_asgi.hosted import Hosted, HostedLimits, MCPServer
from responses_asgi.translate.rounds import HostedResult
from tests.hosted_servers import (
    CONTEXT,
    QUICK,
    alive,
    asking,
    call,
    held,
    mcp,
    names,
    odd,
    offered,
    opened,
    started,
    stdio,
)
from tests.loopback import until


async def test_the_tools_of_a_server_are_offered_and_called() -> None:
    async with opened(Hosted(servers={"maths": stdio()}, limits=QUICK)) as hosted:
        offer = await offered(hosted, asking())
        assert "maths__add" in names(offer.body["tools"])
        assert offer.listed == []
        tool = offer.tools["maths__add"]
        assert (tool.label, tool.name, tool.approval) == ("maths", "add", False)
        assert tool.parameters["required"] == ["a", "b"]
        assert await tool.call({"a": 1, "b": 2}, CONTEXT) == HostedResult("3", False)
        assert hosted.health()["servers"]["maths"] == {"state": "ready", "tools": len(offer.tools)}


async def test_wrong_arguments_and_failing_tools_are_told_to_the_model() -> None:
    async with opened(Hosted(servers={"s": stdio()}, limits=QUICK)) as hosted:
        wrong = await call(hosted, "s__add", {"a": "many"})
        assert wrong.failed
        assert "valid integer" in wrong.output
        failed = await call(hosted, "s__fail", {"reason": "no paper"})
        assert failed.failed
        assert "no paper" in failed.output


async def test_what_a_tool_gives_becomes_text() -> None:
    async with opened(Hosted(servers={"s": stdio()}, limits=QUICK)) as hosted:
        picture = await call(hosted, "s__picture")
        assert picture.output.startswith("Look:\n[image: image/png, ")
        record = await call(hosted, "s__record")
        assert '"Ada"' in record.output
        assert record.output.count("Ada") == 1


async def test_five_megabytes_are_cut() -> None:
    async with opened(Hosted(servers={"s": stdio()}, limits=QUICK)) as hosted:
        big = await call(hosted, "s__big", {"size": 5_000_000})
        assert len(big.output) < QUICK.result_chars + 100
        assert big.output.endswith(f"[cut off: {QUICK.result_chars} of 5000000 characters]")
        assert not big.failed


async def test_two_hundred_tools() -> None:
    async with opened(Hosted(servers={"s": stdio(env={"MANY": "200"})}, limits=QUICK)) as hosted:
        offer = await offered(hosted, asking())
        assert len([name for name in offer.tools if "many" in name]) == 200


@pytest.mark.parametrize(("limits", "told"), [({"tools": 5}, 5), ({"list_chars": 50}, 0)])
async def test_lists_that_are_too_long_are_bounded(limits: dict[str, int], told: int) -> None:
    few = HostedLimits(start_wait=20.0, retry_first=60.0, retry_most=60.0, **limits)  # type: ignore[arg-type]  # ints, by name
    async with opened(Hosted(servers={"s": stdio()}, limits=few)) as hosted:
        offer = await offered(hosted, asking(mcp("s")))
        assert len(offer.tools) == told
        assert ("list of tools" in offer.listed[0].get("error", "")) == (not told)


async def test_a_server_sees_its_own_variables_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with opened(Hosted(servers={"s": stdio(env={"TOKEN": "for-you"})}, limits=QUICK)) as hosted:
        assert (await call(hosted, "s__environment", {"name": "TOKEN"})).output == "for-you"
        assert (await call(hosted, "s__environment", {"name": "OPENAI_API_KEY"})).output == "(not set)"


async def test_a_server_that_crashes_in_a_call_is_told_and_is_there_for_the_next(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with opened(Hosted(servers={"s": stdio(log)}, limits=QUICK)) as hosted:
        crashed = await call(hosted, "s__crash")
        assert crashed.failed
        assert "MCP server s failed" in crashed.output
        assert (await call(hosted, "s__add", {"a": 2, "b": 2})).output == "4"
        assert len(started(log)) == 2


async def test_a_server_that_is_killed_while_idle_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with opened(Hosted(servers={"s": stdio(log)}, limits=QUICK)) as hosted:
        await call(hosted, "s__add", {"a": 2, "b": 2})
        os.kill(started(log)[0], signal.SIGKILL)
        await until(lambda: len(started(log)) == 2)
        assert (await call(hosted, "s__add", {"a": 2, "b": 2})).output == "4"


async def test_a_call_that_takes_too_long_is_given_up_by_both(tmp_path: Path) -> None:
    log = tmp_path / "log"
    servers = {"s": stdio(log, timeout=0.3)}
    async with opened(Hosted(servers=servers, limits=QUICK)) as hosted:
        await offered(hosted, asking())
        late = await call(hosted, "s__hang")
        assert late == HostedResult("hang did not answer within 0.3 s.", True)
        await until(lambda: "hang given up" in log.read_text())
        assert hosted.health()["servers"]["s"]["state"] == "ready"
        assert len(started(log)) == 1


async def test_a_server_that_blocks_is_started_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    limits = HostedLimits(start_wait=20.0, connect_timeout=4.0, retry_first=0.05)
    async with opened(Hosted(servers={"s": stdio(log, timeout=0.3)}, limits=limits)) as hosted:
        await offered(hosted, asking())
        assert (await call(hosted, "s__block", {"seconds": 3600})).failed
        await until(lambda: len(started(log)) == 2, 30)
        await until(lambda: hosted.health()["servers"]["s"]["state"] == "ready", 30)
        assert not alive(started(log)[0])


async def test_a_client_that_leaves_cancels_the_call(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with opened(Hosted(servers={"s": stdio(log)}, limits=QUICK)) as hosted:
        running = asyncio.create_task(call(hosted, "s__hang"))
        await until(lambda: log.exists() and "hang began" in log.read_text())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await until(lambda: "hang given up" in log.read_text())
        assert (await call(hosted, "s__add", {"a": 1, "b": 1})).output == "2"


async def test_a_list_that_changes_is_read_again() -> None:
    async with opened(Hosted(servers={"s": stdio()}, limits=QUICK)) as hosted:
        before = await offered(hosted, asking())
        assert "s__later" not in before.tools
        # The server is asked to tell of changes after it is connected.
        await asyncio.sleep(0.2)
        await call(hosted, "s__grow")
        count = len(before.tools)
        await until(lambda: hosted.health()["servers"]["s"]["tools"] > count)
        assert (await call(hosted, "s__later")).output == "later"


@pytest.mark.parametrize("kind", ["silent", "garbage", "ends", "partly"])
async def test_a_bad_server_blocks_nobody(kind: str) -> None:
    limits = HostedLimits(start_wait=0.5, retry_first=0.2)
    servers = {"bad": odd(kind), "none": odd(kind).__class__(command="/no/such/program"), "good": stdio()}
    async with opened(Hosted(servers=servers, limits=limits)) as hosted:
        await until(lambda: hosted.health()["servers"]["good"]["state"] == "ready", 30)
        offer = await offered(hosted, asking(mcp("bad"), mcp("good"), mcp("none")))
        listed = {item["server_label"]: item for item in offer.listed}
        assert "error" not in listed["good"]
        assert listed["bad"]["error"].startswith("The MCP server cannot be used: ")
        assert listed["bad"]["tools"] == []
        assert "No such file" in listed["none"]["error"]
        assert (await offer.tools["good__add"].call({"a": 1, "b": 1}, CONTEXT)).output == "2"
        assert "error" in hosted.health()["servers"]["none"]


async def test_a_request_does_not_wait_for_a_server_that_has_failed() -> None:
    limits = HostedLimits(start_wait=60.0, connect_timeout=1.0, retry_first=0.05, retry_most=0.05)
    async with opened(Hosted(servers={"bad": odd("silent")}, limits=limits)) as hosted:
        assert await hosted.offer(asking(), CONTEXT) is None
        await asyncio.sleep(0.3)  # it is being tried again
        async with asyncio.timeout(0.5):
            offer = await offered(hosted, asking(mcp("bad")))
        assert offer.listed[0]["error"]


async def test_a_server_that_stays_away_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "responses_asgi")
    limits = HostedLimits(start_wait=60.0, retry_first=0.01, retry_most=0.01)
    async with opened(Hosted(servers={"none": MCPServer(command="/no/such/program")}, limits=limits)):
        await until(lambda: len(told(caplog)) >= 3, 30)
    assert [record.levelname for record in told(caplog)][:3] == ["WARNING", "DEBUG", "DEBUG"]


def told(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if "MCP server none" in record.getMessage()]


async def test_a_request_waits_for_a_server_that_starts_only_so_long() -> None:
    limits = HostedLimits(start_wait=0.1, connect_timeout=20.0)
    async with opened(Hosted(servers={"slow": odd("silent")}, limits=limits)) as hosted:
        offer = await offered(hosted, asking(mcp("slow")))
        assert "still starting after 0.1 s" in offer.listed[0]["error"]


async def test_nothing_stays_behind(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    log = tmp_path / "log"
    before = held()
    servers = {"a": stdio(log), "b": stdio(log), "bad": odd("silent")}
    limits = HostedLimits(start_wait=0.1, call_timeout=20.0)
    async with opened(Hosted(servers=servers, limits=limits)) as hosted:
        for label in "ab":
            await until(lambda label=label: hosted.health()["servers"][label]["state"] == "ready", 30)
        await asyncio.gather(
            *(call(hosted, f"{label}__add", {"a": 1, "b": n}) for label in "ab" for n in range(20))
        )
        running = asyncio.create_task(call(hosted, "a__hang"))
        await until(lambda: "hang began" in log.read_text())
    assert (await running).failed
    assert len(started(log)) == 2
    await until(lambda: not any(alive(pid) for pid in started(log)))
    await until(lambda: not held() - before, 30)
    assert hosted.health()["servers"]["a"]["state"] == "stopped"
    assert not [record for record in caplog.records if record.name.startswith("responses_asgi")]
