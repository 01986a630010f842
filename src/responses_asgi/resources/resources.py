"""Which requests are for kept state, and what is done for each.

Routing is Starlette's; it is imported with the first path that could be ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from responses_asgi.auth import Guard
from responses_asgi.background import Background
from responses_asgi.errors import APIError
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.refusals import telling_refusals
from responses_asgi.exchange.token_counts import CountTokens
from responses_asgi.history.state import State
from responses_asgi.resources import chat_completions, conversations, responses
from responses_asgi.resources.call import Ask, Call, ClientLeft, Method, Services
from responses_asgi.resources.params import Params
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.upstreams.replies import send_error, send_to_nobody
from responses_asgi.upstreams.upstream import ENDPOINTS, WireAPI

if TYPE_CHECKING:
    from starlette.routing import Route

__all__ = ["ROUTES", "Resources"]

ROUTES: dict[WireAPI, dict[str, dict[str, Method]]] = {
    "responses": {**responses.ROUTES, **conversations.ROUTES},
    "chat": {**chat_completions.ROUTES, **conversations.ROUTES},
}
"""API of the client -> path below a base -> HTTP method -> what is done."""

CONVERSATIONS = "/conversations"

# What can be asked although nothing is kept.
STATELESS = frozenset({"/responses/input_tokens", "/responses/compact"})


class Resources:
    """The routes over kept state of one component: an ASGI app for the paths that it `serves`.

    - `state`: what is kept. Without a store nothing is served.
    - `ask`: has the model answer a request, as `Ask` says.
    - `guard`: asked before anything is done, with the owner of the request.
    - `bases`: the prefixes of the API's paths, such as `""` and `"/v1"`; relative to `root_path`.
    - `apis`: whose routes are there: of clients of Responses, of Chat Completions, or of both.
    - `options`: limits, dialect and loss header; see `Options`.
    - `count_tokens`: counts the tokens of a request; `ask_tokens`: asks an upstream to. Without both
      `/responses/input_tokens` is an estimate.
    - `background`: shows and cancels responses that are made in the background; None: there are none.
    - `conversation_bases`: the prefixes of conversations; None: the same.
    - `stateless`: whether `/responses/input_tokens` and `/responses/compact` are served without a store.

    Creating responses and chat completions is not among the routes. OPTIONS is left to who knows of CORS.
    """

    def __init__(
        self,
        state: State,
        *,
        ask: Ask,
        guard: Guard,
        bases: Sequence[str],
        apis: frozenset[WireAPI] = frozenset({"responses"}),
        options: Options | None = None,
        count_tokens: CountTokens | None = None,
        ask_tokens: Ask | None = None,
        background: Background | None = None,
        conversation_bases: Sequence[str] | None = None,
        stateless: bool = False,
    ) -> None:
        self._services = Services(
            state=state,
            guard=guard,
            ask=ask,
            ask_tokens=ask_tokens,
            count_tokens=count_tokens,
            options=options or Options(),
            background=background,
        )
        routes = {path: methods for api in sorted(apis) for path, methods in ROUTES[api].items()}
        if state.store is None:
            routes = {path: routes[path] for path in routes if stateless and path in STATELESS}
        others = frozenset(bases).difference(bases if conversation_bases is None else conversation_bases)
        self._paths = {
            base + path: methods
            for base in bases
            for path, methods in routes.items()
            if not (base in others and path.startswith(CONVERSATIONS))
        }
        self._creating = {base + ENDPOINTS[api] for base in bases for api in apis}
        starts = "|".join(re.escape(base) for base in bases)
        # Most requests of an app are for other paths, and are told by this alone.
        self._start = re.compile(rf"(?:{starts})/(?:responses/|conversations|chat/completions)")

    def serves(self, path: str, method: str = "GET") -> bool:
        """Whether a request to this path, below `root_path`, is for these routes; cheap for other paths.

        Of a path that we have, a method that it does not have is ours to refuse; only OPTIONS is not, nor is
        POST where answers are created.
        """
        if method == "OPTIONS" or (method == "POST" and path in self._creating):
            return False
        return self._start.match(path) is not None and self._find({"path": path}) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to a path that is served; to any other with a 404."""
        found = self._find(scope)
        if found is None:
            await send_error(send, APIError(f"There is nothing at {scope['path'][:200]!r}.", status=404))
            return
        methods, ids = found
        name = scope["method"]
        if name == "OPTIONS":
            headers = [(b"allow", _allowed(methods).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        elif (method := methods.get("GET" if name == "HEAD" else name)) is None:
            await send_error(send, _not_allowed(name, methods))
        else:
            await self._answer(scope, receive, _without_body(send) if name == "HEAD" else send, method, ids)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, method: Method, ids: Mapping[str, str]
    ) -> None:
        async with telling_refusals(send):
            owner = await self._services.state.owners.of(scope)
            query = bytes(scope.get("query_string") or b"").decode("latin-1")
            call = Call(
                services=self._services,
                scope=scope,
                receive=receive,
                send=send,
                owner=owner,
                ids=ids,
                params=Params(parse_qsl(query, keep_blank_values=True)),
            )
            unanswered = None if method.unanswered is None else partial(method.unanswered, call)
            await self._services.guard.check(scope, owner, action=method.action, unanswered=unanswered)
            try:
                await method.answer(call)
            except ClientLeft:
                await send_to_nobody(send)

    def _find(self, scope: Scope) -> tuple[dict[str, Method], Mapping[str, str]] | None:
        """What there is at the scope's path, and the ids in it."""
        from starlette.routing import Match

        root = (scope.get("root_path") or "").rstrip("/")
        place = {"type": "http", "method": "GET", "path": scope["path"], "root_path": root}
        for route in self._routes:
            match, found = route.matches(place)
            if match is not Match.NONE:
                return self._paths[route.path], found["path_params"]
        return None

    @cached_property
    def _routes(self) -> list[Route]:
        from starlette.routing import Route

        return [Route(path, endpoint=self, methods=None) for path in self._paths]


def _allowed(methods: Mapping[str, Method]) -> str:
    return ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])


def _not_allowed(name: str, methods: Mapping[str, Method]) -> APIError:
    return APIError(
        f"{name} is not allowed here; allowed are {_allowed(methods)}.",
        status=405,
        type="invalid_request_error",
        code="method_not_allowed",
        headers={"allow": _allowed(methods)},
    )


def _without_body(send: Send) -> Send:
    """An answer to HEAD: the headers alone."""

    async def send_headers(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_headers
