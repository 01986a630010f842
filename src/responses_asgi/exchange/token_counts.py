"""The tokens of a request, as the host counts them."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from responses_asgi.types.json import JSON

__all__ = ["CountTokens", "counted_tokens"]

CountTokens: TypeAlias = Callable[[JSON], int | Awaitable[int]]
"""`(Responses body whose input is the whole history) -> number of input tokens`; may be `async def`."""


async def counted_tokens(count: CountTokens, body: JSON) -> int:
    """What the host's function says. Raises TypeError for one that returns no number."""
    counted = count(body)
    tokens = await counted if inspect.isawaitable(counted) else counted
    if not isinstance(tokens, int):
        raise TypeError(f"count_tokens returned {type(tokens).__name__}, expected int")
    return tokens
