"""The end of a response that its own translation did not bring about: a legal one, and kept."""

from __future__ import annotations

from responses_asgi.errors import APIError
from responses_asgi.history.responses import StoredResponse
from responses_asgi.sse import SSEDecoder, encode
from responses_asgi.stores.event_log import EventLog, LoggedEvent
from responses_asgi.translate.responses_to_responses import ResponsesToResponses
from responses_asgi.types.events import TERMINAL_EVENTS
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["Ending", "end_log", "logged_events"]

# The status of a response -> the event that ends its stream. A cancelled one has no event of its own.
_TERMINAL = {"completed": "response.completed", "incomplete": "response.incomplete"}


_OPENING = ("response.created", "response.in_progress")


async def logged_events(log: EventLog, id: str) -> tuple[list[JSON], bool]:
    """All events of a log, and whether it has ended. Raises StoreError."""
    events: list[JSON] = []
    after = -1
    while True:
        page = await log.read(id, after=after)
        if page is None:
            return events, False
        for number, data in page.events:
            events += [loads(event.data) for event in SSEDecoder().feed(data)]
            after = number
        if page.ended or not page.events:
            return events, page.ended


class Ending:
    """How a response ends that was cut off after these events.

    `stored` is what is kept of it. If that has ended by itself, only its last event is missing; otherwise it
    fails with this error: `events` close what is open, and `response` is what was said until then.
    """

    def __init__(self, stored: StoredResponse, events: list[JSON], error: APIError) -> None:
        self.response: JSON = stored.response
        self.events: list[LoggedEvent] = []
        last = len(events)
        told = TERMINAL_EVENTS & {str(event["type"]) for event in events}
        terminal = _TERMINAL.get(str(stored.response.get("status")))
        if told:
            return
        if terminal is not None:
            event = {"type": terminal, "response": stored.response, "sequence_number": last}
            self.events = [LoggedEvent(last, encode(terminal, dumps(event)))]
            return
        machine = ResponsesToResponses({}, new_id=lambda prefix: stored.id, now=lambda: 0)
        running = {**stored.response, "status": "in_progress"}
        opening = [{"type": name, "response": running} for name in _OPENING]
        told_now = [event for each in events or opening for event in machine.feed(each)]
        closing = machine.fail(error) if events else told_now + machine.fail(error)
        self.events = [
            LoggedEvent(number, encode(event.type, event.data)) for number, event in enumerate(closing, last)
        ]
        self.response = {**machine.snapshot(), "background": True}


async def end_log(
    log: EventLog, epoch: int, stored: StoredResponse, error: APIError, *, retention: float
) -> JSON:
    """End the log of a response that was cut off; the response as it is from now on. Raises StoreError."""
    events, ended = await logged_events(log, stored.id)
    ending = Ending(stored, events, error)
    if not ended:
        await log.append(stored.id, epoch, ending.events, ended=True)
    await log.expire(stored.id, seconds=retention)
    return ending.response
