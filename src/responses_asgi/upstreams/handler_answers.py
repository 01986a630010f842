"""A handler's answer on its way out: pieces in, the bytes of a stream or one document out, for each API."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from responses_asgi.errors import APIError, InvalidRequestError
from responses_asgi.profiles import PROFILES
from responses_asgi.sse import encode
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.responses_to_responses import ResponsesToResponses
from responses_asgi.translate.translator import Translator
from responses_asgi.types.events import DONE, Event
from responses_asgi.types.json import JSON, dumps
from responses_asgi.types.responses import validate_request
from responses_asgi.upstreams.answers import Piece
from responses_asgi.upstreams.completion import ChunkWriter, chunk_of, completion_of

__all__ = [
    "ANSWERS",
    "ChatHandlerAnswer",
    "HandlerAPI",
    "HandlerAnswer",
    "HandlerSide",
    "ResponsesHandlerAnswer",
    "Whole",
]

HandlerAPI: TypeAlias = Literal["chat", "responses"]

# What an answer says of the model when the request names none.
_MODEL = "handler"


class Whole(NamedTuple):
    """A mapping that the function returned, and did not yield: the whole answer."""

    answer: Mapping[str, Any]


class HandlerAnswer(Protocol):
    """The answer to one request, which said whether it is streamed; bytes are empty where it is not.

    `feed` and `end` raise APIError when the function reports an error, and TypeError for what is no piece.
    """

    def feed(self, piece: Piece | Whole) -> bytes:
        """The next events of the stream."""

    def end(self) -> bytes:
        """The last events of the stream."""

    def fail(self, error: APIError) -> bytes:
        """The last events of a stream that had begun."""

    def document(self) -> JSON:
        """The whole answer, after `end`."""


class ChatHandlerAnswer:
    """A chat completion, or its chunks; it is made from the chunks, so that the two cannot disagree."""

    def __init__(self, request: JSON) -> None:
        self._streams = bool(request.get("stream"))
        self._writer = _chunk_writer(request, usage_wanted=_usage_wanted(request))
        self._chunks: list[JSON] = []

    def feed(self, piece: Piece | Whole) -> bytes:
        given = chunk_of(piece.answer) if isinstance(piece, Whole) else piece
        return self._take(self._writer.feed(given))

    def end(self) -> bytes:
        events = self._take(self._writer.end())
        return events + encode("", DONE) if self._streams else events

    def fail(self, error: APIError) -> bytes:
        return encode("", dumps(error.body()))

    def document(self) -> JSON:
        return completion_of(self._chunks)

    def _take(self, chunks: list[JSON]) -> bytes:
        if self._streams:
            return b"".join([encode("", dumps(chunk)) for chunk in chunks])
        self._chunks += chunks
        return b""


class ResponsesHandlerAnswer:
    """A response, or its events: made of pieces by the machine that also serves Chat upstreams.

    Raw events pass under new numbers, with what is missing for a legal end; they do not mix with pieces.
    """

    def __init__(self, request: JSON) -> None:
        self._streams = bool(request.get("stream"))
        self._request = {**request, "model": request.get("model") or _MODEL}
        self._writer = _chunk_writer(request, usage_wanted=True)
        self._translator: Translator | None = None
        self._raw = False

    def feed(self, piece: Piece | Whole) -> bytes:
        if isinstance(piece, Whole):
            # A message or completion is understood as well, so that a function can serve both APIs.
            answer = piece.answer
            piece = answer if answer.get("object") == "response" else chunk_of(answer)
        raw = isinstance(piece, Mapping) and "choices" not in piece
        if raw != self._raw and self._translator is not None:
            raise TypeError("an answer is made of Responses events or of pieces, not of both")
        if raw and isinstance(piece, Mapping):
            if not (isinstance(piece.get("type"), str) or piece.get("object") == "response"):
                raise TypeError(f"a mapping must be a Responses event or a response, not {piece!r}")
            return self._take(raw, [dict(piece)])
        return self._take(raw, self._writer.feed(piece))

    def end(self) -> bytes:
        said = self._take(self._raw, [] if self._raw else self._writer.end())
        last = self._begun.finish(marker=True)
        if self._begun.failure and not self._streams:
            raise self._begun.failure
        return said + self._encoded(last)

    def fail(self, error: APIError) -> bytes:
        return self._encoded(self._begun.fail(error))

    def document(self) -> JSON:
        return self._begun.snapshot()

    @property
    def _begun(self) -> Translator:
        assert self._translator is not None
        return self._translator

    def _take(self, raw: bool, chunks: list[JSON]) -> bytes:
        events = self._begin(raw) if self._translator is None else []
        for chunk in chunks:
            events += self._begun.feed(chunk)
            if self._begun.failure:
                raise self._begun.failure
        return self._encoded(events)

    def _begin(self, raw: bool) -> list[Event]:
        """The first piece decides what makes the answer."""
        self._raw = raw
        if raw:
            self._translator = ResponsesToResponses(self._request, new_id=_new_id, now=_now)
        else:
            self._translator = ResponsesToChat(
                self._request, profile=PROFILES["generic"], new_id=_new_id, now=_now
            )
        return self._translator.start()

    def _encoded(self, events: list[Event]) -> bytes:
        return b"".join([event.sse for event in events]) if self._streams else b""


class HandlerSide(NamedTuple):
    """What a handler of one API is called at, which requests it takes, and how its answers are made."""

    ending: str
    check: Callable[[JSON], object]
    answer: Callable[[JSON], HandlerAnswer]


def _check_chat(request: JSON) -> None:
    if not isinstance(request.get("messages"), list):
        raise InvalidRequestError("messages must be a list.", param="messages")


def _check_responses(request: JSON) -> None:
    validate_request(request, model_required=False)


ANSWERS: dict[HandlerAPI, HandlerSide] = {
    "chat": HandlerSide("/chat/completions", _check_chat, ChatHandlerAnswer),
    "responses": HandlerSide("/responses", _check_responses, ResponsesHandlerAnswer),
}


def _chunk_writer(request: JSON, *, usage_wanted: bool) -> ChunkWriter:
    head = {
        "id": _new_id("chatcmpl-"),
        "created": _now(),
        "model": request.get("model") or _MODEL,
    }
    return ChunkWriter(head, new_call_id=lambda: _new_id("call_"), usage_wanted=usage_wanted)


def _usage_wanted(request: JSON) -> bool:
    return not request.get("stream") or bool((request.get("stream_options") or {}).get("include_usage"))


def _new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(12)


def _now() -> int:
    return int(time.time())
