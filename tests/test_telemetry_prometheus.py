"""Figures for Prometheus, read with its own parser."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from responses_asgi import Gateway, Limit, MissingExtraError, Prometheus, RateLimits, Upstream
from tests.loopback import served, until
from tests.telemetry_scenes import SECRET, WORDS, ask, ask_chat, gateway, leave


def figures(page: str, read: Any = plain) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels."""
    return {
        (
            sample.name.removeprefix("responses_asgi_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in read(page)
        for sample in family.samples
    }


async def page(app: Any, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        return await client.get("/metrics")


async def test_names_that_are_no_text_do_not_hide_the_figures() -> None:
    """JSON has halves of characters, which no page can show."""
    app = Gateway(Upstream.handler(_says_ok), telemetry=[Prometheus()])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        body = b'{"model": "m\\ud800", "input": "hi"}'
        answer = await client.post(
            "/v1/responses", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 200
    shown = await page(app)
    assert shown.status_code == 200
    assert figures(shown.text)["requests_total", "responses", "m\\ud800", "completed", "200"] == 1


async def _says_ok(request: Any) -> AsyncIterator[str]:
    yield "ok"


async def test_a_gateway_shows_what_was_counted() -> None:
    app = gateway(Prometheus(), rate_limits=RateLimits(Limit(requests=4, period=86_400)))
    await ask(app, stream=True, reasoning={"summary": "auto"})
    await ask(app)
    await ask(app, "failing")
    await ask(app, "breaking", stream=True)
    assert (await ask(app)).status_code == 429
    assert (await ask(app, "made-up")).status_code == 404
    await ask_chat(app)
    answer = await page(app)
    assert answer.headers["content-type"].startswith("text/plain")
    told = figures(answer.text)
    requests = {key[1:]: value for key, value in told.items() if key[0] == "requests_total"}
    assert requests == {
        ("responses", "house", "completed", "200"): 2,
        ("responses", "failing", "failed", "500"): 1,
        ("responses", "breaking", "failed", "200"): 1,
        ("responses", "house", "refused", "429"): 1,
        ("responses", "", "refused", "404"): 1,
        ("chat", "house", "completed", "200"): 1,
    }
    tokens = {key[2]: value for key, value in told.items() if key[0] == "tokens_total"}
    assert tokens == {"input": 33, "output": 21, "cached": 12, "reasoning": 6}
    assert told["first_event_seconds_count", "house"] == 1
    assert told["first_event_seconds_count", "breaking"] == 1
    assert told["duration_seconds_count", "responses", "house", "completed"] == 2
    assert told["translation_seconds_count", "responses"] == 4
    assert 0 < told["translation_seconds_sum", "responses"] < 5
    assert told["losses_total", "dropped", "reasoning.summary"] == 1
    assert told["open_answers", "true"] == told["open_answers", "false"] == 0
    assert WORDS not in answer.text
    assert SECRET not in answer.text
    assert "made-up" not in answer.text


async def test_what_is_open_now() -> None:
    go = asyncio.Event()
    waiting = 0

    async def slow(request: dict[str, Any]) -> Any:
        nonlocal waiting
        waiting += 1
        yield "a"
        await go.wait()

    counts = Prometheus()
    app = Gateway(Upstream.handler(slow), telemetry=[counts])
    running = [asyncio.create_task(ask(app, stream=stream)) for stream in (True, True, False)]
    await until(lambda: waiting == 3)
    told = figures((await page(app)).text)
    assert (told["open_answers", "true"], told["open_answers", "false"]) == (2, 1)
    go.set()
    await asyncio.gather(*running)
    told = figures((await page(app)).text)
    assert (told["open_answers", "true"], told["open_answers", "false"]) == (0, 0)


async def test_clients_that_leave() -> None:
    counts = Prometheus()
    await leave([counts])
    told = figures(counts.page()[0].decode())
    assert told["requests_total", "responses", "m", "cancelled", "499"] == 1
    assert told["open_answers", "true"] == 0


async def test_models_are_bounded() -> None:
    async def parrot(request: dict[str, Any]) -> str:
        return "hi"

    counts = Prometheus()
    app = Gateway(Upstream.handler(parrot), telemetry=[counts])
    for number in range(205):
        await ask(app, f"made-up-{number}")
    told = figures(counts.page()[0].decode())
    assert told["requests_total", "responses", "other", "completed", "200"] == 5


async def test_the_format_that_is_asked_for() -> None:
    app = gateway(Prometheus())
    await ask(app)
    answer = await page(app, accept="application/openmetrics-text; version=1.0.0")
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert figures(answer.text, openmetrics)["requests_total", "responses", "house", "completed", "200"] == 1


async def test_head_and_other_methods() -> None:
    app = gateway(Prometheus())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        head = await client.head("/metrics")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 0
        assert (await client.post("/metrics")).status_code == 404
        assert "GET /metrics" in (await client.get("/")).json()["endpoints"]


async def test_without_it_there_is_no_page() -> None:
    assert (await page(gateway())).status_code == 404


async def test_in_the_registry_of_the_app() -> None:
    registry = CollectorRegistry()
    await ask(gateway(Prometheus(registry)))
    labels = {"client": "responses", "model": "house", "status": "200", "outcome": "completed"}
    assert registry.get_sample_value("responses_asgi_requests_total", labels) == 1


def test_workers_share_their_figures(tmp_path: Path) -> None:
    """As prometheus-client does it: each process writes files, any of them tells the sum."""
    program = tmp_path / "count.py"
    program.write_text(
        textwrap.dedent(
            """
            import asyncio
            from responses_asgi import Gateway, Prometheus, Upstream
            from tests.telemetry_scenes import ask, gateway

            counts = Prometheus()
            asyncio.run(ask(gateway(counts)))
            print(counts.page()[0].decode())
            """
        )
    )
    folder = tmp_path / "figures"
    folder.mkdir()
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }
    for number in (1, 2):
        done = subprocess.run(
            [sys.executable, str(program)], env=environment, capture_output=True, text=True, check=True
        )
        assert figures(done.stdout)["requests_total", "responses", "house", "completed", "200"] == number


async def test_over_a_real_server() -> None:
    async with served(gateway(Prometheus())) as url, httpx.AsyncClient(base_url=url) as client:
        body = {"model": "house", "input": "x"}
        assert (await client.post("/v1/responses", json=body)).status_code == 200
        told = figures((await client.get("/metrics")).text)
    assert told["requests_total", "responses", "house", "completed", "200"] == 1


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtraError, match="prometheus"):
        Prometheus()
