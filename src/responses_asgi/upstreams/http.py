"""A server elsewhere as an ASGI app: a reverse proxy that streams, hides credentials and retries with care.

1. Bytes go on as they arrive, in both directions; only requests of one message are held.
2. Before the answer starts every failure is an HTTP answer with OpenAI's error body; later, UpstreamError.
3. When the client leaves, or the task is cancelled, the upstream connection is closed at once.
4. One client per running event loop, because the connections of a loop die with it. With aiohttp, of the
   extra `fast`, it is over that: httpx's connections cost several times as much.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies
from weakref import WeakKeyDictionary

from responses_asgi.errors import ConfigurationError, MissingExtraError
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.upstreams.credentials import Credentials, CredentialsMode
from responses_asgi.upstreams.headers import Passthrough, RequestHeaders
from responses_asgi.upstreams.relay import Relay
from responses_asgi.upstreams.replies import serve_lifespan
from responses_asgi.upstreams.retry import RetryPolicy
from responses_asgi.upstreams.route import Route
from responses_asgi.upstreams.target import Target
from responses_asgi.upstreams.websocket import SocketLimits, SocketRelay

__all__ = ["FAST_LIBRARY", "ClientSettings", "HTTPUpstream"]

FAST_LIBRARY = "aiohttp"
"""What makes connections cheaper where it is installed."""

# Seconds an idle connection is kept. uvicorn and Node close theirs after 5, and a request that is sent at the
# moment of closing is lost.
KEEP_ALIVE_EXPIRY = 4.0

NO_PROXY = "none"
"""In place of a proxy's URL, as False: no proxy, whatever the environment says."""

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How the package's own client connects.

    Timeouts are in seconds (`read`: the longest silence), `max_connections` None: any number. `proxy`: its
    URL, False or "none": no proxy, None: that of the environment. `verify`: True: the usual authorities, a
    file or directory of others, an SSLContext, or False: any certificate.

    Raises ConfigurationError for a proxy or path that cannot be used, MissingExtraError for a SOCKS proxy
    without its library.
    """

    connect: float = 5.0
    write: float = 30.0
    pool: float = 10.0
    read: float = 600.0
    max_connections: int | None = None
    proxy: str | Literal[False] | None = field(default=None, repr=False)  # may hold a password
    verify: bool | str | ssl.SSLContext = True

    def __post_init__(self) -> None:
        proxy = self.proxy_url
        if proxy is not None and not _is_proxy(proxy):
            # Its URL is not shown: it may hold a password.
            schemes = ", ".join(f"{scheme}://" for scheme in _PROXY_SCHEMES)
            raise ConfigurationError(
                f"proxy must be {NO_PROXY!r}, or a URL that starts with one of {schemes}"
            )
        if proxy is not None and proxy.startswith("socks") and find_spec("socksio") is None:
            raise MissingExtraError("a SOCKS proxy", package="'httpx[socks]'")
        if isinstance(self.verify, str) and not Path(self.verify).exists():
            raise ConfigurationError(f"verify names a file that is not there: {self.verify!r}")

    @property
    def may_be_proxied(self) -> bool:
        """Whether some request may have to go through a proxy."""
        if self.proxy is None:
            return bool(getproxies().keys() - {"no"})
        return self.proxy_url is not None

    @property
    def proxy_url(self) -> str | None:
        """The URL of the one proxy that is used; None: no such proxy."""
        return None if self.proxy in (None, False, NO_PROXY) else str(self.proxy)


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
        sockets: SocketLimits | None = None,
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
        self._sockets = sockets or SocketLimits()
        self._clients: _Clients = WeakKeyDictionary()
        self._socket_clients: _Clients = WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self.aclose)
        elif scope["type"] == "websocket":
            client = self._client_of_loop(for_sockets=True)
            await SocketRelay(self._route, client, scope, receive, send, limits=self._sockets).run()
        else:
            await Relay(self._route, self._client_of_loop(), scope, receive, send).run()

    @property
    def site(self) -> str:
        """The server's scheme, host and port, without the path, which some providers put secrets into."""
        return self._route.site

    @property
    def credentials(self) -> CredentialsMode:
        """Whose credential the server is shown."""
        return self._route.credentials.mode

    @property
    def forwards_credentials(self) -> bool:
        """Whether the server is shown the client's own credential, and so decides on it."""
        return self._route.credentials.mode != "own"

    async def aclose(self) -> None:
        """Close the connections of the running event loop; a client that the user gave stays open."""
        for clients in (self._clients, self._socket_clients):
            client = clients.pop(asyncio.get_running_loop(), None)
            if client is not None:
                await client.aclose()

    def _client_of_loop(self, *, for_sockets: bool = False) -> Any:
        if self._client is not None:
            return self._client
        loop = asyncio.get_running_loop()
        clients = self._socket_clients if for_sockets else self._clients
        client = clients.get(loop)
        if client is None:
            make = _make_client if for_sockets or not _is_fast(self._settings) else _make_fast_client
            client = clients[loop] = make(self._settings)
        return client


_Clients: TypeAlias = WeakKeyDictionary[asyncio.AbstractEventLoop, Any]


def _is_fast(settings: ClientSettings) -> bool:
    """Whether the fast client is there, and can do what is asked."""
    return find_spec(FAST_LIBRARY) is not None and not settings.may_be_proxied


def _make_fast_client(settings: ClientSettings) -> Any:
    from responses_asgi.upstreams.fast_client import FastClient  # here, because it needs the extra

    return FastClient(
        connect=settings.connect,
        write=settings.write,
        read=settings.read,
        pool=settings.pool,
        max_connections=settings.max_connections,
        keep_alive=KEEP_ALIVE_EXPIRY,
        verify=_trusted(settings.verify),
    )


def _make_client(settings: ClientSettings) -> Any:
    import httpx  # here, because it takes a tenth of a second that only servers elsewhere need

    try:
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
            proxy=settings.proxy_url,
            trust_env=settings.proxy is None,
            verify=_trusted(settings.verify),
        )
    except ImportError as error:
        what = "the SOCKS proxy that the environment names"
        raise MissingExtraError(what, package="'httpx[socks]'") from error


def _trusted(verify: bool | str | ssl.SSLContext) -> ssl.SSLContext:
    """Whose certificates are taken; the environment's SSL_CERT_FILE counts with any proxy setting."""
    import httpx  # as above

    if isinstance(verify, ssl.SSLContext):
        return verify
    if isinstance(verify, bool):
        return httpx.create_ssl_context(verify=verify)
    directory = Path(verify).is_dir()
    return ssl.create_default_context(
        cafile=None if directory else verify, capath=verify if directory else None
    )


def _is_proxy(url: str) -> bool:
    try:
        split = urlsplit(url)
        return split.scheme in _PROXY_SCHEMES and bool(split.hostname) and split.port != 0
    except ValueError:
        return False
