"""Stored responses over HTTP: what the OpenAI SDK asks, and what is told of mistakes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError
from pydantic import BaseModel

from responses_asgi.exchange.options import Options
from responses_asgi.testing import assert_valid_stream
from responses_asgi.translate.snapshot import fold
from tests.loopback import Asked
from tests.state_driver import KEY, OTHER_KEY, Kept, events_of, users


class Weather(BaseModel):
    town: str
    degrees: int


async def test_sdk_retrieves_what_was_kept() -> None:
    kept = Kept()
    stored = await kept.response("Hi", '{"town": "Bonn", "degrees": 20}')
    async with kept.client() as client:
        got = await client.responses.retrieve(stored["id"])
        included = await client.responses.retrieve(
            stored["id"], include=["reasoning.encrypted_content", "message.output_text.logprobs"]
        )
    assert got.to_dict() == {**stored, "store": True}
    assert included == got
    assert Weather.model_validate_json(got.output_text) == Weather(town="Bonn", degrees=20)


async def test_sdk_deletes_once() -> None:
    kept = Kept()
    stored = await kept.response()
    async with kept.client() as client:
        assert await client.responses.delete(stored["id"]) is None
        for again in (client.responses.delete, client.responses.retrieve):
            with pytest.raises(NotFoundError) as caught:
                await again(stored["id"])
            assert caught.value.code == "response_not_found"


async def test_delete_tells_what_was_deleted() -> None:
    kept = Kept()
    stored = await kept.response()
    got = await kept.ask("DELETE", f"/v1/responses/{stored['id']}")
    assert got.json() == {"id": stored["id"], "object": "response", "deleted": True}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [7, 100, None])
async def test_sdk_pages_through_250_input_items(order: Any, limit: int | None) -> None:
    kept = Kept()
    stored = await kept.response(users(250))
    sizes = {} if limit is None else {"limit": limit}
    async with kept.client() as client:
        page = await client.responses.input_items.list(stored["id"], order=order, **sizes)
        assert len(page.data) == (limit or 20)
        ids = [item.id async for item in page]
    expected = [item["id"] for item in users(250)]
    assert ids == (expected if order == "asc" else expected[::-1])


async def test_input_items_are_shown_newest_first_with_ids_and_parts() -> None:
    kept = Kept()
    call = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    stored = await kept.response([{"role": "user", "content": "Hi"}, call, output])
    async with kept.client() as client:
        page = await client.responses.input_items.list(
            stored["id"], include=["message.input_image.image_url"]
        )
    kinds = [item.type for item in page.data]
    assert kinds == ["function_call_output", "function_call", "message"]
    assert all(item.id for item in page.data)
    assert page.data[-1].to_dict()["content"] == [{"type": "input_text", "text": "Hi"}]
    assert page.has_more is False


async def test_a_page_names_its_ends() -> None:
    kept = Kept()
    stored = await kept.response(users(3))
    got = await kept.ask("GET", f"/responses/{stored['id']}/input_items", query="limit=2")
    page = got.json()
    assert page["object"] == "list"
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("msg_0002", "msg_0001", True)


async def test_sdk_is_told_that_a_foreground_response_cannot_be_cancelled() -> None:
    kept = Kept()
    stored = await kept.response()
    async with kept.client() as client:
        with pytest.raises(BadRequestError, match="background=true"):
            await client.responses.cancel(stored["id"])
        with pytest.raises(NotFoundError):
            await client.responses.cancel("resp_unknown")


async def test_cancelling_what_has_ended_changes_nothing() -> None:
    kept = Kept()
    stored = await kept.response(background=True)
    async with kept.client() as client:
        first = await client.responses.cancel(stored["id"])
        assert await client.responses.cancel(stored["id"]) == first
    assert first.status == "completed"
    waiting = await kept.response(background=True, status="queued")
    assert (await kept.ask("POST", f"/v1/responses/{waiting['id']}/cancel")).status == 400


async def test_sdk_streams_a_response_that_has_ended() -> None:
    kept = Kept()
    stored = await kept.response("Hi", "Hello you")
    async with kept.client() as client:
        stream = await client.responses.retrieve(stored["id"], stream=True)
        events = [event async for event in stream]
        resumed = await client.responses.retrieve(stored["id"], stream=True, starting_after=4)
        rest = [event async for event in resumed]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert rest == events[5:]
    got = await kept.ask("GET", f"/v1/responses/{stored['id']}", query="stream=true")
    assert_valid_stream(got.body)
    assert fold(events_of(got.body)) == {**stored, "store": True}


@pytest.mark.parametrize("dialect", ["openai", "openresponses"])
async def test_a_replay_speaks_the_dialect_of_the_component(dialect: Any) -> None:
    kept = Kept(options=Options(dialect=dialect))
    thought = {
        "id": "rs_1",
        "type": "reasoning",
        "status": "completed",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "Hm"}],
    }
    stored = await kept.response(output=[thought])
    got = await kept.ask("GET", f"/v1/responses/{stored['id']}", query="stream=true")
    assert got.headers["content-type"].startswith("text/event-stream")
    assert_valid_stream(events_of(got.body), dialect=dialect)
    kinds = [event["type"] for event in events_of(got.body)]
    name = "reasoning_text" if dialect == "openai" else "reasoning"
    assert f"response.{name}.delta" in kinds
    assert got.body.endswith(b"data: [DONE]\n\n") == (dialect == "openresponses")


async def test_a_replay_may_be_resumed_at_its_very_end() -> None:
    kept = Kept()
    path = f"/v1/responses/{(await kept.response())['id']}"
    last = len(events_of((await kept.ask("GET", path, query="stream=true")).body)) - 1
    over = await kept.ask("GET", path, query=f"stream=true&starting_after={last}")
    assert (over.status, over.body) == (200, b"")
    beyond = await kept.ask("GET", path, query=f"stream=true&starting_after={last + 1}")
    assert (beyond.status, beyond.json()["error"]["param"]) == (400, "starting_after")
    assert f"0 to {last}" in beyond.json()["error"]["message"]


@pytest.mark.parametrize("status", ["cancelled", "in_progress"])
async def test_what_has_no_terminal_event_is_not_streamed(status: str) -> None:
    kept = Kept()
    stored = await kept.response(status=status)
    path = f"/v1/responses/{stored['id']}"
    got = await kept.ask("GET", path, query="stream=true")
    assert (got.status, got.json()["error"]["param"]) == (400, "stream")
    assert status in got.json()["error"]["message"]
    assert (await kept.ask("GET", path)).json()["status"] == status


@pytest.mark.parametrize(
    ("query", "param", "message"),
    [
        ("starting_after=3", "starting_after", "together with stream=true"),
        ("stream=true&starting_after=x", "starting_after", 'expected an integer, got the string "x"'),
        ("stream=true&starting_after=-1", "starting_after", "expected a value >= 0, got -1"),
        ("stream=maybe", "stream", "expected 'true' or 'false', got the string \"maybe\""),
    ],
)
async def test_mistakes_in_asking_for_a_stream(query: str, param: str, message: str) -> None:
    kept = Kept()
    got = await kept.ask("GET", f"/v1/responses/{(await kept.response())['id']}", query=query)
    error = got.json()["error"]
    assert (got.status, error["param"], error["type"]) == (400, param, "invalid_request_error")
    assert message in error["message"]


async def test_other_owners_and_unknown_ids_are_told_the_same() -> None:
    kept = Kept()
    stored = await kept.response(key=OTHER_KEY)
    foreign = await kept.ask("GET", f"/v1/responses/{stored['id']}", key=KEY)
    unknown = await kept.ask("GET", "/v1/responses/resp_unknown", key=KEY)
    assert (foreign.status, unknown.status) == (404, 404)
    assert foreign.body.replace(stored["id"].encode(), b"resp_unknown") == unknown.body
    assert (await kept.ask("GET", f"/v1/responses/{stored['id']}", key=OTHER_KEY)).status == 200


async def test_a_client_that_leaves_while_it_sends_is_no_error() -> None:
    kept = Kept()
    asked = Asked(
        kept.app,
        "/v1/responses/input_tokens",
        pieces=[b'{"input"', b""],
        headers=[("authorization", f"Bearer {KEY}")],
    )
    asked._messages[-1]["more_body"] = True
    await asyncio.sleep(0)
    asked.leave()
    got = await asked.result()
    assert (got.status, got.body, got.raised) == (499, b"", None)
