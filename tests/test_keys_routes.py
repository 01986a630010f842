"""The routes and the command that manage keys, and the section of the configuration that asks for them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from responses_asgi import KeyAuth, Keys
from responses_asgi.cli import main
from responses_asgi.config import PREFIX, ProblemsError, load, set_up
from responses_asgi.keys.token import read_token
from tests.key_doors import ADMIN_KEY, Witness, bearer
from tests.loopback import Asked, Got, ask
from tests.test_keys import Clock

JSON_TYPE = ("content-type", "application/json")
PEPPER = "pepper-of-sixteen-bytes-or-more"


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory, and no variable of ours."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


class Managed:
    """The routes, asked with the admin's key."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.keys = Keys("memory", now=self.clock)
        self.app = KeyAuth(Witness(), keys=self.keys, admin_key=ADMIN_KEY, **settings)

    async def ask(
        self, path: str, body: Any = b"", *, method: str = "POST", query: str = "", **scope: Any
    ) -> Got:
        headers = [bearer(ADMIN_KEY), JSON_TYPE]
        return await ask(self.app, path, body, method=method, query=query, headers=headers, **scope)


async def test_a_key_from_its_making_to_its_end() -> None:
    at = Managed()
    made = await at.ask("/keys/generate", {"label": "ci", "scopes": ["chat"], "ttl_seconds": 60})
    assert made.status == 200
    assert made.headers["cache-control"] == "no-store"
    told = made.json()
    assert set(told) == {"id", "token", "created_at", "expires_at", "label", "scopes"}
    token = read_token(told["token"])
    assert token is not None
    assert token.id == told["id"]
    assert (told["label"], told["scopes"], told["expires_at"]) == ("ci", ["chat"], int(at.clock.time) + 60)
    listed = await at.ask("/keys", method="GET")
    assert told["token"].partition(".")[2] not in listed.body.decode()
    assert [set(key) for key in listed.json()] == [
        {"id", "label", "scopes", "created_at", "expires_at", "revoked_at", "last_used_at"}
    ]
    id = told["id"]
    until = int(at.clock.time) + 500
    for body, expected in (
        ({"expires_at": None}, None),
        ({"expires_at": until}, until),
        ({"ttl_seconds": 9}, int(at.clock.time) + 9),
    ):
        got = await at.ask("/keys/set_expiration", {"id": id, **body})
        assert got.json() == {"updated": True, "id": id, "expires_at": expected}
    assert (await at.ask("/keys/revoke", {"id": id})).json() == {"revoked": True, "id": id}
    assert (await at.ask("/keys/revoke", {"id": id})).json() == {"revoked": False, "id": id}
    assert (await at.ask("/keys/revoke", {"id": "../x"})).json() == {"revoked": False, "id": "../x"}
    unknown = await at.ask("/keys/set_expiration", {"id": "?", "ttl_seconds": 5})
    assert unknown.json() == {"updated": False, "id": "?", "expires_at": None}


async def test_pages() -> None:
    at = Managed()
    made = [(await at.keys.create()).key.id for _ in range(5)]
    found: list[str] = []
    query = "limit=2"
    while True:
        got = await at.ask("/keys", method="GET", query=query)
        found += [key["id"] for key in got.json()]
        link = got.headers.get("link")
        if link is None:
            break
        assert link.endswith('; rel="next"')
        query = link[len("<?") : link.index(">")]
    assert found == made
    assert (await at.ask("/keys/", method="HEAD")).status == 200
    assert (await at.ask("/keys", method="GET", query="after=x")).status == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("generate", {"expires_at": 5}, 400, "expires_at"),
        ("generate", {"ttl_seconds": 0}, 400, "ttl_seconds"),
        ("generate", {"ttl_seconds": 5, "expires_at": None}, 400, "expires_at"),
        ("generate", {"scopes": "chat"}, 400, "scopes"),
        ("generate", {"scope": ["chat"]}, 400, "scope"),
        ("generate", {"label": {}}, 400, "label"),
        ("generate", b"", 400, None),
        ("generate", b"[]", 400, None),
        ("generate", b"[" * 100 + b"]" * 100, 400, None),
        ("generate", {"label": "x" * 70_000}, 413, None),
        ("revoke", {}, 400, "id"),
        ("revoke", {"id": 5}, 400, "id"),
        ("revoke", {"key": "x"}, 400, "key"),
        ("set_expiration", {"id": "x"}, 400, "expires_at"),
        ("set_expiration", {"ttl_seconds": 5}, 400, "id"),
        ("purge", {"older_than_seconds": -1}, 400, "older_than_seconds"),
        ("purge", {"older_than_seconds": True}, 400, "older_than_seconds"),
        ("purge", {"older_than_seconds": "x"}, 400, "older_than_seconds"),
        ("purge", {"older_than": 5}, 400, "older_than"),
        ("nothing", {}, 404, None),
    ],
)
async def test_mistakes(path: str, body: Any, status: int, param: str | None) -> None:
    got = await Managed().ask(f"/keys/{path}", body)
    assert got.status == status
    assert got.json()["error"]["param"] == param


