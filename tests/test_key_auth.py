"""Every path, method and credential, for each placement of `KeyAuth`: nothing is reached that may not be."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from responses_asgi import Keys
from responses_asgi.auth import modes
from responses_asgi.errors import APIError, StoreError
from responses_asgi.keys import token as token_module
from responses_asgi.stores.records import Record
from tests.key_doors import (
    ADMIN_KEY,
    BODY,
    KEY_ROUTES,
    METHODS,
    MODELS,
    OPERATORS,
    OPERATORS_KEY,
    PATHS,
    PLACES,
    SOCKETS,
    Door,
    bearer,
    door,
)
from tests.loopback import until
from tests.sockets import SocketAsked
from tests.test_keys import Clock, OwnStore

Header = tuple[str, str]

REFUSED = ["none", "malformed", "wrong", "unknown", "revoked", "expired"]
CREDENTIALS = [*REFUSED, "unscoped", "other", "right", "admin", "metrics"]
LIMITED = ["unscoped", "admin", "metrics"]


class Issued:
    """Keys in every state, and the headers that show them."""

    def __init__(self, keys: Keys, tokens: dict[str, str]) -> None:
        self.keys = keys
        self.tokens = tokens
        self.headers: dict[str, list[Header]] = {
            "none": [],
            "malformed": [("authorization", f"Bearer{tokens['right']}")],
            **{name: [bearer(token)] for name, token in tokens.items()},
        }

    @classmethod
    async def make(cls, store: Any = "memory") -> Issued:
        clock = Clock()
        keys = Keys(store, now=clock)
        made = {
            "revoked": await keys.create(),
            "expired": await keys.create(ttl=5),
            "unscoped": await keys.create(scopes=["unrelated"]),
            "other": await keys.create(),
            "right": await keys.create(label="right"),
            "admin": await keys.create(scopes=["admin"]),
            "metrics": await keys.create(scopes=["metrics"]),
        }
        await keys.revoke(made["revoked"].key.id)
        clock.time += 10
        tokens = {name: issued.token for name, issued in made.items()}
        never = {"wrong": tokens["right"][:-64] + "0" * 64, "unknown": f"sk_{'0' * 32}.{'0' * 64}"}
        return cls(keys, {**tokens, **never})


async def with_state(place: str, **settings: Any) -> tuple[Door, Issued, dict[str, str]]:
    """A door, its keys, and the ids of what the right key has made behind it."""
    issued = await Issued.make()
    at = door(place, issued.keys, **settings)
    right = issued.headers["right"]
    made = await at.ask("POST", "/v1/responses", BODY, *right)
    assert made.status == 200, made.body
    ids = {"response_id": made.json()["id"], "item_id": "msg_0", "completion_id": "chatcmpl-0"}
    item = {"type": "message", "role": "user", "content": "Hi"}
    talk = await at.ask("POST", "/v1/conversations", {"items": [item]}, *right)
    if talk.status == 200 and talk.json().get("id"):
        ids["conversation_id"] = talk.json()["id"]
    if place == "gateway":
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "store": True}
        kept = await at.ask("POST", "/v1/chat/completions", body, *right)
        ids["completion_id"] = kept.json()["id"]
    at.witness.seen.clear()
    at.witness.bodies.clear()
    return at, issued, {"conversation_id": "conv_0", **ids}


def paths(ids: dict[str, str]) -> Iterator[tuple[str, str]]:
    for path in PATHS:
        yield path, re.sub(r"\{(\w+)\}", lambda found: ids[found[1]], path)


def kept(at: Door) -> set[tuple[Any, ...]]:
    return set(at.store._kept)


@pytest.mark.parametrize("place", PLACES)
async def test_strangers_reach_nothing(place: str) -> None:
    at, issued, ids = await with_state(place)
    before = kept(at)
    for (template, path), method, name in itertools.product(paths(ids), METHODS, REFUSED):
        got = await at.ask(method, path, BODY, *issued.headers[name])
        where = f"{method} {template} with {name}"
        assert got.status == 401, where
        assert got.code == "invalid_api_key", where
        assert got.headers["www-authenticate"] == "Bearer", where
        told = got.json()["error"]["message"]
        state = "revoked" if name == "revoked" else "expired" if name == "expired" else None
        assert (state or "no state") in told or state is None, where
        assert not re.search("[0-9a-f]{32}", told), where
    assert at.witness.seen == []
    assert kept(at) == before


@pytest.mark.parametrize("place", PLACES)
async def test_keys_of_other_scopes_reach_nothing(place: str) -> None:
    at, issued, ids = await with_state(place)
    before = kept(at)
    for (template, path), method, name in itertools.product(paths(ids), METHODS, LIMITED):
        got = await at.ask(method, path, BODY, *issued.headers[name])
        where = f"{method} {template} with {name}"
        if name == "unscoped" and template in MODELS:
            assert got.status not in (401, 403), "every API needs the list of models"
            continue
        if name != "unscoped" and place == "gateway" and template in OPERATORS:
            assert (got.status == 200) == (method in ("GET", "HEAD")), where
            continue
        if "//" in path or "/../" in path:
            assert got.status == 400, where
            continue
        assert got.status == 403, where
        assert got.code == "insufficient_permissions", where
    assert {scope["path"] for scope in at.witness.seen} <= {*MODELS, "/v1/metrics"}
    assert kept(at) == before


@pytest.mark.parametrize("place", PLACES)
async def test_what_belongs_to_another_is_not_there(place: str) -> None:
    at, issued, ids = await with_state(place)
    owned = [(template, path) for template, path in paths(ids) if "{" in template]
    before = kept(at)
    answered = 0
    for (template, path), method in itertools.product(owned, METHODS):
        right_only = await at.ask(method, path, b'{"items": []}', *issued.headers["other"])
        where = f"{method} {template}"
        # What is not served here is the app's own affair; it has answered, and knows the principal.
        below = re.sub("^(/openai)?(/v1)?", "", path)
        mine = at.witness.seen and at.witness.seen[-1]["path"].endswith(below)
        at.witness.seen.clear()
        assert mine or right_only.status in (400, 404, 405), (where, right_only.status)
        answered += right_only.status == 404
    assert answered >= 6
    assert before <= kept(at)
    read = await at.ask("GET", f"/v1/responses/{ids['response_id']}", b"", *issued.headers["right"])
    assert read.status == 200
    items = await at.ask(
        "GET", f"/v1/responses/{ids['response_id']}/input_items", b"", *issued.headers["right"]
    )
    assert items.json()["data"]


@pytest.mark.parametrize("place", PLACES)
async def test_the_right_key_is_never_refused_and_never_seen(place: str) -> None:
    at, issued, ids = await with_state(place)
    token = issued.tokens["right"]
    shown: list[list[Header]] = [
        [bearer(token)],
        [("authorization", f"bEARER {token}")],
        [("api-key", token)],
        [bearer(token), ("api-key", token)],
    ]
    for (template, path), method in itertools.product(paths(ids), METHODS):
        for headers in shown:
            got = await at.ask(method, path, BODY, *headers, query=f"api-key={token}&limit=2")
            if place == "gateway" and template in OPERATORS:
                assert (got.status, got.code) == (403, "insufficient_permissions"), "a client's key"
            else:
                assert got.status not in (401, 403, 500), f"{method} {template}"
    assert at.witness.seen
    for name, secret in issued.tokens.items():
        assert secret not in at.witness.told, name
        assert secret.partition(".")[2] not in at.witness.told, name
    asked = [dict(scope["headers"]) for scope in at.witness.seen]
    if place == "middleware":
        assert all(b"authorization" not in headers and b"api-key" not in headers for headers in asked)
        principals = [scope["extensions"]["responses_asgi"]["principal"] for scope in at.witness.seen]
        assert set(principals) >= {token[3:35]}
    else:
        assert {headers[b"authorization"] for headers in asked} == {f"Bearer {OPERATORS_KEY}".encode()}


@pytest.mark.parametrize("place", PLACES)
async def test_passing_on_keeps_its_list_of_endpoints(place: str) -> None:
    """Being let in does not open what the operator's key is not for."""
    at, issued, _ = await with_state(place)
    got = await at.ask("GET", "/v1/files", b"", *issued.headers["right"])
    if place == "middleware":
        assert got.json() == {"ok": "/v1/files"}, "the app's own affair"
    else:
        assert got.status == 404
        assert at.witness.seen == []


