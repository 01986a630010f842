"""Conversations and their items over HTTP: what the OpenAI SDK asks, and what is told of mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError

from responses_asgi.types.json import JSON
from tests.state_driver import OTHER_KEY, Kept, users


async def test_sdk_creates_updates_and_deletes_a_conversation() -> None:
    kept = Kept()
    async with kept.client() as client:
        made = await client.conversations.create(metadata={"topic": "lighthouses"})
        assert made.id.startswith("conv_")
        assert (made.object, made.metadata) == ("conversation", {"topic": "lighthouses"})
        assert await client.conversations.retrieve(made.id) == made
        changed = await client.conversations.update(made.id, metadata={"topic": "ships"})
        assert changed.metadata == {"topic": "ships"}
        assert await client.conversations.retrieve(made.id) == changed
        assert (await client.conversations.update(made.id, metadata=None)).metadata == {}
        deleted = await client.conversations.delete(made.id)
        assert deleted.to_dict() == {"id": made.id, "object": "conversation.deleted", "deleted": True}
        for ask in (
            client.conversations.retrieve,
            client.conversations.delete,
            client.conversations.items.list,
        ):
            with pytest.raises(NotFoundError) as caught:
                await ask(made.id)
            assert caught.value.code == "conversation_not_found"


async def test_a_conversation_is_created_without_a_body() -> None:
    got = await Kept().ask("POST", "/v1/conversations")
    assert (got.status, got.json()["metadata"]) == (200, {})


async def test_sdk_adds_retrieves_and_deletes_items() -> None:
    kept = Kept()
    async with kept.client() as client:
        made = await client.conversations.create(items=[{"role": "user", "content": "Hi"}])
        added = await client.conversations.items.create(
            made.id,
            items=[
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "42"},
            ],
            include=["message.input_image.image_url"],
        )
        assert [item.type for item in added.data] == ["function_call", "function_call_output"]
        assert (added.first_id, added.last_id) == (added.data[0].id, added.data[1].id)
        one = await client.conversations.items.retrieve(str(added.first_id), conversation_id=made.id)
        assert one == added.data[0]
        left = await client.conversations.items.delete(str(added.first_id), conversation_id=made.id)
        assert left == made
        kinds = [item.type async for item in client.conversations.items.list(made.id, order="asc")]
        assert kinds == ["message", "function_call_output"]
        for ask in (client.conversations.items.retrieve, client.conversations.items.delete):
            with pytest.raises(NotFoundError) as caught:
                await ask(str(added.first_id), conversation_id=made.id)
            assert caught.value.code == "item_not_found"


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_sdk_pages_through_250_items(order: Any) -> None:
    kept = Kept()
    async with kept.client() as client:
        made = await client.conversations.create(items=users(20))  # type: ignore[arg-type] # read-only dicts
        for start in range(20, 250, 20):
            await _add(client, made.id, users(min(20, 250 - start), start))
        ids = [item.id async for item in client.conversations.items.list(made.id, order=order, limit=100)]
        default = [item.id async for item in client.conversations.items.list(made.id)]
    expected = [item["id"] for item in users(250)]
    assert ids == (expected if order == "asc" else expected[::-1])
    assert default == expected[::-1]


async def _add(client: AsyncOpenAI, id: str, items: list[JSON]) -> None:
    await client.conversations.items.create(id, items=items)  # type: ignore[arg-type] # read-only dicts


async def test_a_page_begins_behind_its_cursor() -> None:
    kept = Kept()
    async with kept.client() as client:
        made = await client.conversations.create(items=users(5))  # type: ignore[arg-type] # read-only dicts
        page = await client.conversations.items.list(made.id, after="msg_0003", limit=2)
        assert [item.id for item in page.data] == ["msg_0002", "msg_0001"]
        assert page.has_more is True
        other = await client.conversations.create(items=[{"role": "user", "content": "Hi"}])
        foreign = (await client.conversations.items.list(other.id)).data[0].id
        for cursor in ("msg_unknown", foreign):
            with pytest.raises(BadRequestError) as caught:
                await client.conversations.items.list(made.id, after=str(cursor))
            assert caught.value.param == "after"
            assert str(cursor) in caught.value.message


async def test_an_empty_list_has_no_ends() -> None:
    kept = Kept()
    async with kept.client() as client:
        made = await client.conversations.create()
        assert [item async for item in client.conversations.items.list(made.id)] == []
    got = await kept.ask("GET", f"/v1/conversations/{made.id}/items")
    assert got.json() == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_another_owner_sees_nothing_and_changes_nothing() -> None:
    kept = Kept()
    async with kept.client() as client, kept.client(OTHER_KEY) as other:
        made = await client.conversations.create(items=users(1))  # type: ignore[arg-type] # read-only dicts
        conversations: Any = other.conversations
        for ask in (
            conversations.retrieve(made.id),
            conversations.update(made.id, metadata={}),
            conversations.delete(made.id),
            conversations.items.list(made.id),
            conversations.items.create(made.id, items=users(1)),
            conversations.items.retrieve("msg_0000", conversation_id=made.id),
            conversations.items.delete("msg_0000", conversation_id=made.id),
        ):
            with pytest.raises(NotFoundError):
                await ask
        assert await client.conversations.retrieve(made.id) == made
        assert len((await client.conversations.items.list(made.id)).data) == 1


TOO_MANY = [{"role": "user", "content": "Hi"}] * 21


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"items": TOO_MANY}, "items", "21 entries; expected at most 20"),
        ({"items": "Hi"}, "items", 'expected a valid list, got the string "Hi"'),
        ({"items": [5]}, "items[0]", "expected an object, got the number 5"),
        ({"items": [{"role": "king", "content": ""}]}, "items[0].role", "'user'"),
        (
            {"items": [{"role": "user", "content": [{"type": "input_text"}]}]},
            "items[0].content[0].text",
            "Missing required parameter",
        ),
        ({"items": [{"type": "item_reference", "id": "msg_1"}]}, "items[0].type", "send the item itself"),
        ({"items": [{"id": "m" * 600, "role": "user", "content": ""}]}, "items[0].id", "600 characters"),
        ({"metadata": {str(i): "x" for i in range(17)}}, "metadata", "at most 16 items"),
        ({"metadata": {"k" * 65: "x"}}, f"metadata.{'k' * 60}...", "at most 64 characters"),
        ({"metadata": {"k": "x" * 513}}, "metadata.k", "at most 512 characters"),
        ({"metadata": {"k": 5}}, "metadata.k", "expected a valid string, got the number 5"),
        ([], None, "must be a JSON object, got list"),
        (b"{'a': 1}", None, "not valid JSON"),
        (b"\xff\xfe", None, "not valid JSON"),
    ],
)
async def test_mistakes_in_a_new_conversation(body: Any, param: str | None, message: str) -> None:
    got = await Kept().ask("POST", "/v1/conversations", body)
    error = got.json()["error"]
    assert (got.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert message in error["message"]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {}, "metadata"),
        ("", {"metadata": {"k": None}}, "metadata.k"),
        ("", b"", None),
        ("/items", {}, "items"),
        ("/items", {"items": None}, "items"),
        ("/items", {"items": []}, "items"),
        ("/items", {"items": TOO_MANY}, "items"),
    ],
)
async def test_mistakes_in_changing_one(path: str, body: Any, param: str | None) -> None:
    kept = Kept()
    id = (await kept.ask("POST", "/v1/conversations")).json()["id"]
    got = await kept.ask("POST", f"/v1/conversations/{id}{path}", body)
    error = got.json()["error"]
    assert (got.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert (await kept.ask("GET", f"/v1/conversations/{id}/items")).json()["data"] == []
