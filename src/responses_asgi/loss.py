"""The loss report: what a translation dropped, clamped or emulated, told to client, hooks and log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple
from urllib.parse import quote

__all__ = ["LOSS_HEADER", "Action", "Loss", "Losses", "header_value"]

LOSS_HEADER = "x-responses-asgi-loss"
MAX_HEADER_BYTES = 1024

Action = Literal["dropped", "clamped", "emulated"]


class Loss(NamedTuple):
    """One thing that did not pass through as it was: where, what was done, and why.

    >>> Loss("reasoning.summary", "dropped", "Chat Completions has no reasoning summaries")
    Loss(path='reasoning.summary', action='dropped', reason='Chat Completions has no reasoning summaries')
    """

    path: str
    action: Action
    reason: str


class Losses(list[Loss]):
    """The losses of one exchange, each path and action once."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        super().__init__()
        self._seen: set[tuple[str, Action]] | None = None  # most requests lose nothing

    def report(self, path: str, action: Action, reason: str) -> None:
        """Add a loss unless the same path and action is there already."""
        seen = self._seen = set() if self._seen is None else self._seen
        if (path, action) not in seen:
            seen.add((path, action))
            self.append(Loss(path, action, reason))


def header_value(losses: Iterable[Loss]) -> str:
    """The value of the `x-responses-asgi-loss` header: `path;action` pairs, percent-encoded, at most 1 KiB.

    What does not fit is counted at the end as `;+N`.

    >>> header_value([Loss("reasoning.summary", "dropped", "..."), Loss("tools[0]", "dropped", "...")])
    'reasoning.summary;dropped, tools[0];dropped'
    """
    entries = [f"{quote(loss.path, safe='.[]_-')};{loss.action}" for loss in losses]
    kept: list[str] = []
    size = 0
    for entry in entries:
        size += len(entry) + 2
        if size > MAX_HEADER_BYTES - len(f";+{len(entries)}"):
            break
        kept.append(entry)
    left = len(entries) - len(kept)
    return ", ".join(kept) + (f";+{left}" if left else "")
