"""Conversion without a server: requests, whole answers and streams, between the two protocols.

1. Every function names both ends, from what to what. What it cannot carry is in `losses`.
2. Nothing is called over a network, and nothing is kept. Ids and the time can be handed in.
3. Answers go through the machines that the middleware uses, so that both say the same. The request that an
   answer belongs to is optional; it tells what is echoed, which tools there are, and where `stop` cuts.
4. A stream that fails ends as its protocol says; an answer that failed is an exception, as it is an HTTP
   error in the middleware.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, cast

from responses_asgi.errors import APIError, UpstreamError, error_from_payload
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile, profile_for
from responses_asgi.sse import MAX_EVENT_BYTES, encode
from responses_asgi.translate.chat_to_responses import ChatToResponses, Recall
from responses_asgi.translate.chunk_reader import Chunk, ChunkReader
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.translate.translator import NewId, Translator
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.events import DONE, Dialect, Event
from responses_asgi.types.json import JSON, loads
from responses_asgi.types.responses import validate_request

__all__ = [
    "Converted",
    "ConvertedStream",
    "chat_request_to_responses",
    "chat_stream_to_responses",
    "completion_to_response",
    "response_to_completion",
    "responses_request_to_chat",
    "responses_stream_to_chat",
]

# What an answer of either protocol has, and an error has not.
OF_COMPLETIONS = "choices"
OF_RESPONSES = "output"


class Converted(NamedTuple):
    """A converted request or answer, and what did not pass through as it was.

    `value` shares its unchanged parts with what was given.
    """

    value: JSON
    losses: Losses


class ConvertedStream:
    """A stream that is converted while it is read, once: by iteration, or by `sse()`.

    Iteration gives decoded events or chunks. What was not read from the source is left there. An exception of
    the source is told in the stream as a failure, and then raised again, unless it is an APIError.
    """

    def __init__(
        self,
        translator: Translator,
        source: Iterable[JSON | bytes],
        *,
        answer_field: str,
        adds_done: bool = False,
    ) -> None:
        self._translator = translator
        self._source = source
        self._adds_done = adds_done
        self._body = _StreamedBody(answer_field)
        self._over = False
        self._events = self._convert()

    @property
    def losses(self) -> Losses:
        """What did not pass through so far."""
        return self._translator.losses

    @property
    def value(self) -> JSON:
        """The whole answer, once the stream is at its end; of a Chat stream that failed, the error body."""
        return self._translator.snapshot()

    @property
    def error(self) -> APIError | None:
        """Why the stream failed, if it did."""
        return self._translator.failure

    def __iter__(self) -> Iterator[JSON]:
        """The decoded events, or chunks, in order."""
        for events in self._events:
            for event in events:
                if event.data != DONE:
                    yield event.json()

    def sse(self) -> Iterator[bytes]:
        """The same as server-sent events: the bytes that each piece of the source becomes, if any."""
        for events in self._events:
            if events:
                yield b"".join(event.sse for event in events)
        if self._adds_done:
            yield encode("", DONE)

    def _convert(self) -> Iterator[list[Event]]:
        translator, body = self._translator, self._body
        try:
            yield translator.start()
            for piece in self._source:
                yield self._feed([piece] if isinstance(piece, dict) else body.read(piece))
                if self._over:
                    return
            yield self._feed(body.flush())
            if not self._over:
                yield translator.finish(marker=body.done)
        except APIError as error:
            yield translator.fail(error)
        except Exception:
            yield translator.fail(UpstreamError("The answer could not be read to its end.", status=502))
            raise

    def _feed(self, chunks: Iterable[JSON]) -> list[Event]:
        """What these chunks become; at the upstream's last word, also the end of the stream."""
        translator, body = self._translator, self._body
        events: list[Event] = []
        for chunk in chunks:
            events += translator.feed(chunk)
            if translator.failure or translator.complete():
                self._over = True
                break
        failure = translator.failure or (None if self._over else body.failure)
        self._over = self._over or body.done or failure is not None
        if failure:
            return events + translator.fail(failure)
        return events + translator.finish(marker=body.done) if self._over else events


