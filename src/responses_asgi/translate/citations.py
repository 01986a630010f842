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

# Code comes first, so that nothing in it is taken for a citation; then numbers, then all that may be a mark.
_CITING = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`"
    r"|[\[【](?P<numbers>\d{1,3}(?:\s*,\s*\d{1,3})*)[\]】](?!\()"
    r"""|(?P<mark>[a-z]{3,10}:[^\s\[\]【】<>"'`|]{1,2000})""",
    re.DOTALL,
)
_AFTER = ".,;:!?*/"
"""What may follow an address without being part of it."""
_MOST_CUTS = 8


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
        self._numbers: dict[int, Citation] = {}
        self._marks: dict[str, Citation] = {}
        self.add(known)

    def __bool__(self) -> bool:
        return bool(self._numbers or self._marks)

    @property
    def next_number(self) -> int:
        """The number of the next source that gets one."""
        return max(self._numbers, default=0) + 1

    def add(self, found: Sequence[Citation]) -> None:
        """Take sources that can be cited from now on."""
        for each in found:
            if each.number:
                self._numbers[each.number] = each
            for mark in each.marks:
                self._marks.setdefault(mark.rstrip("/"), each)

    def of(self, text: str) -> list[JSON]:
        """The annotations of a whole text, in its order. Positions are counted in characters."""
        if not self:
            return []
        return [
            cited.annotate(*place)
            for match in _CITING.finditer(text)
            for cited, place in self._cited(match, text)
        ]

    def _cited(self, match: re.Match[str], text: str) -> Iterator[tuple[Citation, tuple[int, int]]]:
        if match["numbers"]:
            numbers = dict.fromkeys(int(number) for number in match["numbers"].split(","))
            yield from ((self._numbers[each], match.span()) for each in numbers if each in self._numbers)
        elif match["mark"] and (mark := self._known(match["mark"])):
            place = match.start(), match.start() + len(mark)
            cited = self._marks[mark.rstrip("/")]
            yield cited, _around(text, *place) if cited.whole_link else place

    def _known(self, written: str) -> str | None:
        """The mark at the beginning of what is written; an address may have a slash more or less."""
        for _ in range(_MOST_CUTS):
            for mark in (written, written.partition("?utm_")[0]):
                bare = mark.rstrip(_AFTER)
                if bare in self._marks:
                    return mark[: len(bare) + mark.startswith("/", len(bare))]
            written, closed, _ = written.rpartition(")")
            if not closed:
                break
        return None


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
