"""What a Chat client is told for whatever a Responses upstream sends, raises or leaves out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError, UpstreamError
from responses_asgi.loss import Losses
from responses_asgi.middleware import ChatCompletionsMiddleware
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.testing import assert_valid_chat_stream
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON
from tests.asgi_driver import DONE, JSON_TYPE, SSE, Exchange, completion, data, playing, whole
from tests.responses_driver import (
    HELLO,
    MESSAGES,
    ask_chat,
    called,
    chunks_of,
    event,
    playing_response,
    response,
    said,
    stream_of,
    text_of,
    thought,
    whole_response,
)

BOTH = pytest.mark.parametrize("stream", [True, False])
TOOLS = [{"type": "function", "function": {"name": "look"}}]


async def ask(
    app: ASGIApp,
    *,
    stream: bool,
    raises: type[BaseException] | None = None,
    options: dict[str, Any] | None = None,
    **body: Any,
) -> Exchange:
    """Send a request; the stream that comes back is legal, whatever happened."""
    exchange = ask_chat(ChatCompletionsMiddleware(app, **(options or {})), stream=stream, **body)
    if raises is None:
        await exchange.run()
    else:
        with pytest.raises(raises):
            await exchange.run()
    assert exchange.is_complete
    if exchange.headers["content-type"].startswith("text/event-stream"):
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        assert_valid_chat_stream(exchange.body, usage=usage)
    return exchange


def text(exchange: Exchange, index: int = 0) -> str:
    if exchange.headers["content-type"].startswith("text/event-stream"):
        return text_of(chunks_of(exchange), index=index)
    content: str = exchange.json["choices"][index]["message"]["content"]
    return content


def failure(exchange: Exchange) -> dict[str, Any]:
    """The error of a stream that failed: its last chunk, without an end mark behind it."""
    assert b"[DONE]" not in exchange.body
    error: dict[str, Any] = chunks_of(exchange)[-1]["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    return error


# Answers


async def test_stream() -> None:
    seen: list[Any] = []
    exchange = await ask(playing(*HELLO, seen=seen), stream=True)
    assert exchange.status == 200
    assert text(exchange) == "Hello"
    assert exchange.body.endswith(b"\n\ndata: [DONE]\n\n")
    assert exchange.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert exchange.headers["x-accel-buffering"] == "no"
    scope, body = seen
    assert scope["path"] == "/v1/responses"
    assert (body["stream"], body["store"], body["model"]) == (True, False, "m")
    assert scope["extensions"]["responses_asgi"] == {
        "api": "chat",
        "response_id": chunks_of(exchange)[0]["id"],
        "principal": None,
        "headers": {},
    }


@pytest.mark.parametrize("pieces", [HELLO, [b"".join(HELLO)], [*HELLO, DONE]])
async def test_stream_however_it_is_cut_and_ended(pieces: list[bytes]) -> None:
    assert text(await ask(playing(*pieces), stream=True)) == "Hello"


async def test_headers_go_out_before_the_first_event_and_are_kept_alive() -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await go.wait()
        await send({"type": "http.response.body", "body": b"".join(HELLO)})

    exchange = ask_chat(ChatCompletionsMiddleware(app, keep_alive=0.02), stream=True).start()
    await exchange.until(lambda: b": keep-alive" in exchange.body)
    assert exchange.status == 200
    assert exchange.bodies[0] == b""
    go.set()
    await exchange.end()
    assert text(exchange) == "Hello"


async def test_upstream_and_client_go_in_lock_step() -> None:
    """The upstream's next event is made only after the client has the delta of the last."""
    words = [f"{n} " for n in range(20)]
    exchange: Exchange
    seen = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal seen
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        for document in stream_of(said(0, *words)):
            await send({"type": "http.response.body", "body": document, "more_body": True})
            if b"output_text.delta" in document:
                seen += 1
                assert text_of(chunks_of(exchange)) == "".join(words[:seen])
        await send({"type": "http.response.body"})

    exchange = ask_chat(ChatCompletionsMiddleware(app), stream=True)
    await exchange.run()
    assert seen == 20


async def test_the_answer_is_complete_at_the_terminal_event_while_the_app_goes_on() -> None:
    go = asyncio.Event()
    done = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal done
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": b"".join(HELLO), "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": b"data: broken\n\n", "more_body": True})
        await send({"type": "http.response.body"})
        done = True

    exchange = ask_chat(ChatCompletionsMiddleware(app), stream=True).start()
    await exchange.until(lambda: exchange.is_complete)
    assert text(exchange) == "Hello"
    go.set()
    await exchange.end()
    assert done


