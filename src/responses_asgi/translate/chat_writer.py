"""What a Chat Completions stream says: chunks of one frame, and the message each choice adds up to.

1. Id, creation time and model are the same in every chunk of a stream. Chunks with another piece of the same
   text differ in nothing else, so the rest of their bytes is made once.
2. A choice says its role once and first, each call's id, type and name once, its finish_reason once and last.
3. The whole completion is made of what was said, so that stream and whole cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from responses_asgi.errors import APIError
from responses_asgi.translate.chat_pieces import Pieces
from responses_asgi.types.events import DONE, Event, StreamEvent
from responses_asgi.types.json import JSON, dumps

__all__ = ["ChatChoice", "ChatWriter"]


class ChatWriter:
    """The frame of all chunks of one completion; `take()` hands over what was written since the last call.

    `include_usage`: the client asked for a usage chunk, so that all other chunks carry `usage: null`.
    `keep_model`: the client knows the model by this name, whatever the upstream calls it.
    """

    def __init__(
        self, *, completion_id: str, created: int, model: str, include_usage: bool, keep_model: bool
    ) -> None:
        self.extras: JSON = {}
        self.usage: JSON | None = None
        self._id = completion_id
        self._created = created
        self._model = model
        self._keep_model = keep_model
        self._include_usage = include_usage
        self._events: list[Event] = []
        self._head = b""
        self._tail = b',"usage":null}' if include_usage else b"}"

    def take(self) -> list[Event]:
        """The events written since the last call; without type, since Chat streams have no event line."""
        events, self._events = self._events, []
        return events

    def open(self, model: object = None) -> None:
        """Fix the frame, which the first chunk does otherwise; `model` is what the upstream calls itself."""
        if self._head:
            return
        if isinstance(model, str) and model and not self._keep_model:
            self._model = model
        self._head = dumps(self._frame("chat.completion.chunk"))[:-1] + b',"choices":['

    def pieces(self, choice: bytes, said: list[str]) -> Pieces:
        """Chunks with this choice, whose last text is empty; `said` is what was said in its place so far."""
        self.open()
        before, _, after = choice.rpartition(b'""')
        return Pieces(b"data: %b%b" % (self._head, before), b"%b]%b\n\n" % (after, self._tail), said)

    def write(self, events: Iterable[Event]) -> None:
        """Write chunks that `Pieces` has made."""
        self._events += events

    def say(self, choice: bytes, extras: JSON | None = None) -> None:
        """Write a chunk with this choice; `extras` are further fields of the chunk."""
        more = b"," + dumps(extras)[1:-1] if extras else b""
        self.open()
        self._events.append(StreamEvent("", b"%b%b]%b%b" % (self._head, choice, more, self._tail)))

    def end(self) -> None:
        """The usage chunk, if it was asked for and there is a usage, and the end mark."""
        self._say_usage()
        self._events.append(StreamEvent("", DONE))

    def fail(self, error: APIError) -> None:
        """The usage chunk, then the error chunk; that is the last thing said, there is no end mark."""
        self._say_usage()
        self._events.append(StreamEvent("", dumps(error.body())))

    def _say_usage(self) -> None:
        if self._include_usage and self.usage is not None:
            chunk = {**self._frame("chat.completion.chunk"), "choices": [], "usage": self.usage}
            self._events.append(StreamEvent("", dumps(chunk)))

    def completion(self, choices: list[ChatChoice]) -> JSON:
        """The whole answer."""
        usage = {} if self.usage is None else {"usage": self.usage}
        said = [choice.completed() for choice in choices]
        return {**self._frame("chat.completion"), "choices": said, **usage, **self.extras}

    def _frame(self, kind: str) -> JSON:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}


class ChatChoice:
    """One choice: its chunks, and the message they add up to.

    `legacy`: the client declared `functions`, so that its one call is a `function_call`. `before`: the choice
    of the index before, which is opened first, since clients append choices in the order they come.
    """

    def __init__(
        self, writer: ChatWriter, index: int, *, legacy: bool = False, before: ChatChoice | None = None
    ) -> None:
        self._writer = writer
        self._before = before
        self._legacy = legacy
        self._index = index
        self._texts: dict[str, list[str]] = {}
        self._pieces: dict[str | int, Pieces] = {}
        self._calls: list[tuple[JSON, str, list[str]]] = []
        self._annotations: list[JSON] = []
        self._logprobs: list[JSON] = []
        self._finish_reason: str | None = None
        self._opened = False

    @property
    def has_calls(self) -> bool:
        return bool(self._calls)

    @property
    def length(self) -> int:
        """Characters of `content`."""
        return sum(map(len, self._texts.get("content", ())))

    def open(self) -> None:
        """Say the role."""
        if not self._opened:
            self._opened = True
            if self._before:
                self._before.open()
            self._say({"role": "assistant", "content": "", "refusal": None})

    def text(self, field: str, text: str) -> None:
        """A piece of `content`, `refusal` or the reasoning field."""
        self._writer.write(self.pieces(field).more(text))

    def pieces(self, of: str | int) -> Pieces:
        """Those of a field, or of the arguments or the input of the call with this ordinal."""
        pieces = self._pieces.get(of)
        if pieces is None:
            pieces = self._pieces[of] = self._begun(of)
        return pieces

    def _begun(self, of: str | int) -> Pieces:
        if isinstance(of, str):
            said = self._texts.setdefault(of, [])
            delta: JSON = {of: ""}
        else:
            call, field, said = self._calls[of]
            called = {field: ""}
            if self._legacy:
                delta = {"function_call": called}
            else:
                delta = {"tool_calls": [{"index": of, call["type"]: called}]}
        return self._writer.pieces(dumps(self._choice(delta)), said)

    def scored_text(self, text: str, logprobs: list[JSON]) -> None:
        """A piece of content with its log probabilities."""
        self._texts.setdefault("content", []).append(text)
        self._logprobs += logprobs
        self._say({"content": text}, logprobs={"content": logprobs, "refusal": None})

    def annotate(self, annotation: JSON) -> None:
        """Say an annotation of `content`, and the role if that was not said."""
        self.open()
        self._annotations.append(annotation)
        self._say({"annotations": [annotation]})

    def call(self, kind: str, call_id: str, name: str) -> int:
        """Open a call of kind `function` or `custom`; returns its ordinal."""
        ordinal = len(self._calls)
        field = "input" if kind == "custom" else "arguments"
        self._calls.append(({"id": call_id, "type": kind, "name": name}, field, []))
        said = {"name": name, field: ""}
        if self._legacy:
            self._say({"function_call": said})
        else:
            self._say({"tool_calls": [{"index": ordinal, "id": call_id, "type": kind, kind: said}]})
        return ordinal

    def arguments(self, ordinal: int, fragment: str) -> None:
        """A fragment of the call's arguments or input."""
        self._writer.write(self.pieces(ordinal).more(fragment))

    def complete_calls(self) -> None:
        """Say `{}` for each function that was called without a word: arguments are a JSON object."""
        for ordinal, (call, _, pieces) in enumerate(self._calls):
            if call["type"] == "function" and not pieces:
                self.arguments(ordinal, "{}")

    def finish(self, reason: str, extras: JSON) -> None:
        """Say the finish_reason, with further fields of the answer."""
        self._finish_reason = reason
        self._say({}, finish_reason=reason, extras=extras)

    def completed(self) -> JSON:
        """The choice of the whole answer."""
        texts = {field: "".join(pieces) for field, pieces in self._texts.items()}
        refusal = texts.pop("refusal", None)
        content = texts.pop("content", None)
        if content is None and not (refusal or self._calls):
            content = ""
        message: JSON = {"role": "assistant", "content": content, "refusal": refusal, **texts}
        if self._annotations:
            message["annotations"] = self._annotations
        calls = [
            {
                "id": call["id"],
                "type": call["type"],
                call["type"]: {"name": call["name"], field: "".join(pieces)},
            }
            for call, field, pieces in self._calls
        ]
        if calls and self._legacy:
            message["function_call"] = calls[0]["function"]
        elif calls:
            message["tool_calls"] = calls
        logprobs = {"content": self._logprobs, "refusal": None} if self._logprobs else None
        return {
            "index": self._index,
            "message": message,
            "logprobs": logprobs,
            "finish_reason": self._finish_reason,
        }

    def _say(self, delta: JSON, *, extras: JSON | None = None, **fields: Any) -> None:
        self._writer.say(dumps(self._choice(delta) | fields), extras)

    def _choice(self, delta: JSON) -> JSON:
        return {"index": self._index, "delta": delta, "logprobs": None, "finish_reason": None}
