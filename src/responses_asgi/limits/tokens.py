"""The tokens of a request before it is answered, by estimate, and of its answer, as the upstream tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from responses_asgi.translate.token_estimate import BYTES_PER_TOKEN, estimate_tokens
from responses_asgi.translate.usage import responses_usage
from responses_asgi.types.json import JSON, dumps

__all__ = ["input_tokens", "output_limit", "used_tokens"]

# How clients say how long an answer may be, in Responses and Chat.
_OUTPUT_LIMITS = ("max_output_tokens", "max_completion_tokens", "max_tokens")


def input_tokens(body: JSON) -> int:
    """About so many tokens has the body of a request in either API, without what is kept of earlier turns.

    >>> input_tokens({"messages": [{"role": "user", "content": "Tell me a story about a lighthouse."}]})
    13
    """
    if "messages" in body:
        body = {"input": body["messages"], "tools": body.get("tools")}
    return estimate_tokens(body).tokens


def output_limit(body: JSON, most: int) -> int:
    """How many tokens of output the body allows, at most `most`."""
    asked = (body.get(name) for name in _OUTPUT_LIMITS)
    return min([most, *(limit for limit in asked if isinstance(limit, int) and limit >= 0)])


def used_tokens(answer: Mapping[str, Any], asked: int) -> int:
    """What an answer in either API took: its usage, or an estimate where it has none.

    `asked` are the tokens of the request by estimate.
    """
    usage = responses_usage(answer.get("usage"))
    if usage is not None:
        return int(usage["total_tokens"])
    said = answer.get("output") or [choice.get("message") for choice in answer.get("choices") or ()]
    return asked + (len(dumps(said)) // BYTES_PER_TOKEN if said else 0)
