"""Sealed tokens: what a stateless client carries for the service, and can neither read nor change.

`sealed1.<key id>.<base64url of nonce and ciphertext>`: AES-256-GCM over the payload's JSON. Owner and purpose
are authenticated with it, so that a token opens for nobody else and as nothing else.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from responses_asgi.errors import ConfigurationError, InvalidRequestError, MissingExtraError
from responses_asgi.types.json import JSON, dumps, loads

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["INVALID_TOKEN", "SEALED", "Seals", "is_sealed"]

# Begins every sealed token, and names the version of its format.
SEALED = "sealed1."

INVALID_TOKEN = "invalid_encrypted_content"
"""The error code of a token that cannot be accepted."""

MIN_KEY_BYTES = 16
MAX_PAYLOAD_BYTES = 16 * 1024 * 1024
"""A payload above this is not compressed, and none is decompressed to more."""

# The nonce length that NIST SP 800-38D, 5.2.1.1 recommends; random ones are safe for 2^32 tokens of a key.
_NONCE_BYTES = 12
_KEY_BYTES = 32
_ID_BYTES = 4
_KEY_ID = re.compile(r"[0-9a-f]{8}")

# The first byte of what is encrypted tells how the JSON is written.
_PLAIN, _COMPRESSED = b"\x00", b"\x01"


def is_sealed(token: object) -> bool:
    """Whether this is a token of `Seals`, of whatever key and owner.

    >>> is_sealed("sealed1.0a1b2c3d.AAAA"), is_sealed("gAAAAB"), is_sealed(None)
    (True, False, False)
    """
    return isinstance(token, str) and token.startswith(SEALED)


class Seals:
    """Seals payloads into tokens, and opens them again.

    `keys` are secrets of at least 16 bytes each (text is UTF-8), from which AES keys are derived (HKDF,
    SHA-256). The first one seals, all of them open. To rotate, put a new key in front and take the old one
    out once its tokens are no longer wanted. Replace a key before it has sealed 2^32 tokens.

    Every process that serves the same clients needs the same keys. Raises ConfigurationError for keys that
    cannot be used, MissingExtraError without the extra `seal`.

    >>> seals = Seals(["a secret of sixteen bytes or more"])
    >>> token = seals.seal({"text": "Hm."}, owner="alice", purpose="reasoning")
    >>> seals.open(token, owner="alice", purpose="reasoning")
    {'text': 'Hm.'}
    """

    def __init__(self, keys: Sequence[bytes | str]) -> None:
        if isinstance(keys, bytes | str) or not keys:
            raise ConfigurationError("seal_keys must be a list of one or more keys.")
        self._ciphers = dict(_derived(key, i) for i, key in enumerate(keys))
        self._first = next(iter(self._ciphers))

    def seal(self, payload: JSON, *, owner: str, purpose: str) -> str:
        """The token of this payload, which opens for the same owner and purpose only."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._first].encrypt(nonce, _packed(payload), _context(owner, purpose))
        return f"{SEALED}{self._first}.{base64.urlsafe_b64encode(nonce + sealed).decode().rstrip('=')}"

    def open(self, token: str, *, owner: str, purpose: str, param: str | None = None) -> JSON | None:
        """The payload of a token; None when its key is no longer known.

        Raises InvalidRequestError, code `invalid_encrypted_content`, when the token was changed or cut, or
        was sealed for another owner or purpose. `param` is the path that the error names.
        """
        key_id, _, text = token.removeprefix(SEALED).partition(".")
        if not (is_sealed(token) and _KEY_ID.fullmatch(key_id)):
            raise _invalid(param)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            return None
        from cryptography.exceptions import InvalidTag

        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            nonce, sealed = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            packed = cipher.decrypt(nonce, sealed, _context(owner, purpose))
        except (ValueError, binascii.Error, InvalidTag):
            raise _invalid(param) from None
        return _unpacked(packed, param)


def _derived(key: bytes | str, index: int) -> tuple[str, AESGCM]:
    """The id and the cipher of one key."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError:
        raise MissingExtraError("seal_keys", "seal") from None
    secret = key.encode() if isinstance(key, str) else bytes(key)
    if len(secret) < MIN_KEY_BYTES:
        # The key itself is not shown.
        raise ConfigurationError(
            f"seal_keys[{index}] has {len(secret)} bytes, expected at least {MIN_KEY_BYTES}."
        )
    # One derivation gives both: the id tells nothing of the key.
    kdf = HKDF(algorithm=SHA256(), length=_KEY_BYTES + _ID_BYTES, salt=None, info=b"responses-asgi seal 1")
    derived = kdf.derive(secret)
    return derived[_KEY_BYTES:].hex(), AESGCM(derived[:_KEY_BYTES])


def _context(owner: str, purpose: str) -> bytes:
    """What is authenticated with the payload; no two pairs share it."""
    name = owner.encode("utf-8", "surrogatepass")
    return b"%d:%b%b" % (len(name), name, purpose.encode())


def _packed(payload: JSON) -> bytes:
    plain = dumps(payload)
    if len(plain) <= MAX_PAYLOAD_BYTES:
        compressed = zlib.compress(plain)
        if len(compressed) < len(plain):
            return _COMPRESSED + compressed
    return _PLAIN + plain


def _unpacked(packed: bytes, param: str | None) -> JSON:
    """What `_packed` wrote. Only a holder of the key can have written anything else."""
    form, content = packed[:1], packed[1:]
    try:
        if form == _COMPRESSED:
            inflater = zlib.decompressobj()
            content = inflater.decompress(content, MAX_PAYLOAD_BYTES)
            if not inflater.eof:
                raise _invalid(param)
        payload = loads(content)
    except (ValueError, zlib.error):
        raise _invalid(param) from None
    if not isinstance(payload, dict):
        raise _invalid(param)
    return payload


def _invalid(param: str | None) -> InvalidRequestError:
    where = f"'{param}'" if param else "This encrypted content"
    return InvalidRequestError(
        f"{where} cannot be opened: it was changed or cut, or it was made for somebody else. Send it exactly "
        "as it was received, with the credentials it was received with, or leave it out.",
        param=param,
        code=INVALID_TOKEN,
    )
