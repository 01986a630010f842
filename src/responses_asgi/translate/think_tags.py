"""Splits `<think>...</think>` off the start of an answer, however its text is cut into pieces."""

from __future__ import annotations

from typing import Literal

__all__ = ["Kind", "ThinkTags"]

Kind = Literal["reasoning", "text"]

OPEN, CLOSE = "<think>", "</think>"


class ThinkTags:
    """A splitter for one answer. Only a tag at the very start counts: later ones are the model's own words.

    White space around the tags belongs to neither side.

    >>> tags = ThinkTags()
    >>> tags.feed("<think>hm") + tags.feed("m</thi") + tags.feed("nk>Yes") + tags.flush()
    [('reasoning', 'hm'), ('reasoning', 'm'), ('text', 'Yes')]
    """

    def __init__(self) -> None:
        self._held = ""
        self._state: Literal["start", "thinking", "after", "text"] = "start"
        self._fresh = True

    @property
    def settled(self) -> bool:
        """Whether all further text is plain text."""
        return self._state == "text"

    def feed(self, text: str) -> list[tuple[Kind, str]]:
        """The pieces that are certain; a piece that may be part of a tag is held until the next call."""
        self._held += text
        pieces: list[tuple[Kind, str]] = []
        if self._state == "start":
            self._open()
        if self._state == "thinking":
            self._think(pieces)
        if self._state == "after":
            self._held = self._held.lstrip()
            if self._held:
                self._state = "text"
        if self._state == "text" and self._held:
            pieces.append(("text", self._held))
            self._held = ""
        return pieces

    def flush(self) -> list[tuple[Kind, str]]:
        """What was still held when the answer ended: it was no tag after all."""
        held, self._held = self._held, ""
        if not held or self._state == "after":
            return []
        return [("reasoning" if self._state == "thinking" else "text", held)]

    def _open(self) -> None:
        seen = self._held.lstrip()
        if seen.startswith(OPEN):
            self._held = seen[len(OPEN) :]
            self._state = "thinking"
        elif not OPEN.startswith(seen):
            self._state = "text"

    def _think(self, pieces: list[tuple[Kind, str]]) -> None:
        if self._fresh:
            self._held = self._held.lstrip()
            if not self._held:
                return
        thought, tag, rest = self._held.partition(CLOSE)
        if tag:
            self._held, self._state = rest, "after"
            thought = thought.rstrip()
        else:
            keep = _doubtful(thought)
            thought, self._held = thought[: len(thought) - keep], thought[len(thought) - keep :]
        if thought:
            self._fresh = False
            pieces.append(("reasoning", thought))


def _doubtful(text: str) -> int:
    """How many last characters may belong to white space and a closing tag that is still coming."""
    for size in range(min(len(CLOSE) - 1, len(text)), 0, -1):
        if CLOSE.startswith(text[-size:]):
            return size + _trailing_space(text[:-size])
    return _trailing_space(text)


def _trailing_space(text: str) -> int:
    return len(text) - len(text.rstrip())
