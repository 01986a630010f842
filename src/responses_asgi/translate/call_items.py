"""Calls of the client's tools while they are being said: each opens, takes what the model writes, closes.

1. The text of a function or custom tool call is told as it comes. A custom tool that was offered as a
   function is told without the wrapping.
2. The other calls are actions. They are told when they are whole, since half an action is none: of a call
   that was cut nothing is told but that it was begun.
"""

from __future__ import annotations

from collections.abc import Sequence

from responses_asgi.loss import Losses
from responses_asgi.translate.deltas import Deltas
from responses_asgi.translate.input_reader import InputReader
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.translate.tool_kinds import CUSTOM, FUNCTION, ToolKind, read_arguments
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON

__all__ = ["CallItem", "TextCall", "open_call"]

# Call item -> family of the events that tell its text.
TEXT_EVENTS = {
    FUNCTION.call: "response.function_call_arguments",
    CUSTOM.call: "response.custom_tool_call_input",
}
# What the finished text holds when the model wrote nothing.
EMPTY = {FUNCTION.call: "{}", CUSTOM.call: ""}

# Fields by which items say something: what an upstream means by one of these in its call is another thing.
_OF_ITEMS = frozenset(
    {
        *("content", "summary", "output", "arguments", "input", "action", "operation", "environment"),
        *("namespace", "caller", "created_by", "encrypted_content", "tools"),
    }
)


def open_call(
    writer: ResponseWriter,
    losses: Losses,
    kind: ToolKind,
    *,
    call_id: str,
    name: str,
    namespace: str | None = None,
    wrapped: bool = False,
) -> CallItem:
    """Announce the item of a call. `wrapped`: it comes as a function, whatever kind of tool it is."""
    item: JSON = {"id": writer.new_id(kind.prefix), "type": kind.call, "call_id": call_id}
    if kind.function is None:
        item["name"] = name
    if namespace is not None:
        item["namespace"] = namespace
    item |= kind.opened
    if kind.action is not None:
        return CallItem(writer, losses, kind, item)
    reader = InputReader() if kind is CUSTOM and wrapped else None
    return TextCall(writer, losses, kind, item, reader)


class CallItem:
    """An open call, known by its output `index`; told when it is whole, as an action of the client."""

    __slots__ = (
        "_item",
        "_kind",
        "_losses",
        "_writer",
        "_written",
        "index",
    )

    def __init__(self, writer: ResponseWriter, losses: Losses, kind: ToolKind, item: JSON) -> None:
        self._writer = writer
        self._losses = losses
        self._kind = kind
        self._item = item
        self._written: list[str] = []
        self.index = writer.open_item({**item, "status": "in_progress"})

    @property
    def growing(self) -> CallItem | Deltas:
        """What takes more of the call."""
        return self

    def more(self, fragment: str) -> list[Event]:
        """Take what the model writes next, which is not empty; the events are the caller's to pass on."""
        self._written.append(fragment)
        return []

    def all(self, fragments: Sequence[str]) -> list[Event]:
        """`more` of each of these."""
        return [event for fragment in fragments for event in self.more(fragment)]

    @property
    def begun(self) -> bool:
        """Whether anything was written so far."""
        return bool(self._written)

    @property
    def written(self) -> str:
        """All that the model wrote so far, as it wrote it."""
        return "".join(self._written)

    def close(self, status: str, extra: JSON) -> None:
        """Finish the call; `extra` holds the upstream's further fields of it, to be given back next turn."""
        item = {**self._item, **self._fields(status), "status": status}
        for name, value in extra.items():
            if name not in _OF_ITEMS:
                item.setdefault(name, value)
            elif name not in item:
                path = f"output.{self._kind.call}.{name}"
                self._losses.report(path, "dropped", "it says something else of an item")
        self._writer.close_item(self.index, item)

    def _fields(self, status: str) -> JSON:
        """Say what is left to say; what the item holds in the end."""
        path = f"output.{self._kind.call}"
        if status != "completed" or self._kind.action is None:
            if self._written:
                self._losses.report(path, "dropped", "a call that was cut")
            return {}
        fields, kept = self._kind.action(read_arguments(self.written), self.written)
        if not kept:
            self._losses.report(path, "emulated", "made of arguments in another form than was asked for")
        for index, command in enumerate(fields.get("action", {}).get("commands", ())):
            self._tell_command(index, command)
        return fields

    def _tell_command(self, index: int, command: str) -> None:
        family = "response.shell_call_command"
        place = {"output_index": self.index, "command_index": index}
        self._writer.say(f"{family}.added", {**place, "command": ""})
        if command:
            self._writer.say(f"{family}.delta", {**place, "delta": command})
        self._writer.say(f"{family}.done", {**place, "command": command})


class TextCall(CallItem):
    """A call whose text grows: the arguments of a function, or the input of a custom tool."""

    def __init__(
        self,
        writer: ResponseWriter,
        losses: Losses,
        kind: ToolKind,
        item: JSON,
        reader: InputReader | None = None,
    ) -> None:
        super().__init__(writer, losses, kind, item)
        self._reader = reader
        self._events = TEXT_EVENTS[kind.call]
        self._place: JSON = {"item_id": item["id"], "output_index": self.index}
        self._deltas = Deltas(writer, f"{self._events}.delta", self._place, {})
        if reader is None:
            self._written = self._deltas.pieces

    @property
    def growing(self) -> CallItem | Deltas:
        return self._deltas if self._reader is None else self

    def more(self, fragment: str) -> list[Event]:
        if self._reader is not None:
            self._written.append(fragment)
            fragment = self._reader.feed(fragment)
        return self._deltas.more(fragment) if fragment else []

    def _fields(self, status: str) -> JSON:
        if self._reader is not None:
            if rest := self._reader.end():
                self._deltas.say(rest)
            if self._reader.left_out:
                self._losses.report(
                    f"output.{self._kind.call}.{self._kind.field}", "dropped", "what was written beside it"
                )
        text, empty = self._deltas.end(), EMPTY[self._kind.call]
        if empty and not text and status == "completed":
            self._writer.write([self._deltas.event(empty)])
            text = empty
        said: JSON = {self._kind.field: text}
        name = {"name": self._item["name"]} if self._kind is FUNCTION else {}
        self._writer.say(f"{self._events}.done", {**self._place, **said, **name})
        return said
