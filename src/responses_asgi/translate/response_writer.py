"""What a Responses stream says, in legal order: owns the ids, the numbers and the finished items.

1. Every event gets the next sequence number: here, or by the `Deltas` of a text.
2. Output indices are given out in the order in which items open.
3. The terminal response holds exactly the items whose `done` was said, in index order.
The machines above decide *what* is said; this decides *how*. No clock, no randomness: both are handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from responses_asgi.errors import APIError
from responses_asgi.types.events import QUEUED, Dialect, Event, SSEEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["NewId", "ResponseWriter"]

NewId = Callable[[str], str]

_new = tuple.__new__  # what a NamedTuple's own constructor does, in two thirds of its time


class ResponseWriter:
    """Writes the events of one response; `take()` hands over what was written since the last call.

    `sequence` is the number of the next event.
    `queued`: the first two events, created and queued, were written elsewhere. `summarizes`: reasoning is
    told as its own summary.
    """

    __slots__ = (
        "_done",
        "_events",
        "_now",
        "_opened",
        "dialect",
        "extras",
        "new_id",
        "response",
        "sequence",
        "summarizes",
    )

    def __init__(
        self,
        response: JSON,
        *,
        dialect: Dialect,
        new_id: NewId,
        now: Callable[[], int],
        queued: bool = False,
        summarizes: bool = False,
    ) -> None:
        self.response = response
        self.dialect = dialect
        self.summarizes = summarizes
        self.new_id = new_id
        self.extras: JSON = {}
        self._now = now
        self._events: list[Event] = []
        self.sequence = len(QUEUED) if queued else 0
        self._opened = 0
        self._done: dict[int, JSON] = {}

    def take(self) -> list[Event]:
        """The events written since the last call."""
        events, self._events = self._events, []
        return events

    def say(self, type: str, fields: JSON) -> None:
        """Write one event with these fields."""
        self._tell(type, dumps(fields)[1:-1])

    def _tell(self, type: str, fields: bytes) -> None:
        name = type.encode()
        sse = b'event: %b\ndata: {"type":"%b",%b,"sequence_number":%d}\n\n' % (
            name,
            name,
            fields,
            self.sequence,
        )
        self.sequence += 1
        self._events.append(_new(SSEEvent, (type, sse)))

    def write(self, events: Iterable[Event]) -> None:
        """Write events that have their numbers, which are the next ones."""
        self._events += events

    def start(self) -> None:
        """The opening events: created, in progress."""
        told = dumps({"response": self.response})[1:-1]
        if not self.sequence:
            self._tell("response.created", told)
        self._tell("response.in_progress", told)

    def open_item(self, item: JSON) -> int:
        """Announce an output item; returns its output index."""
        index = self._opened
        self._opened += 1
        self.say("response.output_item.added", {"output_index": index, "item": item})
        return index

    def close_item(self, index: int, item: JSON) -> None:
        """Say that the item is done, in its final form."""
        self._done[index] = item
        self.say("response.output_item.done", {"output_index": index, "item": item})

    def complete(self) -> None:
        """The terminal event of a success."""
        self._end("completed", completed_at=self._now())

    def incomplete(self, reason: str) -> None:
        """The terminal event of an answer that was cut short by design: token limit or content filter."""
        self._end("incomplete", incomplete_details={"reason": reason})

    def fail(self, error: APIError) -> None:
        """The error event and the terminal event of a failure.

        The error event carries its fields flat (the OpenAI document) and nested (Open Responses): the Python
        SDK only notices the nested form, older clients only the flat one.
        """
        nested = error.response_error()
        flat = {"code": nested["code"], "message": error.message, "param": error.param}
        self.say("error", {**flat, "error": nested})
        self._end("failed", error=nested)

    def _end(self, status: str, **fields: object) -> None:
        output = [self._done[index] for index in sorted(self._done)]
        extras = {name: value for name, value in self.extras.items() if name not in self.response}
        self.response = {**self.response, "status": status, **fields, "output": output, **extras}
        self.say(f"response.{status}", {"response": self.response})
