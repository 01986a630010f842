"""The answers that upstreams give in the benchmarks, as bytes made beforehand, and what clients must read.

An answer is a row of `ANSWERS`. Every delta says its own number, so that one that is lost, doubled or out of
order shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from responses_asgi.types.json import dumps
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["ANSWERS", "ARGUMENTS", "TEXT", "Answer", "Kind"]

Kind = Literal["text", "arguments"]

TEXT = " word{}"
ARGUMENTS = "{},"

CALLS = 4
"""Tool calls in an answer of arguments, one after the other."""

CHUNK = {"id": "chatcmpl-0123456789", "object": "chat.completion.chunk", "created": 1_700_000_000}
USAGE = {"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 10}
RESPONSE = {
    "id": "resp_0123456789",
    "object": "response",
    "created_at": 1_700_000_000,
    "model": "house",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": None,
    "error": None,
    "incomplete_details": None,
}


@dataclass(frozen=True)
class Answer:
    """One answer.

    - `deltas`: how many; `kind`: of text, or of the arguments of tool calls.
    - `together`: events in one write of the upstream, so that its reader gets them in one piece.
    - `pause`: seconds between two writes. `streamed`: False: one JSON document.
    - `writes`: the events of each write.
    """

    api: WireAPI
    deltas: int
    kind: Kind = "text"
    together: int = 1
    pause: float = 0.0
    streamed: bool = True
    writes: list[list[bytes]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = (_chat if self.api == "chat" else _responses) if self.streamed else _whole
        events = list(made(self))
        begins = range(0, len(events), self.together)
        writes = [events[begin : begin + self.together] for begin in begins]
        object.__setattr__(self, "writes", writes)

    @property
    def said(self) -> list[str]:
        """What the client must have read at the end: the text, or the arguments of each call."""
        if self.kind == "text":
            return ["".join(map(TEXT.format, range(self.deltas)))]
        return ["".join(pieces) for pieces in self.calls()]

    def calls(self) -> Iterator[list[str]]:
        """The pieces of the arguments of each call, which together are a list of numbers in JSON."""
        each = self.deltas // CALLS
        for call in range(CALLS):
            numbers = range(call * each, (call + 1) * each)
            yield ['{"list":[', *(ARGUMENTS.format(number) for number in numbers[1:-1]), f"{numbers[-1]}]}}"]

    def texts(self) -> Iterator[str]:
        """The pieces of the text."""
        return map(TEXT.format, range(self.deltas))

    @property
    def content_type(self) -> str:
        return "text/event-stream" if self.streamed else "application/json"


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _data({**CHUNK, "model": "house", "choices": [choice], "usage": None})


def _data(document: dict[str, Any]) -> bytes:
    return b"data: " + dumps(document) + b"\n\n"


def _chat(answer: Answer) -> Iterator[bytes]:
    yield _chunk({"role": "assistant", "content": None if answer.kind == "arguments" else ""})
    if answer.kind == "text":
        for text in answer.texts():
            yield _chunk({"content": text})
        yield _chunk({}, "stop")
    else:
        for index, pieces in enumerate(answer.calls()):
            opened = {"id": f"call_{index}", "type": "function", "function": {"name": "add", "arguments": ""}}
            yield _chunk({"tool_calls": [{"index": index, **opened}]})
            for piece in pieces:
                yield _chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield _chunk({}, "tool_calls")
    yield _data({**CHUNK, "model": "house", "choices": [], "usage": USAGE})
    yield b"data: [DONE]\n\n"


def _responses(answer: Answer) -> Iterator[bytes]:
    for number, event in enumerate(_events(answer)):
        data = dumps({**event, "sequence_number": number})
        yield b"event: " + event["type"].encode() + b"\ndata: " + data + b"\n\n"


def _events(answer: Answer) -> Iterator[dict[str, Any]]:
    begun = {**RESPONSE, "status": "in_progress"}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    if answer.kind == "text":
        yield from _message(answer)
    else:
        for index, pieces in enumerate(answer.calls()):
            yield from _call(index, pieces)
    yield {"type": "response.completed", "response": _response(answer)}


def _message(answer: Answer) -> Iterator[dict[str, Any]]:
    where: dict[str, Any] = {"item_id": "msg_0123456789", "output_index": 0, "content_index": 0}
    item = _items(answer)[0]
    part = item["content"][0]
    begun = {**item, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
    yield {"type": "response.content_part.added", **where, "part": {**part, "text": ""}}
    for text in answer.texts():
        yield {"type": "response.output_text.delta", **where, "delta": text, "logprobs": []}
    yield {"type": "response.output_text.done", **where, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **where, "part": part}
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}


def _call(index: int, pieces: list[str]) -> Iterator[dict[str, Any]]:
    item = _call_item(index, "".join(pieces))
    where: dict[str, Any] = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress", "arguments": ""}
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    for piece in pieces:
        yield {"type": "response.function_call_arguments.delta", **where, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **where, "arguments": item["arguments"]}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _call_item(index: int, arguments: str) -> dict[str, Any]:
    names = {"id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}", "name": "add"}
    return {**names, "arguments": arguments, "status": "completed"}


def _items(answer: Answer) -> list[dict[str, Any]]:
    if answer.kind == "arguments":
        return [_call_item(index, arguments) for index, arguments in enumerate(answer.said)]
    part = {"type": "output_text", "text": answer.said[0], "annotations": [], "logprobs": []}
    message = {"id": "msg_0123456789", "type": "message", "role": "assistant", "status": "completed"}
    return [{**message, "content": [part]}]


def _response(answer: Answer) -> dict[str, Any]:
    usage = {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 10,
    }
    return {**RESPONSE, "status": "completed", "output": _items(answer), "usage": usage}


def _whole(answer: Answer) -> Iterator[bytes]:
    if answer.api == "responses":
        yield dumps(_response(answer))
        return
    message: dict[str, Any] = {"role": "assistant", "content": answer.said[0]}
    if answer.kind == "arguments":
        calls = [
            {"id": f"call_{index}", "type": "function", "function": {"name": "add", "arguments": arguments}}
            for index, arguments in enumerate(answer.said)
        ]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    finish = "stop" if answer.kind == "text" else "tool_calls"
    choice = {"index": 0, "message": message, "finish_reason": finish}
    named = {**CHUNK, "object": "chat.completion", "model": "house"}
    yield dumps({**named, "choices": [choice], "usage": USAGE})


def _both(name: str, **fields: Any) -> dict[str, Answer]:
    apis: tuple[WireAPI, ...] = ("chat", "responses")
    return {f"{api}-{name}": Answer(api, **fields) for api in apis}


ANSWERS: dict[str, Answer] = {
    **_both("burst", deltas=400, together=32),
    **_both("single", deltas=400),
    **_both("paced", deltas=50, pause=0.02),
    **_both("calls", deltas=400, kind="arguments", together=32),
    **_both("short", deltas=8, together=32),
    **_both("json", deltas=100, streamed=False),
    **_both("long", deltas=20_000, together=32),
    **_both("open", deltas=6, pause=1.0),
}
"""By the API that the upstream speaks, and what the answer is like."""