async def test_broken_bytes_right_behind_the_terminal_event_are_not_read() -> None:
    exchange = await ask(playing(b"".join(HELLO) + b"data: broken\n\n"), stream=True)
    assert text(exchange) == "Hello"
    assert b"[DONE]" in exchange.body


async def test_whole_answer() -> None:
    seen: list[Any] = []
    exchange = await ask(whole_response(said(0, "Hello"), seen=seen), stream=False)
    assert exchange.status == 200
    assert exchange.json["object"] == "chat.completion"
    assert exchange.json["choices"][0]["message"]["content"] == "Hello"
    assert exchange.json["usage"]["total_tokens"] == 30
    assert "stream" not in seen[1]
    assert exchange.headers["content-type"] == "application/json"


async def test_the_other_form_than_was_asked_for() -> None:
    assert text(await ask(playing(*HELLO), stream=False)) == "Hello"
    exchange = await ask(whole_response(said(0, "Hello")), stream=True)
    assert (text(exchange), exchange.body[-14:]) == ("Hello", b"data: [DONE]\n\n")


@pytest.mark.parametrize("asked", [None, True, False])
async def test_usage_of_a_stream_is_told_when_it_is_asked_for(asked: bool | None) -> None:
    seen: list[Any] = []
    options = None if asked is None else {"include_usage": asked}
    exchange = await ask(playing(*HELLO, seen=seen), stream=True, stream_options=options)
    assert [chunk["usage"] for chunk in chunks_of(exchange) if chunk.get("usage")] == (
        [chunks_of(exchange)[-1]["usage"]] if asked else []
    )
    assert "stream_options" not in seen[1]


@BOTH
async def test_stop_is_cut_here(stream: bool) -> None:
    seen: list[Any] = []
    app = playing_response(said(0, "one E", "N", "D two"), seen=seen)
    exchange = await ask(app, stream=stream, stop=["END"])
    assert text(exchange) == "one "
    assert "stop" not in seen[1]
    assert exchange.headers["x-responses-asgi-loss"] == "stop;emulated"


@BOTH
@pytest.mark.parametrize("field", ["reasoning_content", "thoughts", None])
async def test_reasoning_is_in_the_field_that_is_wanted(field: str | None, stream: bool) -> None:
    app = playing_response(thought(0, summary=[["Hm"]]), said(1, "Hello"))
    exchange = await ask(app, stream=stream, options={"reasoning_field": field})
    if stream:
        assert text_of(chunks_of(exchange), field or "reasoning_content") == ("Hm" if field else "")
    else:
        message = exchange.json["choices"][0]["message"]
        assert message.get(field or "reasoning_content") == ("Hm" if field else None)
    assert text(exchange) == "Hello"


@pytest.mark.parametrize("field", ["content", "role", ""])
def test_reasoning_cannot_take_another_field_s_place(field: str) -> None:
    with pytest.raises(ConfigurationError, match="reasoning_field"):
        ChatCompletionsMiddleware(playing(), reasoning_field=field)


async def test_model_that_is_renamed_is_told_by_the_client_s_name() -> None:
    seen: list[Any] = []
    exchange = await ask(playing(*HELLO, seen=seen), stream=True, options={"model": "real"})
    assert seen[1]["model"] == "real"
    assert {chunk["model"] for chunk in chunks_of(exchange)} == {"m"}


async def test_model_of_the_operator_stands_in_for_one_that_is_missing() -> None:
    seen: list[Any] = []
    exchange = await ask(whole_response(said(0, "Hi"), seen=seen), stream=False, model=None)
    assert (exchange.status, exchange.error["param"]) == (400, "model")
    app = whole_response(said(0, "Hi"), seen=seen)
    assert (await ask(app, stream=False, model=None, options={"model": "real"})).status == 200
    assert seen[1]["model"] == "real"


