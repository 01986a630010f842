"""One request to an app in the same process.

The transports of httpx and httpx2 collect the whole answer first. Here the app runs in a task of its own:

1. Its body messages go through a queue of a few places, so that it is slowed to the reader's pace.
2. When the reader closes the answer the app gets `http.disconnect`, and is cancelled if it does not end soon.
3. After its last body message it is left alone: what follows are its background tasks.
4. The client's timeouts hold: `read` bounds each wait for the app, without the time that the client itself
   takes for the pieces of its request.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any, TypeVar

from responses_asgi.types.asgi import ASGIApp, Message, Scope

__all__ = ["AppFailed", "Call", "library_of"]

QUEUE_PLACES = 4

# Seconds an app has to end by itself after `http.disconnect`.
GRACE = 0.2

T = TypeVar("T")

_logger = logging.getLogger("responses_asgi.transport")

_running: set[asyncio.Task[None]] = set()
"""The event loop holds tasks only weakly; this keeps the apps alive that go on after their answer."""


class AppFailed(Exception):
    """The app ended before its answer's start, by `error`."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class Call:
    """One request to the app: `start`, then each `piece` until the body ends, or `leave` before that.

    `next_piece` gets the next piece of the request's body; None is its end. Made in the app's event loop.
    """

    def __init__(
        self, app: ASGIApp, scope: Scope, request: Any, next_piece: Callable[[], Awaitable[bytes | None]]
    ) -> None:
        self._app = app
        self._scope = scope
        self._request = request
        self._library = library_of(request)
        self._read_timeout: float | None = (request.extensions.get("timeout") or {}).get("read")
        self._patience: asyncio.Timeout | None = None
        self._next_piece = next_piece
        self._body_read = False
        self._started: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(QUEUE_PLACES)
        self._over = asyncio.Event()  # the answer is complete, or its reader has left
        self._complete = False
        self._task = asyncio.create_task(self._run())
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def start(self) -> Message:
        """The message that starts the answer; raises AppFailed, or ReadTimeout of the client's library."""
        return await self._in_time(asyncio.shield(self._started))

    async def piece(self) -> bytes | None:
        """The next piece of the answer, None at its end; raises ReadError or ReadTimeout of the library."""
        piece = await self._in_time(self._pieces.get())
        if isinstance(piece, Exception):
            raise self._library.ReadError(f"The app failed: {piece}", request=self._request) from piece
        return piece

    async def leave(self) -> None:
        """The reader wants no more: tell the app, and end it if it goes on with its answer."""
        self._over.set()
        while not self._pieces.empty():  # what waits for a place gets on
            self._pieces.get_nowait()
        if self._complete or self._task.done():
            return
        try:
            await asyncio.wait({self._task}, timeout=GRACE)
        finally:
            if not self._complete:
                self._task.cancel()
        await asyncio.wait({self._task}, timeout=GRACE)

    async def _in_time(self, waiting: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._read_timeout) as self._patience:
                return await waiting
        except TimeoutError:
            raise self._library.ReadTimeout(
                "The app was silent for too long", request=self._request
            ) from None
        finally:
            self._patience = None

    def _be_patient(self, seconds: float | None) -> None:
        """Who waits for the app waits for so long from now on; None: without end."""
        if self._patience is not None and not self._patience.expired():
            when = None if seconds is None else asyncio.get_running_loop().time() + seconds
            self._patience.reschedule(when)

    async def _run(self) -> None:
        """The app's task; its end is told to the reader, unless the answer is over."""
        error: BaseException | None = None
        try:
            await self._app(self._scope, self._receive, self._send)
        except (Exception, asyncio.CancelledError) as raised:
            error = raised
        if self._over.is_set():
            if isinstance(error, Exception):
                # An app that was left may well raise; one that had answered fails in a background task.
                level = logging.ERROR if self._complete else logging.DEBUG
                _logger.log(level, "The app failed after its answer was over", exc_info=error)
            return
        failure = (
            error if isinstance(error, Exception) else RuntimeError("the app left its answer incomplete")
        )
        if self._started.done():
            await self._pieces.put(failure)
        else:
            self._started.set_exception(AppFailed(failure))

    async def _receive(self) -> Message:
        if not self._body_read:
            self._be_patient(None)
            piece = await self._next_piece()
            self._be_patient(self._read_timeout)
            self._body_read = piece is None
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._over.is_set():
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._complete = True
            await asyncio.sleep(0)  # an app that never waits otherwise could not be cancelled
        elif message["type"] == "http.response.start":
            if not self._started.done():
                self._started.set_result(message)
        elif message["type"] == "http.response.body":
            if not self._started.done():
                raise RuntimeError("the app sent a body before the start of its answer")
            await self._send_body(message.get("body", b""), more=message.get("more_body", False))

    async def _send_body(self, piece: bytes, *, more: bool) -> None:
        if piece and self._request.method != "HEAD":
            await self._pieces.put(piece)
        if not more:
            self._complete = True
            # Before it is told that all is over: an app may end what it does when it hears that.
            await self._pieces.put(None)
            self._over.set()


def library_of(request: Any) -> ModuleType:
    """httpx or httpx2, whichever the request is from: its clients check for their own classes."""
    return sys.modules[type(request).__module__.partition(".")[0]]
