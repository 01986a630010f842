"""Cuts a text at the first stop sequence, for upstreams that cannot be told to stop there."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["StopCut"]


class StopCut:
    """The cut of one answer's text. What may be the beginning of a stop sequence is held back.

    >>> cut = StopCut(["END"])
    >>> cut.feed("one E"), cut.feed("N two EN"), cut.feed("D three"), cut.hit
    ('one ', 'EN two ', '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.hit = False
        self._stops = [stop for stop in stops if stop]
        self._held = ""

    def feed(self, text: str) -> str:
        """The part of the text so far that is certain to be kept and was not returned before."""
        if self.hit:
            return ""
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            # The one that is complete first, as where the model itself would have stopped.
            self.hit, self._held = True, ""
            return text[: min(found)[1]]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held when the text ended: it was no stop sequence after all."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many last characters of the text may begin the stop sequence."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
