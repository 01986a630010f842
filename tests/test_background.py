"""Background responses: created, read, streamed, resumed, cancelled, deleted and forgotten, in any store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, NotFoundError

import responses_asgi
from responses_asgi import (
    ChatCompletionsMiddleware,
    ConfigurationError,
    Gateway,
    MemoryStore,
    RedisStore,
    ResponsesMiddleware,
    SQLiteStore,
    Upstream,
)
from responses_asgi.background import BackgroundLimits
from responses_asgi.loss import LOSS_HEADER
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.testing import Error, FakeModel
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.json import JSON
from tests.background_driver import (
    KEY,
    LIMITS,
    WORDS,
    Model,
    Service,
    assert_whole,
    events_of,
    eventually,
    output_text,
    serving,
    text_of,
)
from tests.loopback import reply
from tests.redis_server import BINARY, RedisServer, redis_server

STORES = [
    "memory",
    "sqlite",
    pytest.param("redis", marks=pytest.mark.skipif(BINARY is None, reason="no redis")),
]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BackgroundStore:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        return RedisStore(server.url, prefix=tmp_path.name)
    return MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "state.db")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def service(model: Model, store: BackgroundStore) -> AsyncIterator[Service]:
    async with serving(model, store) as service:
        yield service


# As the SDK does it


async def test_the_life_of_a_response(service: Service, model: Model) -> None:
    client = responses_asgi.client(service.app, api_key=KEY)
    created = await client.responses.create(model="m", input="Hi", background=True)
    assert (created.status, created.background, created.output) == ("queued", True, [])
    await eventually(lambda: is_status(service, created.id, "in_progress"))
    await model.let()
    read = await service_ended(client, created.id)
    assert (read.status, read.output_text) == ("completed", "".join(WORDS))
    assert (read.created_at, read.background, read.error) == (created.created_at, True, None)
    assert (await client.responses.cancel(created.id)).status == "completed"
    listed = await client.responses.input_items.list(created.id)
    assert [item.type for item in listed.data] == ["message"]
    continued = await client.responses.create(model="m", input="And?", previous_response_id=created.id)
    assert continued.previous_response_id == created.id
    assert [message["role"] for message in model.requests[1]["messages"]] == ["user", "assistant", "user"]


async def test_a_stream_that_is_left_and_resumed(service: Service, model: Model) -> None:
    client = responses_asgi.client(service.app, api_key=KEY)
    await model.let(3)
    seen: list[Any] = []
    async with await client.responses.create(model="m", input="Hi", background=True, stream=True) as stream:
        async for event in stream:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
    id, number = seen[0].response.id, seen[-1].sequence_number
    assert (await client.responses.retrieve(id)).status == "in_progress"
    await model.let()
    async with await client.responses.retrieve(id, stream=True, starting_after=number) as stream:
        seen += [event async for event in stream]
    assert [event.sequence_number for event in seen] == [*range(len(seen))]
    deltas = [event.delta for event in seen if event.type == "response.output_text.delta"]
    assert "".join(deltas) == "".join(WORDS)
    assert seen[-1].response.output_text == "".join(WORDS)
    assert_whole(await service.events(id))


async def test_a_response_is_cancelled(service: Service, model: Model) -> None:
    client = responses_asgi.client(service.app, api_key=KEY)
    await model.let(3)
    created = await client.responses.create(model="m", input="Hi", background=True)
    watching = asyncio.create_task(service.events(created.id))
    await eventually(lambda: has_said(service, created.id, 3))
    cancelled = await client.responses.cancel(created.id)
    assert (cancelled.status, cancelled.error) == ("cancelled", None)
    assert cancelled.output_text == "".join(WORDS[:3])
    assert model.ended == 1
    response = assert_whole(await watching)
    assert (response["status"], response["error"]["code"]) == ("failed", "cancelled")
    assert (await client.responses.cancel(created.id)) == cancelled
    with pytest.raises(APIError, match="cancelled"):
        [event async for event in await client.responses.retrieve(created.id, stream=True)]
    await client.responses.delete(created.id)
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(created.id)


# Queued, running, ended


async def test_what_waits_is_queued_then_made_in_turn(model: Model, store: BackgroundStore) -> None:
    async with serving(model, store, limits={"running": 1}) as service:
        first, second, third = [await service.create() for _ in range(3)]
        assert (await service.get(first["id"]))["status"] == "in_progress"
        assert (await service.get(second["id"]))["status"] == "queued"
        opening = await head_of(service, second["id"], 2)
        assert [event["type"] for event in opening] == ["response.created", "response.queued"]
        assert [event["response"]["status"] for event in opening] == ["queued", "queued"]
        cancelled = await service.cancel(second["id"])
        assert (cancelled["status"], cancelled["output"]) == ("cancelled", [])
        assert [event["type"] for event in await service.events(second["id"])] == [
            *("response.created", "response.queued", "response.in_progress", "error", "response.failed")
        ]
        assert len(model.requests) == 1
        await model.let()
        for one in (first, third):
            assert (await service.ended(one["id"]))["status"] == "completed"
            assert_whole(await service.events(one["id"]))
        assert len(model.requests) == 2


async def test_more_than_may_wait_are_refused(model: Model) -> None:
    async with serving(model, MemoryStore(), limits={"running": 1, "queued": 2}) as service:
        body = {"model": "m", "input": "Hi", "background": True}
        answers = await asyncio.gather(*(service.ask("POST", "/responses", body) for _ in range(10)))
        assert sorted(got.status for got in answers) == [200] * 3 + [429] * 7
        refused = next(got for got in answers if got.status == 429)
        assert refused.code == "rate_limit_exceeded"
        assert refused.headers["retry-after"] == "5"
        await model.let()
        for got in answers:
            if got.status == 200:
                assert (await service.ended(got.json()["id"]))["status"] == "completed"
        assert (await service.create())["status"] == "queued"


async def test_large_requests_that_wait_are_refused(model: Model) -> None:
    async with serving(model, MemoryStore(), limits={"running": 1, "queued_bytes": 5_000}) as service:
        large = {"model": "m", "input": "x" * 4_000, "background": True}
        statuses = [(await service.ask("POST", "/responses", large)).status for _ in range(3)]
        # The first does not wait, however large it is.
        assert statuses == [200, 200, 429]
        await model.let()


async def test_the_answer_tells_what_is_lost(store: BackgroundStore, model: Model) -> None:
    async with serving(model, store) as service:
        await model.let()
        body = {"model": "m", "input": "Hi", "background": True, "truncation": "auto"}
        for stream in (False, True):
            got = await service.ask("POST", "/responses", {**body, "stream": stream})
            assert "truncation" in got.headers[LOSS_HEADER]
    async with serving(model, store, strict=True) as service:
        got = await service.ask("POST", "/responses", body)
        assert (got.status, got.json()["error"]["param"]) == (400, "truncation")
    async with serving(model, store, loss_header=False) as service:
        assert LOSS_HEADER not in (await service.ask("POST", "/responses", body)).headers


async def test_an_upstream_that_refuses_fails_the_response(store: BackgroundStore) -> None:
    async with serving(Upstream.asgi(FakeModel(Error(429, "Slow down."))), store) as service:
        created = await service.create()
        response = await service.ended(created["id"])
        assert (response["status"], response["error"]["message"]) == ("failed", "Slow down.")
        assert response["error"]["code"] == "rate_limit_exceeded"
        assert assert_whole(await service.events(created["id"])) == response


async def test_a_model_that_bursts_fails_the_response(
    store: BackgroundStore, caplog: pytest.LogCaptureFixture
) -> None:
    async def bursting(request: JSON) -> AsyncIterator[str]:
        yield "Hel"
        raise LookupError("burst")

    async with serving(bursting, store) as service:
        created = await service.create()
        response = await service.ended(created["id"])
        assert (response["status"], output_text(response)) == ("failed", "Hel")
        assert assert_whole(await service.events(created["id"])) == response
        assert "burst" not in str(response["error"])


async def test_the_next_upstream_is_asked_in_the_background_too(store: BackgroundStore) -> None:
    failing, good = FakeModel(Error(503)), FakeModel("Here I am.")
    gateway = Gateway(
        {"m": [Upstream.asgi(failing), Upstream.asgi(good)]},
        store=store,
        background=BackgroundLimits(**LIMITS),
    )
    service = Service(gateway)
    created = await service.create()
    response = await service.ended(created["id"])
    assert (response["status"], output_text(response)) == ("completed", "Here I am.")
    assert response["created_at"] == created["created_at"]
    assert_whole(await service.events(created["id"]))
    health = (await Service(gateway, base="").ask("GET", "/health")).json()
    assert health["background"] == {"running": 0, "queued": 0, "leases": 0}
    await gateway.aclose()


async def test_in_front_of_an_upstream_that_keeps_nothing(store: BackgroundStore) -> None:
    """It speaks Responses, with ids and times of its own; the client knows only those it was told first."""
    upstream = Upstream.asgi(FakeModel("It is sunny."), api="responses")
    async with serving(upstream, store) as service:
        created = await service.create()
        response = await service.ended(created["id"])
        assert output_text(response) == "It is sunny."
        events = await service.events(created["id"])
        assert assert_whole(events) == response
        told = [event["response"] for event in events if "response" in event]
        assert {(each["id"], each["created_at"], each["background"]) for each in told} == {
            (created["id"], created["created_at"], True)
        }


# What came before, and what comes after


async def test_a_response_that_is_being_made_cannot_be_continued(service: Service, model: Model) -> None:
    created = await service.create()
    body = {"model": "m", "input": "And?", "previous_response_id": created["id"]}
    got = await service.ask("POST", "/responses", body)
    assert (got.status, got.code) == (409, "response_in_progress")
    assert got.json()["error"]["param"] == "previous_response_id"
    items = (await service.ask("GET", f"/responses/{created['id']}/input_items")).json()
    assert len(items["data"]) == 1
    await model.let()
    await service.ended(created["id"])
    assert (await service.ask("POST", "/responses", body)).status == 200


async def test_a_conversation_gets_the_turn_once(service: Service, model: Model) -> None:
    conversation = (await service.ask("POST", "/conversations", {})).json()["id"]
    await model.let()
    created = await service.create(conversation=conversation)
    response = await service.ended(created["id"])
    assert response["conversation"] == {"id": conversation}
    items = (await service.ask("GET", f"/conversations/{conversation}/items", query="order=asc")).json()
    assert [item["role"] for item in items["data"]] == ["user", "assistant"]


async def test_a_cancelled_turn_leaves_what_was_said_in_its_conversation(
    service: Service, model: Model
) -> None:
    conversation = (await service.ask("POST", "/conversations", {})).json()["id"]
    await model.let(2)
    created = await service.create(conversation=conversation)
    await eventually(lambda: has_said(service, created["id"], 2))
    await service.cancel(created["id"])
    items = (await service.ask("GET", f"/conversations/{conversation}/items", query="order=asc")).json()
    assert [item["content"][0]["text"] for item in items["data"]] == ["Hi", "".join(WORDS[:2])]


async def test_a_response_that_is_being_made_is_deleted(service: Service, model: Model) -> None:
    await model.let(2)
    created = await service.create()
    await eventually(lambda: has_said(service, created["id"], 2))
    got = await service.ask("DELETE", f"/responses/{created['id']}")
    assert (got.status, got.json()["deleted"]) == (200, True)
    assert model.ended == 1
    for path in ("", "/cancel", "/input_items"):
        method = "POST" if path == "/cancel" else "GET"
        assert (await service.ask(method, f"/responses/{created['id']}{path}")).status == 404
    await asyncio.sleep(0.2)
    assert (await service.ask("GET", f"/responses/{created['id']}")).status == 404


async def test_another_owner_sees_nothing_of_it(service: Service, model: Model) -> None:
    created = await service.create()
    for method, path in (("GET", ""), ("POST", "/cancel"), ("DELETE", "")):
        got = await service.ask(method, f"/responses/{created['id']}{path}", key="sk-other")
        assert got.status == 404
    got = await service.ask("GET", f"/responses/{created['id']}", key="sk-other", query="stream=true")
    assert got.status == 404
    await model.let()
    assert (await service.ended(created["id"]))["status"] == "completed"


async def test_events_are_kept_for_a_while_and_then_made_of_the_response(
    model: Model, store: BackgroundStore
) -> None:
    await model.let()
    async with serving(model, store, limits={"retention": 0.2}) as service:
        created = await service.create()
        await service.ended(created["id"])
        assert len(await service.events(created["id"])) > len(WORDS)

        async def is_forgotten() -> bool:
            query = "stream=true&starting_after=4"
            got = await service.ask("GET", f"/responses/{created['id']}", query=query)
            return got.status == 400 and got.code == "events_expired"

        await eventually(is_forgotten)
        events = await service.events(created["id"])
        assert output_text(assert_whole(events)) == text_of(events) == "".join(WORDS)


# What is refused


@pytest.mark.parametrize("stream", [False, True])
async def test_what_nobody_waits_for_must_be_kept(service: Service, stream: bool) -> None:
    body = {"model": "m", "input": "Hi", "background": True, "store": False, "stream": stream}
    got = await service.ask("POST", "/responses", body)
    assert (got.status, got.json()["error"]["param"]) == (400, "background")


class OnlyRecords:
    """A store of a user's own, over another."""

    def __init__(self) -> None:
        inner = MemoryStore()
        self.get, self.find, self.put = inner.get, inner.find, inner.put
        self.delete, self.list, self.aclose = inner.delete, inner.list, inner.aclose


