"""An HTTP client over aiohttp, with that much of `httpx.AsyncClient` which requests to an upstream need.

1. httpx's own connections are the dearest part of a bridge, and its client alone costs a request as much as
   aiohttp costs it whole: so it is not its transport that is replaced, but the client.
2. Answers are httpx's, and so are exceptions, by whether the request can have left: what may be sent again
   depends on that. (httpx-aiohttp calls a connection that broke off in an answer one that was not opened.)
3. aiohttp knows no proxies of the environment and hands out no network streams: for both there is httpx.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from inspect import signature
from typing import Any, NamedTuple

import aiohttp
import httpx
from multidict import CIMultiDict
from yarl import URL

__all__ = ["FastClient"]

# A line of an answer's head: gateways' policies and cookies are longer than aiohttp's 8 KiB.
_MAX_LINE = 65_536

# Lines of such a head; aiohttp's 128 are fewer than httpx takes. Older versions count none.
_MAX_LINES = 512
_BOUNDS: dict[str, Any] = (
    {"max_headers": _MAX_LINES} if "max_headers" in signature(aiohttp.ClientSession).parameters else {}
)

# Bytes of a request's body that are sent at a time.
_PIECE = 262_144

# aiohttp's exception -> httpx's; the first that fits counts.
_EXCEPTIONS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
    (OSError, httpx.ReadError),
    (ValueError, httpx.LocalProtocolError),  # a header that cannot be sent
)


class FastRequest(NamedTuple):
    """A request that can be sent once."""

    method: str
    url: str
    headers: CIMultiDict[str]
    content: bytes | AsyncIterator[bytes] | None


class FastClient:
    """Connections of one event loop. Timeouts are in seconds: `connect` for a connection, `pool` for one that
    is free where there are at most `max_connections`, `write` for a piece of a request, `read` for silence.
    `keep_alive`: how long an idle one is kept.
    """

    auth = None

    def __init__(
        self,
        *,
        connect: float,
        write: float,
        read: float,
        pool: float,
        max_connections: int | None,
        keep_alive: float,
        verify: ssl.SSLContext,
    ) -> None:
        self.headers: CIMultiDict[str] = CIMultiDict()
        self._pool = pool
        self._write = write
        self._free = asyncio.Semaphore(max_connections) if max_connections else None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=keep_alive, ssl=verify),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read),
            auto_decompress=False,
            skip_auto_headers=("content-type", "user-agent"),
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
            **_BOUNDS,
        )

    def build_request(
        self,
        method: str,
        url: str,
        *,
        headers: Iterable[tuple[bytes, bytes]],
        content: bytes | AsyncIterator[bytes] | None = None,
    ) -> FastRequest:
        """The request, as `send` takes it."""
        named = CIMultiDict([(name.decode("latin-1"), _text(value)) for name, value in headers])
        return FastRequest(method, url, named, content or None)

    async def send(self, request: FastRequest, *, stream: bool, follow_redirects: bool) -> httpx.Response:
        """The answer, its body unread and its redirects not followed; raises httpx's exceptions.

        What the request's own body raises is raised as it is.
        """
        assert stream, "answers are only streamed"
        assert not follow_redirects, "redirects are never followed"
        if self._free is not None:
            await self._wait_for_free(self._free)
        await _see_who_hung_up()
        body = self._body(request)
        try:
            response = await self._answered(request, body)
        except BaseException as error:
            self._give_back()
            if isinstance(body, _Body) and body.error is not None:
                raise body.error from None
            if (told := _as_httpx(error)) is None:
                raise
            raise told from error
        return httpx.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Answer(response, self),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def _body(self, request: FastRequest) -> bytes | _Body | None:
        """What is sent. A body that may have to wait for its reader goes in pieces."""
        content = request.content
        if content is None:
            return None
        if not isinstance(content, bytes):
            return _Body(content, self._write)
        if len(content) <= _PIECE:
            return content
        request.headers.setdefault("content-length", str(len(content)))
        return _Body(_pieces(content), self._write)

    async def _answered(self, request: FastRequest, body: bytes | _Body | None) -> aiohttp.ClientResponse:
        asking = self._session.request(
            request.method,
            URL(request.url, encoded=True),
            headers=request.headers,
            data=body,
            allow_redirects=False,
        )
        if not isinstance(body, _Body):
            return await asking
        try:
            async with body.deadline:
                return await asking
        except TimeoutError as error:
            if not body.deadline.expired():
                raise
            raise httpx.WriteTimeout("the server does not read the request") from error

    @property
    def is_closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._session.closed

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _wait_for_free(self, free: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._pool):
                await free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("no connection is free") from None

    def _give_back(self) -> None:
        if self._free is not None:
            self._free.release()


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    view = memoryview(content)
    for start in range(0, len(content), _PIECE):
        yield view[start : start + _PIECE].tobytes()


class _Body:
    """A request's body that is read while it is sent. `error`: what reading it raised. `deadline`: ends the
    request when a piece is not taken for `seconds`; a body that is slow to come is the client's own affair.
    """

    def __init__(self, pieces: AsyncIterator[bytes], seconds: float) -> None:
        self.error: Exception | None = None
        self.deadline = asyncio.timeout(None)
        self._pieces = pieces
        self._seconds = seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        time = asyncio.get_running_loop().time
        try:
            async for piece in self._pieces:
                self.deadline.reschedule(time() + self._seconds)
                yield piece
                self.deadline.reschedule(None)
        except Exception as error:
            self.error = error
            raise


class _Answer(httpx.AsyncByteStream):
    """An answer's body, in the pieces that the connection has at a time.

    aiohttp does not tell who reads a body of bytes that are no HTTP, nor that it has closed their connection.
    """

    def __init__(self, response: aiohttp.ClientResponse, client: FastClient) -> None:
        self._response = response
        self._client: FastClient | None = client
        self._broken = False
        connection = response.connection
        protocol = None if connection is None else connection.protocol
        self._closed = None if protocol is None else protocol.closed
        if self._closed is not None:
            self._closed.add_done_callback(self._end)

    def _end(self, closed: asyncio.Future[None]) -> None:
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            self._broken = True
            content.feed_eof()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._response.content.iter_any():
                yield piece
        except Exception as error:
            if (told := _as_httpx(error)) is None:
                raise
            raise told from error
        if self._broken:
            raise httpx.RemoteProtocolError("the answer is no HTTP")

    async def aclose(self) -> None:
        client, self._client = self._client, None
        if self._closed is not None:
            self._closed.remove_done_callback(self._end)
        if client is not None:
            self._response.close()  # a connection whose answer was read to its end is kept nevertheless
            client._give_back()


def _text(value: bytes) -> str:
    """A header's value as aiohttp takes it, which sends UTF-8: the same bytes, where they are that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _see_who_hung_up() -> None:
    """Let the event loop read what has come meanwhile: no connection is used that a server has closed.

    A busy loop hears of that late. It reads between two rounds of its tasks: the first wait is for the
    reading, the second for what is done about it.
    """
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def _as_httpx(error: BaseException) -> httpx.TransportError | None:
    for kind, told in _EXCEPTIONS:
        if isinstance(error, kind):
            return told(str(error) or type(error).__name__)
    return None
