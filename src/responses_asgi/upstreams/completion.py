"""A handler's answer as Chat Completions: the chunks of a stream, and the one document they add up to.

The document is made from the chunks, so that the two cannot disagree.
Source: https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from responses_asgi.errors import error_from_payload
from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.answers import Finish, Piece, Reasoning, Refusal, ToolCall, Usage

__all__ = ["ChunkWriter", "chunk_of", "completion_of"]


class ChunkWriter:
    """Turns the pieces of one answer into chunks.

    `head` holds what all chunks have (id, created, model); `new_call_id` makes the ids of calls that have
    none; with `usage_wanted` the last chunk tells the usage.
    """

    def __init__(self, head: JSON, *, new_call_id: Callable[[], str], usage_wanted: bool) -> None:
        self._head = {**head, "object": "chat.completion.chunk"}
        self._new_call_id = new_call_id
        self._usage_wanted = usage_wanted
        self._calls = 0
        self._begun = False
        self._finished = False
        self._reason: str | None = None
        self._usage: JSON | None = None

    def feed(self, piece: Piece) -> list[JSON]:
        """The chunks of one piece; none for those that are told at the end.

        Raises UpstreamError for a raw chunk that reports an error, TypeError for what is no piece.
        """
        match piece:
            case str():
                return [self._delta({"content": piece})]
            case Reasoning():
                return [self._delta({"reasoning_content": piece.text})]
            case Refusal():
                return [self._delta({"refusal": piece.text})]
            case ToolCall():
                return [self._delta({"tool_calls": [self._call(piece)]})]
            case Finish():
                self._reason = piece.reason
                return []
            case Usage():
                self._usage = _usage(piece)
                return []
            case Mapping():
                return [self._raw(piece)]
        raise TypeError(
            f"a handler yields str, Reasoning, ToolCall, Refusal, Usage, Finish or a chunk, not {piece!r}"
        )

    def end(self) -> list[JSON]:
        """The last chunks: why the answer ended, unless a raw chunk said so, and the usage."""
        chunks = []
        if not self._finished:
            reason = self._reason or ("tool_calls" if self._calls else "stop")
            chunks.append(self._delta({}, reason))
        if self._usage is not None and self._usage_wanted:
            chunks.append({**self._head, "choices": [], "usage": self._usage})
        return chunks

    def _delta(self, delta: JSON, reason: str | None = None) -> JSON:
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", **delta}
        return {**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}

    def _call(self, call: ToolCall) -> JSON:
        index = self._calls
        self._calls += 1
        arguments = (
            call.arguments if isinstance(call.arguments, str) else dumps(dict(call.arguments)).decode()
        )
        return {
            "index": index,
            "id": call.call_id or self._new_call_id(),
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
        }

    def _raw(self, chunk: Mapping[str, Any]) -> JSON:
        if chunk.get("error"):
            raise error_from_payload(dict(chunk))
        for choice in chunk.get("choices") or ():
            self._begun = True
            self._finished |= choice.get("finish_reason") is not None
            for call in (choice.get("delta") or {}).get("tool_calls") or ():
                self._calls = max(self._calls, call.get("index", 0) + 1)
        return {**self._head, **chunk}


def chunk_of(answer: Mapping[str, Any]) -> JSON:
    """A whole message or a whole completion as one chunk."""
    if "choices" not in answer:
        return {"choices": [{"index": 0, "delta": _delta_of(answer), "finish_reason": None}]}
    choices = [
        {
            **{key: value for key, value in choice.items() if key != "message"},
            "index": choice.get("index", position),
            "delta": _delta_of(choice.get("message") or {}),
        }
        for position, choice in enumerate(answer["choices"])
    ]
    return {**answer, "object": "chat.completion.chunk", "choices": choices}


def completion_of(chunks: Iterable[JSON]) -> JSON:
    """The one document that the chunks of a stream add up to."""
    document: JSON = {}
    choices: dict[int, _Choice] = {}
    for chunk in chunks:
        for key, value in chunk.items():
            if key != "choices" and value is not None:
                document[key] = value
        for choice in chunk.get("choices") or ():
            choices.setdefault(choice.get("index", 0), _Choice()).add(choice)
    document["object"] = "chat.completion"
    document["choices"] = [{"index": index, **choices[index].document()} for index in sorted(choices)]
    return document


class _Choice:
    """Adds up the deltas of one choice; strings are collected and joined once."""

    def __init__(self) -> None:
        self._fields: JSON = {"finish_reason": None}
        self._message: JSON = {"role": "assistant", "content": None}
        self._texts: dict[str, list[str]] = {}
        self._calls: dict[int, JSON] = {}

    def add(self, choice: JSON) -> None:
        for key, value in choice.items():
            if key not in ("delta", "index") and value is not None:
                self._fields[key] = _joined(self._fields.get(key), value)
        for key, value in (choice.get("delta") or {}).items():
            if key == "tool_calls":
                for call in value or ():
                    self._add_call(call)
            elif isinstance(value, str) and key != "role":
                self._texts.setdefault(key, []).append(value)
            elif value is not None:
                self._message[key] = _joined(self._message.get(key), value)

    def document(self) -> JSON:
        message = {**self._message, **{key: "".join(texts) for key, texts in self._texts.items()}}
        if self._calls:
            message["tool_calls"] = [self._calls[index] for index in sorted(self._calls)]
        return {"message": message, **self._fields}

    def _add_call(self, fragment: JSON) -> None:
        function = fragment.get("function") or {}
        call = self._calls.get(fragment.get("index", 0))
        if call is None:
            call = {key: value for key, value in fragment.items() if key != "index"}
            self._calls[fragment.get("index", 0)] = {"type": "function", **call, "function": {**function}}
        else:
            held = call["function"]
            held["arguments"] = held.get("arguments", "") + (function.get("arguments") or "")


def _joined(old: Any, new: Any) -> Any:
    """Lists grow (annotations), and the lists in objects too (logprobs); anything else is replaced."""
    if isinstance(old, list) and isinstance(new, list):
        return old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: _joined(old.get(key), value) for key, value in new.items()}}
    return new


def _delta_of(message: Mapping[str, Any]) -> JSON:
    """A message as a delta: the same fields, the calls numbered."""
    delta = {"role": "assistant", **message}
    if delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(delta["tool_calls"])]
    return delta


def _usage(usage: Usage) -> JSON:
    total = usage.total_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens if total is None else total,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
