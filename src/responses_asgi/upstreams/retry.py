"""When an HTTP upstream is asked again, and after how long. The rules are those of the OpenAI SDKs.

Source: https://github.com/openai/openai-python#retries and its handling of retry-after, retry-after-ms and
x-should-retry.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from responses_asgi.errors import ConfigurationError

__all__ = ["RetryPolicy", "asked_delay"]

RETRIED_STATUSES = frozenset({408, 409, 429})
MAX_DELAY = 8.0  # seconds
MAX_ASKED_DELAY = 120.0  # seconds; a server that asks for more is not waited for


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and with what pause.

    `connections` is how often a connection that failed before the request was sent is tried again, `statuses`
    how often an answer of status 408, 409, 429 or 5xx is asked for again, `delay` the first pause in seconds;
    each further pause is twice as long, at most 8 seconds, and up to a quarter shorter by chance.
    """

    connections: int = 2
    statuses: int = 0
    delay: float = 0.5

    def __post_init__(self) -> None:
        for name, value in (
            ("retries", self.connections),
            ("status_retries", self.statuses),
            ("retry_delay", self.delay),
        ):
            if value < 0:
                raise ConfigurationError(f"{name} must not be negative, got {value}")

    def pause(self, attempt: int) -> float:
        """Seconds to wait before repeat number `attempt` (0 is the first repeat)."""
        return float(min(self.delay * 2**attempt, MAX_DELAY)) * (1 - 0.25 * random.random())

    def pause_after(self, attempt: int, status: int, headers: Mapping[str, str]) -> float | None:
        """Seconds to wait before an answer of this status is asked for again; None: it stands.

        `headers` are the answer's, with names in lower case.
        """
        if attempt >= self.statuses or status < 400:
            return None
        verdict = headers.get("x-should-retry")
        if verdict == "false":
            return None
        if verdict != "true" and status not in RETRIED_STATUSES and status < 500:
            return None
        asked = asked_delay(headers)
        if asked is None:
            return self.pause(attempt)
        return asked if asked <= MAX_ASKED_DELAY else None


def asked_delay(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """The seconds a server asks to be left alone, by retry-after-ms or retry-after (seconds or a date).

    >>> asked_delay({"retry-after-ms": "1500", "retry-after": "9"})
    1.5
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return max(0.0, seconds * unit)
    try:
        date = parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if math.isnan(number) else number
