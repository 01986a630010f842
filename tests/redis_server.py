"""A real redis-server on a free port of 127.0.0.1, stopped by its process id, and stores over it.

Nothing outlives it on disk.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from responses_asgi.stores.redis import RedisStore
from tests.store_rules import Subject

BINARY = shutil.which("redis-server") or shutil.which("valkey-server")
START_SECONDS = 20.0


class RedisServer:
    """One server and its folder. `port` stays the same over `stop` and `start`.

    - `options`: of redis-server, as on its command line.
    - `persistent`: what was written is there again after `stop` and `start`.
    """

    def __init__(self, folder: Path, *options: str, persistent: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = (*options, "--appendonly", "yes" if persistent else "no")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert BINARY is not None
        command = [BINARY, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        log = self.folder / "redis.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, "--save", "", *self._options], stdout=out, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"redis-server did not start:\n{log.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the process; without `persistent` its content is gone."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        """Whether it speaks: a server that wants a password says so, which is an answer too."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as asked:
                asked.sendall(b"PING\r\n")
                return asked.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


@contextmanager
def redis_server(*options: str, persistent: bool = False) -> Iterator[RedisServer]:
    """A running server for as long as the block lasts. Skips the test where there is no redis-server."""
    if BINARY is None:
        pytest.skip("redis-server is not installed")
    with tempfile.TemporaryDirectory() as folder:
        server = _started(Path(folder), *options, persistent=persistent)
        try:
            yield server
        finally:
            server.stop()


@asynccontextmanager
async def opened(url: str | None, **options: Any) -> AsyncIterator[RedisStore]:
    """A store that is closed at the end."""
    store = RedisStore(url, **options)
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def subject_of(server: RedisServer, *, short: bool) -> AsyncIterator[Subject]:
    """What the rules of every store are told of this one. `short`: they are to see records expire; the others
    are not to, however slow the machine is."""
    ttl = 2.0 if short else 100.0

    def another() -> RedisStore:
        return RedisStore(server.url, ttl=ttl, timeout=20)

    store = another()
    try:
        yield Subject(
            store=store, wait=asyncio.sleep, second=0.4, store_ttl=ttl, again=another, largest=20_000_000
        )
    finally:
        await store.aclose()


@asynccontextmanager
async def losing_one_answer(port: int) -> AsyncIterator[int]:
    """A relay to Redis that cuts the connection in place of the first answer after `lost` was written."""
    lost = False

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lost
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        while asked := await reader.read(1 << 16):
            up_writer.write(asked)
            answer = await up_reader.read(1 << 16)
            if b"lost" in asked and not lost:
                lost = True
                break
            writer.write(answer)
        up_writer.close()
        writer.close()

    relay = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield relay.sockets[0].getsockname()[1]
    finally:
        relay.close()
    assert lost


def keys_of(plain: redis.Redis, pattern: str = "*") -> list[bytes]:
    """The keys in this Redis."""
    return sorted(set(plain.scan_iter(pattern)))


def _started(folder: Path, *options: str, persistent: bool) -> RedisServer:
    for tries_left in (2, 1, 0):
        server = RedisServer(folder, *options, persistent=persistent)
        try:
            server.start()
        except RuntimeError as error:
            # Somebody else may have taken the port in between.
            if "Address already in use" not in str(error) or not tries_left:
                raise
        else:
            return server
    raise AssertionError("unreachable")


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
