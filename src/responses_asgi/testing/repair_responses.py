"""Repairs a Responses stream event by event: numbers, ids, missing openings, closings and endings."""

from __future__ import annotations

from collections.abc import Callable

from responses_asgi.errors import APIError, error_from_payload
from responses_asgi.testing.repair import cut_off
from responses_asgi.testing.repair_items import ItemRepair
from responses_asgi.testing.validate import REQUIRED_FIELDS, usage_figures
from responses_asgi.translate.response_object import new_response
from responses_asgi.translate.responses_to_responses import ResponsesToResponses
from responses_asgi.translate.snapshot import ITEM_TEXTS, PART_TEXTS, PARTS
from responses_asgi.translate.unfold import CALL_FAMILIES
from responses_asgi.translate.usage import responses_usage
from responses_asgi.types.events import DONE, TERMINAL_EVENTS, Dialect, Event, StreamEvent
from responses_asgi.types.json import JSON

__all__ = ["ResponsesRepair"]

_OPENINGS = {
    "response.created": "in_progress",
    "response.queued": "queued",
    "response.in_progress": "in_progress",
}

# What an item is whose events come without an `added`; a call would need its name.
_TYPES = {
    "response.content_part": "message",
    "response.output_text": "message",
    "response.output_text.annotation": "message",
    "response.refusal": "message",
    "response.reasoning_text": "reasoning",
    "response.reasoning_summary_part": "reasoning",
    "response.reasoning_summary_text": "reasoning",
}

_PREFIXES = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_"}

# The raw reasoning events in each dialect: the other one's name, and its own.
_REASONING: dict[Dialect, tuple[str, str]] = {
    "openai": ("response.reasoning.", "response.reasoning_text."),
    "openresponses": ("response.reasoning_text.", "response.reasoning."),
}

_FAMILIES = {*PARTS, *PART_TEXTS, *ITEM_TEXTS, "response.output_text.annotation"}


