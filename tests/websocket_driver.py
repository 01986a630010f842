"""A client of the Responses API over WebSocket, on a real connection, and what it can connect to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.testing import FakeModel, assert_valid_stream
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.types.json import JSON
from tests.loopback import served

SECONDS = 20.0
"""How long anything is waited for."""

TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


class Talk:
    """One socket, seen from the client."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: JSON | str | bytes) -> None:
        await self.socket.send(json.dumps(message) if isinstance(message, dict) else message)

    async def hear(self) -> JSON:
        """The next frame, which must be text."""
        async with asyncio.timeout(SECONDS):
            frame = await self.socket.recv()
        assert isinstance(frame, str)
        heard: JSON = json.loads(frame)
        return heard

    async def turn(self) -> list[JSON]:
        """The frames of one turn: the events of a response, which are checked, or one error."""
        events = [await self.hear()]
        while events[0]["type"] == "response.created" and events[-1]["type"] not in TERMINAL:
            events.append(await self.hear())
        if events[0]["type"] == "response.created":
            assert_valid_stream(events)
        return events

    async def create(self, **body: Any) -> JSON:
        """Ask for a response, and return it when it has ended."""
        await self.begin(**body)
        events = await self.turn()
        assert events[-1]["type"] in TERMINAL, events
        response: JSON = events[-1]["response"]
        return response

    async def begin(self, **body: Any) -> None:
        """Ask for a response; nothing is stored unless asked for."""
        await self.say({"type": "response.create", "model": "m", "input": "Hi", "store": False, **body})

    async def refused(self, **body: Any) -> JSON:
        """Ask for a response, and return the error frame that is the answer."""
        await self.begin(**body)
        frame = await self.hear()
        assert frame["type"] == "error", frame
        assert {"type", "code", "message", "param"} <= set(frame["error"])
        return frame

    async def closed(self) -> tuple[int, str]:
        """How the server closes the socket."""
        async with asyncio.timeout(SECONDS):
            await self.socket.wait_closed()
        assert self.socket.close_code is not None
        return self.socket.close_code, self.socket.close_reason or ""


def dial(url: str, path: str = "/v1/responses", **options: Any) -> connect:
    return connect(url.replace("http", "ws", 1) + path, proxy=None, **{"max_size": None, **options})


@asynccontextmanager
async def talking(url: str, path: str = "/v1/responses", **options: Any) -> AsyncIterator[Talk]:
    async with dial(url, path, **options) as socket:
        yield Talk(socket)


@asynccontextmanager
async def bridged(app: ASGIApp | Upstream, *, server: Any = None, **settings: Any) -> AsyncIterator[Talk]:
    """A socket to a bridge before this app."""
    upstream = app if isinstance(app, Upstream) else Upstream.asgi(app)
    async with (
        served(ResponsesMiddleware(upstream, **settings), **(server or {})) as url,
        talking(url) as talk,
    ):
        yield talk


async def refusal_of(url: str, path: str = "/v1/responses", **options: Any) -> Any:
    """The HTTP answer to a handshake."""
    with pytest.raises(InvalidStatus) as caught:
        async with dial(url, path, **options):
            pass
    return caught.value.response


def text_of(response: JSON) -> str:
    """What a response says."""
    return "".join(
        part["text"]
        for item in response["output"]
        if item["type"] == "message"
        for part in item["content"]
        if part["type"] == "output_text"
    )


def heard_by(fake: FakeModel, number: int = -1) -> list[tuple[str, Any]]:
    """The roles and contents of the messages that a model was sent."""
    return [(message["role"], message.get("content")) for message in fake.requests[number].messages]


def answering(reply: Callable[[JSON], Any]) -> Upstream:
    """A function as the model."""
    return Upstream.handler(reply)


def types(events: Sequence[JSON]) -> list[str]:
    return [event["type"] for event in events]
