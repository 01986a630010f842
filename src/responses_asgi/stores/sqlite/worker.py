"""A thread that owns a connection, and answers into any event loop.

All jobs that wait are taken at once: written in one transaction, and answered with one wake-up of each loop.
The thread begins with the first job and ends with `aclose`, when the worker is forgotten, or when the program
ends; what is asked later begins a new one.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from queue import Empty, SimpleQueue
from sqlite3 import Connection
from typing import Any, TypeAlias, TypeVar

from responses_asgi.errors import StoreError
from responses_asgi.stores.sqlite.database import Database
from responses_asgi.stores.sqlite.session import Chore, Job, Session

__all__ = ["LARGEST_GROUP", "Worker"]

T = TypeVar("T")

Inbox: TypeAlias = "SimpleQueue[Job | None]"
"""None: end the thread."""

LARGEST_GROUP = 500
"""Jobs that are taken at once: a caller waits for no more than these."""

_END_SECONDS = 5.0
"""The interpreter's end waits no longer for threads that wait for a locked file."""

_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


class Worker:
    """Runs jobs over one connection to `database`, in a thread of its own, from any event loop.

    `writes`: the jobs taken at once are one transaction. `chore` is done between jobs, while the thread has a
    connection; like the thread, it is not to know who uses this worker, or nobody could forget it.
    """

    def __init__(self, database: Database, *, writes: bool, chore: Chore) -> None:
        self._database = database
        self._writes = writes
        self._chore = chore
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._inbox: Inbox = SimpleQueue()
        self._finalizer: weakref.finalize[[None], Worker] | None = None
        _workers.add(self)

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Have this done and wait for it; when it writes, until it is committed.

        `work` may be run again after it failed. It raises a StoreError only before it has written anything.
        Raises StoreError when the file cannot be used.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            if self._thread is None:
                self._thread = self._start()
            self._inbox.put(Job(work, loop, answer))
        result: T = await answer
        return result

    async def aclose(self) -> None:
        """Do what is asked already, then close the connection and end the thread."""
        thread = self.stop()
        if thread is not None:
            await asyncio.to_thread(thread.join)

    def stop(self) -> threading.Thread | None:
        """Let the thread end when what is asked already is done; the thread, None when there is none."""
        with self._lock:
            thread, self._thread = self._thread, None
            if self._finalizer is not None:
                self._finalizer.detach()
                self._inbox.put(None)
            self._finalizer = None
            return thread

    def forget(self) -> None:
        """In the child of a fork, where the parent's threads are not."""
        self._lock, self._thread, self._finalizer = threading.Lock(), None, None

    def _start(self) -> threading.Thread:
        inbox: Inbox = SimpleQueue()
        session = Session(self._database, writes=self._writes, chore=self._chore)
        # A daemon: the interpreter would wait for any other before it tells us that it ends.
        thread = threading.Thread(
            target=_serve, args=(inbox, session), name="responses-asgi-sqlite", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise StoreError(f"The store cannot be used now: {error}.") from error
        # The thread knows its inbox and not this worker, which can so be forgotten and end it.
        self._inbox, self._finalizer = inbox, weakref.finalize(self, inbox.put, None)
        self._finalizer.atexit = False
        return thread


def _serve(inbox: Inbox, session: Session) -> None:
    ended = False
    while not ended:
        jobs, ended = _take(inbox, session.seconds_to_chore())
        session.do(jobs)
    session.close()


def _take(inbox: Inbox, seconds: float | None) -> tuple[list[Job], bool]:
    """What waits, at most a group of it, or nothing after this time; and whether the thread is to end."""
    jobs: list[Job] = []
    try:
        job = inbox.get(timeout=seconds)
        while job is not None:
            jobs.append(job)
            if len(jobs) == LARGEST_GROUP:
                return jobs, False
            job = inbox.get_nowait()
    except Empty:
        return jobs, False
    return jobs, True


def _end_all() -> None:
    """At the interpreter's end and before a fork: what is asked already is kept, and the files are closed.

    No process may use an SQLite file that was open when it was forked (https://www.sqlite.org/howtocorrupt.html).
    One after the other: of two connections that close at once, neither is the last one and tidies up.
    """
    deadline = time.monotonic() + _END_SECONDS
    for worker in list(_workers):
        thread = worker.stop()
        if thread is not None:
            thread.join(timeout=max(deadline - time.monotonic(), 0.0))


def _forget_all() -> None:
    for worker in list(_workers):
        worker.forget()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_end_all, after_in_child=_forget_all)
