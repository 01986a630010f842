"""Responses that nothing was said of are begun again by another worker, where that is wanted."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi import FastAPI, Request

from responses_asgi import Gateway, Hosted, MemoryStore, ResponsesMiddleware, Upstream
from responses_asgi.background import BackgroundLimits
from responses_asgi.background.again import MOST_ATTEMPTS
from responses_asgi.background.keeping import JOB, KIND
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.types.json import JSON, loads
from tests.background_driver import (
    KEY,
    LEASE,
    LIMITS,
    WORDS,
    Model,
    Service,
    assert_whole,
    eventually,
    output_text,
    serving,
)
from tests.loopback import Asked, until
from tests.test_background_crash import Mortal

AGAIN = {"rerun": True}


async def dies_with(
    stack: AsyncExitStack,
    store: BackgroundStore,
    model: Model,
    *,
    limits: Any = AGAIN,
    hosted: Hosted | None = None,
    **fields: Any,
) -> JSON:
    """A response that a worker has begun which is dead now."""
    mortal = Mortal(store, None, carried_out=True)
    service = await stack.enter_async_context(serving(model, mortal, limits=limits, hosted=hosted))
    created = await service.create(**fields)
    await until(lambda: model.requests)
    mortal.dead.set()
    stack.callback(mortal.bury)
    return created


async def test_a_response_that_nothing_was_said_of_is_begun_again() -> None:
    store, first, second = MemoryStore(), Model(), Model(free=True)
    async with AsyncExitStack() as stack:
        created = await dies_with(stack, store, first)
        other = await stack.enter_async_context(serving(second, store, limits=AGAIN))
        await other.create()
        response = await other.ended(created["id"])
        assert (response["status"], output_text(response)) == ("completed", "".join(WORDS))
        assert response["created_at"] == created["created_at"]
        assert assert_whole(await other.events(created["id"])) == response
        assert second.requests[0]["messages"] == first.requests[0]["messages"]
        await eventually(lambda: is_tidy(store))
        assert await store.list(JOB, "") == []


async def is_tidy(store: BackgroundStore) -> bool:
    return await store.leases.count(KIND) == 0


async def test_one_that_something_was_said_of_fails() -> None:
    store, second = MemoryStore(), Model(free=True)
    async with AsyncExitStack() as stack:
        mortal = Mortal(store, None, carried_out=True)
        first = Model()
        await first.let(1)
        service = await stack.enter_async_context(serving(first, mortal, limits=AGAIN))
        created = await service.create()

        async def has_said() -> bool:
            page = await store.events.read(created["id"])
            return page is not None and b"output_text.delta" in b"".join(event.data for event in page.events)

        await eventually(has_said)
        mortal.dead.set()
        stack.callback(mortal.bury)
        other = await stack.enter_async_context(serving(second, store, limits=AGAIN))
        await other.create()
        response = await other.ended(created["id"])
        assert (response["status"], output_text(response)) == ("failed", WORDS[0])
        assert assert_whole(await other.events(created["id"])) == response
        assert len(second.requests) == 1


async def test_nothing_is_begun_again_unless_that_is_wanted() -> None:
    store, second = MemoryStore(), Model(free=True)
    async with AsyncExitStack() as stack:
        created = await dies_with(stack, store, Model(), limits={})
        assert await store.list(JOB, "") == []
        other = await stack.enter_async_context(serving(second, store, limits=AGAIN))
        await other.create()
        assert (await other.ended(created["id"]))["status"] == "failed"
        assert len(second.requests) == 1


async def test_what_may_use_tools_of_the_service_is_not_begun_again() -> None:
    """They may be at work before anything is logged."""

    def look_up(name: str) -> str:
        return name

    store, second = MemoryStore(), Model(free=True)
    async with AsyncExitStack() as stack:
        created = await dies_with(stack, store, Model(), hosted=Hosted(tools=[look_up], always=True))
        assert await store.list(JOB, "") == []
        other = await stack.enter_async_context(serving(second, store, limits=AGAIN))
        await other.create()
        assert (await other.ended(created["id"]))["status"] == "failed"
        assert len(second.requests) == 1


async def test_a_request_that_ends_its_workers_is_not_begun_for_ever() -> None:
    store = MemoryStore()
    async with AsyncExitStack() as stack:
        created = await dies_with(stack, store, Model())
        begun = 1
        while begun < MOST_ATTEMPTS:
            model = Model()
            mortal = Mortal(store, None, carried_out=True)
            service = await stack.enter_async_context(serving(model, mortal, limits=AGAIN))
            # So that the worker looks about.
            await service.create(input="Who are you?")
            await until(lambda model=model: "Hi" in asked_of(model), LEASE + 10)
            mortal.dead.set()
            stack.callback(mortal.bury)
            begun += 1
        last = Model(free=True)
        other = await stack.enter_async_context(serving(last, store, limits=AGAIN))
        await other.create(input="Who are you?")
        assert (await other.ended(created["id"]))["status"] == "failed"
        assert "Hi" not in asked_of(last)


def asked_of(model: Model) -> list[str]:
    return [request["messages"][-1]["content"] for request in model.requests]


async def test_one_that_somebody_has_cancelled_is_cancelled() -> None:
    store, second = MemoryStore(), Model(free=True)
    async with AsyncExitStack() as stack:
        created = await dies_with(stack, store, Model())
        other = await stack.enter_async_context(serving(second, store, limits=AGAIN))
        assert (await other.cancel(created["id"]))["status"] == "cancelled"
        assert second.requests == []


async def test_a_model_that_is_no_longer_offered() -> None:
    store, first = MemoryStore(), Model()
    async with AsyncExitStack() as stack:
        created = await dies_with(stack, store, first)
        gateway = Gateway(
            {"other": Upstream.handler(Model(free=True))},
            store=store,
            background=BackgroundLimits(**LIMITS, **AGAIN),
        )
        stack.push_async_callback(gateway.aclose)
        service = Service(gateway)
        await service.create(model="other")
        response = await service.ended(created["id"])
        assert (response["status"], response["error"]["code"]) == ("failed", "model_not_found")
        assert_whole(await service.events(created["id"]))


async def test_where_there_is_no_room_it_fails() -> None:
    store, second = MemoryStore(), Model()
    async with AsyncExitStack() as stack:
        created = await dies_with(stack, store, Model())
        limits = {**AGAIN, "running": 1, "queued": 1}
        other = await stack.enter_async_context(serving(second, store, limits=limits))
        for _ in range(2):
            await other.create()
        assert (await other.ended(created["id"]))["status"] == "failed"
        await second.let()


async def test_a_stop_leaves_to_others_what_nothing_was_said_of() -> None:
    """They need not wait for the lease, which would last for a minute here."""
    store, first, second = MemoryStore(), Model(), Model(free=True)
    limits = {**AGAIN, "lease": 60, "running": 1, "drain": 0.1}
    async with AsyncExitStack() as stack:
        stopping = await stack.enter_async_context(serving(first, store, limits=limits))
        running, waiting = [(await stopping.create())["id"] for _ in range(2)]
        await until(lambda: first.requests)
        await stopping.app.aclose()  # type: ignore[attr-defined]
        assert first.ended == 1
        other = await stack.enter_async_context(serving(second, store, limits=limits))
        await other.create()
        for id in (running, waiting):
            response = await other.ended(id)
            assert (response["status"], output_text(response)) == ("completed", "".join(WORDS))
            assert assert_whole(await other.events(id)) == response


# What is kept of a request


async def test_no_credential_is_kept() -> None:
    store, model = MemoryStore(), Model()
    async with serving(model, store, limits=AGAIN) as service:
        headers = [
            ("authorization", f"Bearer {KEY}"),
            ("api-key", "sk-azure"),
            ("cookie", "session=sk-cookie"),
            ("x-forwarded-user", "sk-user"),
            ("x-request-id", "req-1"),
        ]
        body = {"model": "m", "input": "Hi", "background": True}
        got = await Asked(service.app, "/v1/responses", body, headers=headers, query="key=sk-query").result()
        assert got.status == 200
        (record,) = await store.list(JOB, "")
        assert b"sk-" not in record.data
        assert b"session" not in record.data
        assert loads(record.data)["scope"]["headers"] == [["x-request-id", "req-1"]]
        await model.let()
        await eventually(lambda: is_tidy(store))


@pytest.mark.parametrize("secret", [{"authorization": "sk-tool"}, {"headers": {"x-key": "sk-tool"}}])
async def test_a_request_with_credentials_in_its_tools_is_not_kept(secret: JSON) -> None:
    store, model = MemoryStore(), Model(free=True)
    async with serving(model, store, limits=AGAIN) as service:
        tool = {"type": "mcp", "server_label": "s", "server_url": "https://s.example", **secret}
        created = await service.create(tools=[tool])
        assert await store.list(JOB, "") == []
        await service.ended(created["id"])


async def test_an_app_finds_itself_in_the_scope_again() -> None:
    """Starlette's apps look for themselves there, and for what their lifespan has made."""
    store = MemoryStore()
    seen: list[Any] = []

    def make(say: asyncio.Event) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> JSON:
            seen.append(request.app is app)
            await say.wait()
            message = {"role": "assistant", "content": "Hello."}
            return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

        return app

    silent, speaking = make(asyncio.Event()), make(said := asyncio.Event())
    said.set()
    mortal = Mortal(store, None, carried_out=True)
    limits = BackgroundLimits(**LIMITS, **AGAIN)
    silent.add_middleware(ResponsesMiddleware, store=mortal, background=limits)
    speaking.add_middleware(ResponsesMiddleware, store=store, background=limits)
    first, second = Service(silent), Service(speaking)
    created = await first.create()
    await until(lambda: seen)
    mortal.dead.set()
    async with speaking.router.lifespan_context(speaking):
        await started(speaking)
        await second.ask("POST", "/responses", {"model": "m", "input": "Hi"})
        await second.create()
        response = await second.ended(created["id"])
        assert output_text(response) == "Hello."
    mortal.bury()
    assert seen == [True] * 4


async def started(app: Any) -> None:
    """Have the app told of its start, as a server does."""
    messages = [{"type": "lifespan.startup"}]
    told = asyncio.Event()

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.Future()

    async def send(message: Any) -> None:
        told.set()

    task = asyncio.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
    await told.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
