"""Signatures of Standard Webhooks: HMAC-SHA256 over id, time and body.

They are made here and not by the package `standardwebhooks`: that one takes no secrets but base64 ones and
signs with one at a time, and what is left of it is the dozen lines below.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from responses_asgi.errors import ConfigurationError

__all__ = ["key_of", "signed_headers"]

_BASE64 = "whsec_"


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: base64 behind `whsec_`, or the text itself.

    Raises ConfigurationError for a secret that is no text, empty or not base64; the error does not show it.
    """
    if not isinstance(secret, str):
        raise ConfigurationError(f"a webhook secret is a {type(secret).__name__}, expected text")
    try:
        encoded = secret.removeprefix(_BASE64)
        key = base64.b64decode(encoded, validate=True) if encoded != secret else secret.encode()
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"a webhook secret is not what it says: base64 behind {_BASE64!r}") from None
    if not key:
        raise ConfigurationError("a webhook secret is empty")
    return key


def signed_headers(id: str, body: bytes, keys: Sequence[bytes], *, now: float) -> dict[str, str]:
    """The three headers that receivers verify; one signature for each key, any of which may match.

    >>> signed_headers("evt_1", b"{}", [b"key"], now=1731705121.5)["webhook-timestamp"]
    '1731705121'
    """
    time = str(int(now))
    signed = b".".join((id.encode(), time.encode(), body))
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    signatures = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return {"webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures}
