"""Checks a whole Responses stream, as bytes or as events, against every rule of `RULES`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from responses_asgi.testing.frames import blocks, document
from responses_asgi.testing.items import CALLS, ITEM_EVENTS, ItemCheck
from responses_asgi.testing.rules import Position
from responses_asgi.types.events import RESPONSE_ORDER, TERMINAL_EVENTS, Dialect, Event
from responses_asgi.types.json import JSON

__all__ = ["REQUIRED_FIELDS", "StreamCheck", "assert_valid_stream", "usage_figures"]

_LIFE_EVENTS = frozenset(event for row in RESPONSE_ORDER.values() for event in row) - {"item"}
_ITEM_EVENTS = ITEM_EVENTS | {"response.output_item.added"}

# Raw reasoning text has two names; a client of one dialect throws on the name of the other.
_FOREIGN_EVENTS: dict[Dialect, frozenset[str]] = {
    "openai": frozenset({"response.reasoning.delta", "response.reasoning.done"}),
    "openresponses": frozenset({"response.reasoning_text.delta", "response.reasoning_text.done"}),
}

_STATUSES: dict[str, str] = {
    "response.created": "in_progress",
    "response.queued": "queued",
    "response.in_progress": "in_progress",
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
}
REQUIRED_FIELDS = ("model", "output", "parallel_tool_calls", "tool_choice", "tools")
# Items of tools that the service runs: one may fail, and the model goes on.
_MAY_FAIL = frozenset(
    {
        "code_interpreter_call",
        "file_search_call",
        "image_generation_call",
        "mcp_call",
        "web_search_call",
    }
)
_ERROR_FIELDS = ("code", "message", "param")


def assert_valid_stream(
    stream: bytes | str | Iterable[bytes | JSON | Event], *, dialect: Dialect = "openai"
) -> JSON:
    """Assert that a Responses stream is legal from first event to last, and return the final response.

    `stream` is the SSE text of one answer (whole, or as an iterable of byte blocks), or its events as dicts
    or `Event` objects; of the latter two the SSE form is not checked. Events and items of unknown type are
    legal. Raises `InvalidStream`, an AssertionError that names the first broken rule of `RULES`, the event
    and what was got and expected.

    >>> assert_valid_stream(b"data: [DONE]\\n\\n")
    Traceback (most recent call last):
    ...
    responses_asgi.testing.rules.InvalidStream: done-marker: ...
    """
    check = StreamCheck(dialect=dialect)
    text: list[bytes] = []
    for element in [stream] if isinstance(stream, bytes | str) else stream:
        if isinstance(element, dict):
            check.take(element)
        elif isinstance(element, bytes | str):
            text.append(element.encode("utf-8", "surrogatepass") if isinstance(element, str) else element)
        else:
            check.take(element.json(), name=element.type)
    if text:
        check.take_text(b"".join(text))
    return check.end()


class StreamCheck:
    """The state of one stream; events go in one by one, and the first illegal one raises InvalidStream."""

    def __init__(self, *, dialect: Dialect = "openai", at: Position | None = None) -> None:
        self._dialect = dialect
        self._at = at or Position()
        self._state = "new"
        self._marked = False
        self._items: list[ItemCheck] = []
        self._ids: set[str] = set()
        self._call_ids: set[str] = set()
        self._incomplete: int | None = None  # the lowest index of an item that ended incomplete
        self._first: JSON = {}
        self._response: JSON = {}
        self._error: JSON | None = None

    def take_text(self, text: bytes) -> None:
        """Check the form of a whole SSE text and every event in it."""
        for block in blocks(text, self._at):
            self.take_block(block)
        self.end_text()

    def take_block(self, block: list[str]) -> None:
        """Check the lines of the next SSE event."""
        at = self._at
        at.require(not self._marked, "done-marker", f"{block!r} follows [DONE]")
        if block == ["data: [DONE]"]:
            at.require(self._state == "ended", "done-marker", "[DONE] before the terminal event")
            self._marked = True
            return
        legal = len(block) == 2 and block[0].startswith("event: ") and block[1].startswith("data: ")
        at.require(legal, "sse-form", f"after event {at.number}: got {block!r}")
        self.take(document(block[1][6:], at), name=block[0][7:])

    def end_text(self) -> None:
        """Check that the SSE text may stop here."""
        if self._dialect == "openresponses" and self._state == "ended":
            self._at.require(self._marked, "done-marker", "the stream does not end with [DONE]")

    def take(self, event: JSON, *, name: str | None = None) -> None:
        """Check the next event; `name` is what its event line said."""
        kind = event.get("type")
        self._at.move(kind if isinstance(kind, str) else "")
        self._at.shaped(lambda: self._take(kind, event, name))

    def end(self) -> JSON:
        """Check that the stream may stop here, and return the final response."""
        self._at.require(self._state == "ended", "no-terminal", f"the stream stops in state {self._state!r}")
        return self._response

    def _take(self, kind: object, event: JSON, name: str | None) -> None:
        at = self._at
        if not isinstance(kind, str) or not kind:
            at.fail("event-type", f"type: got {kind!r}")
        if name is not None:
            at.equal("event-name", "event line", name, kind)
        at.require(self._state != "ended", "after-terminal", "the response had ended")
        at.equal("sequence-number", "sequence_number", event.get("sequence_number"), at.number)
        foreign = kind in _FOREIGN_EVENTS[self._dialect]
        at.require(not foreign, "dialect", f"not an event of the dialect {self._dialect!r}")
        if kind in _LIFE_EVENTS:
            self._step(kind)
            if kind == "error":
                self._take_error(event)
            else:
                self._take_response(kind, event.get("response"))
        elif kind in _ITEM_EVENTS or "output_index" in event:
            self._step("item")
            self._take_item(kind, event)
        else:
            at.require(self._state != "new", "response-order", "the first event must be response.created")

    def _step(self, kind: str) -> None:
        row = RESPONSE_ORDER[self._state]
        if kind == "response.failed":
            self._at.require(
                self._state in ("new", "created", "broken"), "error-event", "no error event came before"
            )
        self._at.require(
            kind in row, "response-order", f"a response in state {self._state!r} allows {sorted(row)}"
        )
        self._state = row[kind]

    def _take_response(self, kind: str, response: object) -> None:
        at = self._at
        if not isinstance(response, dict):
            at.fail("response-fields", f"response: got {response!r}, expected an object")
        self._first = self._first or response
        at.require(isinstance(response.get("id"), str) and response["id"], "response-id", "no id")
        at.equal("response-id", "id", response["id"], self._first["id"])
        at.require(
            type(response.get("created_at")) is int, "created-at", f"got {response.get('created_at')!r}"
        )
        at.equal("created-at", "created_at", response["created_at"], self._first["created_at"])
        at.equal("response-fields", "object", response.get("object"), "response")
        for field in REQUIRED_FIELDS:
            at.require(response.get(field) is not None, "response-fields", f"{field} is missing")
        # What is made in the background is created as queued.
        created = kind == "response.created" and response.get("status") == "queued"
        at.equal("status", "status", response.get("status"), "queued" if created else _STATUSES[kind])
        terminal = kind in TERMINAL_EVENTS
        self._check_endings(response, terminal)
        if not terminal:
            at.equal("early-output", "output", response["output"], [])
            return
        for index, item in enumerate(self._items):
            at.require(item.done is not None, "never-done", f"item {index} ({item.type}) is still open")
            legal = ("completed", "failed", None) if item.type in _MAY_FAIL else ("completed", None)
            fits = kind != "response.completed" or (item.done or {}).get("status") in legal
            at.require(fits, "item-status", f"item {index} is not completed in a completed response")
        at.equal("terminal-output", "output", response["output"], [item.done for item in self._items])
        self._response = response

    def _check_endings(self, response: JSON, terminal: bool) -> None:
        """usage, error and incomplete_details: each there exactly when it has something to say."""
        at, status = self._at, response["status"]
        usage = response.get("usage")
        at.require(usage is None or terminal, "usage", f"got {usage!r} before the terminal event")
        for figure, value in usage_figures(usage) if usage is not None else ():
            at.require(type(value) is int, "usage", f"{figure}: got {value!r}")
        error = response.get("error")
        at.require(
            (error is not None) == (status == "failed"), "error-field", f"{status} with error {error!r}"
        )
        if error is not None:
            for field in ("code", "message"):
                value = error.get(field)
                at.require(isinstance(value, str) and value, "error-field", f"{field}: got {value!r}")
            announced = self._error or {}
            at.equal("error-event", "message", announced.get("message"), error["message"])
            if announced.get("code") is not None:
                at.equal("error-event", "code", announced["code"], error["code"])
        details = response.get("incomplete_details")
        at.require(
            (details is not None) == (status == "incomplete"),
            "incomplete-details",
            f"{status} with {details!r}",
        )
        if details is not None:
            reason = details.get("reason")
            at.require(isinstance(reason, str) and reason, "incomplete-details", f"reason: got {reason!r}")

    def _take_error(self, event: JSON) -> None:
        at, nested = self._at, event.get("error")
        if not isinstance(nested, dict):
            at.fail("error-event", f"error: got {nested!r}, expected the nested fields")
        at.require(isinstance(nested.get("type"), str), "error-event", "error.type is missing")
        at.require(isinstance(nested.get("message"), str), "error-event", "error.message is missing")
        for field in _ERROR_FIELDS:
            at.require(field in nested and field in event, "error-event", f"{field} is not in both places")
            at.equal("error-event", f"flat {field}", event[field], nested[field])
        self._error = event

    def _take_item(self, kind: str, event: JSON) -> None:
        at, index = self._at, event.get("output_index")
        if type(index) is not int:
            at.fail("output-index", f"got {index!r}, expected an integer")
        if self._incomplete is not None:
            at.require(
                index <= self._incomplete,
                "after-incomplete",
                f"index {index}, {self._incomplete} was incomplete",
            )
        if kind == "response.output_item.added":
            at.equal("output-index", "output_index", index, len(self._items))
            self._open(event.get("item"))
            return
        at.require(0 <= index < len(self._items), "item-unannounced", f"no item was added at index {index}")
        item = self._items[index]
        item.take(event)
        if item.done is not None and item.done.get("status") == "incomplete":
            self._incomplete = index

    def _open(self, item: object) -> None:
        at = self._at
        if not isinstance(item, dict):
            at.fail("item-identity", f"item: got {item!r}, expected an object")
        own = item.get("id")
        if not isinstance(own, str) or not own:
            at.fail("item-id", f"id: got {own!r}")
        at.require(own not in self._ids, "item-id", f"{own!r} belongs to an earlier item")
        self._ids.add(own)
        new = ItemCheck(item, at)
        call_id = item.get("call_id")
        if new.type in CALLS:
            at.require(call_id not in self._call_ids, "call-id", f"{call_id!r} belongs to an earlier call")
            self._call_ids.add(str(call_id))
        for index, earlier in enumerate(self._items):
            if earlier.done is None:
                beside = (earlier.calls and new.calls) or earlier.unfinished
                at.require(beside, "interleaving", f"item {index} ({earlier.type}) is still open")
        self._items.append(new)


def usage_figures(usage: JSON) -> Iterator[tuple[str, object]]:
    """The five figures that a usage must have, by name."""
    for name in ("input_tokens", "output_tokens", "total_tokens"):
        yield name, usage.get(name)
    for name, figure in (
        ("input_tokens_details", "cached_tokens"),
        ("output_tokens_details", "reasoning_tokens"),
    ):
        yield f"{name}.{figure}", (usage.get(name) or {}).get(figure)
