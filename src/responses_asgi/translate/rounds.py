"""One response over several upstream calls: tools that the service runs are called between them.

1. What the client sees is one lifecycle: later calls have no opening of their own, indices and numbers go on,
   usage is summed, and the one terminal event holds all items.
2. A function call whose name is that of a hosted tool is shown as the item of that tool, from its first
   fragment on. It stays open until its result is there. Texts that cite what was found are annotated.
3. What the upstream is told of a round is what it said itself: its own calls, by their own names, and the
   results.
4. A round goes on only when the upstream has completed it, and all calls that are left are hosted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from responses_asgi.errors import APIError
from responses_asgi.loss import Losses
from responses_asgi.translate.chat_parts import ANNOTATIONS
from responses_asgi.translate.cited_texts import CitedTexts
from responses_asgi.translate.hosted_calls import HostedCall, HostedName, HostedResult, ShownCall
from responses_asgi.translate.hosted_items import TypedCall
from responses_asgi.translate.item_writer import ItemWriter
from responses_asgi.translate.mcp_items import MCPCall, MCPQuestion, tell_listed
from responses_asgi.translate.response_writer import NewId
from responses_asgi.translate.translator import Translator
from responses_asgi.translate.usage import summed
from responses_asgi.types.events import TERMINAL_EVENTS, Event
from responses_asgi.types.json import JSON

__all__ = ["OPENING", "HostedCall", "HostedName", "HostedResult", "Rounds", "Staged"]

_DELTA = "response.function_call_arguments.delta"

# Items of the upstream that nobody has to answer.
_SAID = frozenset({"message", "reasoning", "compaction"})

OPENING = frozenset({"response.created", "response.queued", "response.in_progress"})


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

    def sight(self, call: HostedCall, seen: JSON) -> list[Event]:
        """Tell what can be seen of the result of a pending call, which is still being made."""

    def next_round(self) -> None:
        """Begin the next upstream call with what was said and answered."""

    def end(self) -> list[Event]:
        """Close what never got a result, and say the end."""


class Rounds:
    """The Translator of a Responses client whose service runs tools.

    `make()` gives the Translator of one upstream call, `names` the hosted tools by the names under which the
    upstream is offered them. `stray(name)` tells what a function is that nobody has offered: a tool that a
    server of ours does not have, whose call gets a result that says so; None: the client's. `listed` are the
    items that are told before all others (`mcp_list_tools`, and the calls that were waiting for an approval);
    they may become more until the upstream is asked. See `Staged` for what it has beside the Translator.
    """

    def __init__(
        self,
        make: Callable[[], Translator],
        *,
        names: Mapping[str, HostedName],
        new_id: NewId,
        stray: Callable[[str], HostedName | None] = lambda name: None,
        listed: Sequence[JSON] = (),
        annotations: Collection[str] = ANNOTATIONS["openai"],
    ) -> None:
        self.losses = Losses()
        self.calls = 1
        self.pending: list[HostedCall] = []
        self._make = make
        self._names = names
        self._stray = stray
        self._new_id = new_id
        self._listed = listed
        self._inner = make()
        self._first = True
        self._id = ""
        self._created_at: Any = None
        self._writer = ItemWriter()
        self._texts = CitedTexts(annotations)
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
        call.shown.settle(result)
        output = self._told(call.shown, result)
        self._results.append({"type": "function_call_output", "call_id": call.call_id, "output": output})
        return self._given()

    def sight(self, call: HostedCall, seen: JSON) -> list[Event]:
        """Tell what can be seen of the result of a pending call, which is still being made."""
        if call in self.pending:
            call.shown.sight(seen)
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
            self._writer.say({"type": kind, "response": self._ended})
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
        return self._writer.given()

    def _pass(self, event: JSON) -> None:
        kind, index = str(event.get("type")), event.get("output_index")
        if kind in TERMINAL_EVENTS:
            response = event["response"]
            self._usage = summed([self._usage, response.get("usage")])
            self._terminal = (kind, response)
        elif kind in OPENING:
            self._open_response(kind, event)
        elif not isinstance(index, int):
            self._writer.say(event)
        elif kind == "response.output_item.added":
            self._added(index, event["item"])
        elif index in self._open:
            self._hosted(index, kind, event)
        elif kind == "response.output_item.done":
            self._said.append(event["item"])
            place = self._places[index]
            self._writer.close(place, self._texts.item(place, event["item"]))
        else:
            for told in self._texts.told({**event, "output_index": self._places[index]}):
                self._writer.say(told)

    def _open_response(self, kind: str, event: JSON) -> None:
        if not self._first:
            return
        response = event["response"]
        self._id, self._created_at = str(response.get("id") or ""), response.get("created_at")
        self._writer.say(event)
        if kind == "response.in_progress":
            for item in self._listed:
                tell_listed(item, self._writer)

    def _whole(self, response: JSON) -> JSON:
        """The response of the last round as that of all of them."""
        usage = summed([self._usage]) if self._usage else response.get("usage")
        same = {"id": self.response_id, "created_at": self._created_at or response.get("created_at")}
        return {**response, **same, "output": self._writer.output, "usage": usage}

    # Items

    def _added(self, index: int, item: JSON) -> None:
        name = self._hosted_name(item)
        if name is None:
            # Whatever else is called, the client has to answer.
            self._client_calls |= item.get("type") not in _SAID
            self._places[index] = self._writer.open(item)
            return
        shown: ShownCall
        if name.typed is not None:
            shown = TypedCall(name.typed, self._writer, self._new_id)
        else:
            shown = (MCPQuestion if name.approval else MCPCall)(name, self._writer, self._new_id)
        self._open[index] = HostedCall(shown, str(item.get("call_id")), str(item["name"]), "")

    def _hosted_name(self, item: JSON) -> HostedName | None:
        if item.get("type") != "function_call" or item.get("namespace"):
            return None
        called = str(item.get("name"))
        return self._names.get(called) or self._stray(called)

    def _hosted(self, index: int, kind: str, event: JSON) -> None:
        """An event of a call whose tool is hosted."""
        call = self._open[index]
        if kind == _DELTA:
            call.shown.write(event["delta"])
        elif kind == "response.output_item.done":
            del self._open[index]
            self._said.append(event["item"])
            written = str(event["item"].get("arguments") or "")
            if event["item"].get("status") == "incomplete":
                call.shown.cut(written)
                return
            call.shown.whole(written)
            if call.shown.runs:
                self.pending.append(call._replace(arguments=written))
            else:
                self._client_calls = True

    def _told(self, shown: ShownCall, result: HostedResult) -> str | list[JSON]:
        """What the model is told of a result; its sources can be cited from now on."""
        if result.found is None or not isinstance(shown, TypedCall):
            return result.told
        told, sources = shown.cited(result.found, self._texts.citations.next_number)
        self._texts.citations.add(sources)
        return told if sources and not result.parts else result.told

    def _close_pending(self) -> None:
        """Calls that never get a result, the last one first: nothing may follow an incomplete item."""
        for call in sorted(self.pending, key=lambda call: call.shown.place, reverse=True):
            call.shown.cut(call.arguments)
        self.pending.clear()
