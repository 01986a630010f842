"""One client request, from its first byte to its last: read it, find its upstream, and try that.

1. Before anything was sent every failure is an HTTP status with OpenAI's error body.
2. The upstream is found by the body. Where there are several, the next is tried when one has failed before
   its answer began; the failure of the last one is told.
3. Between equals with nothing to do the bytes pass as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from responses_asgi.errors import APIError
from responses_asgi.exchange.attempt import Asked, Attempt
from responses_asgi.exchange.pairs import CLIENTS
from responses_asgi.exchange.refusals import telling_refusals
from responses_asgi.exchange.request import parse_body, read_body
from responses_asgi.exchange.routes import Choose, Route, Service
from responses_asgi.exchange.untouched import pass_untouched
from responses_asgi.loss import Loss
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.upstreams.replies import send_error, send_to_nobody
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["run_exchange"]

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
    routes: Sequence[Route] = ()
    content: bytes | None = None
    first: Attempt | None = None
    async with telling_refusals(send):
        content = await read_body(scope, receive, options=service.options)
        if content is None:
            await send_to_nobody(send)
        else:
            given = parse_body(content, max_depth=service.options.max_depth, model=model)
            routes = choose(given if isinstance(given, dict) else {})
            required = all(route.upstream.model is None for route in routes)
            body = CLIENTS[client].validate(given, model_required=required)
            asked = Asked(client, body, await service.state.owners.of(scope), scope, losses)
            first = await Attempt.prepare(asked, routes[0], service)
    if asked is None or first is None:
        return
    if first.idle and len(routes) == 1 and model is None:
        await pass_untouched(
            scope,
            receive,
            send,
            client=client,
            route=routes[0],
            owner=asked.owner,
            note=service.note,
            body=content,
        )
        return
    del content
    failure = await first.run(receive, send, service=service, hold=len(routes) > 1)
    del first
    for number, route in enumerate(routes[1:], 2):
        if failure is None:
            return
        logger.warning("%s; the next upstream is asked", failure)
        try:
            attempt = await Attempt.prepare(asked, route, service)
        except APIError as error:
            logger.warning("The next upstream cannot be asked: %s", error)
        else:
            failure = await attempt.run(receive, send, service=service, hold=number < len(routes))
    if failure is not None:
        await send_error(send, failure)
