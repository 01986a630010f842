"""Takes credentials and identifiers of people and accounts out of what is recorded.

What is replaced keeps its length, so that the places of network cuts in a text stay right, and the beginning
that tells what it was. A text cut into deltas is not put together for this: what a model spells out in
pieces stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["Redactor"]

# The first group is kept. Sources: the documented or published forms of these keys and identifiers.
PATTERNS: tuple[str, ...] = (
    r"\b(sk-(?:proj-|ant-|or-|svcacct-)?)[A-Za-z0-9_-]{16,}",
    r"\b((?:gsk|hf|xai|r8|pplx|nvapi|ghp|gho|github_pat)[-_])[A-Za-z0-9_-]{16,}",
    r"\b(AKIA)[0-9A-Z]{16}\b",
    r"\b(AIza)[0-9A-Za-z_-]{30,}",
    r"\b(eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",  # a JSON web token
    r"\b([Bb]earer )[A-Za-z0-9._~+/-]{16,}=*",
    r"\b((?:org|user|proj|acct)[-_])[A-Za-z0-9]{16,}",
    r"([?&](?:sig|signature|X-Amz-Signature|X-Amz-Credential|X-Goog-Signature|api-key|key)=)[^&\s\"'\\]{8,}",
    r"()\b[A-Za-z0-9._%+-]{2,}@(?!example\.)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b",
)

# Images and files in requests. Source: the format of the recordings.
_BASE64 = re.compile(r"[A-Za-z0-9+/=]{6001,}")
_BASE64_KEPT = 400

# A shorter one could be a word of the conversation.
_MIN_SECRET_CHARS = 12

_MARK = "REDACTED"  # filled up with asterisks, which no key holds: it is not taken for one again


class Redactor:
    """Redacts texts and JSON values.

    - `patterns`: regular expressions besides the built-in ones; if one has groups, the first is kept.
    - `secrets`: texts known to be secret, such as the key in use; those under 12 characters are left.

    >>> Redactor().text("I am user-0123456789abcdef01")
    'I am user-REDACTED**********'
    """

    def __init__(self, patterns: Iterable[str] = (), *, secrets: Iterable[str] = ()) -> None:
        self.count = 0
        self._patterns = [re.compile(pattern) for pattern in (*PATTERNS, *patterns)]
        self._secrets: list[re.Pattern[str]] = []
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Add texts that are known to be secret."""
        known = [re.compile(re.escape(secret)) for secret in secrets if len(secret) >= _MIN_SECRET_CHARS]
        self._secrets += [pattern for pattern in known if pattern not in self._secrets]

    def text(self, text: str) -> str:
        """The text without them; `count` counts them."""
        for pattern in (*self._secrets, *self._patterns):
            text = pattern.sub(self._replace, text)
        return text

    def json(self, value: Any) -> Any:
        """A JSON value with all its texts redacted, keys excepted, and its long base64 cut."""
        if isinstance(value, str):
            return self.text(_BASE64.sub(_cut, value))
        if isinstance(value, list):
            return [self.json(each) for each in value]
        if isinstance(value, dict):
            return {name: self.json(each) for name, each in value.items()}
        return value

    def _replace(self, found: re.Match[str]) -> str:
        self.count += 1
        kept = (found[1] or "") if found.re.groups else ""
        size = len(found[0].encode()) - len(kept.encode())
        return kept + _MARK[:size].ljust(size, "*")


def _cut(found: re.Match[str]) -> str:
    return found[0][:_BASE64_KEPT]