async def test_ended_keys_are_forgotten() -> None:
    at = Managed()
    first, _, last = [(await at.ask("/keys/generate", {"ttl_seconds": 50})).json()["id"] for _ in range(3)]
    await at.ask("/keys/revoke", {"id": first})
    at.clock.time += 20
    await at.ask("/keys/revoke", {"id": last})
    assert (await at.ask("/keys/purge", {"older_than_seconds": 10})).json() == {"purged": 1}
    assert (await at.ask("/keys/purge", {})).json() == {"purged": 1}
    assert len((await at.ask("/keys", method="GET")).json()) == 1


async def test_scopes_may_be_null_and_methods_are_their_own() -> None:
    at = Managed()
    assert (await at.ask("/keys/generate", {"scopes": None, "label": None})).json()["scopes"] == []
    for limit in ("0", "x", "1001", "9" * 30, ""):
        got = await at.ask("/keys", method="GET", query=f"limit={limit}")
        assert got.status == (200 if not limit else 400), limit
    for path, method, allowed in (("/keys", "POST", "GET"), ("/keys/revoke", "GET", "POST")):
        got = await at.ask(path, b"{}", method=method)
        assert (got.status, got.headers["allow"]) == (405, allowed)


async def test_forms_of_other_sites_make_no_keys() -> None:
    at = Managed()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        headers = [bearer(ADMIN_KEY), ("content-type", kind)]
        assert (await ask(at.app, "/keys/generate", b"{}", headers=headers)).status == 415
    assert (await at.keys.list()).keys == []


async def test_clients_that_leave() -> None:
    at = Managed()
    asked = Asked(at.app, "/keys/generate", pieces=[b"{", b"}"], headers=[bearer(ADMIN_KEY), JSON_TYPE])
    asked._messages = asked._messages[:1]
    asked.leave()
    assert (await asked.result()).status == 499
    assert (await at.keys.list()).keys == []


async def test_the_routes_can_be_elsewhere_or_nowhere() -> None:
    at = Managed(keys_path="/admin/keys")
    assert (await at.ask("/admin/keys", method="GET")).status == 200
    assert (await at.ask("/keys", method="GET")).status == 401, "the app's, for clients"
    assert (await at.ask("/ai/admin/keys", method="GET", root_path="/ai")).status == 200
    assert (await Managed(keys_path=None).ask("/keys", method="GET")).status == 401


