"""The component: who may open a socket, and who serves it."""

from __future__ import annotations

from collections.abc import Sequence

from responses_asgi.auth import Guard
from responses_asgi.errors import APIError
from responses_asgi.exchange import Choose, Service
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.upstreams.replies import refuse_websocket
from responses_asgi.websocket.connection import Connection
from responses_asgi.websocket.handshake import (
    UPGRADE_REQUIRED,
    check_origin,
    subprotocol_for,
    turn_scope,
)
from responses_asgi.websocket.limits import WebSocketLimits
from responses_asgi.websocket.takeover import took_over

__all__ = ["ResponsesSockets"]


class ResponsesSockets:
    """Serves the sockets of one component.

    - `service`: what its exchanges have in common. `guard` is asked who may open a socket.
    - `websocket`: True, the bounds of a socket, or False: every socket is refused with 426.
    - `origins`: sites whose pages may open sockets, besides those of the bounds.
    """

    def __init__(
        self,
        service: Service,
        guard: Guard,
        *,
        websocket: bool | WebSocketLimits = True,
        origins: Sequence[str] = (),
    ) -> None:
        self._service = service
        self._guard = guard
        self._open = websocket is not False
        self._limits = websocket if isinstance(websocket, WebSocketLimits) else WebSocketLimits()
        self._origins = (*self._limits.origins, *origins)

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        choose: Choose,
        model: str | None = None,
        app: ASGIApp | None = None,
    ) -> None:
        """Serve the socket with this scope, whose path is a Responses endpoint.

        `choose` tells where each turn may go, `model` is the one that the path names. `app` is that of an
        upstream that gets the socket as it is, if it opens any.
        """
        if (await receive())["type"] != "websocket.connect":
            return
        if not self._open:
            await refuse_websocket(scope, send, UPGRADE_REQUIRED)
            return
        posted = turn_scope(scope)
        try:
            check_origin(posted, self._origins)
            owner = await self._service.state.owners.of(posted)
            await self._guard.check_handshake(posted, owner)
        except APIError as error:
            await refuse_websocket(scope, send, error)
            return
        if app is not None and await took_over(app, scope, receive, send):
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": subprotocol_for(scope), "headers": []})
        except OSError:
            # The client has left.
            return
        connection = Connection(
            posted,
            receive,
            send,
            choose=choose,
            service=self._service,
            guard=self._guard,
            model=model,
            limits=self._limits,
        )
        await connection.run()
