"""How full a sliding window is, and when it will have room: arithmetic of what the counters tell.

What was used in the window before this one counts by the share of it that the last `period` seconds still
cover. Source: https://limits.readthedocs.io/en/stable/strategies.html#sliding-window-counter
"""

from __future__ import annotations

from math import floor
from typing import NamedTuple

__all__ = ["Window"]


class Window(NamedTuple):
    """What is counted of one limit.

    `limit` of so much in `period` seconds. `previous` counts for `previous_left` more seconds, ever less;
    `current` counts whole until it becomes the previous one, and is forgotten in `current_left` seconds.
    """

    limit: int
    period: int
    previous: int = 0
    previous_left: float = 0.0
    current: int = 0
    current_left: float = 0.0

    @property
    def used(self) -> int:
        """What counts now.

        >>> Window(100, 60, previous=50, previous_left=30.0, current=10, current_left=90.0).used
        35
        """
        return max(floor(self.previous * self.previous_left / self.period) + self.current, 0)

    @property
    def remaining(self) -> int:
        """What is left of the limit."""
        return max(self.limit - self.used, 0)

    @property
    def reset(self) -> float:
        """Seconds until all of the limit is there again, if nothing is used meanwhile."""
        return self.current_left if self.current > 0 else self.previous_left if self.previous > 0 else 0.0

    @property
    def shift(self) -> float:
        """Seconds until what is counted now is no longer of the current window."""
        return max(self.current_left - self.period, 0.0)

    def wait(self, cost: int) -> float:
        """Seconds until there is room for `cost`, which is at most the limit, if nothing is used meanwhile.

        >>> Window(100, 60, previous=100, previous_left=60.0, current=40, current_left=120.0).wait(30)
        42.0
        """
        room = self.limit - cost
        if self.current <= room:
            if not self.previous:
                return 0.0
            return max(self.previous_left - (room - self.current) * self.period / self.previous, 0.0)
        return self.shift + self.period * (1 - room / self.current)
