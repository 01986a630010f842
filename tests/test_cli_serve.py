"""`responses-asgi serve`, as a process of its own that real clients talk to, and its flags."""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APIStatusError, OpenAI

from examples.serving import uvicorn
from responses_asgi.cli import main, serve
from responses_asgi.config import PREFIX, Setup
from responses_asgi.testing import FakeModel, Reasoning
from responses_asgi.testing.server import served
from tests.loopback import unused_url
from tests.responses_lockstep_app import TEXT

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
COMMAND = [sys.executable, "-m", "responses_asgi"]
USER: Any = [{"role": "user", "content": "hi"}]


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, no variable of ours, and the log level that other tests expect."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    before = set(os.environ)
    log = logging.getLogger("responses_asgi")
    level = log.level
    yield
    log.setLevel(level)
    for name in os.environ.keys() - before:
        del os.environ[name]


class Served:
    """A running `serve`: its base URL, its process, and what it said."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.url = self._wait()

    @property
    def said(self) -> str:
        return self._log.read_text()

    def client(self, **options: Any) -> OpenAI:
        return OpenAI(base_url=f"{self.url}/v1", **{"api_key": "anybody", "max_retries": 0, **options})

    def _wait(self) -> str:
        deadline = time.monotonic() + 30
        while not (found := re.search(r"running on (http://\S+)", self.said)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        return found.group(1)


@contextmanager
def serving(*options: str) -> Iterator[Served]:
    """Run `serve` on a free port."""
    log = Path("serve.log")
    with log.open("wb") as out:
        command = [*COMMAND, "serve", "--port", "0", *options]
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield Served(process, log)
    finally:
        process.terminate()
        process.wait(20)


def prepared(monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[Setup, dict[str, Any]]:
    """What `serve` with these options would serve, and how."""
    setups: list[Setup] = []
    given: dict[str, Any] = {}
    real = serve.prepared

    def watched(*args: Any) -> Setup:
        setups.append(real(*args))
        return setups[0]

    monkeypatch.setattr(serve, "prepared", watched)
    monkeypatch.setattr("uvicorn.run", lambda app, **settings: given.update(settings, app=app))
    assert main(["serve", *options]) == 0
    return setups[0], given


# As a process


def test_a_first_try_needs_nothing() -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
    with serving() as it, it.client() as client:
        assert [model.id for model in client.models.list()] == ["demo"]
        response = client.responses.create(model="demo", input="hello there")
        follow_up = client.responses.create(model="demo", input="more", previous_response_id=response.id)
        with client.chat.completions.stream(model="demo", messages=USER) as stream:
            streamed = "".join(event.delta for event in stream if event.type == "content.delta")
        called = client.responses.create(model="demo", input="rain?", tools=[tool])  # type: ignore[list-item] # a dict
    assert "not a model" in response.output_text
    assert "'hello there'" in response.output_text
    assert response.usage is not None
    assert response.usage.output_tokens > 10
    assert follow_up.status == "completed"
    assert "'hi'" in streamed
    assert [item.type for item in called.output] == ["reasoning", "function_call"]
    assert "No upstream is named" in it.said


def test_the_quick_start_of_the_readme() -> None:
    """Its three lines, on a port that is free, and sent by httpx in the place of curl."""
    [lines] = re.findall(r"^## Start\n.*?```console\n(.*?)```", README, re.MULTILINE | re.DOTALL)
    install, start, ask = (shlex.split(line) for line in lines.splitlines())
    assert install[:2] == ["pip", "install"]
    assert start[:4] == ["responses-asgi", "serve", "--port", "8000"]
    with serving(*start[4:-1]) as it:
        url = f"http://{ask[1]}".replace("http://localhost:8000", it.url)
        name, _, value = ask[ask.index("-H") + 1].partition(": ")
        answer = httpx.post(url, headers={name: value}, content=ask[ask.index("-d") + 1]).json()
    assert answer["status"] == "completed"
    assert "'Hello there'" in answer["output"][-1]["content"][0]["text"]


def test_the_file_of_the_readme(monkeypatch: pytest.MonkeyPatch) -> None:
    [text] = re.findall(r"^## Gateway\n.*?```yaml\n(.*?)```", README, re.MULTILINE | re.DOTALL)
    Path("gateway.yaml").write_text(text.replace("my_package.models", "house_model"))
    Path("house_model.py").write_text(HOUSE)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    setup, _ = prepared(monkeypatch, "gateway.yaml")
    assert list(setup.table) == ["gpt-5", "llama", "small", "*"]
    assert [upstream.profile.name for upstream in setup.table["llama"]] == ["ollama", "openai"]


def test_serve_bridges_a_chat_server() -> None:
    with (
        uvicorn("examples.fastapi_app.main:app") as chat_server,
        serving("--upstream", chat_server, "--credentials", "forward", "--model", "house") as it,
        it.client() as client,
    ):
        response = client.responses.create(model="any", input="Where is A-1001?")
        health = httpx.get(f"{it.url}/health").json()
    assert response.output_text == "Order A-1001 (1 x Moka pot to Oslo) is delivered."
    assert response.model == "any"
    assert health["status"] == "ok"
    assert health["upstreams"][0]["profile"] == "generic"
    assert health["upstreams"][0]["url"] == chat_server


def test_serve_bridges_a_responses_server() -> None:
    with (
        uvicorn("tests.responses_lockstep_app:service") as responses_server,
        serving("--upstream", responses_server, "--api", "responses", "--model", "open") as it,
        it.client() as client,
    ):
        completion = client.chat.completions.create(model="any", messages=USER)
        response = client.responses.create(model="any", input="count")
    assert completion.choices[0].message.content == response.output_text == TEXT
    assert completion.model == response.model == "any"


CONFIG = """
upstreams:
  chat: {url: $CHAT_URL, api_key_env: CHAT_KEY, profile: deepseek}
  native: {url: $RESPONSES_URL, api: responses, model: big}
  house: {handler: "house_model:answer"}
  gone: {url: $GONE_URL, retries: 0}
