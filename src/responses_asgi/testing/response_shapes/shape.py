"""One class of behaviour of Responses servers: what a server sends, and what it means to a Chat client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from responses_asgi.testing.scripted import ResponsesTurn, Turn
from responses_asgi.testing.shapes.shape import FIGURES, FOX_TEXT, Answer, Shape
from responses_asgi.types.json import JSON

__all__ = [
    "FIGURES",
    "FOX_ANSWER",
    "USAGE",
    "ResponsesShape",
    "called",
    "changed",
    "played",
    "response",
    "said",
    "thought",
    "told",
    "without",
]

Events = list[JSON]

USAGE: JSON = {
    "input_tokens": 21,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 30,
}

FOX_ANSWER = Answer(text=FOX_TEXT, usage=FIGURES, status="stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesShape(Shape):
    """A named event sequence with its meaning to a Chat client.

    As `Shape`, but `turn` is played by `FakeModel`, and `answer.status` is the finish_reason, or
    `failed`. `options` are further fields of the request. `citations` are the URLs in the annotations,
    `scored` the tokens with log probabilities. `reported` are the paths that the loss report must have.
    """

    options: JSON = field(default_factory=dict)
    citations: tuple[str, ...] = ()
    scored: tuple[str, ...] = ()
    reported: tuple[str, ...] = ()

    def request(self, *, stream: bool) -> JSON:
        """A Chat Completions request that this shape can answer; its model is the shape's name."""
        body: JSON = {"model": self.name, "messages": [{"role": "user", "content": "Go on."}]}
        functions = dict.fromkeys(name for name, _ in self.answer.calls if name not in self.custom_tools)
        tools: list[JSON] = [{"type": "function", "function": {"name": name}} for name in functions]
        tools += [{"type": "custom", "custom": {"name": name}} for name in self.custom_tools]
        if tools and "functions" not in self.options:
            body["tools"] = tools
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {**body, **self.options}


def response(status: str = "completed", **fields: Any) -> JSON:
    """A response object; `fields` take the place of its own."""
    return {
        "id": "resp_7",
        "object": "response",
        "created_at": 1_760_000_000,
        "status": status,
        "model": "scripted-1",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "incomplete_details": None,
        "usage": None,
        **fields,
    }


def told(
    *items: Events, status: str = "completed", usage: JSON | None = USAGE, **fields: Any
) -> list[JSON | bytes]:
    """A whole stream around the events of its items; `fields` are those of the terminal response.

    The terminal output is that of the item.done events, unless `output` is among the fields.
    """
    events = [deepcopy(event) for item in items for event in item]
    done = {e["output_index"]: e["item"] for e in events if e["type"] == "response.output_item.done"}
    final = {"output": [done[index] for index in sorted(done)], "usage": usage, **fields}
    stream = [
        {"type": "response.created", "response": response("in_progress")},
        {"type": "response.in_progress", "response": response("in_progress")},
        *events,
        {"type": f"response.{status}", "response": response(status, **final)},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(stream)]


def played(*items: Events, **fields: Any) -> Turn:
    """The turn that plays `told(...)`."""
    return ResponsesTurn(told(*items, **fields))


def said(
    index: int, *pieces: str, refusal: bool = False, parts: Sequence[Sequence[str]] = (), **more: Any
) -> Events:
    """A message of one part, said in pieces, or of several `parts`; `more` are fields of each part."""
    own = {"item_id": f"msg_{index}", "output_index": index}
    item = {"id": f"msg_{index}", "type": "message", "role": "assistant", "status": "in_progress"}
    kind, name, family = (
        ("refusal", "refusal", "response.refusal")
        if refusal
        else ("output_text", "text", "response.output_text")
    )
    extra = {} if refusal else {"annotations": [], **more}
    events: Events = [
        {"type": "response.output_item.added", "output_index": index, "item": {**item, "content": []}}
    ]
    content = []
    for number, fragments in enumerate(parts or [pieces]):
        place = {**own, "content_index": number}
        part = {"type": kind, name: "".join(fragments), **extra}
        empty = {**part, name: "", **({} if refusal else {"annotations": []})}
        content.append(part)
        events += [
            {"type": "response.content_part.added", **place, "part": empty},
            *({"type": f"{family}.delta", **place, "delta": piece} for piece in fragments),
            {"type": f"{family}.done", **place, name: part[name]},
            {"type": "response.content_part.done", **place, "part": part},
        ]
    done = {**item, "status": "completed", "content": content}
    return [*events, {"type": "response.output_item.done", "output_index": index, "item": done}]


def thought(
    index: int,
    *,
    raw: Sequence[Sequence[str]] = (),
    summary: Sequence[Sequence[str]] = (),
    family: str = "response.reasoning_text",
    **more: Any,
) -> Events:
    """A reasoning item of raw parts and then of summary parts, each said in pieces."""
    item = {"id": f"rs_{index}", "type": "reasoning", "summary": [], **more}
    events: Events = [{"type": "response.output_item.added", "output_index": index, "item": item}]
    texts: dict[str, list[JSON]] = {"content": [], "summary": []}
    for home, kind, frame, texts_of, name, parts in (
        ("content", "reasoning_text", "response.content_part", family, "content_index", raw),
        (
            "summary",
            "summary_text",
            "response.reasoning_summary_part",
            "response.reasoning_summary_text",
            "summary_index",
            summary,
        ),
    ):
        for number, pieces in enumerate(parts):
            place = {"item_id": f"rs_{index}", "output_index": index, name: number}
            part = {"type": kind, "text": "".join(pieces)}
            texts[home].append(part)
            events += [
                {"type": f"{frame}.added", **place, "part": {"type": kind, "text": ""}},
                *({"type": f"{texts_of}.delta", **place, "delta": piece} for piece in pieces),
                {"type": f"{texts_of}.done", **place, "text": part["text"]},
                {"type": f"{frame}.done", **place, "part": part},
            ]
    done = {**item, **{home: parts for home, parts in texts.items() if parts}}
    return [*events, {"type": "response.output_item.done", "output_index": index, "item": done}]


def called(
    index: int, name: str, *pieces: str, call_id: str | None = None, custom: bool = False, **more: Any
) -> Events:
    """A call whose arguments, or input, come in pieces."""
    kind, field_name, family = (
        ("custom_tool_call", "input", "response.custom_tool_call_input")
        if custom
        else ("function_call", "arguments", "response.function_call_arguments")
    )
    own = {"item_id": f"fc_{index}", "output_index": index}
    item = {
        "id": f"fc_{index}",
        "type": kind,
        "status": "in_progress",
        "call_id": call_id or f"call_{index}",
        "name": name,
        field_name: "",
        **more,
    }
    full = "".join(pieces)
    done = {**item, "status": "completed", field_name: full}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        *({"type": f"{family}.delta", **own, "delta": piece} for piece in pieces),
        {"type": f"{family}.done", **own, field_name: full},
        {"type": "response.output_item.done", "output_index": index, "item": done},
    ]


def without(events: Events, *endings: str) -> Events:
    """The events whose type has none of these endings."""
    return [event for event in events if not event["type"].endswith(endings)]


def changed(events: Iterable[JSON | bytes], change: Callable[[JSON], JSON]) -> list[JSON | bytes]:
    """The same stream with every event changed."""
    return [change(event) if isinstance(event, dict) else event for event in events]
