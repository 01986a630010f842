"""Whose paths are whose, who is let in, and what hostile requests are told: a table made from the routes."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from responses_asgi.errors import StoreError, VersionConflictError
from responses_asgi.exchange.options import Options
from responses_asgi.resources.call import Method
from responses_asgi.resources.resources import ROUTES, Resources
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.types.json import JSON
from tests.examples import examples
from tests.loopback import Got, ask, served
from tests.state_driver import KEY, OTHER_KEY, WRONG_KEY, Door, Kept, Model, answered, state_over, users

ALL_ROUTES: dict[str, dict[str, Method]] = {**ROUTES["responses"], **ROUTES["chat"]}
TABLE = [(path, method) for path, methods in ALL_ROUTES.items() for method in methods]
BODIES: dict[str, JSON] = {
    "/responses/input_tokens": {"model": "m", "input": "Hi"},
    "/responses/compact": {"model": "m", "input": "Hi"},
    "/conversations": {"metadata": {}},
    "/conversations/{conversation_id}": {"metadata": {}},
    "/conversations/{conversation_id}/items": {"items": users(1)},
    "/chat/completions/{completion_id}": {"metadata": {}},
}
# Routes whose answer shows or needs nothing that is kept.
WITHOUT_IDS = frozenset(path for path in ALL_ROUTES if "{" not in path)


class Things:
    """One of everything that is kept, of one owner."""

    def __init__(self, kept: Kept, ids: dict[str, str]) -> None:
        self.kept = kept
        self._ids = ids

    @classmethod
    async def make(cls, key: str = KEY, **settings: Any) -> Things:
        kept = Kept(**settings)
        conversation = await kept.ask("POST", "/v1/conversations", {"items": users(1)}, key=key)
        ids = {
            "response_id": (await kept.response(key=key))["id"],
            "completion_id": (await kept.completion(key=key))["id"],
            "conversation_id": conversation.json()["id"],
            "item_id": "msg_0000",
        }
        kept.door.asked.clear()
        kept.model.answer = answered("resp_summary", "They greeted each other.")
        return cls(kept, ids)

    @property
    def store(self) -> MemoryStore:
        store = self.kept.state.store
        assert isinstance(store, MemoryStore)
        return store

    @property
    def stored(self) -> set[tuple[str, str, str]]:
        """Kind, owner and id of all that is in the store."""
        return set(self.store._kept)

    def path(self, template: str) -> str:
        return "/v1" + template.format(**self._ids)

    async def ask(self, template: str, method: str, **options: Any) -> Got:
        body: Any = BODIES.get(template, b"") if method == "POST" else b""
        return await self.kept.ask(method, self.path(template), body, **options)


@pytest.mark.parametrize(("template", "method"), TABLE)
async def test_nobody_else_is_let_in(template: str, method: str) -> None:
    things = await Things.make()
    before = things.stored
    for key in (None, WRONG_KEY):
        got = await things.ask(template, method, key=key)
        assert (got.status, got.code) == (401, "invalid_api_key")
    assert things.kept.model.asked == []
    assert things.stored == before
    other = await things.ask(template, method, key=OTHER_KEY)
    if template not in WITHOUT_IDS:
        assert (other.status, other.json()["error"]["type"]) == (404, "invalid_request_error")
        assert things.stored == before
    elif method == "GET":
        assert other.json()["data"] == []


@pytest.mark.parametrize(("template", "method"), TABLE)
async def test_unknown_and_foreign_are_told_the_same(template: str, method: str) -> None:
    if template in WITHOUT_IDS:
        return
    things = await Things.make()
    foreign = await things.ask(template, method, key=OTHER_KEY)
    for kind, owner, id in list(things.stored):
        await things.store.delete(kind, owner, id)
    unknown = await things.ask(template, method, key=OTHER_KEY)
    assert foreign.status == unknown.status == 404
    assert (foreign.headers, foreign.body) == (unknown.headers, unknown.body)


@pytest.mark.parametrize(("template", "method"), TABLE)
async def test_the_guard_is_asked_first_and_for_the_right_thing(template: str, method: str) -> None:
    things = await Things.make()
    await things.ask(template, method)
    creates = (template, method) in {
        ("/conversations", "POST"),
        ("/conversations/{conversation_id}/items", "POST"),
        ("/responses/input_tokens", "POST"),
    }
    action = "create" if creates else "list" if template == "/chat/completions" else "read"
    assert things.kept.door.asked == [(things.path(template), action)]
    refused = await things.kept.ask(method, things.path(template), b"{not json", key=None)
    assert refused.status == 401


@pytest.mark.parametrize("template", ALL_ROUTES)
async def test_methods_that_are_not_there(template: str) -> None:
    things = await Things.make()
    there = ALL_ROUTES[template]
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
        if method in there:
            continue
        got = await things.kept.ask(method, things.path(template), key=None)
        assert (got.status, got.code) == (405, "method_not_allowed")
        allowed = got.headers["allow"].split(", ")
        assert set(there) <= set(allowed) <= {*there, "HEAD"}
        assert method in got.json()["error"]["message"]


@pytest.mark.parametrize("template", ALL_ROUTES)
async def test_head_and_options(template: str) -> None:
    things = await Things.make()
    options = await things.kept.ask("OPTIONS", things.path(template), key=None)
    assert (options.status, options.body) == (204, b"")
    assert set(ALL_ROUTES[template]) <= set(options.headers["allow"].split(", "))
    head = await things.ask(template, "HEAD")
    if "GET" in ALL_ROUTES[template]:
        whole = await things.ask(template, "GET")
        assert (head.status, head.body) == (200, b"")
        assert head.headers == whole.headers
        assert "HEAD" in options.headers["allow"]
    else:
        assert head.status == 405


@pytest.mark.parametrize(
    ("apis", "there", "missing"),
    [
        ({"responses"}, "/responses/r", "/chat/completions/c"),
        ({"responses"}, "/conversations", "/chat/completions"),
        ({"chat"}, "/chat/completions/c/messages", "/responses/r"),
        ({"chat"}, "/conversations/c", "/responses/input_tokens"),
        ({"responses", "chat"}, "/responses/compact", "/responses"),
        ({"responses", "chat"}, "/chat/completions", "/models"),
    ],
)
def test_which_paths_are_ours(apis: set[Any], there: str, missing: str) -> None:
    bases = ("", "/v1", "/openai/v1", "/api/a.b")
    app = Kept(apis=frozenset(apis), bases=bases).app
    for base in bases:
        assert app.serves(base + there)
        assert not app.serves(base + missing)
    for path in (f"/v2{there}", f"/apixa.b{there}", f"{there}/", f"/v1{there}/more/and/more", f"v1{there}"):
        assert not app.serves(path)


def test_creating_answers_and_preflights_are_not_ours() -> None:
    app = Kept().app
    assert not app.serves("/v1/responses", "POST")
    assert not app.serves("/v1/responses")
    assert not app.serves("/v1/chat/completions", "POST")
    assert app.serves("/v1/chat/completions", "GET")
    assert app.serves("/v1/chat/completions", "HEAD")
    assert not app.serves("/v1/conversations", "OPTIONS")
    assert app.serves("/v1/conversations", "DELETE")


def test_without_a_store_nothing_is_served_that_needs_one() -> None:
    given: dict[str, Any] = {"ask": Model(), "guard": Door(), "bases": ("/v1",)}
    app = Resources(state_over(None), **given)
    assert not app.serves("/v1/responses/r")
    assert not app.serves("/v1/responses/input_tokens")
    app = Resources(state_over(None), stateless=True, **given)
    assert not app.serves("/v1/responses/r")
    assert not app.serves("/v1/conversations")
    assert app.serves("/v1/responses/input_tokens", "POST")
    assert app.serves("/v1/responses/compact", "POST")


async def test_tokens_are_counted_without_a_store() -> None:
    kept = Kept()
    kept.app = Resources(
        state_over(None),
        ask=Model(),
        guard=kept.door,
        bases=("/v1",),
        stateless=True,
        count_tokens=lambda b: 5,
    )
    body = {"model": "m", "input": "Hi"}
    assert (await kept.ask("POST", "/v1/responses/input_tokens", body)).json()["input_tokens"] == 5
    body["previous_response_id"] = "resp_1"
    got = await kept.ask("POST", "/v1/responses/input_tokens", body)
    assert (got.status, got.json()["error"]["param"]) == (400, "previous_response_id")
    assert (await kept.ask("GET", "/v1/responses/r")).status == 404


@pytest.mark.parametrize("root", ["/mounted", "/mounted/"])
@pytest.mark.parametrize("repeated", [True, False])
async def test_paths_are_below_the_mount_point(root: str, repeated: bool) -> None:
    kept = Kept()
    stored = await kept.response()
    path = f"/v1/responses/{stored['id']}"
    got = await kept.ask("GET", "/mounted" + path if repeated else path, root_path=root)
    assert got.json()["id"] == stored["id"]
    assert (await kept.ask("GET", "/mountedmore" + path, root_path=root)).status == 404


async def test_beta_and_azure_parameters_change_nothing() -> None:
    kept = Kept(bases=("/openai", "/openai/v1"))
    stored = await kept.response()
    for base in ("/openai", "/openai/v1"):
        got = await kept.ask(
            "GET", f"{base}/responses/{stored['id']}", query="beta=true&api-version=2026-01-01"
        )
        assert got.json()["id"] == stored["id"]


HOSTILE_IDS = [
    "..",
    "../../etc/passwd",
    "%2e%2e",
    "..%2f..",
    "a/b",
    "a\x00b",
    "\x00",
    "a\nb",
    "'; DROP TABLE records; --",
    "*",
    "%",
    "_",
    "ü😀",
    "r" * 1_000_000,
    "resp_" + "0" * 38,
    " ",
    "null",
]


@pytest.mark.parametrize("hostile", HOSTILE_IDS, ids=lambda id: repr(id[:20]))
@pytest.mark.parametrize(("template", "method"), [row for row in TABLE if "{" in row[0]])
async def test_hostile_ids_are_not_found(template: str, method: str, hostile: str) -> None:
    things = await Things.make()
    names = re.findall(r"{(\w+)}", template)
    for name in names:
        ids = {other: things._ids[other] for other in names} | {name: hostile}
        body: Any = BODIES.get(template, b"") if method == "POST" else b""
        got = await things.kept.ask(method, "/v1" + template.format(**ids), body, raw_path=b"/")
        assert got.raised is None
        # An id with a slash in it makes another path, which may have other methods.
        assert got.status == 404 or (got.status == 405 and "/" in hostile)
        assert {"message", "type", "param", "code"} <= set(got.json()["error"])
        assert len(got.body) < 1000


async def test_hostile_ids_through_a_real_server() -> None:
    kept = Kept()
    async with served(kept.app) as url, httpx.AsyncClient() as http:
        for hostile in HOSTILE_IDS:
            if len(hostile) < 1000:
                path = f"{url}/v1/responses/{quote(hostile, safe='')}"
                got = await http.get(path, headers={"authorization": f"Bearer {KEY}"})
                assert got.status_code == 404
                assert got.json()["error"]["type"] == "invalid_request_error"


async def test_bodies_are_limited() -> None:
    kept = Kept(options=Options(max_body_bytes=1000, max_depth=20))
    large = await kept.ask("POST", "/v1/conversations", {"metadata": {"k": "x" * 1000}})
    assert (large.status, large.code) == (413, "request_too_large")
    deep = await kept.ask("POST", "/v1/conversations", b'{"items":' + b"[" * 30 + b"]" * 30 + b"}")
    assert deep.status == 400
    packed = [("content-encoding", "br"), ("authorization", f"Bearer {KEY}")]
    assert (await ask(kept.app, "/v1/conversations", b"{}", headers=packed)).status == 415


class Failing(MemoryStore):
    """A store that raises this, once it is set."""

    error: Exception | None = None

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()
        return await super().get(*args, **kwargs)

    async def list(self, *args: Any, **kwargs: Any) -> Any:
        self._fail()
        return await super().list(*args, **kwargs)

    async def delete(self, *args: Any, **kwargs: Any) -> int:
        self._fail()
        return await super().delete(*args, **kwargs)

    async def put(self, *args: Any, **kwargs: Any) -> None:
        self._fail()
        await super().put(*args, **kwargs)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(("template", "method"), TABLE)
async def test_a_store_that_is_gone_is_a_503_and_recovers(template: str, method: str) -> None:
    store = Failing()
    things = await Things.make(store=store)
    if template in ("/responses/input_tokens", "/responses/compact"):
        return
    store.error = StoreError("the disk is full")
    got = await things.ask(template, method)
    assert (got.status, got.code, got.headers["retry-after"]) == (503, "store_unavailable", "1")
    store.error = None
    assert (await things.ask(template, method)).status in (200, 400)


async def test_a_store_that_breaks_is_a_500_without_details() -> None:
    store = Failing()
    things = await Things.make(store=store)
    store.error = KeyError("secret-column")
    got = await things.ask("/responses/{response_id}", "GET")
    assert got.status == 500
    assert b"secret-column" not in got.body
    assert isinstance(got.raised, KeyError)


class Racing(MemoryStore):
    """A store in which somebody else is always faster."""

    async def put(self, *records: Any, version: int | None = None) -> None:
        if version is not None:
            raise VersionConflictError()
        await super().put(*records)


@pytest.mark.parametrize(
    "template", ["/conversations/{conversation_id}", "/chat/completions/{completion_id}"]
)
async def test_an_update_that_loses_a_race_is_a_409(template: str) -> None:
    things = await Things.make(store=Racing())
    got = await things.ask(template, "POST")
    assert (got.status, got.code) == (409, "conflict")


TEXT = st.text(max_size=20) | st.sampled_from(["desc", "asc", "1", "100", "true", "-5", "include[]", "%"])
NAMES = st.sampled_from(
    [
        "after",
        "limit",
        "order",
        "include",
        "include[]",
        "stream",
        "starting_after",
        "metadata[a]",
        "metadata[",
    ]
)


@settings(examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=st.lists(st.tuples(NAMES | TEXT, TEXT), max_size=6), raw=st.binary(max_size=20))
async def test_any_query_is_answered_or_refused(pairs: list[tuple[str, str]], raw: bytes) -> None:
    things = await Things.make()
    written = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in pairs)
    for template in (
        "/responses/{response_id}",
        "/responses/{response_id}/input_items",
        "/conversations/{conversation_id}/items",
        "/chat/completions",
        "/chat/completions/{completion_id}/messages",
    ):
        for query in (written, raw.decode("latin-1").replace("\x00", "")):
            got = await things.kept.ask("GET", things.path(template), query_string=query.encode())
            assert got.raised is None
            assert got.status in (200, 400)
            if got.status == 400:
                assert got.json()["error"]["param"] in {"after", "limit", "order", "stream", "starting_after"}


def test_starlette_is_loaded_with_the_first_path_that_could_be_ours() -> None:
    script = """
import sys
from tests.state_driver import Kept
app = Kept().app
assert not app.serves("/v1/models")
assert "starlette.routing" not in sys.modules
assert app.serves("/v1/responses/r")
assert "starlette.routing" in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
