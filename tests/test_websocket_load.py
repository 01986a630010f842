"""Many WebSockets at once, and what no client should send: nothing breaks, hangs or is left."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from itertools import count
from random import Random
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.exchange.attempt import Attempt
from responses_asgi.history import Recent
from responses_asgi.testing import Error, ToolCall, assert_valid_stream
from responses_asgi.types.json import JSON
from responses_asgi.websocket import WebSocketLimits
from responses_asgi.websocket.connection import Connection
from responses_asgi.websocket.turn import SocketTurn
from tests.alive import alive
from tests.loopback import served, until
from tests.websocket_driver import TERMINAL, Talk, dial, talking, text_of

pytestmark = pytest.mark.usefixtures("young_heap")
SOCKETS, TURNS = 200, 5
MESSAGES, SEEDS = 250, 4
BURST = 25
DEPTH = 50


def left_over() -> list[object]:
    return alive(Connection, SocketTurn, Attempt, Recent)


async def test_many_sockets_with_several_turns_each_finish() -> None:
    async def counting(request: JSON) -> AsyncIterator[str]:
        yield f"{len(request['messages'])} "
        await asyncio.sleep(0)
        yield str(request["messages"][-1]["content"])

    async def session(url: str, number: int) -> list[str]:
        async with talking(url, open_timeout=60) as talk:
            said, previous = [], None
            for turn in range(TURNS):
                name = f"{number}.{turn}"
                response = await talk.create(input=name, previous_response_id=previous)
                previous = response["id"]
                said.append(text_of(response))
            return said

    tasks = len(asyncio.all_tasks())
    bridge = ResponsesMiddleware(Upstream.handler(counting))
    async with (
        served(bridge, backlog=512) as url,
        asyncio.timeout(90),
    ):
        sessions = await asyncio.gather(*(session(url, number) for number in range(SOCKETS)))
        # Each sees its own turns and no others.
        assert sessions == [
            [f"{2 * turn + 1} {number}.{turn}" for turn in range(TURNS)] for number in range(SOCKETS)
        ]
        await until(lambda: left_over() == [])
    await bridge.aclose()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


# What no client should send


class Nonsense:
    """Messages that are right, nearly right, and nothing like it, from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._numbers = count()
        self.ids: list[str] = ["resp_nowhere"]

    def message(self) -> str | bytes:
        random = self._random
        kind = random.random()
        if kind < 0.1:
            return random.randbytes(random.randrange(40))
        if kind < 0.2:
            return "".join(chr(random.choice([*range(1, 0x250), 0x20AC, 0x1F600])) for _ in range(20))
        text = json.dumps(self._document())
        if kind < 0.4:
            return self._damaged(text)
        return text

    def _document(self) -> Any:
        random = self._random
        document: JSON = {
            "type": random.choice(
                ["response.create"] * 8
                + ["response.cancel"] * 3
                + ["response.steer", "ping", "pong", "response.created", "", None, 7]
            ),
            "model": "m",
            "input": f"turn {next(self._numbers)}",
            "store": random.choice([True, False, False]),
        }
        fields: dict[str, list[Any]] = {
            "stream_id": ["a", "b", "c", "", "x y", "é", "z" * 300, 1, None],
            "previous_response_id": [*self.ids[-3:], "", 5, None],
            "generate": [False, True, "yes", None],
            "input": ["fail", "break", "call", "slow", [], {}, 3, None, [{"type": "message"}], [[]]],
            "response_id": [*self.ids[-2:], 4],
            "tools": [[], [{}], "x", [{"type": "function"}]],
            "background": [True, False],
            "conversation": ["conv_x", 3],
            "max_output_tokens": [-1, "x", 10],
            "metadata": [{"a": "b"}, [], json.loads("[" * 60 + "]" * 60)],
            "temperature": [1e400, "hot", 0.5],
            "stream": [True, False, 3],
            "model": [None, 3, "m"],
        }
        for name in random.sample(sorted(fields), random.randrange(4)):
            document[name] = random.choice(fields[name])
        if random.random() < 0.1:
            document.pop(random.choice(sorted(document)))
        return random.choice([document] * 20 + [[document], "text", 3])

    def _damaged(self, text: str) -> str:
        random = self._random
        place = random.randrange(len(text))
        return random.choice(
            [
                text[:place],
                text[:place] + random.choice('{}[]",:\\\x00é') + text[place:],
                text[:place] + text[place + 1 :],
                text * 2,
                text.replace('"', "'"),
            ]
        )


