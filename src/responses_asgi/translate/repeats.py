"""Chunks that repeat the one before them in all but their text: known by their bytes, and never parsed.

The text is what the model writes: what it says or thinks, or the arguments of a call.

Nearly every chunk of a long answer is one. To parse it, and to find out once more that there is nothing in it
but text, is most of what a delta costs; here it is a few comparisons. What else a server says (a finish
reason, figures, another time) makes a chunk that is read as ever.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["Repeats", "with_text"]

_TEXT = re.compile(
    rb'"(?:content|reasoning_content|reasoning|arguments|delta)"\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")'
)

# Fields of the chunk or event itself that nobody reads, and that differ in each: they may say anything.
_UNREAD = re.compile(rb'"(sequence_number|obfuscation)"\s*:\s*([1-9][0-9]*|"[0-9A-Za-z]+")')
_UNREAD_FIELDS = {"chat": ("obfuscation",), "responses": ("sequence_number", "obfuscation")}

_CALLS = "tool_calls"

# Chunks that are learned from in vain before no more is tried.
_TRIES = 4


class _Slot(NamedTuple):
    """A value that may differ; `after`: the bytes between it and the next one, or the end."""

    is_text: bool
    after: bytes


class Repeats:
    """Knows the repetitions of the last chunk of one stream, be it a Chat chunk or a Responses event.

    `learn` is shown a chunk that is none, and `text` tells of the next one what text it has, if it is one.

    >>> repeats = Repeats()
    >>> data = b'{"choices": [{"index": 0, "delta": {"content": "Hel"}}]}'
    >>> repeats.learn(data, loads(data))
    >>> repeats.text(b'{"choices": [{"index": 0, "delta": {"content": "lo"}}]}')
    'lo'
    >>> repeats.text(b'{"choices": [{"index": 1, "delta": {"content": "lo"}}]}') is None
    True
    """

    __slots__ = ("_head", "_slots", "_tail", "_tries")

    def __init__(self) -> None:
        self._head: bytes | None = None
        self._slots: list[_Slot] = []
        self._tail = b""
        self._tries = _TRIES

    def forget(self) -> None:
        """There is no last chunk that could be repeated."""
        self._head = None

    def text(self, data: bytes) -> str | None:
        """The text of this chunk, if it has one, and is otherwise the last one again; None: it is not."""
        if self._head is None or not (data.startswith(self._head) and data.endswith(self._tail)):
            return None
        begin, last, literal = len(self._head), len(data) - len(self._tail), b""
        for is_text, after in self._slots:
            end = data.find(after, begin, last) if after else last
            if end < 0:
                return None
            if is_text:
                literal = data[begin:end]
            elif not _is_unread(data[begin:end]):
                return None
            begin = end + len(after)
        try:
            # No bytes between two values can stand in a string, so that this is all of the text or no JSON.
            text = loads(literal)
        except ValueError:
            return None
        self._tries = _TRIES
        return text if text and isinstance(text, str) else None

    def learn(self, data: bytes, chunk: JSON) -> None:
        """Take this chunk, which `data` holds, as the one that is repeated from now on."""
        self.forget()
        text = _only_text(chunk) if self._tries else None
        if text is None:
            return
        self._tries -= 1
        unread = _UNREAD_FIELDS["chat" if "choices" in chunk else "responses"]
        others = [found for found in _UNREAD.finditer(data) if found[1].decode() in unread]
        # There may be keys of these names elsewhere: the places are right where other values in them make
        # this chunk with another text.
        wanted = {name: None if name in unread else value for name, value in chunk.items()}
        wanted = with_text(wanted, f"{text}!")
        for found in _TEXT.finditer(data):
            values = sorted([(*found.span(1), True), *((*other.span(2), False) for other in others)])
            fixed = _without(data, values)
            other = [dumps(f"{text}!") if is_text else b"null" for _, _, is_text in values]
            if _is_json(b"".join([fixed[0], *map(bytes.__add__, other, fixed[1:])]), wanted):
                self._head, self._tail = fixed[0], fixed[-1]
                after = [*fixed[1:-1], b""]
                self._slots = [_Slot(value[2], follows) for value, follows in zip(values, after, strict=True)]
                return


def _without(data: bytes, values: list[tuple[int, int, bool]]) -> list[bytes]:
    """What stands before, between and after these values, of which each is (begin, end, is text)."""
    ends = [0, *(end for _, end, _ in values)]
    begins = [*(begin for begin, _, _ in values), len(data)]
    return [data[end:begin] for end, begin in zip(ends, begins, strict=True)]


def _is_json(data: bytes, wanted: JSON) -> bool:
    try:
        return bool(loads(data) == wanted)
    except ValueError:
        return False


def _is_unread(value: bytes) -> bool:
    """Whether this is a value that a field may have which nobody reads: a number, or letters and digits."""
    if value[:1] == b'"':
        return value[-1:] == b'"' and value[1:-1].isalnum()
    return value.isdigit() and value[:1] != b"0"


def _only_text(chunk: JSON) -> str | None:
    """The text of the delta, where that is all that the chunk or event says."""
    if "choices" not in chunk:
        text = chunk.get("delta")
        return text if isinstance(text, str) and text and not chunk.get("logprobs") else None
    choices = chunk["choices"]
    if not (isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict)):
        return None
    delta = choices[0].get("delta")
    if not isinstance(delta, dict) or choices[0].get("logprobs"):
        return None
    said = [name for name in delta if delta[name] and name != "role"]
    if len(said) != 1:
        return None
    text = _arguments(delta[_CALLS]) if said[0] == _CALLS else delta[said[0]]
    return text if isinstance(text, str) and text else None


def _arguments(calls: object) -> object:
    """The arguments of the one function call in this list; None where there are none, or other calls."""
    if not (isinstance(calls, list) and len(calls) == 1 and isinstance(calls[0], dict)):
        return None
    function = calls[0].get("function")
    return function.get("arguments") if isinstance(function, dict) else None


def with_text(chunk: JSON, text: str) -> JSON:
    """A chunk or event that `Repeats` has learned, with this text in place of its own."""
    if "choices" not in chunk:
        return {**chunk, "delta": text}
    choice = chunk["choices"][0]
    delta = {
        name: (_with_arguments(value, text) if name == _CALLS else text)
        if value and name != "role"
        else value
        for name, value in choice["delta"].items()
    }
    return {**chunk, "choices": [{**choice, "delta": delta}]}


def _with_arguments(calls: list[JSON], text: str) -> list[JSON]:
    (call,) = calls
    return [{**call, "function": {**call["function"], "arguments": text}}]
