"""The form of an issued key, `sk_<id>.<secret>`, and the check of its secret.

The secret has 256 random bits, which nobody can guess, so that a slow hash would protect nothing and cost
each request a tenth of a second. What is kept is SHA-256 over salt and secret; with a pepper HMAC-SHA256,
so that who can write to the store, but does not have the pepper, cannot make up a key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from hmac import compare_digest
from typing import NamedTuple, TypeAlias

from responses_asgi.errors import ConfigurationError

__all__ = ["Digests", "Kept", "Pepper", "Token", "is_token", "new_token", "read_token"]

_TOKEN = re.compile(r"sk_(?P<id>[0-9a-f]{32})\.(?P<secret>[0-9a-f]{64})", re.ASCII)

SALT_BYTES = 16

MIN_PEPPER_BYTES = 16

Pepper: TypeAlias = "bytes | str | Sequence[bytes | str] | None"
"""A secret that the store does not have, or several, newest first."""


class Token(NamedTuple):
    """The two parts of a key as its owner shows it."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Token(id={self.id!r})"

    def __str__(self) -> str:
        return f"Token(id={self.id!r})"

    def shown(self) -> str:
        """The whole key."""
        return f"sk_{self.id}.{self.secret.hex()}"


class Kept(NamedTuple):
    """What is kept of a secret. `pepper` names the pepper in it, "" for none."""

    salt: bytes
    digest: bytes
    pepper: str

    def __repr__(self) -> str:
        return "Kept()"


def new_token() -> Token:
    """A key that nobody has had."""
    return Token(secrets.token_hex(16), secrets.token_bytes(32))


def read_token(text: str | None) -> Token | None:
    """The parts of a key; None for anything that is not exactly one.

    >>> read_token("sk_" + "0" * 32 + "." + "f" * 64).id == "0" * 32, read_token("sk_0.f")
    (True, None)
    """
    found = _TOKEN.fullmatch(text) if text else None
    return Token(found["id"], bytes.fromhex(found["secret"])) if found else None


def is_token(text: str) -> bool:
    """Whether this has the form of an issued key."""
    return _TOKEN.fullmatch(text) is not None


class Digests:
    """Makes what is kept of secrets, and checks secrets by it.

    `pepper`: one or several, newest first; new keys get the newest. An empty one in the list stands for none:
    keys that were issued without a pepper are taken, too. Raises ConfigurationError for a short one.
    """

    def __init__(self, pepper: Pepper = None) -> None:
        given = [pepper or b""] if isinstance(pepper, bytes | str | None) else [*pepper]
        peppers = [each.encode() if isinstance(each, str) else each for each in given]
        if not peppers:
            raise ConfigurationError("pepper is an empty list; leave it out for none")
        for each in peppers:
            if each and len(each) < MIN_PEPPER_BYTES:
                raise ConfigurationError(f"pepper needs at least {MIN_PEPPER_BYTES} bytes, got {len(each)}")
        self._peppers: Mapping[str, bytes] = {_name(each): each for each in peppers}
        self._newest = _name(peppers[0])
        # Compared with when there is nothing to compare with, so that this takes as long.
        self._nobodys = self.keep(secrets.token_bytes(32))

    def __repr__(self) -> str:
        return f"Digests({len(self._peppers)} pepper{'s' * (len(self._peppers) != 1)})"

    def keep(self, secret: bytes) -> Kept:
        """What is kept of a new secret."""
        salt = secrets.token_bytes(SALT_BYTES)
        return Kept(salt, _digest(self._peppers[self._newest], salt, secret), self._newest)

    def matches(self, secret: bytes | None, kept: Kept | None) -> bool:
        """Whether this is the secret; one comparison in constant time, whatever is missing."""
        known = kept is not None and kept.pepper in self._peppers
        against = kept if kept is not None and known else self._nobodys
        shown = _digest(self._peppers[against.pepper], against.salt, secret or b"")
        same = compare_digest(shown, against.digest)
        return same and known and secret is not None


def _digest(pepper: bytes, salt: bytes, secret: bytes) -> bytes:
    if pepper:
        return hmac.new(pepper, salt + secret, hashlib.sha256).digest()
    return hashlib.sha256(salt + secret).digest()


def _name(pepper: bytes) -> str:
    """A name by which a pepper is found again, and which tells nothing about it."""
    return hmac.new(pepper, b"responses-asgi pepper", hashlib.sha256).hexdigest()[:16] if pepper else ""
