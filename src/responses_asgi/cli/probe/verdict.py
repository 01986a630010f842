"""From findings to a profile, and to the built-in profiles that would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from responses_asgi.cli.probe.findings import Finding
from responses_asgi.profiles import PROFILES, Profile

__all__ = ["Change", "Verdict", "verdict"]

# Field -> the value that asks more of a server. A profile that asks less than the server can is safe.
_ASKS_MORE: dict[str, Any] = {
    "allowed_tools": True,
    "developer_role": True,
    "json_schema": True,
    "merge_system": False,
    "stream_usage": True,
    "strict_tools": True,
    "text_parts": True,
    "tool_parts": True,
    "user_after_tool": True,
}

# Fields about which a profile must say what was found.
_MUST = (
    "call_content",
    "call_id_length",
    "done_completes",
    "reasoning_required",
    "think_tags",
    "token_limit_field",
)


class Change(NamedTuple):
    """A field of the base that the server wants otherwise, and the question that showed it."""

    field: str
    value: Any
    question: str


class Verdict(NamedTuple):
    """The profile that the server deserves: the `changes` to `base`, and the built-in ones that `fit`.

    A profile fits when nothing it sends was refused; the ones that use more of the server come first.
    """

    base: Profile
    changes: list[Change]
    fit: list[str]

    @property
    def profile(self) -> Profile:
        """The base with its changes."""
        return replace(self.base, **{change.field: change.value for change in self.changes})


def verdict(base: Profile, findings: Mapping[str, Finding]) -> Verdict:
    """Judge all findings, which are given by question."""
    shown = {
        name: (value, question)
        for question, finding in findings.items()
        for name, value in finding.fields.items()
    }
    withheld, why = _withheld(base, findings)
    if withheld != base.withheld:
        shown["withheld"] = (withheld, why)
    changes = [
        Change(name, value, question)
        for name, (value, question) in shown.items()
        if getattr(base, name) != value
    ]
    values = {name: value for name, (value, _) in shown.items() if name != "withheld"}
    fit = [row for row in PROFILES.values() if _fits(row, values, findings)]
    return Verdict(base, changes, [row.name for row in sorted(fit, key=lambda row: _unused(row, values))])


def _refused(findings: Mapping[str, Finding]) -> frozenset[str]:
    return frozenset().union(*(finding.refused for finding in findings.values()))


def _withheld(base: Profile, findings: Mapping[str, Finding]) -> tuple[frozenset[str], str]:
    """The fields to keep back, and the questions that showed it."""
    withheld, questions = base.withheld, []
    for question, finding in findings.items():
        now = (withheld | finding.refused) - finding.accepted
        if now != withheld:
            withheld = now
            questions.append(question)
    return withheld, ", ".join(questions)


def _fits(row: Profile, values: Mapping[str, Any], findings: Mapping[str, Finding]) -> bool:
    """Whether the server refused nothing that this profile sends, and shows nothing it does not expect."""
    for name, value in values.items():
        has = getattr(row, name)
        if name in _MUST and has != value:
            return False
        if name in _ASKS_MORE and value != _ASKS_MORE[name] and has == _ASKS_MORE[name]:
            return False
    if values.get("reasoning_required") and row.reasoning_field != values["reasoning_field"]:
        return False
    return _refused(findings) <= row.withheld


def _unused(row: Profile, values: Mapping[str, Any]) -> int:
    """How much of what the server can do this profile leaves unused."""
    unused = [
        name for name, most in _ASKS_MORE.items() if values.get(name, not most) == most != getattr(row, name)
    ]
    other = "reasoning_field" in values and values["reasoning_field"] != row.reasoning_field
    return len(unused) + bool(row.call_id_length and not values.get("call_id_length")) + other