class ResponsesRepair:
    """The Repair of a Responses stream. The identity translator numbers its events and sees to its end."""

    def __init__(self, *, dialect: Dialect, new_id: Callable[[str], str], now: Callable[[], int]) -> None:
        self._dialect = dialect
        self._new_id = new_id
        self._identity = ResponsesToResponses({}, new_id=new_id, now=now, dialect=dialect)
        blank = new_response({}, response_id=self._identity.response_id, created_at=now(), dialect=dialect)
        self._blank = {**blank, "model": ""}
        self._frame: JSON = {}
        self._known: JSON = {}
        self._opened: list[str] = []
        self._items: list[ItemRepair] = []
        self._at: dict[object, ItemRepair] = {}
        self._ids: set[str] = set()
        self._events: list[Event] = []
        self._ended = False
        self._marked = False

    def take(self, event: JSON) -> list[Event]:
        kind = event.get("type")
        if self._ended or not isinstance(kind, str):
            return []
        response = event.get("response")
        if kind in _OPENINGS:
            self._open(kind, response if isinstance(response, dict) else {})
        elif kind in TERMINAL_EVENTS:
            self._end(kind, response if isinstance(response, dict) else {})
        elif kind == "error":
            fields = {name: event.get(name) for name in ("message", "code", "param")}
            self._fail(error_from_payload(event if event.get("error") else {"error": fields}))
        elif kind.startswith("response.output_item.") or "output_index" in event or _is_of_item(kind):
            self._begin()
            self._item_event(kind, event)
        else:
            self._begin()
            self._say(event)
        return self._take()

    def mark(self) -> list[Event]:
        """Nothing: a [DONE] that was said too early, or twice, is said at the end."""
        self._marked = True
        return []

    def finish(self) -> list[Event]:
        if not self._ended:
            self._fail(cut_off())
        if self._marked or self._dialect == "openresponses":
            self._events.append(StreamEvent("", DONE))
        return self._take()

    def fail(self, error: APIError) -> list[Event]:
        if not self._ended:
            self._fail(error)
        return self.finish()

    # The response

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _say(self, event: JSON) -> None:
        kind, (foreign, own) = str(event["type"]), _REASONING[self._dialect]
        if kind.startswith(foreign):
            event = {**event, "type": own + kind.removeprefix(foreign)}
        self._events += self._identity.feed(event)

    def _response(self, response: JSON, status: str) -> JSON:
        """The response with what it must have, under the id and the time it was announced with."""
        given = {name: value for name, value in response.items() if value is not None}
        if not self._frame:
            named = given if isinstance(given.get("id"), str) and given["id"] else self._blank
            dated = given if type(given.get("created_at")) is int else self._blank
            self._frame = {"id": named["id"], "created_at": dated["created_at"], "object": "response"}
        needed = {name: given.get(name, self._blank[name]) for name in REQUIRED_FIELDS}
        unset = dict.fromkeys(("usage", "error", "incomplete_details"))
        return {**response, **needed, **self._frame, "status": status, "output": [], **unset}

    def _open(self, kind: str, response: JSON) -> None:
        self._known = response or self._known
        if self._items or kind in self._opened or "response.in_progress" in self._opened:
            return
        for each in ("response.created", kind):
            if each not in self._opened:
                self._opened.append(each)
                self._say({"type": each, "response": self._response(self._known, _OPENINGS[each])})

    def _begin(self) -> None:
        """Say the openings that are missing."""
        self._open("response.in_progress", {})

    def _end(self, kind: str, response: JSON) -> None:
        if kind == "response.failed":
            self._fail(error_from_payload({"error": response.get("error") or {}}))
            return
        if "response.in_progress" not in self._opened:
            self._open("response.in_progress", {**response, "completed_at": None})
        self._close_all(kind.removeprefix("response."))
        for item in (response.get("output") or ())[len(self._items) :]:
            self._add(None, item).close(item)
        output = [item.done for item in self._items]
        final = self._response(response, kind.removeprefix("response."))
        usage = response.get("usage")
        if not isinstance(usage, dict) or any(type(value) is not int for _, value in usage_figures(usage)):
            usage = responses_usage(usage)
        details = response.get("incomplete_details") if kind == "response.incomplete" else None
        whole = {**final, "output": output, "usage": usage, "incomplete_details": details}
        self._say({"type": kind, "response": whole})
        self._ended = True

    def _fail(self, error: APIError) -> None:
        self._begin()
        self._close_all("incomplete")
        self._events += self._identity.fail(error)
        self._ended = True

    # Items

    def _close_all(self, status: str) -> None:
        """From the end, since nothing may follow an incomplete item."""
        for item in reversed(self._items):
            if item.done is None:
                item.close(status=status)

    def _item_event(self, kind: str, event: JSON) -> None:
        given = event.get("output_index")
        if kind == "response.output_item.added":
            self._add(given, event.get("item") or {})
            return
        item = self._at.get(given) if given is not None else next(reversed(self._items), None)
        if item is None:
            announced = event.get("item") or {"type": _TYPES.get(kind.rpartition(".")[0])}
            if not announced["type"]:
                self._say(event)  # what the check then names
                return
            item = self._add(given, announced)
        if item.done is None:
            item.take(event)

    def _add(self, given: object, item: JSON) -> ItemRepair:
        """Announce an item; what is open before it is closed, except calls."""
        calls = str(item.get("type")).endswith("_call")
        for earlier in self._items:
            if earlier.done is None and not (calls and earlier.type.endswith("_call")):
                earlier.close()
        own = item.get("id")
        if not isinstance(own, str) or not own or own in self._ids:
            own = self._new_id(_PREFIXES.get(str(item.get("type")), "item_"))
        self._ids.add(own)
        if item.get("type") in CALL_FAMILIES and not item.get("call_id"):
            item = {**item, "call_id": self._new_id("call_")}
        new = ItemRepair(item, own_id=own, index=len(self._items), say=self._say)
        self._items.append(new)
        self._at[len(self._items) - 1 if given is None else given] = new
        return new


def _is_of_item(kind: str) -> bool:
    return kind.rpartition(".")[0] in _FAMILIES
