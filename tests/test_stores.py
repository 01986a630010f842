"""The built-in stores by the rules of all stores, and which of them a URL means."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import responses_asgi
from responses_asgi.errors import ConfigurationError
from responses_asgi.stores import Record, Records
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.stores.sqlite import SQLiteStore
from responses_asgi.stores.url import store_from_url
from tests.store_rules import Clock, RecordRules, Subject


class TestMemoryStore(RecordRules):
    @pytest.fixture
    def subject(self) -> Subject:
        clock = Clock()
        return Subject(store=MemoryStore(ttl=100.0, clock=clock), wait=clock.wait)


class TestSQLiteStore(RecordRules):
    @pytest.fixture
    async def subject(self, tmp_path: Path) -> AsyncIterator[Subject]:
        clock = Clock()

        def make() -> SQLiteStore:
            return SQLiteStore(tmp_path / "state.db", ttl=100.0, clock=clock)

        store = make()
        yield Subject(store=store, wait=clock.wait, again=make)
        await store.aclose()


def test_the_public_names_are_the_stores() -> None:
    assert responses_asgi.MemoryStore is MemoryStore
    assert responses_asgi.SQLiteStore is SQLiteStore
    assert responses_asgi.store_from_url is store_from_url
    assert (responses_asgi.Record, responses_asgi.Records) == (Record, Records)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///state.db", os.path.abspath("state.db")),
        ("sqlite:///data/a%20b%25.db", os.path.abspath("data/a b%.db")),
        ("SQLite:////var/lib/state.db", "/var/lib/state.db"),
    ],
)
def test_sqlite_urls_name_a_file(url: str, path: str) -> None:
    store = store_from_url(url)
    assert isinstance(store, SQLiteStore)
    assert store.path == path


def test_words_for_memory_and_nothing() -> None:
    first, second = store_from_url("memory"), store_from_url("Memory")
    assert isinstance(first, MemoryStore)
    assert isinstance(second, MemoryStore)
    assert first is not second
    assert store_from_url("none") is None


@pytest.mark.parametrize("url", ["redis://localhost:1/2", "rediss://u:p@host", "unix:///run/redis.sock"])
def test_redis_urls_are_given_to_redis_py(url: str) -> None:
    assert isinstance(store_from_url(url), responses_asgi.RedisStore)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite",
        "sqlite://state.db",
        "sqlite:state.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///state.db?timeout=5",
        "sqlite:///state.db#1",
        "sqlite:///a%00b",
        "memory://",
        "none://",
        "redis",
        "postgres://user:secret@host/db",
        "redis:secret@host",
        "secret",
    ],
)
def test_other_urls_are_refused_with_what_is_allowed(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected") as caught:
        store_from_url(url)
    assert "secret" not in str(caught.value) or url == "secret"
