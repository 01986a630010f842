"""Measure: `python -m benchmarks [NAME...]`, all without a name, which may be a pattern such as `http-*`."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measurement import REPEATS
from benchmarks.results import Run
from benchmarks.suite import SUITE
from benchmarks.table import show_result, show_yardsticks

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Measure what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a scenario, or a pattern; default: all")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="turns of each contender (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples here")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    asked = parser.parse_args(arguments)
    if asked.list:
        for name, scenario in SUITE.items():
            print(f"{name:<34} {scenario.about}")
        return 0
    names = _chosen(asked.names)
    if not names:
        parser.error(f"no scenario is named {' or '.join(asked.names)}; see --list")
    run = Run.begin()
    for name in names:
        result = SUITE[name].measure(name, asked.repeats)
        show_result(result, SUITE[name].about)
        run.results[name] = result
        if asked.json:
            asked.json.parent.mkdir(parents=True, exist_ok=True)
            asked.json.write_text(json.dumps(run.document(), indent=1) + "\n", encoding="utf-8")
    show_yardsticks(run.results)
    return 0


def _chosen(patterns: Sequence[str]) -> list[str]:
    """The scenarios that are named; without names all that need not be asked for by name."""
    if not patterns:
        return [name for name, scenario in SUITE.items() if not scenario.only_by_name]
    return [name for name in SUITE if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
