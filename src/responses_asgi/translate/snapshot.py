"""Responses stream events -> the response object they tell: the fold.

1. Items come from `output_item.added`, their parts from `part.added`, text and arguments from the deltas;
   each `*.done` value then replaces what was collected.
2. Every other field comes from the newest lifecycle event; its `output` is not looked at.
3. Of a stream that breaks off, what had been said so far is kept.
4. Items and events of unknown type are taken whole from `output_item.done` (open world).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

from responses_asgi.types.json import JSON

__all__ = ["COMMANDS", "ITEM_TEXTS", "PARTS", "PART_TEXTS", "Fold", "fold"]

# Event family -> (list of parts in the item, name of the index, type of the part, the field the deltas fill).
PART_TEXTS: dict[str, tuple[str, str, str, str]] = {
    "response.output_text": ("content", "content_index", "output_text", "text"),
    "response.refusal": ("content", "content_index", "refusal", "refusal"),
    "response.reasoning_text": ("content", "content_index", "reasoning_text", "text"),
    "response.reasoning": ("content", "content_index", "reasoning_text", "text"),
    "response.reasoning_summary_text": ("summary", "summary_index", "summary_text", "text"),
}

# Event family -> (list of parts in the item, name of the index).
PARTS: dict[str, tuple[str, str]] = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}

# Event family -> field of the item that the deltas fill.
ITEM_TEXTS: dict[str, str] = {
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.mcp_call_arguments": "arguments",
    "response.code_interpreter_call_code": "code",
}

COMMANDS = "response.shell_call_command"
"""The family of events about one command of a `shell_call`: they say which by `command_index`."""


def fold(events: Iterable[JSON]) -> JSON:
    """Rebuild the response object from its events alone.

    `events` are decoded stream events in order; they are not changed. Returns an empty dict when no event
    carried a response. For every stream this package makes, the result equals the response of the terminal
    event, and `translator.snapshot()`.

    >>> fold([
    ...     {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}},
    ...     {"type": "response.output_item.added", "output_index": 0,
    ...      "item": {"type": "function_call", "name": "now", "arguments": ""}},
    ...     {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{}"},
    ... ])["output"]
    [{'type': 'function_call', 'name': 'now', 'arguments': '{}'}]
    """
    state = Fold()
    for event in events:
        state.take(event)
    return state.response()


class Fold:
    """A fold in progress: `take` every event, then ask for the `response`."""

    def __init__(self) -> None:
        self._lifecycle: JSON = {}
        self._items: dict[int, JSON] = {}
        # Fragments wait here until their `done`, or the end: joined once, so that long answers stay linear.
        self._fragments: dict[tuple[object, ...], tuple[Any, Any, list[str]]] = {}

    def take(self, event: JSON) -> None:
        """Add one decoded event."""
        kind = str(event.get("type"))
        response = event.get("response")
        if isinstance(response, dict):
            self._lifecycle = response
            return
        index = event.get("output_index")
        if not isinstance(index, int):
            return
        if kind in ("response.output_item.added", "response.output_item.done"):
            if isinstance(event.get("item"), dict):
                self._forget(index)
                self._items[index] = deepcopy(event["item"])
            return
        item = self._items.get(index)
        family, _, step = kind.rpartition(".")
        act = _STEPS.get(step)
        if item is not None and act is not None:
            act(self, item, family, event)

    def response(self) -> JSON:
        """The response as far as it was told; {} when no event carried one."""
        if not self._lifecycle:
            return {}
        self._join()
        return {**deepcopy(self._lifecycle), "output": [self._items[i] for i in sorted(self._items)]}

    def item(self, index: int) -> JSON:
        """The item at this output index as far as it was told."""
        self._join()
        return deepcopy(self._items[index])

    def command(self, index: int, event: JSON) -> str:
        """The command of the call at this output index that an event is about, as far as it was told."""
        self._join()
        commands, at = _command(self._items[index], event)
        return commands[at]

    def _join(self) -> None:
        for home, field, fragments in self._fragments.values():
            before = home[field] if isinstance(home, list) else home.get(field)
            home[field] = str(before or "") + "".join(fragments)
        self._fragments.clear()

    def _forget(self, *path: object) -> None:
        """Drop the fragments below a path: a `done` value has taken their place."""
        for key in [key for key in self._fragments if key[: len(path)] == path]:
            del self._fragments[key]

    def _added(self, item: JSON, family: str, event: JSON) -> None:
        if family in PARTS:
            parts, name = PARTS[family]
            _place(item, parts, event.get(name, 0), deepcopy(event["part"]))
        elif family == COMMANDS:
            _command(item, event)
        elif family == "response.output_text.annotation" and event.get("annotation"):
            part = _part(item, "content", event.get("content_index", 0), "output_text")
            _place(part, "annotations", event.get("annotation_index", 0), deepcopy(event["annotation"]))

    def _delta(self, item: JSON, family: str, event: JSON) -> None:
        found = _home(item, family, event)
        if found is None:
            return
        home, field, path = found
        self._fragments.setdefault(path, (home, field, []))[2].append(event["delta"])
        if event.get("logprobs"):
            home.setdefault("logprobs", []).extend(deepcopy(event["logprobs"]))

    def _done(self, item: JSON, family: str, event: JSON) -> None:
        if family in PARTS:
            parts, name = PARTS[family]
            index = event.get(name, 0)
            self._forget(event["output_index"], parts, index)
            _place(item, parts, index, deepcopy(event["part"]))
            return
        found = _home(item, family, event)
        if found is not None:
            home, field, path = found
            self._forget(*path)
            home[field] = event["command" if family == COMMANDS else field]


_STEPS: dict[str, Callable[[Fold, JSON, str, JSON], None]] = {
    "added": Fold._added,
    "delta": Fold._delta,
    "done": Fold._done,
}


def _home(item: JSON, family: str, event: JSON) -> tuple[Any, Any, tuple[object, ...]] | None:
    """Where a text belongs: the dict or list that holds it, its place there, and its path in the answer."""
    position = event["output_index"]
    if family in ITEM_TEXTS:
        return item, ITEM_TEXTS[family], (position, ITEM_TEXTS[family])
    if family in PART_TEXTS:
        parts, name, kind, field = PART_TEXTS[family]
        index = event.get(name, 0)
        return _part(item, parts, index, kind), field, (position, parts, index, field)
    if family == COMMANDS:
        commands, at = _command(item, event)
        return commands, at, (position, "commands", at)
    return None


def _command(item: JSON, event: JSON) -> tuple[list[str], int]:
    """The commands of a call, and which of them is meant: the next is made, one beyond it is the last."""
    if not isinstance(item.get("action"), dict):
        item["action"] = {}
    if not isinstance(item["action"].get("commands"), list):
        item["action"]["commands"] = []
    commands: list[str] = item["action"]["commands"]
    index = event.get("command_index")
    at = index if isinstance(index, int) and index > 0 else 0
    if at > len(commands):
        at = max(len(commands) - 1, 0)
    if at == len(commands):
        commands.append("")
    return commands, at


def _part(item: JSON, parts: str, index: int, kind: str) -> JSON:
    """The part at an index; made when a stream from elsewhere never announced it."""
    known: list[JSON] = item.setdefault(parts, [])
    if index >= len(known):
        known.append({"type": kind})
        return known[-1]
    return known[index]


def _place(home: JSON, field: str, index: int, value: JSON) -> None:
    """Set one element of a list that grows by one at a time."""
    values = home.setdefault(field, [])
    if index < len(values):
        values[index] = value
    else:
        values.append(value)
