"""What a process of the benchmarks may use: the package alone, or its extra `fast` as well.

The fast libraries need not be in the environment that develops the package: `make bench` puts them into a
folder of their own, looked into last. `python -m benchmarks.installed` does that.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

__all__ = ["FAST", "choose", "has_fast", "install"]

FAST = ("aiohttp", "orjson", "uvloop", "httptools")
"""The modules of the extra."""

_ROOT = Path(__file__).resolve().parents[1]
_FOLDER = _ROOT / ".cache" / "fast"


def choose(*, fast: bool) -> None:
    """Make the modules of the extra importable, or not; to be called before the package is imported."""
    if fast:
        _look_into_folder()
        return
    for name in FAST:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for "not there"


def has_fast() -> bool:
    """Whether the extra can be chosen."""
    _look_into_folder()
    return all(find_spec(name) for name in FAST)


def _look_into_folder() -> None:
    if str(_FOLDER) not in sys.path:
        sys.path.append(str(_FOLDER))


def install() -> None:
    """Put what the extra asks for into the folder."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    asked = project["optional-dependencies"]["fast"]
    subprocess.run([*pip, "--upgrade", "--target", str(_FOLDER), *asked], check=True)


if __name__ == "__main__":
    install()
