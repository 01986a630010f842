"""Chunks that repeat the one before them in all but their text: known by their bytes, and never parsed.

Nearly every chunk of a long answer is one. To parse it, and to find out once more that there is nothing in it
but text, is most of what a delta costs; here it is two comparisons. What else a server says (a finish reason,
figures, another time) makes a chunk that is read as ever.
"""

from __future__ import annotations

import re

from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["Repeats", "with_text"]

_TEXT = re.compile(rb'"(content|reasoning_content|reasoning)"\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")')

# Chunks that are learned from in vain before no more is tried: those of some servers hold random padding.
_TRIES = 4


class Repeats:
    """Knows the repetitions of the last chunk of one stream.

    `learn` is shown a chunk that is none, and `text` tells of the next one what text it has, if it is one.

    >>> repeats = Repeats()
    >>> data = b'{"choices": [{"index": 0, "delta": {"content": "Hel"}}]}'
    >>> repeats.learn(data, loads(data))
    >>> repeats.text(b'{"choices": [{"index": 0, "delta": {"content": "lo"}}]}')
    'lo'
    >>> repeats.text(b'{"choices": [{"index": 1, "delta": {"content": "lo"}}]}') is None
    True
    """

    __slots__ = ("_head", "_tail", "_tries")

    def __init__(self) -> None:
        self._head: bytes | None = None
        self._tail = b""
        self._tries = _TRIES

    def forget(self) -> None:
        """There is no last chunk that could be repeated."""
        self._head = None

    def text(self, data: bytes) -> str | None:
        """The text of this chunk, if it has one, and is otherwise the last one again; None: it is not."""
        head, tail = self._head, self._tail
        if head is None or not (data.startswith(head) and data.endswith(tail)):
            return None
        try:
            text = loads(data[len(head) : -len(tail)])
        except ValueError:
            return None
        self._tries = _TRIES
        return text if text and isinstance(text, str) else None

    def learn(self, data: bytes, chunk: JSON) -> None:
        """Take this chunk, which `data` holds, as the one that is repeated from now on."""
        self.forget()
        field = _only_text(chunk) if self._tries else None
        if field is None:
            return
        self._tries -= 1
        for found in _TEXT.finditer(data):
            head, tail = data[: found.start(2)], data[found.end(2) :]
            # A key of this name may stand elsewhere, too: the place is right if another text there is this
            # chunk's text.
            other = f"{chunk['choices'][0]['delta'][field]}!"
            if loads(head + dumps(other) + tail) == with_text(chunk, other):
                self._head, self._tail = head, tail
                return


def _only_text(chunk: JSON) -> str | None:
    """The field of the delta that holds its text, where that is all that one choice says."""
    choices = chunk.get("choices")
    if not (isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict)):
        return None
    delta = choices[0].get("delta")
    if not isinstance(delta, dict) or choices[0].get("logprobs"):
        return None
    said = [name for name in delta if delta[name] and name != "role"]
    return said[0] if len(said) == 1 and isinstance(delta[said[0]], str) else None


def with_text(chunk: JSON, text: str) -> JSON:
    """A chunk that `Repeats` has learned, with this text in place of its own."""
    choice = chunk["choices"][0]
    delta = {name: text if value and name != "role" else value for name, value in choice["delta"].items()}
    return {**chunk, "choices": [{**choice, "delta": delta}]}