@pytest.mark.parametrize("place", PLACES)
async def test_routes_of_keys(place: str) -> None:
    at, issued, _ = await with_state(place)
    for path, method, name in itertools.product(KEY_ROUTES, METHODS, [*CREDENTIALS, "admin key"]):
        headers = [bearer(ADMIN_KEY)] if name == "admin key" else issued.headers[name]
        got = await at.ask(method, path, b"{}", *headers)
        where = f"{method} {path} with {name}"
        if name in REFUSED:
            assert (got.status, got.code) == (401, "invalid_api_key"), where
        elif name in ("unscoped", "other", "right", "metrics"):
            assert (got.status, got.code) == (403, "insufficient_permissions"), where
        else:
            assert got.status in (200, 400, 404, 405), where
    assert at.witness.seen == []
    wrong = await at.ask("GET", "/keys", b"", bearer("not-the-admin-key-of-these"))
    assert (wrong.status, wrong.code) == (401, "invalid_api_key")
    elsewhere = await at.ask("GET", "/v1/models", b"", bearer(ADMIN_KEY))
    assert elsewhere.status == 401, "the admin's key opens nothing else"


@pytest.mark.parametrize("place", PLACES)
async def test_health_is_open(place: str) -> None:
    at, _, _ = await with_state(place)
    got = await at.ask("GET", "/health")
    assert got.status == (404 if place == "mount" else 200), "what there is, as it is"
    assert (await at.ask("POST", "/health")).status == 401


