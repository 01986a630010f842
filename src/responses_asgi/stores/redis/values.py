"""How values are written for Redis, and read again."""

from __future__ import annotations

__all__ = ["decoded", "encoded", "most", "whole_ms"]

MAX_SECONDS = 100 * 365 * 24 * 3600.0
"""Redis counts in milliseconds and its scripts in doubles: a longer time is this."""

MAX_LIMIT = 1_000_000
"""The most entries of one answer: a larger number would not reach Redis as a whole number."""


def encoded(text: str) -> bytes:
    """UTF-8 that also takes the lone surrogates which JSON lets clients write."""
    return text.encode("utf-8", "surrogatepass")


def decoded(text: bytes) -> str:
    """What was encoded."""
    return text.decode("utf-8", "surrogatepass")


def whole_ms(seconds: float) -> int:
    """Milliseconds, none for less than none."""
    return max(0, round(min(seconds, MAX_SECONDS) * 1000))


def most(limit: int) -> int:
    """A number of entries that a script can count to."""
    return max(0, min(limit, MAX_LIMIT))
