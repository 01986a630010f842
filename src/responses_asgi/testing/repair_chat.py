"""Repairs a Chat stream chunk by chunk: ids, roles, calls, finish reasons, usage, the end mark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from responses_asgi.errors import APIError, error_from_payload
from responses_asgi.testing.chat_choices import CALL_TYPES, FINISH_REASONS
from responses_asgi.testing.chat_validate import USAGE_FIGURES
from responses_asgi.testing.repair import cut_off
from responses_asgi.translate.finish_reasons import NO_REASON, ending_of, finish_reason_of
from responses_asgi.translate.usage import chat_usage
from responses_asgi.types.events import DONE, Event, StreamEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["ChatRepair"]

_REASONING_FIELDS = ("reasoning_content", "reasoning")
_FRAME = ("id", "object", "created", "model")


class ChatRepair:
    """The Repair of a Chat stream. `usage`: the request asked for it; None: the first chunk tells."""

    def __init__(self, *, usage: bool | None, new_id: Callable[[str], str], now: Callable[[], int]) -> None:
        self._usage_asked = usage
        self._frame: JSON = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._new_id = new_id
        self._now = now
        self._choices: dict[int, _Choice] = {}
        self._usage: JSON | None = None
        self._events: list[Event] = []
        self._begun = False
        self._ended = False

    def take(self, event: JSON) -> list[Event]:
        choices = [each for each in event.get("choices") or () if isinstance(each, dict)]
        error = event.get("error") or next(filter(None, (choice.get("error") for choice in choices)), None)
        if self._ended:
            return []
        if error:
            return self.fail(error_from_payload({"error": error}))
        self._begin(event)
        self._usage = _counted(event.get("usage")) or self._usage
        for choice in choices:
            index = choice.get("index")
            self._take_choice(index if type(index) is int and index >= 0 else 0, choice, event)
        return self._take()

    def mark(self) -> list[Event]:
        """The end: a choice that said something and no finish_reason is finished by it."""
        if self._ended:
            return []
        for index, choice in self._choices.items():
            if choice.finish is None:
                self._finish(index, choice, "stop")
        return self.finish()

    def finish(self) -> list[Event]:
        if self._ended:
            return []
        if not self._choices or any(choice.finish is None for choice in self._choices.values()):
            return self.fail(cut_off())
        self._say_usage()
        self._ended = True
        self._events.append(StreamEvent("", DONE))
        return self._take()

    def fail(self, error: APIError) -> list[Event]:
        if not self._ended:
            self._ended = True
            self._events.append(StreamEvent("", dumps(error.body())))
        return self._take()

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _begin(self, chunk: JSON) -> None:
        """Fix the frame of all chunks by the first one that has a part of it."""
        if self._begun:
            return
        self._begun = True
        own, created, model = (chunk.get(name) for name in ("id", "created", "model"))
        self._frame["id"] = own if isinstance(own, str) and own else self._new_id("chatcmpl-")
        self._frame["created"] = created if type(created) is int else self._now()
        self._frame["model"] = model if isinstance(model, str) else self._frame["model"]
        if self._usage_asked is None:
            self._usage_asked = "usage" in chunk

    def _take_choice(self, index: int, choice: JSON, chunk: JSON) -> None:
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = _Choice(self._new_id)
        given = choice.get("delta")
        delta = known.repaired(given if isinstance(given, dict) else choice.get("message") or {})
        scores = _scores(choice.get("logprobs"))
        rest = {n: v for n, v in choice.items() if n not in ("delta", "message", "finish_reason", "logprobs")}
        if delta or scores:
            said = {**rest, "index": index, "delta": delta, "logprobs": scores, "finish_reason": None}
            self._say([said], chunk)
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason.lower() not in NO_REASON and known.finish is None:
            self._finish(index, known, reason)

    def _finish(self, index: int, choice: _Choice, reason: str) -> None:
        """Say the finish_reason under the API's own name."""
        ending = ending_of(reason)
        if ending is not None and (reason not in FINISH_REASONS or ending.status == "completed"):
            reason = finish_reason_of(ending, calls=choice.called) or reason
        if choice.legacy and reason == "stop":
            reason = "function_call"
        choice.finish = reason
        self._say([{"index": index, "delta": {}, "logprobs": None, "finish_reason": reason}], {})

    def _say(self, choices: list[JSON], chunk: JSON, **fields: Any) -> None:
        extra = {n: v for n, v in chunk.items() if n not in (*_FRAME, "choices", "usage", "error")}
        usage = {"usage": None} if self._usage_asked else {}
        whole = {**self._frame, "choices": choices, **extra, **usage, **fields}
        self._events.append(StreamEvent("", dumps(whole)))

    def _say_usage(self) -> None:
        if self._usage_asked and self._usage:
            self._say([], {}, usage=self._usage)


