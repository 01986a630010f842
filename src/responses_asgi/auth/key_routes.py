"""The HTTP routes by which an admin manages keys.

| route | body | answer |
|---|---|---|
| `GET /keys?limit=&after=` | | the keys; the header `link` names the next page |
| `POST /keys/generate` | `label`, `scopes`, `expires_at` or `ttl_seconds` | the key, with its token |
| `POST /keys/revoke` | `id` | `{"revoked", "id"}` |
| `POST /keys/set_expiration` | `id`, `expires_at` or `ttl_seconds` | `{"updated", "id", "expires_at"}` |
| `POST /keys/purge` | `older_than_seconds` | `{"purged"}`: how many ended keys were forgotten |

Times are unix seconds; `expires_at` null is never. A token is told this once. Bodies are JSON and say so,
which a form on another site's page cannot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlencode

from responses_asgi.errors import APIError, InvalidRequestError
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.refusals import telling_refusals
from responses_asgi.exchange.request import parse_body, read_body
from responses_asgi.keys import Keys
from responses_asgi.keys.policy import NOT_SAID
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.checks import missing, wrong
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.headers import by_name
from responses_asgi.upstreams.replies import send_json, send_to_nobody

__all__ = ["KeyRoutes"]

# More than any of these bodies has, and deeper.
_OPTIONS = Options(max_body_bytes=64 * 1024, max_depth=8)

PAGE = 100
MAX_PAGE = 1_000

MAX_SECONDS = 1e11
"""More than any key lives."""

Headers: TypeAlias = "Sequence[tuple[bytes, bytes]]"

_NOT_KEPT: Headers = ((b"cache-control", b"no-store"),)


class KeyRoutes:
    """The routes below `path`; who may use them is seen to before."""

    def __init__(self, keys: Keys, path: str) -> None:
        self._keys = keys
        self._path = path
        self._changes: dict[str, Callable[[JSON], Awaitable[JSON]]] = {
            "generate": self._generate,
            "revoke": self._revoke,
            "set_expiration": self._set_expiration,
            "purge": self._purge,
        }

    @property
    def paths(self) -> list[str]:
        """All paths that there are."""
        return [self._path, *(f"{self._path}/{name}" for name in self._changes)]

    def serves(self, path: str) -> bool:
        """Whether this path, below the mount point, is one of keys."""
        return path == self._path or path.startswith(self._path + "/")

    async def answer(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to a path that is served."""
        async with telling_refusals(send):
            document, headers = await self._document(path, scope, receive)
            if document is None:
                await send_to_nobody(send)
            else:
                await send_json(send, document, headers=[*_NOT_KEPT, *headers])

    async def _document(self, path: str, scope: Scope, receive: Receive) -> tuple[Any, Headers]:
        """What is answered, and its headers; None when the client has left."""
        method: str = scope["method"]
        name = path[len(self._path) :].strip("/")
        if not name:
            _check_method(method, "GET")
            return await self._list(scope)
        change = self._changes.get(name)
        if change is None:
            raise APIError(f"There is nothing at {path[:100]!r}.", status=404)
        _check_method(method, "POST")
        body = await _body(scope, receive)
        return (None if body is None else await change(body)), ()

    async def _list(self, scope: Scope) -> tuple[Any, Headers]:
        query = parse_qs((scope.get("query_string") or b"").decode("latin-1"))
        after = query.get("after", [None])[-1]
        text = query.get("limit", [str(PAGE)])[-1]
        if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= MAX_PAGE):
            raise wrong("limit", f"Input should be a number from 1 to {MAX_PAGE}", text, "invalid_value")
        page = await self._keys.list(after=after, limit=int(text))
        headers: list[tuple[bytes, bytes]] = []
        if page.after is not None:
            query_string = urlencode({"limit": text, "after": page.after})
            # Relative, as the mount point and the proxies in front are not known.
            headers.append((b"link", f'<?{query_string}>; rel="next"'.encode("latin-1")))
        return [key.document() for key in page.keys], headers

    async def _generate(self, body: JSON) -> JSON:
        _check_fields(body, "label", "scopes", "expires_at", "ttl_seconds")
        scopes = body.get("scopes")
        issued = await self._keys.create(
            label=body.get("label"),
            scopes=() if scopes is None else scopes,
            expires_at=body.get("expires_at", NOT_SAID),
            ttl=body.get("ttl_seconds"),
        )
        return issued.document()

    async def _revoke(self, body: JSON) -> JSON:
        _check_fields(body, "id")
        id = _id(body)
        return {"revoked": await self._keys.revoke(id), "id": id}

    async def _set_expiration(self, body: JSON) -> JSON:
        _check_fields(body, "id", "expires_at", "ttl_seconds")
        id = _id(body)
        key = await self._keys.set_expiration(
            id, expires_at=body.get("expires_at", NOT_SAID), ttl=body.get("ttl_seconds")
        )
        return {"updated": key is not None, "id": id, "expires_at": key.expires_at if key else None}

    async def _purge(self, body: JSON) -> JSON:
        _check_fields(body, "older_than_seconds")
        seconds = body.get("older_than_seconds", 0)
        if (
            isinstance(seconds, bool)
            or not isinstance(seconds, int | float)
            or not 0 <= seconds <= MAX_SECONDS
        ):
            raise wrong("older_than_seconds", "Input should be a number of seconds, from 0", seconds)
        return {"purged": await self._keys.purge(older_than=seconds)}


async def _body(scope: Scope, receive: Receive) -> JSON | None:
    kind = by_name(scope.get("headers") or ()).get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidRequestError("Expected a body with content-type application/json.", status=415)
    content = await read_body(scope, receive, options=_OPTIONS)
    if content is None:
        return None
    body = parse_body(content, max_depth=_OPTIONS.max_depth)
    if not isinstance(body, dict):
        raise InvalidRequestError("The request body must be a JSON object.", code="invalid_type")
    return body


def _check_fields(body: JSON, *known: str) -> None:
    """A field that is misspelt must not make a key that can do more than was meant."""
    for name in body:
        if name not in known:
            raise InvalidRequestError(
                f"Unknown parameter: {name[:64]!r}; known are {', '.join(known)}.",
                param=name[:64],
                code="unknown_parameter",
            )


def _id(body: JSON) -> str:
    id = body.get("id")
    if id is None:
        raise missing("id")
    if not isinstance(id, str):
        raise wrong("id", "Input should be a string", id)
    return id


def _check_method(method: str, allowed: str) -> None:
    if method != allowed and (method, allowed) != ("HEAD", "GET"):
        raise APIError(
            f"{method} is not allowed here; {allowed} is.",
            status=405,
            type="invalid_request_error",
            code="method_not_allowed",
            headers={"allow": allowed},
        )
