"""Checks one choice of a Chat Completions stream, from its role to its finish_reason."""

from __future__ import annotations

from responses_asgi.testing.rules import Position
from responses_asgi.types.json import JSON

__all__ = ["ChoiceCheck"]

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
REASONING_FIELDS = frozenset({"reasoning_content", "reasoning"})
TEXT_FIELDS = frozenset({"content", "refusal"}) | REASONING_FIELDS

# Type of a call -> the field that its fragments fill.
CALL_TYPES = {"function": "arguments", "custom": "input"}

_SCORE_FIELDS = ("token", "logprob", "bytes", "top_logprobs")


class ChoiceCheck:
    """The state of one choice; every entry of `choices` with its index goes through `take`."""

    def __init__(self, at: Position) -> None:
        self._at = at
        self._opened = False
        self._types: list[str] = []
        self._ids: set[str] = set()
        self._legacy = False
        self._reasoning_field = ""
        self.finish: str | None = None

    def take(self, choice: JSON) -> None:
        at = self._at
        at.require(self.finish is None, "after-finish", f"the choice had ended with {self.finish!r}")
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            at.fail("choices", f"delta: got {delta!r}, expected an object")
        at.require("finish_reason" in choice, "finish-reason", "the key is missing")
        self._check_role(delta)
        said = self._check_texts(delta)
        said |= self._check_calls(delta.get("tool_calls"))
        said |= self._check_legacy(delta.get("function_call"))
        said |= self._check_annotations(delta.get("annotations"))
        said |= self._check_logprobs(choice.get("logprobs"))
        said |= any(value for name, value in delta.items() if name not in _KNOWN)
        if choice["finish_reason"] is not None:
            self._end(choice["finish_reason"], said)
        else:
            at.require(said or not self._opened, "empty-chunk", f"got {delta!r}")
        self._opened = True

    def _check_role(self, delta: JSON) -> None:
        role = delta.get("role")
        if self._opened:
            self._at.require("role" not in delta, "role", f"role: got {role!r} after the first chunk")
        else:
            self._at.equal("role", "role of the first chunk", role, "assistant")

    def _check_texts(self, delta: JSON) -> bool:
        at, said = self._at, False
        for name in TEXT_FIELDS & delta.keys():
            text = delta[name]
            legal = isinstance(text, str) or (text is None and not self._opened)
            at.require(legal, "text", f"{name}: got {text!r}")
            said |= bool(text)
            if text and name in REASONING_FIELDS:
                self._reasoning_field = self._reasoning_field or name
                at.equal("reasoning-field", "reasoning", name, self._reasoning_field)
        return said

    def _check_calls(self, fragments: object) -> bool:
        at = self._at
        if fragments is None:
            return False
        if not isinstance(fragments, list):
            at.fail("tool-index", f"tool_calls: got {fragments!r}, expected a list")
        at.require(not self._legacy, "function-call", "a tool call beside the function_call")
        for fragment in fragments:
            index = fragment.get("index") if isinstance(fragment, dict) else None
            if type(index) is not int or not 0 <= index <= len(self._types):
                at.fail("tool-index", f"got {index!r}, expected 0 to {len(self._types)}")
            if index == len(self._types):
                self._start_call(fragment)
            else:
                self._continue_call(fragment, self._types[index])
        return bool(fragments)

    def _start_call(self, fragment: JSON) -> None:
        at, kind, own = self._at, fragment.get("type"), fragment.get("id")
        at.require(kind in CALL_TYPES, "tool-start", f"type: got {kind!r}")
        at.require(isinstance(own, str) and own, "tool-start", f"id: got {own!r}")
        at.require(own not in self._ids, "tool-id", f"{own!r} belongs to an earlier call")
        self._types.append(str(kind))
        self._ids.add(str(own))
        called = self._called(fragment, str(kind))
        name = called.get("name")
        at.require(isinstance(name, str) and name, "tool-start", f"name: got {name!r}")

    def _continue_call(self, fragment: JSON, kind: str) -> None:
        for name in ("id", "type"):
            self._at.require(name not in fragment, "tool-repeat", f"{name}: got {fragment.get(name)!r}")
        called = self._called(fragment, kind)
        self._at.require("name" not in called, "tool-repeat", f"name: got {called.get('name')!r}")

    def _called(self, fragment: JSON, kind: str) -> JSON:
        called, field = fragment.get(kind), CALL_TYPES[kind]
        if not isinstance(called, dict):
            self._at.fail("arguments", f"{kind}: got {called!r}, expected an object")
        value = called.get(field)
        self._at.require(isinstance(value, str), "arguments", f"{field}: got {value!r}")
        return called

    def _check_legacy(self, called: object) -> bool:
        at = self._at
        if called is None:
            return False
        if not isinstance(called, dict):
            at.fail("function-call", f"got {called!r}, expected an object")
        at.require(not self._types, "function-call", "a function_call beside tool calls")
        name, arguments = called.get("name"), called.get("arguments")
        at.require(isinstance(arguments, str), "arguments", f"arguments: got {arguments!r}")
        if self._legacy:
            at.require("name" not in called, "function-call", f"name: got {name!r} again")
        else:
            at.require(isinstance(name, str) and name, "function-call", f"name: got {name!r}")
        self._legacy = True
        return True

    def _check_annotations(self, annotations: object) -> bool:
        if annotations is None:
            return False
        if not isinstance(annotations, list):
            self._at.fail("annotations", f"got {annotations!r}, expected a list")
        for annotation in annotations:
            kind = annotation.get("type") if isinstance(annotation, dict) else None
            nested = isinstance(kind, str) and isinstance(annotation.get(kind), dict)
            self._at.require(nested, "annotations", f"got {annotation!r}")
        return bool(annotations)

    def _check_logprobs(self, logprobs: object) -> bool:
        at = self._at
        if logprobs is None:
            return False
        if not isinstance(logprobs, dict) or not {"content", "refusal"} <= logprobs.keys():
            at.fail("logprobs", f"got {logprobs!r}")
        entries = [entry for name in ("content", "refusal") for entry in logprobs[name] or ()]
        for entry in entries:
            whole = isinstance(entry, dict) and all(name in entry for name in _SCORE_FIELDS)
            at.require(whole, "logprobs", f"entry: got {entry!r}")
        return bool(entries)

    def _end(self, reason: object, said: bool) -> None:
        at = self._at
        if not isinstance(reason, str) or reason not in FINISH_REASONS:
            at.fail("finish-reason", f"got {reason!r}")
        at.require(not said, "finish-content", "the chunk says more")
        fits = {
            "stop": not self._types and not self._legacy,
            "tool_calls": bool(self._types),
            "function_call": self._legacy,
        }
        at.require(fits.get(reason, True), "finish-fits", f"{reason!r} with {len(self._types)} calls")
        self.finish = reason


_KNOWN = TEXT_FIELDS | {"role", "tool_calls", "function_call", "annotations"}
