"""Takes one text out of the JSON arguments that a function call wraps it in, as they come.

It is the input of a custom tool (`input`), or what a tool of the service is given (`code`).
1. `{"input": "..."}` is what was asked for: its text is said as it is written.
2. Models also write the bare text, another JSON document, or text that is no longer JSON because a quote was
   not escaped. None of it is lost: what cannot be told apart at once is said at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from responses_asgi.types.json import dumps, loads

__all__ = ["INPUT", "InputReader"]

INPUT = "input"
"""The one argument of a function that stands for a custom tool."""

_CLOSING_BEGUN = re.compile(r"\s*(\}\s*)?")
_CLOSED = re.compile(r'"\s*\}\s*$')
_PLAIN = re.compile(r'[^"\\]+')
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNICODE = re.compile(r"\\u([0-9A-Fa-f]{4})")
_PAIR = re.compile(r"\\u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}")
_ESCAPE_BEGUN = re.compile(r"\\(u[0-9A-Fa-f]{0,3})?")


class InputReader:
    """The arguments of one call. `feed` and `end` return what of the input is now known.

    `name` is the argument that holds it.

    >>> reader = InputReader()
    >>> reader.feed('{"inp'), reader.feed('ut": "a\\\\'), reader.feed('nb"}'), reader.end()
    ('', 'a', '\\nb', '')
    """

    def __init__(self, name: str = INPUT) -> None:
        self.left_out = False
        """Something that was said beside the input was left out."""
        self._name = name
        self._opened, self._opened_begun = _opening_of(name)
        self._written: list[str] = []
        self._rest = ""
        self._read: Callable[[], str] = self._opening

    def feed(self, text: str) -> str:
        """The input that these characters of the arguments add."""
        self._written.append(text)
        self._rest += text
        return self._read()

    def end(self) -> str:
        """What is left of the input, now that nothing follows."""
        if self._read == self._held:
            return self._whole("".join(self._written))
        rest, self._rest = self._rest, ""
        if self._read == self._opening:
            # A cut beginning of the wrapping is no input.
            return "" if rest.strip() else rest
        if self._read == self._closing and rest and not _CLOSING_BEGUN.fullmatch(rest):
            return self._after_quote(rest)
        # Inside the text the rest is half an escape: the arguments were cut there.
        return ""

    # Each of these reads from the rest what it can, and says who reads on.

    def _opening(self) -> str:
        opening = self._opened.match(self._rest)
        if opening:
            self._rest = self._rest[opening.end() :]
            self._read = self._text
            return self._text()
        if not self._opened_begun.fullmatch(self._rest):
            begin = self._rest.lstrip()[:1]
            # An object or a string may be JSON; that shows at its end.
            self._read = self._held if begin in '{"' else self._bare
            return self._read()
        return ""

    def _bare(self) -> str:
        text, self._rest = self._rest, ""
        return text

    def _held(self) -> str:
        self._rest = ""
        return ""

    def _text(self) -> str:
        said: list[str] = []
        rest, at = self._rest, 0
        while at < len(rest):
            plain = _PLAIN.match(rest, at)
            if plain:
                said.append(plain.group())
                at = plain.end()
            elif rest[at] == '"':
                self._rest = rest[at + 1 :]
                self._read = self._closing
                return "".join(said) + self._closing()
            else:
                length, character = _escape(rest, at)
                if not length:
                    break
                said.append(character)
                at += length
        self._rest = rest[at:]
        return "".join(said)

    def _closing(self) -> str:
        """After a quote: the end, further arguments, or a quote that should have been escaped."""
        begin = self._rest.lstrip()[:1]
        if begin in ("", "}", ","):
            return ""
        self._read = self._text
        return '"' + self._text()

    def _after_quote(self, rest: str) -> str:
        """What follows a quote that was held back, once it is known that the arguments end with it."""
        try:
            loads("".join(self._written))
        except ValueError:
            # Not JSON, but closed as if it were: then the quote belongs to the text.
            text = _CLOSED.sub("", rest)
            if text != rest or not rest.lstrip().startswith("}"):
                return '"' + text
        self.left_out = True
        return ""

    def _whole(self, written: str) -> str:
        """The input in arguments that are not in the form that was asked for."""
        try:
            found = loads(written or "{}")
        except ValueError:
            return written
        if isinstance(found, str):
            return found
        if self._name in found:
            self.left_out = len(found) > 1
            return _as_text(found[self._name])
        if len(found) == 1 and isinstance(only := next(iter(found.values())), str):
            return only
        return written if found else ""


@cache
def _opening_of(name: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What opens the wrapping, and every beginning of it. Servers that write arguments anew add spaces."""
    begun = r'"\s*(:\s*)?'
    for letter in reversed(name):
        begun = f"{letter}({begun})?"
    return re.compile(rf'\s*\{{\s*"{name}"\s*:\s*"'), re.compile(rf'\s*(\{{\s*("({begun})?)?)?')


def _escape(text: str, at: int) -> tuple[int, str]:
    """Length and meaning of the escape at a backslash; length 0 when it is not whole yet."""
    pair = _PAIR.match(text, at)
    if pair:
        return len(pair.group()), loads(f'"{pair.group()}"')
    digits = _UNICODE.match(text, at)
    if digits:
        return len(digits.group()), chr(int(digits.group(1), 16))
    if _ESCAPE_BEGUN.fullmatch(text, at):
        return 0, ""
    # What JSON does not know as an escape is a backslash that should have been escaped.
    mark = text[at + 1]
    return (2, _ESCAPES[mark]) if mark in _ESCAPES else (1, "\\")


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else dumps(value).decode()
