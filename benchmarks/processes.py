"""Programs of the benchmarks, and what they use: CPU time and memory of a process and all its children."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Process", "module", "running"]

ROOT = Path(__file__).resolve().parents[1]

SECONDS = 60.0
"""The longest that a program may take to end."""


class Process:
    """A running program with its children."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid = pid
        self.url = url

    def cpu(self) -> float:
        """Seconds of CPU, user and system, in all threads so far; of children only while they run."""
        return sum(_cpu(pid) for pid in _tree(self.pid))

    def memory(self) -> int:
        """Bytes that are resident now."""
        pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _tree(self.pid))
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def _cpu(pid: int) -> float:
    # The clock of another process, as clock_getcpuclockid(3) makes its id on Linux: nanoseconds, where
    # /proc/PID/stat has hundredths of a second.
    return time.clock_gettime((~pid << 3) | 2)


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of the benchmarks."""
    return [sys.executable, "-m", f"benchmarks.{name}", *arguments]


@contextmanager
def running(command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """A program that prints its port on its first line; ended at the end of the block.

    Raises RuntimeError when it ends before that.
    """
    program = subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, **(environment or {})}, text=True, cwd=ROOT
    )
    assert program.stdout is not None
    try:
        port = program.stdout.readline().strip()
        if not port.isdigit():
            raise RuntimeError(f"{' '.join(command)} did not start: {port!r}")
        yield Process(program.pid, f"http://127.0.0.1:{port}")
    finally:
        program.terminate()
        try:
            program.wait(SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
        program.stdout.close()
