"""A turn that prepares a later one: its input is kept under an id, and nobody is asked.

1. Instructions and tools belong to each request and are not kept, as after any other response.
2. The app behind this has not seen the client. What the `Guard` would not let the client create is therefore
   remembered by its connection only, and `store` says so.
3. It is an exchange to whoever looks on, and a request to limits, though no upstream is asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from responses_asgi.auth import Guard
from responses_asgi.errors import APIError
from responses_asgi.exchange.attempt import Asked
from responses_asgi.exchange.interceptors import Ended, intercept
from responses_asgi.exchange.routes import Route, Service
from responses_asgi.history import Turn
from responses_asgi.translate.response_object import new_response
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON

__all__ = ["warm_up"]

logger = logging.getLogger("responses_asgi")

# Nothing was used. A client that counts has something to count.
_NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}


async def warm_up(
    asked: Asked, route: Route, service: Service, guard: Guard
) -> tuple[Turn, JSON, Sequence[Event]]:
    """The turn, its response, which has no output, and the events that tell it. Raises APIError."""
    intercepted = await intercept(service.interceptors, asked, route.upstream)
    try:
        prepared = await _prepared(asked, route, service, guard)
    except BaseException as error:
        await intercepted.end(error)
        raise
    intercepted.ended = Ended(answer=prepared[1])
    await intercepted.end()
    return prepared


async def _prepared(
    asked: Asked, route: Route, service: Service, guard: Guard
) -> tuple[Turn, JSON, Sequence[Event]]:
    upstream, state, dialect = route.upstream, service.state, service.options.dialect
    turn = await state.begin(
        asked.body,
        asked.owner,
        client="responses",
        spoken=upstream.spoken_to("responses"),
        profile=upstream.profile,
        recent=asked.recent,
    )
    if turn.entries is None:
        previous = asked.body.get("previous_response_id") or asked.body.get("conversation")
        raise state.misses.error("previous", str(previous), status=400)
    now = int(time.time())
    response = new_response(
        asked.body, response_id=state.new_id("resp_"), created_at=now, dialect=dialect
    ) | dict(turn.history.echo)
    response["model"] = asked.body.get("model") or upstream.model or ""
    response["usage"] = _NO_USAGE
    ended = {**response, "status": "completed", "completed_at": now}
    if not (turn.keeps and await _may_keep(guard, asked) and await turn.keep(ended)):
        response["store"] = False
    writer = ResponseWriter(
        {**response, "usage": None}, dialect=dialect, new_id=state.new_id, now=lambda: now
    )
    writer.start()
    writer.response = response
    writer.complete()
    return turn, writer.response, writer.take()


async def _may_keep(guard: Guard, asked: Asked) -> bool:
    try:
        await guard.check(asked.scope, asked.owner, action="create")
    except APIError as error:
        logger.debug("a warm-up is not stored: %s", error)
        return False
    return True
