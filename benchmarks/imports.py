"""What it costs to import the package: CPU of a new process, beside one that imports nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial

from benchmarks.measurement import Result, alternate
from benchmarks.processes import ROOT

__all__ = ["PROGRAMS", "measure"]

PROGRAMS = {
    "python": "",
    "import responses_asgi": "import responses_asgi",
    "ResponsesMiddleware": "from responses_asgi import ResponsesMiddleware",
    "Gateway": "from responses_asgi import Gateway",
}

_COST = (
    "import resource; used = resource.getrusage(resource.RUSAGE_SELF); print(used.ru_utime + used.ru_stime)"
)


def measure(name: str, repeats: int) -> Result:
    """Seconds of CPU of each program, start of the interpreter included."""
    measures: dict[str, Callable[[], float]] = {
        program: partial(_seconds, code) for program, code in PROGRAMS.items()
    }
    return Result(name, "s", "python", alternate(measures, repeats))


def _seconds(code: str) -> float:
    command = [sys.executable, "-c", f"{code}\n{_COST}"]
    return float(subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT).stdout)
