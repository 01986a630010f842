"""What all requests to one server have in common, and what becomes of each: its URL and its headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from responses_asgi.errors import APIError
from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.context import bridged, extension
from responses_asgi.upstreams.credentials import Credentials, Shown
from responses_asgi.upstreams.headers import CREDENTIALS, Passthrough, RequestHeaders, by_name
from responses_asgi.upstreams.hidden_credentials import from_query, from_subprotocols
from responses_asgi.upstreams.retry import RetryPolicy
from responses_asgi.upstreams.target import Endpoint, Target, endpoint_of

__all__ = ["Call", "Route"]


class Call(NamedTuple):
    """One request to the server; `subprotocols` are a WebSocket's."""

    url: str
    headers: list[tuple[bytes, bytes]]
    subprotocols: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one server, the same for HTTP requests and WebSocket handshakes."""

    target: Target
    credentials: Credentials
    retry: RetryPolicy
    headers: RequestHeaders
    passthrough: Passthrough

    async def call(self, scope: Scope, client: Any, model: Callable[[], Awaitable[str | None]]) -> Call:
        """Check that this may be asked, and make what is sent.

        `client` is of httpx or httpx2. `model` tells the model that the request names; it is asked for where
        the URL holds it. Raises APIError when the endpoint is not open to clients, InvalidRequestError for a
        path that cannot be one of the server's.
        """
        endpoint = endpoint_of(scope)
        method: str = scope.get("method", "GET")  # a WebSocket's handshake is a GET
        query, of_query = from_query(scope.get("query_string") or b"")
        subprotocols, of_subprotocols = from_subprotocols(scope.get("subprotocols") or ())
        received = {**of_query, **of_subprotocols, **by_name(scope["headers"])}
        shown = await self.credentials.show(received)
        own = shown.own or self.headers.hold_credential() or _client_has_credential(client, shown)
        if own and not bridged(scope) and not self.passthrough.allows(method, endpoint):
            raise _not_passed(method, endpoint)
        headers = self.headers.make(
            received, set_by_hooks=extension(scope).get("headers") or {}, credential=shown.headers
        )
        url = self.target.url(endpoint, query, await model() if self.target.needs_model(endpoint) else None)
        return Call(url, headers, subprotocols)


def _client_has_credential(client: Any, shown: Shown) -> bool:
    """Whether the HTTP client, when it is one of the user's, adds a credential by itself."""
    preset = not shown.headers and any(name in client.headers for name in CREDENTIALS)
    return preset or client.auth is not None


def _not_passed(method: str, endpoint: Endpoint) -> APIError:
    return APIError(
        f"{method} /{endpoint.name} is not passed on to the upstream.",
        status=404,
        type="invalid_request_error",
        code="not_found",
    )