# Requests that are refused


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"n": 17}, "n"),
    ],
)
async def test_refused_with_the_exact_place(body: JSON, param: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    exchange = await ask(app, stream=True, **body)
    assert (exchange.status, exchange.error["param"]) == (400, param)


async def test_null_is_no_request() -> None:
    exchange = ask_chat(ChatCompletionsMiddleware(playing()))
    exchange.pieces = [b"null"]
    assert (await exchange.run()).status == 400


async def test_losses_are_told_and_strict_refuses_them() -> None:
    app = whole_response(said(0, "Hi"))
    exchange = await ask(app, stream=False, seed=7, max_tokens=5)
    losses = exchange.headers["x-responses-asgi-loss"]
    assert "seed;dropped" in losses
    assert "max_tokens;clamped" in losses
    silent = await ask(app, stream=False, seed=7, options={"loss_header": False})
    assert "x-responses-asgi-loss" not in silent.headers
    strict = await ask(app, stream=False, seed=7, options={"strict": True})
    assert (strict.status, strict.error["param"]) == (400, "seed")


# Failures


async def test_end_of_the_body_is_not_the_end_of_the_answer() -> None:
    exchange = await ask(playing(*HELLO[:-1]), stream=True)
    assert text(exchange) == "Hello"
    assert "cut off" in failure(exchange)["message"]
    assert (await ask(playing(*HELLO[:-1]), stream=False)).status == 502


ERRORS = {
    "flat event": event({"type": "error", "code": "server_error", "message": "no", "param": None}),
    "nested event": event({"type": "error", "error": {"message": "no", "code": "x"}}),
    "failed response": event(
        {"type": "response.failed", "response": response("failed", error={"code": "x", "message": "no"})}
    ),
    "chunk": data({"error": {"message": "no"}}),
}


@BOTH
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
async def test_error_in_the_stream(error: bytes, stream: bool) -> None:
    exchange = await ask(playing(*HELLO[:5], error, *HELLO[5:]), stream=stream)
    if stream:
        assert text(exchange) == "Hel"
        assert failure(exchange)["message"] == "no"
    else:
        assert exchange.status >= 400
        assert exchange.error["message"] == "no"


@BOTH
async def test_broken_event(stream: bool) -> None:
    exchange = await ask(playing(*HELLO[:5], b"data: {oops\n\n"), stream=stream)
    error = failure(exchange) if stream else exchange.error
    assert "not a JSON object" in error["message"]


@BOTH
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_http_error_keeps_its_status_and_its_headers(status: int, stream: bool) -> None:
    error = {"message": "no", "type": "t", "param": "input", "code": "c"}
    headers = [JSON_TYPE, (b"retry-after", b"7"), (b"x-request-id", b"r")]
    exchange = await ask(whole({"error": error}, status=status, headers=headers), stream=stream)
    assert (exchange.status, exchange.error) == (status, error)
    assert (exchange.headers["retry-after"], exchange.headers["x-request-id"]) == ("7", "r")


@BOTH
@pytest.mark.parametrize(
    ("document", "status", "message"),
    [
        (response("failed", error={"code": "rate_limit_exceeded", "message": "slow"}), 429, "slow"),
        ({"error": {"message": "slow", "type": "rate_limit_error"}}, 429, "slow"),
        (completion(), 502, "JSON that is no response: it has no output"),
        ([1], 502, "JSON that is not an object; expected a response"),
    ],
)
async def test_whole_answer_that_is_none(document: Any, status: int, message: str, stream: bool) -> None:
    exchange = await ask(whole(document), stream=stream)
    assert exchange.status == status
    assert message in exchange.error["message"]


class Broken(Exception):
    """Has a text that no client may see."""


@BOTH
async def test_exception_before_the_start(stream: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise Broken("secret")

    exchange = await ask(app, stream=stream, raises=Broken)
    assert (exchange.status, exchange.error["code"]) == (500, "server_error")


@BOTH
@pytest.mark.parametrize("error", [Broken("secret"), UpstreamError("gone", status=503)])
async def test_exception_after_the_start(error: Exception, stream: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": b"".join(HELLO[:5]), "more_body": True})
        raise error

    raised = Broken if isinstance(error, Broken) else None
    exchange = await ask(app, stream=stream, raises=raised)
    assert b"secret" not in exchange.body
    if stream:
        assert text(exchange) == "Hel"
        assert failure(exchange)["code"] == ("server_error" if raised else "server_is_overloaded")
    else:
        assert exchange.status == (500 if raised else 503)


# Hooks


@BOTH
async def test_hooks_see_chunks_and_the_completion(stream: bool) -> None:
    chunks: list[JSON] = []
    told: list[Any] = []

    def on_event(event: Event, context: Any) -> None:
        chunks.append(event.json())

    def after(snapshot: JSON, losses: Losses, timings: Any, context: Any) -> None:
        told.append((snapshot, context))

    options = {"on_event": on_event, "after_exchange": after}
    exchange = await ask(playing(*HELLO), stream=stream, options=options)
    assert text_of(chunks) == "Hello"
    ((snapshot, context),) = told
    assert snapshot["choices"][0]["message"]["content"] == "Hello"
    assert (context.api, context.response_id) == ("chat", snapshot["id"])
    assert context.request["messages"] == MESSAGES
    if stream:
        assert chunks == chunks_of(exchange)


async def test_before_upstream_edits_the_responses_body() -> None:
    seen: list[Any] = []

    def before(body: JSON, headers: dict[str, str], context: Any) -> None:
        assert body["input"] == [{"type": "message", **MESSAGES[0]}]
        body["instructions"] = "Be brief."

    options = {"before_upstream": before, "set": {"truncation": "auto"}, "drop": ["model"]}
    await ask(whole_response(said(0, "Hi"), seen=seen), stream=False, options=options)
    assert (seen[1]["instructions"], seen[1]["truncation"]) == ("Be brief.", "auto")
    assert "model" not in seen[1]


# Disconnects


@BOTH
async def test_deaf_app_is_cancelled_when_the_client_leaves(stream: bool) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": b"".join(HELLO[:5]), "more_body": True})
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    exchange = ask_chat(ChatCompletionsMiddleware(app), stream=stream).start()
    await asyncio.wait_for(started.wait(), 20)
    exchange.left.set()
    assert exchange.task is not None
    await asyncio.wait_for(exchange.task, 1)
    assert cancelled.is_set()
    assert (exchange.status, exchange.is_complete) == ((200, False) if stream else (499, True))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# Several turns


def calling(number: int) -> list[list[JSON]]:
    return [
        thought(0, summary=[["Hm"]], encrypted_content="sealed"),
        called(1, "look", '{"n":', f"{number}}}", call_id=f"call_{number}"),
    ]


def next_turn(exchange: Exchange, number: int, *, stream: bool) -> list[JSON]:
    """The messages of the second turn: the call as the client was told it, and its output."""
    if stream:
        function = {"name": "look", "arguments": f'{{"n":{number}}}'}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        made: JSON = {"role": "assistant", "content": None, "tool_calls": [call]}
    else:
        made = exchange.json["choices"][0]["message"]
    output = {"role": "tool", "tool_call_id": f"call_{number}", "content": "found"}
    return [*MESSAGES, made, output]


@BOTH
async def test_reasoning_comes_back_with_the_tool_call_it_made(stream: bool) -> None:
    seen: list[Any] = []
    component = ChatCompletionsMiddleware(playing_response(*calling(1), seen=seen))
    key = [(b"authorization", b"Bearer a")]
    first = await ask_chat(component, stream=stream, tools=TOOLS, headers=key).run()
    turn = next_turn(first, 1, stream=stream)
    await ask_chat(component, stream=stream, tools=TOOLS, messages=turn, headers=key).run()
    sent = seen[3]["input"]
    assert [item["type"] for item in sent] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]
    assert (sent[1]["id"], sent[1]["encrypted_content"]) == ("rs_0", "sealed")
    assert sent[2]["id"] == "fc_1"


@pytest.mark.parametrize("other", [[(b"authorization", b"Bearer b")], []])
async def test_reasoning_of_another_credential_is_not_recalled(other: list[tuple[bytes, bytes]]) -> None:
    seen: list[Any] = []
    component = ChatCompletionsMiddleware(playing_response(*calling(1), seen=seen))
    first = await ask_chat(component, tools=TOOLS, headers=[(b"authorization", b"Bearer a")]).run()
    turn = next_turn(first, 1, stream=False)
    await ask_chat(component, tools=TOOLS, messages=turn, headers=other).run()
    assert "sealed" not in json.dumps(seen[3]["input"])
    assert "rs_0" not in json.dumps(seen[3]["input"])


async def test_reasoning_is_kept_before_the_client_learns_of_the_end() -> None:
    store = MemoryStore()
    component = ChatCompletionsMiddleware(playing_response(*calling(1)), store=store)
    exchange = ask_chat(component, stream=True, tools=TOOLS)
    send, kept = exchange.send, []

    async def looking(message: Any) -> None:
        if b"[DONE]" in message.get("body", b""):
            record = await store.get("call", "", "call_1")
            kept.extend(json.loads(record.data) if record else [])
        await send(message)

    await component(exchange.scope, exchange.receive, looking)
    assert [item["type"] for item in kept] == ["reasoning", "function_call"]
