"""The deltas of a text that is told as it grows: of one part of an item, or of one call.

They differ in no more than text and number, so the rest of their bytes is made once. What `more` does is done
for every delta of an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring  # a text as `dumps` writes it, half characters apart

from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.types.events import Event, SSEEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["Deltas", "whole_characters"]

# The first halves of UTF-16 pairs: some servers cut a character in two and escape each half on its own.
_HALVES = frozenset(map(chr, range(0xD800, 0xDC00)))

_new = tuple.__new__  # what a NamedTuple's own constructor does, in two thirds of its time


class Deltas:
    """The events of `type` that tell a text, each at `place` and with the fields of `tail`.

    `pieces` is what was said so far, as it came.
    """

    __slots__ = ("_cut", "_half", "_head", "_tail", "_writer", "pieces", "type")

    def __init__(self, writer: ResponseWriter, type: str, place: JSON, tail: JSON) -> None:
        self.type = type
        self.pieces: list[str] = []
        self._writer = writer
        self._half = ""
        self._cut = False
        opening = dumps({"type": type, **place})[:-1].decode()
        self._head = f'event: {type}\ndata: {opening},"delta":'
        self._tail = f'{"," if tail else ""}{dumps(tail)[1:-1].decode()},"sequence_number":'

    def more(self, text: str) -> list[Event]:
        """Say a piece of the text, which is not empty; the events are the caller's to pass on."""
        self.pieces.append(text)
        if self._half:
            return self._joined(text)
        writer = self._writer
        number = writer.sequence
        try:
            sse = f"{self._head}{encode_basestring(text)}{self._tail}{number}}}\n\n".encode()
        except UnicodeEncodeError:
            return self._joined(text)
        writer.sequence = number + 1
        return [_new(SSEEvent, (self.type, sse))]

    def all(self, texts: Sequence[str]) -> list[Event]:
        """`more` of each of these."""
        type, head, tail, first = self.type, self._head, self._tail, self._writer.sequence
        told: list[Event]
        try:
            told = [
                _new(SSEEvent, (type, f"{head}{encode_basestring(text)}{tail}{number}}}\n\n".encode()))
                for number, text in enumerate(texts, first)
            ]
        except UnicodeEncodeError:
            told = []
        if self._half or not told:
            return [event for text in texts for event in self.more(text)]
        self.pieces += texts
        self._writer.sequence = first + len(told)
        return told

    def say(self, text: str) -> None:
        """Say a piece of the text, which is not empty."""
        self._writer.write(self.more(text))

    def whole(self, text: str) -> str:
        """Take a piece that is said elsewhere; returns what of it can be said by now."""
        self.pieces.append(text)
        text, self._half = whole_characters(self._half + text)
        self._cut = self._cut or bool(self._half)
        return text

    def event(self, text: str) -> Event:
        """The event of this text, whatever is in it."""
        number = self._writer.sequence
        self._writer.sequence = number + 1
        return SSEEvent(self.type, f"{self._head}{dumps(text).decode()}{self._tail}{number}}}\n\n".encode())

    def end(self) -> str:
        """Say what still waits for its other half; returns the whole text."""
        if self._half:
            self._writer.write([self.event(self._half)])
            self._half = ""
        text = "".join(self.pieces)
        return "".join(whole_characters(text)) if self._cut else text

    def _joined(self, text: str) -> list[Event]:
        text, self._half = whole_characters(self._half + text)
        self._cut = True
        return [self.event(text)] if text else []


def whole_characters(text: str) -> tuple[str, str]:
    """The text with its UTF-16 pairs joined, and half a character at its end that waits for the other half.

    >>> whole_characters(chr(0xD83D) + chr(0xDE00) + chr(0xD83D)) == (chr(0x1F600), chr(0xD83D))
    True
    """
    half = text[-1:] if text[-1:] in _HALVES else ""
    text = text[: len(text) - len(half)]
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass"), half
