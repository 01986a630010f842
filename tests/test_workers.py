"""Two uvicorn workers with the default store: each knows its own answers only, and clients are told so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response

APP = """
from responses_asgi import ResponsesMiddleware, Upstream

async def parrot(request):
    return str(len(request["messages"]))

app = ResponsesMiddleware(Upstream.handler(parrot))
"""

MANY = 200


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "two_workers.py").write_text(APP)
    log = tmp_path / "log"
    command = [sys.executable, "-m", "uvicorn", "two_workers:app", "--workers", "2", "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while len(re.findall("Application startup complete", log.read_text())) < 2:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        found = re.search(r"running on (http://\S+)", log.read_text())
        assert found is not None
        yield found[1]
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="workers share a socket in another way here")
def test_a_follow_up_that_meets_the_other_worker_is_told_the_cause_and_the_cure(url: str) -> None:
    def ask(previous: str | None = None) -> Response:
        # A client of its own, and so a connection, for each: the system deals them out to the workers.
        with OpenAI(base_url=f"{url}/v1", api_key="sk", max_retries=0) as client:
            return client.responses.create(model="m", input="Hi", previous_response_id=previous)

    first = ask()
    found = 0
    for _ in range(MANY):
        try:
            assert ask(first.id).output_text == "3"
            found += 1
        except openai.BadRequestError as error:
            told = error
            break
    else:
        pytest.fail(f"all of {found} follow-ups met the same worker")
    assert (told.code, told.param) == ("previous_response_not_found", "previous_response_id")
    assert "another worker process" in told.message
    assert 'store="sqlite:///state.db"' in told.message
