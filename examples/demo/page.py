"""Prints the demo: headings, facts, and two columns side by side. Colour only on a terminal."""

from __future__ import annotations

import os
import shutil
import sys

__all__ = ["Page"]

CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
LABEL_WIDTH = 9


class Page:
    """Where the demo writes. It also keeps count of what went wrong."""

    def __init__(self) -> None:
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.width = min(shutil.get_terminal_size((110, 24)).columns, 120)
        self.promises = 0
        self._speaking = ""
        self.problems: list[str] = []

    def paint(self, text: str, *styles: str) -> str:
        """The text in colour, where there is colour."""
        if not self.colour or not text:
            return text
        return f"\033[{';'.join(CODES[style] for style in styles)}m{text}\033[0m"

    def line(self, text: str = "") -> None:
        if self._speaking:
            self._speaking = ""
            print()
        print(text, flush=True)

    def chapter(self, number: int, title: str, remark: str = "") -> None:
        self.line()
        gap = " " * max(2, self.width - len(title) - len(remark) - 3)
        self.line(self.paint(f"{number}  {title}", "bold", "cyan") + gap + self.paint(remark, "dim"))
        self.line(self.paint("─" * self.width, "dim"))

    def scene(self, title: str, code: str = "") -> None:
        self.line()
        self.line(self.paint(f"   {title}", "bold"))
        if code:
            self.line(self.paint(f"   >>> {code}", "blue"))

    def fact(self, label: str, text: str, *styles: str) -> None:
        self.line(f"   {self.paint(label.ljust(LABEL_WIDTH), 'dim')} {self.paint(text, *styles)}")

    def speak(self, label: str, text: str, *styles: str) -> None:
        """Add to a line that grows while an answer arrives; another label begins another line."""
        if label != self._speaking:
            print("\n" * bool(self._speaking), end="")
            print(f"   {self.paint(label.ljust(LABEL_WIDTH), 'dim')} ", end="")
            self._speaking = label
        print(self.paint(text, *styles), end="", flush=True)

    def check(self, holds: bool, promise: str) -> None:
        """Say whether a promise holds; one that does not makes the demo fail."""
        mark = self.paint("✓", "green") if holds else self.paint("✗", "red", "bold")
        self.line(f"   {mark} {promise}")
        self.promises += 1
        if not holds:
            self.problems.append(promise)

    def columns(self, left: str, right: str) -> None:
        """Head of a side-by-side table."""
        half = self._half()
        self.line("   " + self.paint(left.ljust(half), "dim") + self.paint("│ " + right, "dim"))

    def row(self, chunk: str | None, events: list[str]) -> None:
        """What went in, and all that came out because of it."""
        half, bar = self._half(), self.paint("│", "dim")
        for number, event in enumerate(events or [""]):
            left = "" if number else (chunk or "(the answer begins)")
            kind, _, detail = self._cut(event, self.width - half - 6).partition(" ")
            style = "red" if kind in ("error", "failed") else "green"
            said = self._cut(left, half - 1).ljust(half)
            self.line(f"   {said}{bar} {self.paint(kind, style)} {detail}".rstrip())

    def left_out(self, count: int) -> None:
        """A row that stands for more of the same."""
        said = f"   … {count} more like these"
        self.line(self.paint(said.ljust(self._half() + 3) + "│ …", "dim"))

    def _half(self) -> int:
        return self.width * 2 // 5

    @staticmethod
    def _cut(text: str, width: int) -> str:
        return text if len(text) <= width else text[: width - 1] + "…"
