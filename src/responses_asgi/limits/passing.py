"""Requests that only pass through to an upstream (embeddings, audio, realtime sockets), counted as requests.

Nothing of their bodies is read, so that they fall under the limit that is for every model, and their tokens
are not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from responses_asgi.errors import APIError
from responses_asgi.exchange import Interceptor
from responses_asgi.limits.rate_limits import RateLimits
from responses_asgi.owners import Owners
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.upstreams.replies import refuse_websocket, send_error

__all__ = ["CountedPassing"]

_SAYS_WHAT_IS_LEFT = b"x-ratelimit-"


class CountedPassing:
    """An ASGI app that passes requests on to `app`, and refuses those for which there is no budget.

    `owners` tells whose request it is; `interceptors` are told of refusals, and the limits are among them.
    Preflights of CORS are not counted.
    """

    def __init__(self, app: ASGIApp, *, owners: Owners, interceptors: Iterable[Interceptor]) -> None:
        self._app = app
        self._owners = owners
        self._all = tuple(interceptors)
        self._limits = [each for each in self._all if isinstance(each, RateLimits)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Sequence[tuple[bytes, bytes]] = ()
        if scope["type"] != "lifespan" and scope.get("method") != "OPTIONS":
            try:
                for limits in self._limits:
                    headers = await limits.count(scope, await self._owners.of(scope))
            except APIError as error:
                for each in self._all:
                    each.refused(scope, None, error)
                if scope["type"] == "http":
                    await send_error(send, error)
                else:
                    await receive()
                    await refuse_websocket(scope, send, error)
                return

        async def telling_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                theirs = message.get("headers") or ()
                kept = [header for header in theirs if not header[0].lower().startswith(_SAYS_WHAT_IS_LEFT)]
                message = {**message, "headers": [*kept, *headers]}
            await send(message)

        await self._app(scope, receive, telling_send if headers else send)