async def moody(request: JSON) -> AsyncIterator[Any]:
    """A model that does what it is told, which may be to fail."""
    said = request["messages"][-1]["content"] if request["messages"] else ""
    if said == "fail":
        raise Error(429)
    yield "Well, "
    if said == "break":
        raise ZeroDivisionError
    if said == "call":
        yield ToolCall("shell", {})
    if said == "slow":
        await asyncio.sleep(0.05)
    yield "done."


def is_cancel(message: str | bytes) -> bool:
    """Whether this is a message that cancels."""
    try:
        document = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        return False
    if not isinstance(document, dict) or document.get("type") != "response.cancel":
        return False
    # Anything that is refused before its type is looked at is answered like any nonsense.
    lane = document.get("stream_id")
    plain = lane is None or (isinstance(lane, str) and re.fullmatch(r"[\w.-]{1,256}", lane, re.ASCII))
    return bool(plain) and document.get("temperature") != 1e400 and depth_of(document) <= DEPTH


def depth_of(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    children = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, children), default=0)


def is_answer(frame: JSON) -> bool:
    """Whether this is the last frame for one message; errors inside a response are followed by its end.

    A cancel is not counted: it is answered by the end of another turn, or refused.
    """
    kind = frame["type"]
    if kind == "error":
        return "status" in frame and frame["error"]["code"] != "response_cancel_not_active"
    return kind in TERMINAL or kind in ("pong", "response.steer.failed")


class Burst:
    """The frames that answer a number of messages, each in its lane; streams are checked as they end."""

    def __init__(self, nonsense: Nonsense) -> None:
        self.answers = 0
        self._nonsense = nonsense
        self._open: dict[str, list[JSON]] = {}

    def take(self, frame: JSON) -> None:
        lane = frame.get("stream_id", "")
        if frame["type"] == "response.created":
            assert lane not in self._open
            self._open[lane] = []
            self._nonsense.ids.append(frame["response"]["id"])
        if lane in self._open and "status" not in frame and "sequence_number" in frame:
            self._open[lane] += [frame] if frame["type"] != "response.steer.failed" else []
        if frame["type"] in TERMINAL:
            assert_valid_stream(self._open.pop(lane))
        self.answers += is_answer(frame)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_generated_messages_are_each_answered(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    nonsense = Nonsense(seed)
    limits = WebSocketLimits(max_invalid=MESSAGES)
    bridge = ResponsesMiddleware(Upstream.handler(moody), websocket=limits, max_depth=DEPTH)
    async with served(bridge) as url:
        async with talking(url) as talk:
            for _ in range(MESSAGES // BURST):
                messages = [nonsense.message() for _ in range(BURST)]
                for message in messages:
                    await talk.say(message)
                await all_answered(talk, messages, nonsense)
            response = await talk.create(input="Are you there?")
            assert text_of(response) == "Well, done."
        await until(lambda: left_over() == [])


async def all_answered(talk: Talk, messages: list[str | bytes], nonsense: Nonsense) -> None:
    expected = len(messages) - sum(map(is_cancel, messages))
    burst = Burst(nonsense)
    while burst.answers < expected:
        burst.take(await talk.hear())
    await talk.say({"type": "ping"})
    while (await talk.hear())["type"] != "pong":
        pass
    assert burst.answers == expected


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_generated_messages_are_answered_or_the_socket_is_closed(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    nonsense = Nonsense(1_000 + seed)
    limits = WebSocketLimits(max_invalid=2, max_queued=2, max_lanes=2, max_history_bytes=2_000)
    tasks = len(asyncio.all_tasks())
    codes = set()
    bridge = ResponsesMiddleware(Upstream.handler(moody), websocket=limits)
    async with served(bridge) as url:
        sent = 0
        while sent < MESSAGES:
            socket = await dial(url)
            try:
                for _ in range(BURST):
                    await socket.send(nonsense.message())
                    sent += 1
                await socket.send('{"type":"ping"}')
                async with asyncio.timeout(20):
                    while json.loads(await socket.recv())["type"] != "pong":
                        pass
            except ConnectionClosed:
                codes.add(socket.close_code)
            finally:
                await socket.close()
        await until(lambda: left_over() == [])
    assert codes == {1008}
    await bridge.aclose()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)
