"""The routes in the components, over a model, with a real server and the OpenAI SDK."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, AuthenticationError, NotFoundError
from pydantic import BaseModel

from responses_asgi import ChatCompletionsMiddleware, ResponsesMiddleware, Upstream
from responses_asgi.testing import FakeModel, ToolCall
from tests.loopback import Received, Recorder, reply, served


class Weather(BaseModel):
    town: str
    degrees: int


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory" if request.param == "memory" else f"sqlite:///{tmp_path}/state.db"


@asynccontextmanager
async def sdk(app: Any, key: str = "sk-mine") -> AsyncIterator[AsyncOpenAI]:
    async with (
        served(app) as url,
        AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client,
    ):
        yield client


async def test_an_answer_is_there_when_its_stream_ends(store: str) -> None:
    app = ResponsesMiddleware(Upstream.asgi(FakeModel(["Hello you.", "Again."])), store=store)
    async with sdk(app) as client:
        async with client.responses.stream(model="m", input="Hi") as stream:
            async for event in stream:
                if event.type == "response.completed":
                    again = await client.responses.retrieve(event.response.id)
                    assert again.output_text == "Hello you."
        final = await stream.get_final_response()
        replayed = [event async for event in await client.responses.retrieve(final.id, stream=True)]
        assert replayed[-1].response.output_text == final.output_text
        items = [item async for item in client.responses.input_items.list(final.id)]
        assert [item.type for item in items] == ["message"]
        follow_up = await client.responses.create(model="m", input="And?", previous_response_id=final.id)
        assert follow_up.previous_response_id == final.id
        await client.responses.delete(final.id)
        with pytest.raises(NotFoundError):
            await client.responses.retrieve(final.id)
    await app.aclose()


async def test_a_parsed_answer_is_kept_with_its_calls(store: str) -> None:
    turns = ['{"town": "Bonn", "degrees": 20}', ToolCall("look", {"town": "Bonn"})]
    app = ResponsesMiddleware(Upstream.asgi(FakeModel(turns)), store=store)
    async with sdk(app) as client:
        parsed = await client.responses.parse(model="m", input="Weather?", text_format=Weather)
        assert parsed.output_parsed == Weather(town="Bonn", degrees=20)
        kept = await client.responses.retrieve(parsed.id)
        assert Weather.model_validate_json(kept.output_text) == parsed.output_parsed
        assert kept.text is not None
        assert kept.text.format is not None
        assert kept.text.format.type == "json_schema"
        called = await client.responses.create(model="m", input="Look")
        again = await client.responses.retrieve(called.id)
        assert [item.to_dict() for item in again.output] == [item.to_dict() for item in called.output]
        output = {"type": "function_call_output", "call_id": again.output[0].call_id, "output": "20"}
        conversation = await client.conversations.create(items=[output])
        assert [item.type async for item in client.conversations.items.list(conversation.id)] == [
            "function_call_output"
        ]
    await app.aclose()


async def test_a_conversation_grows_with_its_turns(store: str) -> None:
    app = ResponsesMiddleware(Upstream.asgi(FakeModel(["Hello.", "Fine."])), store=store)
    async with sdk(app) as client:
        made = await client.conversations.create(metadata={"topic": "small talk"})
        await client.responses.create(model="m", input="Hi", conversation=made.id)
        await client.responses.create(model="m", input="How are you?", conversation=made.id)
        texts = [
            item.content[0].text
            async for item in client.conversations.items.list(made.id, order="asc", limit=1)
        ]
        assert texts == ["Hi", "Hello.", "How are you?", "Fine."]
        counted = await client.responses.input_tokens.count(model="m", input="More", conversation=made.id)
        alone = await client.responses.input_tokens.count(model="m", input="More")
        assert counted.input_tokens > alone.input_tokens
    await app.aclose()


async def test_chat_completions_are_kept_where_it_is_asked_for(store: str) -> None:
    app = ChatCompletionsMiddleware(Upstream.asgi(FakeModel("Hello."), api="chat"), store=store)
    async with sdk(app) as client:
        messages: Any = [{"role": "user", "content": "Hi"}]
        create = client.chat.completions.create
        kept = await create(model="m", messages=messages, store=True, metadata={"team": "blue"})
        stream = await create(model="m", messages=messages, store=True, stream=True)
        streamed = [chunk.id async for chunk in stream][-1]
        unkept = await create(model="m", messages=messages)
        assert [entry.id async for entry in client.chat.completions.list()] == [kept.id, streamed]
        assert [entry.id async for entry in client.chat.completions.list(metadata={"team": "blue"})] == [
            kept.id
        ]
        for id in (kept.id, streamed):
            assert (await client.chat.completions.retrieve(id)).choices[0].message.content == "Hello."
        listed = [entry.content async for entry in client.chat.completions.messages.list(streamed)]
        assert listed == ["Hi"]
        with pytest.raises(NotFoundError):
            await client.chat.completions.retrieve(unkept.id)
    await app.aclose()


async def test_the_wrapped_app_lets_in_first() -> None:
    async def secured(request: Received, send: Any) -> None:
        allowed = request.headers.get("authorization") == "Bearer sk-mine"
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}
        document = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
        await reply(send, document if allowed else {"detail": "no"}, 200 if allowed else 401)

    app = ResponsesMiddleware(Recorder(secured))
    async with sdk(app) as client, sdk(app, key="sk-wrong") as wrong:
        with pytest.raises(AuthenticationError, match="answers first"):
            await client.conversations.create()
        made = await client.responses.create(model="m", input="Hi")
        assert (await client.responses.retrieve(made.id)).output_text == "Hello."
        conversation = await client.conversations.create()
        with pytest.raises(AuthenticationError):
            await wrong.responses.create(model="m", input="Hi")
        for ask in (
            wrong.responses.retrieve(made.id),
            wrong.conversations.retrieve(conversation.id),
            wrong.conversations.create(),
            wrong.responses.input_tokens.count(model="m", input="Hi"),
        ):
            with pytest.raises(AuthenticationError):
                await ask


async def test_other_paths_of_the_wrapped_app_stay_its_own() -> None:
    inner = Recorder()
    async with sdk(ResponsesMiddleware(inner)) as client:
        for path in ("/models", "/responses/a/b/c", "/conversationsmore", "/chat/completions/c"):
            await client.get(path, cast_to=object)
    assert [request.path for request in inner.requests] == [
        "/v1/models",
        "/v1/responses/a/b/c",
        "/v1/conversationsmore",
        "/v1/chat/completions/c",
    ]
