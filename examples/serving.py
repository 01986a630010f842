"""Run an ASGI app under a real uvicorn on a free loopback port, for as long as a `with` block lasts."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["ROOT", "uvicorn"]

ROOT = Path(__file__).resolve().parent.parent
RUNNING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")
START_SECONDS = 30.0
STOP_SECONDS = 5.0


@contextmanager
def uvicorn(app: str, *, folder: Path = ROOT) -> Iterator[str]:
    """Start `uvicorn APP` in `folder` and yield its base URL; the process is stopped on leaving.

    Raises RuntimeError with the server's own words when it does not come up.
    """
    command = [sys.executable, "-m", "uvicorn", app, "--port", "0", "--no-access-log", "--no-use-colors"]
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        with log.open("wb") as out:
            server = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield _wait(server, log)
        finally:
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if running := RUNNING.search(log.read_text()):
            return running.group(1)
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"uvicorn did not start:\n{log.read_text()}")
