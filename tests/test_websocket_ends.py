"""How WebSockets end, and that nothing of them is left."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from responses_asgi import ConfigurationError, ResponsesMiddleware, Upstream
from responses_asgi.testing import FakeModel
from responses_asgi.types.asgi import Message
from responses_asgi.types.json import JSON
from responses_asgi.websocket import WebSocketLimits
from responses_asgi.websocket.connection import Connection
from responses_asgi.websocket.turn import SocketTurn
from tests.alive import alive
from tests.loopback import served, stop, until
from tests.sockets import SocketAsked
from tests.websocket_driver import TERMINAL, Talk, bridged, dial, talking, text_of, types

pytestmark = pytest.mark.usefixtures("young_heap")
SERVERS = ["websockets", "websockets-sansio", "wsproto"]


class Endless:
    """A model that speaks without end, and knows how far it has come and whether it was stopped."""

    def __init__(self, text: str = "word ", pause: float = 0.01) -> None:
        self.said = 0
        self.running = 0
        self.stopped = 0
        self._text = text
        self._pause = pause

    async def __call__(self, request: JSON) -> AsyncIterator[str]:
        self.running += 1
        try:
            while True:
                yield self._text
                self.said += 1
                await asyncio.sleep(self._pause)
        finally:
            self.running -= 1
            self.stopped += 1


@asynccontextmanager
async def bounded(app: Any, **limits: Any) -> AsyncIterator[Talk]:
    async with bridged(app, websocket=WebSocketLimits(**limits)) as talk:
        yield talk


def left_over() -> list[object]:
    """What is left in memory of sockets."""
    return alive(Connection, SocketTurn)


# Time


async def test_a_socket_lives_for_its_time() -> None:
    async with bounded(FakeModel(), lifetime=0.2) as talk:
        frame = await talk.hear()
        assert (frame["status"], frame["error"]["code"]) == (400, "websocket_connection_limit_reached")
        assert await talk.closed() == (1001, "lifetime")


async def test_a_turn_that_runs_at_the_end_of_that_time_is_finished() -> None:
    async def slow(request: JSON) -> AsyncIterator[str]:
        yield "Hel"
        await asyncio.sleep(0.6)
        yield "lo."

    async with bounded(Upstream.handler(slow), lifetime=0.3) as talk:
        await talk.begin(input="a")
        await asyncio.sleep(0.4)
        await talk.begin(input="b", stream_id="late")
        heard = [await talk.hear()]
        while heard[-1]["type"] not in TERMINAL:
            heard.append(await talk.hear())
        refused = [frame for frame in heard if frame["type"] == "error"]
        assert [frame["error"]["code"] for frame in refused] == ["websocket_connection_limit_reached"]
        assert text_of(heard[-1]["response"]) == "Hello."
        assert (await talk.hear())["error"]["code"] == "websocket_connection_limit_reached"
        assert await talk.closed() == (1001, "lifetime")


async def test_a_turn_that_does_not_end_then_is_given_up() -> None:
    endless = Endless()
    async with bounded(Upstream.handler(endless), lifetime=0.2, drain=0.3) as talk:
        await talk.begin()
        last: JSON = {}
        with suppress(ConnectionClosed):
            while True:
                last = await talk.hear()
        assert last["error"]["code"] == "websocket_connection_limit_reached"
        assert (await talk.closed())[0] == 1001
    assert endless.running == 0


async def test_a_silent_socket_is_closed_and_one_with_a_turn_is_not() -> None:
    async def slow(request: JSON) -> str:
        await asyncio.sleep(0.6)
        return "Hello."

    async with bounded(Upstream.handler(slow), idle=0.3) as talk:
        assert text_of(await talk.create()) == "Hello."
        assert await talk.closed() == (1001, "no message for 0.3 seconds")


# What is no message


JUNK: list[str | bytes] = [
    b"\x00\xff",
    b'{"type":"ping"}',
    "",
    "   ",
    "{",
    "[]",
    '"text"',
    "null",
    "{}",
    '{"type":null}',
    '{"type":["ping"]}',
    '{"type":"session.update"}',
    '{"type":"ping","stream_id":"a b"}',
    '{"type":"ping","n":NaN}',
    "[" * 5_000 + "]" * 5_000,
]


async def test_what_is_no_message_is_answered_and_the_socket_stays_usable() -> None:
    async with bridged(FakeModel("Hi.")) as talk:
        for junk in JUNK:
            await talk.say(junk)
            frame = await talk.hear()
            assert (frame["type"], frame["status"]) == ("error", 400), junk
            assert frame["error"]["type"] == "invalid_request_error"
        assert text_of(await talk.create()) == "Hi."


async def test_too_many_in_a_row_close_the_socket() -> None:
    async with bounded(FakeModel(), max_invalid=3) as talk:
        for junk in ("{", "{", {"type": "ping"}, "{", "{"):
            await talk.say(junk)
            await talk.hear()
        await talk.say("{")
        assert (await talk.hear())["status"] == 400
        assert await talk.closed() == (1008, "3 invalid messages in a row")


async def test_a_message_that_is_too_large_or_too_deep_is_refused() -> None:
    async with bridged(
        FakeModel("Hi."), max_depth=10, websocket=WebSocketLimits(max_message_bytes=1_000)
    ) as talk:
        frame = await talk.refused(input="ä" * 500)
        assert (frame["status"], frame["error"]["code"]) == (413, "request_too_large")
        frame = await talk.refused(metadata={"a": json.loads("[" * 20 + "]" * 20)})
        assert "10 levels" in frame["error"]["message"]
        await talk.create()


@pytest.mark.parametrize(
    "wrong",
    [{"lifetime": 0}, {"idle": -1}, {"drain": -1}, {"max_lanes": 0}, {"max_message_bytes": 0}],
)
def test_bounds_that_cannot_work_are_told_at_once(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"websocket\.{next(iter(wrong))} must"):
        WebSocketLimits(**wrong)
    assert WebSocketLimits(drain=0, max_queued=0, origins="https://a.example").origins == (
        "https://a.example",
    )


# Clients that leave


@pytest.mark.parametrize("ws", SERVERS)
@pytest.mark.parametrize("way", ["close", "abort"])
async def test_a_client_that_leaves_frees_its_upstreams(ws: str, way: str) -> None:
    endless = Endless()
    async with served(ResponsesMiddleware(Upstream.handler(endless)), ws=ws) as url:
        socket = await dial(url)
        talk = Talk(socket)
        for lane in ("a", "b"):
            await talk.begin(stream_id=lane)
        await talk.begin(stream_id="a", input="never")
        await until(lambda: endless.running == 2)
        if way == "close":
            closing = asyncio.create_task(socket.close())
        else:
            socket.transport.abort()
        # A second is the promise; the bound is for machines that are busy.
        await until(lambda: endless.running == 0, seconds=5)
        if way == "close":
            await stop(closing)
        await until(lambda: left_over() == [])
        assert endless.stopped == 2


async def test_a_stored_response_whose_client_left_is_kept_as_cancelled() -> None:
    endless = Endless()
    bridge = ResponsesMiddleware(Upstream.handler(endless))
    async with served(bridge) as url:
        async with talking(url) as talk:
            await talk.begin(store=True)
            heard = [await talk.hear()]
            while heard[-1]["type"] != "response.output_text.delta":
                heard.append(await talk.hear())
        await until(lambda: endless.running == 0)
        id = heard[0]["response"]["id"]

        await until(lambda: left_over() == [])
        stored = await bridge.state.kept.responses.load("", id)
        assert stored is not None
        assert stored.response["status"] == "cancelled"


async def test_a_response_that_is_kept_may_be_finished_unattended() -> None:
    going_on = asyncio.Event()

    async def slow(request: JSON) -> AsyncIterator[str]:
        yield "Hel"
        await going_on.wait()
        yield "lo."

    bridge = ResponsesMiddleware(Upstream.handler(slow), finish_unattended=True)
    async with served(bridge) as url:
        ids = []
        async with talking(url) as talk:
            for lane, store in (("kept", True), ("left", False)):
                await talk.begin(store=store, stream_id=lane)
                ids.append((await talk.hear())["response"]["id"])
                while (await talk.hear())["type"] != "response.output_text.delta":
                    pass
        await until(lambda: len(running()) == 1)
        going_on.set()
        await until(lambda: left_over() == [])
        stored = [await bridge.state.kept.responses.load("", id) for id in ids]
    assert stored[0] is not None
    assert (stored[0].response["status"], text_of(stored[0].response)) == ("completed", "Hello.")
    assert stored[1] is None


def running() -> list[Any]:
    return [task for task in asyncio.all_tasks() if "SocketTurn.run" in repr(task.get_coro())]


async def test_a_server_that_stops_ends_its_sockets() -> None:
    endless = Endless()
    async with served(ResponsesMiddleware(Upstream.handler(endless))) as url:
        talk = Talk(await dial(url))
        await talk.begin()
        await until(lambda: endless.running == 1)
    assert (await talk.closed())[0] in (1006, 1012)
    await until(lambda: endless.running == 0)
    await until(lambda: left_over() == [])


async def test_the_task_of_a_socket_is_cancelled_with_its_turns() -> None:
    endless = Endless()
    asked = SocketAsked(ResponsesMiddleware(Upstream.handler(endless)), "/v1/responses")
    asked.hear.put_nowait(received({"type": "response.create", "model": "m", "input": "a"}))
    await until(lambda: endless.running == 1)
    await stop(asked.task)
    assert (endless.running, asked.task.cancelled()) == (0, True)


async def test_a_send_that_fails_is_a_client_that_left() -> None:
    endless = Endless()
    asked = SocketAsked(ResponsesMiddleware(Upstream.handler(endless)), "/v1/responses")
    asked.hear.put_nowait(received({"type": "response.create", "model": "m", "input": "a"}))
    await until(lambda: endless.running == 1)
    asked.gone = True
    async with asyncio.timeout(5):
        await asked.task
    assert endless.running == 0


async def test_a_client_that_leaves_in_the_handshake_is_no_mistake() -> None:
    asked = SocketAsked(ResponsesMiddleware(Upstream.asgi(FakeModel())), "/v1/responses")
    asked.gone = True
    await asked.task
    asked = SocketAsked(ResponsesMiddleware(Upstream.asgi(FakeModel())), "/v1/responses")
    asked.hear.get_nowait()
    asked.hear.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await asked.task
    assert asked.sent == []


def received(message: JSON) -> Message:
    return {"type": "websocket.receive", "text": json.dumps(message)}


# Clients that read slowly


@asynccontextmanager
async def unread(url: str) -> AsyncIterator[asyncio.StreamWriter]:
    """A connection whose client sends frames, and reads nothing but the handshake."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**12)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /v1/responses HTTP/1.1\r\nhost: {place.netloc}\r\nupgrade: websocket\r\n"
        f"connection: upgrade\r\nsec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined] # typed as the transport of writers only
    try:
        yield writer
    finally:
        writer.transport.abort()


