"""Checks one output item of a Responses stream, from its added event to its done event."""

from __future__ import annotations

import json
from collections.abc import Callable

from responses_asgi.testing.rules import Position
from responses_asgi.types.events import ITEM_ORDER
from responses_asgi.types.json import JSON

__all__ = ["CALLS", "ITEM_EVENTS", "ItemCheck"]

ITEM_EVENTS = frozenset(event for states in ITEM_ORDER.values() for row in states.values() for event in row)

CALLS = frozenset({"function_call", "custom_tool_call", "shell_call", "local_shell_call", "apply_patch_call"})

# How an item may end. Azure's images are said to be still generated when they are done.
ENDED = frozenset({"completed", "incomplete", "failed"})

# Calls of tools that have a name.
NAMED_CALLS = frozenset({"function_call", "custom_tool_call"})

# Event families whose events name the item by its index alone.
WITHOUT_ID = ("response.shell_call_command",)

# The fields that grow while an item is open, with their zero values; the first ones must be there.
REQUIRED_ZEROS: dict[str, dict[str, object]] = {
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}
ZEROS: dict[str, object] = {"content": [], "summary": [], "arguments": "", "input": ""}
# Items whose arguments are an object, which is never streamed.
SETTLED_ARGUMENTS = frozenset({"tool_search_call"})
PART_ZEROS: dict[str, object] = {"text": "", "refusal": "", "annotations": [], "logprobs": []}

# Event family -> (type of part, field that the deltas fill, name of the index).
TEXTS: dict[str, tuple[str, str, str]] = {
    "response.output_text": ("output_text", "text", "content_index"),
    "response.refusal": ("refusal", "refusal", "content_index"),
    "response.reasoning_text": ("reasoning_text", "text", "content_index"),
    "response.reasoning": ("reasoning_text", "text", "content_index"),
    "response.reasoning_summary_text": ("summary_text", "text", "summary_index"),
}
PARTS: dict[str, tuple[str, str]] = {
    "response.content_part": ("content", "content_index"),
    "response.reasoning_summary_part": ("summary", "summary_index"),
}
PART_TYPES: dict[tuple[str, str], frozenset[str]] = {
    ("message", "content"): frozenset({"output_text", "refusal"}),
    ("reasoning", "content"): frozenset({"reasoning_text"}),
    ("reasoning", "summary"): frozenset({"summary_text"}),
}
# Event family -> field of the item that the deltas fill.
ARGUMENTS: dict[str, str] = {
    "response.function_call_arguments": "arguments",
    "response.custom_tool_call_input": "input",
    "response.mcp_call_arguments": "arguments",
    "response.code_interpreter_call_code": "code",
}
# Item type -> field that must hold in the end what was streamed.
STREAMED: dict[str, str] = {
    "function_call": "arguments",
    "custom_tool_call": "input",
    "mcp_call": "arguments",
}
# Items of tools that the service runs, which some servers tell when all is over: they may begin as they end.
TOLD_AT_ONCE = frozenset(
    {
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "shell_call_output",
        "web_search_call",
    }
)


