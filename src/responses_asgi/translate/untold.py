"""What a finished output item holds that a Chat answer has no word for."""

from __future__ import annotations

from responses_asgi.loss import Losses
from responses_asgi.types.json import JSON

__all__ = ["TOLD_FIELDS", "TOLD_PARTS", "report_untold"]

# Type of an item -> its fields that are said, or that a Chat answer has in another form.
TOLD_FIELDS: dict[str, frozenset[str]] = {
    "message": frozenset({"type", "id", "status", "role", "content"}),
    "reasoning": frozenset({"type", "id", "status", "summary", "content", "encrypted_content"}),
    "function_call": frozenset({"type", "id", "status", "call_id", "name", "arguments", "namespace"}),
    "custom_tool_call": frozenset({"type", "id", "status", "call_id", "name", "input", "namespace"}),
}

# Type of a part -> its fields that are said.
TOLD_PARTS: dict[str, frozenset[str]] = {
    "output_text": frozenset({"type", "text", "annotations", "logprobs"}),
    "text": frozenset({"type", "text", "annotations", "logprobs"}),
    "refusal": frozenset({"type", "refusal"}),
    "reasoning_text": frozenset({"type", "text"}),
    "summary_text": frozenset({"type", "text"}),
}


def report_untold(item: JSON, losses: Losses) -> None:
    """Report the fields and parts of a message, reasoning item or call that are not said.

    >>> losses = Losses()
    >>> report_untold({"type": "message", "content": [], "phase": "commentary"}, losses)
    >>> losses[0].path
    'output.message.phase'
    """
    kind = str(item.get("type"))
    if kind not in TOLD_FIELDS:
        return
    _report(item, TOLD_FIELDS[kind], f"output.{kind}", losses)
    for home in ("content", "summary"):
        parts = item.get(home)
        for part in parts if isinstance(parts, list) else ():
            if not isinstance(part, dict):
                continue
            told = TOLD_PARTS.get(str(part.get("type")))
            if told is not None:
                _report(part, told, f"output.{kind}.{home}", losses)
            elif not isinstance(part.get("text"), str):
                losses.report(
                    f"output.{kind}.{home}.{part.get('type')}", "dropped", "no part of a Chat answer"
                )


def _report(values: JSON, told: frozenset[str], path: str, losses: Losses) -> None:
    for name in sorted(values.keys() - told):
        if values[name] not in (None, [], {}):
            losses.report(f"{path}.{name}", "dropped", "no counterpart in a Chat answer")
