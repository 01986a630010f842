"""One request to a route, and what the routes of a component work with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from responses_asgi.auth import Guard
from responses_asgi.auth.guard import Action
from responses_asgi.background import Background
from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.request import parse_body, read_body
from responses_asgi.exchange.token_counts import CountTokens
from responses_asgi.history.chain import Kept
from responses_asgi.history.state import State
from responses_asgi.loss import LOSS_HEADER, Losses, header_value
from responses_asgi.resources.params import Params
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.checks import Open, check
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.replies import send_json

__all__ = ["Ask", "Call", "ClientLeft", "Method", "Services"]

Ask: TypeAlias = Callable[[Scope, JSON], Awaitable[JSON]]
"""`(client's scope, Responses body, not streamed) -> the upstream's JSON`; raises APIError with its error."""


class ClientLeft(Exception):
    """The client left before its request was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What all routes of a component share; see `Resources`."""

    state: State
    guard: Guard
    ask: Ask
    ask_tokens: Ask | None
    count_tokens: CountTokens | None
    options: Options
    background: Background | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that was let in: from whom, for what, and where the answer goes."""

    services: Services
    scope: Scope
    receive: Receive
    send: Send
    owner: str
    ids: Mapping[str, str]
    """The ids in the path, by their names in the route's template."""
    params: Params

    @property
    def state(self) -> State:
        """The state of the component."""
        return self.services.state

    @property
    def kept(self) -> Kept:
        """What is kept in it."""
        return self.services.state.kept

    async def body(self, model: type[Open], *, optional: bool = False) -> JSON:
        """The JSON object in the request's body, checked by `model`; `optional`: none at all is an empty one.

        Raises InvalidRequestError, and ClientLeft.
        """
        options = self.services.options
        raw = await read_body(self.scope, self.receive, options=options)
        if raw is None:
            raise ClientLeft
        if optional and not raw.strip():
            return {}
        body = parse_body(raw, max_depth=options.max_depth)
        if not isinstance(body, dict):
            raise InvalidRequestError(
                f"The request body must be a JSON object, got {type(body).__name__}.", code="invalid_type"
            )
        check(model, body, "")
        return body

    async def answer(self, document: Any, losses: Losses | None = None) -> None:
        """Send the document; losses are told in the header."""
        headers = []
        if losses and self.services.options.loss_header:
            headers.append((LOSS_HEADER.encode(), header_value(losses).encode("ascii")))
        await send_json(self.send, document, headers=headers)


class Method(NamedTuple):
    """What a route does for one HTTP method, and what the guard is asked for it."""

    action: Action
    answer: Callable[[Call], Awaitable[None]]
    unanswered: Callable[[Call], Awaitable[bool]] | None = None
    """Whether it is about a request that has yet to be answered; None: it never is."""
