"""`GET /responses/{id}?stream=true`: the events of a response that has ended, made from what is stored.

Their texts are those of the stream it was made in; how these were cut into deltas is not kept, so that each
is one delta, and the numbers begin at 0 again.
"""

from __future__ import annotations

from itertools import count

from responses_asgi.errors import InvalidRequestError
from responses_asgi.resources.call import Call
from responses_asgi.sinks import SSESink
from responses_asgi.translate.unfold import unfold
from responses_asgi.types.events import TERMINAL_EVENTS, Dialect, StreamEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["replay"]

# The names of the events of raw reasoning; those of OpenAI are what a response unfolds to.
REASONING_EVENTS: dict[Dialect, str] = {
    "openai": "response.reasoning_text.",
    "openresponses": "response.reasoning.",
}


async def replay(call: Call, response: JSON, *, starting_after: int | None) -> None:
    """Send the events behind number `starting_after`; all of them when it is None.

    Raises InvalidRequestError for a response that has no such end as streams have, and for a number that no
    event has.
    """
    dialect = call.services.options.dialect
    status = response.get("status")
    if f"response.{status}" not in TERMINAL_EVENTS:
        raise InvalidRequestError(
            f"This response has the status {status!r} and cannot be streamed; ask without stream=true.",
            param="stream",
            code="invalid_value",
        )
    events = [
        _event(event, number, dialect) for event, number in zip(unfold(response), count(), strict=False)
    ]
    if starting_after is not None and starting_after >= len(events):
        raise InvalidRequestError(
            f"'starting_after' is {starting_after}; the events of this response are 0 to {len(events) - 1}.",
            param="starting_after",
            code="invalid_value",
        )
    sink = SSESink(call.send, done=dialect == "openresponses")
    for event in events[0 if starting_after is None else starting_after + 1 :]:
        await sink.write([event])
    await sink.close()


def _event(event: JSON, number: int, dialect: Dialect) -> StreamEvent:
    kind = event["type"].replace(REASONING_EVENTS["openai"], REASONING_EVENTS[dialect])
    return StreamEvent(kind, dumps({**event, "type": kind, "sequence_number": number}))
