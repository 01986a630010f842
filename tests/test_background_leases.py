"""Leases of workers that are busy: what comes too late, and what was let go, is not taken for lost."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from responses_asgi import MemoryStore, StoreError
from responses_asgi.background import BackgroundLimits
from responses_asgi.background.insist import insist
from responses_asgi.background.keeping import KIND, Keeping
from responses_asgi.background.log_outlet import LogSink
from responses_asgi.background.watch import Watch
from responses_asgi.background.worker import Worker
from responses_asgi.history import State
from responses_asgi.owners import Owners
from responses_asgi.types.events import StreamEvent
from tests.background_driver import WORDS, Model, eventually, output_text, serving
from tests.loopback import until
from tests.troubled_store import Troubled

LEASE = 0.4


@pytest.fixture
def store() -> Troubled:
    return Troubled(MemoryStore())


@pytest.fixture
def renewals(store: Troubled, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What came of each renewal that was answered."""
    answers: list[object] = []
    renew = store.leases.renew

    async def noted(*args: Any, **options: Any) -> Any:
        answers.append(await renew(*args, **options))
        return answers[-1]

    monkeypatch.setattr(store.leases, "renew", noted, raising=False)
    return answers


async def is_tidy(store: Troubled) -> bool:
    return await store.leases.count(KIND) == 0


async def test_a_lease_that_is_let_go_is_not_lost(
    store: Troubled, renewals: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    """A renewal may be answered between the release and the end of the job."""
    model = Model(free=True)
    async with serving(model, store, limits={"lease": LEASE, "rerun": True, "retention": 60}) as service:
        store.lost = {"release"}
        store.away("release")
        created = await service.create()
        assert (await service.ended(created["id"]))["status"] == "completed"
        await until(lambda: False in renewals, 30)
        store.back()
        await eventually(lambda: is_tidy(store))
    assert "is lost" not in caplog.text
    assert "could not be kept" not in caplog.text


async def test_a_lease_that_nobody_took_is_renewed_late(
    store: Troubled, renewals: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    """As when a process gets no CPU for longer than a lease, while it waits for the store."""
    model = Model()
    async with serving(model, store, limits={"lease": LEASE}) as service:
        await model.let(2)
        created = await service.create()
        store.trouble = {"renew": None}
        began = time.monotonic()
        await until(lambda: time.monotonic() > began + LEASE / 4 + 0.05, 30)
        # It waits for a renewal now; then the whole loop stands still.
        time.sleep(LEASE * 1.5)  # noqa: ASYNC251 - that is the point
        store.back()
        renewals.clear()
        await until(lambda: True in renewals, 30)
        await model.let()
        response = await service.ended(created["id"])
    assert (response["status"], output_text(response)) == ("completed", "".join(WORDS))
    assert "given up" not in caplog.text


async def test_who_was_held_up_lets_the_others_renew_first() -> None:
    """A machine that is too busy for anybody: leases run out of workers that live."""
    store = MemoryStore()
    keeping = Keeping(State(store, owners=Owners()), store, BackgroundLimits(lease=LEASE, poll=0.02))
    watching = asyncio.create_task(Watch(Worker(keeping), keeping).run())
    try:
        await asyncio.sleep(0.05)
        epoch = await store.leases.claim(KIND, "resp_1 owner", seconds=0.1)
        assert epoch is not None
        time.sleep(LEASE * 0.8)  # noqa: ASYNC251 - that is the point
        # Whoever looks for what is lost has its turn, and the other renews.
        for _ in range(5):
            await asyncio.sleep(0)
        assert await store.leases.expired(KIND) == ["resp_1 owner"]
        assert await store.leases.renew(KIND, "resp_1 owner", epoch, seconds=0.1)

        async def is_tidy() -> bool:
            return await store.leases.count(KIND) == 0

        # And then it is gone.
        await eventually(is_tidy)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_a_program_that_was_asleep_asks_once_more() -> None:
    """The time it was given is over, but it was not used."""
    answers: list[Exception | None] = [StoreError("Away."), None]

    async def ask() -> str:
        time.sleep(0.05)  # noqa: ASYNC251 - that is the point
        if (error := answers.pop(0)) is not None:
            raise error
        return "done"

    assert await insist(ask, seconds=0.01, doing="try it") == "done"
    assert answers == []


async def test_a_busy_loop_gathers_events_for_longer(
    store: Troubled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would write ever fewer of them at a time, the busier it is."""
    appends: list[int] = []
    append = store.events.append

    async def noted(id: str, epoch: int, events: Any = (), **options: Any) -> Any:
        appends.append(len(events))
        return await append(id, epoch, events, **options)

    monkeypatch.setattr(store.events, "append", noted, raising=False)
    keeping = Keeping(State(store, owners=Owners()), store, BackgroundLimits(flush=0.02))
    held = await keeping.claim("", "resp_1")
    assert held is not None
    sink = LogSink(keeping, held)
    for number in range(40):
        await sink.write([StreamEvent("response.in_progress", b"%d" % number)])
        # Each holds the loop up for longer than events are to be gathered.
        time.sleep(0.03)  # noqa: ASYNC251 - that is the point
        await asyncio.sleep(0)
    await sink.flush()
    sink.stop()
    assert sum(appends) == 40
    assert max(appends) >= 4
