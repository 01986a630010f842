"""What the SQLite store promises beyond the rules of all stores: its file, its failures, its processes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError, StoreError
from responses_asgi.stores.sqlite import SQLiteStore, database, leases, logs, records, schema, session, worker
from responses_asgi.stores.sqlite import store as store_module
from tests.loopback import until
from tests.store_rules import Clock, ids, in_threads, record

SECRET_NAME = "very-private-name"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{SECRET_NAME}.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path, busy_timeout=0.1)
    yield store
    await store.aclose()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody else's, without transactions of its own."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        yield connection
    finally:
        connection.close()


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("responses-asgi-sqlite")]


async def fails(store: SQLiteStore, message: str, *, reading: bool = True) -> None:
    """Both ways of asking fail, clearly, and without the file's name."""
    asked = [store.put(record("refused"))]
    if reading:
        asked += [store.get("response", "a", "refused"), store.list("response", "a")]
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(outcome, StoreError)
        assert message in outcome.message
        assert SECRET_NAME not in outcome.message
        assert outcome.status == 503
        assert outcome.headers == {"retry-after": "1"}


async def works(store: SQLiteStore) -> None:
    await store.put(record("works"))
    assert await store.get("response", "a", "works")


def run_program(source: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end."""
    command = [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────


async def test_records_outlive_the_store(path: Path) -> None:
    first = SQLiteStore(path)
    await first.put(record("1", b"one", names=("n",), parent="p"), record("2"))
    await first.delete("response", "a", "2")
    await first.aclose()
    second = SQLiteStore(path)
    await second.put(record("3"))
    found = await second.list("response", "a")
    assert [(one.id, one.data, one.version) for one in found] == [("1", b"one", 1), ("3", b"{}", 1)]
    assert await second.find("response", "a", "n") == found[0]
    await second.aclose()


async def test_a_relative_path_is_that_of_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("state.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    await works(store)
    await store.aclose()
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "state.db"]
    assert os.listdir(tmp_path / "elsewhere") == []
    assert store.path == str(tmp_path / "state.db")


@pytest.mark.parametrize("name", ["with space.db", "100%.db", "a?b#c.db", "quote'\".db", "🦊.db"])
async def test_names_of_files_are_only_data(tmp_path: Path, name: str) -> None:
    store = SQLiteStore(tmp_path / name)
    await works(store)
    assert name in os.listdir(tmp_path)
    await store.aclose()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"path": ":memory:"}, "MemoryStore"),
        ({"path": ""}, "MemoryStore"),
        ({"path": "a\0b"}, "NUL"),
        ({"ttl": 0}, "ttl is 0"),
        ({"ttl": float("nan")}, "ttl is nan"),
        ({"busy_timeout": -1}, "busy_timeout is -1"),
        ({"max_bytes": 0}, "max_bytes is 0"),
        ({"synchronous": "normal; DROP TABLE x"}, "OFF, NORMAL, FULL, EXTRA"),
    ],
)
def test_parameters_that_cannot_work_are_refused(path: Path, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        SQLiteStore(**{"path": path, **changed})


def test_a_store_that_is_not_used_makes_no_file_and_no_thread(path: Path) -> None:
    SQLiteStore(path)
    assert not path.exists()
    assert threads() == []


async def test_the_file_is_written_ahead_and_shared_with_other_tables(path: Path, store: SQLiteStore) -> None:
    with opened(path) as other:
        other.execute("CREATE TABLE records (mine TEXT)")
        other.execute("PRAGMA user_version = 7")
        await works(store)
        assert other.execute("PRAGMA user_version").fetchone() == (7,)
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        tables = other.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        assert {name for (name,) in tables if not name.startswith(("responses_asgi_", "sqlite_"))} == {
            "records"
        }


@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL", "FULL", "EXTRA"])
async def test_what_a_commit_waits_for_can_be_said(path: Path, synchronous: str) -> None:
    store = SQLiteStore(path, synchronous=synchronous)
    await works(store)
    await store.aclose()


def test_the_sql_is_no_newer_than_sqlite_3_35() -> None:
    """What later versions brought does not occur; the words are those of https://www.sqlite.org/changes.html"""
    newer = [
        "->",
        " STRICT",
        "IIF(",
        "UNIXEPOCH",
        "RIGHT JOIN",
        "FULL JOIN",
        "IS DISTINCT",
        "IS NOT DISTINCT",
    ]
    newer += ["TIMEDIFF", "CONCAT(", "STRING_AGG", "OCTET_LENGTH", "JSONB", "FORMAT(", "UNHEX", "PRAGMA_"]
    texts = [statement for step in schema.MIGRATIONS for statement in step]
    for module in (records, logs, leases, schema):
        texts += [value for value in vars(module).values() if isinstance(value, str)]
    sql = [text.upper() for text in texts if "RESPONSES_ASGI_" in text.upper()]
    assert len(sql) > 15
    assert [(word, text) for text in sql for word in newer if word in text] == []


async def test_pages_are_read_from_an_index_without_sorting(path: Path, store: SQLiteStore) -> None:
    await store.put(*(record(str(n), parent=f"p{n % 3}", names=("n",)) for n in range(300)))
    with opened(path) as other:
        statements: list[str] = []
        other.set_trace_callback(statements.append)
        for parent in (None, "", "p1"):
            for descending in (False, True):
                records.list_records(
                    other, "response", "a", parent=parent, after=5, limit=9, descending=descending, now=0.0
                )
        records.get(other, "response", "a", "1", 0.0)
        records.delete(other, "response", "a", ["1"], 0.0)
        records.forget_expired(other, 0.0)
        other.set_trace_callback(None)
        assert len(statements) >= 7
        for statement in filter(lambda text: not text.startswith("--"), statements):
            plan = [row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not any("TEMP B-TREE" in step or step == "SCAN responses_asgi_records" for step in plan), (
                plan
            )


async def _outcome(asked: Coroutine[Any, Any, Any]) -> Any:
    """What it returns or raises."""
    return (await asyncio.gather(asked, return_exceptions=True))[0]


# ── versions of the file ────────────────────────────────────────────────────────────────────────────────


def test_every_version_of_the_file_is_brought_to_the_newest(tmp_path: Path) -> None:
    async def use(path: Path) -> list[str]:
        store = SQLiteStore(path)
        await store.put(record("new"))
        found = ids(await store.list("response", "a"))
        await store.aclose()
        return found

    for version in range(len(schema.MIGRATIONS) + 1):
        path = tmp_path / f"{version}.db"
        with opened(path) as old:
            old.execute("CREATE TABLE responses_asgi_schema (version INTEGER NOT NULL)")
            if version:
                old.execute("INSERT INTO responses_asgi_schema VALUES (?)", (version,))
            for statement in [each for step in schema.MIGRATIONS[:version] for each in step]:
                old.execute(statement)
            if version:
                old.execute(
                    "INSERT INTO responses_asgi_records "
                    "(kind, owner, id, parent, names, expires_at, version, data) "
                    "VALUES ('response', 'a', 'old', '', '', 9e12, 1, '{}')"
                )
        assert asyncio.run(use(path)) == (["old", "new"] if version else ["new"])
        with opened(path) as now:
            rows = now.execute("SELECT version FROM responses_asgi_schema").fetchall()
            assert rows == [(len(schema.MIGRATIONS),)]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await works(store)
    await store.aclose()
    good = schema.MIGRATIONS
    step = ("ALTER TABLE responses_asgi_records ADD COLUMN colour TEXT", "INSERT INTO nowhere VALUES (1)")
    monkeypatch.setattr(schema, "MIGRATIONS", (*good, step))
    await fails(store, "SQLite reports an error")
    monkeypatch.setattr(schema, "MIGRATIONS", (*good, step[:1]))
    await works(store)
    await store.aclose()
    with opened(path) as other:
        assert other.execute("SELECT version FROM responses_asgi_schema").fetchall() == [(len(good) + 1,)]
        assert (
            "colour"
            in other.execute("SELECT sql FROM sqlite_master WHERE name LIKE '%records'").fetchone()[0]
        )
    monkeypatch.setattr(schema, "MIGRATIONS", good)
    await fails(
        store, f"newer responses-asgi (schema version {len(good) + 1}; this one knows up to {len(good)})"
    )


def test_many_processes_make_one_new_file(path: Path) -> None:
    program = """
        import asyncio, sys
        from responses_asgi import Record, SQLiteStore, VersionConflictError

        async def main(path, name):
            store = SQLiteStore(path)
            await store.put(*(Record(kind="r", owner="", id=f"{name}/{n}", data=b"1") for n in range(50)))
            for n in range(50):
                await store.put(Record(kind="r", owner="", id=f"{name}+{n}", data=b"1"))
            while True:
                found = await store.get("r", "", "count")
                count = int(found.data) if found else 0
                new = Record(kind="r", owner="", id="count", data=str(count + 1).encode())
                try:
                    await store.put(new, version=found.version if found else 0)
                except VersionConflictError:
                    continue
                break
            await store.aclose()

        asyncio.run(main(*sys.argv[1:]))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    running = [subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in "abc"]
    for process in running:
        _, complaint = process.communicate(timeout=60)
        assert (process.returncode, complaint) == (0, "")

    async def look() -> None:
        store = SQLiteStore(path)
        found = await store.list("r", "", limit=1000)
        assert len({one.position for one in found}) == 301
        count = await store.get("r", "", "count")
        assert count is not None
        assert (count.data, count.version) == (b"3", 3)
        await store.aclose()

    asyncio.run(look())


# ── failures and recovery ───────────────────────────────────────────────────────────────────────────────


async def test_a_directory_that_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SQLiteStore(tmp_path / SECRET_NAME / "state.db")
    with caplog.at_level(logging.INFO, "responses_asgi"):
        for _ in range(3):
            await fails(store, "its file cannot be opened or made")
        (tmp_path / SECRET_NAME).mkdir()
        await works(store)
        await works(store)
    await store.aclose()
    told = [entry.getMessage() for entry in caplog.records if entry.name == "responses_asgi"]
    assert told == [
        f"The SQLite store {store.path} fails: unable to open database file",
        f"The SQLite store {store.path} works again",
    ]


async def test_a_path_that_is_a_directory(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path)
    await fails(store, "its file cannot be opened or made")
    await store.aclose()


async def test_a_file_that_another_writes(path: Path, store: SQLiteStore) -> None:
    await works(store)
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        refused = await asyncio.gather(
            *(store.put(record(f"{n}")) for n in range(50)), return_exceptions=True
        )
        assert time.monotonic() - begun < 3.0, "all that wait are refused together"
        assert {str(each) for each in refused} == {
            "The store cannot be used now: another program holds its file locked."
        }
        assert await store.get("response", "a", "works"), "reading goes on"
        other.execute("COMMIT")
    await works(store)
    assert ids(await store.list("response", "a")) == ["works"]


async def test_a_file_that_another_has_for_itself(path: Path, store: SQLiteStore) -> None:
    with opened(path) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("CREATE TABLE theirs (x)")
        await fails(store, "another program holds its file locked")
    await works(store)


async def test_a_lock_is_waited_for(path: Path) -> None:
    store = SQLiteStore(path, busy_timeout=20.0)
    await works(store)
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        put = asyncio.ensure_future(store.put(record("waits")))
        await asyncio.sleep(0.2)
        assert not put.done()
        other.execute("COMMIT")
    await put
    await store.aclose()


async def test_a_new_file_that_is_locked_is_waited_for(path: Path) -> None:
    """By one who reads it before it is written ahead."""
    store = SQLiteStore(path, busy_timeout=20.0)
    with opened(path) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.execute("BEGIN")
        other.execute("SELECT * FROM theirs").fetchall()
        put = asyncio.ensure_future(store.put(record("waits")))
        await asyncio.sleep(0.2)
        assert not put.done()
        other.execute("COMMIT")
        await put
    await store.aclose()


async def test_a_new_file_that_is_made_by_another_at_this_moment(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does not wait then: two that switch a file to the write-ahead log would wait for each other."""
    refused = []

    def busy_once(connection: sqlite3.Connection) -> None:
        if not refused:
            refused.append(sqlite3.OperationalError("database is locked"))
            refused[0].sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise refused[0]
        schema.prepare(connection)

    monkeypatch.setattr(database, "prepare", busy_once)
    await works(store)
    assert len(refused) == 1


def test_many_threads_make_new_files(tmp_path: Path) -> None:
    for n in range(10):
        stores = [SQLiteStore(tmp_path / f"{n}.db") for _ in range(6)]

        def use(store: SQLiteStore) -> Callable[[], Coroutine[Any, Any, None]]:
            async def work() -> None:
                await works(store)
                await store.aclose()

            return work

        in_threads(*map(use, stores))


async def test_a_file_that_is_no_database(path: Path, store: SQLiteStore) -> None:
    photos = b"These are my holiday photos.\n" * 100
    write(path, photos)
    await fails(store, "its file is not an SQLite database")
    assert read(path) == photos
    os.unlink(path)
    await works(store)


async def test_a_damaged_file(path: Path, store: SQLiteStore) -> None:
    await store.put(*(record(f"{n}", bytes(3000)) for n in range(200)))
    await store.aclose()
    shutil.copy(path, path.with_suffix(".backup"))
    content = read(path)
    write(path, content[:4096].ljust(len(content), b"\xa5"))
    with pytest.raises(StoreError, match=r"cannot be used now: its file is damaged"):
        await store.list("response", "a")
    with pytest.raises(StoreError, match=r"cannot be used now: its file is damaged"):
        await store.put(record("new"))
    os.replace(path.with_suffix(".backup"), path)
    await works(store)
    assert len(await store.list("response", "a", limit=1000)) == 201


async def test_a_file_that_is_taken_away_and_restored(path: Path, store: SQLiteStore, tmp_path: Path) -> None:
    await store.put(record("1"))
    await store.aclose()
    shutil.copy(path, tmp_path / "backup")
    await store.put(record("2"))
    for suffix in ("", "-wal", "-shm"):
        os.unlink(f"{path}{suffix}")
    await store.put(record("3"))
    assert await store.get("response", "a", "1") is None
    assert ids(await store.list("response", "a")) == ["3"]
    await store.aclose()
    os.replace(tmp_path / "backup", path)
    assert ids(await store.list("response", "a")) == ["1"]


async def test_a_full_file(path: Path) -> None:
    """As with a full disk, SQLite can write no further page."""
    store = SQLiteStore(path, max_bytes=400_000, busy_timeout=0.2)
    outcomes = [await _outcome(store.put(record(f"{n}", bytes(20_000)))) for n in range(25)]
    kept = outcomes.count(None)
    assert 10 < kept < 20
    assert str(outcomes[kept]) == (
        "The store cannot be used now: its disk is full, or its file as large as it may be."
    )
    found = ids(await store.list("response", "a", limit=100))
    assert found == [*map(str, range(kept))], "what was there can be read"
    puts = [store.put(record("big", bytes(50_000))), *(store.put(record(f"s{n}")) for n in range(5))]
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert isinstance(outcomes[0], StoreError)
    assert outcomes[1:] == [None] * 5, "what still fits is kept"
    await store.delete("response", "a", *found[:5])
    await store.put(record("big", bytes(50_000)))
    assert len(read(path)) <= 400_000
    await store.aclose()


async def test_a_put_of_many_that_does_not_fit_is_not_kept_in_part(path: Path) -> None:
    store = SQLiteStore(path, max_bytes=200_000)
    with pytest.raises(StoreError, match="full"):
        await store.put(*(record(f"{n}", bytes(20_000)) for n in range(20)))
    assert await store.list("response", "a") == []
    await store.put(record("fits", bytes(20_000)))
    await store.aclose()


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="this system has no permissions to take away")
def test_a_file_that_may_not_be_written() -> None:
    """By a user who may not; permissions do not stop root."""
    program = """
        import asyncio, os, sys
        from responses_asgi import Record, SQLiteStore, StoreError

        async def main(folder):
            store = SQLiteStore(f"{folder}/state.db")
            await store.put(Record(kind="r", owner="", id="1", data=b"1"))
            await store.aclose()
            os.chmod(store.path, 0o444)
            os.chmod(folder, 0o555)
            user = os.geteuid()
            os.seteuid(user or 65534)
            two = Record(kind="r", owner="", id="2", data=b"2")
            for asked in (store.put(two), store.delete("r", "", "1")):
                try:
                    await asked
                except StoreError as error:
                    print(error.message)
            os.seteuid(user)
            os.chmod(store.path, 0o644)
            os.chmod(folder, 0o755)
            await store.put(Record(kind="r", owner="", id="3", data=b"3"))
            print([record.id for record in await store.list("r", "")])

        asyncio.run(main(sys.argv[1]))
    """
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        run = run_program(program, folder)
    *refused, found = run.stdout.splitlines()
    assert found == "['1', '3']", run.stderr
    assert refused == [
        "The store cannot be used now: its file may not be written.",
        "The store cannot be used now: its file may not be written.",
    ]


async def test_what_sqlite_cannot_hold_is_refused_alone(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put = records.put

    def put_or_overflow(connection: sqlite3.Connection, **given: Any) -> None:
        put(connection, **given)
        if given["records"][0].id == "huge":
            raise OverflowError("BLOB longer than INT_MAX bytes")

    monkeypatch.setattr(records, "put", put_or_overflow)
    puts = [store.put(record(id)) for id in ("1", "huge", "2")]
    outcomes = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), StoreError, type(None)]
    assert isinstance(outcomes[1], StoreError)
    assert outcomes[1].status == 413
    assert ids(await store.list("response", "a")) == ["1", "2"]
    assert caplog.records == []


