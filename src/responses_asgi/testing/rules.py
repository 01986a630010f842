"""The rules of a legal Responses stream by name, and the one exception that names the rule a stream broke."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

__all__ = ["RULES", "InvalidStream", "Position"]

T = TypeVar("T")

# Sources: the event grammar of the OpenAI and Open Responses documents, the lifecycle checks of published
# clients, and this package's stricter promise that every stream it makes is legal for all of them.
RULES: dict[str, str] = {
    # The bytes
    "utf-8": "the stream is UTF-8",
    "sse-form": "an SSE event is one event line, one data line and a blank line",
    "json": "the data of an event is one JSON object",
    "event-name": "the event line equals the type inside the data",
    "done-marker": "[DONE] comes after the terminal event, at most once, and is the last thing said",
    # The response
    "event-type": "every event says its type",
    "shape": "every field has a value of its own type",
    "sequence-number": "sequence_number counts 0, 1, 2, ... through the whole stream",
    "response-order": "created, queued?, in_progress, items, one terminal event",
    "after-terminal": "nothing follows the terminal event",
    "no-terminal": "a stream ends with completed, incomplete or failed",
    "response-id": "the response keeps one id",
    "response-fields": "a lifecycle event carries a whole response object",
    "created-at": "created_at is an integer and stays the same",
    "status": "the status of the response fits its event",
    "early-output": "output is empty until the terminal event",
    "usage": "usage is null before the end, then null or all five figures as integers",
    "error-field": "error is set if and only if the response failed, with code and message",
    "incomplete-details": "incomplete_details is set, with a reason, if and only if incomplete",
    "error-event": "failed follows an error event with flat and nested fields that says the same",
    "terminal-output": "the final output is the done items in index order",
    "never-done": "every item is done before the terminal event",
    # The items
    "dialect": "raw reasoning events have the name of the dialect",
    "output-index": "output_index is dense from 0 in the order of output_item.added",
    "item-unannounced": "an item is added before anything else of it",
    "item-closed": "nothing of an item follows its output_item.done",
    "item-order": "an item lives by its own order: parts open, fill and close before the item does",
    "item-id": "an item has one id of its own, on every event from added to the final response",
    "item-identity": "type, name and call_id of an item are the same in added and done",
    "item-status": "a done item is completed or incomplete, and completed if the response is",
    "call-id": "every call has a name and a call_id of its own",
    "zero-values": "an added item or part holds no content yet",
    "phantom-item": "no empty message and no empty reasoning item",
    "interleaving": "an item opens after the one before it closed; only unfinished calls may stay open",
    "after-incomplete": "after an item ended incomplete nothing comes for a higher index",
    "part-index": "content_index and summary_index are dense from 0, and name the open part",
    "part-type": "an event fits the type of its part",
    "annotation-index": "annotation_index is dense from 0",
    "empty-delta": "a delta is a string that is not empty",
    "text": "the text of a done event is the concatenation of its deltas",
    "arguments": "the arguments of a done event are the concatenation of their deltas ('' may become '{}')",
    "part-done": "a part is done with the text, annotations and logprobs that were streamed",
    "item-done": "an item is done with the parts or arguments that were streamed",
}

MAX_SHOWN_CHARS = 300


class InvalidStream(AssertionError):
    """A stream broke a rule: `rule` is a key of `rules`, `number` the event (from 0; None: the whole stream).

    >>> str(InvalidStream("empty-delta", "got ''", number=4, event="response.refusal.delta"))
    "empty-delta: event 4 (response.refusal.delta): got '' [a delta is a string that is not empty]"
    """

    def __init__(
        self,
        rule: str,
        detail: str,
        *,
        number: int | None = None,
        event: str = "",
        rules: Mapping[str, str] = RULES,
    ) -> None:
        self.rule = rule
        self.number = number
        where = "the stream" if number is None else f"event {number} ({event or 'no type'})"
        super().__init__(f"{rule}: {where}: {detail} [{rules[rule]}]")


class Position:
    """Where a check stands in a stream, and how it says what is wrong there."""

    def __init__(self, rules: Mapping[str, str] = RULES) -> None:
        self.rules = rules
        self.number: int | None = None
        self.event = ""

    def move(self, event: str) -> None:
        self.number = 0 if self.number is None else self.number + 1
        self.event = event

    def shaped(self, step: Callable[[], T]) -> T:
        """What this returns. What it cannot even read is not legal, such as text in place of an object."""
        try:
            return step()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.fail("shape", repr(error))

    def fail(self, rule: str, detail: str) -> NoReturn:
        raise InvalidStream(rule, detail, number=self.number, event=self.event, rules=self.rules)

    def require(self, condition: object, rule: str, detail: str) -> None:
        if not condition:
            self.fail(rule, detail)

    def equal(self, rule: str, what: str, got: Any, expected: Any) -> None:
        if got != expected or type(got) is not type(expected):
            self.fail(rule, f"{what}: got {_shown(got)}, expected {_shown(expected)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]}... ({len(text)} characters)"
