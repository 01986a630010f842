"""Limits that several processes share through Redis, and what happens when it is away."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from responses_asgi import Gateway, Limit, RateLimits, Upstream
from responses_asgi.limits.slots import RedisSlots
from responses_asgi.stores.redis.connections import Connections
from tests.loopback import served, until, unused_url
from tests.redis_server import RedisServer, redis_server
from tests.test_limits import Held, a_day, ask, costly, parrot


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def server(shared: RedisServer) -> Iterator[RedisServer]:
    with redis.Redis(port=shared.port) as plain:
        plain.flushall()
    return shared


def gateway(server: RedisServer, limit: Limit, handler: Any = parrot, **settings: Any) -> Gateway:
    limits = RateLimits(limit, store=server.url, **settings)
    return Gateway(Upstream.handler(handler), rate_limits=limits)


def test_two_gateways_share_the_limits(server: RedisServer, tmp_path: Path) -> None:
    """Two processes, each with its own event loop and connections."""
    program = tmp_path / "gateway.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import uvicorn
            from responses_asgi import Gateway, Limit, RateLimits, Upstream

            async def parrot(request):
                return "hi"

            limits = RateLimits(Limit(requests=5, period=86_400), store={server.url!r})
            app = Gateway(Upstream.handler(parrot), rate_limits=limits)
            """
        )
    )
    ports = [int(unused_url().rpartition(":")[2]) for _ in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "gateway:app", "--port", str(port), "--log-level", "error"],
            cwd=tmp_path,
        )
        for port in ports
    ]
    try:
        with httpx.Client(headers={"authorization": "Bearer alice"}) as client:
            for port in ports:
                _wait_for(client, f"http://127.0.0.1:{port}/health")
            told = [
                client.post(
                    f"http://127.0.0.1:{ports[number % 2]}/v1/responses", json={"model": "m", "input": "x"}
                )
                for number in range(7)
            ]
    finally:
        for process in processes:
            process.terminate()
            process.wait(10)
    assert [each.status_code for each in told] == [200] * 5 + [429] * 2
    left = [each.headers["x-ratelimit-remaining-requests"] for each in told]
    assert left == ["4", "3", "2", "1", "0", "0", "0"]


def _wait_for(client: httpx.Client, url: str) -> None:
    import time

    deadline = time.monotonic() + 30
    while True:
        try:
            assert client.get(url).status_code == 200
            return
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@pytest.mark.parametrize("stream", [False, True])
async def test_tokens_are_settled(server: RedisServer, stream: bool) -> None:
    one, two = (gateway(server, a_day(tokens=2_000), costly) for _ in range(2))
    async with one.lifespan(), two.lifespan():
        assert (await ask(one, "10", stream=stream)).status_code == 200
        assert (await ask(two, "10", stream=stream)).status_code == 200
        assert (await ask(one, "9000", stream=stream)).status_code == 200
        refused = await ask(two, "1", stream=stream)
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "tokens"


async def test_answers_at_once(server: RedisServer) -> None:
    model = Held()
    one, two = (gateway(server, a_day(concurrent=2), model.__call__) for _ in range(2))
    async with one.lifespan(), two.lifespan():
        running = [asyncio.create_task(ask(app, stream=True)) for app in (one, two)]
        await until(lambda: model.running == 2)
        assert (await ask(one)).status_code == (await ask(two)).status_code == 429
        model.go.set()
        await asyncio.gather(*running)
        assert (await ask(two)).status_code == 200
    with redis.Redis(port=server.port) as plain:
        assert plain.keys("*:slots") == []


async def test_slots_are_renewed_and_end_by_themselves(server: RedisServer) -> None:
    connections = Connections(server.url, client=None, cluster=False, timeout=5, max_connections=2)
    slots = RedisSlots(connections, prefix="x", seconds=0.6)
    slot = await slots.take("a", 1)
    assert slot is not None
    await asyncio.sleep(1.0)
    assert await slots.take("a", 1) is None
    # As if the process were killed: nobody renews it.
    held = slots._loops[asyncio.get_running_loop()]
    assert held.renewing is not None
    held.renewing.cancel()
    await asyncio.sleep(0.7)
    again = await slots.take("a", 1)
    assert again is not None
    await slots.release("a", again)
    await slots.release("a", slot)
    assert held.slots == {}
    await connections.aclose()


async def test_renewing_goes_on_when_redis_is_back() -> None:
    with redis_server() as server:
        connections = Connections(server.url, client=None, cluster=False, timeout=1, max_connections=2)
        slots = RedisSlots(connections, prefix="x", seconds=0.3)
        slot = await slots.take("a", 1)
        server.stop()
        await asyncio.sleep(0.3)
        server.start()
        with redis.Redis(port=server.port) as plain:
            await until(lambda: plain.zcard("x:a:slots") == 1)
        assert slot is not None
        await slots.release("a", slot)
        await connections.aclose()


@pytest.mark.parametrize("when_down", ["refuse", "allow"])
async def test_redis_killed(when_down: Any) -> None:
    with redis_server() as server:
        app = gateway(server, a_day(requests=3, tokens=9_000, concurrent=3), when_down=when_down)
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            body = {"model": "m", "input": "x"}

            async def status() -> int:
                answer = await client.post("/v1/responses", json=body)
                if answer.status_code == 503:
                    assert answer.json()["error"]["code"] == "store_unavailable"
                    assert answer.headers["retry-after"] == "1"
                return answer.status_code

            assert await status() == 200
            server.stop()
            down = 503 if when_down == "refuse" else 200
            assert [await status() for _ in range(3)] == [down] * 3
            server.start()
            assert [await status() for _ in range(4)] == [200, 200, 200, 429]


async def test_redis_killed_while_an_answer_is_made() -> None:
    model = Held()
    with redis_server() as server:
        app = gateway(server, a_day(tokens=9_000, concurrent=1), model.__call__)
        async with app.lifespan():
            running = asyncio.create_task(ask(app, stream=True))
            await until(lambda: model.running == 1)
            server.stop()
            model.go.set()
            answer = await running
            assert answer.status_code == 200
            assert "response.completed" in answer.text
            server.start()
            assert (await ask(app)).status_code == 200


async def test_nothing_of_clients_is_in_the_keys(server: RedisServer) -> None:
    app = gateway(server, a_day(requests=3, tokens=9_000), who=lambda scope: "alice-the-client")
    async with app.lifespan():
        await ask(app, model="secret-model")
    with redis.Redis(port=server.port) as plain:
        keys = plain.keys("*")
    assert keys
    assert all(b"alice" not in key and b"secret" not in key for key in keys)


def test_each_event_loop_has_its_own_connections(server: RedisServer) -> None:
    app = gateway(server, a_day(requests=2))

    async def one() -> int:
        async with app.lifespan():
            return (await ask(app)).status_code

    assert [asyncio.run(one()) for _ in range(3)] == [200, 200, 429]
