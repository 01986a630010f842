"""The tables of the file, and the steps by which an older file gets them.

All names begin with `responses_asgi_`: the file may hold an application's own tables too. The SQL is no newer
than SQLite 3.35. Sources: https://www.sqlite.org/lang.html, https://www.sqlite.org/lang_altertable.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from responses_asgi.errors import StoreError

__all__ = ["MIGRATIONS", "prepare"]

_RECORDS = (
    # AUTOINCREMENT: the position of a deleted record is never given to another, cursors stay right.
    # `names` holds the names as JSON, "" for none, so that a record is read from one row.
    """
    CREATE TABLE responses_asgi_records (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        id TEXT NOT NULL,
        parent TEXT NOT NULL,
        names TEXT NOT NULL,
        ttl REAL,
        expires_at REAL NOT NULL,
        version INTEGER NOT NULL,
        data BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX responses_asgi_records_id ON responses_asgi_records (kind, owner, id)",
    """
    CREATE INDEX responses_asgi_records_parent ON responses_asgi_records (kind, owner, parent, position)
    WHERE parent <> ''
    """,
    "CREATE INDEX responses_asgi_records_owner ON responses_asgi_records (kind, owner, position)",
    "CREATE INDEX responses_asgi_records_expiry ON responses_asgi_records (expires_at)",
    """
    CREATE TABLE responses_asgi_names (
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        name TEXT NOT NULL,
        position INTEGER NOT NULL,
        PRIMARY KEY (kind, owner, name, position)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX responses_asgi_names_position ON responses_asgi_names (position)",
    """
    CREATE TRIGGER responses_asgi_records_forgotten AFTER DELETE ON responses_asgi_records
    WHEN OLD.names <> ''
    BEGIN
        DELETE FROM responses_asgi_names WHERE position = OLD.position;
    END
    """,
)

_BACKGROUND = (
    """
    CREATE TABLE responses_asgi_logs (
        log INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        epoch INTEGER NOT NULL,
        ended INTEGER NOT NULL,
        expires_at REAL NOT NULL
    )
    """,
    "CREATE INDEX responses_asgi_logs_expiry ON responses_asgi_logs (expires_at)",
    # AUTOINCREMENT: positions grow with every commit, so that who has seen one finds what came later. A row
    # has the events of one append, `number` is that of the last.
    """
    CREATE TABLE responses_asgi_events (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        log INTEGER NOT NULL,
        number INTEGER NOT NULL,
        data BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX responses_asgi_events_log ON responses_asgi_events (log, number)",
    """
    CREATE TRIGGER responses_asgi_logs_forgotten AFTER DELETE ON responses_asgi_logs
    BEGIN
        DELETE FROM responses_asgi_events WHERE log = OLD.log;
    END
    """,
    # AUTOINCREMENT: no epoch is given twice.
    """
    CREATE TABLE responses_asgi_leases (
        epoch INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        expires_at REAL NOT NULL,
        UNIQUE (kind, id)
    )
    """,
    "CREATE INDEX responses_asgi_leases_expiry ON responses_asgi_leases (kind, expires_at)",
)

MIGRATIONS: Sequence[Sequence[str]] = (_RECORDS, _BACKGROUND)
"""Step n turns a file of version n into one of version n + 1; a step that was released is never changed."""


def prepare(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest version. Raises StoreError when it is of a newer one, sqlite3.Error when
    it cannot be written; then it is left as it was."""
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS responses_asgi_schema (version INTEGER NOT NULL)")
        # Another process may have been faster: the version counts that is read under the lock.
        _migrate(connection, _version(connection))
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    if version > len(MIGRATIONS):
        raise StoreError(
            f"The store cannot be used: its file was written by a newer responses-asgi (schema version "
            f"{version}; this one knows up to {len(MIGRATIONS)})."
        )
    for step in MIGRATIONS[version:]:
        for statement in step:
            connection.execute(statement)
    connection.execute("DELETE FROM responses_asgi_schema")
    connection.execute("INSERT INTO responses_asgi_schema (version) VALUES (?)", (len(MIGRATIONS),))


def _version(connection: sqlite3.Connection) -> int:
    """0 for a file without our tables."""
    there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'responses_asgi_schema'"
    if connection.execute(there).fetchone() is None:
        return 0
    row = connection.execute("SELECT version FROM responses_asgi_schema").fetchone()
    return int(row[0]) if row else 0
