"""The pace of a scripted model, by a clock that a test holds; nothing here waits in real time."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from responses_asgi.testing import FakeModel, ManualClock, Pace, RealClock, Reply, Stall, ToolCall
from tests.loopback import Asked, until

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


async def answered(fake: FakeModel, *, stream: bool = True) -> bytes:
    return (await Asked(fake, body={**CHAT, "stream": stream}).result()).body


async def test_the_first_token_and_the_speed() -> None:
    clock = ManualClock()
    fake = FakeModel("The fox left at dawn.", pace=Pace(ttft=0.5, tokens_per_second=20), clock=clock)
    await answered(fake)
    assert clock.slept == pytest.approx([0.5, 0.05, 0.05, 0.05, 0.05])
    assert clock.now == pytest.approx(0.7)
    await answered(fake, stream=False)
    assert clock.now == pytest.approx(1.4)


async def test_jitter_is_the_same_in_every_run() -> None:
    runs = []
    for seed in (1, 1, 2):
        clock = ManualClock()
        pace = Pace(ttft=1, tokens_per_second=10, jitter=0.5)
        await answered(FakeModel("The fox left at dawn.", pace=pace, clock=clock, seed=seed))
        assert 0.5 <= clock.slept[0] <= 1.5
        assert all(0.05 <= wait <= 0.15 for wait in clock.slept[1:])
        assert len(set(clock.slept)) == 5
        runs.append(clock.slept)
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(
    ("chunk_size", "deltas"),
    [(None, ["The", " fox"]), (3, ["The", " fo", "x"]), (0, ["The fox"])],
)
async def test_text_is_cut_as_asked(chunk_size: int | None, deltas: list[str]) -> None:
    body = await answered(FakeModel(Reply("The fox", pace=Pace(chunk_size=chunk_size))))
    assert [body.count(f'"content":"{delta}"'.encode()) for delta in deltas] == [1] * len(deltas)
    assert body.count(b'"content"') == len(deltas) + 1


async def test_arguments_are_cut_and_can_be_empty() -> None:
    body = await answered(FakeModel(ToolCall("f", '{"city":"Oslo"}')))
    assert b'"arguments":"{\\"city\\":"' in body
    assert b'"arguments":"\\"Oslo\\"}"' in body
    assert (await answered(FakeModel(ToolCall("f", "")))).count(b'"arguments":""') == 2


async def test_a_test_can_hold_the_stream() -> None:
    clock = ManualClock(jump=False)
    asked = Asked(
        FakeModel("The fox left.", pace=Pace(ttft=2, tokens_per_second=1), clock=clock),
        body={**CHAT, "stream": True},
    )
    for after, word in ((2, b"The"), (1, b" fox"), (1, b" left.")):
        await clock.sleeper()
        assert word not in asked.got.body
        clock.advance(after - 0.5)
        await asyncio.sleep(0)
        assert clock.sleeping == 1
        clock.advance(0.5)
        await until(lambda word=word: word in asked.got.body)
    assert (await asked.result()).body.endswith(b"data: [DONE]\n\n")
    assert clock.now == 4


async def test_a_stall_ends_when_the_client_leaves() -> None:
    for clock in (ManualClock(), ManualClock(jump=False), RealClock()):
        asked = Asked(FakeModel([["The", Stall(), "fox"]], clock=clock), body={**CHAT, "stream": True})
        await until(lambda asked=asked: b"The" in asked.got.body)
        if isinstance(clock, ManualClock):
            await clock.sleeper()
            clock.advance(math.inf)
            assert clock.sleeping == 1
        asked.leave()
        got: Any = await asked.result()
        assert b"fox" not in got.body
        assert got.raised is None


async def test_advancing_passes_over_who_has_left() -> None:
    clock = ManualClock(jump=False)
    sleeper = asyncio.create_task(clock.sleep(1))
    await clock.sleeper()
    sleeper.cancel()
    await asyncio.wait({sleeper})
    assert clock.sleeping == 0
    clock.advance(2)
    assert sleeper.cancelled()


async def test_the_real_clock_waits() -> None:
    began = asyncio.get_running_loop().time()
    await RealClock().sleep(0.01)
    assert asyncio.get_running_loop().time() - began >= 0.009
