"""Hypothesis strategies: what an answer means, and the chunk streams in which servers may send it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.facts import Facts

JSON = dict[str, Any]

# None begins with another, so that a name is certain as soon as it is complete.
NAMES = ("tide", "wind", "lamp_on", "Route-9")
STATUSES = {
    "stop": "completed",
    "tool_calls": "completed",
    "eos": "completed",
    "length": "incomplete:max_output_tokens",
    "content_filter": "incomplete:content_filter",
}

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
figures = st.integers(0, 10**9)
arguments = st.one_of(
    st.just(""),
    st.dictionaries(st.sampled_from(["a", "b", "ü"]), st.one_of(st.integers(), words), max_size=2).map(
        lambda value: json.dumps(value, ensure_ascii=False)
    ),
)


@dataclass(frozen=True)
class ChatAnswer:
    """What a Chat server wants to say, in the order in which a whole message holds it."""

    reasoning: str
    text: str
    refusal: str
    calls: tuple[tuple[str, str], ...]
    usage: tuple[int, int, int, int, int] | None
    finish: str

    @property
    def facts(self) -> Facts:
        status = STATUSES[self.finish]
        empty = "{}" if status == "completed" else ""
        return Facts(
            text=self.text,
            reasoning=self.reasoning,
            refusal=self.refusal,
            calls=tuple((name, said or empty) for name, said in self.calls),
            usage=self.usage,
            status=status,
        )

    @property
    def chat_usage(self) -> JSON | None:
        if self.usage is None:
            return None
        given, cached, made, reasoning, total = self.usage
        return {
            "prompt_tokens": given,
            "completion_tokens": made,
            "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }


answers = st.builds(
    ChatAnswer,
    reasoning=words,
    text=words,
    refusal=st.one_of(st.just(""), words),
    calls=st.lists(st.tuples(st.sampled_from(NAMES), arguments), max_size=3).map(tuple),
    usage=st.none() | st.tuples(*[figures] * 5),
    finish=st.sampled_from(sorted(STATUSES)),
)

REASONING_PLACES = ("reasoning_content", "reasoning", "both", "reasoning_details", "thinking")


@dataclass(frozen=True)
class Style:
    """The habits of one server."""

    reasoning_field: str
    usage_place: str
    role: str
    nulls: bool
    repeat_ids: bool
    interleave: bool
    calls_at_once: bool
    no_index: bool
    finish_twice: bool


styles = st.builds(
    Style,
    reasoning_field=st.sampled_from(REASONING_PLACES),
    usage_place=st.sampled_from(["own chunk", "finish chunk", "every chunk", "x_groq"]),
    role=st.sampled_from(["first", "every", "never"]),
    nulls=st.booleans(),
    repeat_ids=st.booleans(),
    interleave=st.booleans(),
    calls_at_once=st.booleans(),
    no_index=st.booleans(),
    finish_twice=st.booleans(),
)


def whole(answer: ChatAnswer, style: Style) -> JSON:
    """The answer as one `chat.completion`."""
    message: JSON = {"role": "assistant", "content": answer.text or None}
    if answer.reasoning:
        message |= _reasoning(answer.reasoning, style, text=answer.text)
    if answer.refusal:
        message["refusal"] = answer.refusal
    if answer.calls:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": said}}
            for n, (name, said) in enumerate(answer.calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": answer.finish}
    usage: JSON = {"usage": answer.chat_usage}
    if style.usage_place == "x_groq" and answer.usage:
        usage = {"x_groq": usage}
    return {"id": "c", "object": "chat.completion", "model": "x", "choices": [choice], **usage}


@st.composite
def streams(draw: st.DrawFn, answer: ChatAnswer, style: Style) -> list[JSON]:
    """The answer as the chunks of one server."""
    deltas: list[JSON] = [_reasoning(piece, style) for piece in draw(pieces(answer.reasoning))]
    deltas += [{"content": piece} for piece in draw(pieces(answer.text))]
    deltas += [{"refusal": piece} for piece in draw(pieces(answer.refusal))]
    deltas += draw(_calls(answer, style))
    chunks = [_chunk(_dressed(delta, style, first=n == 0)) for n, delta in enumerate(deltas)]
    chunks += [_chunk({}, answer.finish)] * (2 if style.finish_twice else 1)
    return _with_usage(chunks, answer, style)


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """The text cut at some places; a piece may be empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return (
        [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)] if text else []
    )


@st.composite
def _calls(draw: st.DrawFn, answer: ChatAnswer, style: Style) -> list[JSON]:
    if not answer.calls:
        return []
    if style.calls_at_once:
        whole_calls = [_call(style, n, name, said, first=True) for n, (name, said) in enumerate(answer.calls)]
        return [{"tool_calls": whole_calls}]
    opening, rest = [], []
    for n, (name, said) in enumerate(answer.calls):
        opening.append(_call(style, n, name, "", first=True))
        rest.append([_call(style, n, name, piece, first=False) for piece in draw(pieces(said))])
    if style.interleave and not style.no_index:
        queue = draw(st.permutations([n for n, fragments in enumerate(rest) for _ in fragments]))
        return [{"tool_calls": [entry]} for entry in [*opening, *(rest[n].pop(0) for n in queue)]]
    ordered = [entry for head, fragments in zip(opening, rest, strict=True) for entry in [head, *fragments]]
    return [{"tool_calls": [entry]} for entry in ordered]


def _call(style: Style, number: int, name: str, said: str, *, first: bool) -> JSON:
    entry: JSON = {"index": number, "function": {"arguments": said}}
    if style.no_index:
        del entry["index"]
    if first or style.repeat_ids:
        entry |= {"id": f"call_{number}", "type": "function"}
        entry["function"]["name"] = name
    return entry


def _reasoning(piece: str, style: Style, *, text: str | None = None) -> JSON:
    """The delta that says a piece of reasoning; with `text` the fields of a whole message."""
    entry = {"type": "reasoning.text", "text": piece, "index": 0}
    if style.reasoning_field == "thinking":
        parts: list[JSON] = [{"type": "thinking", "thinking": [{"type": "text", "text": piece}]}]
        return {"content": parts + ([{"type": "text", "text": text}] if text else [])}
    if style.reasoning_field == "reasoning_details":
        return {"reasoning_details": [entry]}
    if style.reasoning_field == "both":
        return {"reasoning": piece, "reasoning_content": piece, "reasoning_details": [entry]}
    return {style.reasoning_field: piece}


def _dressed(delta: JSON, style: Style, *, first: bool) -> JSON:
    if style.role == "every" or (style.role == "first" and first):
        delta = {"role": "assistant", **delta}
    if style.nulls:
        delta = {"content": None, "refusal": None, "tool_calls": None, "reasoning_content": None, **delta}
    return delta


def _chunk(delta: JSON, finish: str | None = None) -> JSON:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]}


def _with_usage(chunks: list[JSON], answer: ChatAnswer, style: Style) -> list[JSON]:
    usage = answer.chat_usage
    if usage is None:
        return chunks
    if style.usage_place == "own chunk":
        before = [{**chunk, "usage": None} for chunk in chunks]
        return [*before, {**chunks[-1], "choices": [], "usage": usage}]
    if style.usage_place == "every chunk":
        return [{**chunk, "usage": usage} for chunk in chunks]
    field = {"x_groq": {"usage": usage}} if style.usage_place == "x_groq" else {"usage": usage}
    return [*chunks[:-1], {**chunks[-1], **field}]
