"""An ASGI app behind an httpx or httpx2 client, in the same process, with answers that really stream.

The transports of the two libraries collect the whole answer first. Here the app runs in a task of its own:

1. Its body messages go through a queue of a few places, so that it is slowed to the reader's pace.
2. When the reader closes the answer the app gets `http.disconnect`, and is cancelled if it does not end soon.
3. After its last body message it is left alone: what follows are its background tasks.
4. The client's timeouts hold: `read` bounds each wait for the app.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
from collections.abc import AsyncIterator, Awaitable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from responses_asgi.types.asgi import ASGIApp, Message, Scope

__all__ = ["ASGITransport"]

QUEUE_PLACES = 4

# Seconds an app has to end by itself after `http.disconnect`.
GRACE = 0.2

# With 2.4 Starlette stops listening to http.disconnect and sees only at its next send that the client left.
SPEC_VERSION = "2.3"

T = TypeVar("T")

_logger = logging.getLogger("responses_asgi.transport")

_running: set[asyncio.Task[None]] = set()
"""The event loop holds tasks only weakly; this keeps the apps alive that go on after their answer."""


if TYPE_CHECKING:
    import httpx2

    class _Transport(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
        """What the clients of both libraries accept; neither asks for its own base class when it runs."""

        async def handle_async_request(self, request: Any) -> Any: ...
else:
    _Transport = httpx.AsyncBaseTransport


class ASGITransport(_Transport):
    """Give it as `transport=` to an `httpx.AsyncClient` or `httpx2.AsyncClient`; asyncio only.

    - `raise_app_exceptions`: an exception of the app before its answer's start is raised where the request
      was made (the default), or becomes an empty answer with status 500. One after the start is always a
      `ReadError` of the client's library, as from a server that broke off.
    - `root_path`, `client`: what the app finds in its scope.
    - `state`: the app's lifespan state; each request gets a shallow copy.

    The app's lifespan is not run.

    >>> client = httpx.AsyncClient(transport=ASGITransport(app), base_url="http://app")  # doctest: +SKIP
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 123),
        state: dict[str, Any] | None = None,
    ) -> None:
        self._app = app
        self._raise_app_exceptions = raise_app_exceptions
        self._root_path = root_path
        self._client = client
        self._state = state

    async def handle_async_request(self, request: Any) -> Any:
        """Start the app and return its answer, whose body is read as the app sends it."""
        # The classes must be those of the library the request is from: clients check for them.
        library = sys.modules[type(request).__module__.partition(".")[0]]
        call = _Call(self._app, self._scope(request), request, library)
        try:
            message = await call.start()
        except _AppFailed as failed:
            if self._raise_app_exceptions:
                raise failed.error from None
            return library.Response(500, request=request)
        except BaseException:
            await call.leave()
            raise
        return library.Response(
            message["status"],
            headers=list(message.get("headers") or ()),
            stream=_stream_class(library)(call),
            request=request,
        )

    def _scope(self, request: Any) -> Scope:
        url = request.url
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": SPEC_VERSION},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.split(b"?")[0],
            "query_string": url.query,
            "root_path": self._root_path,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (url.host, url.port),
            "client": self._client,
            "extensions": {},
        }
        if self._state is not None:
            scope["state"] = dict(self._state)
        return scope


class _AppFailed(Exception):
    """The app ended before its answer's start, by `error`."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Call:
    """One request to the app: `start`, then `pieces` until the body ends, or `leave` before that."""

    def __init__(self, app: ASGIApp, scope: Scope, request: Any, library: ModuleType) -> None:
        self._app = app
        self._scope = scope
        self._request = request
        self._library = library
        self._read_timeout: float | None = (request.extensions.get("timeout") or {}).get("read")
        self._body: AsyncIterator[bytes] = request.stream.__aiter__()
        self._body_read = False
        self._started: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(QUEUE_PLACES)
        self._over = asyncio.Event()  # the answer is complete, or its reader has left
        self._complete = False
        self._task = asyncio.create_task(self._run())
        _running.add(self._task)
        self._task.add_done_callback(_running.discard)

    async def start(self) -> Message:
        """The message that starts the answer; raises _AppFailed, or ReadTimeout of the client's library."""
        return await self._in_time(asyncio.shield(self._started))

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as the app sends it; raises ReadError or ReadTimeout of the client's library."""
        while (piece := await self._in_time(self._pieces.get())) is not None:
            if isinstance(piece, Exception):
                raise self._library.ReadError(f"The app failed: {piece}", request=self._request) from piece
            yield piece

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
            async with asyncio.timeout(self._read_timeout):
                return await waiting
        except TimeoutError:
            raise self._library.ReadTimeout(
                "The app was silent for too long", request=self._request
            ) from None

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
            self._started.set_exception(_AppFailed(failure))

    async def _receive(self) -> Message:
        if not self._body_read:
            piece = await anext(self._body, None)
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
            self._over.set()
            await self._pieces.put(None)


class _Body:
    """An answer's body for the client; made a stream class of the client's library by `_stream_class`."""

    def __init__(self, call: _Call) -> None:
        self._call = call

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._call.pieces()

    async def aclose(self) -> None:
        await self._call.leave()


@functools.cache
def _stream_class(library: ModuleType) -> Any:
    return type("ASGIBody", (_Body, library.AsyncByteStream), {})
