"""Hypothesis strategies: what a Responses answer means, and the event streams that servers make of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from responses_asgi.testing.response_shapes.shape import USAGE, called, changed, said, thought, told, without
from tests.facts import Facts

JSON = dict[str, Any]

FINISHES = {"max_output_tokens": "length", "content_filter": "content_filter", "steered": "stop"}

# Either nothing or something to be seen: blank text is set apart in a way of its own.
words = st.just("") | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: not text.isspace()
)
names = st.sampled_from(["tide", "wind", "lamp_on"])
arguments = st.just("") | st.dictionaries(st.sampled_from(["a", "ü"]), st.integers() | words, max_size=2).map(
    lambda value: json.dumps(value, ensure_ascii=False)
)
figures = st.integers(0, 10**9)


@dataclass(frozen=True)
class Item:
    """One output item: its kind, and its texts by part; of a call the name and what it is called with."""

    kind: str
    texts: tuple[str, ...]

    @property
    def is_call(self) -> bool:
        return self.kind in ("function", "custom")


@dataclass(frozen=True)
class ResponsesAnswer:
    items: tuple[Item, ...]
    usage: tuple[int, int, int, int, int] | None
    incomplete: str | None

    @property
    def facts(self) -> Facts:
        calls = [item for item in self.items if item.is_call]
        # A finished call of a tool without parameters has an empty object.
        filled = "" if self.incomplete else "{}"
        finish = FINISHES[self.incomplete] if self.incomplete else "stop"
        finish = "tool_calls" if calls and finish == "stop" else finish
        return Facts(
            text=_joined("".join(item.texts) for item in self.items if item.kind == "text"),
            refusal=_joined("".join(item.texts) for item in self.items if item.kind == "refusal"),
            reasoning=_joined(
                text for item in self.items if item.kind in ("raw", "summary") for text in item.texts
            ),
            calls=tuple(
                (item.texts[0], item.texts[1] or (filled if item.kind == "function" else ""))
                for item in calls
            ),
            usage=self.usage,
            status=finish,
        )

    @property
    def responses_usage(self) -> JSON | None:
        if self.usage is None:
            return None
        given, cached, made, reasoning, total = self.usage
        return {
            **USAGE,
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": cached},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": total,
        }


def _joined(texts: Any) -> str:
    return "\n\n".join(filter(None, texts))


spoken = st.builds(
    Item,
    kind=st.sampled_from(["text", "refusal", "raw", "summary"]),
    texts=st.lists(words, min_size=1, max_size=2).map(tuple),
)
calls = st.builds(Item, kind=st.sampled_from(["function", "custom"]), texts=st.tuples(names, arguments))
answers = st.builds(
    ResponsesAnswer,
    items=st.lists(spoken | calls | st.just(Item("hosted", ())), max_size=4).map(tuple),
    usage=st.none() | st.tuples(*[figures] * 5),
    incomplete=st.none() | st.sampled_from(sorted(FINISHES)),
)


@dataclass(frozen=True)
class Style:
    """How a server sends an answer. Either the done items or the terminal output are always there."""

    left_out: tuple[str, ...]
    output_at_end: bool
    ids: str
    parallel: bool

    def form(self, event: JSON) -> JSON:
        """The event with item ids as this server sends them."""
        if self.ids == "missing":
            return {name: value for name, value in event.items() if name != "item_id"}
        number = f"i{event['sequence_number']}"
        if self.ids == "rotating" and "item_id" in event:
            return {**event, "item_id": number}
        if self.ids == "rotating" and "item" in event:
            return {**event, "item": {**event["item"], "id": number}}
        return event


@st.composite
def styles(draw: st.DrawFn) -> Style:
    left_out = draw(
        st.sets(
            st.sampled_from([".delta", "_text.done", "_arguments.done", "_part.added", "_part.done"])
            | st.sampled_from(["item.added", "item.done"])
        )
    )
    return Style(
        left_out=tuple(left_out),
        output_at_end=draw(st.booleans()) or "item.done" in left_out,
        ids=draw(st.sampled_from(["stable", "missing", "rotating"])),
        parallel=draw(st.booleans()) and "item.added" not in left_out,
    )


PLAIN = Style(left_out=(), output_at_end=True, ids="stable", parallel=False)


@st.composite
def streams(draw: st.DrawFn, answer: ResponsesAnswer, style: Style) -> list[JSON]:
    """The events of an answer; texts are cut anywhere, and neighbouring calls interleave."""
    bodies = [_events(draw, index, item) for index, item in enumerate(answer.items)]
    output = [body[-1]["item"] for body in bodies]
    merged: list[list[JSON]] = []
    for item, body, before in zip(answer.items, bodies, (None, *answer.items), strict=False):
        kept = without(body, *style.left_out)
        if style.parallel and item.is_call and before is not None and before.is_call:
            merged[-1] = _merged(draw, merged[-1], kept)
        else:
            merged.append(kept)
    details = {"incomplete_details": {"reason": answer.incomplete}} if answer.incomplete else {}
    stream = told(
        *merged,
        status="incomplete" if answer.incomplete else "completed",
        usage=answer.responses_usage,
        output=output if style.output_at_end else [],
        **details,
    )
    return [event for event in changed(stream, style.form) if isinstance(event, dict)]


def _events(draw: st.DrawFn, index: int, item: Item) -> list[JSON]:
    if item.kind == "hosted":
        hosted = {"type": "web_search_call", "id": f"ws_{index}", "status": "completed"}
        return [
            {"type": f"response.output_item.{step}", "output_index": index, "item": hosted}
            for step in ("added", "done")
        ]
    if item.is_call:
        name, full = item.texts
        return called(index, name, *_cut(draw, full), custom=item.kind == "custom")
    parts = [_cut(draw, text) for text in item.texts]
    if item.kind in ("text", "refusal"):
        return said(index, parts=parts, refusal=item.kind == "refusal")
    return thought(index, **{item.kind: parts})


def _cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=3)))
    pieces = [text[start:end] for start, end in zip([0, *places], [*places, None], strict=True)]
    return [piece for piece in pieces if piece]


def _merged(draw: st.DrawFn, first: list[JSON], second: list[JSON]) -> list[JSON]:
    """Both lists in one, each in its own order; items are added in the order of their indices."""
    added = [place for place, event in enumerate(first) if event["type"].endswith("item.added")]
    head, tail = first[: added[-1] + 1], first[added[-1] + 1 :]
    rest, merged = list(second), []
    for event in tail:
        while rest and draw(st.booleans()):
            merged.append(rest.pop(0))
        merged.append(event)
    return [*head, *merged, *rest]
