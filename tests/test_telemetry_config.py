"""Limits and telemetry as a configuration describes them."""

from __future__ import annotations

import json
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

import httpx
import pytest

from responses_asgi import Limit, RateLimits
from responses_asgi.config import ProblemsError, load, set_up
from responses_asgi.config.rate_limits import LimitConfig, RateLimitsConfig
from tests.telemetry_scenes import ask

DEMO = "upstreams: {demo: {handler: demo}}\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def gateway(text: str) -> Any:
    file = Path("gateway.yaml")
    file.write_text(DEMO + text)
    return set_up(load(file)).app


def written(name: str, text: str) -> None:
    Path(name).write_text(text)


def read(name: str) -> str:
    return Path(name).read_text()


def problems(text: str) -> dict[str, str]:
    with pytest.raises(ProblemsError) as found:
        gateway(text)
    return {problem.path: problem.message for problem in found.value.problems}


async def test_limits() -> None:
    written("whose.py", "def team(scope):\n    return 'all'\n")
    app = gateway(
        """
rate_limits:
  who: whose:team
  models:
    small: {requests: 1, period: 86400}
    free: null
    "*": {tokens: 100000, concurrent: 2}
"""
    )
    told = [await ask(app, model) for model in ("small", "small", "free", "large")]
    assert [answer.status_code for answer in told] == [200, 429, 200, 200]
    assert "x-ratelimit-limit-requests" not in told[2].headers
    assert told[3].headers["x-ratelimit-limit-tokens"] == "100000"
    assert (await ask(app, "small", headers={"authorization": "Bearer other"})).status_code == 429


async def test_telemetry() -> None:
    app = gateway(
        "telemetry: {otel: true, content: true, prometheus: true, requests: true, audit: audit.jsonl}"
    )
    await ask(app, "any")
    assert json.loads(read("audit.jsonl"))["model"] == "any"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert "responses_asgi_requests_total" in (await client.get("/metrics")).text


async def test_telemetry_of_the_loggers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    await ask(gateway("telemetry: {audit: true}"), "any")
    assert [record.name for record in caplog.records if record.name.startswith("responses_asgi.")] == [
        "responses_asgi.audit"
    ]


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("rate_limits: {models: {}}", "rate_limits", "must be a Limit"),
        ("rate_limits: {store: memory}", "rate_limits.models", "is needed"),
        ("rate_limits: {models: {'a*b*': {}}}", "rate_limits", "one '*'"),
        ("rate_limits: {models: {a: {requests: 0}}}", "rate_limits.models.a.requests", "greater than 0"),
        ("rate_limits: {models: {a: {request: 5}}}", "rate_limits.models.a.request", "requests"),
        ("rate_limits: {models: {a: null}, who: 'nowhere:f'}", "rate_limits.who", "nowhere"),
        ("rate_limits: {models: {a: null}, when_down: wait}", "rate_limits.when_down", "refuse"),
        ("rate_limits: {models: {a: null}, store: 'http://x'}", "rate_limits", "Redis URL"),
        ("telemetry: {content: true}", "telemetry.content", "otel"),
        ("telemetry: {audit: /nowhere/at/all}", "telemetry", "No such file"),
    ],
)
def test_what_cannot_be(text: str, path: str, said: str) -> None:
    found = problems(text)
    assert list(found) == [path]
    assert said in found[path]


def test_defaults_are_those_of_the_python_api() -> None:
    limit = {field.name: field.default for field in fields(Limit)}
    assert {name: field.default for name, field in LimitConfig.model_fields.items()} == limit
    python = {name: given.default for name, given in signature(RateLimits).parameters.items()}
    here = {name: field.default for name, field in RateLimitsConfig.model_fields.items() if name != "models"}
    assert here == {name: python[name] for name in here}
