"""What all requests to one server have in common, and what becomes of each: its URL and its headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from responses_asgi.errors import APIError
from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.context import bridged, extension
from responses_asgi.upstreams.credentials import Credentials, Shown
from responses_asgi.upstreams.headers import CREDENTIALS, Passthrough, RequestHeaders, by_name
from responses_asgi.upstreams.hidden_credentials import from_query, from_subprotocols
from responses_asgi.upstreams.retry import RetryPolicy
from responses_asgi.upstreams.target import Endpoint, Target, endpoint_of

__all__ = ["Call", "Route"]

Headers: TypeAlias = list[tuple[bytes, bytes]]


class Call(NamedTuple):
    """One request to the server; `subprotocols` are a WebSocket's.

    `own`: whether the credential that it shows is the operator's, and none of the client's.
    """

    url: str
    headers: Headers
    subprotocols: Sequence[str] = ()
    own: bool = False

    @property
    def secrets(self) -> list[bytes]:
        """What clients must not read in the server's errors."""
        shown = [value for name, value in self.headers if name.decode("latin-1") in CREDENTIALS]
        return [value.rpartition(b" ")[2] for value in shown] if self.own else []


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one server, the same for HTTP requests and WebSocket handshakes."""

    target: Target
    credentials: Credentials
    retry: RetryPolicy
    headers: RequestHeaders
    passthrough: Passthrough

    @property
    def site(self) -> str:
        """The server's scheme, host and port, without the path, which some providers put secrets into."""
        split = urlsplit(self.target.base)
        return f"{split.scheme}://{split.netloc}"

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
        preset = _client_has_credential(client, shown)
        own = shown.own or self.headers.hold_credential() or preset
        if own and not bridged(scope) and not self.passthrough.allows(method, endpoint):
            raise _not_passed(method, endpoint)
        set_by_hooks: Mapping[str, str] = extension(scope).get("headers") or {}
        headers = self.headers.make(received, set_by_hooks=set_by_hooks, credential=shown.headers)
        # What hooks have set stands in the scope, too, in place of the client's.
        theirs = {*CREDENTIALS} & received.keys() - {name.lower() for name in set_by_hooks}
        url = self.target.url(endpoint, query, await model() if self.target.needs_model(endpoint) else None)
        return Call(
            url,
            headers,
            subprotocols,
            own=preset or _only_operators(headers, {received[name] for name in theirs}),
        )


def _client_has_credential(client: Any, shown: Shown) -> bool:
    """Whether the HTTP client, when it is one of the user's, adds a credential by itself."""
    preset = not shown.headers and any(name in client.headers for name in CREDENTIALS)
    return preset or client.auth is not None


def _only_operators(headers: Headers, theirs: Collection[str]) -> bool:
    """Whether the credentials in these headers are none of the client's: of the values that it has sent."""
    shown = {value.rpartition(" ")[2] for value in theirs}
    sent = [value.decode("latin-1") for name, value in headers if name.decode("latin-1") in CREDENTIALS]
    return bool(sent) and not any(value.rpartition(" ")[2] in shown for value in sent)


def _not_passed(method: str, endpoint: Endpoint) -> APIError:
    return APIError(
        f"{method} /{endpoint.name} is not passed on to the upstream.",
        status=404,
        type="invalid_request_error",
        code="not_found",
    )
