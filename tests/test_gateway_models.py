"""The models that a gateway lists: configured names, and what upstreams list for patterns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from responses_asgi import InvalidRequestError, Upstream
from responses_asgi.gateway import models as module
from responses_asgi.gateway.models import Models
from responses_asgi.gateway.routing import ModelMap, Upstreams
from responses_asgi.types.asgi import Receive, Scope, Send
from tests.asgi_driver import http_scope
from tests.loopback import reply, served, unused_url


class Lister:
    """An app whose GET /v1/models answers with `document`, or does what it is told to."""

    def __init__(self, document: Any = None, *, status: int = 200) -> None:
        self.document = document
        self.status = status
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await reply(send, self.document, self.status)


def listing(*names: str, **fields: Any) -> Any:
    return {"object": "list", "data": [{"id": name, **fields} for name in names]}


def parrot() -> Upstream:
    async def handler(request: Any) -> str:
        return "hello"

    return Upstream.handler(handler)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def of(upstreams: Upstreams, *, ask: bool = True, clock: Callable[[], float] | None = None) -> Models:
    return Models(ModelMap(upstreams), ask=ask, clock=clock or Clock())


async def names(models: Models, **changes: Any) -> list[str]:
    document = await models.list(http_scope(**changes))
    assert document["object"] == "list"
    return [model["id"] for model in document["data"]]


async def test_exact_names_in_the_order_of_the_table() -> None:
    models = of({"b": parrot(), "a": parrot(), "x-*": parrot(), "*": parrot()}, ask=False)
    document = await models.list(http_scope())
    assert document["data"] == [
        {"id": name, "object": "model", "created": 0, "owned_by": "responses-asgi"} for name in ("b", "a")
    ]


async def test_patterns_stand_for_what_their_upstreams_list() -> None:
    some = Lister(listing("gpt-4o", "gpt-5", "whisper-1", "own", created=7, owned_by="them", max_model_len=9))
    rest = Lister([{"id": "gpt-6"}, {"id": "llama", "created": "yesterday"}, {"name": "no id"}, "no object"])
    models = of({"own": parrot(), "gpt-*": Upstream.asgi(some), "*": Upstream.asgi(rest)})
    assert await names(models) == ["own", "gpt-4o", "gpt-5", "llama"]
    listed = {model["id"]: model for model in (await models.list(http_scope()))["data"]}
    assert listed["gpt-5"] == {
        "id": "gpt-5",
        "object": "model",
        "created": 7,
        "owned_by": "them",
        "max_model_len": 9,
    }
    assert listed["llama"] == {"id": "llama", "object": "model", "created": 0, "owned_by": "responses-asgi"}
    assert listed["own"]["owned_by"] == "responses-asgi"


async def test_upstreams_of_both_clients_are_listed() -> None:
    chat, responses = Lister(listing("a", "b")), Lister(listing("b", "c"))
    models = of({"*": {"chat": Upstream.asgi(chat), "responses": Upstream.asgi(responses, api="responses")}})
    assert await names(models) == ["a", "b", "c"]
    assert [app.scopes[0]["path"] for app in (chat, responses)] == ["/v1/models", "/v1/models"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (None, "/v1/models"),
        ("/api/chat/completions", "/api/models"),
        ("/chat/completions", "/models"),
        ("/api/llm", None),
    ],
)
async def test_the_list_lies_beside_the_endpoint(path: str | None, asked: str | None) -> None:
    app = Lister(listing("a"))
    models = of(Upstream.asgi(app, path=path))
    assert await names(models) == (["a"] if asked else [])
    assert [scope["path"] for scope in app.scopes] == ([asked] if asked else [])


FAILING: list[Any] = [
    Lister(b"no JSON"),
    Lister(listing("a"), status=500),
    Lister("text"),
    Lister({"data": {"a": 1}}),
]


@pytest.mark.parametrize("app", FAILING, ids=range(len(FAILING)))
async def test_upstreams_that_cannot_tell_add_nothing(app: Lister) -> None:
    models = of({"own": parrot(), "*": Upstream.asgi(app)})
    assert await names(models) == ["own"]
    assert (await models.one(http_scope(), "any"))["id"] == "any"


async def test_apps_that_raise_hang_or_flood_add_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIME_LIMIT", 0.1)
    monkeypatch.setattr(module, "MAX_BYTES", 1000)

    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("no")

    async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            await receive()

    flooding = Lister(listing(*(f"model-{number}" for number in range(100))))
    models = of(
        {
            "own": parrot(),
            "r*": Upstream.asgi(raising),
            "h*": Upstream.asgi(hanging),
            "m*": Upstream.asgi(flooding),
            "p*": parrot(),
            "*": Upstream.http(unused_url(), retries=0),
        }
    )
    async with asyncio.timeout(10):
        assert await names(models) == ["own"]


async def test_a_fallback_lists_where_the_best_cannot() -> None:
    dead, alive, never = Lister(status=503), Lister(listing("a")), Lister(listing("b"))
    models = of({"*": [Upstream.asgi(app) for app in (dead, alive, never)]})
    assert await names(models) == ["a"]
    assert (len(dead.scopes), len(alive.scopes), len(never.scopes)) == (1, 1, 0)


async def test_an_upstream_that_gets_another_name_is_not_asked() -> None:
    app = Lister(listing("a"))
    models = of({"gpt-*": Upstream.asgi(app, model="a")})
    assert await names(models) == []
    assert (await models.one(http_scope(), "gpt-5"))["id"] == "gpt-5"
    assert app.scopes == []


async def test_lists_are_remembered_for_a_while_and_failures_shorter() -> None:
    clock, good, bad = Clock(), Lister(listing("a")), Lister(status=500)
    models = of({"x*": Upstream.asgi(bad), "*": Upstream.asgi(good)}, clock=clock)
    for _ in range(3):
        assert await names(models) == ["a"]
    assert (len(good.scopes), len(bad.scopes)) == (1, 1)
    clock.now = module.FRESH_FAILURE
    await names(models)
    assert (len(good.scopes), len(bad.scopes)) == (1, 2)
    clock.now = module.FRESH
    await names(models)
    assert (len(good.scopes), len(bad.scopes)) == (2, 3)


async def test_lists_are_remembered_for_each_credential_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LISTS", 2)
    app = Lister(listing("a"))
    models = of(Upstream.asgi(app, headers={"X-Team": "blue"}))
    for key in ("one", "two", "one", "three", "two"):
        await names(models, headers=[(b"Authorization", b"Bearer " + key.encode()), (b"x-other", b"y")])
    asked = [dict(scope["headers"]) for scope in app.scopes]
    assert [headers[b"Authorization"][7:] for headers in asked] == [b"one", b"two", b"three", b"two"]
    assert asked[0].keys() == {b"Authorization", b"x-team", b"accept"}
    assert len(models._lists) == 2


async def test_one_model() -> None:
    app = Lister(listing("a", "org/b"))
    models = of({"own": parrot(), "c-*": parrot(), "a": parrot(), "org/*": Upstream.asgi(app)})
    scope = http_scope()
    assert (await models.one(scope, "own"))["id"] == "own"
    assert (await models.one(scope, "org/b"))["id"] == "org/b"
    for unknown in ("org/c", "d"):
        with pytest.raises(InvalidRequestError, match="known are: own") as caught:
            await models.one(scope, unknown)
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    unasked = of({"c-*": Upstream.asgi(app)}, ask=False)
    assert (await unasked.one(scope, "c-9"))["id"] == "c-9"


async def test_a_server_elsewhere_is_asked_with_its_key_even_where_models_do_not_pass() -> None:
    app = Lister(listing("a"))
    async with served(app) as url:
        upstream = Upstream.http(url, api_key="ours", passthrough=["chat/completions"])
        headers = [(b"authorization", b"Bearer theirs")]
        assert await names(of(upstream), headers=headers) == ["a"]
        await upstream.aclose()
    assert app.scopes[0]["path"] == "/v1/models"
    assert dict(app.scopes[0]["headers"])[b"authorization"] == b"Bearer ours"
