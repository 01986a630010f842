"""Keeps credentials out of what the server logs: of requests it logs the query, of handshakes, at the level
debug, every header."""

from __future__ import annotations

import logging
import re

from responses_asgi.upstreams.headers import CREDENTIALS
from responses_asgi.upstreams.hidden_credentials import KEY_SUBPROTOCOL, names_credential

__all__ = ["HidesCredentials"]

HIDDEN = "***"

_HEADERS = frozenset({*CREDENTIALS, "cookie", "set-cookie", "proxy-authorization"})

# What stands before a credential, and the credential.
_SECRET = re.compile(
    rf"(\bbearer\s+|{re.escape(KEY_SUBPROTOCOL)}|\bsk_[0-9a-f]{{32}}\.)[^\s,&\"']+", re.IGNORECASE
)

_PARAMETER = re.compile(r"(?<=[?&])(?P<name>[^\s=&?#]+)=[^\s&#\"']+")


class HidesCredentials(logging.Filter):
    """A filter for loggers; it lets every record through.

    >>> record = logging.LogRecord("x", 10, "", 1, "< %s: %s", ("Authorization", "Bearer sk-1"), None)
    >>> HidesCredentials().filter(record), record.getMessage()
    (True, '< Authorization: ***')
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Hide what may be a credential in the message and its arguments."""
        record.msg = _hidden(record.msg)
        args = record.args
        if isinstance(args, tuple):
            names_one = len(args) == 2 and str(args[0]).lower() in _HEADERS
            record.args = (args[0], HIDDEN) if names_one else tuple(map(_hidden, args))
        return True


def _hidden(value: object) -> object:
    if not isinstance(value, str):
        return value
    return _PARAMETER.sub(_without_credential, _SECRET.sub(rf"\g<1>{HIDDEN}", value))


def _without_credential(found: re.Match[str]) -> str:
    return f"{found['name']}={HIDDEN}" if names_credential(found["name"]) else found[0]