def masked(message: JSON) -> bytes:
    """A client's text frame. Source: RFC 6455, 5.2."""
    data = json.dumps(message).encode()
    assert len(data) < 126
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


@pytest.mark.parametrize("ws", SERVERS)
async def test_a_client_that_does_not_read_holds_its_upstream_back_and_is_cut_off(ws: str) -> None:
    endless = Endless("x" * 50_000, pause=0)
    limits = WebSocketLimits(write_timeout=1.0)
    bridge = ResponsesMiddleware(Upstream.handler(endless), websocket=limits)
    async with served(bridge, ws=ws, ws_ping_interval=None) as url, unread(url) as writer:
        writer.write(masked({"type": "response.create", "model": "m", "input": "a"}))
        await until(lambda: endless.said > 3)
        before = -1
        async with asyncio.timeout(20):
            while endless.said != before:
                before = endless.said
                await asyncio.sleep(0.2)
        # What the buffers of both sides hold, and no more.
        assert endless.said * 50_000 < 64 * 1024 * 1024
        await until(lambda: endless.running == 0)
        await until(lambda: left_over() == [])


async def test_a_slow_reader_gets_everything() -> None:
    async def long(request: JSON) -> AsyncIterator[str]:
        for number in range(300):
            yield f"{number} "

    async with bounded(Upstream.handler(long)) as talk:
        await talk.begin()
        heard = [await talk.hear()]
        while heard[-1]["type"] not in TERMINAL:
            await asyncio.sleep(0.001)
            heard.append(await talk.hear())
    assert text_of(heard[-1]["response"]) == "".join(f"{number} " for number in range(300))
    assert types(heard).count("response.output_text.delta") >= 1