class _StreamedBody:
    """The bytes of a stream, or of what came in place of one: a whole answer, or an error.

    `done` tells that the end mark was seen, or that the document was whole; `failure` that it is unreadable.
    """

    def __init__(self, answer_field: str) -> None:
        self.done = False
        self.failure: APIError | None = None
        self._answer_field = answer_field
        self._reader = ChunkReader(max_event_bytes=MAX_EVENT_BYTES)
        self._is_document: bool | None = None
        self._document = bytearray()

    def read(self, data: bytes) -> list[JSON]:
        """The chunks that these bytes complete."""
        if self._is_document is None:
            self._document += data
            begun = self._document.removeprefix(b"\xef\xbb\xbf").lstrip()
            if not begun:
                return []
            # No line of an event stream that says anything begins like this.
            self._is_document = begun.startswith((b"{", b"["))
            if self._is_document:
                return []
            data = bytes(self._document)
        elif self._is_document:
            self._document += data
            return []
        return self._state_after(self._reader.read(data))

    def flush(self) -> list[JSON]:
        """What the end of the bytes completes."""
        if not self._is_document:
            return self._state_after(self._reader.flush())
        self.done = True
        try:
            document = loads(bytes(self._document))
        except ValueError as error:
            self.failure = UpstreamError(f"The answer is not valid JSON: {error}.", status=502)
            return []
        try:
            return [_answer(document, self._answer_field)]
        except UpstreamError as error:
            self.failure = error
            return []

    def _state_after(self, chunks: list[Chunk]) -> list[JSON]:
        self.done, self.failure = self._reader.done, self._reader.failure
        return cast("list[JSON]", chunks)  # this reader returns none as text


def responses_request_to_chat(body: object, *, profile: str | Profile | None = None) -> Converted:
    """The Chat Completions request that asks what this Responses request asks.

    `profile` says how the Chat server departs from OpenAI: a name, or a Profile; None for `generic`, which
    sends only what nearly every server knows. Raises InvalidRequestError, with the exact path, for a body
    that is malformed or holds what can be neither carried nor left out.

    >>> responses_request_to_chat({"model": "m", "input": "Hi", "max_output_tokens": 50}).value
    {'model': 'm', 'messages': [{'role': 'user', 'content': 'Hi'}], 'max_tokens': 50}
    """
    losses = Losses()
    checked = validate_request(body, model_required=False)
    return Converted(to_chat_request(checked, profile=profile_for(profile), losses=losses), losses)


def chat_request_to_responses(
    body: object, *, profile: str | Profile | None = None, recall: Recall | None = None
) -> Converted:
    """The Responses request that asks what this Chat Completions request asks.

    `profile` says how the Responses server departs from OpenAI, as above. `recall(call_id)` gives back the
    output items of the earlier answer that made this tool call, for what Chat cannot carry; () when they are
    forgotten. `stop` is left to the conversion of the answer, and `n` to the caller. Raises
    InvalidRequestError as above.

    >>> chat_request_to_responses({"model": "m", "messages": [{"role": "user", "content": "Hi"}]}).value
    {'model': 'm', 'input': [{'type': 'message', 'role': 'user', 'content': 'Hi'}], 'store': False}
    """
    losses = Losses()
    checked = validate_chat_request(body, model_required=False)
    request = to_responses_request(checked, profile=profile_for(profile), losses=losses, recall=recall)
    if (checked.get("n") or 1) > 1:
        losses.report("n", "clamped", "a response has one answer; ask once for each")
    return Converted(request, losses)


def completion_to_response(
    completion: object,
    *,
    request: object = None,
    profile: str | Profile | None = None,
    dialect: Dialect = "openai",
    new_id: NewId | None = None,
    now: Callable[[], int] | None = None,
) -> Converted:
    """The response that says what this `chat.completion` says.

    `request` is the Responses request that was asked, for the fields that a response echoes. `profile` is
    that of the Chat server. `new_id(prefix)` makes the ids and `now()` tells the unix time in seconds;
    random ids and the clock by default. Raises UpstreamError when the completion is an error or no answer,
    and InvalidRequestError for a malformed `request`.

    >>> message = {"role": "assistant", "content": "Hey"}
    >>> completion = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    >>> response, losses = completion_to_response(completion)
    >>> response["status"], response["output"][0]["content"][0]["text"], losses
    ('completed', 'Hey', [])
    """
    translator = _responses_to_chat(request, profile, dialect, new_id, now)
    return _whole(translator, _answer(completion, OF_COMPLETIONS))


