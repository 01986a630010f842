"""What the log of requests and the audit log say, and what they never say."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from responses_asgi import AuditLog, Gateway, Limit, RateLimits, RequestLog, Upstream
from responses_asgi.exchange import Ended, Interception
from tests.telemetry_scenes import SECRET, WORDS, ask, ask_chat, gateway, house, leave


def lines(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == name]


async def test_the_log_of_requests(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    app = gateway(RequestLog())
    await ask(app, stream=True, reasoning={"summary": "auto"})
    await ask(app, "failing")
    await ask(app, "unknown")
    good, failed, refused = lines(caplog, "responses_asgi.requests")
    told = good.__dict__
    assert good.getMessage().startswith("responses 'house' 200 completed in 0.")
    assert (told["model"], told["upstream"], told["stream"], told["losses"]) == ("house", "generic", True, 1)
    assert (told["input_tokens"], told["output_tokens"], told["error"]) == (11, 7, None)
    assert 0 < told["first_chunk"] <= told["duration"]
    assert 0 < told["translation"] < told["duration"]
    assert (failed.levelno, failed.__dict__["status"], failed.__dict__["error"]) == (
        logging.WARNING,
        500,
        "overloaded",
    )
    assert (refused.__dict__["status"], refused.__dict__["outcome"]) == (404, "refused")
    assert refused.__dict__["model"] is None


async def test_the_audit_log(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    app = gateway(AuditLog(str(file)), rate_limits=RateLimits(Limit(requests=2, period=86_400)))
    answer = await ask(app)
    file.rename(tmp_path / "moved")
    await ask(app, "failing")
    await ask(app)
    await ask_chat(app)
    first = json.loads((tmp_path / "moved").read_text())
    failed, refused, nobody = map(json.loads, file.read_text().splitlines())
    assert first.pop("time").endswith("+00:00")
    assert 0 < first.pop("duration") < 10
    who = first.pop("who")
    assert len(who) == 64
    assert first == {
        "address": "10.1.2.3",
        "client": "responses",
        "model": "house",
        "response_id": answer.json()["id"],
        "status": 200,
        "outcome": "completed",
        "error": None,
        "input_tokens": 11,
        "output_tokens": 7,
    }
    assert (failed["who"], failed["outcome"], failed["error"]) == (who, "failed", "overloaded")
    assert (refused["status"], refused["outcome"], refused["error"]) == (
        429,
        "refused",
        "rate_limit_exceeded",
    )
    assert (nobody["who"], nobody["client"], nobody["address"]) == (None, "chat", "10.1.2.3")


async def test_the_audit_log_of_the_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await leave([AuditLog()])
    (line,) = lines(caplog, "responses_asgi.audit")
    assert json.loads(line.getMessage())["outcome"] == "cancelled"


async def test_issued_keys_are_named(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    app = gateway(AuditLog(str(file)))

    async def known(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {"responses_asgi": {"principal": "key-1"}}}, receive, send)

    await ask(known)
    await ask(known, "unknown")
    assert [json.loads(line)["who"] for line in file.read_text().splitlines()] == ["key-1", "key-1"]


async def test_neither_content_nor_credentials_are_in_any_log(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Everything at DEBUG, with every field of every record, of every outcome."""
    caplog.set_level(logging.DEBUG, "responses_asgi")
    file = tmp_path / "audit.jsonl"
    telemetry = [RequestLog(), AuditLog(), AuditLog(str(file))]
    app = gateway(*telemetry)
    for model in ("house", "breaking", "unknown"):
        for stream in (False, True):
            await ask(app, model, stream=stream)
    await leave(telemetry)
    ours = [record for record in caplog.records if record.name.startswith("responses_asgi.")]
    text = file.read_text() + "".join(str(record.__dict__) for record in ours)
    assert len(ours) >= 14
    assert WORDS not in text
    assert SECRET not in text


async def test_a_failing_end_is_logged_and_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[Ended] = []

    class Broken(Interception):
        async def end(self, ended: Ended) -> None:
            raise RuntimeError("broken")

    class Whole(Interception):
        async def end(self, given: Ended) -> None:
            ended.append(given)

    class Watch(RequestLog):
        def __init__(self, interception: Interception) -> None:
            super().__init__()
            self.interception = interception

        async def begin(self, asked: Any, upstream: Any) -> Interception:
            return self.interception

    app = Gateway(Upstream.handler(house), telemetry=[Watch(Whole()), Watch(Broken())])
    assert (await ask(app)).status_code == 200
    assert [each.outcome for each in ended] == ["completed"]
    assert "Broken failed at the end" in caplog.text