async def refusal(asked: SocketAsked) -> dict[str, Any]:
    await asyncio.wait_for(asked.task, 5)
    start, body = asked.sent
    assert start["type"] == "websocket.http.response.start"
    error: dict[str, Any] = json.loads(body["body"])["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    return {"status": start["status"], "headers": dict(start["headers"]), **error}


@pytest.mark.parametrize("place", PLACES)
async def test_sockets_of_strangers_are_refused(place: str) -> None:
    issued = await Issued.make()
    at = door(place, issued.keys)
    for path, name in itertools.product(SOCKETS, [*REFUSED, *LIMITED]):
        told = await refusal(at.socket(path, *issued.headers[name]))
        if name in REFUSED:
            assert (told["status"], told["code"]) == (401, "invalid_api_key"), (path, name)
            assert told["headers"][b"www-authenticate"] == b"Bearer"
        else:
            assert (told["status"], told["code"]) == (403, "insufficient_permissions"), (path, name)
    assert at.witness.seen == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shown", ["header", "api-key", "subprotocol"])
async def test_sockets_are_opened_with_the_right_key(place: str, shown: str) -> None:
    issued = await Issued.make()
    at = door(place, issued.keys)
    token = issued.tokens["right"]
    offered = ["realtime", f"openai-insecure-api-key.{token}"] if shown == "subprotocol" else []
    headers = {"header": [bearer(token)], "api-key": [("api-key", token)]}.get(shown, [])
    headers = [*headers, ("sec-websocket-protocol", ", ".join(offered))]
    asked = at.socket("/v1/responses", *headers, subprotocols=offered)
    asked.hear.put_nowait(
        {"type": "websocket.receive", "text": '{"type": "response.create", "model": "m", "input": "Hi"}'}
    )
    async with asyncio.timeout(10):
        await until(lambda: "response.completed" in str(asked.sent) or asked.task.done())
    asked.hear.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(asked.task, 5)
    assert asked.types[0] == "accept"
    assert token not in at.witness.told
    assert at.witness.seen


async def test_a_socket_without_denials_is_closed() -> None:
    issued = await Issued.make()
    at = door("gateway", issued.keys)
    asked = SocketAsked(at.app, "/v1/responses")
    await asyncio.wait_for(asked.task, 5)
    assert asked.types == ["close"]
    assert asked.sent[0]["code"] == 1008


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer{}")],
        [("authorization", "Bearer  {}")],
        [("authorization", "Bearer\t{}")],
        [("authorization", " Bearer {}")],
        [("authorization", "Bearer {} ")],
        [("authorization", "Bearer {},x")],
        [("authorization", "Basic {}")],
        [("authorization", "{}")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "")],
        [("authorization", "Bearer {}\xe9")],
        [("authorization", "Bearer {}"), ("authorization", "Bearer other")],
        [("authorization", "Bearer {}"), ("api-key", "other")],
        [("api-key", "Bearer {}")],
        [("api-key", "{} ")],
        [("x-api-key", "{}")],
        [("cookie", "authorization=Bearer {}")],
    ],
)
async def test_headers_are_read_strictly(headers: list[Header], monkeypatch: pytest.MonkeyPatch) -> None:
    issued = await Issued.make()
    at = door("gateway", issued.keys)
    shown = [(name, value.replace("{}", issued.tokens["right"])) for name, value in headers]
    made = count_comparisons(monkeypatch)
    got = await at.ask("GET", "/v1/models", b"", *shown)
    assert (got.status, got.code) == (401, "invalid_api_key")
    assert made == [(32, 32)]
    assert issued.tokens["right"] not in got.body.decode()
    got = await at.ask("GET", "/v1/models", b"", query=f"api-key={issued.tokens['right']}")
    assert got.status == 401, "URLs end up in logs"