# The command


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(["keys", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


STORE = ("--keys-store", "sqlite:///keys.db")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(
        capsys, "create", *STORE, "--label", "ci", "--scope", "chat", "--scope", "model:m", "--ttl", "60"
    )
    assert status == 0
    token = read_token(out.strip())
    assert token is not None, "the key alone is on stdout"
    assert token.id in err
    assert "'ci'  chat model:m  created" in err
    assert out.strip().partition(".")[2] not in err
    assert run(capsys, "create", *STORE, "--expires-at", "2999-01-01T00:00")[0] == 0
    _, out, _ = run(capsys, "list", *STORE)
    assert len(out.splitlines()) == 2
    assert "expires 2999-01-01T00:00:00Z" in out
    _, out, _ = run(capsys, "list", *STORE, "--limit", "1", "--json")
    assert [key["id"] for key in json.loads(out)] == [token.id]
    _, out, _ = run(capsys, "list", *STORE, "--after", token.id)
    assert len(out.splitlines()) == 1
    assert "no limit" in out
    assert run(capsys, "list", *STORE, "--limit", "0")[1] == ""
    assert "expires" not in run(capsys, "expire", *STORE, token.id, "--never")[1]
    assert "expires" in run(capsys, "expire", *STORE, token.shown(), "--ttl", "9")[1]
    assert run(capsys, "revoke", *STORE, token.shown()) == (0, f"{token.id} is revoked\n", "")
    status, out, _ = run(capsys, "revoke", *STORE, token.id, "--json")
    assert (status, json.loads(out)) == (0, {"revoked": False, "id": token.id})
    assert run(capsys, "purge", *STORE, "--older-than", "60")[1] == "0 forgotten\n"
    assert json.loads(run(capsys, "purge", *STORE, "--json")[1]) == {"purged": 1}
    for action in (["revoke"], ["expire", "--never"]):
        status, out, err = run(capsys, action[0], *STORE, token.id, *action[1:])
        assert (status, out) == (1, "")
        assert "there is no key" in err


def test_a_key_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "create", *STORE, "--json", "--expires-at", "32503680000")
    assert (status, err) == (0, "")
    assert json.loads(out)["expires_at"] == 32_503_680_000
    status, out, _ = run(capsys, "expire", *STORE, json.loads(out)["id"], "--json", "--never")
    assert json.loads(out)["expires_at"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create"], "need a store"),
        (["create", "--keys-store", "memory"], "in memory"),
        (["create", "--keys-store", "mongodb://x"], "mongodb:"),
        (["create", *STORE, "--ttl", "0"], "ttl_seconds"),
        (["create", *STORE, "--scope", "a b"], "scopes[0]"),
        (["expire", *STORE, "x"], "expires_at"),
        (["list", "-c", "missing.yaml"], "missing.yaml"),
        (["list", "-c", "wrong.yaml"], "auth.nothing"),
        (["list", "-c", "pepper.yaml"], "PEPPER"),
    ],
)
def test_what_the_command_refuses(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("wrong.yaml").write_text("auth: {nothing: 1}")
    Path("pepper.yaml").write_text("{auth: {pepper_env: PEPPER}, store: 'sqlite:///a.db'}")
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_times_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["keys", "create", *STORE, "--expires-at", "tomorrow"])
    assert "is no time" in capsys.readouterr().err


