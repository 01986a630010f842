"""What is kept, over every store: responses, conversations and their items, chat completions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from responses_asgi.errors import APIError, InvalidRequestError, VersionConflictError
from responses_asgi.history import State
from responses_asgi.history.conversations import CONVERSATION, ITEM
from responses_asgi.history.pages import Order, Query
from responses_asgi.owners import Owners
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.records import Records
from responses_asgi.stores.sqlite import SQLiteStore
from tests.history_turns import ANN, BOB, answered, chatted, completion, said, state_of, user

OLDEST = Query(order="asc", limit=100)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Records]:
    made: Records = MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "state.db")
    yield made
    await made.aclose()


@pytest.fixture
def state(store: Records) -> State:
    return state_of(store)


async def missed(asked: Any) -> APIError:
    with pytest.raises(APIError) as raised:
        await asked
    return raised.value


def texts(data: list[dict[str, Any]]) -> list[str]:
    return [part["text"] for item in data for part in item["content"]]


# Responses


async def test_input_items_are_listed_in_both_orders(state: State) -> None:
    given = [user(str(i)) for i in range(250)]
    id = await answered(state, said("Hey", "msg_out"), input=given)
    stored = await state.kept.responses.load(ANN, id)
    assert stored is not None
    for order in ("asc", "desc"):
        found: list[str] = []
        after = None
        while True:
            page = stored.input_items(Query(after, 100, order))
            found += texts(page.data)
            after = page.body()["last_id"]
            if not page.has_more:
                break
        assert found == [str(i) for i in (range(250) if order == "asc" else reversed(range(250)))]


async def test_a_deleted_response_is_gone_with_its_items(state: State) -> None:
    responses = state.kept.responses
    id = await answered(state, said("Hey", "msg_1"), input="Hi")
    assert (await responses.find_item(ANN, "msg_1")) is not None
    assert not await responses.delete(BOB, id)
    assert await responses.delete(ANN, id)
    assert not await responses.delete(ANN, id)
    assert not await responses.delete(ANN, "r" * 1_000_000)
    assert await responses.load(ANN, id) is None
    assert await responses.find_item(ANN, "msg_1") is None
    assert await responses.find_item(ANN, "m" * 1_000_000) is None


async def test_a_response_that_is_kept_anew_replaces_the_old_one(state: State) -> None:
    id = await answered(state, said("Hey", "msg_1"), input="Hi")
    stored = await state.kept.responses.load(ANN, id)
    assert stored is not None
    await state.kept.responses.keep(ANN, stored)
    again = await state.kept.responses.load(ANN, id)
    assert again == stored


# Conversations


async def test_a_conversation_is_made_changed_and_deleted(state: State) -> None:
    conversations = state.kept.conversations
    made = await conversations.create(ANN, [user("Hi")], {"topic": "demo"})
    id = made["id"]
    assert id.startswith("conv_")
    assert made == await conversations.get(ANN, id)
    assert made["object"] == "conversation"
    assert made["metadata"] == {"topic": "demo"}
    assert isinstance(made["created_at"], int)
    changed = await conversations.update(ANN, id, {"topic": "other"})
    assert changed == {**made, "metadata": {"topic": "other"}} == await conversations.get(ANN, id)
    deleted = await conversations.delete(ANN, id)
    assert deleted == {"id": id, "object": "conversation.deleted", "deleted": True}
    assert (await missed(conversations.get(ANN, id))).status == 404
    assert list(await state.store.list(ITEM, ANN)) == []  # type: ignore[union-attr]  # it has a store


async def test_items_are_added_listed_found_and_deleted(state: State) -> None:
    conversations = state.kept.conversations
    id = (await conversations.create(ANN, [user("0")]))["id"]
    for start in range(1, 241, 20):
        added = await conversations.add(ANN, id, [user(str(i)) for i in range(start, start + 20)])
        assert (len(added.data), added.has_more) == (20, False)
    orders: list[Order] = ["asc", "desc"]
    for order in orders:
        found: list[str] = []
        after = None
        while True:
            page = await conversations.list(ANN, id, Query(after, 100, order))
            found += texts(page.data)
            after = page.body()["last_id"]
            if not page.has_more:
                break
        assert found == [str(i) for i in (range(241) if order == "asc" else reversed(range(241)))]
    last = (await conversations.list(ANN, id, Query(limit=1))).data[0]
    assert await conversations.item(ANN, id, last["id"]) == last
    assert (await conversations.delete_item(ANN, id, last["id"]))["id"] == id
    for asked in (
        conversations.item(ANN, id, last["id"]),
        conversations.item(ANN, id, "m" * 1_000_000),
        conversations.delete_item(ANN, id, last["id"]),
        conversations.delete_item(ANN, id, "m" * 1_000_000),
    ):
        error = await missed(asked)
        assert (error.status, error.code) == (404, "item_not_found")
    assert texts((await conversations.list(ANN, id, Query(limit=1))).data) == ["239"]
    assert (await conversations.delete(ANN, id))["deleted"]


async def test_deleting_one_conversation_leaves_the_others_items(state: State) -> None:
    conversations = state.kept.conversations
    shared = {**user("Shared."), "id": "msg_1"}
    one = (await conversations.create(ANN, [shared]))["id"]
    other = (await conversations.create(ANN, [shared]))["id"]
    await conversations.delete(ANN, one)
    assert (await conversations.item(ANN, other, "msg_1"))["id"] == "msg_1"
    assert await conversations.find_item(ANN, "msg_1") is not None
    assert await conversations.find_item(BOB, "msg_1") is None


async def test_conversations_of_others_are_not_there(state: State) -> None:
    conversations = state.kept.conversations
    id = (await conversations.create(ANN, [{**user("Hi"), "id": "msg_1"}]))["id"]
    for asked in (
        conversations.get(BOB, id),
        conversations.update(BOB, id, {}),
        conversations.delete(BOB, id),
        conversations.add(BOB, id, []),
        conversations.list(BOB, id, OLDEST),
        conversations.item(BOB, id, "msg_1"),
        conversations.delete_item("", id, "msg_1"),
        conversations.get(ANN, "c" * 1_000_000),
    ):
        error = await missed(asked)
        assert (error.status, error.code) == (404, "conversation_not_found")


async def test_wrong_cursors_are_told(state: State) -> None:
    conversations = state.kept.conversations
    id = (await conversations.create(ANN, [user("Hi")]))["id"]
    other = (await conversations.create(ANN, [{**user("Hi"), "id": "msg_other"}]))["id"]
    assert other != id
    for after in ("msg_other", "nothing", "m" * 1_000_000):
        error = await missed(conversations.list(ANN, id, Query(after)))
        assert (error.status, error.param) == (400, "after")


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([user("x")] * 21, "items"),
        (["Hi"], "items[0]"),
        ([user("x"), {"role": "user"}], "items[1].content"),
        ([{"type": "item_reference", "id": "msg_1"}], "items[0].type"),
        ([{**user("x"), "id": "m" * 1000}], "items[0].id"),
    ],
)
async def test_items_that_cannot_be_added_are_told(items: list[Any], param: str) -> None:
    state = state_of()
    conversations = state.kept.conversations
    with pytest.raises(InvalidRequestError) as raised:
        await conversations.create(ANN, items)
    assert raised.value.param == param
    id = (await conversations.create(ANN))["id"]
    with pytest.raises(InvalidRequestError) as raised:
        await conversations.add(ANN, id, items)
    assert raised.value.param == param
    assert (await conversations.list(ANN, id, OLDEST)).data == []


async def test_two_changes_at_once_do_not_undo_each_other(state: State) -> None:
    store = state.store
    assert store is not None
    id = (await state.kept.conversations.create(ANN))["id"]
    record = await store.get(CONVERSATION, ANN, id)
    assert record is not None
    await state.kept.conversations.update(ANN, id, {"a": "1"})
    with pytest.raises(VersionConflictError):
        await store.put(record, version=record.version)
    assert (await state.kept.conversations.get(ANN, id))["metadata"] == {"a": "1"}


@pytest.mark.parametrize("ttl", [None, 3600.0])
async def test_a_conversation_in_use_loses_no_item(ttl: float | None) -> None:
    now = [1000.0]
    store = MemoryStore(ttl=3600.0, clock=lambda: now[0])
    state = State(store, owners=Owners(), ttl=ttl, now=lambda: now[0])
    conversations = state.kept.conversations
    id = (await conversations.create(ANN, [user(str(i)) for i in range(20)]))["id"]
    for _ in range(10):
        now[0] += 1200
        assert len(await conversations.entries(ANN, id, most=100)) == 20
    now[0] += 3601
    assert (await missed(conversations.entries(ANN, id, most=100))).status == 404


async def test_a_conversation_that_is_changed_while_it_is_renewed_keeps_the_change() -> None:
    now = [1000.0]

    class Slow(MemoryStore):
        async def list(self, *args: Any, **kwargs: Any) -> Any:
            found = await super().list(*args, **kwargs)
            if now[0] > 1000 and not found:
                await state.kept.conversations.update(ANN, id, {"a": "1"})
            return found

    state = State(Slow(ttl=3600.0), owners=Owners(), now=lambda: now[0])
    id = (await state.kept.conversations.create(ANN, [user("Hi")]))["id"]
    now[0] += 1200
    assert len(await state.kept.conversations.entries(ANN, id, most=100)) == 1
    assert (await state.kept.conversations.get(ANN, id))["metadata"] == {"a": "1"}


async def test_turns_side_by_side_lose_no_item(state: State) -> None:
    conversations = state.kept.conversations
    id = (await conversations.create(ANN))["id"]
    await asyncio.gather(
        *(answered(state, said(f"a{i}", f"msg_{i}"), input=f"q{i}", conversation=id) for i in range(20))
    )
    found = texts((await conversations.list(ANN, id, OLDEST)).data)
    assert sorted(found) == sorted(f"{kind}{i}" for kind in "aq" for i in range(20))
    for i in range(20):
        assert found.index(f"a{i}") == found.index(f"q{i}") + 1


# Chat completions


async def test_completions_are_found_by_model_and_metadata(state: State) -> None:
    completions = state.kept.completions
    for i in range(250):
        answer = {**completion(f"chatcmpl-{i}"), "model": "even" if i % 2 == 0 else "odd"}
        await chatted(state, answer, user("Hi"), store=True, metadata={"team": "x", "number": str(i % 50)})
    await chatted(state, completion("chatcmpl-bob"), user("Hi"), owner=BOB, store=True)

    async def every(order: Order, **filters: Any) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            page = await completions.list(ANN, Query(after, 30, order), **filters)
            assert len(page.data) <= 30
            found += [entry["id"] for entry in page.data]
            if not page.has_more:
                return found
            after = page.data[-1]["id"]

    ids = [f"chatcmpl-{i}" for i in range(250)]
    assert await every("asc") == ids
    assert await every("desc") == ids[::-1]
    assert await every("asc", model="even") == ids[::2]
    assert await every("asc", metadata={"number": "3"}) == ids[3::50]
    assert await every("desc", metadata={"number": "3", "team": "x"}, model="odd") == ids[3::50][::-1]
    assert await every("asc", metadata={"number": "3"}, model="even") == []
    assert await every("asc", metadata={"team": "y"}) == []
    for after in ("chatcmpl-bob", "nothing", "c" * 1_000_000):
        error = await missed(completions.list(ANN, Query(after)))
        assert (error.status, error.param) == (400, "after")


async def test_a_completion_is_changed_and_deleted(state: State) -> None:
    completions = state.kept.completions
    id = await chatted(state, completion("chatcmpl-1"), user("Hi"), store=True, metadata={"a": "b"})
    changed = await completions.update(ANN, id, {"c": "d"})
    assert changed.object() == {**completion("chatcmpl-1"), "metadata": {"c": "d"}}
    assert (await completions.get(ANN, id)).object() == changed.object()
    for asked in (
        completions.get(BOB, id),
        completions.update(BOB, id, {}),
        completions.delete(BOB, id),
        completions.get(ANN, "c" * 1_000_000),
        completions.update(ANN, "c" * 1_000_000, {}),
        completions.delete(ANN, "c" * 1_000_000),
    ):
        error = await missed(asked)
        assert (error.status, error.code) == (404, "completion_not_found")
    assert await completions.delete(ANN, id) == {
        "id": id,
        "object": "chat.completion.deleted",
        "deleted": True,
    }
    assert (await missed(completions.delete(ANN, id))).status == 404
    await completions.keep(ANN, changed)
    assert (await completions.get(ANN, id)).metadata == {"c": "d"}


async def test_the_messages_of_a_completion_are_listed_with_ids(state: State) -> None:
    parts = [{"type": "text", "text": "Hi "}, {"type": "image_url", "image_url": {"url": "data:,x"}}]
    parts.append({"type": "text", "text": "there"})
    given = [user("Hello"), {"role": "user", "content": parts}, {"role": "user", "content": parts[1:2]}]
    id = await chatted(state, completion("chatcmpl-1"), *given, store=True)
    stored = await state.kept.completions.get(ANN, id)
    page = stored.list_messages(Query(order="asc", limit=2))
    assert page.has_more
    assert page.data == [
        {"role": "user", "content": "Hello", "id": "chatcmpl-1-0", "content_parts": None},
        {"role": "user", "content": "Hi there", "id": "chatcmpl-1-1", "content_parts": parts},
    ]
    rest = stored.list_messages(Query(page.data[-1]["id"], 2, "asc"))
    assert rest.data == [{"role": "user", "content": None, "id": "chatcmpl-1-2", "content_parts": parts[1:2]}]
