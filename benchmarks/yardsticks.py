"""What the package promises of its speed: one table, which every run is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.loads import FAST
from benchmarks.measurement import Result

__all__ = ["YARDSTICKS", "Yardstick"]


@dataclass(frozen=True)
class Yardstick:
    """The most that a contender of a scenario may cost: in the unit of the scenario, or, with `against`, as
    a multiple of what that one costs in the same turn."""

    scenario: str
    contender: str
    limit: float
    against: str = ""

    def value(self, results: Mapping[str, Result]) -> float | None:
        """What was measured; None where it was not."""
        result = results.get(self.scenario)
        if result is None or self.contender not in result.samples:
            return None
        return result.ratio(self.contender, self.against) if self.against else result.median(self.contender)

    def meets(self, value: float) -> bool:
        """Whether this value is within the limit."""
        return value <= self.limit


YARDSTICKS: tuple[Yardstick, ...] = (
    Yardstick("in-process-burst", "middleware", 1.6, against="pass-through"),
    Yardstick("in-process-paced", "middleware", 1.4, against="pass-through"),
    Yardstick("in-process-burst-from-responses", "middleware", 1.6, against="pass-through"),
    Yardstick("in-process-paced-from-responses", "middleware", 1.4, against="pass-through"),
    Yardstick("http-burst", "bridge", 1.25, against="relay"),
    Yardstick("http-paced", "bridge", 1.15, against="relay"),
    Yardstick("http-burst-from-responses", "bridge", 1.25, against="relay"),
    Yardstick("http-paced-from-responses", "bridge", 1.15, against="relay"),
    Yardstick("http-burst", f"bridge{FAST}", 0.4, against="relay"),
    Yardstick("http-paced", f"bridge{FAST}", 0.7, against="relay"),
    Yardstick("http-short", f"bridge{FAST}", 0.4, against="relay"),
    Yardstick("translator", "text", 3.0),
    Yardstick("translator", "text from Responses", 3.0),
    Yardstick("http-long", "20,000 deltas", 1.1, against="400 deltas"),
    Yardstick("open-in-process", "middleware", 25.0),
    Yardstick("open-http", "bridge", 45.0),
    Yardstick("import", "import responses_asgi", 0.2),
)
"""Of the design's yardsticks none is left out; both directions are held against the same."""
