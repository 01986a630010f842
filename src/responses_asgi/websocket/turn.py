"""One `response.create`: an exchange like that of a POST, told over a socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from responses_asgi.auth import Guard
from responses_asgi.errors import APIError, InvalidRequestError
from responses_asgi.exchange import Choose, Service
from responses_asgi.exchange.attempt import LEFT, Asked
from responses_asgi.exchange.calls import asked_from_outside
from responses_asgi.exchange.inner_response import internal_error
from responses_asgi.exchange.routes import Route
from responses_asgi.exchange.run import Tries, ask_for
from responses_asgi.history import Recent, Remembered
from responses_asgi.history.items import Entry, entries_of
from responses_asgi.types.asgi import Scope
from responses_asgi.types.json import JSON, dumps
from responses_asgi.websocket.messages import Create
from responses_asgi.websocket.outlet import SocketOutlet
from responses_asgi.websocket.warm_up import warm_up
from responses_asgi.websocket.wire import Wire

__all__ = ["Serving", "SocketTurn"]

logger = logging.getLogger("responses_asgi")

# A warm-up may come without input, which other requests must have.
_PLACEHOLDER = "-"

_CONTINUED = (
    "Of responses that are not stored, a WebSocket remembers the latest one of each lane, until it has been "
    "continued without success."
)

_REMEMBERED = frozenset({"completed", "incomplete"})


class Serving(NamedTuple):
    """What all turns of one socket have in common: the scope of a POST, where requests go, who may create
    what, and what is remembered between them."""

    scope: Scope
    choose: Choose
    service: Service
    guard: Guard
    recent: Recent


class SocketTurn:
    """One turn; made when its message comes, run when its lane is free.

    `over` is called once, when its last word has been said and the next turn of the lane may begin: what the
    upstream's app still does then is its own affair.
    """

    def __init__(self, create: Create, serving: Serving, wire: Wire) -> None:
        self.create = create
        self.over: Callable[[], None] | None = None
        self._serving = serving
        self._outlet = SocketOutlet(wire, create.lane, on_end=self._on_end, over=self.is_over)
        self._previous: str | None = None
        self._size = create.size
        self._entries: Sequence[Entry] | None = None

    @property
    def response_id(self) -> str | None:
        """The id of its response, once there is one."""
        return self._outlet.response_id

    @property
    def cancelled(self) -> bool:
        return self._outlet.cancelled

    def cancel(self) -> None:
        """Have it end; the client is told its end."""
        self._outlet.cancel()

    def leave(self) -> None:
        """Have it end; the client has left."""
        self._outlet.leave()

    def is_over(self) -> None:
        """The last word has been said, or never will be."""
        over, self.over = self.over, None
        if over:
            over()

    async def run(self) -> None:
        """Answer the client; raises nothing but the cancellation of its task."""
        outlet = self._outlet
        try:
            await self._answer()
        except APIError as error:
            await outlet.refuse(_explained(error))
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
            if asked_from_outside(error):
                raise
            logger.error("A turn on a WebSocket failed", exc_info=error)
            await outlet.refuse(internal_error())
        finally:
            if not outlet.ended:
                await outlet.finish()

    async def _answer(self) -> None:
        outlet = self._outlet
        try:
            asked, routes = await self._ask()
        except APIError as error:
            for each in self._serving.service.interceptors:
                each.refused(self._serving.scope, "responses", error)
            raise
        if self.create.warm_up:
            service, guard = self._serving.service, self._serving.guard
            turn, response, events = await warm_up(asked, routes[0], service, guard)
            self._entries = turn.entries
            await outlet.end(response, events)
            return
        tries = await Tries.prepare(asked, routes, self._serving.service)
        turn = tries.first.turn
        self._entries = turn.entries
        outlet.unattended = self._serving.service.options.finish_unattended and turn.keeps
        if outlet.left:
            await tries.drop(LEFT)
            await outlet.vanish()
        else:
            await tries.run(outlet)

    async def _ask(self) -> tuple[Asked, Sequence[Route]]:
        """The checked request. Raises APIError."""
        scope, choose, service, _, recent = self._serving
        body = self.create.body
        given = body.get("input")
        if self.create.warm_up and not given:
            body = {**body, "input": _PLACEHOLDER}
        previous = body.get("previous_response_id")
        self._previous = previous if isinstance(previous, str) else None
        known = recent.find(self._previous)
        self._size += known.size if known else 0
        asked, routes = await ask_for(body, scope, client="responses", choose=choose, service=service)
        if self.create.warm_up and not given:
            asked = asked._replace(body={**asked.body, "input": []})
        return asked._replace(recent=recent), routes

    def _on_end(self, response: JSON | None, size: int) -> None:
        """Remember the response, before the client can continue it."""
        recent, lane = self._serving.recent, self.create.lane
        if response is None or response.get("status") not in _REMEMBERED:
            recent.forget(self._previous)
            return
        recent.remember(lane, self._remembered(response, size))
        # The app may go on for long.
        self._entries = None

    def _remembered(self, response: JSON, size: int) -> Remembered | None:
        """What is to be remembered; None for what is kept elsewhere, or not known here."""
        body = self.create.body
        stored = response.get("store")
        if stored is None:
            stored = body.get("store") is not False
        if stored or self._entries is None:
            return None
        if self._size == self.create.size and (self._previous or body.get("conversation")):
            # It continues what is stored, whose size nobody has counted.
            size += len(dumps([entry.item for entry in self._entries]))
        output = entries_of(response.get("output") or (), self._serving.service.state.new_id)
        return Remembered(str(response.get("id")), [*self._entries, *output], self._size + size)


def _explained(error: APIError) -> APIError:
    """The error; of an id that leads nowhere it says what can be continued here."""
    if error.code != "previous_response_not_found":
        return error
    message = f"{error.message} {_CONTINUED}"
    return InvalidRequestError(message, param=error.param, code=error.code, status=error.status)
