"""Chunks that repeat one before them in all but their text: known by their bytes, and never parsed.

The text is what the model writes: what it says or thinks, or the arguments of a call.

Nearly every chunk of a long answer is one. To parse it, and to find out once more that there is nothing in it
but text, is most of what a delta costs; here it is a few comparisons. What else a server says (a finish
reason, figures, another time) makes a chunk that is read as ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from responses_asgi.sse import encode
from responses_asgi.types.json import JSON, dumps, loads, strict_loads

__all__ = ["Repeats", "Shape", "Texts", "with_text"]

Texts: TypeAlias = str | tuple[str, ...]
"""The text of a chunk that repeats the one before it in all else; or those of several, in their order."""

_TEXT = re.compile(
    rb'"(?:content|reasoning_content|reasoning|arguments|input|delta)"\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")'
)

# Fields of the chunk or event itself that nobody reads, and that differ in each: they may say anything. The
# quotes around one are of the bytes that stay the same.
_UNREAD = re.compile(rb'"(sequence_number|obfuscation)"\s*:\s*(?:([1-9][0-9]*)|"([0-9A-Za-z]+)")')
_UNREAD_FIELDS = {"chat": ("obfuscation",), "responses": ("sequence_number", "obfuscation")}

# Chunks that are learned from in vain before no more is tried.
_TRIES = 4

# Chunks before the last one that are known again: as many as calls are usually told in turns.
_KEPT = 4


class _Kind(NamedTuple):
    """A kind of value that may differ: whether bytes `holds` are such a value, if they do not begin with
    `never`; None: only a parser can tell. `other`: one that no server sends."""

    holds: Callable[[bytes], bool] | None
    never: int = -1
    other: bytes = b""


_SAID = _Kind(None)
_NUMBER = _Kind(bytes.isdigit, ord("0"), b"null")
_PADDING = _Kind(bytes.isalnum)


class Shape:
    """What stays the same of a chunk while its text changes; `used`: there was a repetition of it.

    `fixed` are the bytes of its event's data before, between and after the values that differ, which are of
    these kinds; `name` is that of its event.
    """

    __slots__ = (
        "_before",
        "_begin",
        "_end",
        "_ends",
        "_head",
        "_last",
        "_least",
        "_name",
        "_tail",
        "chunk",
        "used",
    )

    def __init__(self, chunk: JSON, name: str | None, fixed: list[bytes], kinds: list[_Kind]) -> None:
        self.chunk = chunk
        self.used = False
        self._name = name
        self._ends = fixed[0], fixed[-1]
        # The bytes of an event before the first value and after the last one.
        self._head, self._tail = encode(name or "", b"")[:-2] + fixed[0], fixed[-1] + b"\n\n"
        self._begin, self._end = len(self._head), -len(self._tail)
        # Between two events stand a tail and a head: what is shorter holds the values of one.
        self._least = self._begin - self._end
        # Of each value but the last: `holds` and `never`, and the bytes between it and the next one.
        self._before = [
            (kind.holds, kind.never, after) for kind, after in zip(kinds[:-1], fixed[1:-1], strict=True)
        ]
        self._last = kinds[-1].holds, kinds[-1].never

    def texts(self, events: bytes) -> Texts | None:
        """The text of this event of the stream, or of each of these, if they have one, and are otherwise the
        chunk again; None: they are not."""
        if not (events.startswith(self._head) and events.endswith(self._tail)):
            return None
        values = events[self._begin : self._end]
        return self._one(values) if len(values) < self._least else self._run(values)

    def text(self, name: str | None, data: bytes) -> str | None:
        """The same for an event with this name and data."""
        head, tail = self._ends
        if name != self._name or not (data.startswith(head) and data.endswith(tail)):
            return None
        return self._one(data[len(head) : len(data) - len(tail)])

    def _one(self, values: bytes) -> str | None:
        """The text of an event without its head and tail."""
        literal = b""
        for holds, never, after in self._before:
            value, found, values = values.partition(after)
            if not found:
                return None
            if holds is None:
                literal = value
            elif not holds(value) or value[0] == never:
                return None
        holds, never = self._last
        if holds is None:
            literal = values
        elif not holds(values) or values[0] == never:
            return None
        try:
            # No bytes between two values can stand in a string, so that this is all of the text or no JSON.
            text = strict_loads(literal)
        except ValueError:
            return None
        # Around the quotes JSON would allow line ends, which would have ended the event's data.
        if not text or type(text) is not str or literal[0] != _QUOTE or literal[-1] != _QUOTE:
            return None
        self.used = True
        return text

    def _run(self, values: bytes) -> Texts | None:
        """The texts of events, of which the first one's head and the last one's tail are left out."""
        texts: list[str] = []
        for one in values.split(self._tail + self._head):
            text = self._one(one)
            if text is None:
                return None
            texts.append(text)
        return tuple(texts)


class Repeats:
    """Knows the repetitions of the chunks of one stream, be they Chat chunks or Responses events.

    `learn` is shown a chunk that is none. `last` is then its shape, which tells of the next events what they
    say, if they are that chunk again; None where it cannot be repeated. `known` finds repetitions of the
    chunks before it: parallel calls may be told in turns.

    >>> repeats = Repeats()
    >>> data = b'{"choices": [{"index": 0, "delta": {"content": "Hel"}}]}'
    >>> repeats.learn(data, loads(data))
    >>> event = b'data: {"choices": [{"index": 0, "delta": {"content": "lo"}}]}\\n\\n'
    >>> repeats.last.texts(event), repeats.last.texts(event + event)
    ('lo', ('lo', 'lo'))
    >>> repeats.last.texts(event.replace(b"0", b"1")) is None
    True
    """

    __slots__ = ("_others", "_tries", "last")

    def __init__(self) -> None:
        self.last: Shape | None = None
        self._others: list[Shape] = []
        self._tries = _TRIES

    def forget(self) -> None:
        """The last chunk is none that could be repeated."""
        if self.last is not None:
            if self.last.used:
                self._tries = _TRIES
            self._others = [self.last, *self._others[: _KEPT - 1]]
            self.last = None

    def known(self, name: str | None, data: bytes) -> JSON | None:
        """The chunk in an event that repeats one before the last in all but its text, which then is the last
        one; what nobody reads is as in that one. None: it does not."""
        for shape in self._others:
            text = shape.text(name, data)
            if text is not None:
                self._others.remove(shape)
                self.forget()
                self.last = shape
                return with_text(shape.chunk, text)
        return None

    def learn(self, data: bytes, chunk: JSON, name: str | None = None) -> None:
        """Take this chunk, which `data` of an event with this name holds, as the last one."""
        self.forget()
        path = _path(chunk) if self._tries and b"\n" not in data else None
        if path is None:
            return
        self._tries -= 1
        unread = _UNREAD_FIELDS["chat" if "choices" in chunk else "responses"]
        others = [found for found in _UNREAD.finditer(data) if found[1].decode() in unread]
        # There may be keys of these names elsewhere: the places are right where other values in them make
        # this chunk with another text.
        text = f"{_at(chunk, path)}!"
        blank = {name: "" if isinstance(chunk[name], str) else None for name in unread if name in chunk}
        wanted = _put({**chunk, **blank}, path, text)
        padding = [(*found.span(3), _PADDING, _PADDING.other) for found in others if found[3]]
        numbers = [(*found.span(2), _NUMBER, _NUMBER.other) for found in others if found[2]]
        for found in _TEXT.finditer(data):
            values = sorted([*padding, *numbers, (*found.span(1), _SAID, dumps(text))], key=_place)
            fixed = _without(data, values)
            if _is_json(b"".join([fixed[0], *map(bytes.__add__, [v[3] for v in values], fixed[1:])]), wanted):
                self.last = Shape(chunk, name, fixed, [kind for _, _, kind, _ in values])
                return


_QUOTE = ord('"')

_Value: TypeAlias = tuple[int, int, _Kind, bytes]
"""Where in the bytes a value begins and ends, its kind, and another such value."""


def _place(value: _Value) -> int:
    return value[0]


def _without(data: bytes, values: list[_Value]) -> list[bytes]:
    """What stands before, between and after these values."""
    ends = [0, *(end for _, end, _, _ in values)]
    begins = [*(begin for begin, _, _, _ in values), len(data)]
    return [data[end:begin] for end, begin in zip(ends, begins, strict=True)]


def _is_json(data: bytes, wanted: JSON) -> bool:
    try:
        return bool(loads(data) == wanted)
    except ValueError:
        return False


_Path: TypeAlias = tuple[str | int, ...]

# Fields of a delta, or of a call in it, that hold more than a text -> the field of theirs that is one.
_CALLED = {"function": "arguments", "custom": "input", "function_call": "arguments"}


def _path(chunk: JSON) -> _Path | None:
    """Where the text of the delta is, where that is all that the chunk or event says."""
    if "choices" not in chunk:
        path: _Path = ("delta",)
        return path if not chunk.get("logprobs") and _is_text(chunk.get("delta")) else None
    choices = chunk["choices"]
    if not (isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict)):
        return None
    delta = choices[0].get("delta")
    if not isinstance(delta, dict) or choices[0].get("logprobs"):
        return None
    said = [name for name in delta if delta[name] and name != "role"]
    if len(said) != 1:
        return None
    path, value = ("choices", 0, "delta", said[0]), delta[said[0]]
    if isinstance(value, list) and said[0] == "tool_calls":
        if not (len(value) == 1 and isinstance(value[0], dict)):
            return None
        kind = "function" if "function" in value[0] else "custom"
        path, value = (*path, 0, kind), value[0].get(kind)
    if isinstance(value, dict) and path[-1] in _CALLED:
        field = _CALLED[str(path[-1])]
        path, value = (*path, field), value.get(field)
    return path if _is_text(value) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _at(value: Any, path: _Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: Any, path: _Path, text: str) -> Any:
    """The value with this text at the end of the path; what is not on the way there is the same object."""
    if not path:
        return text
    step, rest = path[0], path[1:]
    copied = value.copy()
    copied[step] = _put(value[step], rest, text)
    return copied


def with_text(chunk: JSON, text: str) -> JSON:
    """A chunk or event that `Repeats` has learned, with this text in place of its own."""
    path = _path(chunk)
    assert path is not None
    changed: JSON = _put(chunk, path, text)
    return changed
