"""Serves a Responses client from a Responses upstream when something has to be done on the way.

The identity translator: ids, items and vendor events stay the upstream's own; only the sequence numbers are
new. It sees to it that the stream ends legally, whatever the upstream does, and restores a renamed model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from responses_asgi.errors import APIError, UpstreamError, error_from_payload
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.response_object import new_response
from responses_asgi.translate.response_writer import NewId
from responses_asgi.translate.snapshot import COMMANDS, ITEM_TEXTS, PART_TEXTS, PARTS, Fold
from responses_asgi.translate.to_chat_stream import CUT_OFF
from responses_asgi.translate.tool_policy import passed_on
from responses_asgi.translate.translator import History
from responses_asgi.translate.unfold import CALL_FAMILIES, PART_FAMILIES, RUN_FAMILIES, TEXT_FAMILIES, unfold
from responses_asgi.types.events import QUEUED, TERMINAL_EVENTS, Dialect, Event, StreamEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["ResponsesToResponses"]

# The statuses of a response that is not there yet.
_WAITING = frozenset({"queued", "in_progress"})


class OpenItem:
    """An item that was announced and is not done: which of its parts is open, and whether its text is.

    `step` is the last that a call told which the server runs itself, `command` where the one stands that is
    being written.
    """

    def __init__(self) -> None:
        self.part: tuple[str, int] | None = None
        self.said = False
        self.step = ""
        self.command: JSON | None = None


class ResponsesToResponses:
    """The Translator between equals.

    `body` is a validated Responses create body, sent on as it is but for `upstream_model`, the model name
    that stands in place of the client's, and for `history`, what came before it. `new_id`, `now` and
    `dialect` serve an answer that fails before the upstream began one. Of the `profile` the tool policy
    holds.
    """

    def __init__(
        self,
        body: JSON,
        *,
        new_id: NewId,
        now: Callable[[], int],
        dialect: Dialect = "openai",
        profile: Profile | None = None,
        upstream_model: str | None = None,
        history: History = History(),  # noqa: B008 - immutable
    ) -> None:
        self.losses = Losses()
        self.calls = 1
        self.failure: APIError | None = None
        self._body = passed_on(body, profile=profile, losses=self.losses) if profile else body
        self._upstream_model = upstream_model
        self._history = history
        self._response = new_response(body, response_id=new_id("resp_"), created_at=now(), dialect=dialect)
        self._response["model"] = body.get("model") or upstream_model or ""
        self._response |= history.echo
        self._fold = Fold()
        self._events: list[Event] = []
        self._announced: set[str] = set(QUEUED if history.queued else ())
        self._sequence = len(self._announced)
        self._terminal: JSON | None = None
        self._open: dict[int, OpenItem] = {}
        self._own_id = ""

    @property
    def response_id(self) -> str:
        """The upstream's id of the response; before it is known, the one that a failure would have."""
        return str(self._response["id"])

    def complete(self, call: int = 0) -> bool:
        """Whether the terminal event was seen."""
        return self._terminal is not None

    def request(self, items: Sequence[JSON] = ()) -> JSON:
        """The client's body; its input is preceded by the history, and followed by `items`."""
        body = {**self._body, "model": self._upstream_model} if self._upstream_model else dict(self._body)
        if items or self._history.items:
            given = body.get("input") or []
            own = [{"role": "user", "content": given}] if isinstance(given, str) else given
            body["input"] = [*self._history.items, *own, *items]
        return body

    def start(self) -> list[Event]:
        """Nothing: the upstream's own `response.created` opens the stream."""
        return []

    def feed(self, chunk: JSON, call: int = 0) -> list[Event]:
        """The event under its new number; a whole response becomes the events that tell it."""
        kind = chunk.get("type")
        if self._terminal is not None:
            pass
        elif kind is None and chunk.get("object") == "response":
            self._whole(chunk)
        elif kind == "error" or (chunk.get("error") and not str(kind).startswith("response.")):
            fields = {name: chunk.get(name) for name in ("message", "code", "param")}
            self.failure = error_from_payload(chunk if chunk.get("error") else {"error": fields})
        else:
            self._pass(chunk)
        return self._take()

    def finish(self, *, marker: bool) -> list[Event]:
        """Nothing more after a terminal event; without one the answer was cut off."""
        if self._terminal is not None:
            return []
        return self.fail(self.failure or UpstreamError(CUT_OFF, status=502, code="server_error"))

    def fail(self, error: APIError) -> list[Event]:
        """Close what is open as incomplete, then say the error and the failed terminal event."""
        self.failure = error
        self._begin()
        for index in sorted(self._open, reverse=True):
            self._close(index, self._open.pop(index))
        nested = error.response_error()
        flat = {"code": nested["code"], "message": error.message, "param": error.param}
        self._say({"type": "error", **flat, "error": nested})
        response = {**self._response, **self._fold.response(), "status": "failed", "error": nested}
        self._terminal = self._named(response)
        self._say({"type": "response.failed", "response": self._terminal})
        return self._take()

    def snapshot(self) -> JSON:
        """The response of the terminal event."""
        return self._terminal or self._response

    # Events

    def _take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _say(self, event: JSON) -> None:
        event = {**event, "sequence_number": self._sequence}
        self._sequence += 1
        self._announced.add(str(event["type"]))
        self._fold.take(event)
        self._events.append(StreamEvent(str(event["type"]), dumps(event)))

    def _named(self, response: JSON) -> JSON:
        """The response under the model name that the client knows, with what only this service knows."""
        model = self._body.get("model")
        if self._history.own_id is not None and "id" not in self._history.echo:
            self._own_id = self._own_id or self._history.own_id(str(response.get("id") or ""))
            response = {**response, "id": self._own_id}
        named = {"model": model} if self._upstream_model and model else {}
        return {**response, **named, **self._history.echo} if named or self._history.echo else response

    def _begin(self) -> None:
        """Say the opening events that the upstream left out."""
        for kind in ("response.created", "response.in_progress"):
            if kind not in self._announced:
                self._say({"type": kind, "response": self._response})

    def _whole(self, response: JSON) -> None:
        status = response.get("status")
        if f"response.{status}" in TERMINAL_EVENTS:
            for event in unfold(response):
                self._pass(event)
        elif self._body.get("background") and status in _WAITING:
            # The answer is made elsewhere and asked for later, by its id: this is all there is to say now.
            self._response = self._terminal = self._named(response)
        elif response.get("error"):
            self.failure = error_from_payload(response)
        else:
            self.failure = UpstreamError(f"The upstream's response has the status {status!r}.", status=502)

    def _pass(self, event: JSON) -> None:
        response, index = event.get("response"), event.get("output_index")
        if isinstance(response, dict):
            response = self._named(response)
            if event.get("type") in TERMINAL_EVENTS:
                self._begin()
                if not response.get("output"):
                    response = {**response, "output": self._fold.response()["output"]}
                self._terminal = response
            self._response = response
            event = {**event, "response": response}
            if self._history.queued and event.get("type") in QUEUED:
                return
        elif isinstance(index, int):
            self._begin()
            self._track(index, str(event.get("type")), event)
        self._say(event)

    def _track(self, index: int, kind: str, event: JSON) -> None:
        """Remember what would have to be closed if the upstream broke off now."""
        family, _, step = kind.rpartition(".")
        if kind == "response.output_item.added":
            self._open[index] = OpenItem()
        elif kind == "response.output_item.done":
            self._open.pop(index, None)
        elif index in self._open and family in PARTS:
            home, name = PARTS[family]
            self._open[index].part = (home, event.get(name) or 0) if step == "added" else None
            self._open[index].said = False
        elif index in self._open and family == COMMANDS:
            place = {"output_index": index, "command_index": event.get("command_index", 0)}
            self._open[index].command = None if step == "done" else place
        elif index in self._open and step == "done":
            self._open[index].said = True
        elif index in self._open and family.removeprefix("response.") in RUN_FAMILIES:
            self._open[index].step = step

    def _close(self, index: int, open_item: OpenItem) -> None:
        """Say the end of an item that the upstream left open."""
        item = self._fold.item(index)
        place = {"item_id": item.get("id"), "output_index": index}
        if open_item.part is not None:
            home, number = open_item.part
            frame, name = PART_FAMILIES[home]
            part = item[home][number]
            family = TEXT_FAMILIES.get(str(part.get("type")))
            if family and not open_item.said:
                scores = {"logprobs": part.get("logprobs") or []} if family == "response.output_text" else {}
                field = PART_TEXTS[family][3]
                self._say({"type": f"{family}.done", **place, name: number, field: part[field], **scores})
            self._say({"type": f"{frame}.done", **place, name: number, "part": part})
        if open_item.command is not None:
            told = self._fold.command(index, open_item.command)
            self._say({"type": f"{COMMANDS}.done", **open_item.command, "command": told})
        kind = str(item.get("type"))
        runs = kind in RUN_FAMILIES
        if runs and not open_item.step:
            self._say({"type": f"response.{kind}.in_progress", **place})
        family = CALL_FAMILIES.get(kind) or RUN_FAMILIES.get(kind)
        if family and not open_item.said:
            field = ITEM_TEXTS[family]
            named = {} if runs else {"name": item.get("name")}
            self._say({"type": f"{family}.done", **place, **named, field: item.get(field) or ""})
        if runs and open_item.step in ("", "in_progress"):
            self._say({"type": f"response.{kind}.failed", **place})
        done = {**item, "status": "incomplete"}
        self._say({"type": "response.output_item.done", "output_index": index, "item": done})
