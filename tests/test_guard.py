"""The routes that the wrapped app never sees: who is let in, and who is told what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Receive, Scope, Send

from responses_asgi.auth import Guard
from responses_asgi.auth.guard import Action
from responses_asgi.errors import APIError, ConfigurationError, StoreError
from responses_asgi.owners import Owners
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.records import Record

ACTIONS: list[Action] = ["read", "list", "create"]
OWNER = "a" * 64


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingStore(MemoryStore):
    """Counts what is written, and fails on demand."""

    puts = 0
    gets = 0
    failing = False

    async def get(self, *args: Any, **kwargs: Any) -> Record | None:
        self.gets += 1
        self._fail()
        return await super().get(*args, **kwargs)

    async def put(self, *args: Any, **kwargs: Any) -> None:
        self.puts += 1
        self._fail()
        await super().put(*args, **kwargs)

    async def delete(self, *args: Any, **kwargs: Any) -> int:
        self._fail()
        return await super().delete(*args, **kwargs)

    def _fail(self) -> None:
        if self.failing:
            raise StoreError("The store is gone.")


async def no_app(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the app was asked")


def scope_of(*headers: tuple[bytes, bytes], **fields: Any) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/v1/conversations", "headers": list(headers), **fields}


async def refusal(guard: Guard, owner: str, action: Action, **fields: Any) -> APIError | None:
    try:
        await guard.check(scope_of(**fields), owner, action=action)
    except APIError as error:
        return error
    return None


def guard_of(store: MemoryStore | None = None, **settings: Any) -> Guard:
    clock = settings.pop("clock", None) or Clock()
    given = {"owners": Owners(), "app": no_app, "now": clock, **settings}
    return Guard(MemoryStore(clock=clock) if store is None else store, **given)


# The app's answers


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_credential_is_let_in_once_the_app_has_answered_it(action: Action) -> None:
    guard = guard_of()
    error = await refusal(guard, OWNER, action)
    assert error is not None
    assert error.status == 401
    assert error.error_object()["type"] == "authentication_error"
    assert "POST /v1/responses" in error.message
    assert "auth_path=" in error.message
    await guard.note(OWNER, 200)
    assert await guard.granted(OWNER)
    assert await refusal(guard, OWNER, action) is None
    assert await refusal(guard, "b" * 64, action) is not None


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_of_the_app_withdraws_the_grant_at_once(status: int) -> None:
    guard = guard_of()
    await guard.note(OWNER, 201)
    await guard.note(OWNER, status)
    assert await refusal(guard, OWNER, "read") is not None
    await guard.note(OWNER, 200)
    assert await refusal(guard, OWNER, "read") is None


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
async def test_other_statuses_say_nothing_about_the_credential(status: int) -> None:
    guard = guard_of()
    await guard.note(OWNER, status)
    assert not await guard.granted(OWNER)
    await guard.note(OWNER, 200)
    await guard.note(OWNER, status)
    assert await guard.granted(OWNER)


async def test_a_grant_ends_after_its_time_and_is_renewed_by_use() -> None:
    clock = Clock()
    guard = guard_of(clock=clock, auth_ttl=100)
    await guard.note(OWNER, 200)
    clock.now += 60
    await guard.note(OWNER, 200)
    clock.now += 99
    assert await guard.granted(OWNER)
    clock.now += 2
    assert not await guard.granted(OWNER)


async def test_grants_are_shared_by_the_processes_of_a_store() -> None:
    store = MemoryStore()
    one, other = guard_of(store), guard_of(store)
    await one.note(OWNER, 200)
    assert await other.granted(OWNER)
    await other.note(OWNER, 401)
    assert not await one.granted(OWNER)


async def test_a_grant_is_written_only_when_half_of_its_time_is_gone() -> None:
    clock = Clock()
    store = CountingStore(clock=clock)
    guard = guard_of(store, clock=clock, auth_ttl=1000)
    for _ in range(50):
        await guard.note(OWNER, 200)
    assert (store.puts, store.gets) == (1, 1)
    clock.now += 61
    await guard.note(OWNER, 200)
    assert (store.puts, store.gets) == (1, 2)
    clock.now += 450
    await guard.note(OWNER, 200)
    assert store.puts == 2


async def test_a_withdrawal_by_another_process_is_undone_by_the_apps_next_answer_within_a_minute() -> None:
    clock = Clock()
    store = CountingStore(clock=clock)
    one, other = guard_of(store, clock=clock), guard_of(store, clock=clock)
    await one.note(OWNER, 200)
    await other.note(OWNER, 401)
    clock.now += 61
    await one.note(OWNER, 200)
    assert await other.granted(OWNER)


async def test_what_is_seen_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responses_asgi.auth.grants.MAX_SEEN", 2)
    store = CountingStore()
    guard = guard_of(store)
    for owner in ("1", "2", "3", "3", "1"):
        await guard.note(owner, 200)
    assert store.gets == 4


async def test_a_store_that_fails_costs_no_answer_but_lets_nobody_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = CountingStore()
    guard = guard_of(store)
    store.failing = True
    with caplog.at_level(logging.WARNING, "responses_asgi"):
        await guard.note(OWNER, 200)
        await guard.note(OWNER, 401)
    assert [record.message for record in caplog.records] == [
        "What the app said about a credential (200) could not be kept: The store is gone.",
        "What the app said about a credential (401) could not be kept: The store is gone.",
    ]
    error = await refusal(guard, OWNER, "read")
    assert error is not None
    assert error.status == 503


async def test_without_a_store_there_are_no_grants() -> None:
    guard = Guard(None, owners=Owners(), app=no_app)
    await guard.note(OWNER, 200)
    assert not await guard.granted(OWNER)


# Without a credential


async def test_clients_without_a_credential_read_by_id_and_list_nothing() -> None:
    guard = guard_of()
    assert await refusal(guard, "", "read") is None
    listing = await refusal(guard, "", "list")
    creating = await refusal(guard, "", "create")
    assert listing is not None
    assert creating is not None
    assert (listing.status, creating.status) == (401, 401)
    assert "without a credential" in creating.message
    await guard.note("", 200)
    assert await refusal(guard, "", "create") is None
    assert await refusal(guard, "", "list") is not None


async def test_where_nothing_checks_credentials_all_but_anonymous_lists_is_open() -> None:
    guard = guard_of(app=None)
    found = {
        (owner, action): await refusal(guard, owner, action) is None
        for owner in ("", OWNER)
        for action in ACTIONS
    }
    assert [key for key, open_ in found.items() if not open_] == [("", "list")]
    await guard.note(OWNER, 200)
    assert not await guard.granted(OWNER)


# A principal, an issued key


@pytest.mark.parametrize("action", ACTIONS)
async def test_a_principal_decides_without_the_app(action: Action) -> None:
    store = CountingStore()
    guard = guard_of(store, owners=Owners(lambda scope: None))
    await guard.note(OWNER, 200)
    assert store.gets + store.puts == 0
    assert await refusal(guard, OWNER, action) is None
    error = await refusal(guard, "", action)
    assert error is not None
    assert error.status == 401


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_issued_key_is_let_in(action: Action) -> None:
    issued = {"responses_asgi": {"principal": "key_1"}}
    assert await refusal(guard_of(), OWNER, action, extensions=issued) is None


# auth_path

TOKENS = {"good"}


def checking_app() -> FastAPI:
    app = FastAPI()
    bearer = HTTPBearer()

    def user(credentials: HTTPAuthorizationCredentials = Depends(bearer)) -> None:  # noqa: B008 - FastAPI's way
        if credentials.credentials == "blocked":
            raise HTTPException(403, "blocked")
        if credentials.credentials not in TOKENS:
            raise HTTPException(401, "who?", {"www-authenticate": 'Bearer realm="house"'})

    @app.get("/me", dependencies=[Depends(user)])
    async def me(plan: str = "none") -> str:
        return plan

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("broken")

    return app


async def asked(guard: Guard, token: str | None, action: Action = "read", **fields: Any) -> APIError | None:
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    headers += [
        (b"content-length", b"17"),
        (b"content-type", b"application/json"),
        (b"expect", b"100-continue"),
    ]
    request = scope_of(*headers, query_string=b"limit=1", scheme="http", server=("test", 80), **fields)
    try:
        await guard.check(request, await Owners().of(request), action=action)
    except APIError as error:
        return error
    return None


@pytest.mark.parametrize("action", ACTIONS)
async def test_the_app_is_asked_on_every_request(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    store = CountingStore()
    guard = guard_of(store, app=checking_app(), auth_path="/me?plan=pro")
    assert await asked(guard, "good", action) is None
    monkeypatch.setattr(__name__ + ".TOKENS", set())
    revoked = await asked(guard, "good", action)
    assert revoked is not None
    assert revoked.status == 401
    assert revoked.headers["www-authenticate"] == 'Bearer realm="house"'
    blocked = await asked(guard, "blocked", action)
    assert blocked is not None
    assert (blocked.status, blocked.code) == (403, "permission_denied")
    nobody = await asked(guard, None, action)
    assert nobody is not None
    assert nobody.status in (401, 403)
    await guard.note(OWNER, 200)
    assert store.puts + store.gets == 0


async def test_the_app_is_asked_with_the_clients_headers_and_without_its_body() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        assert (await receive())["type"] == "http.disconnect"

    guard = guard_of(app=app, auth_path="/me?plan=pro&x")
    assert await asked(guard, "good", root_path="/api", path="/api/v1/conversations") is None
    assert await asked(guard, "good", root_path="/api/", path="/v1/conversations") is None
    request = scope_of((b"x-a", b"b"), (b"Upgrade", b"websocket"), type="websocket", scheme="wss")
    await guard.check(request, OWNER, action="create")
    assert [inner["path"] for inner in seen] == ["/api/me", "/me", "/me"]
    assert seen[0]["headers"] == [(b"authorization", b"Bearer good")]
    assert {inner["method"] for inner in seen} == {"GET"}
    assert {inner["query_string"] for inner in seen} == {b"plan=pro&x"}
    assert (seen[0]["raw_path"], seen[0]["scheme"]) == (b"/api/me", "http")
    assert (seen[2]["type"], seen[2]["scheme"], seen[2]["headers"]) == ("http", "https", [(b"x-a", b"b")])


async def silent(scope: Any, receive: Any, send: Any) -> None:
    pass


async def waiting(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await receive()


@pytest.mark.parametrize(
    ("make_app", "path", "status"),
    [
        (checking_app, "/broken", 503),
        (lambda: silent, "/", 503),
        (lambda: waiting, "/", 503),
        (lambda: no_app, "/", 503),
        (checking_app, "/nowhere", 403),
    ],
)
async def test_an_app_that_says_neither_yes_nor_no_lets_nobody_in(
    make_app: Callable[[], Any],
    path: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("responses_asgi.auth.app_says.PATIENCE", 0.05 if make_app() is waiting else 30.0)
    with caplog.at_level(logging.WARNING, "responses_asgi"):
        error = await asked(guard_of(app=make_app(), auth_path=path), "good")
    assert error is not None
    assert error.status == status
    assert [path in record.message for record in caplog.records] == [True]


async def test_an_app_that_fails_after_its_answer_has_answered() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise RuntimeError("too late")

    assert await asked(guard_of(app=app, auth_path="/me"), "good") is None


async def test_nobody_lists_without_a_credential_although_the_app_lets_them_in() -> None:
    error = await asked(guard_of(auth_path="/me"), None, "list")
    assert error is not None
    assert error.status == 401


@pytest.mark.parametrize(
    "settings", [{"auth_path": "me"}, {"auth_path": "/me", "app": None}, {"auth_ttl": 0}, {"auth_ttl": -1.0}]
)
def test_settings_that_cannot_work_are_told_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        guard_of(**settings)
