"""Keeps credentials out of what the server logs: of requests it logs the query, of handshakes, at the level
debug, every header."""

from __future__ import annotations

import logging
import re

from responses_asgi.upstreams.headers import CREDENTIALS
from responses_asgi.upstreams.hidden_credentials import KEY_PARAMETERS, KEY_SUBPROTOCOL, TOKEN_PARAMETERS

__all__ = ["HidesCredentials"]

HIDDEN = "***"

_HEADERS = frozenset({*CREDENTIALS, "cookie", "set-cookie", "proxy-authorization"})

_PARAMETERS = "|".join(re.escape(name) for name in sorted(KEY_PARAMETERS | TOKEN_PARAMETERS))

# What stands before a credential, and the credential.
_SECRET = re.compile(
    rf"(\bbearer\s+|[?&](?:{_PARAMETERS})=|{re.escape(KEY_SUBPROTOCOL)}|\bsk_[0-9a-f]{{32}}\.)[^\s,&\"']+",
    re.IGNORECASE,
)


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
    return _SECRET.sub(rf"\g<1>{HIDDEN}", value) if isinstance(value, str) else value
