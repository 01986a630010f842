"""What a worker's thread does: jobs and chores over its connection, which it opens anew after a failure."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from responses_asgi.errors import StoreError
from responses_asgi.stores.sqlite.database import Database

__all__ = ["Chore", "Job", "Session"]

Outcome: TypeAlias = tuple[Any, Exception | None]

Chore: TypeAlias = Callable[[sqlite3.Connection], float | None]
"""What is done between jobs: first after the first ones, again after the seconds it returns; None: after the
next jobs."""


class Job(NamedTuple):
    """Work for the connection's thread, and who waits for its outcome where."""

    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]


class Session:
    """One thread's connection; `Worker` says what the parameters are."""

    def __init__(self, database: Database, *, writes: bool, chore: Chore) -> None:
        self._database = database
        self._writes = writes
        self._chore = chore
        self._chore_due: float | None = None
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def seconds_to_chore(self) -> float | None:
        """How long the thread may wait for jobs; None: for ever."""
        if self._chore_due is None or self._connection is None:
            return None
        return max(self._chore_due - time.monotonic(), 0.0)

    def do(self, jobs: Sequence[Job]) -> None:
        """Do the jobs and answer them, then the chore if it is due."""
        if jobs:
            _answer(jobs, self._outcomes(jobs))
        is_due = self._chore_due is None or time.monotonic() >= self._chore_due
        if self._connection is not None and is_due:
            seconds = None
            try:
                seconds = self._chore(self._connection)
            except Exception as error:
                self._failed(error)
            self._chore_due = None if seconds is None else time.monotonic() + seconds

    def close(self) -> None:
        """Close the connection; a transaction that is open is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _outcomes(self, jobs: Sequence[Job]) -> list[Outcome]:
        try:
            connection = self._connected()
            if self._writes:
                connection.execute("BEGIN IMMEDIATE")
        except Exception as error:
            return [self._failed(error) for _ in jobs]
        try:
            outcomes = [_attempt(job, connection) for job in jobs]
            if self._writes:
                connection.execute("COMMIT")
        except Exception as error:
            failed = self._failed(error)
        else:
            self._database.note_success()
            return outcomes
        # Nothing was written. With others in the transaction, each has its own try: only one is at fault.
        return [failed] if len(jobs) == 1 else [self._outcomes([job])[0] for job in jobs]

    def _connected(self) -> sqlite3.Connection:
        """The connection; a new one when there is none, or another file is in the place of the one it has."""
        if self._connection is not None and self._database.identity() != self._identity:
            self.close()
        if self._connection is None:
            self._connection = self._database.open()
            self._identity = self._database.identity()
        return self._connection

    def _failed(self, error: Exception) -> Outcome:
        self.close()
        return None, self._database.failure(error)


def _attempt(job: Job, connection: sqlite3.Connection) -> Outcome:
    """A StoreError is the job's own affair; anything else is raised."""
    try:
        return job.work(connection), None
    except StoreError as error:
        return None, error


def _answer(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    """Wake each loop once. A loop that is closed waits for nothing any more."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        by_loop.setdefault(job.loop, []).append((job.answer, outcome))
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: Sequence[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for answer, (result, error) in answers:
        if answer.done():
            continue
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
