"""What a Chat completion says, in the terms in which the tests compare answers."""

from __future__ import annotations

from typing import Any

from tests.facts import Facts

JSON = dict[str, Any]

REASONING_FIELD = "reasoning_content"


def facts_of_choice(completion: JSON, index: int = 0) -> Facts:
    """Read one choice: status is its finish_reason; usage is (input, cached, output, reasoning, total)."""
    choice = completion["choices"][index]
    assert choice["index"] == index
    message = choice["message"]
    return Facts(
        text=message["content"] or "",
        reasoning=message.get(REASONING_FIELD) or "",
        refusal=message["refusal"] or "",
        calls=tuple(map(_called, calls_of(message))),
        usage=_figures(completion.get("usage")),
        status=choice["finish_reason"],
    )


def calls_of(message: JSON) -> list[JSON]:
    """The tool calls of a message; the function_call of an old client is one without an id."""
    legacy = message.get("function_call")
    return message.get("tool_calls") or ([{"type": "function", "function": legacy}] if legacy else [])


def citations_of(message: JSON) -> list[str]:
    """The URLs that the message is annotated with."""
    return [annotation["url_citation"]["url"] for annotation in message.get("annotations", ())]


def _called(call: JSON) -> tuple[str, str]:
    called = call[call["type"]]
    return called["name"], called["input" if call["type"] == "custom" else "arguments"]


def _figures(usage: JSON | None) -> tuple[int, int, int, int, int] | None:
    if usage is None:
        return None
    return (
        usage["prompt_tokens"],
        usage["prompt_tokens_details"]["cached_tokens"],
        usage["completion_tokens"],
        usage["completion_tokens_details"]["reasoning_tokens"],
        usage["total_tokens"],
    )
