from __future__ import annotations

import asyncio
import contextvars
import functools
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest

from responses_asgi.errors import APIError, ConfigurationError, InvalidRequestError
from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.testing import assert_valid_stream
from responses_asgi.upstreams.answers import (
    ChatRequest,
    Finish,
    Piece,
    Reasoning,
    Refusal,
    ToolCall,
    Usage,
)
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.upstream import Upstream
from tests.loopback import Asked, Got, ask, served, until

REQUEST = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**REQUEST, "stream": True, "stream_options": {"include_usage": True}}

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


async def whole(function: Callable[..., Any], **body: Any) -> Any:
    got = await ask(Upstream.handler(function).app, body={**REQUEST, **body})
    assert got.headers["content-type"] == "application/json"
    return got.json()


def chunks_of(got: Got) -> list[Any]:
    """The decoded events of a stream; the end marker must be there."""
    assert got.status == 200
    assert got.headers["content-type"].startswith("text/event-stream")
    blocks = got.body.decode().split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-2]]


async def streamed(function: Callable[..., Any], **body: Any) -> list[Any]:
    return chunks_of(await ask(Upstream.handler(function).app, body={**STREAM, **body}))


def pieces(*given: Piece) -> Callable[[ChatRequest], AsyncIterator[Piece]]:
    async def generator(request: ChatRequest) -> AsyncIterator[Piece]:
        for piece in given:
            yield piece

    return generator


ALL = (
    Reasoning("think "),
    Reasoning("hard"),
    "Hel",
    "lo",
    ToolCall("look", {"q": "ä"}, "call_1"),
    ToolCall("go", '{"n": 1}'),
    Refusal("no"),
    Usage(5, 7, cached_tokens=2, reasoning_tokens=3),
    Finish("length"),
)
USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 7,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 2},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


async def test_everything_a_handler_can_yield_as_one_document() -> None:
    document = await whole(pieces(*ALL))
    [choice] = document.pop("choices")
    call = choice["message"]["tool_calls"].pop(1)
    assert call.pop("id").startswith("call_")
    assert call == {"type": "function", "function": {"name": "go", "arguments": '{"n": 1}'}}
    assert choice == {
        "index": 0,
        "finish_reason": "length",
        "message": {
            "role": "assistant",
            "content": "Hello",
            "reasoning_content": "think hard",
            "refusal": "no",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q":"ä"}'}}
            ],
        },
    }
    assert document.pop("id").startswith("chatcmpl-")
    assert document.pop("created") == pytest.approx(time.time(), abs=60)
    assert document == {"object": "chat.completion", "model": "m", "usage": USAGE}


async def test_everything_a_handler_can_yield_as_a_stream() -> None:
    chunks = await streamed(pieces(*ALL))
    assert {(chunk["object"], chunk["model"]) for chunk in chunks} == {("chat.completion.chunk", "m")}
    assert len({chunk["id"] for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert deltas[:4] == [
        {"role": "assistant", "reasoning_content": "think "},
        {"reasoning_content": "hard"},
        {"content": "Hel"},
        {"content": "lo"},
    ]
    calls = [delta["tool_calls"][0] for delta in deltas[4:6]]
    assert [(call["index"], call["function"]["name"]) for call in calls] == [(0, "look"), (1, "go")]
    assert deltas[6:] == [{"refusal": "no"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * 7 + ["length"]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]) == ([], USAGE)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("hi",), "stop"),
        ((), "stop"),
        ((ToolCall("f", {}),), "tool_calls"),
        (("hi", Finish("content_filter"), " there"), "content_filter"),
    ],
)
async def test_the_finish_reason_follows_from_what_was_yielded(given: tuple[Piece, ...], reason: str) -> None:
    assert (await whole(pieces(*given)))["choices"][0]["finish_reason"] == reason
    assert (await streamed(pieces(*given)))[-1]["choices"][0]["finish_reason"] == reason


async def test_usage_is_streamed_only_when_asked_for_and_total_can_be_given() -> None:
    handler = pieces("hi", Usage(1, 1), Usage(1, 2, 9))
    assert all("usage" not in chunk for chunk in await streamed(handler, stream_options=None))
    assert (await whole(handler))["usage"]["total_tokens"] == 9


