"""Opaque but readable tokens for `encrypted_content`: a prefix and the base64url of JSON.

They keep what a client shall carry out of its way, not secret: where that matters, tokens are sealed.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from responses_asgi.types.json import dumps, loads

__all__ = ["REASONING", "SUMMARY", "is_readable", "read_token", "write_token"]

# A prefix names the format; what others put into `encrypted_content` does not begin like this.
REASONING = "rd1."
SUMMARY = "cs1."


def write_token(prefix: str, payload: Any) -> str:
    """The token of a JSON value.

    >>> write_token(SUMMARY, {"summary": "Hi"})
    'cs1.eyJzdW1tYXJ5IjoiSGkifQ'
    """
    return prefix + base64.urlsafe_b64encode(dumps(payload)).decode("ascii").rstrip("=")


def is_readable(prefix: str, token: object) -> bool:
    """Whether the token says of itself that it is of this kind."""
    return isinstance(token, str) and token.startswith(prefix)


def read_token(prefix: str, token: object) -> Any:
    """The JSON value in a token of this kind; None when it is another one, or damaged."""
    if not isinstance(token, str) or not token.startswith(prefix):
        return None
    text = token.removeprefix(prefix)
    try:
        return loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