def test_where_the_keys_are(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line comes before the environment, that before the file, and all before the store."""
    both = "auth: {keys_store: 'sqlite:///file.db'}\nstore: sqlite:///service.db\n"
    Path("both.yaml").write_text(both)
    Path("service.yaml").write_text("store: sqlite:///service.db\n")

    def made(*arguments: str) -> str:
        for old in Path().glob("*.db*"):
            old.unlink()
        assert run(capsys, "create", *arguments)[0] == 0
        return next(iter(Path().glob("*.db"))).name

    assert made("-c", "service.yaml") == "service.db"
    assert made("-c", "both.yaml") == "file.db"
    monkeypatch.setenv("RESPONSES_ASGI_AUTH__KEYS_STORE", "sqlite:///environment.db")
    assert made("-c", "both.yaml") == "environment.db"
    assert made("-c", "both.yaml", "--keys-store", "sqlite:///line.db") == "line.db"


# The configuration

UPSTREAM = {"upstreams": {"a": {"handler": "demo"}}}


async def test_a_configuration_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_PEPPER", f"{PEPPER}, an-older-pepper-of-the-service")
    monkeypatch.setenv("THE_ADMIN_KEY", ADMIN_KEY)
    auth = {
        "keys_store": "sqlite:///keys.db",
        "pepper_env": "THE_PEPPER",
        "admin_key_env": "THE_ADMIN_KEY",
        "require_expiration": True,
        "default_ttl": 60,
        "keys_path": "/admin/keys",
        "open_paths": "/health, /docs",
    }
    app = set_up(load(flags={**UPSTREAM, "auth": auth})).app
    headers = [bearer(ADMIN_KEY), JSON_TYPE]
    made = (await ask(app, "/admin/keys/generate", {}, headers=headers)).json()
    assert made["expires_at"] == made["created_at"] + 60
    refused = await ask(app, "/admin/keys/generate", {"expires_at": None}, headers=headers)
    assert refused.status == 400
    body = {"model": "demo", "input": "Hi"}
    assert (await ask(app, "/v1/responses", body, headers=[bearer(made["token"])])).status == 200
    assert (await ask(app, "/v1/responses", body)).status == 401
    assert (await ask(app, "/docs", method="GET")).status != 401
    await app.aclose()
    keys = Keys("sqlite:///keys.db", pepper=PEPPER)
    assert (await keys.verify(made["token"])).id == made["id"]
    await keys.aclose()


@pytest.fixture
def of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(".")
    Path("of_the_host.py").write_text("def allow(scope): return scope['query_string'] == b'yes'\n")


@pytest.mark.usefixtures("of_the_host")
async def test_static_tokens_and_functions_in_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENS", "one-token-of-the-list, another-of-the-list")
    app = set_up(load(flags={**UPSTREAM, "auth": {"mode": "static", "tokens_env": "TOKENS"}})).app
    for token, status in (("another-of-the-list", 200), ("none-of-the-list-", 401)):
        assert (await ask(app, "/v1/models", method="GET", headers=[bearer(token)])).status == status
    app = set_up(load(flags={**UPSTREAM, "auth": {"mode": "host", "allow": "of_the_host:allow"}})).app
    for query, status in (("yes", 200), ("no", 401)):
        assert (await ask(app, "/v1/models", method="GET", query=query)).status == status


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"auth": {"mode": "nobody"}}, "auth.mode"),
        ({"auth": {"mode": "static"}}, "auth.tokens_env"),
        ({"auth": {"tokens_env": "TOKENS"}}, "auth.tokens_env"),
        ({"auth": {"mode": "host"}}, "auth.allow"),
        ({"auth": {"mode": "host", "allow": "nothing:here"}}, "auth.allow"),
        ({"auth": {"admin_key_env": "NOT_SET"}}, "auth.admin_key_env: the environment variable NOT_SET"),
        ({"auth": {"admin_key_env": "SHORT"}}, "auth: a token needs"),
        ({"auth": {"keys_store": "none"}}, "auth: keys need a store"),
        ({"auth": {}, "store": "none"}, "auth.keys_store"),
        (
            {"auth": {"keys_store": "memory"}, "store": "sqlite:///a.db", "server": {"workers": 2}},
            "auth.keys_store",
        ),
        ({"auth": {"keys_store": "mongo://user:hunter2@x"}}, "auth: store is"),
        ({"auth": {"open_paths": "docs"}}, "auth: open_paths"),
        ({"auth": {"default_ttl": 0}}, "auth.default_ttl"),
        (
            {
                "auth": {"mode": "passthrough"},
                "upstreams": {"a": {"url": "http://a.test", "api_key_env": "SHORT"}},
            },
            "passthrough",
        ),
    ],
)
def test_configurations_that_cannot_work(config: Any, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENS", "one-token-of-the-list")
    monkeypatch.setenv("SHORT", "secret")
    with pytest.raises(ProblemsError) as caught:
        set_up(load(flags={**UPSTREAM, **config}))
    assert problem in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_check_says(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gateway.yaml").write_text(
        "upstreams: {a: {handler: demo}}\nauth: {keys_store: 'redis://user:hunter2@127.0.0.1'}\n"
    )
    assert main(["check", "gateway.yaml"]) == 0
    told = capsys.readouterr().out
    assert "managed, kept in redis://user:***@127.0.0.1" in told
    Path("gateway.yaml").write_text("upstreams: {a: {handler: demo}}\nauth: {mode: passthrough}\n")
    assert main(["check", "gateway.yaml"]) == 0
    assert "  keys       passthrough" in capsys.readouterr().out
