"""Labels of metrics, of which there are only so many: clients write some of what they hold."""

from __future__ import annotations

import re

__all__ = ["OTHER", "Labels", "encodable", "path_label"]

OTHER = "other"
"""What stands for all labels beyond the bound."""

_INDEX = re.compile(r"\[\d+\]")


class Labels:
    """The first `most` different labels, and `other` for every later one.

    >>> labels = Labels(1)
    >>> labels["gpt-5"], labels["made-up"], labels["gpt-5"]
    ('gpt-5', 'other', 'gpt-5')
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __getitem__(self, label: str) -> str:
        label = encodable(label)
        if label not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(label)
        return label


def encodable(name: str) -> str:
    r"""The name with escapes for halves of characters: JSON has them, UTF-8 and so the exporters have not.

    >>> encodable("gpt-5 \ud800 é")
    'gpt-5 \\ud800 é'
    """
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def path_label(path: str) -> str:
    """The path of a loss, the same for each element of a list.

    >>> path_label("tools[3].strict")
    'tools[].strict'
    """
    return _INDEX.sub("[]", path)
