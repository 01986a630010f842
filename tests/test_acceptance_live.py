"""Streams that are alive: each piece arrives before the next is made, and a client that leaves ends it all.

FastAPI, Django and async handlers in lock-step, under three servers: see test_servers.py.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI

from responses_asgi.testing import assert_valid_stream
from tests.acceptance import SERVERS, WRAPPINGS, open_houses, wait_for
from tests.acceptance_scenes import WORDS, doors

# Blocking code cannot be interrupted; it ends at its next piece: test_upstream_wsgi, test_upstream_handler.
CANCELLABLE = [name for name in WRAPPINGS if name not in ("sync handler", "flask")]
# A server elsewhere sees the connection close, but FastAPI asks about that only while it streams: see
# test_upstream_http for the connection itself.
PLACES = [
    (scene, name)
    for scene in ("count", "ponder")
    for name in CANCELLABLE
    if (scene, name) != ("ponder", "http")
]
COUNTED = "".join(WORDS)
# A heavily loaded machine takes its time; without a cancellation the upstream would wait for ever.
PROMPTLY = 5.0

EVENT = re.compile(rb"event: ([a-z_.]+)\ndata: (\{[^\n]+\})\n\n")


@pytest.fixture(scope="module")
def houses() -> Iterator[dict[str, str]]:
    with open_houses() as urls:
        yield urls


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, houses: dict[str, str]) -> str:
    return houses[request.param]


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A door that no other test has."""
    return str(request.node.name)


# Lock-step


@pytest.mark.parametrize("wrapping", ["http", "sync handler", "in-house route", "flask"])
def test_each_delta_is_read_before_the_next_piece_is_sent(server: str, wrapping: str, key: str) -> None:
    """`http` is a uvicorn of its own here."""
    url = f"{server}/{WRAPPINGS[wrapping]}"
    words = []
    with OpenAI(base_url=url, api_key="any", max_retries=0, timeout=20) as client:
        doors[key].let_one_pass()
        with client.responses.stream(model=f"count#{key}", input="count") as stream:
            for event in stream:
                if event.type == "response.output_text.delta":
                    words.append(event.delta)
                    doors[key].let_one_pass()
            final = stream.get_final_response()
    assert words == WORDS
    assert (final.status, final.output_text) == ("completed", COUNTED)


@pytest.mark.parametrize("wrapping", ["flask", "sync handler"])
async def test_three_streams_of_blocking_code_side_by_side(server: str, wrapping: str, key: str) -> None:
    """None gets its next word before the others have got theirs."""
    url = f"{server}/{WRAPPINGS[wrapping]}"
    keys = [f"{key} {number}" for number in range(3)]
    async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0, timeout=20) as client:
        for name in keys:
            doors[name].let_one_pass()
        streams = {
            name: await client.responses.create(model=f"count#{name}", input="count", stream=True)
            for name in keys
        }
        for word in WORDS:
            for name, stream in streams.items():
                assert await _next_delta(stream) == word
                doors[name].let_one_pass()
        for stream in streams.values():
            assert [event async for event in stream][-1].type == "response.completed"


async def _next_delta(stream: Any) -> str:
    async for event in stream:
        if event.type == "response.output_text.delta":
            return str(event.delta)
    raise AssertionError("the stream has ended")


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl here")
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_curl_shows_each_event_as_it_is_made(server: str, wrapping: str, key: str) -> None:
    """`curl -N`: an event line, a data line and an empty line each, nothing else, and all in lock-step."""
    body = json.dumps({"model": f"count#{key}", "input": "count", "stream": True})
    command = [
        "curl",
        "-N",
        "-s",
        "--max-time",
        "30",
        "-d",
        body,
        f"{server}/{WRAPPINGS[wrapping]}/responses",
    ]
    shown, deltas = b"", []
    with subprocess.Popen([*command, "-H", "content-type: application/json"], stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        doors[key].let_one_pass()
        for line in curl.stdout:
            shown += line
            if line == b"\n":
                *_, (name, data) = EVENT.findall(shown)
                if name == b"response.output_text.delta":
                    deltas.append(json.loads(data)["delta"])
                    doors[key].let_one_pass()
    assert curl.returncode == 0
    assert deltas == WORDS
    assert EVENT.sub(b"", shown) == b""
    assert all(json.loads(data)["type"] == name.decode() for name, data in EVENT.findall(shown))
    assert assert_valid_stream(shown)["status"] == "completed"


# Leaving


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(("scene", "wrapping"), PLACES)
async def test_a_client_that_leaves_cancels_the_upstream(
    server: str, wrapping: str, stream: bool, scene: str, key: str
) -> None:
    """While the answer is made, and (`ponder`) while the view has not even begun it."""
    body = {"model": f"{scene}#{key}", "input": "count", "stream": stream}
    async with httpx.AsyncClient(timeout=20) as client:
        request = asyncio.create_task(client.post(f"{server}/{WRAPPINGS[wrapping]}/responses", json=body))
        await asyncio.to_thread(wait_for, doors[key].begun)
        assert not doors[key].ended.is_set()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    await asyncio.to_thread(wait_for, doors[key].ended, PROMPTLY)


@pytest.mark.parametrize("wrapping", CANCELLABLE)
async def test_a_reader_that_leaves_in_the_middle_cancels_the_upstream(
    server: str, wrapping: str, key: str
) -> None:
    """By leaving the SDK's `stream()` early, as people do."""
    url = f"{server}/{WRAPPINGS[wrapping]}"
    async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0, timeout=20) as client:
        doors[key].let_one_pass()
        async with client.responses.stream(model=f"count#{key}", input="count") as stream:
            assert await _next_delta(stream) == WORDS[0]
        await asyncio.to_thread(wait_for, doors[key].ended, PROMPTLY)


# The way in


def test_the_import_takes_at_most_200_ms() -> None:
    """The best of five, since another process may hold the machine."""
    code = (
        "import time; began = time.perf_counter(); import responses_asgi; print(time.perf_counter() - began)"
    )
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(seconds) <= 0.2
