"""Names for the tools of namespaces, for servers that know no namespaces."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container

__all__ = ["MAX_NAME_CHARS", "flat_name", "prefix_of"]

MAX_NAME_CHARS = 64
"""The longest name of a function that OpenAI takes, and with it most servers."""

_LEGAL = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME_CHARS}}}")
_ILLEGAL = re.compile("[^A-Za-z0-9_-]")
_JOINT = "__"
_DIGITS = 8


def flat_name(namespace: str | None, name: str, taken: Container[str] = ()) -> str:
    """One legal name, not in `taken`, for a tool of a namespace; always the same for the same arguments.

    Where the two joined are too long, hold other characters, or are the name of another tool, the name ends
    with a part of their hash.

    >>> flat_name("mcp__files__", "read"), flat_name("crm", "find"), flat_name("crm", "find", {"crm__find"})
    ('mcp__files__read', 'crm__find', 'crm__find_9dc566b2')
    """
    joined = _prefix(namespace) + name
    if _LEGAL.fullmatch(joined) and joined not in taken:
        return joined
    readable = _ILLEGAL.sub("_", joined)[: MAX_NAME_CHARS - _DIGITS - 1]
    attempt = 0
    while True:
        key = f"{namespace or ''}\0{name}\0{attempt or ''}"
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
        if (found := f"{readable}_{digest}") not in taken:
            return found
        attempt += 1


def prefix_of(namespace: str) -> str:
    """What the names of all tools of a namespace begin with.

    >>> prefix_of("crm"), prefix_of("my files")
    ('crm__', 'my_files__')
    """
    return _ILLEGAL.sub("_", _prefix(namespace))


def _prefix(namespace: str | None) -> str:
    return "" if not namespace else namespace if namespace.endswith(_JOINT) else namespace + _JOINT
