"""The dry run: what a request becomes, shown without a call, and a Chat request answered as a Responses one.

- `POST /convert` takes a body of either API and answers with the one of the other API, and what got lost.
- `POST /proxy` takes a Chat body, and answers as `POST /responses` does, whole or streamed.

Both take `?conversation_id=` and `?previous_response_id=` for what came before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from responses_asgi.auth import Guard
from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange import Route, Service, run_exchange
from responses_asgi.exchange.attempt import Asked, Attempt
from responses_asgi.exchange.pairs import CLIENTS
from responses_asgi.exchange.refusals import telling_refusals
from responses_asgi.exchange.request import parse_body, read_body, with_query
from responses_asgi.exchange.run import detached
from responses_asgi.loss import Losses
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.types.json import JSON, dumps, loads
from responses_asgi.upstreams.replies import send_json, send_to_nobody
from responses_asgi.upstreams.upstream import ENDPOINTS, Upstream, WireAPI

__all__ = ["DryRun", "FindWay", "Way"]


CONVERT, PROXY = "/convert", "/proxy"


class Way(NamedTuple):
    """Where a request would go: the name of the upstream, the scope it is asked with, and the routes."""

    name: str
    scope: Scope
    routes: Sequence[Route]


FindWay: TypeAlias = Callable[[Scope, WireAPI, JSON], Way]
"""`(scope, client API, body) -> way`; the body is a JSON object. Raises APIError for an unknown model."""

_OTHER: dict[WireAPI, WireAPI] = {"chat": "responses", "responses": "chat"}

# API -> the field that every body of it has.
_FIELDS: dict[WireAPI, str] = {"chat": "messages", "responses": "input"}

# Fields of a Chat request that are seen to on the answer's way back to Chat, which is not taken here:
# field -> (values that ask for nothing, why it is left out).
_LEFT_OUT: dict[str, tuple[tuple[object, ...], str]] = {
    "n": ((None, 1), "a response has one answer"),
    "stop": ((None, "", []), "a response is not cut at stop sequences"),
}

_OF_BODY = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


class DryRun:
    """An ASGI app for `/convert` and `/proxy` below each of the `bases`.

    `find` tells where a request would go, `service` is that of the component, and `guard` is asked who may
    see conversions, which may show what is kept and what the operator's edits do.
    """

    def __init__(self, find: FindWay, *, service: Service, guard: Guard, bases: Sequence[str]) -> None:
        self._find = find
        self._service = service
        self._guard = guard
        self._paths = frozenset(base + path for base in bases for path in (CONVERT, PROXY))

    def serves(self, path: str, method: str) -> bool:
        """Whether a request to this path, below the mount point, is for the dry run."""
        return method == "POST" and path in self._paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to a path that is served."""
        answer = self._convert if scope["path"].endswith(CONVERT) else self._proxy
        body: JSON | None = None
        async with telling_refusals(send):
            content = await read_body(scope, receive, options=self._service.options)
            if content is None:
                await send_to_nobody(send)
            else:
                body = self._body(content, scope)
        if body is not None:
            await answer({**scope, "query_string": b""}, body, receive, send)

    def _body(self, content: bytes, scope: Scope) -> JSON:
        """The body, with what its query asks for. Raises InvalidRequestError."""
        body = parse_body(content, max_depth=self._service.options.max_depth)
        if not isinstance(body, dict):
            raise InvalidRequestError("The request body must be a JSON object.")
        given: JSON = with_query(body, scope)
        return given

    async def _convert(self, scope: Scope, body: JSON, receive: Receive, send: Send) -> None:
        async with telling_refusals(send):
            client = _api_of(body)
            owner = await self._service.state.owners.of(scope)
            await self._guard.check(scope, owner, action="read")
            way = self._find(scope, client, body)
            route = _into(_OTHER[client], way.routes[0], scope["path"].removesuffix(CONVERT))
            checked = CLIENTS[client].validate(body, model_required=route.upstream.model is None)
            asked = detached(Asked(client, checked, owner, way.scope), self._service)
            attempt = await Attempt.prepare(asked, route, self._service)
            # Calls that were agreed to come before the request: it is shown without their results.
            request = attempt.request if attempt.request.body else await attempt.next_request()
            document = {
                "object": "conversion",
                "api": _OTHER[client],
                "upstream": way.name,
                "path": route.path,
                "request": loads(request.body),
                "losses": [loss._asdict() for loss in attempt.translator.losses],
            }
            await send_json(send, document)

    async def _proxy(self, scope: Scope, body: JSON, receive: Receive, send: Send) -> None:
        losses = Losses()
        request: bytes | None = None
        async with telling_refusals(send):
            way = self._find(scope, "responses", body)
            first = way.routes[0].upstream
            checked = CLIENTS["chat"].validate(body, model_required=first.model is None)
            request = dumps(_as_responses(checked, first, losses))
        if request is None:
            return
        bodies: list[bytes] = [request]

        async def receive_again() -> Message:
            if bodies:
                return {"type": "http.request", "body": bodies.pop(), "more_body": False}
            return await receive()

        base = scope["path"].removesuffix(PROXY)
        routes = [
            _into("responses", route, base) if route.upstream.api == "both" else route for route in way.routes
        ]
        headers = [header for header in way.scope["headers"] if header[0].lower() not in _OF_BODY]
        await run_exchange(
            {**way.scope, "headers": headers},
            receive_again,
            send,
            client="responses",
            choose=lambda body: routes,
            service=self._service,
            losses=losses,
        )


def _api_of(body: JSON) -> WireAPI:
    """The API that a body is of. Raises InvalidRequestError when that cannot be told."""
    found = [api for api, field in _FIELDS.items() if field in body]
    if len(found) != 1:
        raise InvalidRequestError(
            "Expected the body of a Chat request, with 'messages', or of a Responses request, with 'input'; "
            f"got {'both' if found else 'neither'}."
        )
    return found[0]


def _into(api: WireAPI, route: Route, base: str) -> Route:
    """The route as one to an upstream that is asked in this API.

    One that does not speak it gets no such requests, so that its edits, which are for those it gets, are left
    out. `base` stands before the endpoint in the client's path.
    """
    upstream = route.upstream
    if upstream.api == api:
        return route
    if upstream.api == "both":
        asked = replace(upstream, api=api, path=upstream.endpoint(api))
    else:
        asked = replace(
            upstream, api=api, path=None, set={}, drop=(), rename={}, headers={}, before_upstream=None
        )
    return Route(asked, asked.path or base + ENDPOINTS[api])


def _as_responses(chat: JSON, upstream: Upstream, losses: Losses) -> JSON:
    """The Responses request that asks what this Chat request asks. Raises InvalidRequestError."""
    for field, (nothing, reason) in _LEFT_OUT.items():
        if chat.get(field) not in nothing:
            losses.report(field, "dropped", reason)
    rest = {name: value for name, value in chat.items() if name not in _LEFT_OUT}
    return to_responses_request(rest, profile=upstream.profile, losses=losses)
