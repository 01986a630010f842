"""The OpenAI SDK over every store: whole rounds of what is kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from pydantic import BaseModel

from responses_asgi import ResponsesMiddleware, Upstream
from tests.loopback import served
from tests.redis_server import redis_server


class Told(BaseModel):
    """What the model says of a request: how much it was told, and the last of it."""

    messages: int
    last: str


async def counting(request: dict[str, Any]) -> str:
    messages = request["messages"]
    return Told(messages=len(messages), last=messages[-1]["content"]).model_dump_json()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "redis":
        with redis_server() as server:
            yield server.url
    else:
        yield "memory" if request.param == "memory" else f"sqlite:///{tmp_path}/state.db"


@asynccontextmanager
async def sdk(store: str) -> AsyncIterator[AsyncOpenAI]:
    app = ResponsesMiddleware(Upstream.handler(counting), store=store)
    async with (
        served(app) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-mine", max_retries=0) as client,
    ):
        yield client
    await app.aclose()


async def told(client: AsyncOpenAI, how: str, **request: Any) -> tuple[str, Told]:
    """The id of an answer, and what it says: asked for in one of the SDK's ways."""
    if how == "create":
        response = await client.responses.create(model="m", **request)
        return response.id, Told.model_validate_json(response.output_text)
    if how == "parse":
        parsed = await client.responses.parse(model="m", text_format=Told, **request)
        assert parsed.output_parsed is not None
        return parsed.id, parsed.output_parsed
    async with client.responses.stream(model="m", text_format=Told, **request) as stream:
        final = await stream.get_final_response()
    assert final.output_parsed is not None
    return final.id, final.output_parsed


async def test_a_chain_of_20_turns_with_branches_and_a_gap(store: str) -> None:
    async with sdk(store) as client:
        ids: list[str] = []
        for turn in range(20):
            how = ("create", "parse", "stream")[turn % 3]
            previous = {"previous_response_id": ids[-1]} if ids else {}
            id, said = await told(client, how, input=f"turn {turn}", **previous)
            assert said == Told(messages=2 * turn + 1, last=f"turn {turn}")
            ids.append(id)
        for start in (0, 9, 19):
            for branch in "ab":
                _, said = await told(client, "create", input=branch, previous_response_id=ids[start])
                assert said == Told(messages=2 * start + 3, last=branch)
        await client.responses.delete(ids[10])
        with pytest.raises(BadRequestError) as refused:
            await told(client, "create", input="x", previous_response_id=ids[19])
        assert refused.value.code == "previous_response_not_found"
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(ids[10])
        _, said = await told(client, "create", input="x", previous_response_id=ids[9])
        assert said.messages == 21


async def test_a_conversation_of_20_turns(store: str) -> None:
    async with sdk(store) as client:
        conversation = await client.conversations.create(metadata={"topic": "counting"})
        for turn in range(20):
            how = ("create", "parse", "stream")[turn % 3]
            _, said = await told(client, how, input=f"turn {turn}", conversation=conversation.id)
            assert said == Told(messages=2 * turn + 1, last=f"turn {turn}")
        listed = [item async for item in client.conversations.items.list(conversation.id, order="asc")]
        assert len(listed) == 40
        answer: Any = listed[1]
        await client.conversations.items.delete(answer.id, conversation_id=conversation.id)
        _, said = await told(client, "create", input="x", conversation=conversation.id)
        assert said.messages == 40
        await client.conversations.delete(conversation.id)
        with pytest.raises(NotFoundError):
            await told(client, "create", input="x", conversation=conversation.id)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_of_250_items_while_more_are_added(store: str, order: Literal["asc", "desc"]) -> None:
    async with sdk(store) as client:
        given: Any = [{"role": "user", "content": str(n)} for n in range(250)]
        response = await client.responses.create(model="m", input=given)
        conversation = await client.conversations.create()
        for start in range(0, 240, 20):
            added: Any = given[start : start + 20]
            await client.conversations.items.create(conversation.id, items=added)
        last: Any = given[240:]
        await client.conversations.items.create(conversation.id, items=last)
        texts: list[str] = []
        async for item in client.conversations.items.list(conversation.id, order=order, limit=100):
            texts.append(text_of(item))
            if len(texts) == 150:
                more: Any = [{"role": "user", "content": "late"}]
                await client.conversations.items.create(conversation.id, items=more)
        inputs = [text_of(item) async for item in client.responses.input_items.list(response.id, order=order)]
        expected = [str(n) for n in range(250)]
        if order == "asc":
            assert (texts, inputs) == ([*expected, "late"], expected)
        else:
            assert texts == inputs == expected[::-1]


def text_of(item: Any) -> str:
    text: str = item.content[0].text
    return text


async def test_items_are_referred_to_by_their_ids_as_the_ai_sdk_does(store: str) -> None:
    async with sdk(store) as client:
        first = await client.responses.create(model="m", input="one")
        given: Any = [
            {"role": "user", "content": "one"},
            {"type": "item_reference", "id": first.output[0].id},
            {"role": "user", "content": "two"},
        ]
        _, said = await told(client, "create", input=given)
        assert said == Told(messages=3, last="two")


async def test_what_a_client_that_leaves_has_heard_is_kept() -> None:
    waiting, gone = asyncio.Event(), asyncio.Event()

    async def model(request: dict[str, Any]) -> AsyncIterator[str]:
        yield "heard"
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    app = ResponsesMiddleware(Upstream.handler(model))
    async with served(app) as url, AsyncOpenAI(base_url=f"{url}/v1", api_key="sk", max_retries=0) as client:
        stream = await client.responses.create(model="m", input="Hi", stream=True)
        created: Any = await anext(aiter(stream))
        await asyncio.wait_for(waiting.wait(), 10)
        await stream.close()
        await asyncio.wait_for(gone.wait(), 10)
        for _ in range(200):
            with contextlib.suppress(NotFoundError):
                kept = await client.responses.retrieve(created.response.id)
                break
            await asyncio.sleep(0.05)
        assert (kept.status, kept.output_text) == ("cancelled", "heard")
    await app.aclose()


async def test_without_a_credential_no_id_that_can_be_guessed_leads_to_an_item() -> None:
    app = ResponsesMiddleware(Upstream.handler(counting))
    async with served(app) as url, httpx.AsyncClient(base_url=f"{url}/v1") as client:

        async def ask(*given: Any) -> Any:
            return (await client.post("/responses", json={"model": "m", "input": [*given]})).json()

        first = await ask({"id": "msg_1", "role": "user", "content": "secret"})
        refused = await ask({"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "?"})
        assert refused["error"]["code"] == "item_not_found"
        wrong = await ask({"type": "item_reference", "id": 5})
        assert (wrong["error"]["code"], wrong["error"]["param"]) == ("invalid_type", "input[0].id")
        minted = first["output"][0]["id"]
        answer = await ask({"type": "item_reference", "id": minted}, {"role": "user", "content": "?"})
        assert answer["status"] == "completed"
    await app.aclose()
