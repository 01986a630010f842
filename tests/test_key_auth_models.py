"""Keys that are for certain models: in bodies, paths, queries and frames, however they are spelt."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from responses_asgi import Gateway, KeyAuth, Keys, Upstream
from responses_asgi.auth.permission import models_of
from responses_asgi.errors import APIError
from tests.key_doors import PLACES, Door, Witness, bearer, door, upstream
from tests.loopback import Asked, Got, ask, until
from tests.sockets import SocketAsked

MESSAGES = [{"role": "user", "content": "Hi"}]


async def limited(place: str, *scopes: str) -> tuple[Door, tuple[str, str]]:
    keys = Keys("memory")
    issued = await keys.create(scopes=scopes or ["model:good-*"])
    return door(place, keys), bearer(issued.token)


def forbidden(got: Got) -> bool:
    return got.status == 403 and got.code == "insufficient_permissions"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions", "/v1/embeddings", "/v1/convert"])
async def test_only_its_models_are_asked(place: str, path: str) -> None:
    at, key = await limited(place)
    body = (
        {"model": "good-1", "input": "Hi"}
        if "chat" not in path
        else {"model": "good-1", "messages": MESSAGES}
    )
    assert (await at.ask("POST", path, body, key)).status == 200
    seen = len(at.witness.seen)
    got = await at.ask("POST", path, {**body, "model": "bad-1"}, key)
    assert forbidden(got)
    assert got.json()["error"]["param"] == "model"
    assert "bad-1" in got.json()["error"]["message"]
    assert len(at.witness.seen) == seen


BODIES: list[Any] = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"no json",
    b"\xff\xfe",
    b"[" * 100_000,
    '{"model": "good-1"}'.encode("utf-16"),
    b"\xef\xbb\xbf" + b'{"model": "good-1"}',
    b'{"model": "good-1", "model": "bad-1"}',
    b'{"model": "bad-1", "model": "good-1"}',
    b'{"model": "good-1", "Model": "bad-1"}',
    b'{"MODEL": "bad-1"}',
    b'{"model": "good-1", "mod\\u0065l": "bad-1"}',
    {"model": "bad-1"},
    {"model": ["bad-1"]},
    {"model": 5},
    {"model": None},
    {"model": ""},
    {"model": "good-1", "models": ["good-1", "bad-1"]},
    {"model": "good-1", "session": {"model": "bad-1"}},
    {"model": "good-1", "response": {"Model": "bad-1"}},
    {"model": "good-1", "tools": [{"type": "image_generation", "model": "bad-1"}]},
    b'{"model": "good-1", "tools": [], "Tools": [{"model": "bad-1"}]}',
    {"input": "Hi"},
    b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\ngood-1\r\n--x--',
]


@pytest.mark.parametrize("body", BODIES)
async def test_what_cannot_be_told_is_refused(body: Any) -> None:
    at, key = await limited("middleware")
    for method in ("POST", "PUT", "PATCH"):
        assert forbidden(await at.ask(method, "/v1/anything", body, key))
    assert at.witness.seen == []


@pytest.mark.parametrize(
    ("method", "path", "query", "allowed"),
    [
        ("POST", "/openai/deployments/good-1/chat/completions", "", True),
        ("POST", "/openai/deployments/bad-1/chat/completions", "", False),
        ("GET", "/v1/realtime", "model=bad-1", False),
        ("GET", "/v1/realtime", "model=good-1", True),
        ("GET", "/v1/realtime", "model=good-1&Model=bad-1", False),
        ("GET", "/v1/realtime", "deployment=bad-1", False),
        ("GET", "/v1/models/bad-1", "", False),
        ("GET", "/v1/models/good-1", "", True),
        ("GET", "/v1/models", "", True),
        ("DELETE", "/v1/models/bad-1", "", False),
        ("POST", "/v1/conversations", "", True),
        ("POST", "/v1/responses/resp_1/cancel", "", True),
        ("POST", "/v1/responses/resp_1/cancel/x", "", False),
        ("POST", "/v1/chat/completions/c_1", "", True),
        ("GET", "/v1/files", "", True),
        ("POST", "/v1/files", "", False),
    ],
)
async def test_models_in_paths(method: str, path: str, query: str, allowed: bool) -> None:
    at, key = await limited("middleware")
    body = {"model": "good-1", "messages": MESSAGES} if "deployments" in path else b""
    got = await at.ask(method, path, body, key, query=query)
    assert forbidden(got) != allowed, got.body
    # What names none is served in a deployment that is allowed, where the path tells.
    if "deployments" in path:
        got = await at.ask(method, path, {"messages": MESSAGES}, key)
        assert forbidden(got) != allowed, got.body


async def test_bodies_come_through_as_they_were() -> None:
    at, key = await limited("middleware")
    body = json.dumps({"model": "good-1", "x": "é\u2028"}, ensure_ascii=False).encode()
    packed = gzip.compress(body)
    for content, headers in ((body, ()), (packed, (("content-encoding", "gzip"),))):
        sent = await ask(
            at.app,
            "/v1/x",
            pieces=[content[:7], content[7:]],
            headers=[key, *headers, ("content-length", str(len(content)))],
        )
        assert sent.status == 200
        assert at.witness.bodies[-1] == body
        told = dict(at.witness.seen[-1]["headers"])
        assert told[b"content-length"] == str(len(body)).encode()
        assert b"content-encoding" not in told


async def test_large_bodies_and_clients_that_leave() -> None:
    witness = Witness()
    keys = Keys("memory")
    issued = await keys.create(scopes=["model:good-*"])
    small = KeyAuth(witness, keys=keys, max_body_bytes=100)
    got = await ask(small, "/x", {"model": "good-1", "x": "y" * 100}, headers=[bearer(issued.token)])
    assert got.status == 413
    asked = Asked(small, "/x", pieces=[b"{", b"}"], headers=[bearer(issued.token)])
    asked._messages = asked._messages[:1]
    asked.leave()
    assert (await asked.result()).status == 499
    assert witness.seen == []


async def test_the_list_of_models_is_that_of_the_key() -> None:
    keys = Keys("memory")
    some, every = await keys.create(scopes=["model:good-*"]), await keys.create()
    at = door("gateway", keys)
    house = upstream(at.witness)
    app = Gateway({"good-1": house, "bad-1": house}, auth=KeyAuth(keys=keys))
    for issued, names in ((some, ["good-1"]), (every, ["good-1", "bad-1"])):
        got = await ask(app, "/v1/models", method="GET", headers=[bearer(issued.token)])
        assert [model["id"] for model in got.json()["data"]] == names


def frame(document: Any) -> dict[str, Any]:
    text = document if isinstance(document, str) else json.dumps(document)
    return {"type": "websocket.receive", "text": text}


async def opened(at: Door, key: tuple[str, str], path: str, **scope: Any) -> SocketAsked:
    asked = at.socket(path, key, **scope)
    await until(lambda: asked.sent or asked.task.done())
    return asked


async def ended(asked: SocketAsked) -> None:
    asked.hear.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(asked.task, 5)


async def test_frames_over_the_responses_socket() -> None:
    at, key = await limited("gateway", "responses", "model:good-*")
    asked = await opened(at, key, "/v1/responses")
    create = {"type": "response.create", "input": "Hi", "store": False}
    wrong = [
        {**create, "model": "bad-1"},
        create,
        "no json",
        '{"type": "response.create", "model": "good-1", "Model": "bad-1"}',
    ]
    for said in wrong:
        told = len(asked.sent)
        asked.hear.put_nowait(frame(said))
        await until(lambda told=told: len(asked.sent) > told)  # type: ignore[misc] # of mypy: defaults
        error = json.loads(asked.sent[-1]["text"])
        assert (error["type"], error["status"]) == ("error", 403)
        assert error["error"]["code"] == "insufficient_permissions"
    asked.hear.put_nowait({"type": "websocket.receive", "bytes": b'{"model": "bad-1"}'})
    await until(lambda: len(asked.sent) == len(wrong) + 2)
    assert at.witness.seen == []
    asked.hear.put_nowait(frame({**create, "model": "good-1"}))
    await until(lambda: "response.completed" in str(asked.sent))
    assert json.loads(at.witness.bodies[0])["model"] == "good-1"
    await ended(asked)


async def test_frames_over_another_socket() -> None:
    at, key = await limited("middleware")
    refused = at.socket("/v1/realtime", key, query_string=b"model=bad-1")
    await asyncio.wait_for(refused.task, 5)
    assert refused.sent[0]["status"] == 403
    asked = await opened(at, key, "/v1/realtime", query_string=b"model=good-1")
    echoed = [{"type": "response.create"}, {"type": "session.update", "session": {"model": "good-2"}}]
    for said in [*echoed, {"type": "session.update", "session": {"model": "bad-1"}}]:
        told = len(asked.sent)
        asked.hear.put_nowait(frame(said))
        await until(lambda told=told: len(asked.sent) > told)  # type: ignore[misc] # as above
    heard = [json.loads(message["text"]) for message in asked.sent[1:]]
    assert heard[:2] == echoed
    assert heard[2]["status"] == 403
    await ended(asked)


async def test_a_revoked_key_ends_its_sockets() -> None:
    keys = Keys("memory")
    issued = await keys.create()
    at = door("middleware", keys)
    asked = await opened(at, bearer(issued.token), "/v1/realtime")
    asked.hear.put_nowait(frame("1"))
    await until(lambda: len(asked.sent) == 2)
    await keys.revoke(issued.key.id)
    await asyncio.sleep(0.6)
    asked.hear.put_nowait(frame("2"))
    await asyncio.wait_for(asked.task, 5)
    assert [message.get("text") for message in asked.sent[:-1]] == [None, "1"]
    assert asked.sent[-1]["type"] == "websocket.close"
    assert asked.sent[-1]["code"] == 1008
    assert "revoked" in asked.sent[-1]["reason"]


async def test_a_closed_socket_takes_no_more() -> None:
    keys = Keys("memory")
    issued = await keys.create()
    told: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        told.extend([await receive(), await receive()])
        with pytest.raises(OSError, match="not good any more"):
            await send({"type": "websocket.send", "text": "?"})

    asked = SocketAsked(
        KeyAuth(app, keys=keys), headers=[(b"authorization", f"Bearer {issued.token}".encode())]
    )
    await until(lambda: asked.sent)
    await keys.set_expiration(issued.key.id, ttl=0.01)
    await asyncio.sleep(1.2)
    asked.hear.put_nowait(frame("1"))
    await asyncio.wait_for(asked.task, 5)
    assert [message["type"] for message in told] == ["websocket.disconnect"] * 2


def test_models_of_documents() -> None:
    assert models_of('{"model": "a", "models": ["b", 5], "tools": [{"model": "c"}, {"model": {}}, 7]}') == [
        "a",
        "b",
        "c",
    ]
    assert models_of(b'{"tools": {}, "models": "x", "session": 5}') == []
    with pytest.raises(APIError):
        models_of('{"model": {}}')


async def test_keys_of_apis_are_read_as_upstreams_read_paths() -> None:
    at, key = await limited("gateway", "responses")
    for path in (
        "/v1/responses/../embeddings",
        "/v1/responses/%2e%2e/embeddings",
        "/v1//embeddings",
        "/v1/\\x",
    ):
        got = await at.ask("POST", path, {"model": "m"}, key, raw_path=path.encode())
        assert got.status in (400, 403), path
    for path in ("/v1/Responses", "/v1/responsesx", "/responsesx", "/v1/chat/completions", "/v2/responses"):
        assert forbidden(await at.ask("POST", path, {"model": "m"}, key)), path
    assert at.witness.seen == []


def test_upstreams_can_be_handlers_too() -> None:
    async def parrot(request: Any) -> Any:
        yield "hello"

    KeyAuth(keys="memory").around(parrot, store=None, upstreams=[Upstream.handler(parrot)])
