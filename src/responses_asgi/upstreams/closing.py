"""How a WebSocket ends: the codes of RFC 6455, 7.4, and which of them may be said."""

from __future__ import annotations

__all__ = [
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "INVALID_DATA",
    "POLICY_VIOLATION",
    "TOO_BIG",
    "TRY_AGAIN_LATER",
    "SocketEnded",
    "sendable_close",
]

NORMAL = 1000
GOING_AWAY = 1001
NO_STATUS = 1005
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013

# The others only ever describe an end without a close frame.
SENDABLE = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})

MAX_REASON_BYTES = 123  # a control frame has at most 125 bytes, two of which are the code


class SocketEnded(Exception):
    """Nothing more can be said to the server or comes from it; `code` and `reason` are for the client."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


def sendable_close(code: int | None, reason: str | None) -> tuple[int, str]:
    """A close code and reason as they may be sent.

    >>> sendable_close(1006, None)
    (1001, '')
    """
    if code is None or code == NO_STATUS:
        code = NORMAL
    cut = (reason or "").encode()[:MAX_REASON_BYTES]
    return code if code in SENDABLE else GOING_AWAY, cut.decode(errors="ignore")
