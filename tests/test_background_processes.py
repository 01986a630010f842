"""Background responses over real processes: made in one, followed and cancelled through another, and killed.

The clients are the OpenAI SDK over HTTP. What is random is seeded, and counted in the output (`pytest -s`).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APIConnectionError, APIError, AsyncOpenAI, InternalServerError

from responses_asgi.sse import SSEDecoder
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.json import JSON, loads
from tests.background_service import Process, words_up_to
from tests.loopback import until
from tests.redis_server import BINARY, RedisServer, redis_server
from tests.webhook_receiver import SECRET, Receiver

pytestmark = pytest.mark.timeout(240)

LEASE = 2.0
LIMITS: dict[str, Any] = {"lease": LEASE, "poll": 0.1, "drain": 0.5, "flush": 0.02}

# What a busy machine adds to any time.
SLACK = 8.0

SEED = 20
KILLS = 20

needs_redis = pytest.mark.skipif(BINARY is None, reason="redis-server is not installed")
SHARED = ["sqlite", pytest.param("redis", marks=needs_redis)]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server("--appendfsync", "everysec", persistent=True) as server:
        yield server


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store; parametrized by its kind."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        return f"{server.url}?client_name={tmp_path.name}"
    return "memory" if request.param == "memory" else f"sqlite:///{tmp_path}/state.db"


@asynccontextmanager
async def client_of(process: Process, **options: Any) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=process.url, api_key="sk-mine", **{"max_retries": 0, "timeout": 30, **options}
    ) as client:
        yield client


def document_of(event: Any) -> JSON:
    """The event as it was sent."""
    document: JSON = event.to_dict()
    if "response" in document:
        # The SDK makes a float of it.
        document["response"]["created_at"] = int(document["response"]["created_at"])
    return document


def assert_whole(events: list[JSON]) -> JSON:
    assert_valid_stream(events)
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    response: JSON = events[-1]["response"]
    return response


async def read(stream: Any, into: list[JSON], most: int = 10**6) -> bool:
    """Read a stream's events, at most so many; whether it came to its end, and was not cut."""
    try:
        async for event in stream:
            into.append(document_of(event))
            if len(into) >= most:
                await stream.close()
                return False
    except (httpx.HTTPError, APIConnectionError):
        return False
    except APIError:
        # The SDK raises the error event, and reads no further.
        return False
    return True


async def rest(client: AsyncOpenAI, id: str, after: int) -> list[JSON]:
    """The events of a response behind this number, as they come over the wire: the SDK stops at errors."""
    query = {"stream": "true", "starting_after": str(after)} if after >= 0 else {"stream": "true"}
    async with client.responses.with_streaming_response.retrieve(id, extra_query=query) as answer:
        text = (await answer.read()).decode()
    return [loads(event.data) for event in SSEDecoder().feed(text.encode())]


async def ended(client: AsyncOpenAI, id: str, seconds: float) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            response = await client.responses.retrieve(id)
            if response.status not in ("queued", "in_progress"):
                return response
            await asyncio.sleep(0.05)


# The whole way


