"""Chat clients of the openai SDK over every kind of Responses upstream, under real servers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI, BadRequestError, OpenAI
from pydantic import BaseModel

from tests.responses_lockstep_app import PIECES, TEXT

ROOT = Path(__file__).parent.parent
APP = "tests.responses_lockstep_app:everything"
COMMANDS = {
    "uvicorn": [
        "uvicorn",
        "--factory",
        APP,
        "--log-level",
        "warning",
        "--timeout-graceful-shutdown",
        "1",
        "--port",
    ],
    "granian": ["granian", "--factory", APP, "--interface", "asgi", "--workers-kill-timeout", "1", "--port"],
}
WRAPPINGS = ("fastapi", "django", "handler", "http")
MESSAGES: Any = [{"role": "user", "content": "count"}]

wrapping = pytest.mark.parametrize("wrapping", WRAPPINGS)


class Address(BaseModel):
    port: int


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the app under one of the servers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp(request.param) / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMANDS[request.param], str(port)],
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
    completions = client.chat.completions
    created = completions.create(model="open", messages=MESSAGES)
    assert (created.choices[0].message.content, created.choices[0].finish_reason) == (TEXT, "stop")
    with completions.stream(model="open", messages=MESSAGES) as stream:
        assert stream.get_final_completion().choices[0].message.content == TEXT
    parsed = completions.parse(model="open", messages=MESSAGES, response_format=Address)
    assert parsed.choices[0].message.parsed == Address(port=8000)
    with pytest.raises(BadRequestError) as caught:
        completions.create(model="open", messages=[])
    assert caught.value.param == "messages"


@wrapping
async def test_create_stream_and_parse_with_the_async_client(server: str, wrapping: str) -> None:
    async with AsyncOpenAI(
        base_url=f"{server}/{wrapping}/v1", api_key="any", max_retries=0, timeout=20
    ) as client:
        completions = client.chat.completions
        created = await completions.create(model="open", messages=MESSAGES)
        assert created.choices[0].message.content == TEXT
        async with completions.stream(model="open", messages=MESSAGES) as stream:
            assert (await stream.get_final_completion()).choices[0].message.content == TEXT
        parsed = await completions.parse(model="open", messages=MESSAGES, response_format=Address)
        assert parsed.choices[0].message.parsed == Address(port=8000)


@wrapping
@pytest.mark.parametrize("stream", [True, False])
def test_three_choices(client: OpenAI, wrapping: str, stream: bool) -> None:
    asked: dict[str, Any] = {"model": "open", "messages": MESSAGES, "n": 3}
    if stream:
        with client.chat.completions.stream(**asked) as events:
            completion = events.get_final_completion()
    else:
        completion = client.chat.completions.create(**asked)
    assert [choice.message.content for choice in completion.choices] == [TEXT] * 3


@wrapping
def test_each_delta_is_read_before_the_next_piece_is_sent(client: OpenAI, server: str, wrapping: str) -> None:
    key = f"lockstep-{wrapping}"
    words = []
    with (
        httpx.Client(base_url=server) as gate,
        client.chat.completions.create(model=key, messages=MESSAGES, stream=True) as stream,
    ):
        for chunk in stream:
            if chunk.choices[0].delta.content:
                words.append(chunk.choices[0].delta.content)
                gate.post(f"/next/{key}").raise_for_status()
    assert len(words) == PIECES
    assert "".join(words) == TEXT
    assert chunk.choices[0].finish_reason == "stop"


@wrapping
def test_a_client_that_leaves_ends_the_upstream(client: OpenAI, server: str, wrapping: str) -> None:
    key = f"leaving-{wrapping}"
    with client.chat.completions.create(model=key, messages=MESSAGES, stream=True) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
    left = time.monotonic()
    while key not in httpx.get(f"{server}/ended").json():
        assert time.monotonic() - left < 5, "the upstream still waits for its gate"
        time.sleep(0.02)
