"""Many background responses and many readers at once: all are served, and memory stays flat."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from responses_asgi import MemoryStore, RedisStore, SQLiteStore
from responses_asgi.background.job import Job
from responses_asgi.background.log_outlet import LogOutlet
from responses_asgi.stores.background import BackgroundStore
from tests.alive import alive
from tests.background_driver import (
    WORDS,
    Model,
    Service,
    assert_whole,
    events_of,
    eventually,
    output_text,
    serving,
)
from tests.redis_server import BINARY, RedisServer, redis_server

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("young_heap")]

needs_redis = pytest.mark.skipif(BINARY is None, reason="redis-server is not installed")

LIMITS = {"lease": 20.0, "running": 32, "poll": 0.2, "flush": 0.05}

# What 500 answers may leave behind in the process, in bytes, when they are kept elsewhere.
MOST_LEFT = 40_000_000


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=needs_redis)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BackgroundStore:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        return RedisStore(server.url, prefix=tmp_path.name)
    return MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "state.db")


class Busy(Model):
    """Notes how many of its answers are made at the same time."""

    running = most = 0

    async def __call__(self, request):  # type: ignore[no-untyped-def,override]
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            async for word in super().__call__(request):
                yield word
        finally:
            self.running -= 1


async def made(service: Service, count: int) -> None:
    """So many responses at once, all of which end well."""
    created = await asyncio.gather(*(service.create() for _ in range(count)))
    ids = [each["id"] for each in created]
    assert len(set(ids)) == count
    responses = await asyncio.gather(*(service.ended(id, seconds=120) for id in ids))
    assert {response["status"] for response in responses} == {"completed"}
    assert {output_text(response) for response in responses} == {"".join(WORDS)}


def peak() -> int:
    """The most memory that the process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def test_five_hundred_at_once(store: BackgroundStore) -> None:
    model = Busy(free=True, pause=0.002)
    async with serving(model, store, limits=LIMITS) as service:
        await made(service, 100)
        before, began = peak(), time.monotonic()
        await made(service, 500)
        seconds, left = time.monotonic() - began, peak() - before
        assert 1 < model.most <= LIMITS["running"]

        async def is_tidy() -> bool:
            return await store.leases.count("response") == 0

        async def is_forgotten() -> bool:
            return alive(Job, LogOutlet) == []

        await eventually(is_tidy)
        await eventually(is_forgotten)
        if not isinstance(store, MemoryStore):
            assert left < MOST_LEFT
        print(f"{type(store).__name__}: 500 in {seconds:.1f} s, {left / 1e6:.0f} MB more")


@pytest.mark.parametrize("responses", [1, 50])
async def test_a_thousand_readers(store: BackgroundStore, responses: int) -> None:
    """Of one response, and of many: each sees every event once, in order."""
    model = Model(["word "] * 20, pause=0.01)
    async with serving(model, store, limits={**LIMITS, "running": 50}) as service:
        ids = [(await service.create())["id"] for _ in range(responses)]
        began = time.monotonic()
        readers = [
            service.asking("GET", f"/responses/{ids[number % responses]}", query="stream=true")
            for number in range(1_000)
        ]
        await asyncio.sleep(0.5)
        await model.let()
        async with asyncio.timeout(120):
            answers = await asyncio.gather(*(reader.result() for reader in readers))
        whole = {id: await service.events(id) for id in ids}
        for id in ids:
            assert output_text(assert_whole(whole[id])) == "word " * 20
        for number, got in enumerate(answers):
            assert got.ended
            assert events_of(got) == whole[ids[number % responses]]
        print(f"{type(store).__name__}, {responses}: {time.monotonic() - began:.1f} s")
