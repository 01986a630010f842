"""Reads SSE text strictly, for the validators: each block of lines, and the JSON document in one of them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Literal

from responses_asgi.testing.rules import Position
from responses_asgi.types.json import JSON, loads

__all__ = ["BlockReader", "blocks", "document", "is_comment"]

_LINE_END = re.compile("\r\n|\n|\r")


def blocks(text: bytes, at: Position) -> Iterator[list[str]]:
    """The SSE blocks between blank lines, each a list of lines; blocks of comments alone are left out."""
    reader = BlockReader(at)
    yield from (block for block in reader.feed(text) if not is_comment(block))
    reader.end()


def is_comment(block: list[str]) -> bool:
    """Whether there are only comments in a block."""
    return all(line.startswith(":") for line in block)


class BlockReader:
    """Reads SSE text in pieces: `feed` gives the blocks that a piece completes, comments included.

    `errors`: what becomes of bytes that are not UTF-8: they break a rule, or are replaced by U+FFFD.
    """

    def __init__(self, at: Position, *, errors: Literal["strict", "replace"] = "strict") -> None:
        self._at = at
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors)
        self._pieces: list[str] = []  # of a line without its end
        self._block: list[str] = []

    @property
    def between(self) -> bool:
        """Whether nothing of an unfinished block was read."""
        return not self._block and not any(self._pieces) and not self._decoder.getstate()[0]

    def feed(self, data: bytes) -> Iterator[list[str]]:
        for line in self._lines(self._decoded(data)):
            if line:
                self._block.append(line)
            elif self._block:
                block, self._block = self._block, []
                yield block

    def rest(self) -> list[str]:
        """The block that the end of the stream left without its blank line; [] where there is none."""
        rest = [*self._block, *filter(None, self._lines(self._decoded(b"", final=True) + "\n"))]
        self._block = []
        return rest

    def end(self) -> None:
        """Check that the last block was whole."""
        rest = self.rest()
        self._at.require(not rest, "sse-form", f"the last event has no blank line after it: {rest!r}")

    def _decoded(self, data: bytes, *, final: bool = False) -> str:
        try:
            return self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            self._at.fail("utf-8", str(error))

    def _lines(self, text: str) -> list[str]:
        """The lines that the text completes; a CR at its end may be half of a line end."""
        if self._pieces and self._pieces[-1].endswith("\r"):
            text = self._pieces.pop() + text
        if "\n" not in text and "\r" not in text[:-1]:
            self._pieces.append(text)
            return []
        half = "\r" if text.endswith("\r") else ""
        lines = _LINE_END.split(text.removesuffix("\r"))
        lines[0] = "".join([*self._pieces, lines[0]])
        self._pieces = [lines.pop() + half]
        return lines


def document(data: str | bytes, at: Position) -> JSON:
    """The JSON object that is the data of an event."""
    try:
        value = loads(data)
    except ValueError as error:
        at.fail("json", f"after event {at.number}: {error}: {data[:100]!r}")
    if not isinstance(value, dict):
        at.fail("json", f"after event {at.number}: got {value!r}")
    return value
