"""How clients learn of their limits: headers of every answer, and the error that the SDKs back off on.

Source: https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from responses_asgi.errors import APIError
from responses_asgi.limits.window import Window

__all__ = ["CONCURRENT", "RETRY_SECONDS", "limit_headers", "refusal", "too_many_at_once"]

RETRY_SECONDS = 1.0
"""When to come back where it is not known when there will be room."""

CONCURRENT = "answers at once"

MAX_MODEL_CHARS = 100


def limit_headers(windows: Mapping[str, Window]) -> dict[str, str]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` of the windows of these names.

    >>> limit_headers({"tokens": Window(60, 60, current=1, current_left=90.0)})["x-ratelimit-reset-tokens"]
    '1m30s'
    """
    headers: dict[str, str] = {}
    for name, window in windows.items():
        headers[f"x-ratelimit-limit-{name}"] = str(window.limit)
        headers[f"x-ratelimit-remaining-{name}"] = str(window.remaining)
        headers[f"x-ratelimit-reset-{name}"] = _duration(window.reset)
    return headers


def refusal(model: str, name: str, windows: Mapping[str, Window], cost: int) -> APIError:
    """The 429 of a request that would need `cost` more of the window of this name."""
    window = windows[name]
    wait = ceil(window.wait(cost) * 1000 + 1) / 1000
    per = "minute" if window.period == 60 else f"{window.period} seconds"
    return _refused(
        f"Rate limit reached{_for(model)} on {name} per {per}: limit {window.limit}, used "
        f"{window.used}, requested {cost}. Please try again in {wait:.3f}s.",
        name,
        wait,
        limit_headers(windows),
    )


def too_many_at_once(model: str, most: int) -> APIError:
    """The 429 of a request that comes while so many others of the client are being answered."""
    return _refused(
        f"Rate limit reached{_for(model)} on {CONCURRENT}: limit {most}. Please try again "
        f"in {RETRY_SECONDS:.3f}s.",
        "requests",
        RETRY_SECONDS,
        {},
    )


def _refused(message: str, kind: str, wait: float, headers: Mapping[str, str]) -> APIError:
    # Codex reads the wait out of the sentence, the SDKs take the milliseconds, others the seconds.
    back_off = {"retry-after": str(ceil(wait)), "retry-after-ms": str(ceil(wait * 1000))}
    return APIError(
        message, status=429, type=kind, code="rate_limit_exceeded", headers={**headers, **back_off}
    )


def _for(model: str) -> str:
    return f" for {model[:MAX_MODEL_CHARS]!r}" if model else ""


def _duration(seconds: float) -> str:
    """In the API's way: `20ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{ceil(seconds * 1000)}ms"
    minutes, rest = divmod(ceil(seconds * 1000) / 1000, 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