MESSAGE = {
    "content": None,
    "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
    ],
    "annotations": [{"type": "url_citation"}],
}
COMPLETION = {
    "id": "mine",
    "model": "other",
    "system_fingerprint": "fp",
    "choices": [
        {
            "message": {"role": "assistant", "content": "one"},
            "finish_reason": "stop",
            "logprobs": {"content": [1]},
        },
        {"index": 1, "message": {"role": "assistant", "content": "two"}, "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def forms_of(result: Any) -> Iterator[Callable[..., Any]]:
    """All the kinds of functions that give one result."""

    def plain(request: ChatRequest) -> Any:
        return result

    async def coroutine(request: ChatRequest) -> Any:
        return result

    class Callable_:
        def __call__(self, request: ChatRequest) -> Any:
            return result

    class AsyncCallable:
        async def __call__(self, request: ChatRequest) -> Any:
            return result

    class Host:
        def method(self, request: ChatRequest) -> Any:
            return result

    yield plain
    yield coroutine
    yield Callable_()
    yield AsyncCallable()
    yield Host().method
    yield functools.partial(coroutine)
    yield lambda request: coroutine(request)  # noqa: PLW0108 - a plain function that returns a promise


async def test_what_a_function_can_return() -> None:
    for form in forms_of("hello"):
        assert (await whole(form))["choices"][0]["message"]["content"] == "hello"
        assert (await streamed(form))[0]["choices"][0]["delta"]["content"] == "hello"
    for form in forms_of(Reasoning("hm")):
        assert (await whole(form))["choices"][0]["message"]["reasoning_content"] == "hm"
    for form in forms_of(MESSAGE):
        [choice] = (await whole(form))["choices"]
        assert choice == {
            "index": 0,
            "message": {"role": "assistant", **MESSAGE},
            "finish_reason": "tool_calls",
        }
        first, last = await streamed(form)
        calls = first["choices"][0]["delta"]["tool_calls"]
        assert [(call["index"], call["id"]) for call in calls] == [(0, "a"), (1, "b")]
        assert last["choices"][0]["finish_reason"] == "tool_calls"
    for form in forms_of(COMPLETION):
        document = await whole(form)
        document.pop("created")
        first_choice = {"index": 0, **COMPLETION["choices"][0]}  # type: ignore[dict-item] # a test's own data
        assert document == {
            **COMPLETION,
            "object": "chat.completion",
            "choices": [first_choice, COMPLETION["choices"][1]],
        }
        [chunk] = await streamed(form)
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["choices"][1]["delta"] == {"role": "assistant", "content": "two"}


def sync_generator(request: ChatRequest) -> Iterator[Piece]:
    yield "a"
    yield "b"


async def returns_async_generator(request: ChatRequest) -> AsyncIterator[Piece]:
    return pieces("a", "b")(request)


def returns_iterator(request: ChatRequest) -> Iterator[Piece]:
    return iter(["a", "b"])


class Iterable_:
    """An async iterable that is no generator, such as a client library's stream."""

    def __init__(self) -> None:
        self._left = ["b", "a"]

    def __aiter__(self) -> Iterable_:
        return self

    async def __anext__(self) -> str:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


@pytest.mark.parametrize(
    "function",
    [
        pieces("a", "b"),
        sync_generator,
        returns_async_generator,
        returns_iterator,
        functools.partial(sync_generator),
        lambda request: aiter(pieces("a", "b")(request)),
        lambda request: Iterable_(),
    ],
)
async def test_what_a_handler_can_iterate_over(function: Callable[..., Any]) -> None:
    assert (await whole(function))["choices"][0]["message"]["content"] == "ab"
    contents = [chunk["choices"][0]["delta"].get("content") for chunk in await streamed(function)]
    assert contents == ["a", "b", None]


async def test_raw_chunks_pass_and_add_up() -> None:
    raw = [
        {"id": "raw", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}}]},
        {
            "choices": [
                {"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}}
            ]
        },
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}}]},
        {"choices": [{"index": 0, "delta": {"annotations": [1]}, "logprobs": {"content": [1]}}]},
        {"choices": [{"index": 0, "delta": {"annotations": [2]}, "logprobs": {"content": [2]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": {"total_tokens": 1}, "x_extra": True},
    ]
    chunks = await streamed(pieces(*raw))
    assert [chunk["choices"] for chunk in chunks] == [chunk["choices"] for chunk in raw]
    assert chunks[0]["id"] == "raw"
    document = await whole(pieces(*raw))
    assert document["usage"] == {"total_tokens": 1}
    assert document["x_extra"] is True
    [choice] = document["choices"]
    assert choice["message"]["tool_calls"] == [
        {"type": "function", "id": "c", "function": {"name": "f", "arguments": '{"a":1}'}}
    ]
    assert (choice["message"]["content"], choice["message"]["annotations"]) == ("a", [1, 2])
    assert (choice["finish_reason"], choice["logprobs"]) == ("tool_calls", {"content": [1, 2]})


async def test_raw_calls_and_yielded_calls_are_numbered_together() -> None:
    raw = {"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f"}}]}}]}
    document = await whole(pieces(raw, ToolCall("g", {})))
    assert [call["function"]["name"] for call in document["choices"][0]["message"]["tool_calls"]] == [
        "f",
        "g",
    ]


# --- request and context


