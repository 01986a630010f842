"""Where a text cites what tools found: its annotations.

A model cites a source by the number under which it was told of it (`[2]`, `[1, 3]`), or by writing its mark,
which is the address of a page or the name of a file. Code in the text cites nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from responses_asgi.types.json import JSON

__all__ = ["Citation", "Citations"]

# Code comes first, so that nothing in it is taken for a citation.
_CODE = r"```.*?(?:```|\Z)|`[^`\n]*`"
_NUMBERS = r"[\[【](?P<numbers>\d{1,3}(?:\s*,\s*\d{1,3})*)[\]】](?!\()"
# What may follow an address, so that it is not the beginning of a longer one.
_ENDED = r"""/?(?=[\s)\]>"'`*|,;]|[.!?:](?:[\s)\]*]|\Z)|\?utm_|\Z)"""


class Citation(NamedTuple):
    """One source: what it is cited by, and what an annotation says of it.

    `number` 0: it has none. `annotate(start, end)` makes the annotation of the characters that cite it; of a
    mark in a link these are the `whole_link`, or only the mark.
    """

    number: int
    marks: Sequence[str]
    annotate: Callable[[int, int], JSON]
    whole_link: bool = True


class Citations:
    """All sources of one response.

    >>> page = Citation(1, ["https://a.test/"], lambda start, end: {"from": start, "to": end})
    >>> Citations([page]).of("So it is [1]. See [A](https://a.test).")
    [{'from': 9, 'to': 12}, {'from': 18, 'to': 37}]
    """

    def __init__(self, known: Sequence[Citation] = ()) -> None:
        self._known: list[Citation] = []
        self._pattern: re.Pattern[str] | None = None
        self.add(known)

    def __bool__(self) -> bool:
        return bool(self._known)

    @property
    def next_number(self) -> int:
        """The number of the next source that gets one."""
        return max((each.number for each in self._known), default=0) + 1

    def add(self, found: Sequence[Citation]) -> None:
        """Take sources that can be cited from now on."""
        self._known += found
        self._pattern = None

    def of(self, text: str) -> list[JSON]:
        """The annotations of a whole text, in its order. Positions are counted in characters."""
        if not self._known:
            return []
        if self._pattern is None:
            self._pattern = self._made()
        return [
            cited.annotate(*place)
            for match in self._pattern.finditer(text)
            for cited, place in self._cited(match, text)
        ]

    def _made(self) -> re.Pattern[str]:
        marks = {_bare(mark) for each in self._known for mark in each.marks} - {""}
        named = "|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True))
        marked = f"|(?P<mark>{named}){_ENDED}" if named else ""
        return re.compile(f"{_CODE}|{_NUMBERS}{marked}", re.DOTALL)

    def _cited(self, match: re.Match[str], text: str) -> Iterator[tuple[Citation, tuple[int, int]]]:
        said = match.groupdict()
        if said["numbers"]:
            numbers = dict.fromkeys(int(number) for number in said["numbers"].split(","))
            by_number = {each.number: each for each in self._known if each.number}
            yield from ((by_number[number], match.span()) for number in numbers if by_number.get(number))
        elif mark := said.get("mark"):
            marked = next(each for each in self._known if mark in map(_bare, each.marks))
            yield marked, _around(text, *match.span()) if marked.whole_link else match.span()


def _bare(mark: str) -> str:
    """A mark without the slash at its end, which addresses have or have not."""
    return mark.rstrip("/")


def _around(text: str, start: int, end: int) -> tuple[int, int]:
    """The whole link that an address stands in, with the parentheses around it."""
    opening, closing = text.rfind("[", 0, start), text.find(")", end)
    linked = text[start - 2 : start] == "](" and opening >= 0 and closing >= 0
    if not linked or re.search(r"\s", text[end:closing]):
        return start, end
    begin, after = opening, closing + 1
    if text[begin - 1 : begin] == "(" and text[after : after + 1] == ")":
        return begin - 1, after + 1
    return begin, after
