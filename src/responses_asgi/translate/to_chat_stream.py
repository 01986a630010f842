"""Responses events in, Chat Completions chunks out: the machine of every answer, streamed or whole.

1. Events find their item by output_index, else by item id: some servers change ids between events.
2. Deltas are said as they come; what only a `done` event, a done item or the terminal response holds is
   said then, once: each text remembers how much of it was said.
3. Text of different items or reasoning parts is set apart by a blank line; parts of one message are not,
   and neither is text after nothing but blank space.
4. An item is read from one kind of reasoning, raw or summary, whichever comes first.
5. Only a terminal event makes a success. Items that ask the client to act in a way that Chat has no word
   for are an error; other items without a counterpart are reported.
6. A whole response is its own terminal event; nothing else differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from responses_asgi.errors import APIError, UpstreamError, error_from_payload
from responses_asgi.loss import Losses
from responses_asgi.translate.answer_fields import chat_fields
from responses_asgi.translate.chat_parts import choice_logprobs, flat_annotation, nested_annotation
from responses_asgi.translate.chat_pieces import CheckedPieces, Running
from responses_asgi.translate.chat_writer import ChatChoice, ChatWriter
from responses_asgi.translate.finish_reasons import Ending, finish_reason_of
from responses_asgi.translate.repeats import with_text
from responses_asgi.translate.response_endings import (
    incomplete_reason,
    is_response,
    not_answered,
    refuse_acts,
    told_response,
)
from responses_asgi.translate.said_items import Item, SaidItems
from responses_asgi.translate.stop_cut import StopCut
from responses_asgi.translate.untold import report_untold
from responses_asgi.translate.usage import chat_usage
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON, written

__all__ = ["ChatStream"]

# Items of calls of the client's tools -> kind of Chat call and the field with what it is called with.
CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}

CUT_OFF = "The upstream's stream ended without a terminal event: it was cut off."

# Event of a text -> (list of the item that holds the part, name of the part's index, field of `done`).
_TEXTS = {
    "response.output_text": ("content", "content_index", "text"),
    "response.refusal": ("content", "content_index", "refusal"),
    "response.reasoning_text": ("content", "content_index", "text"),
    "response.reasoning": ("content", "content_index", "text"),
    "response.reasoning_summary_text": ("summary", "summary_index", "text"),
    "response.function_call_arguments": ("call", "", "arguments"),
    "response.custom_tool_call_input": ("call", "", "input"),
}
# Whose messages are the answer; Fireworks repeats the user's in the output.
_SPEAKERS = (None, "assistant")
# Events that say nothing which the events above do not say too.
_SILENT = frozenset(
    {
        "keepalive",
        "response.queued",
        "response.content_part.added",
        "response.reasoning_summary_part.added",
    }
)


class ChatStream:
    """One choice of the answer. `failure` and `complete` tell that the upstream has nothing more to say.

    `running`: the last event has only gone on with this text.
    """

    def __init__(
        self,
        writer: ChatWriter,
        choice: ChatChoice,
        *,
        losses: Losses,
        new_id: Callable[[str], str],
        reasoning_field: str | None,
        stops: Sequence[str],
        single_call: bool,
    ) -> None:
        self.failure: APIError | None = None
        self.complete = False
        self.usage: JSON | None = None
        self._writer = writer
        self._choice = choice
        self._losses = losses
        self._new_id = new_id
        self._reasoning_field = reasoning_field
        self._cut = StopCut(stops) if stops else None
        self._single_call = single_call
        self._items = SaidItems()
        self._call_ids: set[str] = set()
        self._last_text: dict[str, tuple[Item, tuple[str, int]]] = {}
        self._ending = Ending("failed")
        self._extras: JSON = {}
        self._last: JSON = {}
        self.running: Running | None = None

    def feed(self, event: JSON) -> None:
        """Say what one event, or one whole response, adds."""
        self._last, self.running = event, None
        kind = str(event.get("type"))
        handler = _HANDLERS.get(kind)
        try:
            if handler:
                handler(self, event)
            elif (response := event if is_response(event) else told_response(event)) is not None:
                self._terminal(response)
            elif event.get("error"):
                self._error(event)
            elif kind not in _SILENT and "output_index" not in event:
                # What further events say of an item is in the item too, and that one is reported.
                self._losses.report(kind, "dropped", "an event without a counterpart in Chat Completions")
        except UpstreamError as error:
            self.failure = error

    def feed_again(self, text: str) -> None:
        """Say what the last event adds with this text in place of its own."""
        self.feed(with_text(self._last, text))

    def close(self) -> None:
        """Say the finish_reason; raises UpstreamError when the upstream did not end its answer."""
        if not self.complete:
            raise UpstreamError(CUT_OFF, status=502, code="server_error")
        self._flush()
        self._choice.open()
        if self._ending.status == "completed":
            self._choice.complete_calls()
        calls = self._choice.has_calls
        reason = finish_reason_of(self._ending, calls=calls)
        if self._is_cut and not calls:
            reason = "stop"
        elif reason is None:
            self._losses.report(
                "incomplete_details.reason", "dropped", f"{self._ending.reason!r} is unknown, said as length"
            )
        if self._single_call and reason == "tool_calls":
            reason = "function_call"
        self._writer.extras |= self._extras
        self._choice.finish(reason or "length", self._extras)

    @property
    def items(self) -> list[JSON]:
        """The done items of the answer, in order."""
        return self._items.done

    # Lifecycle

    def _created(self, event: JSON) -> None:
        response = event.get("response")
        self._open(response if isinstance(response, dict) else {})

    def _open(self, response: JSON) -> None:
        self._writer.open(response.get("model"))
        self._choice.open()

    def _terminal(self, response: JSON) -> None:
        status = response.get("status")
        self.usage = chat_usage(response.get("usage"))
        if status not in ("completed", "incomplete"):
            raise not_answered(response)
        self._open(response)
        listed = response.get("output")
        output = [found for found in listed if isinstance(found, dict)] if isinstance(listed, list) else []
        for item, found in zip(self._items.in_output(output), output, strict=True):
            self._settle(item, found)
        for item in () if output else self._items.only_announced:
            self._settle(item, item.added or {})
        if status == "completed":
            # An answer that was cut does not go on, whatever the client does.
            refuse_acts(self.items)
        self._ending = Ending(status, incomplete_reason(response) if status == "incomplete" else None)
        self._extras = chat_fields(response, losses=self._losses)
        self.complete = True

    def _error(self, event: JSON) -> None:
        if not event.get("error"):
            event = {"error": {name: event.get(name) for name in ("message", "code", "param")}}
        raise error_from_payload(event)

    # Items

    def _added(self, event: JSON) -> None:
        found = event.get("item")
        if isinstance(found, dict):
            item = self._items.announced(event, found)
            if item.kind in CALLS:
                self._open_call(item, found)

    def _item_done(self, event: JSON) -> None:
        found = event.get("item")
        if isinstance(found, dict):
            self._settle(self._items.of(event, found), found)

    def _settle(self, item: Item, found: JSON) -> None:
        """Say what a finished item holds beyond what was said of it."""
        first, item.done = item.done is None, found
        report_untold(found, self._losses)
        if item.kind == "message" and found.get("role") not in _SPEAKERS:
            self._losses.report("output.message", "dropped", f"it is of the {found['role']}")
        elif item.kind == "message":
            self._settle_parts(item, "content", found.get("content"))
        elif item.kind == "reasoning":
            self._settle_parts(item, "content", found.get("content"))
            self._settle_parts(item, "summary", found.get("summary"))
        elif item.kind in CALLS:
            self._open_call(item, found)
            self._say_rest(item, ("call", 0), found.get(CALLS[item.kind][1]))
            if item.ordinal is None and not found.get("name"):
                self._losses.report(f"output.{item.kind}", "dropped", "a call without a name")
        elif first:
            self._losses.report(f"output.{item.kind}", "dropped", "Chat Completions has no such item")

    def _settle_parts(self, item: Item, home: str, parts: object) -> None:
        if isinstance(parts, str):
            parts = [{"type": "output_text", "text": parts}]
        told = parts if isinstance(parts, list) else []
        for index, part in zip(item.indices(home, len(told)), told, strict=True):
            if isinstance(part, dict):
                self._settle_part(item, home, index, part)

    def _settle_part(self, item: Item, home: str, index: int, part: JSON) -> None:
        if part.get("type") == "refusal":
            self._say_rest(item, ("refusal", index), part.get("refusal"))
        else:
            self._say_rest(item, (home, index), part.get("text"), part.get("logprobs"))
        annotations = part.get("annotations")
        known = item.annotations.get(index, 0)
        for annotation in (annotations if isinstance(annotations, list) else [])[known:]:
            self._annotate(item, index, annotation)

    def _part_done(self, event: JSON) -> None:
        part = event.get("part")
        if isinstance(part, dict):
            home = "summary" if "summary" in event["type"] else "content"
            thought = home == "summary" or part.get("type") == "reasoning_text"
            index = event.get(f"{home}_index")
            item = self._items.find(event, "reasoning" if thought else "message")
            self._settle_part(item, home, index if isinstance(index, int) else 0, part)

    # Texts and calls

    def _say_rest(self, item: Item, key: tuple[str, int], full: object, logprobs: object = None) -> None:
        """Say what `full` holds beyond what was said of this text."""
        if isinstance(full, dict | list):
            full = written(full)
        if not isinstance(full, str):
            return
        said = "".join(item.said.get(key, ()))
        if full.startswith(said):
            self._say(item, key, full[len(said) :], None if said else logprobs)
        elif full != said:
            self._losses.report(f"output.{item.kind}", "dropped", "its end differs from what was streamed")

    def _say(self, item: Item, key: tuple[str, int], text: str, logprobs: object = None) -> None:
        if not text:
            return
        if item.kind == "reasoning" and not self._is_source(item, key[0]):
            return
        item.said.setdefault(key, []).append(text)
        if key[0] == "call":
            if item.ordinal is not None and not self._is_cut:
                self._choice.arguments(item.ordinal, text)
                self.running = Running(item.said[key], self._choice.pieces(item.ordinal))
            return
        field = "refusal" if key[0] == "refusal" else "content"
        if item.kind == "reasoning":
            if self._reasoning_field is None:
                self._losses.report("output.reasoning", "dropped", "no reasoning field is set")
                return
            field = self._reasoning_field
        apart = self._apart(field, item, key, text)
        if field == "content" and len(item.said[key]) == 1:
            item.starts[key[1]] = self._choice.length + len(apart)
        self._text(field, apart + text, logprobs)
        if self._last_text.get(field) == (item, key):
            cut = self._cut and CheckedPieces(partial(self._uncut, field))
            self.running = Running(item.said[key], cut or self._choice.pieces(field))

    def _text(self, field: str, text: str, logprobs: object = None) -> None:
        self._choice.open()
        text = self._cut.feed(text) if self._cut and field == "content" else text
        if not text or (self._is_cut and field != "content"):
            return
        if logprobs and field != "content":
            self._losses.report(f"output.{field}.logprobs", "dropped", "only what is said has them in Chat")
        elif logprobs and isinstance(logprobs, list):
            self._choice.scored_text(text, choice_logprobs([e for e in logprobs if isinstance(e, dict)]))
            return
        self._choice.text(field, text)

    def _uncut(self, field: str, text: str) -> list[Event]:
        """The chunks of what a stop sequence leaves of a text."""
        self._text(field, text)
        return self._writer.take()

    def _apart(self, field: str, item: Item, key: tuple[str, int], text: str) -> str:
        """The blank line before a text that begins after another one of the same field."""
        last = self._last_text.get(field)
        # Blank text is set apart from nothing: servers send a line end before or between their thoughts.
        if last is not None or not text.isspace():
            self._last_text[field] = (item, key)
        if last is None or last == (item, key) or (last[0] is item and item.kind == "message"):
            return ""
        return "\n\n"

    def _is_source(self, item: Item, source: str) -> bool:
        item.source = item.source or source
        if item.source != source:
            self._losses.report("output.reasoning", "dropped", f"its {source}, beside its {item.source}")
        return item.source == source

    def _open_call(self, item: Item, found: JSON) -> None:
        name = found.get("name")
        if item.ordinal is not None or self._is_cut or not (isinstance(name, str) and name):
            return
        if self._single_call and self._choice.has_calls:
            self._losses.report(f"output.{item.kind}", "dropped", "a function_call is a single call")
            return
        call_id = found.get("call_id") or found.get("id")
        if not isinstance(call_id, str) or call_id in self._call_ids:
            call_id = self._new_id("call_")
        self._call_ids.add(call_id)
        if found.get("namespace"):
            self._losses.report(f"output.{item.kind}.namespace", "dropped", "Chat calls have no namespace")
        self._flush()
        self._choice.open()
        item.ordinal = self._choice.call(CALLS[item.kind][0], call_id, name)
        for piece in item.said.get(("call", 0), ()):
            self._choice.arguments(item.ordinal, piece)

    def _annotation(self, event: JSON) -> None:
        index = event.get("content_index")
        item = self._items.find(event, "message")
        self._annotate(item, index if isinstance(index, int) else 0, event.get("annotation"))

    def _annotate(self, item: Item, part: int, annotation: object) -> None:
        item.annotations[part] = item.annotations.get(part, 0) + 1
        if not isinstance(annotation, dict) or self._is_cut:
            return
        if annotation.get("type") != "url_citation":
            reason = f"Chat Completions has no annotation {annotation.get('type')!r}"
            self._losses.report("output.message.annotations", "dropped", reason)
            return
        # The flat form has all the fields that Chat requires, too.
        whole, missing = flat_annotation(annotation)
        if missing:
            self._losses.report("output.message.annotations", "emulated", f"filled in: {', '.join(missing)}")
        self._choice.annotate(nested_annotation(whole, item.starts.get(part, 0)))

    # Stop sequences

    @property
    def _is_cut(self) -> bool:
        return self._cut is not None and self._cut.hit

    def _flush(self) -> None:
        held = self._cut.flush() if self._cut else ""
        if held:
            self._choice.text("content", held)


def _reader(home: str, index_name: str, field: str) -> Callable[[ChatStream, JSON], None]:
    """A handler for one kind of text event."""
    kinds = {"call": "function_call", "summary": "reasoning"}

    def read(stream: ChatStream, event: JSON) -> None:
        value = event.get(field)
        if not isinstance(value, str):
            return
        name = event["type"]
        kind = "reasoning" if "reasoning" in name else kinds.get(home, "message")
        item = stream._items.find(event, "custom_tool_call" if "custom" in name else kind)
        number = event.get(index_name)
        key = ("refusal" if "refusal" in name else home, number if isinstance(number, int) else 0)
        say = stream._say if field == "delta" else stream._say_rest
        say(item, key, value, event.get("logprobs"))

    return read


_HANDLERS: dict[str, Callable[[ChatStream, JSON], None]] = {
    "response.created": ChatStream._created,
    "response.in_progress": ChatStream._created,
    "response.output_item.added": ChatStream._added,
    "response.output_item.done": ChatStream._item_done,
    "response.content_part.done": ChatStream._part_done,
    "response.reasoning_summary_part.done": ChatStream._part_done,
    "response.output_text.annotation.added": ChatStream._annotation,
    "error": ChatStream._error,
    **{f"{events}.delta": _reader(home, index, "delta") for events, (home, index, _) in _TEXTS.items()},
    **{f"{events}.done": _reader(*text) for events, text in _TEXTS.items()},
}
