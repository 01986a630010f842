"""What an open stream holds does not creep up: the bytes that Python has allocated for it.

They are counted in a process of their own, as the difference that more streams make, where an upstream has
said something and then is silent.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

SLACK = 1.15

# Version of Python -> what each stream held when that was last looked at, with the client and the upstream of
# the benchmarks around it.
BYTES: dict[str, dict[str, int]] = {"3.11": {"middleware": 22_600, "bridge": 27_800}}

COUNT = """
import asyncio, gc, sys, tracemalloc
from benchmarks import installed
installed.choose(fast=False)
import httpx
from benchmarks.answers import Answer
from benchmarks.apps import Bare
from benchmarks.calls import call
from responses_asgi import ResponsesMiddleware, Upstream

FEWER, MORE = 20, 120
ANSWER = Answer("chat", deltas=6, together=3, pause=3600)

async def say():
    yield b"".join(ANSWER.writes[0])
    await asyncio.sleep(3600)

def answer(request):
    return httpx.Response(200, headers={"content-type": ANSWER.content_type}, content=say())

def app():
    if sys.argv[1] == "middleware":
        return ResponsesMiddleware(Bare(ANSWER), store=None)
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return ResponsesMiddleware(Upstream.http("http://upstream/v1", client=client), store=None)

async def held(app, streams):
    before = tracemalloc.get_traced_memory()[0]
    tasks = [asyncio.create_task(call(app, ANSWER, "responses")) for _ in range(streams)]
    for _ in range(50):
        await asyncio.sleep(0)
    gc.collect()
    bytes = tracemalloc.get_traced_memory()[0] - before
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return bytes

async def main():
    bridge = app()
    tracemalloc.start()
    await held(bridge, FEWER)
    fewer, more = await held(bridge, FEWER), await held(bridge, MORE)
    print((more - fewer) // (MORE - FEWER))

asyncio.run(main())
"""


def counted(where: str, *before: str) -> int:
    """The bytes that one more open stream takes; `before` is done to the package first."""
    program = "\n".join([COUNT.partition("FEWER,")[0], *before, "FEWER," + COUNT.partition("FEWER,")[2]])
    environment = {"PATH": "/usr/bin:/bin", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program, where],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(VERSION not in BYTES, reason=f"no figures for Python {VERSION}")
@pytest.mark.parametrize("where", ["middleware", "bridge"])
def test_an_open_stream_holds_no_more_than_it_did(where: str) -> None:
    before = BYTES[VERSION][where]
    now = counted(where)

    assert now <= before * SLACK, f"{now} bytes for each open stream, {before} before"


@pytest.mark.skipif(VERSION not in BYTES, reason=f"no figures for Python {VERSION}")
def test_the_counting_sees_what_a_stream_holds() -> None:
    """A request's body of 8 KB that is not let go of."""
    kept = """
from responses_asgi.upstreams.request import RequestBody
RequestBody.drop = lambda self: self._pieces.append(bytes(8192))
"""
    assert counted("bridge", kept) > BYTES[VERSION]["bridge"] * SLACK
