"""Approvals are used once: forks of a chain, retries, earlier turns, the background, and what is not kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from responses_asgi import BackgroundLimits, Gateway, ResponsesMiddleware, Upstream
from responses_asgi.history.approvals import APPROVAL, KEPT_SECONDS, Approvals
from responses_asgi.stores import Records
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.redis import RedisStore
from responses_asgi.stores.sqlite import SQLiteStore
from responses_asgi.translate.rounds import HostedResult
from responses_asgi.types.json import JSON
from tests.asgi_driver import post
from tests.loopback import until
from tests.redis_server import redis_server
from tests.store_rules import Clock
from tests.tool_rounds import CALLED, PATHS, Add, Model, Sums, ask, body_of, bridge

ID = "mcpr_" + "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Records]:
    if request.param == "memory":
        yield MemoryStore()
        return
    made: Any = (
        SQLiteStore(tmp_path / "state.db")
        if request.param == "sqlite"
        else RedisStore(request.getfixturevalue("redis_url"))
    )
    yield made
    await made.aclose()


async def question(app: Any, **more: Any) -> tuple[JSON, JSON]:
    """A response that asks, and the item that agrees."""
    first = (await ask(app, "responses", **more)).json
    asked = first["output"][-1]
    assert asked["type"] == "mcp_approval_request"
    agreed = {"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": True}
    return first, agreed


def refusal(exchange: Any) -> JSON:
    assert exchange.status == 400
    error: JSON = exchange.json["error"]
    assert (error["type"], error["code"], error["param"]) == (
        "invalid_request_error",
        "approval_already_used",
        "input",
    )
    return error


async def test_of_forks_at_the_same_time_one_makes_the_call(store: Any) -> None:
    hosted, model = Sums(Add(approval=True)), Model(CALLED, "It is 5.", "It is 5.", "It is 5.")
    app = bridge("responses", "chat", model, hosted, store)
    first, agreed = await question(app)
    forks = await asyncio.gather(
        *(ask(app, "responses", input=[agreed], previous_response_id=first["id"]) for _ in range(3))
    )
    assert sorted(fork.status for fork in forks) == [200, 400, 400]
    assert hosted.tool.calls == [{"a": 2, "b": 3}]
    assert len(model.asked) == 2
    late = await ask(app, "responses", input=[agreed], previous_response_id=first["id"], stream=True)
    assert first["output"][-1]["id"] in refusal(late)["message"]
    assert len(hosted.tool.calls) == 1


async def test_the_first_fork_can_be_continued_and_the_question_asked_again() -> None:
    hosted = Sums(Add(approval=True))
    model = Model(CALLED, "It is 5.", "Five.", CALLED, "5 again.")
    app = bridge("responses", "chat", model, hosted, MemoryStore())
    first, agreed = await question(app)
    second = (await ask(app, "responses", input=[agreed], previous_response_id=first["id"])).json
    third = await ask(app, "responses", input="In words?", previous_response_id=second["id"])
    assert [item["type"] for item in third.json["output"]] == ["message"]
    fork, anew = await question(app, input="Try again.", previous_response_id=first["id"])
    again = await ask(app, "responses", input=[anew], previous_response_id=fork["id"])
    assert again.json["output"][0]["output"] == "5"
    assert len(hosted.tool.calls) == 2


async def test_one_that_was_refused_can_be_agreed_to_in_another_fork() -> None:
    hosted = Sums(Add(approval=True))
    app = bridge("responses", "chat", Model(CALLED, "Pity.", "It is 5."), hosted, MemoryStore())
    first, agreed = await question(app)
    for approve in (False, True):
        answer = {**agreed, "approve": approve}
        exchange = await ask(app, "responses", input=[answer], previous_response_id=first["id"])
        assert exchange.status == 200
    assert len(hosted.tool.calls) == 1


async def test_of_several_approvals_all_are_taken_or_none() -> None:
    hosted = Sums(Add(approval=True))
    app = bridge("responses", "chat", Model([*CALLED, *CALLED], "5", "5"), hosted, MemoryStore())
    first = (await ask(app, "responses")).json
    answers = [
        {"type": "mcp_approval_response", "approval_request_id": item["id"], "approve": True}
        for item in first["output"]
        if item["type"] == "mcp_approval_request"
    ]
    assert len(answers) == 2
    statuses = [
        (await ask(app, "responses", input=given, previous_response_id=first["id"])).status
        for given in (answers[1:], answers, answers[:1])
    ]
    assert statuses == [200, 400, 200]
    assert len(hosted.tool.calls) == 2


async def test_a_call_whose_end_is_not_known_is_not_made_again_by_a_later_turn() -> None:
    begun = asyncio.Event()

    async def wait(arguments: JSON) -> HostedResult:
        begun.set()
        return await asyncio.Future()

    hosted, model = Sums(Add(approval=True, run=wait)), Model(CALLED, "I do not know.")
    store = MemoryStore()
    app = bridge("responses", "chat", model, hosted, store)
    first, agreed = await question(app)
    body = body_of("responses", stream=True, input=[agreed], previous_response_id=first["id"])
    conversation = [{"role": "user", "content": "?"}, *first["output"], agreed]
    exchange = post(app, body, path=PATHS["responses"]).start()
    await asyncio.wait_for(begun.wait(), 30)
    exchange.left.set()
    await exchange.end()
    # As a turn that has kept the approval, and not what came of it.
    kept = (await ask(bridge("responses", "chat", Model("Hm."), None, store), "responses", tools=[])).json
    await keep_items(store, kept["id"], conversation)
    later = (await ask(app, "responses", input="And?", previous_response_id=kept["id"])).json
    call = next(item for item in later["output"] if item["type"] == "mcp_call")
    assert call["status"] == "failed"
    assert "begun by an earlier request" in str(call["error"])
    assert later["output"][-1]["content"][0]["text"] == "I do not know."
    assert len(hosted.tool.calls) == 1


async def keep_items(store: MemoryStore, id: str, items: list[JSON]) -> None:
    """Let these items be the input of a stored response."""
    record = await store.get("response", "", id)
    assert record is not None
    data = json.loads(record.data)
    data |= {"input": items, "input_ids": [item.get("id") or f"x_{at}" for at, item in enumerate(items)]}
    await store.put(replace(record, data=json.dumps(data).encode()))


async def test_what_is_kept_is_what_was_agreed_to() -> None:
    hosted = Sums(Add(approval=True))
    app = bridge("responses", "chat", Model(CALLED, "5"), hosted, MemoryStore())
    first, agreed = await question(app)
    forged = {**first["output"][-1], "arguments": '{"a":666,"b":0}'}
    exchange = await ask(app, "responses", input=[forged, agreed], previous_response_id=first["id"])
    assert exchange.status == 200
    assert hosted.tool.calls == [{"a": 2, "b": 3}]


@pytest.mark.parametrize("kept", [True, False])
async def test_a_carried_question_is_used_up_where_the_request_is_kept(kept: bool) -> None:
    hosted, store = Sums(Add(approval=True)), MemoryStore()
    app = bridge("responses", "chat", Model(CALLED, "5", "5"), hosted, store)
    first, agreed = await question(app)
    items = [first["output"][-1], agreed]
    statuses = [(await ask(app, "responses", input=items, store=kept)).status for _ in range(2)]
    assert statuses == ([200, 400] if kept else [200, 200])
    assert (await store.get(APPROVAL, "", agreed["approval_request_id"]) is not None) is kept


async def test_one_that_is_not_accepted_for_the_background_can_be_agreed_to_again() -> None:
    go_on = asyncio.Event()

    async def says(request: JSON) -> AsyncIterator[Any]:
        if any(message["role"] == "tool" for message in request["messages"]) or request.get("temperature"):
            await go_on.wait()
            yield "Done."
        else:
            for piece in CALLED:
                yield piece

    hosted = Sums(Add(approval=True))
    component = ResponsesMiddleware(
        Upstream.handler(says),
        hosted=hosted,  # type: ignore[arg-type]  # what an exchange needs of it
        store=MemoryStore(),
        background=BackgroundLimits(running=1, queued=1),
    )

    async def send(**more: Any) -> Any:
        return await post(component, body_of("responses", stream=False, **more), path="/v1/responses").run()

    first = (await send()).json
    agreed = {"type": "mcp_approval_response", "approve": True}
    agreed["approval_request_id"] = first["output"][-1]["id"]
    for _ in range(2):
        assert (await send(background=True, temperature=1)).status == 200
    about: Any = {"input": [agreed], "previous_response_id": first["id"], "background": True}
    assert (await send(**about)).status == 429
    go_on.set()

    async def accepted() -> bool:
        return (await send(**about)).status == 200

    for _ in range(600):
        if await accepted():
            break
        await asyncio.sleep(0.05)
    await until(lambda: len(hosted.tool.calls) == 1, 30)
    assert (await send(**about)).json["error"]["code"] == "approval_already_used"
    await component.aclose()


async def test_a_dry_run_uses_no_approval() -> None:
    hosted = Sums(Add(approval=True))
    gateway = Gateway(
        {"m": Upstream.handler(Model(CALLED, "5"))},
        hosted=hosted,  # type: ignore[arg-type]  # what an exchange needs of it
        store=MemoryStore(),
    )
    first, agreed = await question(gateway)
    about = {"input": [agreed], "previous_response_id": first["id"]}
    for path, status in (
        ("/convert", 200),
        ("/convert", 200),
        ("/v1/responses", 200),
        ("/v1/responses", 400),
    ):
        exchange = await post(gateway, body_of("responses", stream=False, **about), path=path).run()
        assert exchange.status == status, exchange.body
    assert len(hosted.tool.calls) == 1
    await gateway.aclose()


async def test_how_long_it_is_known() -> None:
    clock = Clock()
    store = MemoryStore(ttl=10.0, clock=clock)
    approvals = Approvals(store, "ann", ttl=20.0)
    assert [await approvals.take(ID) for _ in range(2)] == [True, False]
    assert await Approvals(store, "bob").take(ID)
    await clock.wait(KEPT_SECONDS - 1)
    assert not await approvals.take(ID)
    await clock.wait(2)
    assert await approvals.take(ID)
    await approvals.give_back([ID])
    await approvals.give_back([])
    assert await approvals.take(ID)


async def test_ids_that_anybody_may_have_written_are_not_kept() -> None:
    store = MemoryStore()
    nobody, ann = Approvals(store, ""), Approvals(store, "ann")
    assert [await nobody.take("mcpr_1") for _ in range(2)] == [True, True]
    assert [await ann.take("mcpr_1") for _ in range(2)] == [True, False]
    assert await ann.take("x" * 100_000)
