"""Lanes of a WebSocket, and what can be said beside `response.create`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.testing import FakeModel, assert_valid_stream
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import JSON
from responses_asgi.websocket import WebSocketLimits
from tests.loopback import served, until
from tests.websocket_driver import TERMINAL, Talk, bridged, heard_by, talking, text_of, types


class Gates:
    """A model that says the text it was asked with, in two halves; the second when its gate is open."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.running: list[str] = []
        self.begun: list[str] = []
        self.given_up: list[str] = []
        self._moved = asyncio.Condition()

    async def let(self, *names: str) -> None:
        async with self._moved:
            self.open.update(names)
            self._moved.notify_all()

    async def __call__(self, request: JSON) -> AsyncIterator[str]:
        name = request["messages"][-1]["content"]
        self.running.append(name)
        self.begun.append(name)
        try:
            yield name[:1]
            async with self._moved:
                await self._moved.wait_for(lambda: name in self.open)
            yield name[1:]
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up.append(name)
            raise
        finally:
            self.running.remove(name)


@asynccontextmanager
async def gated(**limits: Any) -> AsyncIterator[tuple[Talk, Gates]]:
    gates = Gates()
    async with bridged(Upstream.handler(gates), websocket=WebSocketLimits(**limits)) as talk:
        yield talk, gates


async def until_terminal(talk: Talk, count: int = 1) -> dict[str, list[JSON]]:
    """The events of this many turns, by lane; errors in the lane "error"."""
    lanes: dict[str, list[JSON]] = {}
    ended = 0
    while ended < count:
        event = await talk.hear()
        lanes.setdefault(event.get("stream_id", ""), []).append(event)
        ended += event["type"] in TERMINAL or "status" in event
    return lanes


# Lanes


async def test_lanes_run_side_by_side_and_say_their_name() -> None:
    async with gated() as (talk, gates):
        for lane in ("left", "right"):
            await talk.begin(input=f"{lane}!", stream_id=lane)
        await until(lambda: len(gates.running) == 2)
        await gates.let("right!")
        first = await until_terminal(talk)
        await gates.let("left!")
        rest = await until_terminal(talk)
    assert gates.given_up == []
    assert assert_valid_stream(first["right"])["status"] == "completed"
    left = [*first.get("left", []), *rest["left"]]
    assert text_of(assert_valid_stream(left)) == "left!"
    assert all(event["stream_id"] == "left" for event in left)


@pytest.mark.parametrize("lane", [None, "a"])
async def test_the_turns_of_one_lane_follow_each_other(lane: str | None) -> None:
    named = {"stream_id": lane} if lane else {}
    async with gated() as (talk, gates):
        for name in ("one", "two", "three"):
            await talk.begin(input=name, **named)
        await gates.let("three", "two")
        await until(lambda: gates.running == ["one"])
        await gates.let("one")
        texts = [text_of((await talk.turn())[-1]["response"]) for _ in range(3)]
    assert texts == gates.begun == ["one", "two", "three"]


async def test_a_lane_forks_from_a_response_of_another() -> None:
    fake = FakeModel()
    async with bridged(fake) as talk:
        first = await talk.create(input="a", stream_id="one")
        for lane in ("two", "three"):
            fork = await talk.create(input=lane, stream_id=lane, previous_response_id=first["id"])
            assert [content for _, content in heard_by(fake)] == ["a", "a", lane]
        # Each lane has a latest response of its own.
        await talk.create(input="b", stream_id="one", previous_response_id=first["id"])
        await talk.create(input="c", stream_id="four", previous_response_id=fork["id"])
        frame = await talk.refused(previous_response_id=first["id"], stream_id="five")
    assert (frame["stream_id"], frame["error"]["code"]) == ("five", "previous_response_not_found")


@pytest.mark.parametrize("lane", ["", "a" * 257, "a b", "ä", 'a"', "a\n", 3, {}, ["a"], True])
async def test_a_lane_has_a_plain_name(lane: Any) -> None:
    async with bridged(FakeModel("Hi.")) as talk:
        frame = await talk.refused(stream_id=lane)
        assert (frame["status"], frame["error"]["param"]) == (400, "stream_id")
        assert "stream_id" not in frame
        longest = "aZ09_.-" + "x" * 249
        assert (await talk.create(stream_id=longest))["status"] == "completed"


