"""Who is told of clients that were not let in, and what; and the figures that are the operator's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from responses_asgi import (
    AuditLog,
    Gateway,
    KeyAuth,
    Keys,
    Prometheus,
    RequestLog,
    ResponsesMiddleware,
    Upstream,
)
from responses_asgi.exchange import Interceptor
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.types.json import JSON
from tests.key_doors import ADMIN_KEY, BODY, Witness, bearer
from tests.loopback import ask, until
from tests.sockets import SocketAsked
from tests.test_keys import Clock

TYPE = ("content-type", "application/json")


class Watched:
    """An app behind a door, and who looks on."""

    def __init__(self, place: str, file: Path, **settings: Any) -> None:
        self.clock = Clock()
        self.keys = Keys("memory", now=self.clock)
        self.counts = Prometheus()
        self._file = file
        seen: list[Interceptor] = [AuditLog(str(file)), RequestLog(), self.counts]
        given = {"keys": self.keys, "admin_key": ADMIN_KEY, **settings}
        witness = Witness()
        self.app: ASGIApp
        if place == "around":
            self.app = KeyAuth(witness, telemetry=seen, **given)
            return
        auth = KeyAuth(**given)
        if place == "gateway":
            self.app = Gateway(Upstream.asgi(witness), auth=auth, telemetry=seen)
        elif place == "mount":
            self.app = FastAPI()
            self.app.mount("/", ResponsesMiddleware(Upstream.asgi(witness), auth=auth, telemetry=seen))
        else:
            self.app = ResponsesMiddleware(witness, auth=auth, telemetry=seen)

    @property
    def told(self) -> list[JSON]:
        return [json.loads(line) for line in self._file.read_text().splitlines()]

    async def status(self, path: str, token: str | None, method: str = "POST", **options: Any) -> int:
        headers = [TYPE, bearer(token)] if token else [TYPE]
        return (await ask(self.app, path, BODY, method=method, headers=headers, **options)).status


PLACES = ["middleware", "mount", "gateway", "around"]


@pytest.mark.parametrize("place", PLACES)
async def test_refusals_are_told(place: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    at = Watched(place, tmp_path / "audit.jsonl")
    good, ended, late = (
        await at.keys.create(scopes=["chat"]),
        await at.keys.create(),
        await at.keys.create(ttl=5),
    )
    await at.keys.revoke(ended.key.id)
    at.clock.time += 10
    table = {
        ("/v1/responses", None): (401, None, "invalid_api_key"),
        ("/v1/responses", "wrong-" + good.token): (401, None, "invalid_api_key"),
        ("/v1/files", good.token[:-64] + "0" * 64): (401, None, "invalid_api_key"),
        ("/v1/responses", ended.token): (401, ended.key.id, "invalid_api_key"),
        ("/v1/responses", late.token): (401, late.key.id, "invalid_api_key"),
        ("/v1/responses", good.token): (403, good.key.id, "insufficient_permissions"),
        ("/keys", good.token): (403, good.key.id, "insufficient_permissions"),
        ("/keys", "not-the-admin-key"): (401, None, "invalid_api_key"),
    }
    for (path, token), (status, _, _) in table.items():
        assert await at.status(path, token, client=("10.1.2.3", 1)) == status
    assert [(line["status"], line["who"], line["error"]) for line in at.told] == [*table.values()]
    assert {line["outcome"] for line in at.told} == {"refused"}
    assert {line["address"] for line in at.told} == {"10.1.2.3"}
    page = at.counts.page()[0].decode()
    assert 'responses_asgi_requests_total{client="",model="",outcome="refused",status="401"} 6.0' in page
    assert 'responses_asgi_requests_total{client="",model="",outcome="refused",status="403"} 2.0' in page
    told = json.dumps(at.told) + caplog.text + page
    for token in (good.token, ended.token, late.token, ADMIN_KEY):
        assert token[-64:] not in told


@pytest.mark.parametrize("place", PLACES)
async def test_refused_sockets_are_told(place: str, tmp_path: Path) -> None:
    at = Watched(place, tmp_path / "audit.jsonl")
    chat, model = await at.keys.create(scopes=["chat"]), await at.keys.create(scopes=["model:m"])

    def opened(token: str) -> SocketAsked:
        name, value = bearer(token)
        given = [(name.encode(), value.encode())]
        return SocketAsked(at.app, "/v1/responses", headers=given, extensions={"websocket.http.response": {}})

    for token in ("nothing", chat.token):
        await asyncio.wait_for(opened(token).task, 30)
    socket = opened(model.token)
    await until(lambda: socket.sent, 30)
    turn = {"type": "response.create", "model": "another", "input": "Hi"}
    socket.hear.put_nowait({"type": "websocket.receive", "text": json.dumps(turn)})
    await until(lambda: len(at.told) == 3, 30)
    await at.keys.revoke(model.key.id)
    await asyncio.sleep(0.6)
    socket.hear.put_nowait({"type": "websocket.receive", "text": json.dumps(turn)})
    await asyncio.wait_for(socket.task, 30)
    assert [(line["status"], line["who"]) for line in at.told] == [
        (401, None),
        (403, chat.key.id),
        (403, model.key.id),
        (401, model.key.id),
    ]


async def test_without_the_store_of_keys_it_is_told(tmp_path: Path) -> None:
    at = Watched("gateway", tmp_path / "audit.jsonl")
    issued = await at.keys.create()

    async def gone(*_: object, **__: object) -> None:
        raise ConnectionError

    at.keys._store.get = gone  # type: ignore[method-assign] # as a store that is down
    assert await at.status("/v1/responses", issued.token) == 503
    assert [(line["status"], line["error"], line["who"]) for line in at.told] == [
        (503, "store_unavailable", None)
    ]


# What is the operator's


@pytest.mark.parametrize(
    ("scopes", "status"),
    [
        ([], 403),
        (["*"], 403),
        (["chat"], 403),
        (["metrics"], 200),
        (["admin"], 200),
        (["chat", "metrics"], 200),
    ],
)
async def test_figures_are_for_operators(scopes: list[str], status: int, tmp_path: Path) -> None:
    at = Watched("gateway", tmp_path / "audit.jsonl")
    token = (await at.keys.create(scopes=scopes)).token
    assert await at.status("/metrics", token, "GET") == status
    assert await at.status("/metrics", token, "HEAD") == status
    assert await at.status("/metrics", None, "GET") == 401
    assert await at.status("/metrics", ADMIN_KEY, "GET") == 200
    assert await at.status("/metrics", "not-the-admin-key", "GET") == 401
    around = Watched("around", tmp_path / "audit2.jsonl")
    token = (await around.keys.create()).token
    assert await around.status("/metrics", token, "GET") == 200, "an app's own affair"


TOKEN = "a-token-of-the-static-list"


@pytest.mark.parametrize(
    ("settings", "shown", "status"),
    [
        ({"mode": "static", "tokens": [TOKEN]}, TOKEN, 403),
        ({"mode": "static", "tokens": [TOKEN]}, None, 401),
        ({"mode": "static", "tokens": [TOKEN], "admin_key": ADMIN_KEY}, ADMIN_KEY, 200),
        ({"mode": "static", "tokens": [TOKEN], "admin_key": ADMIN_KEY}, TOKEN, 401),
        ({"mode": "passthrough"}, "anything", 403),
        ({"mode": "forward_or_own"}, None, 403),
        ({"mode": "host", "allow": lambda scope: "alice"}, None, 403),
        ({"mode": "host", "allow": lambda scope: False}, None, 401),
        ({"mode": "host", "allow": lambda scope: "alice", "admin": lambda scope: True}, None, 200),
        ({"mode": "host", "allow": lambda scope: "alice", "open_paths": ["/metrics"]}, None, 200),
    ],
)
async def test_figures_in_every_mode(
    settings: dict[str, Any], shown: str | None, status: int, tmp_path: Path
) -> None:
    given = {"keys": None, "admin_key": None, **settings}
    at = Watched("gateway", tmp_path / "audit.jsonl", **given)
    assert await at.status("/metrics", shown, "GET") == status
