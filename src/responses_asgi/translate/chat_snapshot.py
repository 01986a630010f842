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

__all__ = ["fold_chunks"]

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
    completion: JSON = {}
    choices: dict[int, _Choice] = {}
    for chunk in chunks:
        if chunk.get("error"):
            return {"error": deepcopy(chunk["error"])}
        completion.setdefault("object", "chat.completion")
        completion |= {
            name: deepcopy(value)
            for name, value in chunk.items()
            if name not in _NOT_KEPT and value is not None
        }
        for choice in chunk.get("choices") or ():
            index = choice.get("index") or 0
            choices.setdefault(index, _Choice(index)).take(choice)
    whole = {"choices": [choices[index].whole() for index in sorted(choices)]}
    return {**completion, **whole} if completion else {}


class _Choice:
    def __init__(self, index: int) -> None:
        self._index = index
        self._texts: dict[str, list[str]] = {}
        self._values: JSON = {}
        self._calls: list[_Call] = []
        self._call_at: dict[object, _Call] = {}
        self._legacy: _Call | None = None
        self._logprobs: dict[str, list[JSON]] = {}
        self._finish: str | None = None

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
        self._finish = self._finish or choice.get("finish_reason")

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
            "finish_reason": self._finish,
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
