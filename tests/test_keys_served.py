"""Two gateways, each a process, over one Redis: both know a key at once, and nothing of it is logged."""

from __future__ import annotations

import asyncio
import json
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
from openai import AuthenticationError, OpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from responses_asgi import Gateway, KeyAuth, Keys, Upstream
from responses_asgi.types.asgi import Receive, Scope, Send
from tests.key_doors import ADMIN_KEY, Witness, bearer
from tests.loopback import reply, served
from tests.redis_server import redis_server

COMMAND = [sys.executable, "-m", "responses_asgi"]
PEPPER = "pepper-of-sixteen-bytes-or-more"


@contextmanager
def serving(
    folder: Path, name: str, store: str = "", config: str | None = None
) -> Iterator[tuple[str, Path]]:
    """A gateway that tells all it does, with a demo model or by a file: its base URL, and its log."""
    log = folder / f"{name}.log"
    variables = {
        **os.environ,
        "THE_ADMIN_KEY": ADMIN_KEY,
        "THE_PEPPER": PEPPER,
        "UPSTREAM_KEY": UPSTREAM_KEY,
        "RESPONSES_ASGI_AUTH__ADMIN_KEY_ENV": "THE_ADMIN_KEY",
        "RESPONSES_ASGI_AUTH__PEPPER_ENV": "THE_PEPPER",
    }
    stores = [config] if config else ["--keys-store", store, "--store", store]
    options = ["--port", "0", *stores, "--log-level", "debug"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*COMMAND, "serve", *options], stdout=out, stderr=subprocess.STDOUT, cwd=folder, env=variables
        )
    try:
        deadline = time.monotonic() + 40
        while not (found := re.search(r"running on (http://\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found.group(1), log
    finally:
        process.terminate()
        process.wait(20)


def asking(url: str, token: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0, timeout=20)


def says(client: OpenAI) -> str:
    return client.responses.create(model="demo", input="Hi").output_text


def status(url: str, token: str) -> int:
    return httpx.get(f"{url}/v1/models", headers=[bearer(token)], timeout=20).status_code


async def socket_status(url: str, token: str) -> int:
    place = url.replace("http", "ws", 1) + "/v1/responses"
    try:
        async with connect(place, additional_headers=[bearer(token)], proxy=None):
            return 101
    except InvalidStatus as error:
        return error.response.status_code if b'"error"' in (error.response.body or b"") else 0


def until_status(url: str, token: str, wanted: int, seconds: float) -> float:
    """The seconds until the status is this one."""
    begun = time.monotonic()
    while status(url, token) != wanted:
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun


@pytest.mark.timeout(240)
def test_two_processes_over_one_redis(tmp_path: Path) -> None:
    with (
        redis_server(persistent=True) as redis,
        serving(tmp_path, "one", redis.url) as (one, first_log),
        serving(tmp_path, "two", redis.url) as (two, second_log),
    ):
        admin: Any = {"headers": [bearer(ADMIN_KEY)], "timeout": 20}
        made = httpx.post(f"{one}/keys/generate", json={"label": "both"}, **admin).json()
        other = httpx.post(f"{two}/keys/generate", json={}, **admin).json()
        token, id = made["token"], made["id"]
        for url in (two, one):
            assert says(asking(url, token))
            assert asyncio.run(socket_status(url, token)) == 101
            assert httpx.get(f"{url}/v1/models?api-key={token}", timeout=20).status_code == 401
            assert status(url, token[:-1] + ("0" if token[-1] != "0" else "1")) == 401

        assert httpx.post(f"{two}/keys/revoke", json={"id": id}, **admin).json()["revoked"]
        assert status(two, token) == 401
        until_status(one, token, 401, 1.0)
        with pytest.raises(AuthenticationError, match="revoked"):
            says(asking(one, token))
        assert asyncio.run(socket_status(one, token)) == 401

        redis.stop()
        for url in (one, two):
            for shown in (other["token"], token):
                got = httpx.get(f"{url}/v1/models", headers=[bearer(shown)], timeout=20)
                assert got.status_code == 503
                assert got.headers["retry-after"] == "1"
                assert got.json()["error"]["code"] == "store_unavailable"
            assert httpx.get(f"{url}/keys", **admin).status_code == 503
            assert httpx.get(f"{url}/health", timeout=20).status_code == 200
            assert asyncio.run(socket_status(url, other["token"])) == 503

        redis.start()
        for url in (one, two):
            until_status(url, other["token"], 200, 20.0)
            assert says(asking(url, other["token"]))
            assert status(url, token) == 401, "still revoked"
    logs = first_log.read_text() + second_log.read_text()
    assert "/v1/responses" in logs
    for secret in (token, other["token"], ADMIN_KEY, PEPPER):
        assert secret not in logs
        assert secret.partition(".")[2] not in logs or "." not in secret


UPSTREAM_KEY = "sk-the-operators-key-for-its-upstream"

CONFIG = """
upstreams:
  strange: {{url: "{url}/v1", api: chat, api_key_env: UPSTREAM_KEY}}
  dead: {{url: "http://127.0.0.1:9/v1", api: chat, api_key_env: UPSTREAM_KEY}}
models: {{"*": strange, dead: dead}}
store: sqlite:///kept.db
auth: {{keys_store: "sqlite:///keys.db", admin_key_env: THE_ADMIN_KEY, pepper_env: THE_PEPPER}}
telemetry: {{prometheus: true, requests: true, audit: audit.jsonl}}
"""


async def strange(scope: Scope, receive: Receive, send: Send) -> None:
    """A server that repeats all that it was shown in its errors, with the status that the model names."""
    body = b""
    while (message := await receive()).get("more_body") or not body:
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    error = {"message": f"{dict(scope['headers'])} {body.decode()}", "code": "odd"}
    await reply(send, {"error": error}, int(json.loads(body)["model"]))


async def test_nothing_secret_leaves_a_served_gateway(tmp_path: Path) -> None:
    """All that a process at the level debug writes and answers while upstreams repeat its key."""
    answers: list[str] = []
    async with served(strange) as upstream:
        (tmp_path / "gateway.yaml").write_text(CONFIG.format(url=upstream))
        with serving(tmp_path, "log", config="gateway.yaml") as (url, log):
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                made = await client.post("/keys/generate", json={}, headers=[bearer(ADMIN_KEY)])
                token: str = made.json()["token"]
                for shown in (token, token[:-3] + "000", f"{ADMIN_KEY}-"):
                    for model in ("400", "401", "403", "429", "500", "dead"):
                        for stream in (False, True):
                            body = {"model": model, "input": "Hi", "stream": stream}
                            got = await client.post("/v1/responses", json=body, headers=[bearer(shown)])
                            answers.append(got.text)
                    query = f"limit=2&api_key={shown}&API%2Dkey={shown}&access_token={shown}"
                    for path in ("/v1/models", "/metrics", "/keys", f"/v1/files?{query}", "/health"):
                        got = await client.get(path, headers=[bearer(shown)])
                        answers.append(got.text)
                    await asyncio.to_thread(asyncio.run, socket_status(url, shown))
                metrics = await client.get("/metrics", headers=[bearer(ADMIN_KEY)])
                assert metrics.status_code == 200
    written = log.read_text() + (tmp_path / "audit.jsonl").read_text()
    assert "DEBUG" in written
    assert "/v1/files?limit=2&api_key=***" in written
    assert "to this service's own credential" in written
    text = written + metrics.text + "".join(answers)
    for secret in (token, token[-64:], ADMIN_KEY, PEPPER, UPSTREAM_KEY):
        assert secret not in text


async def test_nothing_secret_in_all_that_a_gateway_logs(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Every log line of every library, with tracebacks, while all goes well and while all goes wrong."""
    caplog.set_level(logging.DEBUG)
    for name in ("httpcore", "httpx", "uvicorn.access"):
        caplog.set_level(logging.DEBUG, logger=name)
    keys = Keys(f"sqlite:///{tmp_path}/keys.db", pepper=PEPPER)
    good, limited = await keys.create(), await keys.create(scopes=["chat", "model:x"])
    own_key = "sk-the-operators-key-for-its-upstream"
    async with served(Witness()) as upstream_url:
        upstream = Upstream.http(f"{upstream_url}/v1", api_key=own_key)
        dead = Upstream.http("http://127.0.0.1:9/v1", api_key=own_key, retries=0)
        gateway = Gateway({"dead": dead, "*": upstream}, auth=KeyAuth(keys=keys, admin_key=ADMIN_KEY))
        async with served(gateway) as url, httpx.AsyncClient(base_url=url) as client:
            for token in (good.token, limited.token, good.token[:-5], ADMIN_KEY):
                for model in ("m", "dead"):
                    for path in ("/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/keys/generate"):
                        body = {
                            "model": model,
                            "input": "Hi",
                            "messages": [{"role": "user", "content": "Hi"}],
                        }
                        await client.post(path, json=body, headers=[bearer(token)])
                await client.get("/keys", headers=[bearer(token)])
                await client.get("/v1/models", headers=[("authorization", token)])
    await keys.aclose()
    formatter = logging.Formatter()
    text = "\n".join(formatter.format(record) + repr(record.__dict__) for record in caplog.records)
    assert "responses_asgi" in text
    client_side = [record for record in caplog.records if record.name.startswith(("httpcore", "httpx"))]
    assert client_side
    for secret in (
        good.token,
        limited.token,
        good.token[-64:],
        limited.token[-64:],
        own_key,
        ADMIN_KEY,
        PEPPER,
    ):
        assert secret not in text
