"""Scenes that a model plays, and their form on the wire, for the acceptance tests.

A scene is a list of steps: the pieces of an answer, and what happens between them. Each kind of service plays
the same steps: a chat route sends them as bytes, a handler yields them.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any, NamedTuple

from responses_asgi.upstreams.answers import Finish, Reasoning, Refusal, ToolCall, Usage

WORDS = [f"{number} " for number in range(20)]


# Doors: how a test holds a scene, and learns of its end


class Door:
    """One for each key. The scene waits at it, in the event loop or the thread that it runs in."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.ended = threading.Event()
        self._open = threading.Semaphore(0)

    def let_one_pass(self) -> None:
        self._open.release()

    async def passing(self) -> None:
        self.begun.set()
        while not self._open.acquire(blocking=False):  # noqa: ASYNC110 - opened by another thread
            await asyncio.sleep(0.002)

    def passing_in_thread(self) -> None:
        self.begun.set()
        assert self._open.acquire(timeout=20)


doors: defaultdict[str, Door] = defaultdict(Door)


# Scenes


class Knock(NamedTuple):
    """Wait at the door; `before` the response starts, where the service can."""

    before: bool = False


class Denial(NamedTuple):
    """Answer with this HTTP status instead."""

    status: int
    headers: dict[str, str]
    message: str


class Cut(NamedTuple):
    """End the body here, as if all were well."""


class Raw(NamedTuple):
    """Bytes of an event stream that no answer is made of."""

    data: bytes


Step = Any
"""A piece that a handler may yield, a Knock, Denial, Cut or Raw, or an exception to raise."""


class Broken(Exception):
    """Raised on purpose; its text is for no client."""


def greet(body: dict[str, Any]) -> list[Step]:
    usage = Usage(12, 7, cached_tokens=4, reasoning_tokens=3)
    return [Reasoning("A "), Reasoning("guest."), "Hel", "lo, ", "wörld 🌍", usage]


def weather(body: dict[str, Any]) -> list[Step]:
    """Asks for two calls at once, and joins their results to them by the ids alone."""
    results = {message["tool_call_id"]: message["content"] for message in body["messages"][2:]}
    if not results:
        assert body["tools"][0]["function"]["name"] == "get_weather"
        calls = [ToolCall("get_weather", {"city": city}, f"call_{city}") for city in ("Oslo", "Paris")]
        return [Reasoning("Two cities."), *calls]
    calls = body["messages"][1]["tool_calls"]
    places = {call["id"]: json.loads(call["function"]["arguments"])["city"] for call in calls}
    return [f"{place}: {results[call_id]}. " for call_id, place in places.items()]


def address(body: dict[str, Any]) -> list[Step]:
    """JSON, if the schema has arrived."""
    schema = body["response_format"]["json_schema"]
    assert set(schema["schema"]["properties"]) == {"host", "port"}
    return ['{"host": "ex', 'ample", "po', 'rt": 8000}']


def look(body: dict[str, Any]) -> list[Step]:
    """Says what it was shown."""
    (message,) = body["messages"]
    parts = [part["type"] + " " + str(part[part["type"]]) for part in message["content"]]
    return ["; ".join(parts)]


def say(*steps: Step) -> Callable[[dict[str, Any]], list[Step]]:
    return lambda body: list(steps)


OVERLOADED = {"error": {"message": "try later", "type": "server_error", "code": "server_is_overloaded"}}

