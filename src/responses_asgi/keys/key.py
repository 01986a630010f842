"""An issued key: what is known of it, and how that is kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from responses_asgi.keys.token import Kept
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["IssuedKey", "Key", "KeyPage", "as_data", "of_data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An issued key without its secret, which nobody but its owner has. Times are unix seconds.

    `last_used_at` is rounded: it is written about once a minute.
    """

    id: str
    label: str | None = None
    scopes: tuple[str, ...] = ()
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None

    def document(self) -> JSON:
        """The key as it is told to those who manage keys."""
        return {**asdict(self), "scopes": list(self.scopes)}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key: what is known of it, and `token`, which is told once and kept nowhere."""

    key: Key
    token: str = field(repr=False)

    def document(self) -> JSON:
        """The key as its maker is told, with the token."""
        told = self.key.document()
        known = {name: told[name] for name in ("created_at", "expires_at", "label", "scopes")}
        return {"id": self.key.id, "token": self.token, **known}


class KeyPage(NamedTuple):
    """Some keys in the order of their creation. `after`: what the next page begins behind; None: no more."""

    keys: list[Key]
    after: str | None


def as_data(key: Key, kept: Kept) -> bytes:
    """What a store keeps of a key."""
    secret = {"salt": kept.salt.hex(), "digest": kept.digest.hex(), "pepper": kept.pepper}
    return dumps({**key.document(), **secret})


def of_data(data: bytes) -> tuple[Key, Kept]:
    """Read back what a store kept. Raises ValueError, KeyError or TypeError for what is none of ours."""
    told: JSON = loads(data)
    kept = Kept(bytes.fromhex(told.pop("salt")), bytes.fromhex(told.pop("digest")), told.pop("pepper"))
    return Key(**{**told, "scopes": tuple(told["scopes"])}), kept
