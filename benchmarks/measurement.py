"""What is measured, in turns, and what is made of it: medians, and ratios within each turn."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["REPEATS", "Result", "alternate"]

REPEATS = 5
"""How often each contender has its turn, unless asked otherwise."""


@dataclass(frozen=True)
class Result:
    """The samples of one scenario.

    - `unit`: of the samples, such as `us/delta`. `baseline`: the contender that others are compared with.
    - `samples`: by contender, in the order of the turns.
    - `also`: more figures by name, such as the cost of a request.
    """

    scenario: str
    unit: str
    baseline: str
    samples: Mapping[str, list[float]]
    also: Mapping[str, float] = field(default_factory=dict)

    def median(self, contender: str) -> float:
        """The median of a contender's samples."""
        return statistics.median(self.samples[contender])

    def ratio(self, contender: str, against: str = "") -> float:
        """The median of the ratios to another contender (the baseline) in the same turn.

        A machine that is slow for a while is so for both, which disturbs a ratio least.
        """
        pairs = zip(self.samples[contender], self.samples[against or self.baseline], strict=True)
        return statistics.median(one / other for one, other in pairs)


def alternate(
    measures: Mapping[str, Callable[[], float]], repeats: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """The samples of all contenders, A B C A B C ..., with `warm_up` after one turn that does not count."""
    samples: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(-1 if warm_up else 0, repeats):
        for name, measure in measures.items():
            sample = measure()
            if turn >= 0:
                samples[name].append(sample)
    return samples