def count_comparisons(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    made: list[tuple[int, int]] = []
    for module in (token_module, modes):
        real = module.compare_digest

        def compare(one: bytes, other: bytes, real: Any = real) -> bool:
            made.append((len(one), len(other)))
            return bool(real(one, other))

        monkeypatch.setattr(module, "compare_digest", compare)
    return made


@pytest.mark.parametrize("place", PLACES)
async def test_each_request_makes_one_comparison_of_equal_length(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is shown and asked for, so that no time tells how far it came."""
    at, issued, ids = await with_state(place)
    admins = {"admin key": [bearer(ADMIN_KEY)], "wrong admin key": [bearer("x" * 28)]}
    made = count_comparisons(monkeypatch)
    every = [*(path for _, path in paths(ids)), *KEY_ROUTES]
    for path, method, (name, headers) in itertools.product(
        every, ("GET", "POST"), {**issued.headers, **admins}.items()
    ):
        await at.ask(method, path, BODY, *headers)
        assert made == [(32, 32)], f"{method} {path} with {name}"
        made.clear()
    for path, name in itertools.product(SOCKETS, [*REFUSED, *LIMITED]):
        await refusal(at.socket(path, *issued.headers[name]))
        assert made == [(32, 32)], f"socket {path} with {name}"
        made.clear()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("name", "ends"), [("other", "error"), ("right", "response.completed")])
async def test_sockets_continue_what_is_their_own(place: str, name: str, ends: str) -> None:
    at, issued, ids = await with_state(place)
    asked = at.socket("/v1/responses", *issued.headers[name])
    turn = {
        "type": "response.create",
        "model": "m",
        "input": "Hi",
        "previous_response_id": ids["response_id"],
    }
    asked.hear.put_nowait({"type": "websocket.receive", "text": json.dumps(turn)})
    async with asyncio.timeout(30):
        await until(lambda: ends in str(asked.sent) or asked.task.done(), 30)
    asked.hear.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(asked.task, 30)
    assert ("previous_response_not_found" in str(asked.sent)) == (name == "other")
    assert bool(at.witness.seen) == (name == "right")


class Failing(OwnStore):
    broken = False

    async def get(self, kind: str, owner: str, id: str, *, renew: bool = False) -> Record | None:
        if self.broken:
            raise StoreError("gone") if id[0] < "8" else ConnectionError("password=hunter2")
        return await super().get(kind, owner, id, renew=renew)


@pytest.mark.parametrize("place", PLACES)
async def test_without_the_store_of_keys_nobody_comes_in(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = Failing()
    issued = await Issued.make(store)
    at = door(place, issued.keys)
    socket = at.socket(
        "/v1/realtime" if place == "middleware" else "/v1/responses", bearer(issued.tokens["right"])
    )
    await until(lambda: socket.sent)
    assert socket.types == ["accept"]
    at.witness.seen.clear()
    store.broken = True
    for name in ("right", "wrong", "revoked", "expired", "admin", "unscoped"):
        for path in ("/v1/responses", "/keys"):
            got = await at.ask("POST", path, BODY, *issued.headers[name])
            assert got.status == 503, name
            assert got.headers["retry-after"] == "1"
            assert b"hunter2" not in got.body
        told = await refusal(at.socket("/v1/responses", *issued.headers[name]))
        assert told["status"] == 503
    assert at.witness.seen == []
    await asyncio.sleep(0.6)
    socket.hear.put_nowait({"type": "websocket.receive", "text": '{"type": "ping"}'})
    async with asyncio.timeout(5):
        await socket.task
    assert socket.sent[-1]["type"] == "websocket.close"
    assert socket.sent[-1]["code"] == 1013
    store.broken = False
    assert (await at.ask("GET", "/v1/models", b"", *issued.headers["right"])).status not in (401, 403, 503)
    assert not any(secret in caplog.text for secret in (*issued.tokens.values(), OPERATORS_KEY, ADMIN_KEY))


async def test_no_secret_is_in_an_error() -> None:
    issued = await Issued.make()
    for token in issued.tokens.values():
        error = (await asyncio.gather(issued.keys.verify(token), return_exceptions=True))[0]
        if isinstance(error, APIError):
            told = "".join(traceback.format_exception(error)) + repr(error) + str(error.body())
            assert token not in told
            assert token[-64:] not in told
