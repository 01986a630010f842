"""Issued keys over every store: what can be done with them, and what their check tells to whom."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from responses_asgi.errors import (
    APIError,
    ConfigurationError,
    InvalidRequestError,
    StoreError,
    VersionConflictError,
)
from responses_asgi.keys import Key, KeyPolicy, Keys
from responses_asgi.keys import token as token_module
from responses_asgi.keys.keys import KEY
from responses_asgi.keys.scopes import Allowed, check_scopes
from responses_asgi.keys.token import read_token
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.records import Record, Records
from responses_asgi.stores.sqlite import SQLiteStore
from tests.redis_server import opened, redis_server

PEPPER = "pepper-of-sixteen-bytes-or-more"


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


class OwnStore:
    """A user's own store: nothing but the six methods, over a dict."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str, str], Record] = {}
        self.puts = 0

    async def get(self, kind: str, owner: str, id: str, *, renew: bool = False) -> Record | None:
        return self.records.get((kind, owner, id))

    async def find(self, kind: str, owner: str, name: str) -> Record | None:
        return None

    async def put(self, *records: Record, version: int | None = None) -> None:
        for record in records:
            place = (record.kind, record.owner, record.id)
            old = self.records.get(place)
            if version is not None and version != (old.version if old else 0):
                raise VersionConflictError
            self.puts += 1
            position = old.position if old else len(self.records) + 1
            self.records[place] = replace(record, version=(old.version if old else 0) + 1, position=position)

    async def delete(self, kind: str, owner: str, *ids: str) -> int:
        return sum(self.records.pop((kind, owner, id), None) is not None for id in ids)

    async def list(
        self,
        kind: str,
        owner: str,
        *,
        parent: str | None = None,
        after: int | None = None,
        limit: int = 20,
        descending: bool = False,
    ) -> Sequence[Record]:
        return [record for record in self.records.values() if record.position > (after or 0)][:limit]

    async def aclose(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def store_called(name: str, folder: Path) -> AsyncIterator[Records]:
    if name == "redis":
        with redis_server() as server:
            async with opened(server.url) as store:
                yield store
        return
    made: Records = {"memory": MemoryStore, "own": OwnStore}.get(name, lambda: SQLiteStore(folder / "k.db"))()
    try:
        yield made
    finally:
        await made.aclose()


@pytest.mark.parametrize("name", ["memory", "sqlite", "redis", "own"])
async def test_the_life_of_a_key(name: str, tmp_path: Path) -> None:
    clock = Clock()
    async with store_called(name, tmp_path) as store:
        keys = Keys(store, pepper=PEPPER, now=clock)
        issued = await keys.create(label="ci", scopes=["chat", "model:gpt-*"], ttl=60)
        forever = await keys.create()
        token = read_token(issued.token)
        assert token is not None
        assert token.id == issued.key.id
        assert len(token.secret) == 32
        key = await keys.verify(issued.token)
        assert key == issued.key
        assert (key.label, key.scopes) == ("ci", ("chat", "model:gpt-*"))
        assert key.expires_at == clock.time + 60
        assert (await keys.list()).keys == [
            replace(issued.key, last_used_at=int(clock.time)),
            forever.key,
        ]

        clock.time += 60
        with pytest.raises(APIError, match="expired") as expired:
            await keys.verify(issued.token)
        assert (expired.value.status, expired.value.code) == (401, "invalid_api_key")
        changed = await keys.set_expiration(issued.key.id, expires_at=None)
        assert changed is not None
        assert changed.expires_at is None
        await keys.verify(issued.token)

        assert await keys.revoke(issued.key.id)
        assert not await keys.revoke(issued.key.id)
        assert not await keys.revoke("0" * 32)
        with pytest.raises(APIError, match="revoked"):
            await keys.verify(issued.token)
        with pytest.raises(APIError, match="revoked"):
            await keys.check(issued.key.id)
        assert await keys.purge(older_than=10) == 0
        clock.time += 11
        assert await keys.purge(older_than=10) == 1
        assert (await keys.list()).keys == [forever.key]
        assert await keys.get(issued.key.id) is None
        assert await keys.set_expiration(issued.key.id, expires_at=None) is None
        with pytest.raises(APIError, match="Incorrect"):
            await keys.verify(issued.token)
        with pytest.raises(APIError):
            await keys.check(issued.key.id)
        await keys.check(forever.key.id)


async def test_what_is_kept_is_no_secret_and_told_nowhere() -> None:
    store = OwnStore()
    keys = Keys(store)
    issued = await keys.create()
    secret = issued.token.partition(".")[2]
    data = store.records[KEY, "", issued.key.id].data
    assert secret.encode() not in data
    assert bytes.fromhex(secret) not in data
    assert hashlib.sha256(bytes.fromhex(secret)).hexdigest().encode() not in data, "salted"
    parsed = read_token(issued.token)
    key, kept = token_module.Kept, keys._digests.keep(bytes.fromhex(secret))
    assert key is not None
    for told in (issued, issued.key, keys, parsed, kept, keys._digests):
        assert secret not in f"{told!r}{told!s}"
        assert kept.digest.hex() not in f"{told!r}{told!s}"
    assert secret not in str(issued.key.document())
    assert issued.document()["token"] == issued.token


async def comparisons(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[], Awaitable[Any]]
) -> tuple[list[tuple[int, int]], APIError]:
    """The lengths of all that was compared in constant time until the refusal, and that."""
    made: list[tuple[int, int]] = []

    def compare(one: bytes, other: bytes) -> bool:
        made.append((len(one), len(other)))
        return real(one, other)

    real = token_module.compare_digest
    with monkeypatch.context() as patch:
        patch.setattr(token_module, "compare_digest", compare)
        with pytest.raises(APIError) as caught:
            await ask()
    return made, caught.value


