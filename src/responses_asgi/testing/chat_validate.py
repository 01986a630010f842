"""Checks a whole Chat Completions stream, as bytes or as chunks, against every rule of `CHAT_RULES`."""

from __future__ import annotations

from collections.abc import Iterable

from responses_asgi.testing.chat_choices import ChoiceCheck
from responses_asgi.testing.chat_rules import CHAT_RULES
from responses_asgi.testing.frames import blocks, document
from responses_asgi.testing.rules import Position
from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.types.events import DONE, Event
from responses_asgi.types.json import JSON

__all__ = ["USAGE_FIGURES", "ChatStreamCheck", "assert_valid_chat_stream"]

USAGE_FIGURES = ("prompt_tokens", "completion_tokens", "total_tokens")
_ERROR_FIELDS = ("message", "type", "param", "code")


def assert_valid_chat_stream(
    stream: bytes | str | Iterable[bytes | JSON | Event], *, usage: bool | None = None
) -> JSON:
    """Assert that a Chat Completions stream is legal from role to [DONE], and return the whole completion.

    `stream` is the SSE text of one answer (whole, or as an iterable of byte blocks), or its chunks as dicts
    or `Event` objects; of dicts neither the SSE form nor the end mark is checked. `usage` says whether the
    request had `stream_options.include_usage`; by default the first chunk tells. The usage chunk itself may
    be missing: not every upstream counts. Unknown fields are legal. A stream may also end with an error
    chunk: what is returned is then `{"error": ...}`. Raises `InvalidStream`, an AssertionError that names the
    first broken rule of `CHAT_RULES`, the chunk and what was got and expected.

    >>> assert_valid_chat_stream(b"data: [DONE]\\n\\n")
    Traceback (most recent call last):
    ...
    responses_asgi.testing.rules.InvalidStream: unfinished: ...
    """
    check = ChatStreamCheck(usage=usage)
    text: list[bytes] = []
    for element in [stream] if isinstance(stream, bytes | str) else stream:
        if isinstance(element, dict):
            check.take(element)
        elif isinstance(element, bytes | str):
            text.append(element.encode("utf-8", "surrogatepass") if isinstance(element, str) else element)
        else:
            check.take_event(element)
    if text:
        check.take_text(b"".join(text))
    return check.end()


class ChatStreamCheck:
    """The state of one stream; chunks go in one by one, and the first illegal one raises InvalidStream."""

    def __init__(self, *, usage: bool | None = None, at: Position | None = None) -> None:
        self._at = at or Position(CHAT_RULES)
        self._usage_asked = usage
        self._chunks: list[JSON] = []
        self._choices: dict[int, ChoiceCheck] = {}
        self._first: JSON = {}
        self._counted = False
        self._failed = False
        self._marked: bool | None = None  # None: chunks alone, which cannot show the end mark

    def take_text(self, text: bytes) -> None:
        """Check the form of a whole SSE text and every chunk in it."""
        self.begin_text()
        for block in blocks(text, self._at):
            self.take_block(block)

    def begin_text(self) -> None:
        """SSE text is checked, which must have its end mark."""
        self._marked = bool(self._marked)

    def take_block(self, block: list[str]) -> None:
        """Check the lines of the next SSE event."""
        legal = len(block) == 1 and block[0].startswith("data: ")
        self._at.require(legal, "sse-form", f"after chunk {self._at.number}: got {block!r}")
        self._take_data(block[0][6:].encode())

    def take_event(self, event: Event) -> None:
        """Check the next event as the machines make them: a chunk, or the end mark, without a type."""
        self.begin_text()
        self._at.equal("sse-form", "event line", event.type, "")
        self._take_data(event.data)

    def take(self, chunk: JSON) -> None:
        """Check the next chunk."""
        self._at.move("error chunk" if "error" in chunk else "chunk")
        self._at.shaped(lambda: self._take(chunk))

    def end(self) -> JSON:
        """Check that the stream may stop here, and return the completion."""
        at = self._at
        if not self._failed:
            self._check_finished()
            at.require(self._marked is not False, "done-marker", "[DONE] is missing")
        return at.shaped(lambda: fold_chunks(self._chunks))

    def _take(self, chunk: JSON) -> None:
        at = self._at
        at.require(not self._failed, "after-error", "the stream had failed")
        self._chunks.append(chunk)
        if "error" in chunk:
            self._take_error(chunk["error"])
            return
        self._check_frame(chunk)
        at.require(not self._counted, "usage-chunk", "something follows the usage chunk")
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            at.fail("choices", f"got {choices!r}, expected a list")
        self._check_usage(chunk, last=not choices)
        seen = set()
        for choice in choices:
            index = choice.get("index") if isinstance(choice, dict) else None
            if type(index) is not int or index < 0:
                at.fail("choice-index", f"got {index!r}")
            at.require(index not in seen, "choices", f"choice {index} comes twice")
            seen.add(index)
            self._choices.setdefault(index, ChoiceCheck(at)).take(choice)

    def _take_data(self, data: bytes) -> None:
        self._at.require(not self._marked, "done-marker", f"{data[:100]!r} follows [DONE]")
        if data != DONE:
            self.take(document(data, self._at))
            return
        self._at.require(not self._failed, "done-marker", "[DONE] follows an error")
        self._check_finished()
        self._marked = True

    def _check_finished(self) -> None:
        at, indices = self._at, sorted(self._choices)
        at.require(indices, "unfinished", "the stream has no choice")
        at.equal("choice-index", "indices", indices, list(range(len(indices))))
        for index in indices:
            at.require(self._choices[index].finish, "unfinished", f"choice {index} has no finish_reason")

    def _check_frame(self, chunk: JSON) -> None:
        at = self._at
        at.equal("object", "object", chunk.get("object"), "chat.completion.chunk")
        own, created, model = chunk.get("id"), chunk.get("created"), chunk.get("model")
        at.require(isinstance(own, str) and own, "chunk-id", f"got {own!r}")
        at.require(type(created) is int, "created", f"got {created!r}")
        at.require(isinstance(model, str), "model", f"got {model!r}")
        self._first = self._first or chunk
        at.equal("chunk-id", "id", own, self._first["id"])
        at.equal("created", "created", created, self._first["created"])
        at.equal("model", "model", model, self._first["model"])

    def _check_usage(self, chunk: JSON, *, last: bool) -> None:
        at, usage = self._at, chunk.get("usage")
        if self._usage_asked is None:
            self._usage_asked = "usage" in chunk
        if not last:
            expected = "null" if self._usage_asked else "no key"
            legal = usage is None and ("usage" in chunk) == self._usage_asked
            at.require(legal, "usage-key", f"got {chunk.get('usage', 'no key')!r}, expected {expected}")
            return
        at.require(usage is not None, "choices", "a chunk without choices and without usage")
        at.require(self._usage_asked, "usage-chunk", "it was not asked for")
        for name in USAGE_FIGURES:
            value = usage.get(name) if isinstance(usage, dict) else None
            at.require(type(value) is int, "usage", f"{name}: got {value!r}")
        self._counted = True

    def _take_error(self, error: object) -> None:
        at = self._at
        if not isinstance(error, dict):
            at.fail("error", f"got {error!r}, expected an object")
        for name in _ERROR_FIELDS:
            at.require(name in error, "error", f"{name} is missing")
        for name in ("message", "type"):
            at.require(isinstance(error[name], str) and error[name], "error", f"{name}: got {error[name]!r}")
        self._failed = True