async def test_lanes_and_what_waits_for_them_are_bounded() -> None:
    async with gated(max_lanes=2, max_queued=2) as (talk, gates):
        for lane in ("a", "b"):
            await talk.begin(input=f"on {lane}", stream_id=lane)
        await until(lambda: len(gates.running) == 2)
        for lane in ("a", "b"):
            await talk.begin(input=f"then {lane}", stream_id=lane)
        await talk.begin(input="x", stream_id="c")
        await talk.begin(input="x", stream_id="a")
        refused: list[JSON] = []
        while len(refused) < 2:
            frame = await talk.hear()
            refused += [frame] if frame["type"] == "error" else []
        assert [(frame["status"], frame["stream_id"]) for frame in refused] == [(429, "c"), (429, "a")]
        await gates.let("on a", "on b", "then a", "then b")
        await until_terminal(talk, 4)
        # Free again.
        await gates.let("x")
        assert text_of(await talk.create(input="x", stream_id="c")) == "x"


async def test_the_bytes_that_wait_are_bounded() -> None:
    async with gated(max_queued_bytes=1_000) as (talk, gates):
        await talk.begin(input="one")
        await talk.begin(input="two" + " " * 1_000)
        await talk.begin(input="two")
        await gates.let("one", "two")
        heard = [await talk.hear() for _ in range(3)]
        while heard[-1]["type"] not in TERMINAL:
            heard.append(await talk.hear())
        assert [event["status"] for event in heard if event["type"] == "error"] == [429]
        assert text_of((await talk.turn())[-1]["response"]) == "two"


async def test_background_tasks_of_the_app_hold_no_lane_up() -> None:
    app, done = FastAPI(), asyncio.Event()
    fake = FakeModel()

    @app.post("/v1/chat/completions")
    async def chat(body: JSON) -> JSONResponse:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(fake)) as client:
            got = await client.post("http://fake/v1/chat/completions", json={**body, "stream": False})
        return JSONResponse(got.json(), background=BackgroundTask(done.wait))

    app.add_middleware(ResponsesMiddleware)
    async with served(app) as url:
        async with talking(url) as talk:
            for name in ("one", "two", "three"):
                assert text_of(await talk.create(input=name)) == name
        done.set()


# Cancelling


async def test_a_turn_is_cancelled_and_the_next_one_runs() -> None:
    async with gated() as (talk, gates):
        await talk.begin(input="one")
        await talk.begin(input="two")
        await until(lambda: gates.running == ["one"])
        await talk.say({"type": "response.cancel"})
        events = await talk.turn()
        assert types(events)[-2:] == ["error", "response.failed"]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        last = events[-1]["response"]
        assert (last["status"], last["error"]["code"]) == ("failed", "response_cancelled")
        assert events[-2]["code"] == events[-2]["error"]["code"] == "response_cancelled"
        await until(lambda: gates.given_up == ["one"])
        await gates.let("two")
        assert text_of((await talk.turn())[-1]["response"]) == "two"


async def test_the_response_that_is_cancelled_is_named_by_lane_or_id() -> None:
    async with gated() as (talk, gates):
        created = {}
        for lane in ("left", "right"):
            await talk.begin(input=f"{lane}!", stream_id=lane)
            while lane not in created:
                event = await talk.hear()
                if event["type"] == "response.created":
                    created[event["stream_id"]] = event["response"]["id"]
        await until(lambda: len(gates.running) == 2)
        await talk.say({"type": "response.cancel", "stream_id": "right"})
        lanes = await until_terminal(talk)
        assert lanes["right"][-1]["response"]["id"] == created["right"]
        await talk.say({"type": "response.cancel", "response_id": created["left"]})
        lanes = await until_terminal(talk)
        assert lanes["left"][-1]["response"]["error"]["code"] == "response_cancelled"
        for message in ({}, {"stream_id": "left"}, {"response_id": created["left"]}, {"response_id": 3}):
            await talk.say({"type": "response.cancel", **message})
            frame = await talk.hear()
            assert (frame["status"], frame["error"]["code"]) == (400, "response_cancel_not_active")


