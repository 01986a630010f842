"""Reads SSE text strictly, for the validators: each block of lines, and the JSON document in one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from responses_asgi.testing.rules import Position
from responses_asgi.types.json import JSON, loads

__all__ = ["blocks", "document"]

_LINE_END = re.compile("\r\n|\n|\r")


def blocks(text: bytes, at: Position) -> Iterator[list[str]]:
    """The SSE blocks between blank lines, each a list of lines; blocks of comments alone are left out."""
    try:
        lines = _LINE_END.split(text.decode())
    except UnicodeDecodeError as error:
        at.fail("utf-8", str(error))
    block: list[str] = []
    for line in lines[:-1]:
        if line:
            block.append(line)
        elif block:
            if not all(line.startswith(":") for line in block):
                yield block
            block = []
    rest = [*block, *filter(None, lines[-1:])]
    at.require(not rest, "sse-form", f"the last event has no blank line after it: {rest!r}")


def document(data: str | bytes, at: Position) -> JSON:
    """The JSON object that is the data of an event."""
    try:
        value = loads(data)
    except ValueError as error:
        at.fail("json", f"after event {at.number}: {error}: {data[:100]!r}")
    if not isinstance(value, dict):
        at.fail("json", f"after event {at.number}: got {value!r}")
    return value
