"""One response over several upstream calls: tools that the service runs are called between them.

1. What the client sees is one lifecycle: later calls have no opening of their own, indices and numbers go on,
   usage is summed, and the one terminal event holds all items.
2. A function call whose name is that of a hosted tool is shown as the item of that tool, from its first
   fragment on. It stays open until its result is there.
3. What the upstream is told of a round is what it said itself: its own calls, by their own names, and the
   results.
4. A round goes on only when the upstream has completed it, and all calls that are left are hosted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from responses_asgi.errors import APIError
from responses_asgi.loss import Losses
from responses_asgi.translate.response_writer import NewId
from responses_asgi.translate.translator import Translator
from responses_asgi.translate.usage import summed
from responses_asgi.types.events import TERMINAL_EVENTS, Event, StreamEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["OPENING", "HostedCall", "HostedName", "HostedResult", "Rounds", "Staged"]

_ARGUMENTS = "response.function_call_arguments."
# A call before anything is known of it.
_BEGUN: JSON = {"arguments": "", "output": None, "error": None, "status": "in_progress"}

# Items of the upstream that nobody has to answer.
_SAID = frozenset({"message", "reasoning", "compaction"})

OPENING = frozenset({"response.created", "response.queued", "response.in_progress"})


class HostedName(NamedTuple):
    """What the upstream knows as a function: label and tool, and whether a person must agree to a call."""

    label: str
    tool: str
    approval: bool = False


class HostedCall(NamedTuple):
    """A call that is to be run: the item that shows it, its place, and what the upstream wrote."""

    item: JSON
    place: int
    call_id: str
    name: str
    arguments: str


class HostedResult(NamedTuple):
    """What a tool answered: the text that the model is told, or the error that it is told instead.

    `parts` are content parts that tell the model what the text only names, such as images; none: the text
    says it all.
    """

    output: str
    failed: bool = False
    parts: Sequence[JSON] = ()

    @property
    def told(self) -> str | list[JSON]:
        """What the model is told."""
        return list(self.parts) or self.output

    @property
    def fields(self) -> JSON:
        """What an `mcp_call` item says of it."""
        if not self.failed:
            return {"status": "completed", "output": self.output}
        content = [{"type": "text", "text": self.output}]
        return {"status": "failed", "error": {"type": "mcp_tool_execution_error", "content": content}}


@runtime_checkable
class Staged(Translator, Protocol):
    """A Translator whose answer may take several upstream calls, with calls of hosted tools between them.

    After `finish`, `pending` holds the calls to run. `settle` tells what came of each; then, if it `goes_on`,
    `next_round` makes `request` the body of the next upstream call, otherwise `end` gives the last events.
    """

    pending: list[HostedCall]

    @property
    def paused(self) -> bool:
        """Whether something is to be done here before the upstream is asked again."""

    @property
    def goes_on(self) -> bool:
        """Whether the upstream is to be asked again, once all pending calls are settled."""

    def settle(self, call: HostedCall, result: HostedResult) -> list[Event]:
        """Tell what came of a pending call, to the client now and to the upstream in the next round."""

    def next_round(self) -> None:
        """Begin the next upstream call with what was said and answered."""

    def end(self) -> list[Event]:
        """Close what never got a result, and say the end."""


class Rounds:
    """The Translator of a Responses client whose service runs tools.

    `make()` gives the Translator of one upstream call, `names` the hosted tools by the names under which the
    upstream is offered them. `listed` are items that are told before all others (`mcp_list_tools`, and the
    calls that were waiting for an approval); they may become more until the upstream is asked. See `Staged`
    for what it has beside the Translator.
    """

    def __init__(
        self,
        make: Callable[[], Translator],
        *,
        names: Mapping[str, HostedName],
        new_id: NewId,
        listed: Sequence[JSON] = (),
    ) -> None:
        self.losses = Losses()
        self.calls = 1
        self.pending: list[HostedCall] = []
        self._make = make
        self._names = names
        self._new_id = new_id
        self._listed = listed
        self._inner = make()
        self._first = True
        self._id = ""
        self._created_at: Any = None
        self._sequence = 0
        self._events: list[Event] = []
        self._output: dict[int, JSON] = {}
        self._next_index = 0
        self._places: dict[int, int] = {}
        self._open: dict[int, HostedCall] = {}
        self._said: list[JSON] = []
        self._results: list[JSON] = []
        self._items: list[JSON] = []
        self._client_calls = False
        self._usage: JSON | None = None
        self._terminal: tuple[str, JSON] | None = None
        self._ended: JSON | None = None

    @property
    def response_id(self) -> str:
        """The id of the response, which is that of the first round."""
        return self._id or self._inner.response_id

    @property
    def failure(self) -> APIError | None:
        """The error that the upstream reported."""
        return self._inner.failure

    @property
    def paused(self) -> bool:
        """Whether calls are pending."""
        return bool(self.pending)

    @property
    def goes_on(self) -> bool:
        """Whether the upstream is to be asked again, once all pending calls are settled."""
        return self._terminal is not None and bool(self._results) and not self._client_calls

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The upstream's request: of the first round, and after `next_round` of the one that follows."""
        body = self._inner.request([*self._items, *items])
        self._merge()
        return body

    def start(self) -> list[Event]:
        """The opening events; once."""
        return self._taking(self._inner.start())

    def feed(self, chunk: JSON, call: int = 0) -> list[Event]:
        """The events that one upstream chunk becomes."""
        return self._taking(self._inner.feed(chunk))

    def complete(self, call: int = 0) -> bool:
        """Whether the upstream has said the last word of this round."""
        return self._inner.complete()

    def finish(self, *, marker: bool) -> list[Event]:
        """The end of a round, or, when no hosted call is pending, of the response."""
        self._take(self._inner.finish(marker=marker))
        if self._terminal and not (self.pending and self._terminal[0] == "response.completed"):
            return self.end()
        return self._given()

    def fail(self, error: APIError) -> list[Event]:
        """Close what is open, then say the error and the failed terminal event."""
        self._close_pending()
        self._take(self._inner.fail(error))
        return self.end()

    def settle(self, call: HostedCall, result: HostedResult) -> list[Event]:
        """Tell what came of a pending call, to the client now and to the upstream in the next round."""
        self.pending.remove(call)
        self._results.append({"type": "function_call_output", "call_id": call.call_id, "output": result.told})
        done = {**call.item, "arguments": call.arguments, **result.fields}
        self._close(call, done, "failed" if result.failed else "completed")
        return self._given()

    def next_round(self) -> None:
        """Begin the next upstream call with what was said and answered."""
        self._items += [*self._said, *self._results]
        self._inner = self._make()
        self._first = False
        self._said, self._results, self._places = [], [], {}
        self._terminal = None
        self._take(self._inner.start())

    def end(self) -> list[Event]:
        """Close what never got a result, and say the terminal event."""
        self._close_pending()
        if self._terminal is not None and self._ended is None:
            kind, response = self._terminal
            self._ended = self._whole(response)
            self._say({"type": kind, "response": self._ended})
        return self._given()

    def snapshot(self) -> JSON:
        """The response as it is; whole after the terminal event."""
        return self._ended if self._ended is not None else self._whole(self._inner.snapshot())

    # Events of a round

    def _taking(self, events: Sequence[Event]) -> list[Event]:
        self._take(events)
        return self._given()

    def _take(self, events: Sequence[Event]) -> None:
        for event in events:
            self._pass(event.json())
        self._merge()

    def _merge(self) -> None:
        for loss in self._inner.losses:
            self.losses.report(loss.path, loss.action, loss.reason)

    def _given(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _say(self, event: JSON) -> None:
        numbered = {**event, "sequence_number": self._sequence}
        self._sequence += 1
        self._events.append(StreamEvent(str(event["type"]), dumps(numbered)))

    def _pass(self, event: JSON) -> None:
        kind, index = str(event.get("type")), event.get("output_index")
        if kind in TERMINAL_EVENTS:
            response = event["response"]
            self._usage = summed([self._usage, response.get("usage")])
            self._terminal = (kind, response)
        elif kind in OPENING:
            self._open_response(kind, event)
        elif not isinstance(index, int):
            self._say(event)
        elif kind == "response.output_item.added":
            self._added(index, event["item"])
        elif index in self._open:
            self._hosted(index, kind, event)
        elif kind == "response.output_item.done":
            self._done(index, event)
        else:
            self._say({**event, "output_index": self._places[index]})

    def _open_response(self, kind: str, event: JSON) -> None:
        if not self._first:
            return
        response = event["response"]
        self._id, self._created_at = str(response.get("id") or ""), response.get("created_at")
        self._say(event)
        if kind == "response.in_progress":
            for item in self._listed:
                self._tell_listed(item)

    def _whole(self, response: JSON) -> JSON:
        """The response of the last round as that of all of them."""
        output = [self._output[index] for index in sorted(self._output)]
        usage = summed([self._usage]) if self._usage else response.get("usage")
        same = {"id": self.response_id, "created_at": self._created_at or response.get("created_at")}
        return {**response, **same, "output": output, "usage": usage}

    # Items

    def _added(self, index: int, item: JSON) -> None:
        hosted = self._names.get(str(item.get("name"))) if item.get("type") == "function_call" else None
        if hosted is None:
            # Whatever else is called, the client has to answer.
            self._client_calls |= item.get("type") not in _SAID
            self._places[index] = self._place()
            self._say(
                {"type": "response.output_item.added", "output_index": self._places[index], "item": item}
            )
            return
        shown: JSON = {
            "id": self._new_id("mcpr_" if hosted.approval else "mcp_"),
            "type": "mcp_approval_request" if hosted.approval else "mcp_call",
            "server_label": hosted.label,
            "name": hosted.tool,
        }
        place = -1
        if not hosted.approval:
            place = self._place()
            shown |= {**_BEGUN, "approval_request_id": None}
            self._say({"type": "response.output_item.added", "output_index": place, "item": shown})
            self._say(
                {"type": "response.mcp_call.in_progress", "item_id": shown["id"], "output_index": place}
            )
        self._open[index] = HostedCall(
            shown, place, str(item.get("call_id")), str(item["name"]), str(item.get("arguments") or "")
        )

    def _hosted(self, index: int, kind: str, event: JSON) -> None:
        """An event of a call whose tool is hosted."""
        call = self._open[index]
        place = {"item_id": call.item["id"], "output_index": call.place}
        if kind == "response.output_item.done":
            del self._open[index]
            self._said.append(event["item"])
            call = call._replace(arguments=str(event["item"].get("arguments") or ""))
            if call.item["type"] == "mcp_approval_request":
                self._ask(call)
            elif event["item"].get("status") == "incomplete":
                self._cut(call)
            else:
                self.pending.append(call)
        elif call.place < 0:
            return
        elif kind == _ARGUMENTS + "delta":
            self._say({"type": "response.mcp_call_arguments.delta", **place, "delta": event["delta"]})
        elif kind == _ARGUMENTS + "done":
            self._say({"type": "response.mcp_call_arguments.done", **place, "arguments": event["arguments"]})

    def _ask(self, call: HostedCall) -> None:
        """A person has to agree before the call is run: the response ends with the question."""
        self._client_calls = True
        place = self._place()
        item = {**call.item, "arguments": call.arguments}
        self._output[place] = item
        for kind in ("added", "done"):
            self._say({"type": f"response.output_item.{kind}", "output_index": place, "item": item})

    def _done(self, index: int, event: JSON) -> None:
        place = self._places[index]
        self._output[place] = event["item"]
        self._said.append(event["item"])
        self._say({**event, "output_index": place})

    def _close_pending(self) -> None:
        """Calls that never get a result, the last one first: nothing may follow an incomplete item."""
        for call in sorted(self.pending, key=lambda call: call.place, reverse=True):
            self._cut(call)
        self.pending.clear()

    def _cut(self, call: HostedCall) -> None:
        cut = {**call.item, "arguments": call.arguments, "status": "incomplete"}
        self._close(call, cut, "failed")

    def _close(self, call: HostedCall, item: JSON, ending: str) -> None:
        place = {"item_id": item["id"], "output_index": call.place}
        self._say({"type": f"response.mcp_call.{ending}", **place})
        self._output[call.place] = item
        self._say({"type": "response.output_item.done", "output_index": call.place, "item": item})

    def _tell_listed(self, item: JSON) -> None:
        place = self._place()
        self._output[place] = item
        at = {"item_id": item["id"], "output_index": place}
        kind, ending = item["type"], "completed" if item.get("error") is None else "failed"
        empty = {**item, "tools": []} if kind == "mcp_list_tools" else {**item, **_BEGUN}
        self._say({"type": "response.output_item.added", "output_index": place, "item": empty})
        self._say({"type": f"response.{kind}.in_progress", **at})
        if kind == "mcp_call":
            family, written = "response.mcp_call_arguments", item["arguments"]
            self._say({"type": f"{family}.delta", **at, "delta": written})
            self._say({"type": f"{family}.done", **at, "arguments": written})
        self._say({"type": f"response.{kind}.{ending}", **at})
        self._say({"type": "response.output_item.done", "output_index": place, "item": item})

    def _place(self) -> int:
        place, self._next_index = self._next_index, self._next_index + 1
        return place