@pytest.mark.parametrize("url", ["memory", *SHARED], indirect=True)
async def test_created_followed_left_resumed_elsewhere_cancelled_and_announced(
    url: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(Receiver().running_at())
        hook = (receiver.url, SECRET)
        one = await stack.enter_async_context(Process(url, tmp_path, limits=LIMITS, hook=hook))
        other = one
        if url != "memory":
            other = await stack.enter_async_context(Process(url, tmp_path, limits=LIMITS, hook=hook))
        here = await stack.enter_async_context(client_of(one))
        there = await stack.enter_async_context(client_of(other))

        created = await here.responses.create(model="m", input="200 0.05", background=True)
        assert created.status == "queued"
        assert (await there.responses.retrieve(created.id)).status in ("queued", "in_progress")
        events: list[JSON] = []
        assert not await read(await here.responses.retrieve(created.id, stream=True), events, most=8)
        resumed = await there.responses.retrieve(
            created.id, stream=True, starting_after=events[-1]["sequence_number"]
        )
        assert not await read(resumed, events, most=20)
        before = len(events)
        cancelled = await there.responses.cancel(created.id)
        assert cancelled.status == "cancelled"
        assert cancelled.output_text
        assert await here.responses.cancel(created.id) == cancelled
        events += await rest(there, created.id, events[-1]["sequence_number"])
        assert len(events) > before
        assert assert_whole(events)["error"]["code"] == "cancelled"

        finished = await there.responses.create(model="m", input="5 0.01", background=True)
        assert (await ended(here, finished.id, SLACK)).output_text == words_up_to(5)
        await until(lambda: len({event.data.id for event in receiver.events}) == 2, SLACK)
        told = {event.data.id: event.type for event in receiver.events}
        assert told == {created.id: "response.cancelled", finished.id: "response.completed"}


@pytest.mark.parametrize("url", SHARED, indirect=True)
async def test_twenty_workers_are_killed_in_the_middle(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, counts = random.Random(SEED), Counter[str]()
    async with AsyncExitStack() as stack:
        survivor = await stack.enter_async_context(Process(url, tmp_path, limits=LIMITS))
        there = await stack.enter_async_context(client_of(survivor))
        victim = Process(url, tmp_path, limits=LIMITS).start()
        for _ in range(KILLS):
            await victim.serving()
            # The next one starts while this one is killed.
            following = Process(url, tmp_path, limits=LIMITS).start()
            stack.push_async_exit(following.__aexit__)
            try:
                await one_kill(victim, there, chance, counts)
            finally:
                await victim.__aexit__()
            victim = following
    with capsys.disabled():
        told = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
        print(f"\n{KILLS} kills, {url.partition(':')[0]}, seed {SEED}: {told}")
    assert counts["ids read"] >= KILLS
    assert counts["ended: failed"] > 0


async def one_kill(victim: Process, there: AsyncOpenAI, chance: random.Random, counts: Counter[str]) -> None:
    """Three responses of which some stream, some are polled; then, at some moment, `kill -9`."""
    async with client_of(victim) as here:
        seen: list[list[JSON]] = [[] for _ in range(3)]
        ids: dict[int, str] = {}

        async def follow(number: int) -> None:
            text = f"{chance.randint(1, 30)} {chance.choice((0.005, 0.02, 0.04))}"
            try:
                if number:
                    stream = await here.responses.create(model="m", input=text, background=True, stream=True)
                    await read(stream, seen[number])
                else:
                    ids[number] = (await here.responses.create(model="m", input=text, background=True)).id
            except (APIConnectionError, httpx.HTTPError):
                counts["creations cut"] += 1

        following = [asyncio.create_task(follow(number)) for number in range(3)]
        await asyncio.sleep(chance.uniform(0.0, 0.7))
        victim.kill()
        killed = time.monotonic()
        await asyncio.gather(*following)
    ids |= {number: events[0]["response"]["id"] for number, events in enumerate(seen) if events}
    for number, id in ids.items():
        counts["ids read"] += 1
        response = await ended(there, id, LEASE + SLACK)
        counts[f"ended: {response.status}"] += 1
        assert response.status in ("completed", "failed")
        assert time.monotonic() - killed < LEASE + SLACK
        counts["events read before"] += len(seen[number])
        last = seen[number][-1]["sequence_number"] if seen[number] else -1
        others = await rest(there, id, last)
        counts["events read afterwards"] += len(others)
        whole = assert_whole([*seen[number], *others])
        assert whole["status"] == response.status
        assert [*seen[number], *others] == await rest(there, id, -1)


# Stops and starts


@pytest.mark.parametrize("url", SHARED, indirect=True)
async def test_a_service_that_is_stopped_ends_what_it_makes(url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Process(url, tmp_path, limits={**LIMITS, "lease": 60}))
        other = await stack.enter_async_context(Process(url, tmp_path, limits=LIMITS))
        here = await stack.enter_async_context(client_of(one))
        there = await stack.enter_async_context(client_of(other))
        events: list[JSON] = []
        stream = await here.responses.create(model="m", input="500 0.05", background=True, stream=True)
        reading = asyncio.create_task(read(stream, events))
        await until(lambda: len(events) >= 8, SLACK)
        await one.terminate()
        await reading
        id = events[0]["response"]["id"]
        # Its lease would last for a minute: it is the stop that ended it.
        response = await ended(there, id, SLACK)
        assert (response.status, response.error.code) == ("failed", "server_error")
        events += await rest(there, id, events[-1]["sequence_number"])
        assert assert_whole(events)["error"]["message"] == response.error.message
        assert response.output_text


@pytest.mark.parametrize("url", SHARED, indirect=True)
async def test_a_later_run_ends_what_an_earlier_one_left(url: str, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Process(url, tmp_path, limits=LIMITS))
        async with client_of(one) as here:
            created = await here.responses.create(model="m", input="500 0.05", background=True)
        one.kill()
        await asyncio.sleep(LEASE)
        later = await stack.enter_async_context(Process(url, tmp_path, limits=LIMITS))
        async with client_of(later) as client:
            response = await ended(client, created.id, SLACK)
            assert (response.status, response.error.message) == (
                "failed",
                "The worker that made this response is gone, or could not keep it.",
            )
            assert_whole(await rest(client, created.id, -1))


@needs_redis
async def test_redis_is_restarted_in_the_middle(tmp_path: Path) -> None:
    with redis_server("--appendfsync", "always", persistent=True) as server:
        async with AsyncExitStack() as stack:
            limits = {**LIMITS, "lease": 20}
            one = await stack.enter_async_context(Process(server.url, tmp_path, limits=limits))
            client = await stack.enter_async_context(client_of(one))
            events: list[JSON] = []
            stream = await client.responses.create(model="m", input="60 0.05", background=True, stream=True)
            reading = asyncio.create_task(read(stream, events))
            await until(lambda: len(events) >= 8, SLACK)
            server.stop()
            id = events[0]["response"]["id"]
            for asked in (
                client.responses.retrieve(id),
                client.responses.create(model="m", input="1 0", background=True),
                client.responses.cancel(id),
            ):
                with pytest.raises(InternalServerError) as caught:
                    await asked
                assert caught.value.status_code == 503
                assert "store" in str(caught.value).lower()
            server.start()
            # Neither the answer nor its reader were cut.
            assert await reading
            assert assert_whole(events)["status"] == "completed"
            assert (await client.responses.retrieve(id)).output_text == words_up_to(60)
            again = await client.responses.create(model="m", input="3 0.01", background=True)
            assert (await ended(client, again.id, SLACK)).output_text == words_up_to(3)


@pytest.mark.parametrize("url", SHARED, indirect=True)
async def test_the_workers_of_one_server_share_their_responses(url: str, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "upstreams: {house: {handler: 'tests.background_service:words'}}\n"
        "server: {workers: 2}\n"
        "background: {lease: 2, poll: 0.1}\n"
        f"store: '{url}'\n"
    )
    command = ("responses_asgi", "serve", str(config))
    async with Process(url, tmp_path, options=(), command=command) as service, AsyncExitStack() as stack:
        # Each connection goes to one of the workers.
        clients = [await stack.enter_async_context(client_of(service)) for _ in range(8)]
        created = await clients[0].responses.create(model="m", input="400 0.05", background=True)
        for client in clients:
            assert (await client.responses.retrieve(created.id)).status in ("queued", "in_progress")
        heads: list[list[JSON]] = [[] for _ in clients]
        for client, head in zip(clients, heads, strict=True):
            await read(await client.responses.retrieve(created.id, stream=True), head, most=6)
        assert all(head[:6] == heads[0][:6] for head in heads)
        assert (await clients[1].responses.cancel(created.id)).status == "cancelled"
        for client in clients:
            assert (await client.responses.retrieve(created.id)).status == "cancelled"
        health = await service.health()
        assert health["background"]["leases"] == 0