async def test_a_handler_is_handed_the_request_and_on_wish_the_context() -> None:
    seen: list[Any] = []

    def handler(request: ChatRequest, *, context: ExchangeContext) -> str:
        seen.append((request, context))
        return "ok"

    await whole(handler, temperature=0.5)
    request, context = seen[0]
    assert request == {**REQUEST, "temperature": 0.5}
    assert (context.api, context.response_id, context.principal) == ("chat", "", None)
    assert (context.request, context.scope["path"]) == (request, "/v1/chat/completions")
    extension = {"api": "responses", "response_id": "resp_1", "principal": "me"}
    app = Upstream.handler(handler).app
    await ask(app, "/anywhere", REQUEST, extensions={"responses_asgi": extension})
    assert seen[1][1].extension() == extension


@pytest.mark.parametrize(
    "function", [lambda: "x", lambda request, more: "x", lambda *, request: "x", "no function"]
)
def test_what_cannot_be_called_as_a_handler_is_refused_at_once(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="handler"):
        Upstream.handler(function)


async def test_context_variables_are_kept_in_threads_too() -> None:
    def generator(request: ChatRequest) -> Iterator[Piece]:
        yield who.get()
        who.set("changed")
        yield who.get()

    def plain(request: ChatRequest) -> str:
        return who.get()

    token = who.set("me")
    try:
        assert (await whole(generator))["choices"][0]["message"]["content"] == "mechanged"
        assert (await whole(plain))["choices"][0]["message"]["content"] == "me"
        assert who.get() == "me"
    finally:
        who.reset(token)


async def test_all_steps_of_a_generator_run_in_one_thread_of_its_own() -> None:
    seen: set[int] = set()

    def generator(request: ChatRequest) -> Iterator[Piece]:
        try:
            for _ in range(3):
                seen.add(threading.get_ident())
                yield "x"
        finally:
            seen.add(threading.get_ident())

    await whole(generator)
    assert len(seen) == 1
    assert threading.get_ident() not in seen


async def test_handlers_that_block_run_side_by_side() -> None:
    together = threading.Barrier(20, timeout=10)

    def handler(request: ChatRequest) -> str:
        together.wait()
        return "met"

    answers = await asyncio.gather(*(whole(handler) for _ in range(20)))
    assert {answer["choices"][0]["message"]["content"] for answer in answers} == {"met"}


