"""Write runs into the documentation: `python -m benchmarks.report RUN.json...`.

The tables stand in `docs/performance.md` between markers, the plot in `docs/performance.svg`. Several runs
stand beside each other in the table of yardsticks; the others show the last one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.loads import FAST
from benchmarks.measurement import Result
from benchmarks.plot import Bar, bar_chart
from benchmarks.results import Run
from benchmarks.yardsticks import YARDSTICKS, Yardstick

__all__ = ["main", "page_with"]

DOCS = Path(__file__).resolve().parents[1] / "docs"

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

_UNITS = {"us/delta": "µs per delta", "us/request": "µs per request", "s": "seconds", "MB": "MB"}

_PLOT = "performance.svg"


def page_with(page: str, runs: Sequence[Run]) -> str:
    """The page with what these runs have measured between its markers. Raises ValueError without markers."""
    head, began, rest = page.partition(BEGIN)
    _, ended, tail = rest.partition(END)
    if not began or not ended:
        raise ValueError(f"the page needs {BEGIN} and {END}")
    parts = [_place(runs), _yardsticks(runs), f"![Cost beside a relay and a pass-through]({_PLOT})"]
    parts += [_scenarios(runs[-1])]
    return f"{head}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}{tail}"


def _place(runs: Sequence[Run]) -> str:
    place = runs[-1].place
    versions = ", ".join(f"{name} {version}" for name, version in place["packages"].items())
    count = "One run" if len(runs) == 1 else f"{len(runs)} runs one after the other"
    return f"{count} on {place['date']}: {place['machine']}, Python {place['python']}, {versions}."


def _yardsticks(runs: Sequence[Run]) -> str:
    head = ["yardstick", "limit", *(f"run {number}" for number in range(1, len(runs) + 1)), ""]
    rows = []
    for yardstick in YARDSTICKS:
        values = [yardstick.value(run.results) for run in runs]
        measured = [value for value in values if value is not None]
        if measured:
            met = all(map(yardstick.meets, measured))
            shown = ["" if value is None else f"{value:.2f}" for value in values]
            unit = "x" if yardstick.against else runs[-1].results[yardstick.scenario].unit
            limit = f"{yardstick.limit:g} {unit}"
            rows.append([_named(yardstick), limit, *shown, "met" if met else "**missed**"])
    return _table(head, rows)


def _named(yardstick: Yardstick) -> str:
    against = f" : {yardstick.against}" if yardstick.against else ""
    return f"`{yardstick.scenario}` {yardstick.contender}{against}"


def _scenarios(run: Run) -> str:
    rows = []
    for result in run.results.values():
        for contender in result.samples:
            unit = _UNITS.get(result.unit, result.unit)
            name = f"`{result.scenario}`" if contender == result.baseline else ""
            cost, ratio = _figure(result, contender), f"{result.ratio(contender):.2f}"
            rows.append([name, contender, cost, unit, ratio])
    return _table(["scenario", "contender", "CPU or memory", "", "x the first"], rows)


def _figure(result: Result, contender: str) -> str:
    return (
        f"{result.median(contender):.3g}"
        if result.unit != "us/request"
        else f"{result.median(contender):.0f}"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(run: Run) -> str:
    """The yardsticks that are ratios of what is served, as a chart."""
    bars = []
    for yardstick in YARDSTICKS:
        value = yardstick.value(run.results)
        if value is not None and yardstick.against in ("relay", "pass-through"):
            name = yardstick.scenario + (FAST if yardstick.contender.endswith(FAST) else "")
            bars.append(Bar(name, value, yardstick.limit))
    return bar_chart("CPU of the bridge, as a multiple of a relay or a pass-through (line: limit)", bars)


def main(files: Sequence[str]) -> int:
    """Write page and plot; returns the exit code."""
    if not files:
        print(f"{__doc__}", file=sys.stderr)
        return 2
    runs = [Run.read(json.loads(Path(name).read_text(encoding="utf-8"))) for name in files]
    page = DOCS / "performance.md"
    page.write_text(page_with(page.read_text(encoding="utf-8"), runs), encoding="utf-8")
    (DOCS / _PLOT).write_text(plot(runs[-1]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
