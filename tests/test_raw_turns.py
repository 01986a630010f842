"""Raw turns of FakeModel: what they were given is what a client receives, byte for byte."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource

from responses_asgi.testing import FakeModel, ResponsesTurn, Turn
from tests.loopback import served

JSON = dict[str, Any]

USER = [{"role": "user", "content": "Hi"}]

HELLO: list[JSON | bytes] = [
    {"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}]},
    {"id": "c1", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
    {"id": "c1", "choices": [], "usage": {"prompt_tokens": 1}},
]


def client(app: FakeModel) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def ask(app: FakeModel, *, path: str = "/v1/chat/completions", **body: Any) -> httpx.Response:
    async with client(app) as http:
        return await http.post(path, json={"model": "m", "messages": USER, "input": "Hi", **body})


async def messages(
    app: FakeModel, body: bytes = b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"stream":true}'
) -> list[JSON]:
    """The ASGI messages of one answer, as the app sent them."""
    sent: list[JSON] = []

    async def receive() -> JSON:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/chat/completions", "headers": []}
    await app(scope, receive, send)
    return sent


async def test_a_stream_and_its_marker() -> None:
    app = FakeModel([Turn(HELLO), Turn(HELLO, done=False, newline="\r\n")])
    answer = await ask(app, model="m", stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = list(EventSource(answer).iter_sse())
    assert [event.json() for event in events[:-1]] == HELLO
    assert events[-1].data == "[DONE]"
    plain = await ask(app, model="m", stream=True)
    assert plain.content.count(b"\r\n\r\n") == len(HELLO)
    assert b"[DONE]" not in plain.content


async def test_raw_bytes_are_sent_as_they_are() -> None:
    answer = await ask(FakeModel([Turn([b": wait\n\n", b"data: {broken\n\n"])]), stream=True)
    assert answer.content == b": wait\n\ndata: {broken\n\ndata: [DONE]\n\n"


async def test_a_whole_answer_is_put_together_from_the_chunks() -> None:
    call = {"index": 0, "id": "call_1", "function": {"name": "f", "arguments": '{"a"'}}
    rest = {"index": 0, "function": {"arguments": ":1}"}}
    chunks: list[JSON | bytes] = [
        *HELLO,
        b": comment\n\n",
        {"choices": [{"index": 0, "delta": {"tool_calls": [call], "annotations": [{"type": "x"}]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [rest], "annotations": [{"type": "y"}]}}]},
    ]
    answer = (await ask(FakeModel([Turn(chunks)]), model="m")).json()
    assert answer["usage"] == {"prompt_tokens": 1}
    assert answer["id"] == "c1"
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"] == {
        "role": "assistant",
        "content": "Hello",
        "refusal": None,
        "annotations": [{"type": "x"}, {"type": "y"}],
        "tool_calls": [
            {"type": "function", "id": "call_1", "function": {"name": "f", "arguments": '{"a":1}'}}
        ],
    }


async def test_a_whole_answer_can_be_given_instead_and_an_error_chunk_is_one() -> None:
    app = FakeModel([Turn(HELLO, whole=b"<html>"), Turn([{"error": {"message": "no"}}])])
    assert (await ask(app)).content == b"<html>"
    assert (await ask(app)).json() == {"error": {"message": "no"}}


async def test_an_error_status_is_the_answer_to_streams_too() -> None:
    turn = Turn(status=429, headers={"Retry-After": "7"}, whole={"error": {"message": "slow"}})
    answer = await ask(FakeModel([turn]), stream=True)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json() == {"error": {"message": "slow"}}


async def test_a_rule_answers_by_model() -> None:
    app = FakeModel()
    app.on(model="a").say(Turn(whole={"a": 1}))
    assert (await ask(app, model="a")).json() == {"a": 1}
    assert (await ask(app, model="b")).status_code == 500


async def test_each_event_is_one_message_unless_blocks_are_asked_for() -> None:
    by_event = (await messages(FakeModel([Turn(HELLO)])))[1:]
    assert [message["more_body"] for message in by_event] == [True] * 4 + [False]
    by_byte = (await messages(FakeModel([Turn(HELLO, block=1)])))[1:]
    assert {len(message["body"]) for message in by_byte[:-1]} == {1}
    assert b"".join(m["body"] for m in by_byte) == b"".join(m["body"] for m in by_event)


async def test_a_cut_answer_never_says_that_it_ends() -> None:
    cut = (await messages(FakeModel([Turn(HELLO, cut_after=30)])))[1:]
    assert b"".join(message["body"] for message in cut) == Turn(HELLO).body(stream=True)[:30]
    assert all(message["more_body"] for message in cut)
    nothing = await messages(FakeModel([Turn(HELLO, cut_after=0)]))
    assert [message["type"] for message in nothing] == ["http.response.start"]


async def test_exceptions_before_and_after_the_start() -> None:
    app = FakeModel([Turn(raise_before=LookupError("early")), Turn(HELLO, raise_after=LookupError("late"))])
    with pytest.raises(LookupError, match="early"):
        await messages(app)
    with pytest.raises(LookupError, match="late"):
        await messages(app)


async def test_a_pause_can_hold_the_stream() -> None:
    held, gate = asyncio.Event(), asyncio.Event()

    async def pause(number: int) -> None:
        if number == 1:
            held.set()
            await gate.wait()

    task = asyncio.create_task(messages(FakeModel([Turn(HELLO, pause=pause)])))
    await held.wait()
    assert not task.done()
    gate.set()
    assert len(await task) == 6
    assert len(await messages(FakeModel([Turn(HELLO, pause=0.001)]))) == 6


RESPONSE = {"id": "resp_1", "object": "response", "status": "completed", "output": []}
MESSAGE = {"type": "message", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}
EVENTS: list[JSON | bytes] = [
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress"}},
    {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE},
    b": wait\n\n",
    {"type": "response.completed", "response": {**RESPONSE, "output": [MESSAGE]}},
]


async def test_responses_events_have_names_and_no_marker() -> None:
    app = FakeModel([ResponsesTurn(EVENTS), ResponsesTurn(EVENTS, event_lines=False)])
    answer = await ask(app, path="/v1/responses", model="m", stream=True)
    events = list(EventSource(answer).iter_sse())
    assert [event.json() for event in events] == [event for event in EVENTS if isinstance(event, dict)]
    assert [event.event for event in events] == [event.json()["type"] for event in events]
    assert b"event:" not in (await ask(app, path="/v1/responses", model="m", stream=True)).content


async def test_a_whole_response_is_put_together_from_the_events() -> None:
    app = FakeModel([ResponsesTurn(EVENTS)])
    answer = await ask(app, path="/openai/v1/responses", model="m")
    assert answer.json() == {**RESPONSE, "output": [MESSAGE]}


async def test_under_a_real_server_a_cut_answer_is_a_broken_connection() -> None:
    app = FakeModel([Turn(HELLO), Turn(HELLO, cut_after=40)])
    request = {"model": "m", "messages": USER, "stream": True}
    async with served(app) as base, httpx.AsyncClient(base_url=base) as http:
        answer = await http.post("/v1/chat/completions", json=request)
        assert answer.content == Turn(HELLO).body(stream=True)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post("/v1/chat/completions", json=request)
