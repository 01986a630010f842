"""Says the events of a response that is made of several: numbers them, places their items, keeps these."""

from __future__ import annotations

from responses_asgi.types.events import Event, StreamEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["ItemWriter"]


class ItemWriter:
    """The events that are still to be given away, and the items that are done."""

    def __init__(self) -> None:
        self._sequence = -1
        self._events: list[Event] = []
        self._done: dict[int, JSON] = {}
        self._next = 0

    @property
    def output(self) -> list[JSON]:
        """The items that are done, in the order of their places."""
        return [self._done[place] for place in sorted(self._done)]

    def given(self) -> list[Event]:
        """The events that were said since this was last asked."""
        events, self._events = self._events, []
        return events

    def say(self, event: JSON) -> None:
        """Say an event, with the next number. The first one keeps its own: of an answer that is made in the
        background, the opening events have been told."""
        if self._sequence < 0:
            self._sequence = int(event.get("sequence_number") or 0)
        numbered = {**event, "sequence_number": self._sequence}
        self._sequence += 1
        self._events.append(StreamEvent(str(event["type"]), dumps(numbered)))

    def open(self, item: JSON) -> int:
        """Announce an item at the next place, which is returned."""
        place, self._next = self._next, self._next + 1
        self.say({"type": "response.output_item.added", "output_index": place, "item": item})
        return place

    def close(self, place: int, item: JSON) -> None:
        """Say that an item is done."""
        self._done[place] = item
        self.say({"type": "response.output_item.done", "output_index": place, "item": item})
