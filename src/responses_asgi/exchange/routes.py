"""Where a request may go, and what all exchanges of one component have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from responses_asgi.exchange.options import Options
from responses_asgi.history import State
from responses_asgi.recall import CallMemory
from responses_asgi.types.asgi import Receive, Send
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import Upstream

if TYPE_CHECKING:
    from responses_asgi.exchange.hosted_tools import HostedTools
    from responses_asgi.exchange.interceptors import Interceptor
    from responses_asgi.exchange.run import Tries
    from responses_asgi.exchange.token_counts import CountTokens

__all__ = ["Choose", "Detach", "Note", "Route", "Service"]


class Route(NamedTuple):
    """One way for a request: the upstream, and the `path` of the inner scope."""

    upstream: Upstream
    path: str


Choose: TypeAlias = Callable[[JSON], Sequence[Route]]
"""`(body) -> routes`: the first is taken; each of the others when those before it failed before they began to
answer. `body` is a JSON object and not yet checked. Raises APIError, such as for an unknown model."""

Note: TypeAlias = Callable[[str, int], Awaitable[None]]
"""`(owner, status) -> None`: is told with which HTTP status the upstream answered a client of this owner."""


class Detach(Protocol):
    """What makes answers in the background."""

    async def accept(self, tries: Tries, receive: Receive, send: Send, *, stream: bool) -> None:
        """Begin a prepared request, and answer with the queued response or, with `stream`, its events.

        Raises APIError when it cannot be begun.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all exchanges of one component have in common.

    `state` knows what came before a request and keeps what came of it, `memory` what the next turn of a Chat
    client of a Responses upstream needs, `note` is told how upstreams answered. `detach` makes answers in the
    background; None: that is refused. `hosted` are the tools that are run here; None: there are none.
    `interceptors` stand around every exchange, the outermost first. `count_tokens` counts the tokens of a
    Responses request; None: they are estimated.
    """

    options: Options
    state: State
    memory: CallMemory | None = None
    note: Note | None = None
    detach: Detach | None = None
    hosted: HostedTools | None = None
    interceptors: Sequence[Interceptor] = ()
    count_tokens: CountTokens | None = None