models:
  chatty: chat
  native: native
  house: house
  gone: gone
  careful: [gone, house]
  "*": house
"""

HOUSE = """
async def answer(request):
    yield "The house says "
    yield request["messages"][-1]["content"]
"""


def test_one_file_serves_a_chat_server_a_responses_server_and_a_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chat, native = FakeModel([[Reasoning("Hm."), "from chat"]] * 2), FakeModel(["native"] * 2)
    Path("gateway.yaml").write_text(CONFIG)
    Path("house_model.py").write_text(HOUSE)
    Path(".env").write_text("CHAT_KEY=sk-of-the-operator\n")
    with served(chat) as chat_server, served(native) as responses_server:
        monkeypatch.setenv("CHAT_URL", chat_server.url)
        monkeypatch.setenv("RESPONSES_URL", responses_server.url)
        monkeypatch.setenv("GONE_URL", unused_url())
        with serving("gateway.yaml") as it, it.client() as client:
            said = {}
            for model in ("chatty", "native", "house", "careful", "anything"):
                response = client.responses.create(model=model, input="hi")
                completion = client.chat.completions.create(model=model, messages=USER)
                assert response.model == completion.model == model
                said[model] = (response.output_text, completion.choices[0].message.content)
            with pytest.raises(APIStatusError) as broken:
                client.responses.create(model="gone", input="hi")
            names = {model.id for model in client.models.list()}
    house = ("The house says hi",) * 2
    assert said == {
        "chatty": ("from chat",) * 2,
        "native": ("native",) * 2,
        "house": house,
        "careful": house,
        "anything": house,
    }
    assert broken.value.status_code in (502, 503)
    assert broken.value.type == "server_error"
    assert {request.headers["authorization"] for request in chat.requests} == {"Bearer sk-of-the-operator"}
    assert all("authorization" not in request.headers for request in native.requests)
    assert {request.model for request in native.requests} == {"big"}
    assert {"chatty", "native", "house", "careful"} <= names
    assert "sk-of-the-operator" not in it.said


def test_clients_of_each_api_go_to_the_server_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("R_KEY", "sk-r")
    monkeypatch.setenv("C_KEY", "sk-c")
    native, chat = FakeModel("native"), FakeModel("chat")
    with served(native) as responses_server, served(chat) as chat_server:
        flags = ["--responses-upstream", responses_server.url, "--chat-upstream", chat_server.url]
        keys = ["--responses-api-key-env", "R_KEY", "--chat-api-key-env", "C_KEY"]
        with serving(*flags, *keys) as it, it.client() as client:
            response = client.responses.create(model="m", input="hi")
            completion = client.chat.completions.create(model="m", messages=USER)
    assert response.output_text == "chat"
    assert completion.choices[0].message.content == "native"
    assert [(request.api, request.headers["authorization"]) for request in chat.requests] == [
        ("chat", "Bearer sk-c")
    ]
    assert [(request.api, request.headers["authorization"]) for request in native.requests] == [
        ("responses", "Bearer sk-r")
    ]


def test_workers_share_a_store() -> None:
    """Each follow-up is a connection of its own, so that any worker may get it."""
    with serving("--workers", "2", "--store", "sqlite:///responses.db") as it:
        deadline = time.monotonic() + 30
        while it.said.count("Application startup complete") < 2:
            assert time.monotonic() < deadline, it.said
            time.sleep(0.05)
        previous = None
        for _ in range(6):
            with it.client() as client:
                asked: dict[str, Any] = {"previous_response_id": previous} if previous else {}
                previous = client.responses.create(model="demo", input="go on", **asked).id
    assert Path("responses.db").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_ends_it_though_a_stream_is_open(stop: signal.Signals) -> None:
    Path("slow.py").write_text(
        "import asyncio\nasync def answer(request):\n    yield 'begun'\n    await asyncio.sleep(600)\n"
    )
    Path("gateway.yaml").write_text("upstreams: {slow: {handler: 'slow:answer'}}\n")
    body = {"model": "m", "input": "hi", "stream": True}
    with serving("gateway.yaml", "--graceful-timeout", "1") as it:
        with httpx.stream("POST", f"{it.url}/v1/responses", json=body, timeout=30) as stream:
            lines = stream.iter_lines()
            while "begun" not in next(lines):
                pass
            it.process.send_signal(stop)
            assert it.process.wait(20) in (0, -stop)
        assert "Traceback" not in it.said
        assert "A request was still open; it was cancelled" in it.said


# Flags


def test_serve_hands_the_server_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE_KEY", "sk-house")
    options = "--profile vllm --api-key-env HOUSE_KEY --port 8123 --host 0.0.0.0 --strict --log-level warning"
    setup, given = prepared(monkeypatch, "--upstream", "http://127.0.0.1:9/v1", *options.split())
    assert given == {
        "app": setup.app,
        "host": "0.0.0.0",
        "port": 8123,
        "log_level": "warning",
        "access_log": True,
        "root_path": "",
        "ssl_certfile": None,
        "ssl_keyfile": None,
        "timeout_graceful_shutdown": 30,
    }
    [upstream] = setup.upstreams.values()
    assert upstream.profile.name == "vllm"
    assert setup.app.options.strict
    assert logging.getLogger("responses_asgi").level == logging.WARNING


def test_what_one_server_speaks_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    setup, _ = prepared(monkeypatch, "--responses-upstream", "http://127.0.0.1:9")
    assert [upstream.api for upstream in setup.upstreams.values()] == ["responses"]
    assert list(setup.table) == ["*"]


def test_several_workers_get_the_flags_again(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--workers", "3", "--store", "none", "--upstream", "http://127.0.0.1:9"]
    _, given = prepared(monkeypatch, *options)
    assert given["app"] == "responses_asgi.cli.serve:worker"
    assert given["workers"] == 3
    assert given["factory"]
    assert json.loads(os.environ[serve.ARGUMENTS])["upstream"] == "http://127.0.0.1:9"
    assert serve.worker().state.store is None


def test_flags_count_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("gateway.yaml").write_text(
        "upstreams: {a: {handler: demo}}\nserver: {port: 1, host: a}\nstrict: true\n"
    )
    setup, given = prepared(monkeypatch, "gateway.yaml", "--port", "2", "--dialect", "openresponses")
    assert (given["port"], given["host"]) == (2, "a")
    assert setup.app.options.dialect == "openresponses"
    assert setup.app.options.strict


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--upstream", "http://127.0.0.1:9", "--api-key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY"),
        (["--upstream", "localhost:9"], "http://"),
        (["--upstream", "http://127.0.0.1:9", "--profile", "nobody"], "vllm"),
        (["--upstream", "http://127.0.0.1:9", "--workers", "2"], "--store sqlite:///"),
        (["--upstream", "http://127.0.0.1:9", "--port", "70000"], "server.port"),
        (["--upstream", "http://a", "--chat-upstream", "http://b"], "not both"),
        (["file.yaml", "--upstream", "http://a"], "not both"),
        (["--model", "m"], "--model is for --upstream"),
        (["--api-key-env", "K"], "--api-key-env is for --upstream"),
        (["--chat-upstream", "http://b", "--responses-api-key-env", "K"], "--responses-upstream"),
        (["nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["--env-file", "nowhere.env"], "there is no file nowhere.env"),
        (["--store", "mysql://x"], "sqlite"),
    ],
)
def test_a_set_up_that_cannot_work_ends_with_status_2_and_one_line(
    options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *options]) == 2
    said = capsys.readouterr().err
    assert named in said
    assert said.count("\n") == 1
    assert said.startswith("responses-asgi: ")


def test_without_the_extra_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "responses_asgi.config", None)
    assert main(["serve"]) == 2
    assert "responses-asgi[server]" in capsys.readouterr().err
