"""Output items while they are being said: each opens, takes content, closes, and knows its own events.

An item is announced empty and finished whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from responses_asgi.translate.deltas import Deltas
from responses_asgi.translate.reasoning import reasoning_text
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON

__all__ = ["MessageItem", "ReasoningItem"]


class PartKind(NamedTuple):
    """How one kind of text part is said."""

    part: str
    """Type of the part."""
    field: str
    """Where the part and its done event keep the text."""
    events: str
    """Delta and done events are this plus `.delta` / `.done`."""
    frame: str
    """Part events are this plus `.added` / `.done`."""
    home: str
    """The item's list that holds the part."""
    index_name: str
    """Name of the part's index in events."""
    blank: JSON
    """Further fields of the part."""
    tail: JSON
    """Further fields of the delta and done events."""


OUTPUT_TEXT = PartKind(
    "output_text",
    "text",
    "response.output_text",
    "response.content_part",
    "content",
    "content_index",
    {"annotations": [], "logprobs": []},
    {"logprobs": []},
)
REFUSAL = PartKind(
    "refusal",
    "refusal",
    "response.refusal",
    "response.content_part",
    "content",
    "content_index",
    {},
    {},
)
REASONING_TEXT = PartKind(
    "reasoning_text",
    "text",
    "response.reasoning_text",
    "response.content_part",
    "content",
    "content_index",
    {},
    {},
)
SUMMARY_TEXT = PartKind(
    "summary_text",
    "text",
    "response.reasoning_summary_text",
    "response.reasoning_summary_part",
    "summary",
    "summary_index",
    {},
    {},
)
# Open Responses names the events of raw reasoning differently; nothing else of them differs.
REASONING_KINDS = {
    "openai": REASONING_TEXT,
    "openresponses": REASONING_TEXT._replace(events="response.reasoning"),
}


class OpenPart:
    """One text part of an open item."""

    __slots__ = (
        "_annotations",
        "_logprobs",
        "_place",
        "_writer",
        "deltas",
        "kind",
    )

    def __init__(self, writer: ResponseWriter, kind: PartKind, place: JSON) -> None:
        self.kind = kind
        self.deltas = Deltas(writer, f"{kind.events}.delta", place, kind.tail)
        self._writer = writer
        self._place = place
        self._annotations: list[JSON] = []
        self._logprobs: list[JSON] = []
        writer.say(
            f"{kind.frame}.added", {**place, "part": {"type": kind.part, kind.field: "", **kind.blank}}
        )

    def say_scored(self, text: str, logprobs: list[JSON]) -> None:
        """A text delta with its log probabilities."""
        self._logprobs += logprobs
        fields = {**self._place, "delta": self.deltas.whole(text), "logprobs": logprobs}
        self._writer.say(self.deltas.type, fields)

    def annotate(self, annotation: JSON) -> None:
        number = len(self._annotations)
        self._annotations.append(annotation)
        self._writer.say(
            "response.output_text.annotation.added",
            {**self._place, "annotation_index": number, "annotation": annotation},
        )

    def close(self) -> JSON:
        """Say that text and part are done; returns the finished part."""
        kind, text = self.kind, self.deltas.end()
        part: JSON = {"type": kind.part, kind.field: text}
        tail: JSON = {}
        if kind is OUTPUT_TEXT:
            part |= {"annotations": self._annotations, "logprobs": self._logprobs}
            tail = {"logprobs": self._logprobs}
        self._writer.say(f"{kind.events}.done", {**self._place, kind.field: text, **tail})
        self._writer.say(f"{kind.frame}.done", {**self._place, "part": part})
        return part


class _PartedItem:
    """An item made of text parts, one open at a time."""

    __slots__ = (
        "_index",
        "_item",
        "_part",
        "_writer",
    )

    def __init__(self, writer: ResponseWriter, item: JSON) -> None:
        self._writer = writer
        self._item = item
        self._part: OpenPart | None = None
        self._index = writer.open_item({**item, "status": "in_progress"})

    def _in(self, kind: PartKind) -> OpenPart:
        part = self._part
        if part is not None and part.kind is kind:
            return part
        self._close_part()
        place = {
            "item_id": self._item["id"],
            "output_index": self._index,
            kind.index_name: len(self._item.get(kind.home) or ()),
        }
        self._part = OpenPart(self._writer, kind, place)
        return self._part

    def _close_part(self) -> None:
        if self._part is not None:
            home = self._part.kind.home
            self._item[home] = [*self._item.get(home, ()), self._part.close()]
            self._part = None

    def going_on(self, events: Sequence[Event]) -> Deltas | None:
        """Those of the open part, if the last of these events, which one text has made, is one of them."""
        deltas = self._part and self._part.deltas
        return deltas if deltas and events and events[-1].type == deltas.type else None

    def close(self, status: str) -> None:
        """Finish the item; `status` is completed or incomplete."""
        self._close_part()
        self._writer.close_item(self._index, {**self._item, "status": status})


class MessageItem(_PartedItem):
    """The assistant's message: text with annotations and log probabilities, or a refusal."""

    __slots__ = ()

    def __init__(self, writer: ResponseWriter) -> None:
        item_id = writer.new_id("msg_")
        super().__init__(writer, {"id": item_id, "type": "message", "role": "assistant", "content": []})

    def text(self, text: str, logprobs: list[JSON] | None = None) -> None:
        part = self._in(OUTPUT_TEXT)
        if logprobs:
            part.say_scored(text, logprobs)
        else:
            part.deltas.say(text)

    def refusal(self, text: str) -> None:
        self._in(REFUSAL).deltas.say(text)

    @property
    def takes_annotations(self) -> bool:
        return self._part is not None and self._part.kind is OUTPUT_TEXT

    def annotate(self, annotation: JSON) -> None:
        self._in(OUTPUT_TEXT).annotate(annotation)


class ReasoningItem(_PartedItem):
    """What the model thought: raw text as content, or summaries; `encrypted_content` is opaque."""

    __slots__ = ("_raw",)

    def __init__(self, writer: ResponseWriter) -> None:
        super().__init__(writer, {"id": writer.new_id("rs_"), "type": "reasoning", "summary": []})
        self._raw = SUMMARY_TEXT if writer.summarizes else REASONING_KINDS[writer.dialect]

    def text(self, text: str) -> None:
        self._in(self._raw).deltas.say(text)

    def summary(self, text: str) -> None:
        self._in(SUMMARY_TEXT).deltas.say(text)

    def said(self) -> str:
        """All of its text: the raw one, else the summaries. The part that is open ends here."""
        self._close_part()
        return reasoning_text(self._item)

    def encrypt(self, token: str) -> None:
        """Give the client a token to carry; before the item is closed."""
        self._item["encrypted_content"] = token
