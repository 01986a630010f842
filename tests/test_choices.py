"""Several choices for a Chat client: as many upstream calls, side by side, in one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from responses_asgi.middleware import ChatCompletionsMiddleware
from responses_asgi.testing import assert_valid_chat_stream
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.json import dumps
from tests.asgi_driver import JSON_TYPE, SSE, Exchange, data
from tests.loopback import until
from tests.responses_driver import ask_chat, chunks_of, response_of, said, stream_of, text_of

BOTH = pytest.mark.parametrize("stream", [True, False])


class Choices:
    """Answers call number k with the words "k0 k1 k2 ", each after its turn in `order`, if there is one."""

    def __init__(self, order: str = "") -> None:
        self.calls = 0
        self.scopes: list[Scope] = []
        self.ended: dict[int, str] = {}
        self.order = list(order)
        self.turn = asyncio.Condition()
        self.fail: Callable[[int], Exception | bytes | None] = lambda number: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        number = self.calls
        self.calls += 1
        self.scopes.append(scope)
        scope["extensions"]["own"] = number
        streams = b'"stream":true' in (await receive())["body"]
        words = [f"{number}{n} " for n in range(3)]
        try:
            if streams:
                await self._stream(number, words, send)
            else:
                await self._whole(number, words, send)
            self.ended[number] = "done"
        except asyncio.CancelledError:
            self.ended[number] = "cancelled"
            raise

    async def _stream(self, number: int, words: list[str], send: Send) -> None:
        headers = [SSE, (b"x-call", b"%d" % number)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for document in stream_of(said(0, *words)):
            if b"output_text.delta" in document:
                await self._wait(number)
                if failing := self.fail(number):
                    if isinstance(failing, Exception):
                        raise failing
                    await send({"type": "http.response.body", "body": failing, "more_body": False})
                    return
            await send({"type": "http.response.body", "body": document, "more_body": True})
        await send({"type": "http.response.body"})

    async def _whole(self, number: int, words: list[str], send: Send) -> None:
        await self._wait(number)
        if failing := self.fail(number):
            assert isinstance(failing, Exception)
            raise failing
        await send({"type": "http.response.start", "status": 200, "headers": [JSON_TYPE]})
        body = dumps(response_of(said(0, *words)))
        await send({"type": "http.response.body", "body": body})

    async def _wait(self, number: int) -> None:
        if not self.order:
            return
        async with self.turn:
            await self.turn.wait_for(lambda: not self.order or self.order[0] == str(number))
            if self.order:
                self.order.pop(0)
            self.turn.notify_all()


def asking(app: ASGIApp, *, stream: bool, n: int = 3, **options: Any) -> Exchange:
    return ask_chat(ChatCompletionsMiddleware(app, **options), stream=stream, n=n)


async def test_streams_interleave_as_they_come() -> None:
    app = Choices("012210102")
    exchange = await asking(app, stream=True).run()
    completion = assert_valid_chat_stream(exchange.body, usage=False)
    assert [choice["index"] for choice in completion["choices"]] == [0, 1, 2]
    for number in range(3):
        assert completion["choices"][number]["message"]["content"] == f"{number}0 {number}1 {number}2 "
        assert completion["choices"][number]["finish_reason"] == "stop"
    told = [
        choice["index"]
        for chunk in chunks_of(exchange)
        for choice in chunk["choices"]
        if choice["delta"].get("content")
    ]
    assert told == [0, 1, 2, 2, 1, 0, 1, 0, 2]
    assert (app.calls, exchange.headers["x-call"]) == (3, "0")


async def test_each_call_has_a_scope_of_its_own() -> None:
    app = Choices()
    await asking(app, stream=True).run()
    assert [scope["extensions"]["own"] for scope in app.scopes] == [0, 1, 2]


async def test_usage_is_the_sum_of_all() -> None:
    exchange = asking(Choices(), stream=False)
    await exchange.run()
    assert exchange.json["usage"]["total_tokens"] == 90


@pytest.mark.parametrize("order", ["", "210", "102"])
async def test_whole_answers_are_merged(order: str) -> None:
    exchange = await asking(Choices(order), stream=False).run()
    contents = [choice["message"]["content"] for choice in exchange.json["choices"]]
    assert contents == ["00 01 02 ", "10 11 12 ", "20 21 22 "]


async def test_whole_answers_to_a_client_that_asked_for_a_stream() -> None:
    inner = Choices()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def not_streamed() -> Any:
            return {**(await receive()), "body": b"{}"}

        await inner(scope, not_streamed, send)

    exchange = await asking(app, stream=True).run()
    completion = assert_valid_chat_stream(exchange.body, usage=False)
    assert len(completion["choices"]) == 3


class Broken(Exception):
    pass


ERROR = data({"error": {"message": "no", "type": "server_error"}})


@pytest.mark.parametrize(
    "failing", [Broken(), ERROR, b": the end\n\n"], ids=["exception", "error chunk", "cut off"]
)
async def test_the_first_failure_fails_the_answer_and_ends_the_others(failing: Exception | bytes) -> None:
    app = Choices("01221")  # after its second word, call 1 fails; the others wait for ever
    app.order.append("x")
    words = 0

    def fail(number: int) -> Exception | bytes | None:
        nonlocal words
        words += number == 1
        return failing if words == 2 and number == 1 else None

    app.fail = fail
    exchange = asking(app, stream=True)
    if isinstance(failing, Exception):
        with pytest.raises(Broken):
            await exchange.run()
    else:
        await exchange.run()
    assert_valid_chat_stream(exchange.body, usage=False)
    assert b"[DONE]" not in exchange.body
    assert "error" in chunks_of(exchange)[-1]
    assert app.ended.get(0) == app.ended.get(2) == "cancelled"
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_failure_before_anything_was_said_is_an_http_error() -> None:
    app = Choices("1x")
    app.fail = lambda number: Broken() if number == 1 else None
    exchange = asking(app, stream=False)
    with pytest.raises(Broken):
        await exchange.run()
    assert exchange.status == 500
    assert {app.ended.get(0), app.ended.get(2)} == {"cancelled"}


async def test_http_error_of_one_is_the_status_of_all() -> None:
    calls = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            await asyncio.sleep(60)
        await send({"type": "http.response.start", "status": 429, "headers": [(b"retry-after", b"3")]})
        await send({"type": "http.response.body", "body": b'{"error": {"message": "slow"}}'})

    exchange = await asking(app, stream=True).run()
    assert (exchange.status, exchange.headers["retry-after"]) == (429, "3")


async def test_call_that_returns_without_an_answer_fails_all() -> None:
    calls = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal calls
        calls += 1
        if calls != 2:
            await asyncio.sleep(60)

    exchange = await asking(app, stream=False).run()
    assert exchange.status == 502
    assert "without completing" in exchange.error["message"]


@BOTH
async def test_client_that_leaves_ends_all(stream: bool) -> None:
    app = Choices("x")
    exchange = asking(app, stream=stream).start()
    await until(lambda: app.calls == 3)
    exchange.left.set()
    assert exchange.task is not None
    await asyncio.wait_for(exchange.task, 1)
    assert app.ended == {0: "cancelled", 1: "cancelled", 2: "cancelled"}
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancellation_from_outside_ends_all() -> None:
    app = Choices("x")
    exchange = asking(app, stream=True).start()
    await exchange.until(lambda: bool(exchange.sent))
    assert exchange.task is not None
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.task
    assert app.ended == {0: "cancelled", 1: "cancelled", 2: "cancelled"}


async def test_the_most_choices_can_be_set() -> None:
    assert (await asking(Choices(), stream=False, n=2, max_choices=2).run()).status == 200
    exchange = await asking(Choices(), stream=False, n=3, max_choices=2).run()
    assert (exchange.status, exchange.error["param"]) == (400, "n")
    assert "At most 2" in exchange.error["message"]


async def test_one_choice_runs_in_the_request_s_own_task() -> None:
    tasks = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.current_task())
        await Choices()(scope, receive, send)

    exchange = asking(app, stream=True, n=1).start()
    await exchange.end()
    assert tasks == [exchange.task]
    assert text_of(chunks_of(exchange)) == "00 01 02 "
