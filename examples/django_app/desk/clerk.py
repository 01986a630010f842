"""The model behind the view: a clerk who knows the house rules and can open a ticket, if given that tool."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["deltas"]

RULES = {
    "return": "Goods can be returned within 30 days.",
    "ship": "We ship within two working days.",
    "pay": "We take cards and bank transfers.",
}
TICKET_TOOL = "open_ticket"


def deltas(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The answer as Chat deltas: reasoning, then text or one tool call."""
    last = request["messages"][-1]
    text = _text(last["content"]).lower()
    declared = {tool["function"]["name"] for tool in request.get("tools") or ()}
    if last["role"] == "tool":
        yield from _words("content", f"Done: {_text(last['content'])}.")
    elif "ticket" in text and TICKET_TOOL in declared:
        yield from _words("reasoning_content", "The customer wants a ticket, and I can open one.")
        arguments = json.dumps({"subject": _text(last["content"])})
        function = {"name": TICKET_TOOL, "arguments": arguments}
        yield {"tool_calls": [{"index": 0, "id": "call_ticket", "type": "function", "function": function}]}
    else:
        yield from _words("reasoning_content", "Let me see which rule this is about.")
        found = [rule for word, rule in RULES.items() if word in text]
        yield from _words("content", " ".join(found) or "Ask me about returns, shipping or payment.")


def _words(field: str, sentence: str) -> Iterator[dict[str, Any]]:
    return ({field: piece} for piece in re.findall(r"\s*\S+", sentence))


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
