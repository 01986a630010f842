"""What is not the gateway's own: given to the default upstream as it is, or refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange import Interceptor
from responses_asgi.gateway.routing import MAX_SHOWN_CHARS, Entry
from responses_asgi.limits.passing import CountedPassing
from responses_asgi.middleware.targets import Targets
from responses_asgi.owners import Owners
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.upstreams.replies import deny_websocket, send_error
from responses_asgi.upstreams.upstream import Upstream, WireAPI

__all__ = ["Passthrough"]

# What lies below these belongs to Responses.
_OF_RESPONSES = re.compile(r"(?:/openai)?(?:/v1)?/(?:responses|conversations)(?=/|$)")


class Passthrough:
    """An ASGI app for HTTP and WebSockets below the mount point; `default` is the entry for all models.

    Where clients of each API have a default of their own, what belongs to Responses is for that of its
    clients, and everything else for that of Chat clients. Rate limits among the `interceptors` count it.
    """

    def __init__(
        self, default: Entry | None, owners: Owners, interceptors: Sequence[Interceptor] = ()
    ) -> None:
        ways = {} if default is None else default.upstreams
        self._ways = {client: (upstreams[0], _paths(upstreams[0])) for client, upstreams in ways.items()}
        app: ASGIApp = self.uncounted
        self._app = CountedPassing(app, owners=owners, interceptors=interceptors) if interceptors else app

    def __bool__(self) -> bool:
        """Whether there is a default upstream."""
        return bool(self._ways)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; without a default upstream it is a 404, a WebSocket is refused."""
        if self._ways:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await deny_websocket(receive, send)
        else:
            await send_error(send, _not_found(scope))

    async def uncounted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what takes from no budget, to the default upstream that there is."""
        upstream, paths = self._way(scope["path"])
        await upstream.app(paths.rebased(scope, "", scope["path"]), receive, send)

    def _way(self, path: str) -> tuple[Upstream, Targets]:
        client: WireAPI = "responses" if _OF_RESPONSES.match(path) else "chat"
        return self._ways.get(client) or next(iter(self._ways.values()))


def _paths(upstream: Upstream) -> Targets:
    """Knows where the upstream's app has its paths."""
    spoken: WireAPI = "responses" if upstream.api == "responses" else "chat"
    return Targets(spoken, spoken, path=None, upstream_path=upstream.endpoint(spoken))


def _not_found(scope: Scope) -> InvalidRequestError:
    path: str = scope["path"]
    shown = path if len(path) <= MAX_SHOWN_CHARS else path[:MAX_SHOWN_CHARS] + "..."
    return InvalidRequestError(
        f"There is no {scope['method']} {shown} here; GET / tells what there is.",
        status=404,
        code="not_found",
    )
