"""The modes of `KeyAuth` besides issued keys, and settings that cannot work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware

from responses_asgi import (
    ASGITransport,
    Gateway,
    KeyAuth,
    KeyPolicy,
    Keys,
    MemoryStore,
    ResponsesMiddleware,
    Upstream,
)
from responses_asgi.errors import ConfigurationError
from tests.key_doors import BODY, OPERATORS_KEY, Witness, bearer
from tests.loopback import Got, ask
from tests.test_key_auth import count_comparisons

ALICE, BOB = "alice-has-this-token", "bob-has-another-token"


def elsewhere(witness: Witness, **options: Any) -> Upstream:
    return Upstream.http(
        "http://upstream.test/v1", client=httpx.AsyncClient(transport=ASGITransport(witness)), **options
    )


async def asked(app: Any, *headers: tuple[str, str], path: str = "/v1/responses", **scope: Any) -> Got:
    return await ask(app, path, BODY, headers=headers, **scope)


def authorization(witness: Witness) -> str | None:
    value = dict(witness.seen[-1]["headers"]).get(b"authorization")
    return value.decode() if value else None


@pytest.mark.parametrize("tokens", [[ALICE, BOB], {"alice": ALICE, "bob": BOB}])
async def test_static_tokens(tokens: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    witness = Witness()
    auth = KeyAuth(mode="static", tokens=tokens)
    app = Gateway({"*": elsewhere(witness, api_key=OPERATORS_KEY)}, auth=auth)
    made = count_comparisons(monkeypatch)
    first = await asked(app, bearer(ALICE))
    assert first.status == 200
    assert authorization(witness) == f"Bearer {OPERATORS_KEY}"
    for headers in (
        [],
        [bearer(ALICE[:-1])],
        [bearer(ALICE + "x")],
        [("authorization", ALICE)],
        [bearer("")],
    ):
        got = await asked(app, *headers)
        assert (got.status, got.code) == (401, "invalid_api_key")
    assert made == [(32, 32)] * 6
    assert len(witness.seen) == 1
    path = f"/v1/responses/{first.json()['id']}"
    mine = await ask(app, path, method="GET", headers=[bearer(ALICE)])
    others = await ask(app, path, method="GET", headers=[bearer(BOB)])
    assert (mine.status, others.status) == (200, 404)
    assert ALICE not in witness.told + repr(auth) + repr(vars(auth)["_mode"])
    assert (await ask(app, "/keys", method="GET", headers=[bearer(ALICE)])).status == 404, "there are no keys"


@pytest.mark.parametrize(
    "tokens",
    [[], {}, ["short"], ["with a space in the middle"], ["é" * 20], ["sk_" + "0" * 32 + "." + "0" * 64]],
)
def test_static_tokens_that_cannot_be(tokens: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        KeyAuth(mode="static", tokens=tokens)
    assert not tokens or next(iter(tokens)) not in str(caught.value)


async def test_passthrough_sends_credentials_on_and_wants_some() -> None:
    witness = Witness()
    app = Gateway({"*": elsewhere(witness, credentials="forward")}, auth=KeyAuth(mode="passthrough"))
    assert (await asked(app)).status == 401
    assert (await asked(app, ("authorization", "Bearer"))).status == 401
    assert witness.seen == []
    assert (await asked(app, bearer("sk-of-the-client"))).status == 200
    assert authorization(witness) == "Bearer sk-of-the-client"
    assert (await ask(app, "/health", method="GET")).status == 200


@pytest.mark.parametrize("place", [Gateway, ResponsesMiddleware])
def test_modes_and_upstreams_that_would_let_anybody_in_or_nobody(place: Any) -> None:
    own = elsewhere(Witness(), api_key=OPERATORS_KEY)
    forward = elsewhere(Witness(), credentials="forward")
    with pytest.raises(ConfigurationError, match="operator's key"):
        place(own, auth=KeyAuth(mode="passthrough"))
    with pytest.raises(ConfigurationError, match="none to forward"):
        place(forward, auth=KeyAuth(keys="memory"))
    with pytest.raises(ConfigurationError, match="none to forward"):
        place(forward, auth=KeyAuth(mode="static", tokens=[ALICE]))
    place(elsewhere(Witness(), credentials="forward_or_own", api_key="x"), auth=KeyAuth(mode="passthrough"))
    place(forward, auth=KeyAuth(mode="forward_or_own"))


async def test_forward_or_own() -> None:
    witness = Witness()
    keys = Keys("memory")
    issued, revoked = await keys.create(), await keys.create()
    await keys.revoke(revoked.key.id)
    upstream = elsewhere(witness, credentials="forward_or_own", api_key=OPERATORS_KEY)
    app = Gateway({"*": upstream}, auth=KeyAuth(mode="forward_or_own", keys=keys))
    for headers, shown in (
        ([], OPERATORS_KEY),
        ([bearer("sk-of-the-client")], "sk-of-the-client"),
        ([bearer(issued.token)], OPERATORS_KEY),
    ):
        assert (await asked(app, *headers)).status == 200
        assert authorization(witness) == f"Bearer {shown}"
    seen = len(witness.seen)
    assert (await asked(app, bearer(revoked.token))).status == 401
    assert (await asked(app, ("authorization", "nonsense"))).status == 401
    assert len(witness.seen) == seen
    bare = Gateway({"*": upstream}, auth=KeyAuth(mode="forward_or_own"))
    assert (await asked(bare)).status == 200
    assert (await ask(bare, "/keys", method="GET")).status == 404


class Backend(AuthenticationBackend):
    """Whoever names a user is that user."""

    async def authenticate(self, conn: Any) -> Any:
        name = conn.headers.get("x-user")
        return (AuthCredentials(), SimpleUser(name)) if name else None


async def test_the_host_decides_by_its_users() -> None:
    witness = Witness()
    app = Starlette(middleware=[Middleware(AuthenticationMiddleware, backend=Backend())])
    app.mount("/ai", Gateway({"*": elsewhere(witness, api_key=OPERATORS_KEY)}, auth=KeyAuth(mode="host")))
    got = await asked(app, path="/ai/v1/responses")
    assert got.status == 401
    assert "sign in" in got.json()["error"]["message"]
    assert witness.seen == []
    mine = await asked(app, ("x-user", "alice"), path="/ai/v1/responses")
    assert mine.status == 200
    path = f"/ai/v1/responses/{mine.json()['id']}"
    for user, status in (("alice", 200), ("bob", 404)):
        assert (await ask(app, path, method="GET", headers=[("x-user", user)])).status == status
    assert authorization(witness) == f"Bearer {OPERATORS_KEY}"


@pytest.mark.parametrize(
    ("said", "status"),
    [(True, 200), ("alice", 200), (False, 401), (None, 401), ("", 401), (1, 401), ([1], 401)],
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_the_host_decides_by_a_function(said: Any, status: int, is_async: bool) -> None:
    async def allow_later(scope: Any) -> Any:
        return said

    witness = Witness()
    auth = KeyAuth(witness, mode="host", allow=allow_later if is_async else lambda scope: said)
    got = await asked(auth, bearer("session-of-the-host"))
    assert got.status == status
    assert len(witness.seen) == (status == 200)
    if witness.seen:
        assert authorization(witness) == "Bearer session-of-the-host"
        told = witness.seen[0].get("extensions", {}).get("responses_asgi", {}).get("principal")
        assert told == ("host:alice" if said == "alice" else None)


async def test_what_the_hosts_function_raises_lets_nobody_in() -> None:
    def allow(scope: Any) -> bool:
        raise RuntimeError("the host's database is gone")

    witness = Witness()
    got = await asked(KeyAuth(witness, mode="host", allow=allow))
    assert isinstance(got.raised, RuntimeError)
    assert witness.seen == []


@pytest.mark.parametrize("said", [True, False, "alice", 1])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_function_opens_the_routes_of_keys(said: Any, is_async: bool) -> None:
    async def later(scope: Any) -> Any:
        return said

    auth = KeyAuth(Witness(), keys=Keys("memory"), admin=later if is_async else lambda scope: said)
    got = await ask(auth, "/keys", method="GET")
    assert got.status == (200 if said is True else 401)


async def test_open_paths() -> None:
    witness = Witness()
    keys = Keys("memory")
    issued = await keys.create()
    auth = KeyAuth(witness, keys=keys, open_paths=["/docs", "/static/*", "POST /login"])
    table = {
        ("GET", "/docs"): 200,
        ("HEAD", "/docs"): 200,
        ("POST", "/docs"): 401,
        ("GET", "/docs/x"): 401,
        ("GET", "/static/a/b.css"): 200,
        ("GET", "/static"): 401,
        ("GET", "/static/../secret"): 401,
        ("GET", "/static/..\\secret"): 401,
        ("POST", "/static/x"): 401,
        ("POST", "/login"): 200,
        ("GET", "/login"): 401,
        ("GET", "/health"): 401,
    }
    for (method, path), status in table.items():
        assert (await ask(auth, path, method=method)).status == status, (method, path)
    witness.seen.clear()
    assert (await ask(auth, "/docs", method="GET", headers=[bearer(issued.token)])).status == 200
    assert issued.token not in witness.told
    mounted = await ask(auth, "/ai/docs", method="GET", root_path="/ai")
    assert mounted.status == 200
    assert (await ask(KeyAuth(witness, keys=keys, open_paths="/one"), "/one", method="GET")).status == 200


@pytest.mark.parametrize("path", ["docs", "", "GET docs", "/a*", "/*/b", "/a/*/b/*"])
def test_open_paths_that_cannot_be(path: str) -> None:
    with pytest.raises(ConfigurationError, match="open_paths"):
        KeyAuth(keys="memory", open_paths=[path])


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "nobody"},
        {"mode": "static"},
        {"tokens": [ALICE]},
        {"allow": lambda scope: True},
        {"keys": Keys("memory"), "pepper": "x" * 16},
        {"keys": Keys("memory"), "policy": KeyPolicy()},
        {"keys": "none"},
        {"keys": "memory", "admin_key": "short"},
        {"keys": "memory", "pepper": "short"},
    ],
)
def test_settings_that_cannot_work(settings: Any) -> None:
    with pytest.raises(ConfigurationError):
        KeyAuth(**settings)


async def test_keys_are_needed_somewhere() -> None:
    with pytest.raises(ConfigurationError, match="keys"):
        KeyAuth(Witness())
    with pytest.raises(ConfigurationError, match="store"):
        Gateway({"*": elsewhere(Witness())}, store=None, auth=KeyAuth())
    with pytest.raises(ConfigurationError, match="setting"):
        await KeyAuth(keys="memory")({"type": "http"}, None, None)  # type: ignore[arg-type] # not asked


async def test_keys_in_the_memory_of_a_service_are_apart_from_what_clients_keep() -> None:
    auth, store = KeyAuth(), MemoryStore(max_records=2)
    app = Gateway({"*": elsewhere(Witness(), api_key="x")}, store=store, auth=auth)
    assert auth.keys is not None
    issued = await auth.keys.create()
    for _ in range(4):
        assert (await asked(app, bearer(issued.token))).status == 200
    assert auth.keys.in_memory
    assert repr(auth) == "KeyAuth(mode='managed')"


async def test_keys_in_the_store_of_a_service(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path}/both.db"
    app = Gateway({"*": elsewhere(Witness(), api_key="x")}, store=url, auth=KeyAuth())
    keys = Keys(url)
    issued = await keys.create()
    async with app.lifespan():
        assert (await asked(app, bearer(issued.token))).status == 200
    await keys.aclose()
    component = ResponsesMiddleware(elsewhere(Witness(), api_key="x"), store=url, auth=KeyAuth(keys=url))
    async with component.lifespan():
        assert (await asked(component, bearer(issued.token))).status == 200


async def test_around_an_app_it_takes_part_in_the_start_and_the_stop(tmp_path: Any) -> None:
    events: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for kind in ("startup", "shutdown"):
            events.append((await receive())["type"])
            await send({"type": f"lifespan.{kind}.complete"})

    auth = KeyAuth(app, keys=f"sqlite:///{tmp_path}/keys.db")
    assert auth.keys is not None
    await auth.keys.create()
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await auth({"type": "lifespan"}, receive, send)
    assert events == ["lifespan.startup", "lifespan.shutdown"]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_users_without_an_identity_are_nobody() -> None:
    got = await asked(KeyAuth(Witness(), mode="host"), user=SimpleNamespace(is_authenticated=True))
    assert got.status == 401
