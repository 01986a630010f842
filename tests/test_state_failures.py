"""A store that fails while clients are served: answers are delivered, honestly, and it recovers by itself."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from responses_asgi import Gateway, RedisStore, ResponsesMiddleware, SQLiteStore, Upstream
from responses_asgi.stores.records import Records
from responses_asgi.testing import FakeModel
from tests.loopback import served
from tests.redis_server import redis_server

WORDS = "one two three"


class Fragile(NamedTuple):
    """A store; `failing` makes it fail for a block, in which it can still be `readable`."""

    store: Records
    failing: Callable[[], AbstractContextManager[None]]
    readable: bool


@pytest.fixture(params=["redis gone", "sqlite locked", "sqlite full"])
def fragile(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fragile]:
    path = tmp_path / "state.db"
    if request.param == "redis gone":
        with redis_server(persistent=True) as server:

            @contextmanager
            def gone() -> Iterator[None]:
                server.stop()
                yield
                server.start()

            yield Fragile(RedisStore(server.url, timeout=5), gone, readable=False)
        return

    begin, end = {
        "sqlite locked": ("BEGIN IMMEDIATE", "COMMIT"),
        "sqlite full": ("CREATE TABLE theirs AS SELECT zeroblob(2000000)", "DROP TABLE theirs"),
    }[request.param]

    @contextmanager
    def failing() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
            other.execute(begin)
            yield
            other.execute(end)

    yield Fragile(SQLiteStore(path, busy_timeout=0.2, max_bytes=1_000_000), failing, readable=True)


@asynccontextmanager
async def client_of(store: Records) -> AsyncIterator[tuple[httpx.AsyncClient, asyncio.Event]]:
    """A client of a service over this store, and what lets the model say more than its first word."""
    go_on = asyncio.Event()

    async def model(request: dict[str, Any]) -> AsyncIterator[str]:
        for word in ("one", " two", " three"):
            yield word
            await go_on.wait()

    app = ResponsesMiddleware(Upstream.handler(model), store=store)
    async with (
        served(app) as url,
        httpx.AsyncClient(base_url=f"{url}/v1", headers={"authorization": "Bearer sk"}, timeout=20) as client,
    ):
        yield client, go_on
    await app.aclose()


def asked(text: str, **more: Any) -> dict[str, Any]:
    # Larger than what may be left of a file that is full.
    return {"model": "m", "input": text + " " * 100_000, **more}


async def test_a_stream_is_delivered_whole_and_says_that_it_is_not_kept(fragile: Fragile) -> None:
    async with client_of(fragile.store) as (client, go_on):
        go_on.set()
        first = (await client.post("/responses", json=asked("first"))).json()
        go_on.clear()
        async with client.stream("POST", "/responses", json=asked("second", stream=True)) as answer:
            lines = answer.aiter_lines()
            await anext(lines)
            with fragile.failing():
                go_on.set()
                told = [json.loads(line[6:]) async for line in lines if line.startswith("data: ")]
                await while_it_fails(client, first["id"], readable=fragile.readable)
        last = told[-1]
        assert (last["type"], last["response"]["store"]) == ("response.completed", False)
        assert last["response"]["output"][0]["content"][0]["text"] == WORDS
        assert [event["sequence_number"] for event in told] == [*range(len(told))]
        await after_it_failed(client, first["id"], last["response"]["id"])


async def test_a_whole_answer_is_delivered_and_says_that_it_is_not_kept(fragile: Fragile) -> None:
    async with client_of(fragile.store) as (client, go_on):
        go_on.set()
        first = (await client.post("/responses", json=asked("first"))).json()
        with fragile.failing():
            answer = await client.post("/responses", json=asked("second"))
        assert (answer.status_code, answer.json()["store"]) == (200, False)
        assert answer.headers["x-responses-asgi-loss"] == "store;dropped"
        await after_it_failed(client, first["id"], answer.json()["id"])


async def while_it_fails(client: httpx.AsyncClient, id: str, *, readable: bool) -> None:
    """What cannot be read, and what cannot be begun, is a 503 in the shape of the API."""
    got = await client.get(f"/responses/{id}")
    assert got.status_code == (200 if readable else 503)
    for path, body in (
        ("/responses", asked("more", previous_response_id=id)),
        ("/conversations", {"metadata": {str(n): "x" * 500 for n in range(16)}}),
    ):
        answer = await client.post(path, json=body)
        if path == "/responses" and readable:
            assert (answer.status_code, answer.json()["store"]) == (200, False)
        elif answer.status_code != 200:
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
        else:
            # What is left of a full file may hold a small record.
            assert readable


async def after_it_failed(client: httpx.AsyncClient, kept: str, lost: str) -> None:
    """All is well without a restart, but for the answer that was not kept."""
    assert (await client.get(f"/responses/{kept}")).status_code == 200
    assert (await client.get(f"/responses/{lost}")).status_code == 404
    answer = await client.post("/responses", json=asked("third", previous_response_id=kept))
    assert (answer.status_code, answer.json()["store"]) == (200, True)
    assert (await client.get(f"/responses/{answer.json()['id']}")).json() == answer.json()


async def test_the_health_of_a_gateway_is_told_although_its_store_is_gone() -> None:
    with redis_server() as server:
        store = RedisStore(server.url, timeout=5)
        gateway = Gateway(Upstream.asgi(FakeModel("x")), store=store)
        async with served(gateway) as url, httpx.AsyncClient() as client:
            assert (await client.get(f"{url}/health")).json()["status"] == "ok"
            server.stop()
            got = await client.get(f"{url}/health")
            assert got.status_code == 200
            server.start()
        await gateway.aclose()