@pytest.mark.parametrize("pepper", [None, PEPPER])
async def test_every_refusal_takes_one_comparison_of_equal_length(
    monkeypatch: pytest.MonkeyPatch, pepper: str | None
) -> None:
    clock, store = Clock(), MemoryStore()
    keys = Keys(store, pepper=pepper, now=clock)
    good, revoked, expired = [(await keys.create(ttl=60)).token for _ in range(3)]
    await keys.revoke(revoked[3:35])
    clock.time += 30
    await keys.set_expiration(good[3:35], ttl=600)
    clock.time += 31
    other_pepper = (await Keys(store, pepper="another-pepper-than-that-one").create()).token
    shown: dict[str, str | None] = {
        "missing": None,
        "empty": "",
        "no key": "hello",
        "capitals": good.upper(),
        "unknown id": "sk_" + "0" * 32 + good[35:],
        "wrong secret": good[:36] + "0" * 64,
        "wrong secret of a revoked key": revoked[:36] + "0" * 64,
        "wrong secret of an expired key": expired[:36] + "0" * 64,
        "revoked": revoked,
        "expired": expired,
        "another pepper": other_pepper,
    }
    told = {}
    for name, token in shown.items():
        made, error = await comparisons(monkeypatch, lambda token=token: keys.verify(token))  # type: ignore[misc]
        assert made == [(32, 32)], name
        assert error.status == 401, name
        told[name] = error.message
        assert not token or token not in error.message + "".join(traceback.format_exception(error))
    assert told["wrong secret of a revoked key"] == told["unknown id"] == told["another pepper"]
    assert told["wrong secret of an expired key"] == told["unknown id"]
    assert "revoked" in told["revoked"]
    assert "expired" in told["expired"]
    assert (await keys.verify(good)).id == good[3:35]