@pytest.mark.parametrize("settings", [{"store": OnlyRecords()}, {"background": False}, {"store": None}])
async def test_a_service_that_cannot_says_so(settings: Any) -> None:
    service = Service(ResponsesMiddleware(Upstream.asgi(FakeModel("Hi")), **settings))
    got = await service.ask("POST", "/responses", {"model": "m", "input": "Hi", "background": True})
    assert (got.status, got.code) == (400, "unsupported_parameter")
    assert got.json()["error"]["param"] == "background"
    assert (await service.ask("POST", "/responses", {"model": "m", "input": "Hi"})).status == 200


async def test_an_upstream_of_ones_own_state_makes_them_itself() -> None:
    seen: list[JSON] = []

    async def upstream(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        await reply(send, {"id": "resp_1", "object": "response", "status": "queued", "background": True})

    service = Service(ResponsesMiddleware(Upstream.asgi(upstream, api="responses")))
    got = await service.ask("POST", "/responses", {"model": "m", "input": "Hi", "background": True})
    assert (got.status, got.json()["id"]) == (200, "resp_1")
    assert b'"background":true' in seen[0]["body"].replace(b" ", b"")


@pytest.mark.parametrize(
    "settings",
    [
        {"background": BackgroundLimits(), "store": None},
        {"background": BackgroundLimits(), "store": OnlyRecords()},
        {"webhooks": [responses_asgi.Webhook("https://a.example", ["s"])], "store": OnlyRecords()},
        {"webhooks": [responses_asgi.Webhook("https://a.example", ["s"])], "background": False},
    ],
)
@pytest.mark.parametrize("component", [ResponsesMiddleware, ChatCompletionsMiddleware, Gateway])
def test_settings_that_cannot_work(component: Any, settings: Any) -> None:
    with pytest.raises(ConfigurationError, match="background"):
        component(Upstream.asgi(FakeModel("Hi"), api="both"), **settings)


@pytest.mark.parametrize("name", ["running", "queued", "queued_bytes", "lease", "retention", "poll"])
def test_limits_above_zero(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be above 0"):
        BackgroundLimits(**{name: 0})


@pytest.mark.parametrize("name", ["drain", "flush"])
def test_limits_that_may_be_zero(name: str) -> None:
    assert BackgroundLimits(**{name: 0})
    with pytest.raises(ConfigurationError, match=f"{name} must not be negative"):
        BackgroundLimits(**{name: -0.1})


# A wrapped app that checks credentials


class House:
    """A Chat app that lets in one key."""

    def __init__(self, model: ASGIApp) -> None:
        self._model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and dict(scope["headers"]).get(b"authorization") != b"Bearer sk-mine":
            await reply(send, {"error": {"message": "Who are you?"}}, 401)
        else:
            await self._model(scope, receive, send)


async def test_an_owner_follows_a_response_before_the_app_has_let_it_in() -> None:
    let = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await let.wait()
        await FakeModel("Hello.")(scope, receive, send)

    component = ResponsesMiddleware(House(slow), background=BackgroundLimits(**LIMITS))
    service = Service(component)
    created = await service.create()
    assert (await service.get(created["id"]))["status"] in ("queued", "in_progress")
    assert (await service.ask("POST", "/conversations", {})).status == 401
    let.set()
    assert (await service.ended(created["id"]))["status"] == "completed"
    await component.aclose()


async def test_whoever_the_app_does_not_let_in_gets_a_failed_response() -> None:
    component = ResponsesMiddleware(House(FakeModel("Hello.")), background=BackgroundLimits(**LIMITS))
    service = Service(component)
    body = {"model": "m", "input": "Hi", "background": True, "stream": True}
    events = events_of(await service.ask("POST", "/responses", body, key="sk-wrong"))
    response = assert_whole(events)
    assert (response["status"], response["error"]["message"]) == ("failed", "Who are you?")
    got = await service.ask("GET", f"/responses/{response['id']}", key="sk-wrong")
    assert got.status == 401
    got = await service.ask("POST", "/conversations", {}, key="sk-wrong")
    assert got.status == 401
    await component.aclose()


async def test_the_dry_run_shows_what_would_be_asked(model: Model) -> None:
    gateway = Gateway({"*": Upstream.handler(model)})
    service = Service(gateway)
    got = await service.ask("POST", "/convert", {"model": "m", "input": "Hi", "background": True})
    assert got.status == 200
    assert "background" not in got.json()["request"]
    assert model.requests == []


# Start and stop


async def test_a_stop_lets_running_responses_end(model: Model, store: BackgroundStore) -> None:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving(model, store, limits={"drain": 20, "running": 1}))
        running, waiting = [(await service.create())["id"] for _ in range(2)]
        stopping = asyncio.create_task(service.app.aclose())  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        await model.let()
        await stopping
        assert (await service.get(running))["status"] == "completed"
        response = await service.get(waiting)
        assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
        assert assert_whole(await service.events(waiting)) == response
        assert len(model.requests) == 1


async def test_what_does_not_end_in_time_fails(model: Model, store: BackgroundStore) -> None:
    await model.let(2)
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(serving(model, store, limits={"drain": 0}))
        created = await service.create()
        await eventually(lambda: has_said(service, created["id"], 2))
        await service.app.aclose()  # type: ignore[attr-defined]
        response = await service.get(created["id"])
        assert (response["status"], response["error"]["message"]) == (
            "failed",
            "The service was stopped while it made this response.",
        )
        assert output_text(response) == "".join(WORDS[:2])
        assert assert_whole(await service.events(created["id"])) == response
        assert model.ended == 1


def test_a_loop_that_ends_without_a_word_ends_its_responses(tmp_path: Path) -> None:
    """Where a component is only mounted, nobody tells it of the end."""
    store = SQLiteStore(tmp_path / "state.db")
    component = ResponsesMiddleware(Upstream.handler(Model()), store=store)

    async def begin() -> str:
        return str((await Service(component).create())["id"])

    async def read(id: str) -> JSON:
        async with serving(Model(), SQLiteStore(tmp_path / "state.db")) as service:
            return await service.get(id)

    id = asyncio.run(begin())
    response = asyncio.run(read(id))
    assert (response["status"], response["error"]["code"]) == ("failed", "server_error")


async def test_two_loops_of_one_process_serve_the_same_responses(
    model: Model, store: BackgroundStore, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A response made in one is streamed and cancelled from the other."""
    if isinstance(store, MemoryStore):
        other: BackgroundStore = store
    elif isinstance(store, SQLiteStore):
        other = SQLiteStore(store.path)
    else:
        server: RedisServer = request.getfixturevalue("redis")
        other = RedisStore(server.url, prefix=tmp_path.name)
    await model.let(3)

    def elsewhere(id: str) -> tuple[JSON, list[JSON]]:
        async def cancel() -> tuple[JSON, list[JSON]]:
            async with serving(Model(), other) as service:
                tailing = asyncio.create_task(service.events(id))
                await asyncio.sleep(0.1)
                return await service.cancel(id), await tailing

        return asyncio.run(cancel())

    async with serving(model, store) as service:
        created = await service.create()
        await eventually(lambda: has_said(service, created["id"], 3))
        response, events = await asyncio.to_thread(elsewhere, created["id"])
        assert response["status"] == "cancelled"
        assert output_text(response) == text_of(events) == "".join(WORDS[:3])
        assert_whole(events)


async def test_a_response_knows_nothing_of_the_request_that_created_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from contextvars import ContextVar

    variable = ContextVar("variable", default="nothing")
    seen: list[str] = []

    async def looking(request: JSON) -> str:
        seen.append(variable.get())
        return "Hi"

    async with serving(looking, MemoryStore()) as service:
        variable.set("the request's own")
        await service.ended((await service.create())["id"])
    assert seen == ["nothing"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


# What is waited for


async def is_status(service: Service, id: str, status: str) -> bool:
    return bool((await service.get(id))["status"] == status)


async def has_said(service: Service, id: str, words: int) -> bool:
    return len(await head_of(service, id)) >= 5 + words


async def head_of(service: Service, id: str, events: int = 0) -> list[JSON]:
    """What the stream of a response has now, `events` at least; then its reader leaves."""
    asked = service.asking("GET", f"/responses/{id}", query="stream=true")
    async with asyncio.timeout(10):
        while len(events_of(asked.got)) < max(events, 1):  # noqa: ASYNC110 - it has no event to set
            await asyncio.sleep(0.01)
    asked.leave()
    await asked.task
    return events_of(asked.got)


async def service_ended(client: Any, id: str) -> Any:
    async def has_ended() -> bool:
        return (await client.responses.retrieve(id)).status not in ("queued", "in_progress")

    await eventually(has_ended)
    return await client.responses.retrieve(id)
