"""One client request, from its first byte to its last: read it, find its upstream, and try that.

1. Before anything was sent every failure is an HTTP status with OpenAI's error body.
2. The upstream is found by the body. Where there are several, the next is tried when one has failed before
   its answer began; the failure of the last one is told.
3. Between equals with nothing to do the bytes pass as they are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from responses_asgi.errors import APIError
from responses_asgi.exchange.attempt import Asked, Attempt
from responses_asgi.exchange.interceptors import Intercepted, intercept
from responses_asgi.exchange.outlets import HTTPOutlet, Outlet
from responses_asgi.exchange.pairs import CLIENTS
from responses_asgi.exchange.refusals import telling_refusals
from responses_asgi.exchange.request import parse_body, read_body, with_query
from responses_asgi.exchange.routes import Choose, Detach, Route, Service
from responses_asgi.exchange.untouched import pass_untouched
from responses_asgi.history.requests import Detached
from responses_asgi.log_words import one_line
from responses_asgi.loss import Loss
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.upstreams.replies import send_to_nobody
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["Tries", "ask_for", "detached", "run_exchange"]

logger = logging.getLogger("responses_asgi")


async def run_exchange(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    client: WireAPI,
    choose: Choose,
    service: Service,
    model: str | None = None,
    losses: Sequence[Loss] = (),
) -> None:
    """Answer one POST of this client API from the upstream that `choose` finds for it.

    `model` is used when the body names none, as for Azure's deployment paths. `losses` are what the request
    has lost before it came here, which is told with what is lost from here on. Raises what the upstream's app
    or a hook raised, after the client has been told.
    """
    asked: Asked | None = None
    tries: Tries | None = None
    content: bytes | None = None
    async with telling_refusals(send):
        try:
            content = await read_body(scope, receive, options=service.options)
            if content is None:
                return await send_to_nobody(send)
            given = parse_body(content, max_depth=service.options.max_depth, model=model)
            if client == "chat" and scope.get("query_string"):
                given = with_query(given, scope)
            asked, routes = await ask_for(given, scope, client=client, choose=choose, service=service)
        except APIError as error:
            for each in service.interceptors:
                each.refused(scope, client, error)
            raise
        if losses:
            asked = asked._replace(losses=losses)
        stream = bool(asked.body.get("stream"))
        asked = detached(asked, service)
        prepared = await Tries.prepare(asked, routes, service)
        if service.detach is not None and asked.detached is not None:
            return await _detach(service.detach, prepared, receive, send, stream=stream)
        tries = prepared
    if asked is None or tries is None:
        return None
    if tries.idle and model is None:
        route, owner = tries.routes[0], asked.owner
        await pass_untouched(
            scope, receive, send, client=client, route=route, owner=owner, note=service.note, body=content
        )
        return None
    del content
    unattended = service.options.finish_unattended and tries.first.turn.keeps
    headers = tries.intercepted.headers
    outlet = HTTPOutlet(receive, send, stream=stream, unattended=unattended, headers=headers)
    return await tries.run(outlet)


async def ask_for(
    given: object, scope: Scope, *, client: WireAPI, choose: Choose, service: Service
) -> tuple[Asked, Sequence[Route]]:
    """The checked request of a decoded body, and where it may go. Raises APIError."""
    routes = choose(given if isinstance(given, dict) else {})
    required = all(route.upstream.model is None for route in routes)
    body = CLIENTS[client].validate(given, model_required=required)
    return Asked(client, body, await service.state.owners.of(scope), scope), routes


def detached(asked: Asked, service: Service) -> Asked:
    """The request as one for the background, if it asks for that and the service can.

    The upstream is then always asked for a stream, so that what is said can be shown as it comes.
    """
    if service.detach is None or asked.client != "responses" or not asked.body.get("background"):
        return asked
    told = Detached(service.state.new_id("resp_"), int(time.time()))
    return asked._replace(body={**asked.body, "stream": True}, detached=told)


async def _detach(detach: Detach, tries: Tries, receive: Receive, send: Send, *, stream: bool) -> None:
    try:
        await detach.accept(tries, receive, send, stream=stream)
    except APIError as error:
        await tries.drop(error)
        raise


class Tries:
    """A request on its way through the routes it may go, the first of which is prepared.

    `intercepted` is what stands around it.
    """

    __slots__ = (
        "_first",
        "_service",
        "asked",
        "intercepted",
        "routes",
    )

    def __init__(
        self,
        asked: Asked,
        routes: Sequence[Route],
        service: Service,
        first: Attempt,
        intercepted: Intercepted,
    ) -> None:
        self.routes = routes
        self.asked = asked
        self.intercepted = intercepted
        self._service = service
        self._first: Attempt | None = first

    @classmethod
    async def prepare(cls, asked: Asked, routes: Sequence[Route], service: Service) -> Tries:
        """Everything before the first upstream is called. Raises APIError."""
        if service.interceptors:
            intercepted = await intercept(service.interceptors, asked, routes[0].upstream)
            asked = asked._replace(headers=intercepted.upstream_headers)
        else:
            intercepted = Intercepted(())
        try:
            with intercepted.active():
                first = await Attempt.prepare(asked, routes[0], service)
                await first.take_approvals()
        except BaseException as error:
            await intercepted.end(error)
            raise
        return cls(asked, routes, service, first, intercepted)

    @property
    def first(self) -> Attempt:
        """The attempt that `run` begins with; there until then."""
        assert self._first is not None
        return self._first

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do on the way: the bytes can pass as they are."""
        return len(self.routes) == 1 and not self.intercepted and self.first.idle

    async def drop(self, error: APIError) -> None:
        """It is not to be run, because of this."""
        try:
            await self.first.give_back()
        finally:
            await self.intercepted.end(error)

    async def run(self, outlet: Outlet) -> None:
        """Answer the client; raises what the last upstream's app or a hook raised, after it has been told."""
        if len(self.routes) == 1 and not self.intercepted.surrounds:
            # Nearly always: nothing else is tried, and nobody waits for the end.
            first, self._first = self.first, None
            await first.run(outlet, service=self._service)
            return
        try:
            with self.intercepted.active():
                await self._run(outlet)
        except BaseException as error:
            await self.intercepted.end(error)
            raise
        await self.intercepted.end()

    async def _run(self, outlet: Outlet) -> None:
        first, self._first = self.first, None
        failure = await self._try(first, outlet, hold=len(self.routes) > 1)
        del first
        for number, route in enumerate(self.routes[1:], 2):
            if failure is None:
                return
            logger.warning("%s: %s; the next upstream is asked", self._which(number - 1), one_line(failure))
            try:
                attempt = await Attempt.prepare(self.asked, route, self._service)
            except APIError as error:
                logger.warning("%s cannot be asked: %s", self._which(number), one_line(error))
            else:
                hold = number < len(self.routes)
                failure = await self._try(attempt, outlet, hold=hold)
        if failure is not None:
            await outlet.refuse(failure)

    def _which(self, number: int) -> str:
        """A route in the log: what was asked for, and who is asked for what; nothing that may be secret."""
        upstream = self.routes[number - 1].upstream
        named, model = self.asked.body.get("model"), upstream.model
        place = getattr(upstream.app, "site", None) or type(upstream.app).__name__
        asked = f" as {model!r:.100}" if model and model != named else ""
        return f"Model {named!r:.100}, upstream {number} of {len(self.routes)} ({one_line(place)}{asked})"

    async def _try(self, attempt: Attempt, outlet: Outlet, *, hold: bool) -> APIError | None:
        try:
            return await attempt.run(outlet, service=self._service, hold=hold)
        finally:
            self.intercepted.ended = attempt.ended
