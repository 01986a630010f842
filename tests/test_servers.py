"""The same wrappings under several servers, as processes of their own, driven by the openai client."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

ROOT = Path(__file__).parent.parent
APP = "tests.lockstep_app:app"
PIECES = 20
TEXT = "".join(f"{number} " for number in range(PIECES))
COMMANDS = {
    "uvicorn": ["uvicorn", APP, "--log-level", "warning", "--timeout-graceful-shutdown", "1", "--port"],
    "hypercorn": ["hypercorn", APP, "--graceful-timeout", "1", "--bind"],
    "granian": ["granian", APP, "--interface", "asgi", "--workers-kill-timeout", "1", "--port"],
}
WRAPPINGS = ("fastapi", "layered", "django", "handler", "http")

wrapping = pytest.mark.parametrize("wrapping", WRAPPINGS)


class Address(BaseModel):
    port: int


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the app under one of the servers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = f"127.0.0.1:{port}" if request.param == "hypercorn" else str(port)
    log = tmp_path_factory.mktemp(request.param) / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[request.param], place],
            cwd=ROOT,
            env={**os.environ, "PORT": str(port)},
            stdout=out,
            stderr=out,
        )
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/ended", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            httpx.get(url).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def client(server: str, wrapping: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server}/{wrapping}/v1", api_key="any", max_retries=0, timeout=20) as client:
        yield client


@wrapping
def test_create_stream_and_parse(client: OpenAI, wrapping: str) -> None:
    assert client.responses.create(model="open", input="count").output_text == TEXT
    with client.responses.stream(model="open", input="count") as stream:
        assert stream.get_final_response().output_text == TEXT
    parsed = client.responses.parse(model="open", input="where?", text_format=Address)
    assert parsed.output_parsed == Address(port=8000)


@wrapping
async def test_create_stream_and_parse_with_the_async_client(server: str, wrapping: str) -> None:
    async with AsyncOpenAI(
        base_url=f"{server}/{wrapping}/v1", api_key="any", max_retries=0, timeout=20
    ) as client:
        assert (await client.responses.create(model="open", input="count")).output_text == TEXT
        async with client.responses.stream(model="open", input="count") as stream:
            assert (await stream.get_final_response()).output_text == TEXT
        parsed = await client.responses.parse(model="open", input="where?", text_format=Address)
    assert parsed.output_parsed == Address(port=8000)


@wrapping
def test_each_delta_is_read_before_the_next_piece_is_sent(client: OpenAI, server: str, wrapping: str) -> None:
    key = f"lockstep-{wrapping}"
    words = []
    with httpx.Client(base_url=server) as gate, client.responses.stream(model=key, input="count") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                words.append(event.delta)
                gate.post(f"/next/{key}").raise_for_status()
        final = stream.get_final_response()
    assert len(words) == PIECES
    assert "".join(words) == final.output_text == TEXT
    assert final.status == "completed"


@wrapping
def test_a_client_that_leaves_ends_the_upstream(client: OpenAI, server: str, wrapping: str) -> None:
    key = f"leaving-{wrapping}"
    with client.responses.create(model=key, input="count", stream=True) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    left = time.monotonic()
    while key not in httpx.get(f"{server}/ended").json():
        assert time.monotonic() - left < 5, "the upstream still waits for its gate"
        time.sleep(0.02)
