"""Issued keys: what clients show, and what the operator can do with them.

- `token` is the form of what is shown, and its check; `key` what is kept of it; `scopes` what it may be
  limited to; `policy` how long it may live.
- `keys` creates, lists, revokes and verifies keys over any store of records.
"""

from __future__ import annotations

from responses_asgi.keys.key import IssuedKey, Key, KeyPage
from responses_asgi.keys.keys import Keys
from responses_asgi.keys.policy import KeyPolicy

__all__ = ["IssuedKey", "Key", "KeyPage", "KeyPolicy", "Keys"]