async def test_a_turn_that_has_not_begun_to_be_answered_is_cancelled() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    async with bridged(silent) as talk:
        await talk.begin()
        await arrived.wait()
        await talk.say({"type": "response.cancel"})
        frame = await talk.hear()
        assert (frame["type"], frame["error"]["code"]) == ("error", "response_cancelled")
        assert gone.is_set()


async def test_a_turn_whose_app_ends_by_itself_is_cancelled_all_the_same() -> None:
    async def polite(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        chunk = b'data: {"choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async with bridged(polite) as talk:
        await talk.begin()
        heard = [await talk.hear()]
        while heard[-1]["type"] != "response.output_text.delta":
            heard.append(await talk.hear())
        await talk.say({"type": "response.cancel"})
        while heard[-1]["type"] not in TERMINAL:
            heard.append(await talk.hear())
        assert assert_valid_stream(heard)["error"]["code"] == "response_cancelled"


async def test_a_turn_is_cancelled_before_its_upstream_is_asked() -> None:
    asked = asyncio.Event()

    async def slow(scope: Scope) -> str:
        if scope["type"] == "http" and scope["method"] == "POST" and asked.is_set():
            await asyncio.sleep(0.2)
        return "someone"

    fake = FakeModel()
    async with bridged(fake, principal=slow) as talk:
        asked.set()
        await talk.begin()
        await talk.say({"type": "response.cancel"})
        assert (await talk.hear())["error"]["code"] == "response_cancelled"
    assert fake.requests == []


async def test_a_cancelled_response_is_kept_as_such_and_not_continued() -> None:
    gates = Gates()
    headers = {"authorization": "Bearer k"}
    async with (
        served(ResponsesMiddleware(Upstream.handler(gates))) as url,
        talking(url, additional_headers=headers) as talk,
        httpx.AsyncClient(base_url=url, headers=headers) as client,
    ):
        await gates.let("one")
        first = await talk.create(input="one")
        await talk.begin(input="two", store=True, previous_response_id=first["id"])
        await until(lambda: gates.running == ["two"])
        await talk.say({"type": "response.cancel"})
        response = (await talk.turn())[-1]["response"]
        kept = (await client.get(f"/v1/responses/{response['id']}")).json()
        assert (kept["status"], kept["error"]) == ("cancelled", None)
        frame = await talk.refused(previous_response_id=first["id"])
        assert frame["error"]["code"] == "previous_response_not_found"


# Everything else


async def test_pings_are_answered_in_the_middle_of_a_turn() -> None:
    async with gated() as (talk, gates):
        await talk.begin(input="one")
        await until(lambda: gates.running == ["one"])
        await talk.say({"type": "ping"})
        heard = [await talk.hear()]
        while heard[-1]["type"] != "pong":
            heard.append(await talk.hear())
        assert heard[-1] == {"type": "pong"}
        async with asyncio.timeout(5):
            await (await talk.socket.ping())
        await gates.let("one")
        await until_terminal(talk)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"previous_response_id": "resp_1", "input": "b"}, "steering_not_supported"),
        ({"previous_response_id": "resp_1", "input": []}, "invalid_input"),
        ({"previous_response_id": 3, "input": "b"}, "invalid_input"),
        ({}, "invalid_input"),
    ],
)
async def test_steering_is_answered_with_its_input(message: JSON, code: str) -> None:
    async with bridged(FakeModel("Hi.")) as talk:
        await talk.say({"type": "response.steer", **message})
        event = await talk.hear()
        assert (event["type"], event["error"]["code"]) == ("response.steer.failed", code)
        assert (event["error"]["type"], event["sequence_number"]) == ("invalid_request_error", 0)
        assert event["steer"]["input"] == message.get("input")
        await talk.create()