class ItemCheck:
    """The state of one item; every event of the item goes through `take`."""

    def __init__(self, item: JSON, at: Position) -> None:
        self._at = at
        self.type: str = item.get("type") or at.fail("item-identity", f"item without a type: {item!r}")
        self.done: JSON | None = None
        self._added = item
        self._state = "opened"
        self._order = ITEM_ORDER.get(self.type)  # None: an unknown type, legal in any order until its done
        self._parts: dict[str, list[JSON]] = {"content": [], "summary": []}
        self._part: JSON = {}
        self._said: list[str] = []
        self._spoken: str | None = None
        self._commands: list[str] = []
        self._annotations: list[JSON] = []
        self._logprobs: list[JSON] = []
        self._check_added()

    @property
    def calls(self) -> bool:
        """Whether this is a call, which may stay open beside others."""
        return self.type.endswith("_call")

    @property
    def unfinished(self) -> bool:
        """Whether this is a call whose arguments are not complete yet, as far as one can tell."""
        if self.type == "function_call":
            try:
                json.loads("".join(self._said))
            except ValueError:
                return True
            return False
        return self.calls

    def take(self, event: JSON) -> None:
        kind: str = event["type"]
        at = self._at
        at.require(self.done is None, "item-closed", f"the {self.type} item was done before")
        if kind in ITEM_EVENTS and self._order is not None:
            row = self._order[self._state]
            at.require(
                kind in row, "item-order", f"a {self.type} item in state {self._state!r} allows {sorted(row)}"
            )
            self._state = row[kind]
            if kind != "response.output_item.done" and not kind.startswith(WITHOUT_ID):
                at.equal("item-id", "item_id", event.get("item_id"), self._added["id"])
        step = _STEPS.get(kind)
        if step is not None and (self._order is not None or kind == "response.output_item.done"):
            step(self, kind.rpartition(".")[0], event)

    def _check_added(self) -> None:
        item, at = self._added, self._at
        for field, zero in REQUIRED_ZEROS.get(self.type, {}).items():
            at.equal("zero-values", f"{field} of the added item", item.get(field), zero)
        if self._order is None or self.type in TOLD_AT_ONCE:
            return
        for field, zero in ZEROS.items():
            if item.get(field) is not None and self.type not in SETTLED_ARGUMENTS:
                at.equal("zero-values", f"{field} of the added item", item[field], zero)
        if "status" in item:
            at.equal("zero-values", "status of the added item", item["status"], "in_progress")
        if self.type in CALLS:
            for field in ("name", "call_id") if self.type in NAMED_CALLS else ("call_id",):
                value = item.get(field)
                at.require(isinstance(value, str) and value, "call-id", f"{field}: got {value!r}")

    def _part_added(self, family: str, event: JSON) -> None:
        where, name = PARTS[family]
        at, part = self._at, event.get("part")
        if not isinstance(part, dict):
            at.fail("part-type", f"part: got {part!r}, expected an object")
        at.equal("part-index", name, event.get(name), len(self._parts[where]))
        allowed = PART_TYPES.get((self.type, where), frozenset())
        at.require(part.get("type") in allowed, "part-type", f"got {part.get('type')!r}, expected {allowed}")
        for field, zero in PART_ZEROS.items():
            if field in part:
                at.equal("zero-values", f"{field} of the added part", part[field], zero)
        if part["type"] == "output_text":
            at.equal("zero-values", "annotations of the added part", part.get("annotations"), [])
        self._part, self._said, self._spoken = part, [], None
        self._annotations, self._logprobs = [], []

    def _part_done(self, family: str, event: JSON) -> None:
        where, name = PARTS[family]
        at, part = self._at, event.get("part")
        if not isinstance(part, dict):
            at.fail("part-done", f"part: got {part!r}, expected an object")
        at.equal("part-index", name, event.get(name), len(self._parts[where]))
        at.equal("part-done", "type of the part", part.get("type"), self._part["type"])
        field = "refusal" if part["type"] == "refusal" else "text"
        at.equal("part-done", f"{field} of the part", part.get(field), self._spoken)
        at.equal("part-done", "annotations of the part", part.get("annotations") or [], self._annotations)
        at.equal("part-done", "logprobs of the part", part.get("logprobs") or [], self._logprobs)
        self._parts[where].append(part)

    def _check_place(self, family: str, event: JSON) -> None:
        kind, _, name = TEXTS[family]
        self._at.equal("part-type", "type of the open part", self._part["type"], kind)
        where = "summary" if name == "summary_index" else "content"
        self._at.equal("part-index", name, event.get(name), len(self._parts[where]))

    def _text_delta(self, family: str, event: JSON) -> None:
        self._check_place(family, event)
        self._said.append(self._delta(event))
        self._logprobs += event.get("logprobs") or []

    def _text_done(self, family: str, event: JSON) -> None:
        self._check_place(family, event)
        field = TEXTS[family][1]
        self._spoken = "".join(self._said)
        self._at.equal("text", field, event.get(field), self._spoken)

    def _annotation(self, family: str, event: JSON) -> None:
        self._check_place("response.output_text", event)
        expected = len(self._annotations)
        self._at.equal("annotation-index", "annotation_index", event.get("annotation_index"), expected)
        self._annotations.append(event["annotation"])

    def _arguments_delta(self, family: str, event: JSON) -> None:
        self._said.append(self._delta(event))

    def _arguments_done(self, family: str, event: JSON) -> None:
        field = ARGUMENTS[family]
        said = "".join(self._said)
        value = event.get(field)
        if not (said == "" and value == "{}" and field == "arguments"):
            self._at.equal("arguments", field, value, said)
        self._spoken = value

    def _command_added(self, family: str, event: JSON) -> None:
        at = self._at
        at.equal("part-index", "command_index", event.get("command_index"), len(self._commands))
        at.equal("zero-values", "command of the added event", event.get("command"), "")
        self._said = []

    def _command_delta(self, family: str, event: JSON) -> None:
        self._at.equal("part-index", "command_index", event.get("command_index"), len(self._commands))
        self._said.append(self._delta(event))

    def _command_done(self, family: str, event: JSON) -> None:
        at, said = self._at, "".join(self._said)
        at.equal("part-index", "command_index", event.get("command_index"), len(self._commands))
        at.equal("text", "command", event.get("command"), said)
        self._commands.append(said)

    def _delta(self, event: JSON) -> str:
        delta = event.get("delta")
        if not isinstance(delta, str) or not delta:
            self._at.fail("empty-delta", f"got {delta!r}")
        return delta

    def _item_done(self, family: str, event: JSON) -> None:
        at, item = self._at, event.get("item")
        if not isinstance(item, dict):
            at.fail("item-done", f"item: got {item!r}, expected an object")
        at.equal("item-id", "id of the done item", item.get("id"), self._added["id"])
        for field in ("type", "name", "call_id", "namespace"):
            if field == "type" or self._added.get(field) is not None:
                at.equal("item-identity", f"{field} of the done item", item.get(field), self._added[field])
        if self._order is not None:
            if "status" in item:
                legal = ENDED | {"generating"} if self.type == "image_generation_call" else ENDED
                at.require(item["status"] in legal, "item-status", f"status: got {item['status']!r}")
            for where, parts in self._parts.items():
                if parts or where in REQUIRED_ZEROS.get(self.type, {}) or item.get(where):
                    at.equal("item-done", f"{where} of the done item", item.get(where), parts)
            streamed = STREAMED.get(self.type)
            if streamed:
                at.equal("item-done", f"{streamed} of the done item", item.get(streamed), self._spoken)
            if self._commands:
                commands = (item.get("action") or {}).get("commands")
                at.equal("item-done", "action.commands of the done item", commands, self._commands)
            self._check_phantom(item)
        self.done = item

    def _check_phantom(self, item: JSON) -> None:
        # An item that was cut may have been cut before its first word.
        if (
            self.type not in ("message", "reasoning")
            or item.get("encrypted_content")
            or item.get("status") == "incomplete"
        ):
            return
        parts = self._parts["content"] + self._parts["summary"]
        said = any(part.get("text") or part.get("refusal") or part.get("annotations") for part in parts)
        self._at.require(said, "phantom-item", f"the {self.type} item says nothing")


_Step = Callable[[ItemCheck, str, JSON], None]

# Event -> what to check.
_STEPS: dict[str, _Step] = {
    **{f"{family}.delta": ItemCheck._text_delta for family in TEXTS},
    **{f"{family}.done": ItemCheck._text_done for family in TEXTS},
    **{f"{family}.added": ItemCheck._part_added for family in PARTS},
    **{f"{family}.done": ItemCheck._part_done for family in PARTS},
    **{f"{family}.delta": ItemCheck._arguments_delta for family in ARGUMENTS},
    **{f"{family}.done": ItemCheck._arguments_done for family in ARGUMENTS},
    "response.output_text.annotation.added": ItemCheck._annotation,
    "response.shell_call_command.added": ItemCheck._command_added,
    "response.shell_call_command.delta": ItemCheck._command_delta,
    "response.shell_call_command.done": ItemCheck._command_done,
    "response.output_item.done": ItemCheck._item_done,
}
