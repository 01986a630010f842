"""Errors of a server that repeats the credential that it was shown: the operator's is no client's affair."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Masking", "masked"]

MIN_BYTES = 8
"""What is shorter than any key is left alone: it may be a word of the sentence."""


class Masking:
    """Replaces secrets in a body that comes in pieces by as many stars, so that its length stays.

    >>> masking = Masking([b"sk-0123456789"])
    >>> masking.feed(b"bad key: sk-0123") + masking.feed(b"456789.") + masking.flush()
    b'bad key: *************.'
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        self._secrets = sorted({each for each in secrets if len(each) >= MIN_BYTES}, key=len, reverse=True)
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """What of the body may be shown by now: its end may be the beginning of a secret."""
        body = self._held + piece
        for secret in self._secrets:
            body = body.replace(secret, b"*" * len(secret))
        hold = len(self._secrets[0]) - 1 if self._secrets else 0
        keep = max(len(body) - hold, 0)
        self._held = body[keep:]
        return body[:keep]

    def flush(self) -> bytes:
        """The rest of the body."""
        held, self._held = self._held, b""
        return held


def masked(body: bytes, secrets: Iterable[bytes]) -> bytes:
    """A whole body without the secrets."""
    masking = Masking(secrets)
    return masking.feed(body) + masking.flush()
