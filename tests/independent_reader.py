"""Says what a recorded Chat answer means, without a line of the package: httpx-sse and what is written here.

It reads tolerantly, and where two readings are honest it gives both:

1. Text is the concatenation of `content`; of lists, the parts with a `text`, while `thinking` is reasoning.
2. Reasoning is whatever one of the fields that servers use for it says; they are never summed up.
3. A call is found by index, or by id, or is the last one; another id at the same index is another call.
4. The last usage counts, `usage` before `x_groq.usage`.
5. An error anywhere makes the answer a failure; so does a stream that never says why it ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from httpx_sse import EventSource

JSON = dict[str, Any]

STATUSES = {
    "length": "incomplete:max_output_tokens",
    "max_tokens": "incomplete:max_output_tokens",
    "content_filter": "incomplete:content_filter",
    "error": "failed",
}
REASONING_FIELDS = ("reasoning_content", "reasoning")
CACHED_ELSEWHERE = ("prompt_cache_hit_tokens", "num_cached_tokens")


@dataclass
class Call:
    id: str | None = None
    name: str = ""
    arguments: str = ""


@dataclass
class Meaning:
    """`reasonings` are the readings of the reasoning, one per field that holds any; "" when there is none."""

    text: str = ""
    refusal: str = ""
    reasonings: set[str] = field(default_factory=set)
    calls: list[Call] = field(default_factory=list)
    usage: tuple[int, int, int, int, int] | None = None
    status: str = ""
    error: str = ""
    other_choices: bool = False

    def readings(self, *, think_tags: bool) -> set[tuple[str, str]]:
        """The honest pairs of text and reasoning. With `think_tags` a thought at the start is split off."""
        text, thought = self.text, None
        if think_tags and text.lstrip().startswith("<think>"):
            inner, tag, rest = text.lstrip().removeprefix("<think>").partition("</think>")
            thought, text = inner.strip() if tag else inner.lstrip(), rest.lstrip()
        return {(text, reasoning) for reasoning in self.reasonings | ({thought} if thought else set())} or {
            (text, "")
        }


def read(recording: JSON) -> Meaning:
    """What a recording of HTTP status 200 means."""
    body = recording["response"]["body"]
    reader = _Reader()
    if not recording["streaming"]:
        reader.whole(json.loads(body))
    else:
        # A last event without its blank line was received all the same.
        source = httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body + "\n\n")
        for event in EventSource(source).iter_sse():
            if event.data.strip() != "[DONE]":
                chunk = event.json()
                reader.chunk({"error": chunk} if event.event == "error" and "error" not in chunk else chunk)
    return reader.meaning()


def message_of(error: Any) -> str:
    """The sentence in an error of any shape; "" when there is none."""
    if isinstance(error, str):
        return error
    if isinstance(error, list):
        return message_of(error[0]) if error else ""
    if isinstance(error, dict):
        return next(filter(None, (message_of(error.get(key)) for key in ("message", "error", "detail"))), "")
    return ""


class _Reader:
    def __init__(self) -> None:
        self._seen = Meaning()
        self._sources: dict[str, str] = {}
        self._at: dict[Any, Call] = {}
        self._finish = ""
        self._usages: dict[str, JSON] = {}

    def whole(self, answer: JSON) -> None:
        self.chunk(answer, home="message")
        # A whole body is there to its end, whatever it gives as the reason.
        self._finish = self._finish or "stop"

    def chunk(self, chunk: JSON, *, home: str = "delta") -> None:
        self._error(chunk)
        for choice in chunk.get("choices") or []:
            if choice.get("index"):
                self._seen.other_choices = True
                continue
            self._error(choice)
            self._say(choice.get(home) or {}, fragments=home == "delta")
            if choice.get("finish_reason") and STATUSES.get(self._finish) is None:
                self._finish = choice["finish_reason"]
        for source, holder in (("x_groq", chunk.get("x_groq") or {}), ("usage", chunk)):
            if isinstance(holder.get("usage"), dict) and "prompt_tokens" in holder["usage"]:
                self._usages[source] = holder["usage"]

    def meaning(self) -> Meaning:
        seen = self._seen
        seen.reasonings = {text for text in self._sources.values() if text}
        usage = self._usages.get("usage") or self._usages.get("x_groq")
        seen.usage = _figures(usage) if usage else None
        seen.status = "failed" if seen.error or not self._finish else STATUSES.get(self._finish, "completed")
        return seen

    def _error(self, holder: JSON) -> None:
        if holder.get("error"):
            self._seen.error = self._seen.error or message_of(holder["error"]) or "?"

    def _say(self, said: JSON, *, fragments: bool) -> None:
        self._content(said.get("content"))
        self._seen.refusal += said.get("refusal") or ""
        for name in REASONING_FIELDS:
            if isinstance(said.get(name), str):
                self._reason(name, said[name])
        for entry in said.get("reasoning_details") or []:
            self._reason("details", entry.get("text") or entry.get("summary") or "")
        for entry in said.get("tool_calls") or []:
            self._call(entry, fragments=fragments)
        if said.get("function_call"):
            self._call({"index": "legacy", "function": said["function_call"]}, fragments=fragments)

    def _content(self, content: Any) -> None:
        if isinstance(content, str):
            self._seen.text += content
        elif isinstance(content, dict):
            self._seen.text += json.dumps(content)
        for part in content if isinstance(content, list) else []:
            if part.get("type") == "thinking":
                self._reason("thinking", "".join(_thoughts(part["thinking"])))
            else:
                self._seen.text += part.get("text") or ""

    def _reason(self, source: str, text: str) -> None:
        self._sources[source] = self._sources.get(source, "") + text

    def _call(self, entry: JSON, *, fragments: bool) -> None:
        said = entry.get("function") or entry.get("custom") or {}
        place, own = entry.get("index"), entry.get("id") or None
        call = self._known(place, own, said.get("name")) if fragments else None
        if call is None:
            call = Call(own)
            self._seen.calls.append(call)
        if place is not None:
            self._at[place] = call
        call.name = call.name or said.get("name") or ""
        arguments = said.get("arguments", said.get("input"))
        if arguments:
            call.arguments += arguments if isinstance(arguments, str) else json.dumps(arguments)

    def _known(self, place: Any, own: str | None, name: str | None) -> Call | None:
        if place is not None:
            call = self._at.get(place)
            return None if call and own and call.id and own != call.id else call
        same = [call for call in self._seen.calls if call.id == own]
        if own or name:
            return same[0] if own and same else None
        return self._seen.calls[-1]


def _thoughts(thinking: Any) -> Iterator[str]:
    if isinstance(thinking, str):
        yield thinking
    else:
        yield from (piece.get("text") or "" for piece in thinking)


def _figures(usage: JSON) -> tuple[int, int, int, int, int]:
    given, made = usage["prompt_tokens"], usage.get("completion_tokens") or 0
    cached = _first(usage, "prompt_tokens_details", "cached_tokens", *CACHED_ELSEWHERE)
    reasoning = _first(usage, "completion_tokens_details", "reasoning_tokens")
    total = usage.get("total_tokens")
    return given, cached, made, reasoning, given + made if total is None else total


def _first(usage: JSON, details: str, name: str, *others: str) -> int:
    values = [(usage.get(details) or {}).get(name), *(usage.get(other) for other in (name, *others))]
    return next((value for value in values if value is not None), 0)
