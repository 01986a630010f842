"""A server elsewhere as an ASGI app: a reverse proxy that streams, hides credentials and retries with care.

1. Bytes go on as they arrive, in both directions; only requests of one message are held.
2. Before the answer starts every failure is an HTTP answer with OpenAI's error body; later, UpstreamError.
3. When the client leaves, or the task is cancelled, the upstream connection is closed at once.
4. One client per running event loop, because the connections of a loop die with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.upstreams.credentials import Credentials
from responses_asgi.upstreams.headers import Passthrough, RequestHeaders
from responses_asgi.upstreams.relay import Relay, Route
from responses_asgi.upstreams.replies import deny_websocket, serve_lifespan
from responses_asgi.upstreams.retry import RetryPolicy
from responses_asgi.upstreams.target import Target

__all__ = ["ClientSettings", "HTTPUpstream"]

# Seconds an idle connection is kept. uvicorn and Node close theirs after 5, and a request that is sent at the
# moment of closing is lost.
KEEP_ALIVE_EXPIRY = 4.0


class ClientSettings(NamedTuple):
    """Timeouts in seconds (`read`: the longest silence) and the most connections at once (None: any)."""

    connect: float = 5.0
    write: float = 30.0
    pool: float = 10.0
    read: float = 600.0
    max_connections: int | None = None


class HTTPUpstream:
    """The app of `Upstream.http`, where its parameters are explained."""

    def __init__(
        self,
        target: Target,
        *,
        credentials: Credentials | None = None,
        retry: RetryPolicy | None = None,
        client: Any = None,
        settings: ClientSettings | None = None,
        headers: Mapping[str, str] | None = None,
        forward_headers: Sequence[str] = (),
        passthrough: Sequence[str] | None = None,
    ) -> None:
        self._route = Route(
            target=target,
            credentials=credentials or Credentials(),
            retry=retry or RetryPolicy(),
            headers=RequestHeaders(headers or {}, forward_headers),
            passthrough=Passthrough(passthrough),
        )
        self._client = client
        self._settings = settings or ClientSettings()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self.aclose)
        elif scope["type"] == "websocket":
            await deny_websocket(receive, send)
        else:
            await Relay(self._route, self._client_of_loop(), scope, receive, send).run()

    @property
    def site(self) -> str:
        """The server's scheme, host and port, without the path, which some providers put secrets into."""
        split = urlsplit(self._route.target.base)
        return f"{split.scheme}://{split.netloc}"

    @property
    def forwards_credentials(self) -> bool:
        """Whether the server is shown the client's own credential, and so decides on it."""
        return self._route.credentials.mode != "own"

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a client that the user gave stays open."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _client_of_loop(self) -> Any:
        if self._client is not None:
            return self._client
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = _make_client(self._settings)
        return client


def _make_client(settings: ClientSettings) -> Any:
    import httpx  # here, because it takes a tenth of a second that only servers elsewhere need

    return httpx.AsyncClient(
        timeout=httpx.Timeout(
            connect=settings.connect, write=settings.write, pool=settings.pool, read=settings.read
        ),
        limits=httpx.Limits(
            max_connections=settings.max_connections,
            max_keepalive_connections=settings.max_connections,
            keepalive_expiry=KEEP_ALIVE_EXPIRY,
        ),
        follow_redirects=False,
    )
