"""Answers of a server that repeats the credential that it was shown: the operator's is no client's affair.

Errors stand in answers of status 200, too, in documents and among the events of a stream. There the
credential is looked for as well, unless it is so short that a model may say it: servers that look at none are
often given a word or two.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MIN_BYTES", "MIN_BYTES_OF_ANSWER", "Masking", "MessageMasking", "masked"]

MIN_BYTES = 8
"""What is shorter than any key is left alone: it may be a word of the sentence."""

MIN_BYTES_OF_ANSWER = 20
"""The same where the body is no error but what a model says; keys of providers are longer."""


class Masking:
    """Replaces secrets in a body that comes in pieces by as many stars, so that its length stays.

    >>> masking = Masking([b"sk-0123456789"])
    >>> masking.feed(b"bad key: sk-0123") + masking.feed(b"456789.") + masking.flush()
    b'bad key: *************.'
    """

    def __init__(self, secrets: Iterable[bytes], *, at_least: int = MIN_BYTES) -> None:
        self._secrets = sorted({each for each in secrets if len(each) >= at_least}, key=len, reverse=True)
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """What of the body may be shown by now; held back is only an end that may begin a secret."""
        body = self._held + piece if self._held else piece
        for secret in self._secrets:
            if secret in body:
                body = body.replace(secret, b"*" * len(secret))
        # No credential has a line's end in it, and every event of a stream has one at its own.
        keep = len(body) if body.endswith(b"\n") else len(body) - self._begun(body)
        self._held = body[keep:]
        return body[:keep]

    def flush(self) -> bytes:
        """The rest of the body."""
        held, self._held = self._held, b""
        return held

    def _begun(self, body: bytes) -> int:
        """The length of the longest end of the body that is the beginning of a secret."""
        longest = 0
        for secret in self._secrets:
            at = body.find(secret[:1], max(len(body) - len(secret) + 1, 0))
            while at >= 0 and not secret.startswith(body[at:]):
                at = body.find(secret[:1], at + 1)
            if at >= 0:
                longest = max(longest, len(body) - at)
        return longest


def masked(body: bytes, secrets: Iterable[bytes]) -> bytes:
    """A whole body without the secrets."""
    masking = Masking(secrets)
    return masking.feed(body) + masking.flush()


class MessageMasking:
    """Replaces secrets in whole messages of a WebSocket, texts and bytes; what is short is left alone.

    >>> MessageMasking([b"sk-0123456789abcdefgh"])("bad key: sk-0123456789abcdefgh.")
    'bad key: *********************.'
    """

    def __init__(self, secrets: Iterable[bytes]) -> None:
        longest_first = sorted({each for each in secrets if len(each) >= MIN_BYTES_OF_ANSWER}, key=len)[::-1]
        self._secrets = [(each, each.decode("latin-1")) for each in longest_first]

    def __call__(self, message: str | bytes) -> str | bytes:
        """The message as it may be shown."""
        for secret, written in self._secrets:
            if isinstance(message, str):
                message = message.replace(written, "*" * len(written))
            else:
                message = message.replace(secret, b"*" * len(secret))
        return message
