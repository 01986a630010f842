"""The credential that a client shows, read strictly, and the scope without it.

- HTTP: `Authorization: Bearer KEY` (the scheme in any case, one space), or Azure's `api-key: KEY`.
- WebSocket: the same, or the subprotocol by which browsers show OpenAI their key.

A key in the query is not read, as URLs end up in logs; but it is taken out with the others.
"""

from __future__ import annotations

import re

from responses_asgi.errors import APIError
from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.headers import CREDENTIALS
from responses_asgi.upstreams.hidden_credentials import from_query, from_subprotocols

__all__ = ["presented", "without_credentials"]

_BEARER = re.compile(rb"bearer ([\x21-\x7e]+)", re.IGNORECASE)
_KEY = re.compile(rb"[\x21-\x7e]+")

_HEADERS = frozenset(name.encode() for name in CREDENTIALS)

_SUBPROTOCOLS = b"sec-websocket-protocol"


def presented(scope: Scope) -> str | None:
    """The key that the client shows; None when it shows none.

    Raises APIError (401) for a header that is not of one of these forms, and for several keys.

    >>> presented({"type": "http", "headers": [(b"authorization", b"bearer sk-1")]})
    'sk-1'
    """
    found: set[str] = set()
    for raw_name, value in scope.get("headers") or ():
        form = {b"authorization": _BEARER, b"api-key": _KEY}.get(raw_name.lower())
        if form is None:
            continue
        match = form.fullmatch(value)
        if match is None:
            raise _malformed(f"the header {raw_name.decode('latin-1').title()!r} is not of this form")
        found.add(match[match.lastindex or 0].decode("ascii"))
    if scope["type"] == "websocket" and not found:
        _, shown = from_subprotocols(scope.get("subprotocols") or ())
        found.update(value.removeprefix("Bearer ") for value in shown.values())
    if len(found) > 1:
        raise _malformed("there are several different ones")
    return found.pop() if found else None


def without_credentials(scope: Scope) -> Scope:
    """The scope as somebody gets it who must not learn the client's key: without it, wherever it stands."""
    headers = [
        header for header in scope.get("headers") or () if header[0].lower() not in (*_HEADERS, _SUBPROTOCOLS)
    ]
    query: bytes = scope.get("query_string") or b""
    kept, _ = from_query(query)
    inner: Scope = {**scope, "headers": headers}
    if kept.encode("ascii") != query:
        inner["query_string"] = kept.encode("ascii")
    if scope["type"] == "websocket":
        subprotocols, _ = from_subprotocols(scope.get("subprotocols") or ())
        inner["subprotocols"] = subprotocols
        if subprotocols:
            headers.append((_SUBPROTOCOLS, ", ".join(subprotocols).encode("latin-1")))
    return inner


def _malformed(why: str) -> APIError:
    return APIError(
        f"Expected one API key, as 'Authorization: Bearer KEY' or 'api-key: KEY'; {why}.",
        status=401,
        code="invalid_api_key",
        headers={"www-authenticate": "Bearer"},
    )
