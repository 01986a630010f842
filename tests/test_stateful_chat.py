"""Chat clients that leave out what was said before: by fields of their body, or by the query."""

from __future__ import annotations

import json
from typing import Any

import pytest

import responses_asgi
from responses_asgi import ChatCompletionsMiddleware, MemoryStore, ResponsesMiddleware, Upstream
from responses_asgi.testing import FakeModel, ToolCall

HELLO: list[Any] = [{"role": "user", "content": "Hello"}]


async def reciting(request: dict[str, Any]) -> str:
    """A model that says what it was told, message by message."""
    return " | ".join(f"{message['role']}: {message['content']}" for message in request["messages"])


@pytest.mark.parametrize("how", ["body", "query"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_conversation_remembers_what_chat_clients_said(how: str, stream: bool) -> None:
    component = ChatCompletionsMiddleware(Upstream.handler(reciting), store=MemoryStore())
    client = responses_asgi.client(component)
    conversation = await client.conversations.create()
    named: dict[str, Any] = {
        "body": {"extra_body": {"conversation": conversation.id}},
        "query": {"extra_query": {"conversation_id": conversation.id}},
    }[how]
    if stream:
        chunks = await client.chat.completions.create(model="m", messages=HELLO, stream=True, **named)
        assert [chunk async for chunk in chunks]
    else:
        await client.chat.completions.create(model="m", messages=HELLO, **named)
    second = await client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "Again"}], **named
    )
    assert second.choices[0].message.content == "user: Hello | assistant: user: Hello | user: Again"


async def test_a_stored_completion_can_be_continued_by_clients_of_both_apis() -> None:
    store = MemoryStore()
    upstream = Upstream.handler(reciting)
    chat = responses_asgi.client(ChatCompletionsMiddleware(upstream, store=store))
    first = await chat.chat.completions.create(model="m", messages=HELLO, store=True)
    kept = await chat.chat.completions.retrieve(first.id)
    assert kept.choices[0].message.content == "user: Hello"
    second = await chat.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "Again"}],
        extra_query={"previous_response_id": first.id},
    )
    expected = "user: Hello | assistant: user: Hello | user: Again"
    assert second.choices[0].message.content == expected
    responses = responses_asgi.client(ResponsesMiddleware(upstream, store=store))
    response = await responses.responses.create(model="m", input="Again", previous_response_id=first.id)
    assert response.output_text == expected


async def test_the_body_has_the_last_word_over_the_query() -> None:
    component = ChatCompletionsMiddleware(Upstream.handler(reciting), store=MemoryStore())
    client = responses_asgi.client(component)
    conversation = await client.conversations.create(items=[{"role": "user", "content": "First"}])
    answer = await client.chat.completions.create(
        model="m",
        messages=HELLO,
        extra_body={"conversation": conversation.id},
        extra_query={"conversation_id": "conv_of_nobody"},
    )
    assert answer.choices[0].message.content == "user: First | user: Hello"


async def test_dry_runs_are_answered_only_where_they_are_asked_for() -> None:
    upstream = Upstream.handler(reciting)
    body = {"model": "m", "input": "Hi"}
    client = responses_asgi.client(ResponsesMiddleware(upstream, dry_run=True))
    shown: Any = await client.post("/convert", body=body, cast_to=object)
    assert shown["request"]["messages"] == [{"role": "user", "content": "Hi"}]
    closed = responses_asgi.client(ResponsesMiddleware(upstream))
    with pytest.raises(Exception, match="404"):
        await closed.post("/convert", body=body, cast_to=object)


@pytest.mark.parametrize(("path", "ours"), [("/v1/conversations", True), ("/conversations", False)])
async def test_a_wrapped_app_keeps_conversations_of_its_own_at_its_root(path: str, ours: bool) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    component = ResponsesMiddleware(app)
    client = responses_asgi.client(component, base_url="http://localhost", max_retries=0)
    if ours:
        with pytest.raises(Exception, match="401"):
            await client.post(path, body={}, cast_to=object)
    else:
        await client.post(path, body={}, cast_to=object)
    assert seen == ([] if ours else [path])


