"""A Python function that serves Responses: what it is given, and what its pieces and events become."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError, InvalidRequestError, UpstreamError
from responses_asgi.middleware import ChatCompletionsMiddleware, ResponsesMiddleware
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.answers import (
    Finish,
    Piece,
    Reasoning,
    Refusal,
    ResponsesRequest,
    ToolCall,
    Usage,
)
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.upstream import Upstream
from tests.asgi_driver import Exchange, post
from tests.loopback import Got, ask
from tests.responses_driver import ask_chat, chunks_of, response, response_of, said, text_of, told

REQUEST = {"model": "m", "input": "hi"}
STREAM = {**REQUEST, "stream": True}
BOTH = pytest.mark.parametrize("stream", [True, False])


def pieces(*given: Any) -> Callable[[ResponsesRequest], AsyncIterator[Piece]]:
    async def generator(request: ResponsesRequest) -> AsyncIterator[Piece]:
        for piece in given:
            yield piece

    return generator


async def answered(function: Callable[..., Any], *, stream: bool, **body: Any) -> Got:
    app = Upstream.handler(function, api="responses").app
    return await ask(app, path="/v1/responses", body={**(STREAM if stream else REQUEST), **body})


async def final(function: Callable[..., Any], *, stream: bool, **body: Any) -> JSON:
    """The response, after a stream was proved legal."""
    got = await answered(function, stream=stream, **body)
    assert got.raised is None
    assert got.status == 200
    if not stream:
        whole: JSON = got.json()
        return whole
    assert got.headers["content-type"].startswith("text/event-stream")
    return assert_valid_stream(got.body)


@BOTH
async def test_every_piece_becomes_its_item(stream: bool) -> None:
    function = pieces(
        Reasoning("Hm"),
        "Hel",
        "lo",
        ToolCall("look", {"n": 1}, call_id="call_1"),
        ToolCall("look", "{}"),
        Usage(3, 4, reasoning_tokens=1),
    )
    found = await final(function, stream=stream)
    thought, message, first, second = found["output"]
    assert thought["content"][0]["text"] == "Hm"
    assert message["content"][0]["text"] == "Hello"
    assert (first["call_id"], first["name"], first["arguments"]) == ("call_1", "look", '{"n":1}')
    assert second["call_id"].startswith("call_")
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (3, 4)
    assert found["usage"]["output_tokens_details"]["reasoning_tokens"] == 1
    assert (found["status"], found["model"]) == ("completed", "m")


@BOTH
async def test_refusal_and_finish(stream: bool) -> None:
    found = await final(pieces(Refusal("No."), Finish("content_filter")), stream=stream)
    assert found["output"][0]["content"][0]["refusal"] == "No."
    assert found["incomplete_details"] == {"reason": "content_filter"}


@BOTH
@pytest.mark.parametrize("result", ["Hello", {"role": "assistant", "content": "Hello"}])
async def test_returned_text_or_message(result: Any, stream: bool) -> None:
    def function(request: JSON) -> Any:
        return result

    async def coroutine(request: JSON) -> Any:
        return result

    for each in (function, coroutine):
        found = await final(each, stream=stream)
        assert found["output"][0]["content"][0]["text"] == "Hello"


@BOTH
async def test_nothing_said_is_an_empty_answer(stream: bool) -> None:
    found = await final(pieces(), stream=stream, model=None)
    assert (found["status"], found["output"], found["model"]) == ("completed", [], "handler")


async def test_the_function_is_given_the_request_as_it_came_and_the_context() -> None:
    given: list[Any] = []

    def function(request: JSON, context: ExchangeContext) -> Iterator[str]:
        given.extend([request, context.api])
        yield "hi"

    await final(function, stream=True, previous_response_id="resp_0", own={"x": 1})
    assert given == [{**STREAM, "previous_response_id": "resp_0", "own": {"x": 1}}, "responses"]


@BOTH
async def test_raw_events_pass_under_new_numbers(stream: bool) -> None:
    events = [
        {**each, "sequence_number": 99} for each in told(said(0, "Hel", "lo")) if isinstance(each, dict)
    ]
    own = {"type": "response.house.note", "note": 1}
    found = await final(pieces(*events[:3], own, *events[3:], {"type": "late"}), stream=stream)
    assert (found["id"], found["output"][0]["content"][0]["text"]) == ("resp_7", "Hello")


@BOTH
@pytest.mark.parametrize("yields", [True, False])
async def test_whole_response(yields: bool, stream: bool) -> None:
    whole = response_of(said(0, "Hello"))

    async def returning(request: JSON) -> JSON:
        return whole

    found = await final(pieces(whole) if yields else returning, stream=stream)
    assert found == whole


async def test_raw_events_without_an_end_fail() -> None:
    events = told(said(0, "Hello"))[:-1]
    assert (await final(pieces(*events), stream=True))["status"] == "failed"
    got = await answered(pieces(*events), stream=False)
    assert (got.status, "cut off" in got.json()["error"]["message"]) == (502, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["Hi", {"type": "response.created"}], "not of both"),
        ([{"type": "response.created", "response": response()}, "Hi"], "not of both"),
        ([{"no": "type"}], "a Responses event or a response"),
        ([7], "a handler yields"),
    ],
)
async def test_what_is_no_piece(given: list[Any], message: str) -> None:
    got = await answered(pieces(*given), stream=False)
    assert isinstance(got.raised, TypeError)
    assert message in str(got.raised)


@BOTH
async def test_api_error_before_anything_was_said(stream: bool) -> None:
    async def function(request: JSON) -> AsyncIterator[str]:
        raise InvalidRequestError("not that", param="input")
        yield ""

    got = await answered(function, stream=stream)
    assert (got.status, got.json()["error"]["param"]) == (400, "input")


@BOTH
@pytest.mark.parametrize(
    "given", [["Hel"], told(said(0, "Hel"))[:5]], ids=["after a piece", "after raw events"]
)
async def test_api_error_in_the_middle(given: list[Any], stream: bool) -> None:
    async def function(request: JSON) -> AsyncIterator[Any]:
        for piece in given:
            yield piece
        raise UpstreamError("busy", status=503)

    if stream:
        found = await final(function, stream=True)
        assert (found["status"], found["error"]["message"]) == ("failed", "busy")
        assert found["output"][0]["content"][0]["text"] == "Hel"
    else:
        assert (await answered(function, stream=False)).status == 503


async def test_error_among_raw_events() -> None:
    got = await answered(pieces({"type": "error", "code": "x", "message": "no"}), stream=True)
    assert (got.status, got.json()["error"]["message"]) == (502, "no")


@pytest.mark.parametrize(
    ("body", "param"), [({"input": 5}, "input"), ({"input": None}, "input"), ({"tools": 1}, "tools")]
)
async def test_malformed_request(body: JSON, param: str) -> None:
    got = await answered(pieces("x"), stream=False, **body)
    assert (got.status, got.json()["error"]["param"]) == (400, param)


async def test_alone_it_answers_its_own_endpoint_only() -> None:
    app = Upstream.handler(pieces("x"), api="responses").app
    assert (await ask(app, path="/v1/chat/completions", body=REQUEST)).status == 404
    assert (await ask(app, path="/v1/responses", body=REQUEST)).status == 200


def test_a_handler_serves_one_api() -> None:
    with pytest.raises(ConfigurationError, match="requests of one kind"):
        Upstream.handler(pieces("x"), api="both")


# Behind the components


async def parrot(request: JSON) -> AsyncIterator[str]:
    """Serves either API."""
    last = (request.get("messages") or request.get("input"))[-1]
    for word in last["content"].split():
        yield f"{word} "


def text(exchange: Exchange, *, stream: bool) -> str:
    if not stream:
        return str(exchange.json["choices"][0]["message"]["content"])
    assert_valid_chat_stream(exchange.body)
    return text_of(chunks_of(exchange))


@BOTH
async def test_chat_client_over_a_handler_of_responses(stream: bool) -> None:
    component = ChatCompletionsMiddleware(Upstream.handler(parrot, api="responses"))
    exchange = await ask_chat(component, stream=stream).run()
    assert text(exchange, stream=stream) == "Hi "


@pytest.mark.parametrize("api", ["chat", "responses"])
@BOTH
async def test_one_function_for_each_client_over_each_api(api: str, stream: bool) -> None:
    upstream = Upstream.handler(parrot, api=api)
    chat = await ask_chat(ChatCompletionsMiddleware(upstream), stream=stream).run()
    assert text(chat, stream=stream) == "Hi "
    body = {"model": "m", "input": [{"role": "user", "content": "Hi"}], "stream": stream}
    own = await post(ResponsesMiddleware(upstream), body).run()
    found = assert_valid_stream(own.body) if stream else own.json
    assert found["output"][0]["content"][0]["text"] == "Hi "


async def test_the_client_that_leaves_closes_the_function() -> None:
    started, closed = asyncio.Event(), asyncio.Event()

    async def function(request: JSON) -> AsyncIterator[str]:
        try:
            yield "Hel"
            started.set()
            await asyncio.sleep(60)
        finally:
            closed.set()

    component = ChatCompletionsMiddleware(Upstream.handler(function, api="responses"))
    exchange = ask_chat(component, stream=True).start()
    await asyncio.wait_for(started.wait(), 20)
    exchange.left.set()
    assert exchange.task is not None
    await asyncio.wait_for(exchange.task, 1)
    assert closed.is_set()


async def test_the_function_learns_whose_answer_it_makes() -> None:
    known: list[ExchangeContext] = []

    async def function(request: JSON, context: ExchangeContext) -> str:
        known.append(context)
        return "Hi"

    component = ChatCompletionsMiddleware(Upstream.handler(function, api="responses"))
    exchange = await ask_chat(component).run()
    assert (known[0].api, known[0].response_id) == ("chat", exchange.json["id"])
    assert json.dumps(known[0].request["input"]).count("Hi") == 1
