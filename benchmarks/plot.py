"""A bar chart as SVG, written by hand: a few rectangles and words, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

__all__ = ["Bar", "bar_chart"]

_WIDTH = 760
_LABELS = 300
"""Where the bars begin."""

_ROW = 24
_BAR = 14
_TOP = 44
_FIGURE = 54
"""Room for the figure after a bar."""

_COLOURS = {True: "#2a9d8f", False: "#e76f51"}
"""Of bars within their limit, and beyond it."""

_GREY = "#8a8a8a"


class Bar(NamedTuple):
    """One bar: what it is, its length, the most that it may be (0: no limit)."""

    label: str
    value: float
    limit: float = 0.0

    @property
    def colour(self) -> str:
        return _COLOURS[self.value <= self.limit] if self.limit else _GREY


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """The bars below each other, from zero; limits are lines across them.

    >>> bar_chart("Speed", [Bar("a", 1.0)]).startswith("<svg ")
    True
    """
    most = max(max(bar.value, bar.limit) for bar in bars)
    scale = (_WIDTH - _LABELS - _FIGURE) / most
    height = _TOP + _ROW * len(bars) + 8
    rows = [_row(bar, _TOP + _ROW * number, scale) for number, bar in enumerate(bars)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'font-family="system-ui, sans-serif" font-size="13" fill="{_GREY}">',
            f"<title>{escape(title)}</title>",
            f'<text x="0" y="20" font-size="15" font-weight="600">{escape(title)}</text>',
            *rows,
            "</svg>\n",
        ]
    )


def _row(bar: Bar, top: float, scale: float) -> str:
    length = bar.value * scale
    middle = top + _BAR - 3
    drawn = [
        f'<text x="{_LABELS - 10}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{_LABELS}" y="{top}" width="{length:.1f}" height="{_BAR}" rx="2" fill="{bar.colour}"/>',
        f'<text x="{_LABELS + length + 8:.1f}" y="{middle}">{bar.value:.2f}</text>',
    ]
    if bar.limit:
        at = _LABELS + bar.limit * scale
        line = f'x1="{at:.1f}" x2="{at:.1f}" y1="{top - 3}" y2="{top + _BAR + 3}"'
        drawn.append(f'<line {line} stroke="{_GREY}" stroke-width="2"/>')
    return "\n".join(drawn)
