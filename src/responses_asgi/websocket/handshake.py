"""How a socket is asked for: the HTTP request that its handshake stands for, and who may open it.

1. A turn goes through the app like a POST with the handshake's headers, so that the app's own authentication
   sees each one.
2. Browsers let a page of any site open a WebSocket, with the cookies of the user and to addresses that only
   the user's machine can reach; nothing but the `Origin` tells. Clients that are no browsers send none.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from responses_asgi.errors import APIError
from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.hidden_credentials import from_subprotocols
from responses_asgi.upstreams.replies import DENIAL

__all__ = ["UPGRADE_REQUIRED", "check_origin", "subprotocol_for", "turn_scope"]

UPGRADE_REQUIRED = APIError(
    "This service opens no WebSockets; send the request with POST.",
    status=426,
    type="invalid_request_error",
    code="websocket_unavailable",
)
"""What Codex takes for the word that it is to POST at once, without another try."""

ANY = "*"

# Headers of the handshake that a POST has not.
_OF_HANDSHAKE = frozenset(
    {
        b"connection",
        b"content-length",
        b"content-type",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-key",
        b"sec-websocket-protocol",
        b"sec-websocket-version",
        b"transfer-encoding",
        b"upgrade",
    }
)

# How Codex names the version of this protocol, in `openai-beta`.
_BETA = b"responses_websockets="

_SCHEMES = {"ws": "http", "wss": "https"}

# Headers that name the host a page was loaded from; the second is of proxies, which change the first.
_HOSTS = frozenset({b"host", b"x-forwarded-host"})


def turn_scope(scope: Scope) -> Scope:
    """The scope of a POST to the same path by the same client.

    A credential that a browser could only put into a subprotocol becomes the header that it stands for.
    """
    headers = [
        (name.lower(), value)
        for name, value in scope.get("headers") or ()
        if name.lower() not in _OF_HANDSHAKE and not value.startswith(_BETA)
    ]
    _, credential = from_subprotocols(scope.get("subprotocols") or ())
    known = {name for name, _ in headers}
    headers += [
        (name.encode(), value.encode()) for name, value in credential.items() if name.encode() not in known
    ]
    scheme = scope.get("scheme", "ws")
    extensions = scope.get("extensions") or {}
    return {
        **{name: value for name, value in scope.items() if name != "subprotocols"},
        "type": "http",
        "http_version": scope.get("http_version", "1.1"),
        "method": "POST",
        "scheme": _SCHEMES.get(scheme, scheme),
        "headers": headers,
        "extensions": {name: value for name, value in extensions.items() if name != DENIAL},
    }


def subprotocol_for(scope: Scope) -> str | None:
    """The subprotocol that is chosen: browsers want one of those they offer, and none means anything here."""
    offered, _ = from_subprotocols(scope.get("subprotocols") or ())
    return offered[0] if offered else None


def check_origin(scope: Scope, allowed: Sequence[str]) -> None:
    """Raises APIError, 403, for a browser's page of a site that is neither this one nor `allowed`."""
    headers = [(name.lower(), value.decode("latin-1")) for name, value in scope.get("headers") or ()]
    origins = [value for name, value in headers if name == b"origin"]
    if ANY in allowed or not origins:
        return
    own = {value.strip().lower() for name, value in headers if name in _HOSTS}
    for origin in origins:
        if origin not in allowed and urlsplit(origin).netloc.lower() not in own:
            raise APIError(
                f"Pages of {origin[:100]} may not open WebSockets here; the operator can name the site in "
                "`origins`.",
                status=403,
                code="origin_not_allowed",
            )
