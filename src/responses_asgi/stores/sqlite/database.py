"""The file: how it is opened, and what its failures are called.

Clients are told what is wrong in a word, without the file's name; the log names it, once for each time it
begins to fail. Source of the settings: https://www.sqlite.org/pragma.html
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time

from responses_asgi.errors import StoreError
from responses_asgi.stores.sqlite.schema import prepare

__all__ = ["Database"]

logger = logging.getLogger("responses_asgi")

# Primary result code -> what an operator can do something about. https://www.sqlite.org/rescode.html
_CAUSES = {
    sqlite3.SQLITE_BUSY: "another program holds its file locked",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened or made",
    sqlite3.SQLITE_CORRUPT: "its file is damaged",
    sqlite3.SQLITE_FULL: "its disk is full, or its file as large as it may be",
    sqlite3.SQLITE_IOERR: "its file could not be read or written",
    sqlite3.SQLITE_LOCKED: "another connection holds its file locked",
    sqlite3.SQLITE_NOTADB: "its file is not an SQLite database",
    sqlite3.SQLITE_READONLY: "its file may not be written",
}
_TOO_BIG = "This is too big to be kept in an SQLite file."

# How long the write-ahead log grows before it goes into the file: 16 MB. Four times SQLite's own figure, as
# each new record changes the same few pages again, and the fewer of them are copied.
_LOG_PAGES = 4000

# Switching a file to WAL may find it locked without waiting its turn.
_RETRY_SECONDS = 0.02


class Database:
    """One SQLite file. Every connection is of the thread that opens it."""

    def __init__(
        self, path: str, *, busy_timeout: float, synchronous: str, max_bytes: int | None = None
    ) -> None:
        self.path = path
        self.busy_timeout = busy_timeout
        self._synchronous = synchronous
        self._max_bytes = max_bytes
        self._failing: str | None = None

    def open(self) -> sqlite3.Connection:
        """A connection to the file with its tables there. Raises sqlite3.Error and StoreError."""
        deadline = time.monotonic() + self.busy_timeout
        while True:
            # A connection is used by one thread; the check is off for the interpreter's end, which closes it
            # in another.
            connection = sqlite3.connect(
                self.path, timeout=self.busy_timeout, isolation_level=None, check_same_thread=False
            )
            try:
                self._set_up(connection)
            except sqlite3.OperationalError as error:
                connection.close()
                if _primary(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise
                time.sleep(_RETRY_SECONDS)
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        if self._max_bytes is not None:
            (page,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute(f"PRAGMA max_page_count = {max(self._max_bytes // page, 1)}")
        prepare(connection)

    def identity(self) -> tuple[int, int] | None:
        """Which file is at the path now: a restored backup is another one. None when there is none."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def failure(self, error: Exception) -> Exception:
        """What a caller is told of an exception; anything that is not the file's is given on as it is.

        The first of equal failures in a row is logged, until `note_success`.
        """
        if isinstance(error, OverflowError | sqlite3.DataError):
            told = StoreError(_TOO_BIG, status=413, code="store_too_small")
            told.__cause__ = error
            return told
        if isinstance(error, sqlite3.Error):
            cause = _CAUSES.get(_primary(error), "SQLite reports an error")
            told = StoreError(f"The store cannot be used now: {cause}.")
            told.__cause__ = error
        elif isinstance(error, StoreError):
            told = error
        else:
            return error
        if self._failing != str(error):
            self._failing = str(error)
            logger.error("The SQLite store %s fails: %s", self.path, error)
        return told

    def note_success(self) -> None:
        if self._failing is not None:
            self._failing = None
            logger.info("The SQLite store %s works again", self.path)


def _primary(error: sqlite3.Error) -> int:
    """The low byte; errors of the module itself have no code."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
