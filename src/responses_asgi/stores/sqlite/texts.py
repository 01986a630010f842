"""Texts as SQLite can hold them."""

from __future__ import annotations

__all__ = ["all_for_sqlite", "for_sqlite", "from_sqlite"]


def for_sqlite(text: str) -> str | bytes:
    """A lone surrogate, which JSON can write and UTF-8 cannot, makes it bytes: no other text is equal."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def all_for_sqlite(*texts: str) -> tuple[str | bytes, ...]:
    """Several at once."""
    return texts if all(map(str.isascii, texts)) else tuple(map(for_sqlite, texts))


def from_sqlite(text: str | bytes) -> str:
    """The text that was given."""
    return text if isinstance(text, str) else text.decode("utf-8", "surrogatepass")
