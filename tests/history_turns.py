"""Turns as the exchange makes them, without a model: what is asked, and what is answered."""

from __future__ import annotations

from typing import Any

from responses_asgi.errors import APIError, StoreError
from responses_asgi.history import State, Turn
from responses_asgi.owners import Owners
from responses_asgi.seal import Seals
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.types.json import JSON

ANN = "a" * 64
BOB = "b" * 64
SEALS = Seals(["0123456789abcdef"])


class FailingStore(MemoryStore):
    """Fails with `error` as long as there is one."""

    error: Exception | None = None

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()
        return await super().get(*args, **kwargs)

    async def put(self, *args: Any, **kwargs: Any) -> None:
        self._fail()
        await super().put(*args, **kwargs)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


GONE = StoreError("The store is gone.")


def state_of(store: Any = ..., **settings: Any) -> State:
    return State(MemoryStore() if store is ... else store, owners=Owners(), **settings)


def said(text: str, id: str) -> JSON:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": id, "role": "assistant", "status": "completed", "content": [part]}


def called(call_id: str, arguments: str = "{}", **fields: Any) -> JSON:
    call = {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": "f"}
    return {**call, "arguments": arguments, "status": "completed", **fields}


def response(state: State, *output: JSON, status: str = "completed", **fields: Any) -> JSON:
    made = {"id": state.new_id("resp_"), "object": "response", "model": "m", "status": status}
    return {**made, "output": list(output), "metadata": {}, **fields}


def completion(id: str, text: str | None = "Hey", finish: str | None = "stop", **message: Any) -> JSON:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": finish,
    }
    return {"id": id, "object": "chat.completion", "model": "m", "created": 1, "choices": [choice]}


async def begin(
    state: State, owner: str = ANN, *, client: Any = "responses", spoken: Any = "chat", **body: Any
) -> Turn:
    asked = {"model": "m", **body}
    return await state.begin(asked, owner, client=client, spoken=spoken)


async def answered(state: State, *output: JSON, owner: str = ANN, **body: Any) -> str:
    """One Responses turn; the id of its response."""
    turn = await begin(state, owner, **body)
    answer = response(state, *output)
    assert await turn.keep(answer)
    return str(answer["id"])


async def chatted(state: State, answer: JSON, *messages: JSON, owner: str = ANN, **body: Any) -> str:
    """One Chat turn; the id of its completion."""
    turn = await begin(state, owner, client="chat", messages=list(messages), **body)
    assert await turn.keep(answer)
    return str(answer["id"])


def user(text: str) -> JSON:
    return {"role": "user", "content": text}


async def refused(state: State, owner: str = ANN, **body: Any) -> APIError:
    """The error that a request is answered with."""
    try:
        await begin(state, owner, **body)
    except APIError as error:
        return error
    raise AssertionError("the request was accepted")
