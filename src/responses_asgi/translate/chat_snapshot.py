"""Chat stream chunks -> the `chat.completion` they tell: the fold of the other protocol.

1. Texts are joined, lists continued, tool calls matched by index; choices are told apart by their index.
2. Every other field of the chunk comes from the newest one that gives it a value.
3. What servers repeat (role, ids, names, finish_reason) counts once; another id at a used index is another
   call. So the fold also reads streams that this package only passes on.
4. Of a stream that breaks off, what had been said so far is kept. An error is an answer by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from responses_asgi.types.json import JSON

__all__ = ["ChatFold", "chunks_of", "fold_chunks"]

_NOT_KEPT = frozenset({"choices", "object", "obfuscation"})


def fold_chunks(chunks: Iterable[JSON]) -> JSON:
    """Rebuild the `chat.completion` from its chunks alone, with all choices in the order of their index.

    `chunks` are decoded `chat.completion.chunk` objects in order; they are not changed. Returns an empty
    dict when there are none, and `{"error": ...}` when one of them is an error. For every stream this package
    makes, the result equals `translator.snapshot()`, except for a usage that the client did not ask for.

    >>> fold_chunks([
    ...     {"id": "1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "He"}}]},
    ...     {"id": "1", "choices": [{"index": 0, "delta": {"content": "y"}, "finish_reason": "stop"}]},
    ... ])["choices"][0]["message"]
    {'role': 'assistant', 'content': 'Hey', 'refusal': None}
    """
    fold = ChatFold()
    for chunk in chunks:
        fold.take(chunk)
        if fold.error is not None:
            return {"error": fold.error}
    return fold.completion()


class ChatFold:
    """The fold of a stream as it goes by; `error` is what an error chunk said."""

    def __init__(self) -> None:
        self.error: Any = None
        self._fields: JSON = {}
        self._choices: dict[int, _Choice] = {}

    @property
    def unfinished(self) -> bool:
        """Whether a choice has begun and given no finish_reason, or none has begun."""
        return not self._choices or any(choice.finish is None for choice in self._choices.values())

    @property
    def spoken(self) -> bool:
        """Whether any choice has begun."""
        return bool(self._choices)

    def take(self, chunk: JSON) -> None:
        """Add what one chunk says."""
        if chunk.get("error"):
            self.error = deepcopy(chunk["error"])
            return
        for name, value in chunk.items():
            if name not in _NOT_KEPT and value is not None:
                self._fields[name] = deepcopy(value) if isinstance(value, dict | list) else value
        for choice in chunk.get("choices") or ():
            index = choice.get("index") or 0
            known = self._choices.get(index)
            if known is None:
                known = self._choices[index] = _Choice(index)
            known.take(choice)

    def finish(self, reason: str) -> list[int]:
        """Give this finish_reason to all choices that have none; which those are."""
        missing = [index for index, choice in self._choices.items() if choice.finish is None]
        for index in missing:
            self._choices[index].finish = reason
        return missing

    def completion(self) -> JSON:
        """The `chat.completion` so far; empty when nothing was said."""
        choices = [self._choices[index].whole() for index in sorted(self._choices)]
        if not (self._fields or choices):
            return {}
        return {"object": "chat.completion", **self._fields, "choices": choices}


def chunks_of(completion: JSON, *, include_usage: bool) -> list[JSON]:
    """The chunks that tell a whole completion: for each choice what it says and why it ended, then the usage.

    >>> whole = {"id": "1", "choices": [{"index": 0, "message": {"content": "Hey"}, "finish_reason": "stop"}]}
    >>> [chunk["choices"][0]["delta"] for chunk in chunks_of(whole, include_usage=False)]
    [{'role': 'assistant', 'content': 'Hey'}, {}]
    """
    shared = {name: value for name, value in completion.items() if name not in ("choices", "usage")}
    frame = {**shared, "object": "chat.completion.chunk"}
    usage = {"usage": None} if include_usage else {}
    chunks: list[JSON] = []
    for place, choice in enumerate(completion.get("choices") or ()):
        index = choice.get("index", place)
        delta = {
            "role": "assistant",
            **{k: v for k, v in (choice.get("message") or {}).items() if v is not None},
        }
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": i, **call} for i, call in enumerate(calls)]
        said = {"index": index, "delta": delta, "logprobs": choice.get("logprobs"), "finish_reason": None}
        ended = {"index": index, "delta": {}, "logprobs": None, "finish_reason": choice.get("finish_reason")}
        chunks += [{**frame, "choices": [said], **usage}, {**frame, "choices": [ended], **usage}]
    if include_usage and completion.get("usage"):
        chunks.append({**frame, "choices": [], "usage": completion["usage"]})
    return chunks


class _Choice:
    def __init__(self, index: int) -> None:
        self._index = index
        self._texts: dict[str, list[str]] = {}
        self._values: JSON = {}
        self._calls: list[_Call] = []
        self._call_at: dict[object, _Call] = {}
        self._legacy: _Call | None = None
        self._logprobs: dict[str, list[JSON]] = {}
        self.finish: str | None = None

    def take(self, choice: JSON) -> None:
        for name, value in (choice.get("delta") or {}).items():
            if name == "tool_calls":
                for fragment in value or ():
                    self._call(fragment).take(fragment)
            elif name == "function_call" and value:
                self._legacy = self._legacy or _Call()
                self._legacy.take({"function": value})
            elif isinstance(value, str) and name != "role":
                self._texts.setdefault(name, []).append(value)
            elif isinstance(value, list):
                self._values.setdefault(name, []).extend(deepcopy(value))
            elif isinstance(value, dict):
                self._values.setdefault(name, {}).update(deepcopy(value))
        for name, entries in (choice.get("logprobs") or {}).items():
            if entries:
                self._logprobs.setdefault(name, []).extend(deepcopy(entries))
        self.finish = self.finish or choice.get("finish_reason")

    def whole(self) -> JSON:
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        said = {name: text for name, text in texts.items() if text}
        silent = not (self._calls or self._legacy or said.get("refusal"))
        message: JSON = {"role": "assistant", "content": "" if silent else None, "refusal": None}
        message |= {**said, **self._values}
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls]
        if self._legacy is not None:
            message["function_call"] = self._legacy.whole()["function"]
        logprobs = {"content": None, "refusal": None, **self._logprobs} if self._logprobs else None
        return {
            "index": self._index,
            "message": message,
            "logprobs": logprobs,
            "finish_reason": self.finish,
        }

    def _call(self, fragment: JSON) -> _Call:
        """The call that a fragment continues, or a new one."""
        own = fragment.get("id") or None
        place = fragment.get("index", own)
        call = self._call_at.get(place) if place is not None else next(iter(self._calls[-1:]), None)
        if call is None or (own and call.id and own != call.id):
            call = _Call()
            self._calls.append(call)
            self._call_at[place] = call
        return call


class _Call:
    """One tool call; `function` with `arguments`, or `custom` with `input`."""

    def __init__(self) -> None:
        self.id: str | None = None
        self._kind = "function"
        self._name = ""
        self._pieces: list[str] = []

    def take(self, fragment: JSON) -> None:
        self.id = self.id or fragment.get("id")
        self._kind = "custom" if "custom" in fragment else self._kind
        said: dict[str, Any] = fragment.get(self._kind) or {}
        self._name = self._name or said.get("name") or ""
        self._pieces.append(said.get("arguments" if self._kind == "function" else "input") or "")

    def whole(self) -> JSON:
        field = "arguments" if self._kind == "function" else "input"
        called = {"name": self._name, field: "".join(self._pieces)}
        return {"id": self.id, "type": self._kind, self._kind: called}
