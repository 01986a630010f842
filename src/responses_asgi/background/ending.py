"""How a response ends that was cut off: with legal events, and kept.

1. What is kept of it is written first, then the end of its log: as when it ends by itself. Whoever finds one
   without the other completes it.
2. What had been said stays said: open items are closed as incomplete, then come an error and the terminal
   event. A cancelled response has no terminal event of its own; its stream fails with the code `cancelled`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from responses_asgi.background.keeping import Held, Keeping, ResponseRecord
from responses_asgi.errors import APIError, StoreError, VersionConflictError, error_from_payload
from responses_asgi.history.responses import RESPONSE, StoredResponse
from responses_asgi.history.turn import conversation_records
from responses_asgi.sse import SSEDecoder, encode
from responses_asgi.stores.event_log import EventLog, LoggedEvent
from responses_asgi.translate.responses_to_responses import ResponsesToResponses
from responses_asgi.types.events import TERMINAL_EVENTS
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["CANCELLED", "ENDED", "LOST", "STOPPED", "Ending", "end_response", "ending_of", "logged_events"]

logger = logging.getLogger("responses_asgi")

CANCELLED = APIError("The response was cancelled.", status=499, type="client_error", code="cancelled")
LOST = APIError(
    "The worker that made this response is gone, or could not keep it.", status=500, code="server_error"
)
STOPPED = APIError("The service was stopped while it made this response.", status=503, code="server_error")

ENDED = frozenset({"completed", "failed", "incomplete", "cancelled"})
"""The statuses of responses that have ended."""

# The status of a response that has ended well -> the event that ends its stream.
_TERMINAL = {"completed": "response.completed", "incomplete": "response.incomplete"}

_OPENING = ("response.created", "response.in_progress")

# What a response has not yet while it is made.
_RUNNING: JSON = {
    "status": "in_progress",
    "output": [],
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "usage": None,
}


class Ending(NamedTuple):
    """The events that end a stream, and the response as it is then."""

    events: Sequence[LoggedEvent]
    response: JSON


async def end_response(keeping: Keeping, held: Held, error: APIError) -> JSON | None:
    """End a response that was cut off; as it is then, None when it is kept no longer. Raises StoreError.

    From now on nobody else writes to its log.
    """
    log = keeping.log
    await keeping.insist(partial(log.append, held.id, held.epoch), f"take over the log of {held.id}")
    events = await keeping.insist(partial(logged_events, log, held.id), f"read the log of {held.id}")
    get = partial(keeping.store.get, RESPONSE, held.owner, held.id)
    record = await keeping.insist(get, f"read {held.id}")
    stored = None if record is None else StoredResponse.of(record)
    ending = ending_of(stored.response if stored else {}, events, error)
    if record is not None and stored is not None:
        changed = stored.response != ending.response
        stored = replace(stored, response=ending.response)
        await _keep(keeping, held, stored, version=record.version if changed else None)
    append = partial(log.append, held.id, held.epoch, ending.events, ended=True)
    try:
        await keeping.insist(append, f"end the log of {held.id}")
    except VersionConflictError:
        raise
    except StoreError:
        # A log that has no room is forgotten: the stream is then made of what is kept of the response.
        await log.expire(held.id, seconds=0.0)
    return stored.response if stored else None


async def _keep(keeping: Keeping, held: Held, stored: StoredResponse, *, version: int | None) -> None:
    """Keep the response in place of this version, None: it is kept; and have it in its conversation."""
    state = keeping.state
    if version is not None:
        written = ResponseRecord(keeping.store, version)
        put = partial(written.put, stored.record(held.owner, state.ttl))
        try:
            await keeping.insist(put, f"keep the end of {held.id}")
        except VersionConflictError:
            raise
        except StoreError as failure:
            if failure.status >= 500:
                raise
            # What was said is too large to be kept.
            stored = replace(stored, response={**stored.response, "output": []})
            await keeping.insist(
                partial(written.put, stored.record(held.owner, state.ttl)), f"keep the end of {held.id}"
            )
    if records := conversation_records(state.kept, held.owner, stored, state.new_id):
        await keeping.insist(partial(keeping.store.put, *records), f"keep the items of {held.id}")


async def logged_events(log: EventLog, id: str) -> list[JSON]:
    """All events of a log. Raises StoreError."""
    events: list[JSON] = []
    after = -1
    while (page := await log.read(id, after=after)) is not None and page.events:
        for number, data in page.events:
            events += [loads(event.data) for event in SSEDecoder().feed(data)]
            after = number
        if page.ended:
            break
    return events


def ending_of(stored: JSON, events: Sequence[JSON], error: APIError) -> Ending:
    """How a response ends, of which this is kept and these events are logged; `error`: why it is cut off.

    If it has ended by itself, only what is missing of its stream is added.

    >>> ending = ending_of({"id": "resp_1", "status": "in_progress", "output": []}, [], LOST)
    >>> [number for number, data in ending.events], ending.response["status"]
    ([0, 1, 2, 3], 'failed')
    """
    if not (stored or events):
        return Ending([], {})
    status = str(stored.get("status"))
    told = [event for event in events if event["type"] in TERMINAL_EVENTS]
    if told:
        return Ending([], stored if status in ENDED else {**stored, **told[0]["response"]})
    if status in _TERMINAL:
        return Ending(_numbered(events, [(_TERMINAL[status], {"response": stored})]), stored)
    if status in ENDED:
        error = CANCELLED if status == "cancelled" else error_from_payload(stored)
    try:
        closing, failed = _failed(stored, events, error)
    except Exception:
        # Events of the upstream's own may be of any shape.
        logger.exception("the items of %s cannot be closed", stored.get("id"))
        failed = {**stored, "status": "failed", "error": error.response_error()}
        closing = [("error", {"error": error.response_error()})]
    response = {**stored, **failed}
    if status in ENDED:
        response = stored
        failed = {**stored, "status": "failed", "error": error.response_error()}
    elif error is CANCELLED and not any(event["type"] == "error" for event in events):
        response = {**response, "status": "cancelled", "error": None}
    return Ending(_numbered(events, [*closing, ("response.failed", {"response": failed})]), response)


def _failed(stored: JSON, events: Sequence[JSON], error: APIError) -> tuple[list[tuple[str, JSON]], JSON]:
    """What is missing before the terminal event, and the failed response."""
    machine = ResponsesToResponses({}, new_id=lambda prefix: str(stored.get("id")), now=lambda: 0)
    types = {event["type"] for event in events}
    running = {**(stored or events[0]["response"]), **_RUNNING}
    opening = [{"type": name, "response": running} for name in _OPENING if name not in types]
    said = next((event for event in events if event["type"] == "error"), None)
    for event in (*events, *opening):
        if event is not said:
            machine.feed(event)
    closing = [event.json() for event in machine.fail(error_from_payload(said) if said else error)]
    missing = [*opening, *closing[:-1]]
    if said is not None:
        missing = [event for event in missing if event["type"] != "error"]
    return [(event["type"], event) for event in missing], closing[-1]["response"]


def _numbered(events: Sequence[JSON], closing: Sequence[tuple[str, JSON]]) -> list[LoggedEvent]:
    """The closing events behind those that are logged."""
    first = events[-1]["sequence_number"] + 1 if events else 0
    return [
        LoggedEvent(number, encode(kind, dumps({"type": kind, **fields, "sequence_number": number})))
        for number, (kind, fields) in enumerate(closing, first)
    ]