TOOLS: list[Any] = [{"type": "function", "function": {"name": "look", "parameters": {}}}]


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["conversation", "previous_response_id"])
async def test_results_of_tools_meet_the_calls_of_the_turn_before(api: Any, stream: bool, how: str) -> None:
    calls = [ToolCall("look", {"at": place}, call_id=f"call_{place}") for place in ("a", "b")]
    model = FakeModel([calls, "Seen", "Still here"])
    component = ChatCompletionsMiddleware(Upstream.asgi(model, api=api), store=MemoryStore())
    client = responses_asgi.client(component)
    named: dict[str, Any] = {"store": True}
    if how == "conversation":
        named = {"conversation": (await client.conversations.create()).id}
    told: list[Any] = [
        HELLO,
        [*({"role": "tool", "tool_call_id": f"call_{at}", "content": at} for at in "ba"), *HELLO],
        [{"role": "user", "content": "And now?"}],
    ]
    for messages in told:
        answer: Any = await client.chat.completions.create(
            model="m", messages=messages, tools=TOOLS, stream=stream, extra_body=named
        )
        id = {chunk.id async for chunk in answer}.pop() if stream else answer.id
        if how == "previous_response_id":
            named = {how: id}
    expected = {"call_a": ["a"], "call_b": ["b"]}
    for request in model.requests[1:]:
        assert results_of(request.body) == expected


def results_of(body: dict[str, Any]) -> dict[str, list[str]]:
    """The id of each call that was asked for -> the results it has."""
    found: dict[str, list[str]] = {}
    for message in body.get("messages") or ():
        for call in message.get("tool_calls") or ():
            assert found.setdefault(call["id"], []) == []
        if message["role"] == "tool":
            found[message["tool_call_id"]].append(message["content"])
    for item in body.get("input") or ():
        if item["type"] == "function_call":
            assert found.setdefault(item["call_id"], []) == []
        elif item["type"] == "function_call_output":
            found[item["call_id"]].append(item["output"])
    return found


async def test_the_result_of_a_function_meets_its_call_by_name() -> None:
    model = FakeModel([ToolCall("look", {}, call_id="call_1"), "Seen"])
    component = ChatCompletionsMiddleware(Upstream.asgi(model), store=MemoryStore())
    client = responses_asgi.client(component)
    first = await client.chat.completions.create(model="m", messages=HELLO, store=True)
    messages: list[Any] = [{"role": "function", "name": "look", "content": "A"}]
    await client.chat.completions.create(
        model="m", messages=messages, extra_body={"previous_response_id": first.id}
    )
    assert results_of(model.requests[1].body) == {"call_1": ["A"]}


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("stream", [True, False])
async def test_weak_ids_of_an_upstream_are_not_those_of_kept_answers(api: Any, stream: bool) -> None:
    """There are servers whose answers all have the same id, or one of a thousand."""

    async def counting(request: dict[str, Any]) -> Any:
        said = len(json.dumps(request))
        choice = {"index": 0, "message": {"role": "assistant", "content": str(said)}, "finish_reason": "stop"}
        item = {
            "id": "msg_7",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": str(said), "annotations": []}],
        }
        return {
            "chat": {"id": "chatcmpl-7", "object": "chat.completion", "created": 1, "choices": [choice]},
            "responses": {"id": "resp_7", "object": "response", "status": "completed", "output": [item]},
        }[api]

    upstream = Upstream.handler(counting, api=api)
    kinds: dict[str, Any] = {"chat": ChatCompletionsMiddleware, "responses": ResponsesMiddleware}
    client: Any = responses_asgi.client(kinds[api](upstream, store=MemoryStore()))
    ids = []
    for question in ("1", "22"):
        if api == "chat":
            asked: dict[str, Any] = {"messages": [{"role": "user", "content": question}], "store": True}
            made = await client.chat.completions.create(model="m", stream=stream, **asked)
            chunks = [chunk async for chunk in made] if stream else [made]
            ids.append(chunks[0].id)
        else:
            made = await client.responses.create(model="m", input=question, stream=stream)
            ids.append([event async for event in made][-1].response.id if stream else made.id)
    kept = client.chat.completions if api == "chat" else client.responses
    first, second = [await kept.retrieve(id) for id in ids]
    assert first.id != second.id
    assert first.to_dict() != second.to_dict()
