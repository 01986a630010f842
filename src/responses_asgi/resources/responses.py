"""`/responses/{id}` and below: stored responses, and what is asked about a request without an answer.

Source: https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

from responses_asgi.errors import InvalidRequestError
from responses_asgi.history.responses import WAITING, StoredResponse
from responses_asgi.loss import Losses
from responses_asgi.resources.call import Call, Method
from responses_asgi.resources.compact import compact
from responses_asgi.resources.input_tokens import count_input_tokens
from responses_asgi.resources.replay import replay
from responses_asgi.types.checks import Open
from responses_asgi.types.json import JSON

__all__ = ["ROUTES"]


async def _retrieve(call: Call) -> None:
    starting_after = call.params.integer("starting_after")
    stream = call.params.boolean("stream")
    if starting_after is not None and not stream:
        raise InvalidRequestError(
            "'starting_after' is the place in a stream; send it together with stream=true.",
            param="starting_after",
            code="invalid_value",
        )
    response = (await _stored(call)).response
    if not stream:
        await call.answer(response)
    elif not await _show_log(call, response, starting_after):
        await replay(call, response, starting_after=starting_after)


async def _show_log(call: Call, response: JSON, starting_after: int | None) -> bool:
    """Show the events of a background response as they were, and come; False when they are not kept."""
    background = call.services.background
    if background is None or not response.get("background"):
        return False
    after = -1 if starting_after is None else starting_after
    if await background.stream(str(response["id"]), call.receive, call.send, after=after):
        return True
    if starting_after is not None:
        # What is made of the stored response has other numbers.
        raise InvalidRequestError(
            "The events of this response are kept no longer. Ask for all of them, without starting_after, or "
            "for the response itself.",
            param="starting_after",
            code="events_expired",
        )
    return False


async def _delete(call: Call) -> None:
    id = call.ids["response_id"]
    stored = await call.kept.responses.load(call.owner, id)
    if stored is not None and call.services.background and _is_running(stored):
        await call.services.background.cancel(call.owner, stored)
    if not await call.kept.responses.delete(call.owner, id):
        raise call.kept.misses.error("response", id)
    if stored is not None and call.services.background and stored.response.get("background"):
        await call.services.background.forget(id)
    await call.answer({"id": id, "object": "response", "deleted": True})


async def _cancel(call: Call) -> None:
    """A response that has ended is given as it is, however often it is cancelled."""
    stored = await _stored(call)
    if call.services.background and _is_running(stored):
        await call.answer(await call.services.background.cancel(call.owner, stored))
        return
    response = stored.response
    if not response.get("background") or response.get("status") in WAITING:
        raise InvalidRequestError(
            "Only a response that was created with background=true can be cancelled; close the connection to "
            "cancel this one while it is made.",
            param="response_id",
        )
    await call.answer(response)


def _is_running(stored: StoredResponse) -> bool:
    """Whether the response is made in the background, now or soon."""
    return bool(stored.response.get("background")) and stored.response.get("status") in WAITING


async def _is_queued(call: Call) -> bool:
    """Whether the response is made in the background and nothing of it is kept yet."""
    stored = await call.kept.responses.load(call.owner, call.ids["response_id"])
    return stored is not None and _is_running(stored)


async def _input_items(call: Call) -> None:
    query = call.params.page("desc")
    await call.answer((await _stored(call)).input_items(query).body())


async def _compact(call: Call) -> None:
    losses = Losses()
    body = await call.body(Open)
    document = await compact(
        body, call.scope, call.owner, state=call.state, ask=call.services.ask, losses=losses
    )
    await call.answer(document, losses)


async def _stored(call: Call) -> StoredResponse:
    id = call.ids["response_id"]
    stored = await call.kept.responses.load(call.owner, id)
    if stored is None:
        raise call.kept.misses.error("response", id)
    return stored


ROUTES: dict[str, dict[str, Method]] = {
    "/responses/input_tokens": {"POST": Method("create", count_input_tokens)},
    # Its own request to the model is let in by who lets in all of them.
    "/responses/compact": {"POST": Method("read", _compact)},
    "/responses/{response_id}": {
        "GET": Method("read", _retrieve, _is_queued),
        "DELETE": Method("read", _delete, _is_queued),
    },
    "/responses/{response_id}/cancel": {"POST": Method("read", _cancel, _is_queued)},
    "/responses/{response_id}/input_items": {"GET": Method("read", _input_items)},
}
"""Path below the base -> HTTP method -> what is done. The first path that fits is taken."""