async def test_an_error_of_the_programs_own_is_raised_as_it_is(store: SQLiteStore) -> None:
    with pytest.raises(TypeError):
        await store.put(record(ttl="an hour"))
    await works(store)


async def test_a_failing_renewal_does_not_take_the_record(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    store = SQLiteStore(path, busy_timeout=0.1, clock=clock)
    await works(store)
    await clock.wait(3600 * 24)
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        found = await store.get("response", "a", "works", renew=True)
        other.execute("COMMIT")
    assert found is not None
    assert any("fails: database is locked" in entry.getMessage() for entry in caplog.records)
    await store.aclose()


async def test_a_renewal_that_changes_next_to_nothing_is_not_written(path: Path) -> None:
    clock = Clock()
    store = SQLiteStore(path, busy_timeout=0.1, ttl=1000.0, clock=clock)
    await works(store)
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        await clock.wait(9)
        await asyncio.wait_for(store.get("response", "a", "works", renew=True), 5)
        (expiry,) = other.execute("SELECT expires_at FROM responses_asgi_records").fetchone()
        other.execute("COMMIT")
        await clock.wait(2)
        await store.get("response", "a", "works", renew=True)
        (renewed,) = other.execute("SELECT expires_at FROM responses_asgi_records").fetchone()
    assert renewed - expiry == 11
    await store.aclose()


# ── the writer ──────────────────────────────────────────────────────────────────────────────────────────


async def test_puts_that_wait_are_committed_together(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await works(store)
    groups: list[int] = []
    outcomes = session.Session._outcomes

    def counted(self: session.Session, jobs: Any) -> Any:
        if self._writes:
            groups.append(len(jobs))
        return outcomes(self, jobs)

    monkeypatch.setattr(session.Session, "_outcomes", counted)
    await asyncio.gather(*(store.put(record(f"{n}")) for n in range(1200)))
    assert sum(groups) == 1200
    assert len(groups) < 600
    assert max(groups) <= worker.LARGEST_GROUP


async def test_a_loop_is_free_while_the_file_is_locked(path: Path) -> None:
    store = SQLiteStore(path, busy_timeout=0.5)
    await works(store)
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        put = asyncio.ensure_future(store.put(record("1")))
        turns = 0
        while not put.done():
            await asyncio.sleep(0.01)
            turns += 1
        other.execute("COMMIT")
    assert isinstance(put.exception(), StoreError)
    assert turns > 10
    await store.aclose()


async def test_expired_records_leave_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    store = SQLiteStore(path, ttl=10.0, clock=clock)
    # Of records and names alike; several times as many as are deleted at once.
    await store.put(*(record(f"{n}", names=(f"n{n}",)) for n in range(3 * records.FORGOTTEN_AT_ONCE + 50)))
    await store.aclose()
    await clock.wait(11)
    await works(store)
    with opened(path) as other:
        tables = ("responses_asgi_records", "responses_asgi_names")

        def rows() -> list[int]:
            return [other.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]

        await until(lambda: rows() == [1, 0])
    await store.aclose()


async def test_the_file_is_tidied_while_nothing_is_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    store = SQLiteStore(path, ttl=10.0, clock=clock)
    monkeypatch.setattr(store_module, "TIDY_SECONDS", 0.02)
    await works(store)
    await clock.wait(11)
    with opened(path) as other:
        count = "SELECT count(*) FROM responses_asgi_records"
        await until(lambda: other.execute(count).fetchone() == (0,))
    await store.aclose()


async def test_tidying_that_fails_is_logged_and_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    store = SQLiteStore(path, ttl=10.0, clock=clock, busy_timeout=0.05)
    monkeypatch.setattr(store_module, "TIDY_SECONDS", 0.02)
    await works(store)
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        await clock.wait(11)
        await until(lambda: any("database is locked" in entry.getMessage() for entry in caplog.records))
        other.execute("COMMIT")
        await works(store)
        count = "SELECT count(*) FROM responses_asgi_records"
        await until(lambda: other.execute(count).fetchone() == (1,))
    await store.aclose()


# ── threads, loops, processes ───────────────────────────────────────────────────────────────────────────


async def test_closing_ends_the_threads(store: SQLiteStore, path: Path) -> None:
    await works(store)
    assert len(threads()) == 2
    await store.aclose()
    assert threads() == []
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name], "the log went into the file"


async def test_a_forgotten_store_ends_its_threads(path: Path) -> None:
    store = SQLiteStore(path)
    await works(store)
    assert len(threads()) == 2
    del store
    gc.collect()
    await until(lambda: threads() == [])


async def test_a_thread_that_cannot_be_started(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    await fails(store, "can't start new thread")
    monkeypatch.undo()
    await works(store)


def test_a_loop_that_ended_before_its_answer(path: Path) -> None:
    store = SQLiteStore(path, busy_timeout=20.0)

    async def leave() -> None:
        put = asyncio.ensure_future(store.put(record("left")))
        await asyncio.sleep(0.05)
        assert not put.done()

    async def look() -> None:
        await store.put(record("later"))
        assert ids(await store.list("response", "a")) == ["works", "left", "later"]
        await store.aclose()

    asyncio.run(works(store))
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        asyncio.run(leave())
        other.execute("COMMIT")
    asyncio.run(look())


LEAVE = """
    import asyncio, sys
    from responses_asgi import Record, SQLiteStore

    store = SQLiteStore(sys.argv[1])
    how = sys.argv[2]

    async def main():
        await store.put(Record(kind="r", owner="", id="acknowledged", data=b""))
        assert await store.get("r", "", "acknowledged")
        if how == "unawaited":
            for n in range(100):
                asyncio.ensure_future(store.put(Record(kind="r", owner="", id=f"{n}", data=bytes(9999))))
            await asyncio.sleep(0)

    asyncio.run(main())
    if how == "error":
        raise RuntimeError("the end")
"""


@pytest.mark.parametrize("how", ["return", "error", "unawaited"])
def test_a_program_ends_without_closing(path: Path, how: str) -> None:
    run = run_program(LEAVE, path, how)
    assert (run.returncode, run.stderr.count("Traceback")) == ((1, 1) if how == "error" else (0, 0)), (
        run.stderr
    )
    assert [each.name for each in path.parent.iterdir()] == [path.name], "the file was closed in order"
    with opened(path) as other:
        kept = other.execute("SELECT count(*) FROM responses_asgi_records").fetchone()
    assert kept == ((101,) if how == "unawaited" else (1,))


def test_a_program_ends_though_the_file_is_locked(path: Path) -> None:
    program = """
        import asyncio, sqlite3, sys, time
        from responses_asgi import Record, SQLiteStore
        from responses_asgi.stores.sqlite import worker

        worker._END_SECONDS = 0.5
        store = SQLiteStore(sys.argv[1], busy_timeout=600.0)

        async def main(path):
            await store.put(Record(kind="r", owner="", id="1", data=b""))
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            asyncio.ensure_future(store.put(Record(kind="r", owner="", id="2", data=b"")))
            await asyncio.sleep(0.2)
            return other

        held = asyncio.run(main(sys.argv[1]))
    """
    run = run_program(program, path)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_killed_program_loses_nothing_that_was_acknowledged(path: Path) -> None:
    program = """
        import asyncio, sys
        from responses_asgi import Record, SQLiteStore

        async def main(path):
            store = SQLiteStore(path)
            for n in range(10**9):
                await asyncio.gather(*(
                    store.put(Record(kind="r", owner="", id=f"{n}/{i}", data=bytes(500))) for i in range(5)
                ))
                print(n, flush=True)

        asyncio.run(main(sys.argv[1]))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 40:
                process.send_signal(signal.SIGKILL)
        told = int(line)

    async def look() -> None:
        store = SQLiteStore(path)
        kept = {one.id for one in await store.list("r", "", limit=10**6)}
        assert {f"{n}/{i}" for n in range(told + 1) for i in range(5)} <= kept
        await store.aclose()

    asyncio.run(look())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_no_file_is_open_during_a_fork(path: Path) -> None:
    store = SQLiteStore(path)
    asyncio.run(works(store))
    assert threads()
    child = os.fork()
    if child == 0:
        os._exit(len(os.listdir(path.parent)))
    _, status = os.waitpid(child, 0)
    assert (os.waitstatus_to_exitcode(status), threads()) == (1, [])
    asyncio.run(works(store))
    asyncio.run(store.aclose())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_store_used_before_a_fork_is_used_after_it(path: Path) -> None:
    program = """
        import asyncio, os, sys
        from responses_asgi import Record, SQLiteStore

        store = SQLiteStore(sys.argv[1])

        def put(name):
            asyncio.run(store.put(Record(kind="r", owner="", id=name, data=b"")))

        put("before")
        children = []
        for n in range(3):
            child = os.fork()
            if child == 0:
                put(f"child {n}")
                sys.exit(0)
            children.append(child)
        put("parent")
        print([os.waitpid(child, 0)[1] for child in children])
        print(len(asyncio.run(store.list("r", ""))))
    """
    run = run_program(program, path)
    assert (run.stdout.split("\n"), run.returncode) == (["[0, 0, 0]", "5", ""], 0), run.stderr
