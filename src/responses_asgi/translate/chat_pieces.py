"""The chunks of a text that goes on: of a field of a Chat message, or of a call.

They differ in no more than the text, so the rest of their bytes is made once. What `more` does is done for
every delta of an answer. The events that it returns are the caller's to pass on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from json.encoder import encode_basestring  # a text as `dumps` writes it, half characters apart
from typing import NamedTuple

from responses_asgi.types.events import Event, SSEEvent
from responses_asgi.types.json import dumps

__all__ = ["CheckedPieces", "Pieces", "Running"]

_new = tuple.__new__  # what a NamedTuple's own constructor does, in two thirds of its time


class Pieces:
    """Chunks with these bytes of SSE before and after the text; `said` are the pieces so far."""

    __slots__ = ("_after", "_before", "_said")

    def __init__(self, before: bytes, after: bytes, said: list[str]) -> None:
        self._before, self._after = before.decode(), after.decode()
        self._said = said

    def more(self, text: str) -> list[Event]:
        """Say a piece of the text."""
        self._said.append(text)
        try:
            sse = f"{self._before}{encode_basestring(text)}{self._after}".encode()
        except UnicodeEncodeError:
            sse = f"{self._before}{dumps(text).decode()}{self._after}".encode()
        return [_new(SSEEvent, ("", sse))]

    def more_of(self, texts: Sequence[str]) -> list[Event]:
        """Say several pieces, one chunk each."""
        self._said += texts
        before, after = f'{self._before}"'.encode(), f'"{self._after}'.encode()
        # A quote in a text has a backslash before it, so that these three stand between texts only.
        literals = dumps(texts)[2:-2].split(b'","')
        return [_new(SSEEvent, ("", before + literal + after)) for literal in literals]


class CheckedPieces:
    """Chunks of a text that is not told as it comes; `say` returns those of a piece."""

    __slots__ = ("more",)

    def __init__(self, say: Callable[[str], list[Event]]) -> None:
        self.more = say

    def more_of(self, texts: Sequence[str]) -> list[Event]:
        """Say several pieces."""
        return [event for text in texts for event in self.more(text)]


class Running(NamedTuple):
    """A text that goes on: the pieces that an upstream has said of it, and the chunks that tell more."""

    said: list[str]
    chunks: Pieces | CheckedPieces
