"""Stored chat completions over HTTP: what the OpenAI SDK asks, and what is told of mistakes."""

from __future__ import annotations

from typing import Any

import pytest
from openai import BadRequestError, NotFoundError

from tests.state_driver import OTHER_KEY, Kept


async def test_sdk_retrieves_updates_and_deletes() -> None:
    kept = Kept()
    stored = await kept.completion(metadata={"team": "blue"})
    async with kept.client() as client:
        completions = client.chat.completions
        got = await completions.retrieve(stored["id"])
        assert got.to_dict() == {**stored, "metadata": {"team": "blue"}}
        changed = await completions.update(stored["id"], metadata={"team": "red"})
        assert changed.to_dict() == {**stored, "metadata": {"team": "red"}}
        assert await completions.retrieve(stored["id"]) == changed
        deleted = await completions.delete(stored["id"])
        assert deleted.to_dict() == {"id": stored["id"], "object": "chat.completion.deleted", "deleted": True}
        for ask in (completions.retrieve, completions.delete, completions.messages.list):
            with pytest.raises(NotFoundError) as caught:
                await ask(stored["id"])
            assert caught.value.code == "completion_not_found"
        with pytest.raises(NotFoundError):
            await completions.update(stored["id"], metadata={})


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_sdk_pages_through_250_completions(order: Any) -> None:
    kept = Kept()
    made = [(await kept.completion())["id"] for _ in range(250)]
    async with kept.client() as client:
        found = [entry.id async for entry in client.chat.completions.list(order=order, limit=100)]
        default = await client.chat.completions.list()
    assert found == (made if order == "asc" else made[::-1])
    assert [entry.id for entry in default.data] == made[:20]


async def test_sdk_filters_by_model_and_metadata() -> None:
    kept = Kept()
    blue = [(await kept.completion(metadata={"team": "blue", "n": str(i)}))["id"] for i in range(30)]
    await kept.completion(metadata={"team": "red"})
    other = (await kept.completion(model="other model/7", metadata={"team": "blue"}))["id"]
    async with kept.client() as client:
        listing = client.chat.completions.list
        assert [entry.id async for entry in listing(metadata={"team": "blue"}, limit=7)] == [*blue, other]
        assert [entry.id async for entry in listing(metadata={"team": "blue", "n": "3"})] == [blue[3]]
        assert [entry.id async for entry in listing(model="other model/7")] == [other]
        assert [entry async for entry in listing(metadata={"team": "green"})] == []
        assert [entry async for entry in listing(model="m", metadata={"n": "99"})] == []


async def test_a_list_shows_only_the_owners_own() -> None:
    kept = Kept()
    mine = await kept.completion()
    await kept.completion(key=OTHER_KEY)
    async with kept.client() as client:
        assert [entry.id async for entry in client.chat.completions.list()] == [mine["id"]]


async def test_sdk_lists_the_messages_of_a_request() -> None:
    kept = Kept()
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    given = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    stored = await kept.completion(given)
    async with kept.client() as client:
        messages = client.chat.completions.messages
        page = await messages.list(stored["id"])
        assert [(entry.role, entry.content) for entry in page.data] == [
            ("system", "Be brief."),
            ("user", "What is this?"),
        ]
        assert page.data[0].content_parts is None
        assert [part.type for part in page.data[1].content_parts or ()] == ["text", "image_url"]
        newest = [entry.id async for entry in messages.list(stored["id"], order="desc", limit=1)]
        assert newest == [entry.id for entry in reversed(page.data)]
        with pytest.raises(BadRequestError) as caught:
            await messages.list(stored["id"], after="chatcmpl-unknown")
        assert caught.value.param == "after"


@pytest.mark.parametrize(
    ("query", "param", "message"),
    [
        ("limit=0", "limit", "expected a value >= 1, got 0"),
        ("limit=101", "limit", "expected a value <= 100, got 101"),
        ("limit=x", "limit", 'expected an integer, got the string "x"'),
        ("limit=", "limit", 'expected an integer, got the string ""'),
        ("limit=" + "9" * 5000, "limit", "expected an integer"),
        ("limit=%D9%A3", "limit", "expected an integer"),
        ("limit=1.0", "limit", "expected an integer"),
        ("order=sideways", "order", "expected 'asc' or 'desc', got the string \"sideways\""),
        ("after=chatcmpl-unknown", "after", "not in this list"),
        ("after=" + "x" * 9000, "after", "not in this list"),
        ("after=%00", "after", "not in this list"),
    ],
)
async def test_mistakes_in_asking_for_a_page(query: str, param: str, message: str) -> None:
    kept = Kept()
    stored = await kept.completion()
    response = await kept.response()
    conversation = (await kept.ask("POST", "/v1/conversations")).json()["id"]
    for path in (
        "/v1/chat/completions",
        f"/v1/chat/completions/{stored['id']}/messages",
        f"/v1/responses/{response['id']}/input_items",
        f"/v1/conversations/{conversation}/items",
    ):
        got = await kept.ask("GET", path, query=query)
        error = got.json()["error"]
        assert (got.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
        assert message in error["message"]
        assert len(error["message"]) < 300


async def test_a_foreign_cursor_is_unknown() -> None:
    kept = Kept()
    foreign = await kept.completion(key=OTHER_KEY)
    got = await kept.ask("GET", "/v1/chat/completions", query=f"after={foreign['id']}")
    assert (got.status, got.json()["error"]["param"]) == (400, "after")


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "metadata"), ({"metadata": 5}, "metadata"), ({"metadata": {"k": "x" * 513}}, "metadata.k")],
)
async def test_mistakes_in_an_update(body: Any, param: str) -> None:
    kept = Kept()
    stored = await kept.completion()
    got = await kept.ask("POST", f"/v1/chat/completions/{stored['id']}", body)
    assert (got.status, got.json()["error"]["param"]) == (400, param)
