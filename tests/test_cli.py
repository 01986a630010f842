from __future__ import annotations

import asyncio
import builtins
import importlib
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from examples.serving import uvicorn
from responses_asgi import ASGITransport
from responses_asgi.cli import main
from tests.responses_lockstep_app import TEXT

COMMAND = [sys.executable, "-m", "responses_asgi"]


@pytest.fixture(autouse=True)
def same_log_level() -> Iterator[None]:
    """`serve` sets the level of the package's log, which other tests read."""
    log = logging.getLogger("responses_asgi")
    level = log.level
    yield
    log.setLevel(level)


@contextmanager
def serving(log: Path, *options: str) -> Iterator[str]:
    """Run `serve` as a process of its own, on a free port, and yield its base URL."""
    with log.open("wb") as out:
        process = subprocess.Popen([*COMMAND, "serve", "--port", "0", *options], stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 30
        while not (found := re.search(r"running on (http://\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found.group(1)
    finally:
        process.terminate()
        process.wait(10)


def test_serve_bridges_a_chat_server(tmp_path: Path) -> None:
    with (
        uvicorn("examples.fastapi_app.main:app") as chat_server,
        serving(
            tmp_path / "log", "--upstream", chat_server, "--credentials", "forward", "--model", "house"
        ) as bridge,
        OpenAI(base_url=f"{bridge}/v1", api_key="anybody", max_retries=0) as client,
    ):
        response = client.responses.create(model="any", input="Where is A-1001?")
        health = httpx.get(f"{bridge}/health").json()
    assert response.output_text == "Order A-1001 (1 x Moka pot to Oslo) is delivered."
    assert response.model == "any"
    assert health == {"status": "ok", "upstream": chat_server, "api": "chat", "profile": "generic"}


def test_serve_bridges_a_responses_server(tmp_path: Path) -> None:
    with (
        uvicorn("tests.responses_lockstep_app:service") as responses_server,
        serving(
            tmp_path / "log", "--upstream", responses_server, "--api", "responses", "--model", "open"
        ) as url,
        OpenAI(base_url=f"{url}/v1", api_key="anybody", max_retries=0) as client,
    ):
        completion = client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "count"}]
        )
        response = client.responses.create(model="any", input="count")
        assert httpx.get(f"{url}/health").json()["api"] == "responses"
    assert completion.choices[0].message.content == response.output_text == TEXT
    assert completion.model == response.model == "any"


def test_help_names_the_command_and_its_options() -> None:
    overview = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
    serve = subprocess.run([*COMMAND, "serve", "--help"], capture_output=True, text=True, check=True)
    assert "serve" in overview.stdout
    assert "--upstream URL" in serve.stdout
    assert "deepseek" in serve.stdout


def get(app: Any, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=ASGITransport(app), base_url="http://bridge") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_serve_hands_the_server_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.update(options, app=app))
    monkeypatch.setenv("HOUSE_KEY", "sk-house")
    options = "--profile vllm --api-key-env HOUSE_KEY --port 8123 --host 0.0.0.0 --strict --log-level warning"
    assert main(["serve", "--upstream", "http://127.0.0.1:9/v1", *options.split()]) == 0
    app = served.pop("app")
    assert served == {
        "host": "0.0.0.0",
        "port": 8123,
        "log_level": "warning",
        "timeout_graceful_shutdown": 30,
    }
    assert app.bridge.upstream.profile.name == "vllm"
    assert app.bridge.options.strict
    assert get(app, "/v1/responses").status_code == 405
    assert get(app, "/v1/chat/completions").status_code == 405
    assert get(app, "/health").json() == {
        "status": "ok",
        "upstream": "http://127.0.0.1:9/v1",
        "api": "chat",
        "profile": "vllm",
    }


def test_python_m_is_the_same_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["responses-asgi", "--version"])
    # pytest loads the package as a plugin, by a loader that `runpy.run_module` cannot use.
    with pytest.raises(SystemExit) as caught:
        importlib.import_module("responses_asgi.__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("responses-asgi ")


def test_wrong_usage_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve"])
    assert caught.value.code == 2
    assert "--upstream" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--upstream", "http://127.0.0.1:9", "--api-key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
        (["--upstream", "localhost:9"], "http://"),
        (["--upstream", "http://127.0.0.1:9", "--profile", "nobody"], "vllm"),
    ],
)
def test_a_set_up_that_cannot_work_ends_with_status_2_and_one_line(
    options: list[str], named: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    assert main(["serve", *options]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1


def test_without_uvicorn_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without_uvicorn(name: str, *rest: Any, **options: Any) -> Any:
        if name == "uvicorn":
            raise ImportError(name)
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_uvicorn)
    assert main(["serve", "--upstream", "http://127.0.0.1:9"]) == 2
    assert "responses-asgi[server]" in capsys.readouterr().err


def test_the_installed_command_is_this_one() -> None:
    command = Path(sys.executable).parent / "responses-asgi"
    if not os.access(command, os.X_OK):
        pytest.skip("the package is not installed with its command here")
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"responses-asgi \d+\.\d+\.\d+\S*\n", told.stdout)
