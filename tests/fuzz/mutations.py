"""New inputs of old ones where the bytes are JSON: libFuzzer's own changes seldom leave any that can be read.

An input is lines, of which some hold a JSON document: an event stream, a body, the frames of a socket. Whole
lines are doubled, dropped and moved, and in a document one value is replaced, dropped, renamed or copied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

__all__ = ["mutated"]

_PREFIX = b"data: "
_ATOMS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**20, 0.5, "", "\ud800", "\u2028", '{"a": 1', "<think>", "</think>",
    [], {}, [None], [[]], {"type": None}, [{}], ["a"],
)  # fmt: skip
_LISTS = (
    "tools",
    "input",
    "messages",
    "output",
    "content",
    "tool_calls",
    "choices",
    "summary",
    "annotations",
)


def mutated(content: bytes, random: Random, words: Sequence[str]) -> bytes | None:
    """Another input that is much like this one; None where no line of it holds a document."""
    head, lines = content[:1], content[1:].split(b"\n")
    documents = {number: found for number, line in enumerate(lines) if (found := _document(line)) is not None}
    if not documents:
        return None
    for _ in range(random.choice((1, 1, 2, 4))):
        number = random.choice(list(documents))
        if random.random() < 0.25:
            _CHANGES_OF_LINES[random.randrange(3)](lines, number % len(lines), random)
            documents = {at: found for at, line in enumerate(lines) if (found := _document(line)) is not None}
            if not documents:
                break
            continue
        changed = _changed(documents[number], list(documents.values()), random, words)
        documents[number] = changed
        prefix = _PREFIX if lines[number].startswith(_PREFIX) else b""
        lines[number] = prefix + json.dumps(changed).encode()
    if random.random() < 0.1:
        head = bytes([random.randrange(256)])
    return head + b"\n".join(lines)


def _document(line: bytes) -> Any:
    try:
        found = json.loads(line.removeprefix(_PREFIX))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _double(lines: list[bytes], number: int, random: Random) -> None:
    """An event ends with an empty line."""
    lines[number:number] = [lines[number], b""] if lines[number].startswith(_PREFIX) else [lines[number]]


def _drop(lines: list[bytes], number: int, random: Random) -> None:
    del lines[number]


def _move(lines: list[bytes], number: int, random: Random) -> None:
    line = lines.pop(number)
    lines.insert(random.randrange(len(lines) + 1), line)


_CHANGES_OF_LINES: tuple[Callable[[list[bytes], int, Random], None], ...] = (_double, _drop, _move)


def _changed(document: Any, others: Sequence[Any], random: Random, words: Sequence[str]) -> Any:
    """A copy with one place changed."""
    document = json.loads(json.dumps(document))
    places = list(_places(document))
    if not places:
        return document
    home, key = random.choice(places)
    what = random.randrange(6)
    if what == 0:
        del home[key]
    elif what == 1:
        home[key] = random.choice(_ATOMS)
    elif what == 2:
        home[key] = random.choice(words) if words else "a"
    elif what == 3:
        other, at = random.choice(list(_places(random.choice(others))) or [(home, key)])
        home[key] = json.loads(json.dumps(other[at]))
    elif what == 4 and isinstance(home, dict):
        home[random.choice(words or _LISTS)] = home[key]
    elif isinstance(home, list):
        home.insert(random.randrange(len(home) + 1), json.loads(json.dumps(home[key])))
    else:
        home[key] = [home[key]]
    return document


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a document: the object or list, and the key or index."""
    found: list[tuple[Any, Any]] = []
    level = [value]
    while level:
        home = level.pop()
        keys = list(home) if isinstance(home, dict) else range(len(home))
        for key in keys:
            found.append((home, key))
            if isinstance(home[key], dict | list):
                level.append(home[key])
    return found