def response_to_completion(
    response: object,
    *,
    request: object = None,
    profile: str | Profile | None = None,
    reasoning_field: str | None = "reasoning_content",
    new_id: NewId | None = None,
    now: Callable[[], int] | None = None,
) -> Converted:
    """The `chat.completion` that says what this response says.

    `request` is the Chat request that was asked: its `stop` cuts the text, its `functions` have the call
    answered in kind. `reasoning_field` names the field of the message that holds reasoning; None for none.
    The rest is as above. Raises UpstreamError when the response failed, or is none.

    >>> part = {"type": "output_text", "text": "Hey", "annotations": []}
    >>> message = {"type": "message", "role": "assistant", "content": [part]}
    >>> response = {"object": "response", "model": "m", "status": "completed", "output": [message]}
    >>> response_to_completion(response).value["choices"][0]["message"]
    {'role': 'assistant', 'content': 'Hey', 'refusal': None}
    """
    translator = _chat_to_responses(request, profile, reasoning_field, new_id, now)
    return _whole(translator, _answer(response, OF_RESPONSES))


def chat_stream_to_responses(
    chunks: Iterable[JSON | bytes],
    *,
    request: object = None,
    profile: str | Profile | None = None,
    dialect: Dialect = "openai",
    new_id: NewId | None = None,
    now: Callable[[], int] | None = None,
) -> ConvertedStream:
    """The Responses events of a Chat Completions stream, made as they are read.

    `chunks` are decoded chunks, or the bytes of a body in pieces of any size; a body that is a whole answer,
    or an error, is read too. A stream without a finish_reason was cut off, and becomes a failed response.
    The rest is as above.

    >>> chunk = {"choices": [{"index": 0, "delta": {"content": "Hey"}, "finish_reason": "stop"}]}
    >>> [event["delta"] for event in chat_stream_to_responses([chunk]) if "delta" in event]
    ['Hey']
    """
    translator = _responses_to_chat(request, profile, dialect, new_id, now)
    done = dialect == "openresponses"
    return ConvertedStream(translator, chunks, answer_field=OF_COMPLETIONS, adds_done=done)


def responses_stream_to_chat(
    events: Iterable[JSON | bytes],
    *,
    request: object = None,
    profile: str | Profile | None = None,
    reasoning_field: str | None = "reasoning_content",
    new_id: NewId | None = None,
    now: Callable[[], int] | None = None,
) -> ConvertedStream:
    """The chunks of a Responses stream, made as they are read.

    `events` are decoded events, or bytes, as above. Without a `request` the usage chunk is said, as if
    `stream_options` had asked for it. A stream that fails ends with an error chunk and has no `[DONE]`.

    >>> delta = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "Hey"}
    >>> chunk = next(iter(responses_stream_to_chat([delta])))
    >>> chunk["choices"][0]["delta"]
    {'role': 'assistant', 'content': '', 'refusal': None}
    """
    asked = {"stream_options": {"include_usage": True}} if request is None else {}
    translator = _chat_to_responses(request, profile, reasoning_field, new_id, now, stream=True, **asked)
    return ConvertedStream(translator, events, answer_field=OF_RESPONSES)


def _responses_to_chat(
    request: object,
    profile: str | Profile | None,
    dialect: Dialect,
    new_id: NewId | None,
    now: Callable[[], int] | None,
) -> ResponsesToChat:
    return ResponsesToChat(
        {} if request is None else validate_request(request, model_required=False),
        profile=profile_for(profile),
        new_id=new_id or _new_id,
        now=now or _now,
        dialect=dialect,
    )


def _chat_to_responses(
    request: object,
    profile: str | Profile | None,
    reasoning_field: str | None,
    new_id: NewId | None,
    now: Callable[[], int] | None,
    **fields: object,
) -> ChatToResponses:
    body = {} if request is None else validate_chat_request(request, model_required=False)
    return ChatToResponses(
        # What is converted is one answer, however many were asked for.
        {**body, **fields, "n": 1},
        profile=profile_for(profile),
        new_id=new_id or _new_id,
        now=now or _now,
        reasoning_field=reasoning_field,
    )


def _answer(document: object, field: str) -> JSON:
    """The document, if it is an answer; raises the error that it is otherwise, in any of its shapes."""
    if isinstance(document, dict) and field in document:
        return document
    raise error_from_payload(document)


def _whole(translator: Translator, answer: JSON) -> Converted:
    """The whole answer; raises the error that it tells."""
    translator.start()
    translator.feed(answer)
    if translator.failure is None:
        translator.finish(marker=True)
    if translator.failure is not None:
        raise translator.failure
    return Converted(translator.snapshot(), translator.losses)


def _new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _now() -> int:
    return int(time.time())
