"""The operator's edits and hooks around the upstream call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from tests.asgi_driver import HELLO, SSE, Exchange, chunk, data, playing, post


async def ask(
    *pieces: bytes, seen: list[Any] | None = None, stream: bool = False, **options: Any
) -> Exchange:
    app = ResponsesMiddleware(playing(*(pieces or HELLO), seen=seen), **options)
    return await post(
        app, stream=stream, headers=[(b"authorization", b"Bearer client"), (b"x-a", b"1")]
    ).run()


def headers_of(seen: list[Any]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in seen[0]["headers"]}


async def test_fields_are_renamed_dropped_and_set() -> None:
    seen: list[Any] = []
    template = {"enable_thinking": False}
    await ask(
        seen=seen,
        set={"chat_template_kwargs": template, "messages": [], "top_k": 5},
        drop=["model"],
        rename={"messages": "turns"},
    )
    assert seen[1]["turns"][0]["content"] == "Hi"
    assert (seen[1]["messages"], seen[1]["chat_template_kwargs"], seen[1]["top_k"]) == ([], template, 5)
    assert "model" not in seen[1]


async def test_headers_are_set_in_place_of_the_client_s() -> None:
    seen: list[Any] = []
    await ask(seen=seen, headers={"Authorization": "Bearer own", "x-tenant": "t"})
    assert (headers_of(seen)["authorization"], headers_of(seen)["x-tenant"]) == ("Bearer own", "t")
    assert len(headers_of(seen)) == len(seen[0]["headers"])
    extension = seen[0]["extensions"]["responses_asgi"]
    assert extension["headers"] == {"authorization": "Bearer own", "x-tenant": "t"}


async def test_before_upstream_edits_in_place() -> None:
    seen: list[Any] = []
    contexts: list[ExchangeContext] = []

    def before(body: JSON, headers: dict[str, str], context: ExchangeContext) -> None:
        assert headers["authorization"] == "Bearer client"
        assert headers["x-tenant"] == "t"
        body["top_k"] = 5
        del headers["x-a"]
        headers["X-New"] = "1"
        headers["Authorization"] = "Bearer own"
        headers["content-length"] = "999"
        contexts.append(context)

    exchange = await ask(seen=seen, before_upstream=before, headers={"x-tenant": "t"})
    sent = headers_of(seen)
    assert seen[1]["top_k"] == 5
    assert (sent["authorization"], sent["x-new"], sent["x-tenant"]) == ("Bearer own", "1", "t")
    assert "x-a" not in sent
    assert sent["content-length"] != "999"
    assert len(sent) == len(seen[0]["headers"])
    extension = seen[0]["extensions"]["responses_asgi"]
    assert extension["headers"] == {"authorization": "Bearer own", "x-new": "1", "x-tenant": "t"}
    (context,) = contexts
    assert (context.api, context.response_id) == ("responses", exchange.json["id"])
    assert context.request == {"model": "m", "input": "Hi"}
    assert context.scope["path"] == "/v1/responses"


async def test_before_upstream_may_be_async_and_return_another_body() -> None:
    seen: list[Any] = []

    async def before(body: JSON, headers: dict[str, str], context: ExchangeContext) -> JSON:
        await asyncio.sleep(0)
        return {"prompt": body["messages"][0]["content"]}

    await ask(seen=seen, before_upstream=before)
    assert seen[1] == {"prompt": "Hi"}


async def test_before_upstream_can_refuse() -> None:
    def before(body: JSON, headers: dict[str, str], context: ExchangeContext) -> None:
        raise InvalidRequestError("not today", param="model")

    exchange = await ask(before_upstream=before)
    assert (exchange.status, exchange.error["param"]) == (400, "model")


async def test_mistake_in_before_upstream_is_a_500_and_is_raised() -> None:
    def before(body: JSON, headers: dict[str, str], context: ExchangeContext) -> None:
        raise KeyError("secret")

    exchange = post(ResponsesMiddleware(playing(*HELLO), before_upstream=before))
    with pytest.raises(KeyError):
        await exchange.run()
    assert exchange.status == 500
    assert b"secret" not in exchange.body


@pytest.mark.parametrize("stream", [True, False])
async def test_on_event_sees_every_event(stream: bool) -> None:
    seen: list[str] = []

    def on_event(event: Event, context: ExchangeContext) -> None:
        assert event.json()["type"] == event.type
        seen.append(event.type)

    exchange = await ask(stream=stream, on_event=on_event)
    assert seen[0] == "response.created"
    assert seen[-1] == "response.completed"
    if stream:
        assert seen == [event["type"] for event in exchange.events]


@pytest.mark.parametrize("stream", [True, False])
async def test_mistake_in_on_event_fails_the_answer_ends_the_app_and_is_raised(stream: bool) -> None:
    ended = asyncio.Event()

    def on_event(event: Event, context: ExchangeContext) -> None:
        if event.type == "response.output_text.delta":
            raise KeyError("secret")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        try:
            while True:
                await send({"type": "http.response.body", "body": data(chunk("x")), "more_body": True})
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    exchange = post(ResponsesMiddleware(app, on_event=on_event), stream=stream)
    with pytest.raises(KeyError):
        await exchange.run()
    assert ended.is_set()
    assert b"secret" not in exchange.body
    if stream:
        assert exchange.types[-1] == "failed"
        assert_valid_stream(exchange.body)
    else:
        assert exchange.status == 500


Told = list[tuple[JSON, Losses, Mapping[str, float], ExchangeContext]]


@pytest.mark.parametrize("stream", [True, False])
async def test_after_exchange_gets_the_whole_story(stream: bool) -> None:
    told: Told = []

    async def after(
        snapshot: JSON, losses: Losses, timings: Mapping[str, float], context: ExchangeContext
    ) -> None:
        await asyncio.sleep(0)
        told.append((snapshot, losses, timings, context))

    app = ResponsesMiddleware(playing(*HELLO), after_exchange=after)
    exchange = await post(app, {"model": "m", "input": "Hi", "truncation": "auto", "stream": stream}).run()
    ((snapshot, losses, timings, context),) = told
    assert snapshot == (exchange.events[-1]["response"] if stream else exchange.json)
    assert [loss.path for loss in losses] == ["truncation"]
    assert 0 < timings["first_byte"] <= timings["total"] < 20
    assert context.response_id == snapshot["id"]


async def test_after_exchange_of_a_failure() -> None:
    told: list[JSON] = []

    def after(snapshot: JSON, losses: Losses, timings: Mapping[str, float], context: ExchangeContext) -> None:
        told.append(snapshot)

    app = playing(b'{"error": {"message": "no"}}', status=429)
    exchange = await post(ResponsesMiddleware(app, after_exchange=after)).run()
    assert exchange.status == 429
    assert (told[0]["status"], told[0]["error"]["message"]) == ("failed", "no")


@pytest.mark.parametrize("stream", [True, False])
async def test_after_exchange_of_a_request_that_is_cancelled(stream: bool) -> None:
    told: list[JSON] = []
    started = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": HELLO[0], "more_body": True})
        started.set()
        await asyncio.sleep(60)

    async def after(
        snapshot: JSON, losses: Losses, timings: Mapping[str, float], context: ExchangeContext
    ) -> None:
        await asyncio.sleep(0)
        told.append(snapshot)

    exchange = post(ResponsesMiddleware(app, after_exchange=after), stream=stream).start()
    await asyncio.wait_for(started.wait(), 20)
    assert exchange.task is not None
    exchange.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange.task
    assert [(of["status"], of["error"]["code"]) for of in told] == [("failed", "request_cancelled")]
    assert told[0]["output"][0]["content"][0]["text"] == "Hel"


async def test_mistake_in_after_exchange_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def after(snapshot: JSON, losses: Losses, timings: Mapping[str, float], context: ExchangeContext) -> None:
        raise KeyError("oops")

    exchange = await ask(after_exchange=after)
    assert exchange.status == 200
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "after_exchange failed for resp_" in record.getMessage()
