"""How long keys may live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import isfinite
from typing import Literal, TypeAlias

from responses_asgi.errors import ConfigurationError, InvalidRequestError

__all__ = ["NOT_SAID", "Expiration", "KeyPolicy", "Said"]

# 10,000 years from 1970, beyond which calendars fail.
LATEST = 253_402_300_799


class Said(Enum):
    """Tells "nothing was said" from "never", which is None."""

    NOTHING = "nothing"


NOT_SAID = Said.NOTHING

Expiration: TypeAlias = "float | Literal[Said.NOTHING] | None"
"""A time; None: never; NOT_SAID: that is left to the policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """How long keys may live.

    - `require_expiration`: whether every key must expire.
    - `allow_none`: whether a key may live for ever all the same, where that is asked for (`expires_at=None`).
    - `default_ttl`: seconds for which a key lives whose expiration nobody has named; None: for ever.

    Raises ConfigurationError for a `default_ttl` that is no time.
    """

    require_expiration: bool = False
    allow_none: bool = False
    default_ttl: float | None = None

    def __post_init__(self) -> None:
        if self.default_ttl is not None and not (self.default_ttl > 0 and isfinite(self.default_ttl)):
            raise ConfigurationError(
                f"default_ttl is {self.default_ttl!r}, expected a number of seconds above 0"
            )

    def expiration(self, now: float, *, expires_at: Expiration, ttl: float | None) -> int | None:
        """The unix time at which a key expires, None for never.

        Raises InvalidRequestError for a time that has passed, for two of them, and against the policy.
        """
        if ttl is not None and expires_at is not NOT_SAID:
            raise _wrong("expires_at", "give expires_at or ttl_seconds, not both")
        if ttl is None and expires_at is NOT_SAID:
            ttl = self.default_ttl
        elif ttl is None and expires_at is None:
            if self.require_expiration and not self.allow_none:
                raise _wrong("expires_at", "keys of this service must expire, got null")
            return None
        if ttl is not None:
            return _in_future(now, now + _number("ttl_seconds", ttl), "ttl_seconds")
        if expires_at is NOT_SAID or expires_at is None:
            if self.require_expiration:
                raise _wrong("expires_at", "keys of this service must expire: give expires_at or ttl_seconds")
            return None
        return _in_future(now, _number("expires_at", expires_at), "expires_at")


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name, f"expected a number, got {type(value).__name__}")
    return value


def _in_future(now: float, at: float, name: str) -> int:
    if not now < at <= LATEST:
        expected = "more than 0 seconds" if name == "ttl_seconds" else "a unix time in the future"
        raise _wrong(name, f"expected {expected}, before the year 10000; to end a key now, revoke it")
    # Never at once, whatever the fraction.
    return max(int(at), int(now) + 1)


def _wrong(name: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(f"Invalid '{name}': {message}.", param=name, code="invalid_value")
