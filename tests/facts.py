"""What a Responses object says, in the terms in which the tests compare answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    usage: tuple[int, int, int, int, int] | None = None
    status: str = ""


def facts_of(response: JSON) -> Facts:
    """Read a response; usage is (input, cached, output, reasoning, total)."""
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    thoughts = [
        part["text"]
        for item in response["output"]
        if item["type"] == "reasoning"
        for part in [*item["summary"], *item.get("content", [])]
    ]
    return Facts(
        text="".join(part.get("text", "") for part in parts),
        reasoning="".join(thoughts),
        refusal="".join(part.get("refusal", "") for part in parts),
        calls=tuple(
            (item["name"], item["arguments"] if item["type"] == "function_call" else item["input"])
            for item in response["output"]
            if item["type"] in ("function_call", "custom_tool_call")
        ),
        usage=_figures(response["usage"]),
        status=_status(response),
    )


def _figures(usage: JSON | None) -> tuple[int, int, int, int, int] | None:
    if usage is None:
        return None
    return (
        usage["input_tokens"],
        usage["input_tokens_details"]["cached_tokens"],
        usage["output_tokens"],
        usage["output_tokens_details"]["reasoning_tokens"],
        usage["total_tokens"],
    )


def _status(response: JSON) -> str:
    status: str = response["status"]
    return f"incomplete:{response['incomplete_details']['reason']}" if status == "incomplete" else status