# --- streaming


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_pieces_go_out_as_they_are_yielded_and_are_not_asked_for_early(kind: str) -> None:
    yielded = 0
    may_read = asyncio.Semaphore(0)

    def counted(request: ChatRequest) -> Iterator[Piece]:
        nonlocal yielded
        for number in range(20):
            yielded += 1
            yield f"<{number}>"

    async def async_counted(request: ChatRequest) -> AsyncIterator[Piece]:
        for piece in counted(request):
            yield piece

    app = Upstream.handler(counted if kind == "sync" else async_counted).app
    read: list[bytes] = []
    messages = [{"type": "http.request", "body": json.dumps(STREAM).encode(), "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message.get("body"):
            await may_read.acquire()
            read.append(message["body"])

    scope = {"type": "http", "method": "POST", "path": "/chat/completions", "headers": []}
    task = asyncio.create_task(app(scope, receive, send))
    for number in range(20):
        await until(lambda number=number: yielded == number + 1)
        assert len(read) == number
        may_read.release()
        await until(lambda number=number: len(read) == number + 1)
        assert f"<{number}>" in read[-1].decode()
    may_read.release()
    await task


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("how", ["left", "cancelled"])
async def test_a_generator_is_closed_when_the_client_leaves(kind: str, how: str) -> None:
    closed = threading.Event()
    waiting = threading.Event()
    release = threading.Event()

    def endless(request: ChatRequest) -> Iterator[Piece]:
        try:
            yield "first"
            waiting.set()
            release.wait(10)
            yield "second"
            raise AssertionError("asked for more")
        finally:
            closed.set()

    async def async_endless(request: ChatRequest) -> AsyncIterator[Piece]:
        try:
            yield "first"
            waiting.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    app = Upstream.handler(endless if kind == "sync" else async_endless).app
    asked = Asked(app, body=STREAM)
    await until(lambda: asked.got.pieces and waiting.is_set())
    asked.leave() if how == "left" else asked.task.cancel()
    [result] = await asyncio.gather(asked.task, return_exceptions=True)
    assert isinstance(result, asyncio.CancelledError) is (how == "cancelled")
    assert closed.is_set() is (kind == "async")  # the thread is still in its step
    release.set()
    await until(closed.is_set)


# --- faults


def raises(error: Exception, *before: Piece) -> Callable[[ChatRequest], AsyncIterator[Piece]]:
    async def generator(request: ChatRequest) -> AsyncIterator[Piece]:
        for piece in before:
            yield piece
        raise error

    return generator


TOO_MUCH = APIError("too much", status=429, headers={"retry-after": "3"})


async def test_an_api_error_before_the_first_piece_is_an_http_status() -> None:
    for body in (REQUEST, STREAM):
        got = await ask(Upstream.handler(raises(TOO_MUCH, Usage(1, 1))).app, body=body)
        assert (got.status, got.code, got.headers["retry-after"]) == (429, "rate_limit_exceeded", "3")
    got = await ask(Upstream.handler(raises(TOO_MUCH, "text")).app, body=REQUEST)
    assert got.status == 429


async def test_an_api_error_after_the_first_piece_is_an_error_chunk_and_no_end_marker() -> None:
    got = await ask(Upstream.handler(raises(TOO_MUCH, "text")).app, body=STREAM)
    last = got.body.decode().split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "rate_limit_exceeded"
    assert got.status == 200
    assert got.ended
    assert b"[DONE]" not in got.body


async def test_a_raw_error_chunk_is_an_error_too() -> None:
    raw = {"error": {"message": "no such model", "code": "model_not_found"}}
    got = await ask(Upstream.handler(pieces(raw)).app, body=REQUEST)
    assert (got.status, got.code) == (404, "model_not_found")
    got = await ask(Upstream.handler(pieces("text", raw)).app, body=STREAM)
    assert b"no such model" in got.pieces[-1]
    assert b"[DONE]" not in got.body


@pytest.mark.parametrize("error", [LookupError, TimeoutError])
@pytest.mark.parametrize("before", [(), ("text",)])
async def test_other_exceptions_are_raised(before: tuple[Piece, ...], error: type[Exception]) -> None:
    got = await ask(Upstream.handler(raises(error("a bug"), *before)).app, body=STREAM)
    assert isinstance(got.raised, error)
    assert not got.ended


@pytest.mark.parametrize("wrong", [None, 5, b"bytes", ["list"]])
async def test_what_is_no_piece_is_named(wrong: Any) -> None:
    for form in forms_of(wrong):
        got = await ask(Upstream.handler(form).app, body=REQUEST)
        assert isinstance(got.raised, TypeError)
        assert repr(wrong) in str(got.raised)


@pytest.mark.parametrize(
    ("body", "param"),
    [(b"{", None), (b"[]", None), ({"model": "m"}, "messages"), ({"messages": "hi"}, "messages")],
)
async def test_requests_that_cannot_be_read_are_400(body: Any, param: str | None) -> None:
    got = await ask(Upstream.handler(sync_generator).app, body=body)
    assert (got.status, got.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/chat/completions"), ("POST", "/v1/embeddings")])
async def test_alone_it_answers_only_the_chat_endpoint(method: str, path: str) -> None:
    got = await ask(Upstream.handler(sync_generator).app, path, REQUEST, method=method)
    assert (got.status, got.code) == (404, "not_found")


async def test_lifespan_is_served_and_websockets_are_refused() -> None:
    asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}, {"type": "websocket.connect"}])
    said: list[str] = []

    async def receive() -> Any:
        return next(asked)

    async def send(message: Any) -> None:
        said.append(message["type"])

    upstream = Upstream.handler(sync_generator)
    await upstream.app({"type": "lifespan"}, receive, send)
    await upstream.app({"type": "websocket"}, receive, send)
    await upstream.aclose()
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


# --- with the real client


async def model(request: ChatRequest, context: ExchangeContext) -> AsyncIterator[Piece]:
    if request["messages"][-1]["content"] == "fail":
        raise InvalidRequestError("cannot", param="messages")
    yield Reasoning("hm")
    yield "Hello "
    yield f"over {context.api}"
    if request.get("tools"):
        yield ToolCall("look", {"q": 1})
    yield Usage(3, 4)


async def test_served_alone_it_is_a_chat_server() -> None:
    async with (
        served(Upstream.handler(model).app) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
    ):
        messages: Any = [{"role": "user", "content": "hi"}]
        completion = await client.chat.completions.create(model="m", messages=messages)
        assert completion.choices[0].message.content == "Hello over chat"
        stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(texts) == "Hello over chat"
        with pytest.raises(openai.BadRequestError, match="cannot"):
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "fail"}], stream=True
            )


async def test_behind_the_bridge_it_serves_responses() -> None:
    app = ResponsesMiddleware(Upstream.handler(model))
    tool = {"type": "function", "name": "look", "parameters": {}, "strict": False}
    body = {"model": "m", "input": "hi", "stream": True, "tools": [tool]}
    got = await ask(app, "/v1/responses", body, headers=[("content-type", "application/json")])
    response = assert_valid_stream(got.body)
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "function_call"]
    assert response["output"][1]["content"][0]["text"] == "Hello over responses"
    assert response["usage"]["total_tokens"] == 7
