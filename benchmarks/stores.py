"""Stores that servers keep answers in while they are measured."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["STORES", "available", "store_url"]

STORES = ("memory", "SQLite", "Redis")

_SECONDS = 30.0


def available(store: str) -> bool:
    """Whether the store can be had on this machine: Redis needs its server's program."""
    return store != "Redis" or shutil.which("redis-server") is not None


@contextmanager
def store_url(store: str) -> Iterator[str]:
    """The URL of a store of this kind that is empty, and gone at the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        if store == "memory":
            yield "memory"
        elif store == "SQLite":
            yield f"sqlite:///{Path(folder) / 'state.db'}"
        else:
            with _redis(folder) as url:
                yield url


@contextmanager
def _redis(folder: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}"
    finally:
        program.terminate()
        program.wait()


def _wait_for(port: int) -> None:
    ends = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.05)
        else:
            return
