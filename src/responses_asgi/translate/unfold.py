"""A whole response -> the stream events that tell it: the fold, backwards."""

from __future__ import annotations

from collections.abc import Iterator

from responses_asgi.translate.snapshot import ITEM_TEXTS, PART_TEXTS, PARTS
from responses_asgi.types.json import JSON

__all__ = ["CALL_FAMILIES", "PART_FAMILIES", "RUN_FAMILIES", "TEXT_FAMILIES", "unfold"]

# Type of a part -> the family of its text events; OpenAI's name for raw reasoning, not Open Responses'.
TEXT_FAMILIES = {kind: family for family, (_, _, kind, _) in reversed(PART_TEXTS.items())}
# List of parts in an item -> (family of its part events, name of the index).
PART_FAMILIES = {home: (family, index) for family, (home, index) in PARTS.items()}
# Type of a call -> the family of its argument events.
CALL_FAMILIES = {
    "function_call": "response.function_call_arguments",
    "custom_tool_call": "response.custom_tool_call_input",
}
# Type of a call that the server runs itself, which tells its steps -> the family of its argument events.
RUN_FAMILIES = {"mcp_call": "response.mcp_call_arguments"}

# What such a call holds once it was run.
_RESULTS = ("output", "error")

_PARTED = frozenset({"message", "reasoning"})


def unfold(response: JSON) -> Iterator[JSON]:
    """The events of a response in a terminal status, without sequence numbers; `fold` undoes it.

    Items of other types than messages, reasoning, calls of functions and of MCP servers are announced and
    finished as they are.

    >>> [event["type"] for event in unfold({"status": "completed", "output": []})]
    ['response.created', 'response.in_progress', 'response.completed']
    """
    blank = {**response, "status": "in_progress", "output": []}
    blank |= dict.fromkeys(("usage", "error", "incomplete_details", "completed_at"))
    yield {"type": "response.created", "response": blank}
    yield {"type": "response.in_progress", "response": blank}
    for index, item in enumerate(response.get("output") or ()):
        yield from _item_events(index, item)
    yield {"type": f"response.{response.get('status')}", "response": response}


def _item_events(index: int, item: JSON) -> Iterator[JSON]:
    kind = str(item.get("type"))
    place = {"item_id": item.get("id"), "output_index": index}
    homes = [home for home in PART_FAMILIES if kind in _PARTED and item.get(home) is not None]
    runs = kind in RUN_FAMILIES
    family = CALL_FAMILIES.get(kind) or RUN_FAMILIES.get(kind)
    empty = {**item, **{home: [] for home in homes}, **({ITEM_TEXTS[family]: ""} if family else {})}
    empty |= {name: None for name in _RESULTS if runs and name in item}
    yield {
        "type": "response.output_item.added",
        "output_index": index,
        "item": {**empty, "status": "in_progress"},
    }
    for home in homes:
        frame, name = PART_FAMILIES[home]
        for number, part in enumerate(item[home]):
            yield from _part_events(frame, {**place, name: number}, part)
    if runs:
        yield {"type": f"response.{kind}.in_progress", **place}
    if family:
        text = item.get(ITEM_TEXTS[family]) or ""
        if text:
            yield {"type": f"{family}.delta", **place, "delta": text}
        named = {} if runs else {"name": item.get("name")}
        yield {"type": f"{family}.done", **place, **named, ITEM_TEXTS[family]: text}
    if runs:
        ended = "completed" if item.get("status") == "completed" and not item.get("error") else "failed"
        yield {"type": f"response.{kind}.{ended}", **place}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part_events(frame: str, place: JSON, part: JSON) -> Iterator[JSON]:
    family = TEXT_FAMILIES.get(str(part.get("type")))
    if family is None:
        yield {"type": f"{frame}.added", **place, "part": part}
        yield {"type": f"{frame}.done", **place, "part": part}
        return
    field = PART_TEXTS[family][3]
    blank: JSON = {**part, field: ""}
    scores: JSON = {}
    if family == "response.output_text":
        blank |= {"annotations": [], "logprobs": []}
        scores = {"logprobs": part.get("logprobs") or []}
    yield {"type": f"{frame}.added", **place, "part": blank}
    if part.get(field):
        yield {"type": f"{family}.delta", **place, "delta": part[field], **scores}
    for number, annotation in enumerate(part.get("annotations") or ()):
        yield {
            "type": f"{family}.annotation.added",
            **place,
            "annotation_index": number,
            "annotation": annotation,
        }
    yield {"type": f"{family}.done", **place, field: part.get(field) or "", **scores}
    yield {"type": f"{frame}.done", **place, "part": part}