class _Choice:
    """What of a choice was said, and what of its next delta is news."""

    def __init__(self, new_id: Callable[[str], str]) -> None:
        self.opened = False
        self.finish: str | None = None
        self.legacy = False
        self._new_id = new_id
        self._reasoning = ""
        self._ids: list[str | None] = []
        self._kinds: list[str] = []
        self._at: dict[object, int] = {}

    @property
    def called(self) -> bool:
        return bool(self._ids)

    def repaired(self, delta: JSON) -> JSON:
        """The delta without what is repeated or says nothing; {} when nothing is left."""
        said = {
            name: value
            for name, value in delta.items()
            if value and name not in ("role", "tool_calls", *_REASONING_FIELDS)
        }
        if field := next((name for name in _REASONING_FIELDS if delta.get(name)), ""):
            self._reasoning = self._reasoning or field
            said[self._reasoning] = delta[field]
        called = said.get("function_call")
        if isinstance(called, dict):
            said["function_call"] = {n: v for n, v in called.items() if n != "name" or not self.legacy}
            said["function_call"].setdefault("arguments", "")
            self.legacy = True
        if calls := [self._call(each) for each in delta.get("tool_calls") or () if isinstance(each, dict)]:
            said["tool_calls"] = calls
        if not self.opened:
            self.opened = True
            said = {"role": "assistant", "content": "", **said}
        return said

    def _call(self, fragment: JSON) -> JSON:
        """A fragment under the dense index of its call, with id, type and name only at its start."""
        own = fragment.get("id") or None
        kind = "custom" if "custom" in fragment else "function"
        ordinal = self._ordinal(own, fragment.get("index", own))
        if ordinal == len(self._ids):
            own = own if own and own not in self._ids else self._new_id("call_")
            self._ids.append(own)
            self._kinds.append(kind)
            start = {"id": own, "type": kind}
        else:
            start, kind = {}, self._kinds[ordinal]
        given = fragment.get(kind)
        called = {**given} if isinstance(given, dict) else {}
        if not start:
            called.pop("name", None)
        field = CALL_TYPES[kind]
        called[field] = called.get(field) or ""
        rest = {n: v for n, v in fragment.items() if n not in ("id", "type", "index", *CALL_TYPES)}
        return {**rest, "index": ordinal, **start, kind: called}

    def _ordinal(self, own: str | None, place: object) -> int:
        """Which call a fragment continues; one more than there are when it starts a new one."""
        known = self._at.get(place) if place is not None else len(self._ids) - 1
        if known is None or known < 0 or (own and self._ids[known] not in (own, None)):
            known = self._at[place] = len(self._ids)
        return known


def _counted(usage: object) -> JSON | None:
    """The usage with its three figures; None when there are none."""
    if isinstance(usage, dict) and all(type(usage.get(name)) is int for name in USAGE_FIGURES):
        return usage
    return chat_usage(usage)


def _scores(logprobs: object) -> JSON | None:
    """Log probabilities with both of their lists; None when there are none."""
    if not isinstance(logprobs, dict) or not any(logprobs.values()):
        return None
    return {"content": None, "refusal": None, **logprobs}
