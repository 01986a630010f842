"""Background responses in process: a model that says what it is let say, and what comes of it as events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.background import BackgroundLimits
from responses_asgi.sse import SSEDecoder
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.types.events import TERMINAL_EVENTS
from responses_asgi.types.json import JSON, loads
from tests.loopback import Asked, Got

KEY = "sk-mine"
ENDED = frozenset({"completed", "failed", "incomplete", "cancelled"})

LEASE = 1.0
"""Short, so that what is lost is found soon; long enough for a busy machine."""

LIMITS: dict[str, Any] = {"lease": LEASE, "poll": 0.05, "drain": 0.5, "flush": 0.01}

WORDS = tuple(f"w{number} " for number in range(8))


class Model:
    """A handler that says words, each when it is let: `let(n)` lets it say n more, in each request.

    With `free` it says all of them without asking.
    """

    def __init__(self, words: Sequence[str] = WORDS, *, free: bool = False, pause: float = 0.0) -> None:
        self.words = words
        self.requests: list[JSON] = []
        self.ended = 0
        self._allowed = len(words) + 1 if free else 0
        self._pause = pause
        self._changed = asyncio.Condition()

    async def let(self, words: int | None = None) -> None:
        async with self._changed:
            self._allowed = len(self.words) + 1 if words is None else self._allowed + words
            self._changed.notify_all()

    async def __call__(self, request: JSON) -> AsyncGenerator[str]:
        self.requests.append(request)
        try:
            for number, word in enumerate(self.words):
                await self._may(number + 1)
                yield word
            await self._may(len(self.words) + 1)
        finally:
            self.ended += 1

    async def _may(self, words: int) -> None:
        if self._pause:
            await asyncio.sleep(self._pause)
        async with self._changed:
            await self._changed.wait_for(lambda: self._allowed >= words)


class Service:
    """A component, asked as its clients do."""

    def __init__(self, app: ASGIApp, *, base: str = "/v1") -> None:
        self.app = app
        self._base = base

    async def ask(
        self, method: str, path: str, body: Any = b"", *, key: str | None = KEY, query: str = ""
    ) -> Got:
        return await self.asking(method, path, body, key=key, query=query).result()

    def asking(
        self, method: str, path: str, body: Any = b"", *, key: str | None = KEY, query: str = ""
    ) -> Asked:
        headers = [("authorization", f"Bearer {key}")] if key else []
        return Asked(self.app, self._base + path, body, method=method, headers=headers, query=query)

    async def create(self, *, key: str | None = KEY, **fields: Any) -> JSON:
        """A background response, as it is told when it is accepted."""
        body = {"model": "m", "input": "Hi", "background": True, **fields}
        got = await self.ask("POST", "/responses", body, key=key)
        assert got.status == 200, got.body
        document: JSON = got.json()
        return document

    async def get(self, id: str, *, key: str | None = KEY) -> JSON:
        got = await self.ask("GET", f"/responses/{id}", key=key)
        assert got.status == 200, got.body
        document: JSON = got.json()
        return document

    async def cancel(self, id: str) -> JSON:
        got = await self.ask("POST", f"/responses/{id}/cancel")
        assert got.status == 200, got.body
        document: JSON = got.json()
        return document

    async def ended(self, id: str, *, seconds: float = 60.0, key: str | None = KEY) -> JSON:
        """The response once it has ended."""
        async with asyncio.timeout(seconds):
            while (response := await self.get(id, key=key))["status"] not in ENDED:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.02)
        return response

    async def events(self, id: str, after: int | None = None) -> list[JSON]:
        """The stream of a response, to its end."""
        query = "stream=true" + ("" if after is None else f"&starting_after={after}")
        async with asyncio.timeout(20):
            got = await self.ask("GET", f"/responses/{id}", query=query)
        assert got.status == 200, got.body
        assert got.ended
        return events_of(got)


def events_of(got: Got) -> list[JSON]:
    decoder = SSEDecoder()
    return [loads(event.data) for event in decoder.feed(got.body) if event.data != b"[DONE]"]


def assert_whole(events: Sequence[JSON]) -> JSON:
    """The events are one legal stream from its beginning; the response at its end."""
    assert_valid_stream(events)
    assert [event["sequence_number"] for event in events] == [*range(len(events))]
    response: JSON = events[-1]["response"]
    return response


def text_of(events: Sequence[JSON]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def output_text(response: JSON) -> str:
    parts = [part for item in response["output"] for part in item.get("content") or ()]
    return "".join(part.get("text", "") for part in parts)


def is_over(events: Sequence[JSON]) -> bool:
    return bool(events) and events[-1]["type"] in TERMINAL_EVENTS


async def eventually(check: Callable[[], Awaitable[object]], seconds: float = 30.0) -> None:
    """Wait until it holds; fails the test when it does not come to hold."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - what is waited for has no event to set
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(
    model: Any, store: Any, *, limits: Mapping[str, Any] = {}, **settings: Any
) -> AsyncIterator[Service]:
    """A component over this model and store, closed at the end."""
    bounds = BackgroundLimits(**{**LIMITS, **limits})
    upstream = model if isinstance(model, Upstream) else Upstream.handler(model)
    component = ResponsesMiddleware(upstream, store=store, background=bounds, **settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(component.aclose)
        yield Service(component)
