"""A run of the benchmarks as a file: its results, and where they were measured."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import installed
from benchmarks.measurement import Result

__all__ = ["Run"]

_PACKAGES = ("responses-asgi", "httpx", "uvicorn", "starlette", "pydantic")
_FAST_PACKAGES = ("aiohttp", "orjson", "uvloop", "httptools")


@dataclass
class Run:
    """The results of one run by scenario, and its place: machine, Python, versions."""

    place: dict[str, Any]
    results: dict[str, Result] = field(default_factory=dict)

    @classmethod
    def begin(cls) -> Run:
        """A run that begins now, here."""
        fast = _FAST_PACKAGES if installed.has_fast() else ()
        return cls(
            {
                "date": datetime.now(UTC).date().isoformat(),
                "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
                "python": sys.version.split()[0],
                "packages": {name: _version(name) for name in (*_PACKAGES, *fast)},
            }
        )

    @classmethod
    def read(cls, document: dict[str, Any]) -> Run:
        """The run that `document` has written."""
        return cls(
            document["place"],
            {name: Result(name, **fields) for name, fields in document["results"].items()},
        )

    def document(self) -> dict[str, Any]:
        """All that was measured, as JSON."""
        return {
            "place": self.place,
            "results": {
                name: {
                    "unit": result.unit,
                    "baseline": result.baseline,
                    "samples": dict(result.samples),
                    "also": dict(result.also),
                }
                for name, result in self.results.items()
            },
        }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.processor()