@pytest.mark.parametrize(
    "wrong",
    ["sk_" + "0" * 31 + "." + "f" * 64, "sk_" + "0" * 32 + "." + "f" * 63, "sk-" + "0" * 32 + "." + "f" * 64]
    + ["sk_" + "0" * 32 + "." + "f" * 64 + tail for tail in ("\n", " ", "f", ".")]
    + ["sk_" + "\u0660" * 32 + "." + "f" * 64, "SK_" + "0" * 32 + "." + "f" * 64, "sk_../../x." + "f" * 64],
)
def test_only_the_exact_form_is_a_key(wrong: str) -> None:
    assert read_token(wrong) is None


async def test_peppers_rotate() -> None:
    store = MemoryStore()
    bare, old = await Keys(store).create(), await Keys(store, pepper=PEPPER).create()
    new = Keys(store, pepper=["a-newer-pepper-for-all-keys", PEPPER])
    await new.verify(old.token)
    for keys, token in ((new, bare.token), (Keys(store), old.token)):
        with pytest.raises(APIError, match="Incorrect"):
            await keys.verify(token)
    await Keys(store, pepper=[PEPPER, b""]).verify(bare.token)
    newest = await new.create()
    with pytest.raises(APIError, match="Incorrect"):
        await Keys(store, pepper=PEPPER).verify(newest.token)
    for wrong in ("short", [], [b"short"]):
        with pytest.raises(ConfigurationError):
            Keys(store, pepper=wrong)  # type: ignore[arg-type]  # on purpose


async def test_uses_are_noted_once_a_minute() -> None:
    clock, store = Clock(), OwnStore()
    keys = Keys(store, now=clock)
    issued = await keys.create()
    for _ in range(5):
        await keys.verify(issued.token)
    assert store.puts == 2
    clock.time += 61
    await keys.verify(issued.token)
    assert store.puts == 3
    key = await keys.get(issued.key.id)
    assert key is not None
    assert key.last_used_at == int(clock.time)


async def test_a_use_does_not_undo_a_revocation(caplog: pytest.LogCaptureFixture) -> None:
    class Slow(OwnStore):
        """Another process revokes the key between the reading and the noting of a use."""

        revoking = False

        async def put(self, *records: Record, version: int | None = None) -> None:
            if self.revoking:
                self.revoking = False
                assert await Keys(self).revoke(records[0].id)
            await super().put(*records, version=version)

    store = Slow()
    keys = Keys(store)
    issued = await keys.create()
    store.revoking = True
    await keys.verify(issued.token)
    with pytest.raises(APIError, match="revoked"):
        await keys.verify(issued.token)
    assert not caplog.records


async def test_changes_are_tried_again_and_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Contended(OwnStore):
        left = 3

        async def put(self, *records: Record, version: int | None = None) -> None:
            if version and self.left:
                self.left -= 1
                raise VersionConflictError
            await super().put(*records, version=version)

    store = Contended()
    keys = Keys(store)
    issued = await keys.create()
    assert await keys.revoke(issued.key.id)
    store.left = 100
    with pytest.raises(StoreError, match="by others"):
        await keys.set_expiration(issued.key.id, ttl=5)


