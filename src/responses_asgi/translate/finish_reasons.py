"""How an answer ended: Chat's finish_reason and Responses' status with its incomplete reason."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FINISH_REASONS", "Ending", "ending_of", "finish_reason_of"]


class Ending(NamedTuple):
    """The status of a response and, when it is incomplete, why."""

    status: str
    reason: str | None = None


COMPLETED = Ending("completed")
LENGTH = Ending("incomplete", "max_output_tokens")
FILTERED = Ending("incomplete", "content_filter")
FAILED = Ending("failed")

# The first five are the API's own; the rest are other servers' names for the same endings.
FINISH_REASONS: dict[str, Ending] = {
    "stop": COMPLETED,
    "tool_calls": COMPLETED,
    "function_call": COMPLETED,
    "length": LENGTH,
    "content_filter": FILTERED,
    "tool_call": COMPLETED,  # Azure's DeepSeek deployments
    "tool_use": COMPLETED,
    "eos": COMPLETED,  # Together
    "eos_token": COMPLETED,  # text-generation-inference
    "end_turn": COMPLETED,
    "end": COMPLETED,
    "complete": COMPLETED,  # Cohere
    "stop_sequence": COMPLETED,
    "max_tokens": LENGTH,
    "model_length": LENGTH,  # Mistral
    "model_context_window_exceeded": LENGTH,
    "max_output_tokens": LENGTH,
    "token_limit": LENGTH,  # watsonx
    "safety": FILTERED,  # Gemini
    "recitation": FILTERED,  # Gemini
    "prohibited_content": FILTERED,  # Gemini
    "blocklist": FILTERED,  # Gemini
    "spii": FILTERED,  # Gemini
    "model_armor": FILTERED,  # Gemini
    "image_safety": FILTERED,  # Gemini
    "guardrail_intervened": FILTERED,  # Bedrock
    "content_filtered": FILTERED,  # Bedrock
    "refusal": FILTERED,  # Anthropic
    "error_toxic": FILTERED,  # Cohere
    "sensitive": FILTERED,  # Z.ai
    "error": FAILED,
    "error_limit": FAILED,  # Cohere
    "network_error": FAILED,  # Z.ai
    "insufficient_system_resource": FAILED,  # DeepSeek
    "malformed_function_call": FAILED,  # Gemini
    "unexpected_tool_call": FAILED,  # Gemini
    "malformed_tool_use": FAILED,  # Bedrock
    "abort": FAILED,  # vLLM, SGLang
    "cancelled": FAILED,
    "timeout": FAILED,
    "time_limit": FAILED,  # watsonx
}

# What some servers write into every chunk before the last one; it is no reason.
NO_REASON = frozenset({"", "null", "none", "not_finished"})


def ending_of(finish_reason: str) -> Ending | None:
    """The ending that a finish_reason stands for, in any letter case; None when nobody knows it.

    Gemini's compatible endpoint puts a general reason before its own one, which says more.

    >>> ending_of("MAX_TOKENS")
    Ending(status='incomplete', reason='max_output_tokens')
    >>> ending_of("function_call_filter: MALFORMED_FUNCTION_CALL")
    Ending(status='failed', reason=None)
    """
    known = FINISH_REASONS.get(finish_reason)
    if known is None:
        general, _, own = finish_reason.lower().partition(":")
        known = FINISH_REASONS.get(own.strip()) or FINISH_REASONS.get(general.strip())
    return known


# Why a response is incomplete -> Chat's finish_reason; the last two are WebSocket and agent endings.
INCOMPLETE_REASONS: dict[str, str] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "max_messages": "length",
    "steered": "stop",
}


def finish_reason_of(ending: Ending, *, calls: bool) -> str | None:
    """The finish_reason for a response that ended like this; None when nobody knows the incomplete reason.

    `calls`: the answer holds calls of the client's tools.

    >>> finish_reason_of(Ending("completed"), calls=True)
    'tool_calls'
    """
    reason = INCOMPLETE_REASONS.get(ending.reason or "") if ending.status == "incomplete" else "stop"
    return "tool_calls" if calls and reason == "stop" else reason
