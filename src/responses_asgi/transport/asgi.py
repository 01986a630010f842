"""The transport: a client's request as an ASGI scope, and the app's answer as a response that streams."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

import httpx

from responses_asgi.transport.call import AppFailed, Call, library_of
from responses_asgi.transport.loop_thread import Caller, LoopThread, Stopped
from responses_asgi.types.asgi import SPEC_VERSION, ASGIApp, Message, Scope

__all__ = ["ASGITransport"]


if TYPE_CHECKING:
    import httpx2

    class _Transport(
        httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport, httpx.BaseTransport, httpx2.BaseTransport
    ):
        """What the clients of both libraries accept; neither asks for its own base class when it runs."""

        async def handle_async_request(self, request: Any) -> Any: ...
        def handle_request(self, request: Any) -> Any: ...
else:

    class _Transport(httpx.AsyncBaseTransport, httpx.BaseTransport):
        pass


class ASGITransport(_Transport):
    """Give it as `transport=` to a `Client` or `AsyncClient` of httpx or httpx2; asyncio only.

    - `raise_app_exceptions`: an exception of the app before its answer's start is raised where the request
      was made (the default), or becomes an empty answer with status 500. One after the start is always a
      `ReadError` of the client's library, as from a server that broke off.
    - `root_path`, `client`: what the app finds in its scope.
    - `state`: the app's lifespan state; each request gets a shallow copy.

    The app runs in the context of the request's caller. A client that is not async has an event loop in a
    thread of its own, which begins with its first request and ends with `close`. Of the client's timeouts
    `read` bounds each wait for the app; there is no connection that the others could be about. The app's
    lifespan is not run.

    >>> client = httpx.AsyncClient(transport=ASGITransport(app), base_url="http://app")  # doctest: +SKIP
    >>> client = httpx.Client(transport=ASGITransport(app), base_url="http://app")       # doctest: +SKIP
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
        self._lock = threading.Lock()
        self._thread: LoopThread | None = None

    async def handle_async_request(self, request: Any) -> Any:
        """Start the app and return its answer, whose body is read as the app sends it."""
        body = aiter(request.stream)
        call = Call(self._app, self._scope(request), request, lambda: anext(body, None))
        try:
            start = await call.start()
        except AppFailed as failed:
            return self._failed(request, failed)
        except BaseException:
            await call.leave()
            raise
        return _response(request, start, _stream_class(library_of(request), "AsyncByteStream")(call))

    def handle_request(self, request: Any) -> Any:
        """As `handle_async_request`, for a client that is not async."""
        body = iter(request.stream)
        caller = Caller(self._loop_thread())

        async def begin() -> Call:
            return Call(self._app, self._scope(request), request, lambda: caller.do(lambda: next(body, None)))

        call = caller.wait(begin())
        try:
            start = caller.wait(call.start())
        except AppFailed as failed:
            return self._failed(request, failed)
        except BaseException:
            caller.wait(call.leave())
            raise
        return _response(request, start, _stream_class(library_of(request), "SyncByteStream")(call, caller))

    def close(self) -> None:
        """End the event loop of a client that is not async, and what still runs in it."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.stop()

    def _loop_thread(self) -> LoopThread:
        with self._lock:
            if self._thread is None or not self._thread.is_alive:  # a fork leaves the thread behind
                self._thread = LoopThread()
            return self._thread

    def _failed(self, request: Any, failed: AppFailed) -> Any:
        if self._raise_app_exceptions:
            raise failed.error from None
        return library_of(request).Response(500, request=request)

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


def _response(request: Any, start: Message, stream: Any) -> Any:
    headers = list(start.get("headers") or ())
    return library_of(request).Response(start["status"], headers=headers, stream=stream, request=request)


class _Body:
    """An answer's body for the client; made a stream class of the client's library by `_stream_class`."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._call.piece()) is not None:
            yield piece

    async def aclose(self) -> None:
        await self._call.leave()


class _SyncBody:
    """As `_Body`, for a client that is not async."""

    def __init__(self, call: Call, caller: Caller) -> None:
        self._call = call
        self._caller = caller

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._caller.wait(self._call.piece())) is not None:
            yield piece

    def close(self) -> None:
        with suppress(Stopped):
            self._caller.wait(self._call.leave())


@functools.cache
def _stream_class(library: ModuleType, base: str) -> Any:
    kind = _Body if base == "AsyncByteStream" else _SyncBody
    return type("ASGIBody", (kind, getattr(library, base)), {})
