"""An event loop in a thread, for clients that are not async, and the threads that wait for it.

1. The caller's thread waits, and meanwhile does what only it should do: the pieces of the request come from
   the user's own generator.
2. Everything runs in a copy of the caller's context, so that its context variables are seen by the app; but
   in a Django thread of its own, since the caller occupies the one that its context names.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

__all__ = ["Caller", "LoopThread", "Stopped"]

# Seconds that what still runs has to end when the loop is stopped.
GRACE = 2.0

T = TypeVar("T")


class Stopped(RuntimeError):
    """The event loop has ended, or ends while it is waited for."""

    def __init__(self) -> None:
        super().__init__("the transport was closed")


class LoopThread:
    """Starts with its making; ends with `stop`, or when nobody refers to it. It keeps no process alive."""

    def __init__(self) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()
        stopped = asyncio.Event()
        live = _live(started, stopped)
        self._thread = threading.Thread(target=asyncio.run, args=(live,), name="responses-asgi", daemon=True)
        self._thread.start()
        self._loop = started.result()
        self._lock = threading.Lock()
        self._end = weakref.finalize(self, _end, self._thread, self._loop, stopped)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, callback: Callable[[], object], context: contextvars.Context) -> None:
        """Call it in the loop. Raises Stopped."""
        with self._lock:
            if not self._end.alive:
                raise Stopped
            self._loop.call_soon_threadsafe(callback, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return self._loop.create_future()

    def stop(self) -> None:
        """Cancel what runs in the loop, and wait a little for its end."""
        with self._lock:
            self._end()


async def _live(started: Future[asyncio.AbstractEventLoop], stopped: asyncio.Event) -> None:
    started.set_result(asyncio.get_running_loop())
    await stopped.wait()


def _end(thread: threading.Thread, loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    if not thread.is_alive():  # a fork left it behind
        return
    loop.call_soon_threadsafe(stopped.set)
    if threading.current_thread() is not thread:
        thread.join(GRACE)


class Caller:
    """A thread that makes one request and waits for the loop; one wait at a time."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._context = contextvars.copy_context()
        self._context.run(SyncToAsync.thread_sensitive_context.set, ThreadSensitiveContext())
        self._jobs: SimpleQueue[Callable[[], object] | asyncio.Task[Any]] = SimpleQueue()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it in the loop and return its result, doing jobs meanwhile. Raises Stopped."""
        begun: SimpleQueue[asyncio.Task[T]] = SimpleQueue()

        def begin() -> None:
            task = asyncio.get_running_loop().create_task(work, context=self._context)
            begun.put(task)
            task.add_done_callback(self._jobs.put)

        try:
            self._thread.submit(begin, self._context)
        except Stopped:
            work.close()
            raise
        task = begun.get()
        while (job := self._jobs.get()) is not task:
            if not isinstance(job, asyncio.Task):  # one that an interrupted wait left behind
                job()
        try:
            return task.result()
        except asyncio.CancelledError:
            raise Stopped from None

    def do(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Called in the loop: let the caller's thread do this as soon as it waits."""
        future: asyncio.Future[T] = self._thread.create_future()

        def run() -> None:
            try:
                settle = functools.partial(future.set_result, job())
            except Exception as error:
                settle = functools.partial(future.set_exception, error)
            self._thread.submit(lambda: None if future.done() else settle(), self._context)

        self._jobs.put(run)
        return future