async def test_a_store_that_fails_lets_nobody_in(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(OwnStore):
        reading = writing = True

        async def get(self, *args: Any, **options: Any) -> Record | None:
            if not self.reading:
                raise ConnectionError("password=hunter2")
            return await super().get(*args, **options)

        async def put(self, *records: Record, version: int | None = None) -> None:
            if not self.writing:
                raise StoreError("full")
            await super().put(*records, version=version)

    store = Broken()
    keys = Keys(store)
    issued = await keys.create()
    store.writing = False
    assert await keys.verify(issued.token), "a use that cannot be noted keeps nobody out"
    assert "could not be noted" in caplog.text
    store.reading = False
    for ask in (keys.verify(issued.token), keys.check(issued.key.id), keys.revoke(issued.key.id)):
        with pytest.raises(StoreError) as caught:
            await ask
        assert caught.value.status == 503
        assert caught.value.headers["retry-after"] == "1"
        assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"salt": 5}', b"\xff", b'{"salt":"","digest":"","pepper":""}']
)
async def test_a_record_that_cannot_be_read_is_no_key(data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    store = OwnStore()
    keys = Keys(store)
    issued, other = await keys.create(), await keys.create()
    place = (KEY, "", issued.key.id)
    good = store.records[place]
    for bad in (data, store.records[KEY, "", other.key.id].data):
        store.records[place] = replace(good, data=bad)
        with pytest.raises(APIError, match="Incorrect"):
            await keys.verify(issued.token)
    assert (await keys.list()).keys == [other.key]
    assert "cannot be read" in caplog.text


async def test_keys_come_in_pages() -> None:
    keys = Keys("memory")
    made = [(await keys.create(label=str(i))).key for i in range(5)]
    found: list[Key] = []
    page = await keys.list(limit=2)
    while page.after is not None:
        found += page.keys
        page = await keys.list(limit=2, after=page.after)
    assert [*found, *page.keys] == made
    with pytest.raises(InvalidRequestError) as unknown:
        await keys.list(after="0" * 32)
    assert unknown.value.param == "after"
    await keys.aclose()


async def test_purging_goes_through_all_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responses_asgi.keys.keys.MAX_PAGE", 3)
    keys = Keys("memory")
    made = [(await keys.create()).key.id for _ in range(10)]
    for id in made[::2]:
        await keys.revoke(id)
    assert await keys.purge() == 5
    assert [key.id for key in (await keys.list(limit=3)).keys] == made[1::2][:3]


POLICIES: list[tuple[dict[str, Any], dict[str, Any], int | str | None]] = [
    ({}, {}, None),
    ({}, {"ttl": 5}, 5),
    ({}, {"expires_at": None}, None),
    ({"default_ttl": 7}, {}, 7),
    ({"default_ttl": 7}, {"ttl": 5}, 5),
    ({"default_ttl": 7}, {"expires_at": None}, None),
    ({"require_expiration": True}, {}, "expires_at"),
    ({"require_expiration": True}, {"expires_at": None}, "expires_at"),
    ({"require_expiration": True}, {"ttl": 5}, 5),
    ({"require_expiration": True, "allow_none": True}, {}, "expires_at"),
    ({"require_expiration": True, "allow_none": True}, {"expires_at": None}, None),
    ({"require_expiration": True, "default_ttl": 7}, {}, 7),
    ({}, {"ttl": 0}, "ttl_seconds"),
    ({}, {"ttl": -1}, "ttl_seconds"),
    ({}, {"ttl": 0.1}, 1),
    ({}, {"ttl": float("inf")}, "ttl_seconds"),
    ({}, {"ttl": float("nan")}, "ttl_seconds"),
    ({}, {"ttl": True}, "ttl_seconds"),
    ({}, {"ttl": "5"}, "ttl_seconds"),
    ({}, {"expires_at": 5}, "expires_at"),
    ({}, {"expires_at": "tomorrow"}, "expires_at"),
    ({}, {"expires_at": 1e12}, "expires_at"),
    ({}, {"expires_at": 1_800_000_009}, 9),
    ({}, {"expires_at": 1_800_000_009, "ttl": 5}, "expires_at"),
]


@pytest.mark.parametrize(("policy", "said", "expected"), POLICIES)
async def test_policies(policy: dict[str, Any], said: dict[str, Any], expected: int | str | None) -> None:
    clock = Clock()
    keys = Keys("memory", policy=KeyPolicy(**policy), now=clock)
    if isinstance(expected, str):
        with pytest.raises(InvalidRequestError) as caught:
            await keys.create(**said)
        assert caught.value.param == expected
    else:
        key = (await keys.create(**said)).key
        assert key.expires_at == (None if expected is None else clock.time + expected)


@pytest.mark.parametrize("ttl", [0, -1, float("inf"), float("nan")])
def test_policies_that_cannot_be(ttl: float) -> None:
    with pytest.raises(ConfigurationError):
        KeyPolicy(default_ttl=ttl)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"scopes": "chat"}, "scopes"),
        ({"scopes": {"chat": 1}}, "scopes"),
        ({"scopes": ["a"] * 65}, "scopes"),
        ({"scopes": ["chat", ""]}, "scopes[1]"),
        ({"scopes": ["model:"]}, "scopes[0]"),
        ({"scopes": ["model:a*b*"]}, "scopes[0]"),
        ({"scopes": ["model:a\n"]}, "scopes[0]"),
        ({"scopes": ["two words"]}, "scopes[0]"),
        ({"scopes": [5]}, "scopes[0]"),
        ({"scopes": ["a" * 201]}, "scopes[0]"),
        ({"label": 5}, "label"),
        ({"label": "x" * 201}, "label"),
        ({"label": "a\x1b[2Jb\n"}, "label"),
    ],
)
async def test_what_cannot_be_given(given: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await Keys("memory").create(**given)
    assert caught.value.param == path


@pytest.mark.parametrize(
    ("scopes", "apis", "models"),
    [
        ([], {"responses": True, "embeddings": True, "models": True}, {"any": True}),
        (["chat"], {"chat": True, "responses": False, "conversations": True, "models": True, "": False}, {}),
        (["responses"], {"chat": False, "proxy": True, "convert": True, "completions": False}, {"any": True}),
        (["admin"], {"chat": False, "responses": False, "models": False, "": False, "admin": False}, {}),
        (["admin", "*"], {"chat": True, "models": True}, {}),
        (["metrics"], {"chat": False, "models": False, "": False, "metrics": False}, {}),
        (["model:gpt-*"], {"chat": True}, {"gpt-5": True, "gpt": False, "xgpt-5": False}),
        (["model:gpt-5", "model:*-mini"], {}, {"gpt-5": True, "o4-mini": True, "gpt-5.5": False}),
        (["model:ab*ba"], {}, {"aba": False, "abba": True}),
    ],
)
def test_scopes(scopes: list[str], apis: dict[str, bool], models: dict[str, bool]) -> None:
    allowed = Allowed.by(check_scopes(scopes))
    assert {api: allowed.api(api) for api in apis} == apis
    assert {model: allowed.model(model) for model in models} == models
    assert allowed.admin == ("admin" in scopes)


@pytest.mark.parametrize("url", ["none", "mongodb://x"])
def test_stores_that_cannot_be(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Keys(url)


async def test_a_store_of_a_url_is_closed_and_opened_again(tmp_path: Path) -> None:
    keys = Keys(f"sqlite:///{tmp_path}/keys.db")
    issued = await keys.create()
    await keys.aclose()
    assert not keys.in_memory
    assert (await keys.verify(issued.token)).id == issued.key.id
    await keys.aclose()
    store = OwnStore()
    await Keys(store).aclose()


async def test_two_processes_over_one_file_see_each_other(tmp_path: Path) -> None:
    async with store_called("sqlite", tmp_path) as one, store_called("sqlite", tmp_path) as two:
        issued = await Keys(one).create()
        await Keys(two).verify(issued.token)
        await Keys(two).revoke(issued.key.id)
        with pytest.raises(APIError, match="revoked"):
            await Keys(one).verify(issued.token)


async def test_many_at_once_over_one_key() -> None:
    keys = Keys("memory")
    issued = await keys.create()
    found = await asyncio.gather(*(keys.verify(issued.token) for _ in range(50)))
    assert {key.id for key in found} == {issued.key.id}
    done = await asyncio.gather(*(keys.revoke(issued.key.id) for _ in range(20)))
    assert done.count(True) == 1


async def test_nothing_of_a_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys = Keys("memory", pepper=PEPPER)
    issued = await keys.create(label="x")
    await keys.verify(issued.token)
    with pytest.raises(APIError):
        await keys.verify(issued.token[:-1] + "g")
    assert issued.token not in caplog.text
    assert PEPPER not in caplog.text
