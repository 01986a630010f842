"""Chat Completions chunks in, Responses events out: the machine of every answer, streamed or whole.

1. An item opens at its first real content and closes when another kind of item opens; calls may interleave.
2. The end of the body is not the end of the answer: only a finish_reason (or, by profile, `[DONE]` after
   content) makes a success. A reason once given for an incomplete answer is not unsaid by a later `stop`.
3. Reasoning is read from one field per answer: servers that fill two say the same thing twice.
4. null and empty values say nothing. Unknown fields are carried (on the answer) or reported (in a delta).
5. A whole answer is one chunk whose choice holds a `message` in place of a `delta`; nothing else differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from responses_asgi.errors import APIError, UpstreamError, error_from_payload, is_error
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.answer_fields import carry_fields
from responses_asgi.translate.call_items import CallItem
from responses_asgi.translate.chat_parts import ANNOTATIONS, a_list, an_object, flat_annotation, part_logprobs
from responses_asgi.translate.deltas import Deltas
from responses_asgi.translate.finish_reasons import COMPLETED, FAILED, NO_REASON, Ending, ending_of
from responses_asgi.translate.open_items import MessageItem, ReasoningItem
from responses_asgi.translate.reasoning_reader import REASONING_FIELDS, ReasoningReader, Thought
from responses_asgi.translate.repeats import with_text
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.translate.think_tags import Kind, ThinkTags
from responses_asgi.translate.tool_calls import ToolCalls
from responses_asgi.translate.tool_table import ToolRow
from responses_asgi.translate.usage import responses_usage
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON, dumps

__all__ = ["ResponsesStream"]

# Fields of a chunk that the hot path reads or that say nothing; any other field is looked at one by one.
_USUAL = frozenset({"id", "object", "created", "model", "choices", "usage"})
# Fields of a choice that are read; others are the server's own and are reported once.
_CHOICE = frozenset({"index", "delta", "message", "text", "finish_reason", "logprobs", "error", "usage"})


class ResponsesStream:
    """The answer to one exchange. `feed` and the others return the events that are now due.

    `going_on`: what repetitions of the last chunk are `more` of, or `all`; None: they must be fed.
    """

    def __init__(
        self,
        writer: ResponseWriter,
        *,
        profile: Profile,
        losses: Losses,
        tools: Callable[[], Mapping[str, ToolRow]],
        used_call_ids: Iterable[str],
        keep_model: bool,
        seal: Callable[[JSON], str] | None = None,
        include_encrypted: bool = False,
    ) -> None:
        self.failure: APIError | None = None
        self._writer = writer
        self._profile = profile
        self._losses = losses
        self._calls = ToolCalls(writer, losses, tools=tools, used_ids=used_call_ids)
        self._item: MessageItem | ReasoningItem | None = None
        self._tags = ThinkTags() if profile.think_tags else None
        self._reasoning = ReasoningReader(losses, seal=seal, with_text=include_encrypted)
        self._annotations: list[JSON] = []
        self._logprobs: list[JSON] = []
        self._ending: Ending | None = None
        self._is_guess = self._odd_usage = False
        self._guessed: object = None
        self._index: object = None
        self._cut = "The upstream's answer ended without a finish_reason: it was cut off."
        self._streamed = self._answered = False
        self._model = writer.response["model"] if keep_model else None
        self._whole = self._whole_seen = False
        self._rest: JSON = {}
        self._last: JSON = {}
        self.going_on: Deltas | CallItem | None = None

    def feed(self, chunk: JSON) -> list[Event]:
        """The events of one chunk; an error in it is kept in `failure`, after what else it said."""
        if chunk.get("choices"):
            try:
                for choice in a_list(chunk["choices"], "choices"):
                    self._choice(an_object(choice, "choices[]"))
            except UpstreamError as error:
                self.failure = error
        if self._model is None and chunk.get("model"):
            self._model = chunk["model"]
        if chunk.get("usage"):
            self._usage(chunk["usage"])
        if not chunk.keys() <= _USUAL:
            # Servers repeat a few fields of their own in every chunk: what was seen is not looked at again.
            rest = {name: chunk[name] for name in chunk.keys() - _USUAL}
            if rest != self._rest:
                self._rest = rest
                self._unusual(chunk)
        self._last, events = chunk, self._writer.take()
        self.going_on = self._calls.going_on()
        if self._item:
            self.going_on = None if self._tags else self._item.going_on(events)
        return events

    def feed_again(self, text: str) -> list[Event]:
        """The events of the last chunk with this text in place of its own."""
        return self.feed(with_text(self._last, text))

    def finish(self, *, marker: bool) -> list[Event]:
        """Close what is open and end the response as the upstream ended it, or fail it if it did not."""
        ending = self._verdict(marker)
        try:
            self._flush()
            if self.failure is None and ending is not FAILED:
                self._close(ending.status)
                self._settle_details(ending)
        except UpstreamError as error:
            self.failure = error
        if ending is FAILED and self.failure is None:
            self.failure = UpstreamError(self._cut, status=502, code="server_error")
        if self.failure:
            return self.fail(self.failure)
        self._writer.response["model"] = self._model or self._writer.response["model"]
        if ending.reason is None:
            self._writer.complete()
        else:
            self._writer.incomplete(ending.reason)
        return self._writer.take()

    def fail(self, error: APIError) -> list[Event]:
        """Close what is open as incomplete, then say the error and the failed terminal event."""
        self.failure = error
        self._close("incomplete")
        self._writer.fail(error)
        return self._writer.take()

    # One choice of one chunk

    def _choice(self, choice: JSON) -> None:
        index = choice.get("index")
        if index != self._index and index is not None:
            if self._index is not None:
                self._losses.report(f"choices[{index}]", "dropped", "a response holds one choice")
                return
            self._index = index
        delta = choice.get("delta")
        if not self._streamed:
            delta = self._delta_or_message(choice)
        if choice.get("logprobs"):
            self._score(choice["logprobs"])
        if delta:
            self._delta(an_object(delta, "choices[0].delta"))
        if choice.get("finish_reason"):
            self._finish_reason(choice["finish_reason"])
        if choice.get("error"):
            self.failure = error_from_payload(choice)
        if choice.get("usage") and not self._writer.response["usage"]:
            self._usage(choice["usage"])
        if not choice.keys() <= _CHOICE:
            for name in choice.keys() - _CHOICE:
                if choice[name] is not None:
                    self._losses.report(f"choices[0].{name}", "dropped", "no counterpart in a response")

    def _delta_or_message(self, choice: JSON) -> JSON | None:
        """What the choice says. Some servers put both: the whole text so far beside each delta, or an empty
        delta beside the whole message. Once a delta has said something, messages are repetitions. A `text`
        is what the completions API before Chat had in place of both."""
        delta = an_object(choice.get("delta") or {}, "choices[0].delta")
        message = choice.get("message")
        self._streamed = any(delta[name] and name != "role" for name in delta)
        self._whole = self._whole_seen = not self._streamed and message is not None
        if self._whole:
            return an_object(message, "choices[0].message")
        return {"content": choice["text"]} if choice.get("text") and not delta else delta

    def _delta(self, delta: JSON) -> None:
        if self._is_guess:
            self._ending, self._is_guess = None, False
        if len(delta) == 1 and delta.get("content"):
            self._content(delta["content"])
            return
        said = [name for name in delta if delta[name] and name != "role"]
        if len(said) > 1:
            said.sort(key=lambda name: _FIELDS[name][0] if name in _FIELDS else 99)
        for name in said:
            known = _FIELDS.get(name)
            if known and isinstance(delta[name], known[1]):
                known[2](self, delta[name])
            else:
                where = "message" if self._whole else "delta"
                self._losses.report(f"choices[0].{where}.{name}", "dropped", "no counterpart in a response")
        self._reasoning.end_delta()

    def _finish_reason(self, reason: object) -> None:
        if str(reason).lower() in NO_REASON:
            return
        ending = ending_of(str(reason))
        if ending is None and self._ending is None:
            # Nobody knows it. It stands for the end only as long as nothing is said after it.
            self._ending, self._is_guess, self._guessed = COMPLETED, True, reason
        elif ending is not None and (self._ending is None or self._ending is COMPLETED):
            self._ending, self._is_guess = ending, False
        if ending is FAILED:
            self._cut = f"The upstream ended the answer with finish_reason {reason!r}."

    def _unusual(self, chunk: JSON) -> None:
        silent = not (chunk.get("choices") or chunk.get("usage"))
        if chunk.get("error") or (silent and is_error(chunk)):
            self.failure = error_from_payload(chunk)
            return
        writer, vendor = self._writer, chunk.get("x_groq")
        if isinstance(vendor, dict):
            self._cut = str(vendor.get("error") or self._cut)
            if not writer.response["usage"]:
                self._usage(vendor.get("usage"))
        carry_fields(chunk, response=writer.response, extras=writer.extras, losses=self._losses)

    def _usage(self, usage: object) -> None:
        if figures := responses_usage(usage):
            self._writer.response["usage"] = figures
        elif usage:
            self._odd_usage = True

    # The fields of a delta or message

    def _content(self, content: object) -> None:
        if isinstance(content, str):
            if self._tags is None:
                self._say(content)
            else:
                self._tagged(self._tags, content)
        elif isinstance(content, list):
            for part in content:
                self._part(part)
        else:
            # One server answers JSON mode with the decoded object.
            self._say(dumps(content).decode())

    def _part(self, part: object) -> None:
        if isinstance(part, dict) and part.get("type") in ("thinking", "reasoning"):
            self._think(self._reasoning.part(part))
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            self._content(part["text"])
        elif isinstance(part, str):
            self._content(part)
        else:
            kind = part.get("type") if isinstance(part, dict) else part
            self._losses.report("choices[0].message.content", "dropped", f"a part of unknown type {kind!r}")

    def _tagged(self, tags: ThinkTags, text: str) -> None:
        self._split(tags.feed(text))
        if tags.settled:
            self._tags = None

    def _split(self, pieces: list[tuple[Kind, str]]) -> None:
        for kind, piece in pieces:
            if kind == "reasoning":
                self._think(self._reasoning.say("think tags", "text", piece))
            else:
                self._say(piece)

    def _say(self, text: str) -> None:
        if not text:
            return
        message = self._message()
        if self._logprobs:
            logprobs, self._logprobs = self._logprobs, []
            message.text(text, logprobs)
        else:
            message.text(text)
        if self._annotations:
            held, self._annotations = self._annotations, []
            self._annotate(held)

    def _refusal(self, refusal: str) -> None:
        self._message().refusal(refusal)

    def _annotate(self, annotations: list[JSON]) -> None:
        if not (isinstance(message := self._item, MessageItem) and message.takes_annotations):
            self._annotations += annotations
            return
        path = "choices[0].message.annotations"
        for annotation in annotations:
            flat, missing = flat_annotation(annotation) if isinstance(annotation, dict) else ({}, [])
            if flat.get("type") not in ANNOTATIONS[self._writer.dialect]:
                self._losses.report(path, "dropped", f"a response has no annotation {flat.get('type')!r}")
                continue
            if missing:
                self._losses.report(path, "emulated", f"filled in: {', '.join(missing)}")
            message.annotate(flat)

    def _score(self, logprobs: object) -> None:
        found = logprobs if isinstance(logprobs, dict) else {"": logprobs}
        if isinstance(entries := found.get("content"), list):
            self._logprobs += part_logprobs([entry for entry in entries if isinstance(entry, dict)])
        for name in found:
            if found[name] and not (name == "content" and isinstance(entries, list)):
                path = f"choices[0].logprobs.{name}".rstrip(".")
                self._losses.report(path, "dropped", "no counterpart in a response")

    def _think(self, thoughts: Iterable[Thought]) -> None:
        for kind, text in thoughts:
            thought = self._thought()
            (thought.summary if kind == "summary" else thought.text)(text)

    def _tool_calls(self, fragments: object) -> None:
        self._close_item()
        # Older text-generation-inference streams its one call outside a list.
        self._calls.feed(fragments if isinstance(fragments, list) else [fragments], whole=self._whole)

    def _function_call(self, call: JSON) -> None:
        self._close_item()
        self._calls.feed_legacy(call, whole=self._whole)

    # Items

    def _message(self) -> MessageItem:
        if isinstance(self._item, MessageItem):
            return self._item
        self._close_item()
        self._calls.settle()
        message = self._item = MessageItem(self._writer)
        return message

    def _thought(self) -> ReasoningItem:
        item = self._item
        if isinstance(item, ReasoningItem):
            return item
        self._close_item()
        self._calls.settle()
        thought = self._item = ReasoningItem(self._writer)
        return thought

    def _close_item(self, status: str = "completed") -> None:
        item, self._item = self._item, None
        if item:
            self._answered = True
            if isinstance(item, ReasoningItem) and (token := self._reasoning.token(item.said())):
                item.encrypt(token)
            item.close(status)

    # The end

    def _verdict(self, marker: bool) -> Ending:
        if self._ending:
            return self._ending
        said_something = self._answered or self._item or self._calls
        if marker and (self._whole_seen or (said_something and self._profile.done_completes)):
            self._losses.report("choices[0].finish_reason", "emulated", "none was given, taken as stop")
            return COMPLETED
        return FAILED

    def _flush(self) -> None:
        if self._tags:
            self._split(self._tags.flush())
            self._tags = None
        if self._is_guess:
            path, reason = "choices[0].finish_reason", f"{self._guessed!r} is unknown, taken as stop"
            self._losses.report(path, "dropped", reason)
        if self._odd_usage and not self._writer.response["usage"]:
            self._losses.report("usage", "dropped", "it holds no token figures")
        if self._annotations:
            self._losses.report("choices[0].message.annotations", "dropped", "annotations without a text")
        if self._logprobs:
            self._losses.report("choices[0].logprobs.content", "dropped", "log probabilities without a text")

    def _close(self, status: str) -> None:
        """Close every open item; when the answer was cut, it was cut in the item that opened last."""
        last_is_call = self._item is None
        self._close_item(status)
        self._calls.close(status, last=last_is_call)

    def _settle_details(self, ending: Ending) -> None:
        """Encrypted reasoning that came after its text was closed gets an item of its own."""
        token = self._reasoning.token()
        if token and ending is COMPLETED:
            thought = ReasoningItem(self._writer)
            thought.encrypt(token)
            thought.close("completed")
        elif token:
            # Nothing may follow an incomplete item.
            self._losses.report("choices[0].message.reasoning_details", "dropped", "the answer was cut")


def _thinks(field: str) -> Callable[[ResponsesStream, Any], None]:
    return lambda stream, value: stream._think(stream._reasoning.read(field, value))


# Field of a delta -> its rank there (a whole message holds them all, in any order), type and reader.
_FIELDS: dict[str, tuple[int, type, Callable[[ResponsesStream, Any], None]]] = {
    **{name: (rank, object, _thinks(name)) for rank, name in enumerate(REASONING_FIELDS)},
    "content": (10, object, ResponsesStream._content),
    "refusal": (11, str, ResponsesStream._refusal),
    "annotations": (12, list, ResponsesStream._annotate),
    "tool_calls": (13, object, ResponsesStream._tool_calls),
    "function_call": (14, dict, ResponsesStream._function_call),
}
