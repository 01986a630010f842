"""`responses-asgi check` and `models`: what a configuration comes to, and what a gateway offers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from responses_asgi.cli import main
from responses_asgi.config import PREFIX
from responses_asgi.testing import FakeModel
from responses_asgi.testing.server import Server, served
from responses_asgi.types.asgi import Receive, Scope, Send
from tests.loopback import reply, unused_url


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[Server]:
    with served(FakeModel("hi", models=("small", "large"))) as there:
        yield there


CONFIG = """
upstreams:
  vllm: {url: 'http://gpu.example:8000', profile: vllm, api_key_env: GPU_KEY}
  cloud: {url: 'https://api.openai.com', api: responses, credentials: forward}
  house: {handler: demo, tool_policy: {web_search: error}}
models:
  gpt-5: {upstream: cloud, model: gpt-5-2026}
  local: [vllm, house]
  "*": {chat: cloud, responses: vllm}
store: redis://user:secret@redis.example/0
cors: {origins: https://chat.example}
server: {port: 9000, workers: 4}
strict: true
"""

SUMMARY = """\
upstreams
  vllm    http://gpu.example:8000   api chat        profile vllm      key from GPU_KEY
  cloud   https://api.openai.com    api responses   profile openai    no key, credentials: forward
  house   demo                      api chat        profile generic   web_search tools: error

models
  gpt-5   cloud (as gpt-5-2026)
  local   vllm, else house
  *       cloud                   chat clients
  *       vllm                    responses clients

served
  at         http://127.0.0.1:9000/v1
  paths      /responses, /chat/completions, /models, /health, /convert, /proxy
  workers    4, open answers may go on for 30 s at a stop
  store      redis://user:***@redis.example/0
  policy     what cannot be carried is refused; bodies up to 64 MiB; openai dialect
  keys       none: everybody is let in
  browsers   from https://chat.example
"""


def test_a_configuration_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GPU_KEY", "sk-gpu")
    Path("gateway.yaml").write_text(CONFIG)
    assert main(["check", "gateway.yaml"]) == 0
    assert capsys.readouterr().out == SUMMARY


def test_the_default_store_and_dry_run_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gateway.yaml").write_text("upstreams: {a: {handler: demo}}\ndry_run: false\n")
    assert main(["check", "gateway.yaml"]) == 0
    told = capsys.readouterr().out
    assert "  store      memory\n" in told
    assert "/convert" not in told
    Path("gateway.yaml").write_text("upstreams: {a: {url: 'http://x', api: responses}}\n")
    assert main(["check", "gateway.yaml"]) == 0
    assert "  store      none\n" in capsys.readouterr().out


def test_what_is_there_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SECRETS", "whsec_bmV3")
    Path("gateway.yaml").write_text(
        "upstreams: {a: {handler: demo}}\n"
        "auth: {mode: managed}\n"
        "rate_limits: {models: {small: {requests: 9}, '*': {tokens: 900}}, store: 'redis://u:secret@r.example'}\n"
        "telemetry: {otel: true, content: true, prometheus: true, audit: audit.jsonl}\n"
        "hosted: {types: {web_search: 'json:loads'}}\n"
        "webhooks: {billing: {url: 'https://billing.example', secrets_env: SECRETS}}\n"
    )
    assert main(["check", "gateway.yaml"]) == 0
    told = capsys.readouterr().out
    assert "/health, /convert, /proxy, /metrics, /keys\n" in told
    assert "  limits      of small, *, counted in redis://u:***@r.example\n" in told
    assert "  telemetry   otel, prometheus, audit with content\n" in told
    assert "  tools       web_search\n" in told
    assert "  webhooks    billing\n" in told


def test_problems_end_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gateway.yaml").write_text("upstreams: {a: {url: 'http://x', read_timeout: never}}\nstrikt: true\n")
    assert main(["check", "gateway.yaml"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "responses-asgi: gateway.yaml: 2 problems",
        "  upstreams.a.read_timeout: must be a number, got 'never'",
        "  strikt: there is no such key; did you mean strict?",
    ]


async def without_models(scope: Scope, receive: Receive, send: Send) -> None:
    await reply(send, {"error": {"message": "no such path"}}, status=404)


async def with_something_else(scope: Scope, receive: Receive, send: Send) -> None:
    await reply(send, [])


def test_probing_asks_each_upstream(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    with served(without_models) as silent:
        Path("gateway.yaml").write_text(
            f"upstreams: {{there: {{url: '{server.url}'}}, silent: {{url: '{silent.url}'}}}}\n"
            "models: {a: there, '*': silent}\n"
        )
        assert main(["check", "gateway.yaml", "--probe"]) == 0
    told = capsys.readouterr().out
    assert "  there    answers; 2 models\n" in told
    assert "  silent   answers, but lists no models (404)\n" in told


def test_probing_tells_who_does_not_answer(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    with served(with_something_else) as other:
        Path("gateway.yaml").write_text(
            f"upstreams: {{gone: {{url: '{unused_url()}', retries: 0}}, other: {{url: '{other.url}'}}}}\n"
            "models: {a: gone, '*': other}\n"
        )
        assert main(["check", "gateway.yaml", "--probe"]) == 1
    told = capsys.readouterr().out
    assert "(502)" in told or "(503)" in told
    assert "  other   no list of models (200)" in told


def test_models_are_listed_one_a_line(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", server.url]) == 0
    assert capsys.readouterr().out == "small\nlarge\n"


def test_models_of_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", unused_url()]) == 1
    assert capsys.readouterr().err.startswith("responses-asgi: http://127.0.0.1:")
    with served(with_something_else) as other:
        assert main(["models", other.url]) == 1
    assert "there is no list of models" in capsys.readouterr().err
