"""State made by hand, and the routes over it, for tests of `Resources`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI

from responses_asgi.errors import APIError
from responses_asgi.history.state import State
from responses_asgi.owners import Owners
from responses_asgi.resources import Resources
from responses_asgi.stores import Records
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.types.asgi import Scope
from responses_asgi.types.json import JSON
from tests.loopback import Got, ask, served

KEY, OTHER_KEY, WRONG_KEY = "sk-mine", "sk-other", "sk-wrong"
USAGE = {
    "input_tokens": 3,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 4,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 7,
}


class Door:
    """A guard that lets in who has one of these keys, and remembers what it was asked."""

    def __init__(self, *keys: str) -> None:
        self._owners: set[str] | None = None
        self._keys = keys
        self.asked: list[tuple[str, str]] = []

    async def check(self, scope: Scope, owner: str, *, action: str, unanswered: object = None) -> None:
        self.asked.append((scope["path"], action))
        if self._owners is None:
            self._owners = {await owner_of(key) for key in self._keys}
        if owner not in self._owners:
            raise APIError("Who are you?", status=401)


class Model:
    """What stands for the component's way to its upstream; answers with what it was given."""

    def __init__(self, answer: JSON | APIError | None = None) -> None:
        self.answer = answer
        self.asked: list[JSON] = []

    async def __call__(self, scope: Scope, body: JSON) -> JSON:
        self.asked.append(body)
        if isinstance(self.answer, APIError):
            raise self.answer
        assert self.answer is not None
        return self.answer


async def owner_of(key: str | None) -> str:
    """Whose requests come with this key."""
    headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
    return await Owners().of({"type": "http", "headers": headers, "path": "/"})


def state_over(store: Records | None) -> State:
    return State(store, owners=Owners())


class Kept:
    """Routes over a state, and what is put into it without a model."""

    def __init__(self, store: Records | None = None, **settings: Any) -> None:
        self.state = state_over(store or MemoryStore())
        self.door = Door(KEY, OTHER_KEY)
        self.model = Model()
        given: dict[str, Any] = {"bases": ("", "/v1"), "apis": frozenset({"responses", "chat"}), **settings}
        self.app = Resources(self.state, ask=self.model, guard=self.door, **given)

    async def response(
        self, input: str | Sequence[JSON] = "Hi", text: str = "Hello", key: str = KEY, **fields: Any
    ) -> JSON:
        """Keep a response; `fields` are its own."""
        body = {"model": "m", "input": input}
        turn = await self.state.begin(body, await owner_of(key), client="responses", spoken="chat")
        response = {**answered(self.state.new_id("resp_"), text), **fields}
        assert await turn.keep(response)
        return response

    async def completion(
        self, messages: Sequence[JSON] | None = None, key: str = KEY, model: str = "m", **body: Any
    ) -> JSON:
        """Keep a chat completion; `body` are further fields of its request."""
        given = list(messages or [{"role": "user", "content": "Hi"}])
        request = {"model": model, "messages": given, "store": True, **body}
        turn = await self.state.begin(request, await owner_of(key), client="chat", spoken="chat")
        completion = completed(self.state.new_id("chatcmpl-"), model)
        assert await turn.keep(completion)
        return completion

    async def ask(
        self, method: str, path: str, body: Any = b"", *, key: str | None = KEY, **options: Any
    ) -> Got:
        """One request in process."""
        headers = [("authorization", f"Bearer {key}")] if key else []
        return await ask(self.app, path, body, method=method, headers=headers, **options)

    @asynccontextmanager
    async def client(self, key: str = KEY) -> AsyncIterator[AsyncOpenAI]:
        """The OpenAI SDK on a real server in front of the routes."""
        async with (
            served(self.app) as url,
            AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client,
        ):
            yield client


def answered(id: str, text: str = "Hello") -> JSON:
    """A response object that has ended."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {
        "id": f"msg_of_{id}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    return {
        "id": id,
        "object": "response",
        "created_at": 1,
        "completed_at": 2,
        "status": "completed",
        "model": "m",
        "output": [message],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "top_p": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "usage": USAGE,
    }


def completed(id: str, model: str = "m") -> JSON:
    """A chat completion that has ended."""
    message = {"role": "assistant", "content": "Hello", "refusal": None}
    return {
        "id": id,
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }


def users(number: int, start: int = 0) -> list[JSON]:
    """So many user messages, numbered, with ids."""
    return [
        {"id": f"msg_{i:04}", "type": "message", "role": "user", "content": f"number {i}"}
        for i in range(start, start + number)
    ]


def events_of(body: bytes) -> list[JSON]:
    """The events of a stream, in order; `[DONE]` is left out."""
    lines = [line[5:].strip() for line in body.decode().splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]
