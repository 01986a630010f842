"""Which web pages may call a gateway from a browser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.middleware.cors import CORSMiddleware

from responses_asgi.errors import ConfigurationError
from responses_asgi.loss import LOSS_HEADER
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CORS", "EXPOSED"]

EXPOSED = (
    "x-request-id",
    LOSS_HEADER,
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "openai-processing-ms",
    "openai-version",
    *(
        f"x-ratelimit-{figure}-{of}"
        for figure in ("limit", "remaining", "reset")
        for of in ("requests", "tokens")
    ),
)
"""The answers' headers that scripts of such a page may read."""

ANY = "*"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CORS:
    """What the browser is told about other sites' pages.

    - `origins`: the sites, each as `https://chat.example.org`; `"*"` for every site. One may be a plain str.
    - `methods`: HTTP methods they may use; `"*"` for all.
    - `headers`: request headers they may send besides the ones every page may; `"*"` for all.
    - `credentials`: whether the browser may send cookies and the like; not together with every site.
    - `max_age`: for how many seconds the browser may remember this.

    Raises ConfigurationError where these cannot work. Source: https://fetch.spec.whatwg.org/#http-cors-protocol

    >>> CORS(origins="https://chat.example.org").methods
    ('GET', 'POST', 'DELETE')
    """

    origins: Sequence[str] | str
    methods: Sequence[str] | str = ("GET", "POST", "DELETE")
    headers: Sequence[str] | str = (ANY,)
    credentials: bool = False
    max_age: int = 600

    def __post_init__(self) -> None:
        for name in ("origins", "methods", "headers"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        if not self.origins:
            raise ConfigurationError("cors.origins must name at least one site, or be '*'")
        for origin in self.origins:
            _check_origin(origin)
        for name in ("methods", "headers"):
            for value in getattr(self, name):
                if not _TOKEN.fullmatch(value):
                    raise ConfigurationError(f"cors.{name} cannot hold {value!r}")
        object.__setattr__(self, "methods", tuple(method.upper() for method in self.methods))
        if self.credentials and ANY in self.origins:
            raise ConfigurationError(
                "cors.credentials cannot be allowed to every site: with it, cors.origins must name the sites"
            )
        if self.max_age < 0:
            raise ConfigurationError(f"cors.max_age must not be negative, got {self.max_age!r}")

    def around(self, app: ASGIApp) -> ASGIApp:
        """The app, with answers that say this, and with preflight requests answered before it."""
        return CORSMiddleware(
            _without_own_rules(app),
            allow_origins=tuple(self.origins),
            allow_methods=tuple(self.methods),
            allow_headers=tuple(self.headers),
            allow_credentials=self.credentials,
            expose_headers=EXPOSED,
            max_age=self.max_age,
        )


def _check_origin(origin: Any) -> None:
    if origin == ANY:
        return
    split = urlsplit(origin) if isinstance(origin, str) else None
    if split is None or not (split.scheme and split.netloc) or f"{split.scheme}://{split.netloc}" != origin:
        raise ConfigurationError(
            f"cors.origins must hold sites such as 'https://chat.example.org', without a path, got {origin!r}"
        )


def _without_own_rules(app: ASGIApp) -> ASGIApp:
    """The app without what its upstreams tell browsers, which would let in the sites that are not named."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_rest(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [
                    header
                    for header in message.get("headers") or ()
                    if not bytes(header[0]).lower().startswith(b"access-control-")
                ]
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, send_rest if scope["type"] == "http" else send)

    return call
