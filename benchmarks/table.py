"""Results as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.measurement import Result
from benchmarks.yardsticks import YARDSTICKS

__all__ = ["show_result", "show_yardsticks"]


def show_result(result: Result, about: str) -> None:
    """Print the contenders of a scenario: medians, ratios to the baseline, and the range of the samples."""
    print(f"\n{result.scenario}: {about} ({result.unit}, medians of {_turns(result)})")
    for contender, samples in result.samples.items():
        median, ratio = result.median(contender), result.ratio(contender)
        print(
            f"  {contender:<28} {median:>9.3g} {ratio:>7.2f}x   {min(samples):.3g} to {max(samples):.3g}",
            flush=True,
        )
    for name, value in result.also.items():
        print(f"  {name}: {value:.3g}", flush=True)


def show_yardsticks(results: Mapping[str, Result]) -> None:
    """Print what was measured beside what is promised."""
    rows = [(yardstick, value) for yardstick in YARDSTICKS if (value := yardstick.value(results)) is not None]
    if rows:
        print(f"\n{'yardstick':<66} {'limit':>7} {'measured':>9}")
    for yardstick, value in rows:
        against = f" / {yardstick.against}" if yardstick.against else f" ({results[yardstick.scenario].unit})"
        what = f"{yardstick.scenario}: {yardstick.contender}{against}"
        verdict = "met" if yardstick.meets(value) else "missed"
        print(f"{what:<66} {yardstick.limit:>7.3g} {value:>9.3g}  {verdict}")


def _turns(result: Result) -> int:
    return len(result.samples[result.baseline])