SCENES: dict[str, Callable[[dict[str, Any]], list[Step]]] = {
    "greet": greet,
    "weather": weather,
    "address": address,
    "look": look,
    "refuse": say(Refusal("I can"), Refusal("not.")),
    "tell": say("Once upon", " a time", Usage(3, 4), Finish("length")),
    "censor": say("Once", Finish("content_filter")),
    "count": say(*(step for word in WORDS for step in (Knock(), word))),
    "ponder": say(Knock(before=True), "late"),
    # Troubles
    "deny": say(Denial(429, {"retry-after": "7", "x-request-id": "req_1"}, "slow down")),
    "raise before": say(Broken("secret")),
    "raise after": say("Hel", "lo", Broken("secret")),
    "reset": say("Hel", "lo", ConnectionResetError("secret")),
    "cancel": say("Hel", "lo", asyncio.CancelledError()),
    "error chunk": say("Hel", "lo", OVERLOADED),
    "error event": say("Hel", "lo", Raw(b"event: error\ndata: " + json.dumps(OVERLOADED["error"]).encode())),
    "broken chunk": say("Hel", "lo", Raw(b'data: {"choices": [')),
    "no finish": say("Hel", "lo", Cut()),
}


def steps_of(body: dict[str, Any]) -> tuple[list[Step], Door]:
    scene, _, key = body["model"].partition("#")
    return SCENES[scene](body), doors[key]


# The steps as a chat route sends them: bytes, with the waiting and raising left to the service


def events(steps: Iterable[Step]) -> Iterator[Step]:
    """As an event stream."""
    calls, reason, usage = 0, None, None
    for step in steps:
        match step:
            case str():
                yield _chunk({"content": step})
            case Reasoning():
                yield _chunk({"reasoning_content": step.text})
            case Refusal():
                yield _chunk({"refusal": step.text})
            case ToolCall():
                head, *rest = _fragments(step, calls)
                calls += 1
                yield _chunk({"tool_calls": [head]})
                yield from (_chunk({"tool_calls": [fragment]}) for fragment in rest)
            case Finish():
                reason = step.reason
            case Usage():
                usage = _usage(step)
            case dict():
                yield _event(step)
            case Raw():
                yield step.data + b"\n\n"
            case Cut():
                return
            case _:
                yield step
    yield _chunk({}, reason or ("tool_calls" if calls else "stop"))
    if usage:
        yield _event({"choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def document(steps: Iterable[Step]) -> Iterator[Step]:
    """As one JSON document: half of it where the scene breaks off."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: list[dict[str, Any]] = []
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
    whole: dict[str, Any] = {"object": "chat.completion", "choices": [choice]}
    broken: list[Step] = []
    for step in steps:
        match step:
            case str():
                message["content"] = (message["content"] or "") + step
            case Reasoning():
                message["reasoning_content"] = message.get("reasoning_content", "") + step.text
            case Refusal():
                message["refusal"] = message.get("refusal", "") + step.text
            case ToolCall():
                calls.append(_call(step, json.dumps(step.arguments)))
                message["tool_calls"], choice["finish_reason"] = calls, "tool_calls"
            case Finish():
                choice["finish_reason"] = step.reason
            case Usage():
                whole["usage"] = _usage(step)
            case dict():
                whole = step
            case Raw() | BaseException():
                broken.append(step)
            case Cut():
                choice["finish_reason"] = None
            case _:
                yield step
    text = json.dumps(whole).encode()
    if not broken:
        yield text
        return
    yield text[: len(text) // 2]
    yield from (step for step in broken if isinstance(step, BaseException))


def _event(chunk: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _call(call: ToolCall, arguments: str) -> dict[str, Any]:
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _fragments(call: ToolCall, index: int) -> Iterator[dict[str, Any]]:
    text = json.dumps(call.arguments)
    yield {"index": index, **_call(call, "")}
    for piece in (text[:4], text[4:]):
        yield {"index": index, "function": {"arguments": piece}}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


# Playing


async def play(steps: Iterable[Step], door: Door) -> AsyncIterator[Any]:
    """What is sent or yielded; waits at the door and raises on the way."""
    try:
        for step in steps:
            if isinstance(step, Knock):
                await door.passing()
            elif isinstance(step, BaseException):
                raise step
            else:
                yield step
    finally:
        door.ended.set()


def play_in_thread(steps: Iterable[Step], door: Door) -> Iterator[Any]:
    try:
        for step in steps:
            if isinstance(step, Knock):
                door.passing_in_thread()
            elif isinstance(step, BaseException):
                raise step
            else:
                yield step
    finally:
        door.ended.set()
