"""A service with background responses in processes of its own, which tests start, kill and stop.

Settings come from the environment, so that `uvicorn tests.background_service:app` needs no code.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import httpx

from responses_asgi import BackgroundLimits, ResponsesMiddleware, Upstream, Webhook
from responses_asgi.types.json import JSON, dumps, loads

ROOT = Path(__file__).parent.parent

STORE, LIMITS, HOOK, SECRET = "SERVICE_STORE", "SERVICE_LIMITS", "SERVICE_HOOK", "SERVICE_SECRET"

START_SECONDS = 40.0


async def words(request: JSON) -> AsyncGenerator[str]:
    """Asked for "20 0.05": says that many words, with these seconds before each."""
    count, _, seconds = request["messages"][-1]["content"].partition(" ")
    for number in range(int(count)):
        await asyncio.sleep(float(seconds))
        yield f"w{number} "


def words_up_to(count: int) -> str:
    """What the model says when it is asked for so many."""
    return "".join(f"w{number} " for number in range(count))


def make_app(environ: Mapping[str, str] = os.environ) -> ResponsesMiddleware:
    """The service as its environment describes it."""
    settings: dict[str, Any] = {}
    if HOOK in environ:
        settings["webhooks"] = [Webhook(environ[HOOK], [environ[SECRET]], allow_private=True)]
    limits = BackgroundLimits(**loads(environ.get(LIMITS, "{}")))
    return ResponsesMiddleware(
        Upstream.handler(words), store=environ.get(STORE, "memory"), background=limits, **settings
    )


app = make_app() if STORE in os.environ else None


class Process:
    """One process that serves; `url` ends in /v1. It is ended at the end of the block."""

    def __init__(
        self,
        store: str,
        folder: Path,
        *,
        limits: Mapping[str, Any] = {},
        hook: tuple[str, str] | None = None,
        options: tuple[str, ...] = ("--timeout-graceful-shutdown", "1"),
        command: tuple[str, ...] = ("uvicorn", "tests.background_service:app"),
    ) -> None:
        self.url = ""
        self._log = folder / f"service-{time.monotonic_ns()}.log"
        variables = {
            **os.environ,
            STORE: store,
            LIMITS: dumps(dict(limits)).decode(),
            "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)]),
        }
        if hook is not None:
            variables |= {HOOK: hook[0], SECRET: hook[1]}
        self._variables = variables
        self._command = [sys.executable, "-m", *command, "--port", "0", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Process:
        """Have it started; it may not serve yet."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    async def serving(self) -> Process:
        """Return when it serves."""
        deadline = time.monotonic() + START_SECONDS
        while not (self.url and "Application startup complete" in self.log):
            assert self._process is not None
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            for line in self.log.splitlines():
                if "Uvicorn running on " in line:
                    self.url = line.partition("Uvicorn running on ")[2].split()[0] + "/v1"
            await asyncio.sleep(0.02)
        return self

    @property
    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """As `kill -9`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    async def terminate(self, seconds: float = 20.0) -> int:
        """As systemd and Docker stop it; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return await asyncio.to_thread(self._process.wait, seconds)

    async def __aenter__(self) -> Process:
        return await self.start().serving()

    async def __aexit__(self, *raised: object) -> None:
        if self._process is not None and self._process.poll() is None:
            # With its workers, which are of its session.
            os.killpg(self._process.pid, signal.SIGKILL)
            await asyncio.to_thread(self._process.wait, 10)

    async def health(self, path: str = "/health") -> JSON:
        """What a gateway says of itself."""
        async with httpx.AsyncClient() as client:
            document: JSON = (await client.get(self.url.removesuffix("/v1") + path)).json()
            return document
