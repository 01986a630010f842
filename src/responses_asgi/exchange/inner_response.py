"""What the upstream's app sends, message by message, to what the client is told.

1. 200 and an event stream: the client's answer opens at once, and each body message is told as it comes.
2. Everything else is held until it is whole: an error keeps its status and headers, a document becomes the
   answer, and what is neither (a redirect, a web page, nothing at all) is a 502 that says so.
3. A body is believed more than its content type: streams come as text/plain, errors and whole documents as
   text/event-stream without any event.
4. The end of the body is not the end of the answer; the translator decides whether it was complete.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from responses_asgi.errors import APIError, UpstreamError, error_from_payload, is_error
from responses_asgi.exchange.answer import Answer
from responses_asgi.exchange.decoding import (
    ChunkReader,
    Inflate,
    holds_no_events,
    looks_like_sse,
    media_type,
)
from responses_asgi.exchange.inner_call import InnerCall
from responses_asgi.exchange.pairs import UpstreamSide
from responses_asgi.sinks import Header
from responses_asgi.sse import SSEDecoder
from responses_asgi.translate.chunk_reader import Chunk
from responses_asgi.types.asgi import Message, Send
from responses_asgi.types.json import loads
from responses_asgi.upstreams.own_refusals import OWN

__all__ = ["InnerResponse", "internal_error"]

# Headers that describe the upstream's own body or connection; ours is another one.
_NOT_KEPT = frozenset(
    {
        b"accept-ranges",
        b"connection",
        b"content-digest",
        b"content-disposition",
        b"content-encoding",
        b"content-length",
        b"content-md5",
        b"content-range",
        b"content-type",
        b"etag",
        b"keep-alive",
        b"last-modified",
        b"location",
        b"repr-digest",
        b"trailer",
        b"transfer-encoding",
    }
)

# Messages of the app that are not part of the response; the server gets them unchanged.
_PASSED_ON = frozenset({"http.response.debug", "http.response.early_hint"})

# The beginning by which a body is told from others.
_HEAD = 64

# The longest plain text that is taken for an error message.
_MESSAGE_CHARS = 1_000


class InnerResponse:
    """Receives the messages of one call, which has this `number` among those of the answer.

    `send` is the outer one, for what is passed on unread. `side` says what the upstream's answers look like.
    `on_status` is told the HTTP status of the response.

    `error` is set when something of ours failed over a message (a hook, or a mistake): the client has then
    been told, and the caller is to raise it.
    """

    __slots__ = (
        "_answer",
        "_body",
        "_call",
        "_headers",
        "_inflate",
        "_limit",
        "_location",
        "_number",
        "_on_status",
        "_outer_send",
        "_reader",
        "_side",
        "_status",
        "_type",
        "_undecided",
        "error",
    )

    def __init__(
        self,
        answer: Answer,
        call: InnerCall,
        send: Send,
        *,
        side: UpstreamSide,
        number: int = 0,
        limit: int,
        on_status: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self.error: Exception | None = None
        self._answer = answer
        self._call = call
        self._number = number
        self._side = side
        self._outer_send = send
        self._limit = limit
        self._on_status = on_status
        self._status = 0
        self._type = ""
        self._location = ""
        self._headers: list[Header] = []
        self._inflate: Inflate | None = None
        self._reader: ChunkReader | None = None
        self._body = bytearray()
        self._undecided = True

    async def send(self, message: Message) -> None:
        """The `send` of the upstream's app."""
        kind = message["type"]
        if kind == "http.response.body":
            if not self._status:
                raise RuntimeError("http.response.body was sent before http.response.start")
            more = message.get("more_body", False)
            answer, number = self._answer, self._number
            if number in answer.open:
                try:
                    data, reader = message.get("body", b""), self._reader
                    if self._inflate:
                        data = self._unpack(self._inflate, data)
                    if reader is None:
                        await self._collect(data, more)
                    elif (chunks := reader.read(data)) and more and not (reader.done or reader.failure):
                        # Nearly every piece: nothing stands between it and its translation.
                        await answer.feed(chunks, number)
                    else:
                        await self._stream(reader, chunks, data, more)
                except Exception as error:
                    await self._fail(error)
                else:
                    if more and number not in answer.open:
                        self._call.linger()
            if not more:
                self._call.finished()
        elif kind == "http.response.start":
            await self._start(message)
        elif kind in _PASSED_ON and not self._answer.closed:
            await self._outer_send(message)

    async def _start(self, message: Message) -> None:
        self._status = message["status"]
        self._answer.own = message.get(OWN, False)
        # Of what the client is not told, three say how the body is to be read.
        known: dict[bytes, bytes] = {}
        for name, value in message.get("headers") or ():
            lowered = name.lower()
            if lowered in _NOT_KEPT:
                known[lowered] = value
            else:
                self._headers.append((lowered, value))
        self._type = media_type(known.get(b"content-type", b"").decode("latin-1"))
        self._location = known.get(b"location", b"").decode("latin-1")
        try:
            if self._on_status:
                await self._on_status(self._status)
            if b"content-encoding" in known:
                self._inflate = self._decoder(known[b"content-encoding"].decode("latin-1").strip().lower())
            if self._is_success and self._type == "text/event-stream":
                await self._read_events()
        except Exception as error:
            await self._fail(error)

    async def _stream(self, reader: ChunkReader, chunks: list[Chunk], data: bytes, more: bool) -> None:
        """These are the chunks in this piece of an event stream."""
        if reader.failure:
            await self._answer.feed(chunks, self._number)
            if self._number not in self._answer.open:
                return
            raise reader.failure
        if not (more or reader.done):
            chunks += reader.flush()
        if not reader.begun and holds_no_events((bytes(self._body[:_HEAD]) + data)[:_HEAD]):
            await self._collect(data, more)
            return
        if chunks or reader.done or not more:
            await self._answer.feed(chunks, self._number, last=reader.done or not more, marker=reader.done)

    async def _collect(self, data: bytes, more: bool) -> None:
        self._body += data
        if len(self._body) > self._limit:
            raise UpstreamError(f"The upstream's answer is larger than {self._limit} bytes.", status=502)
        if self._undecided and self._is_success and self._reader is None:
            verdict = looks_like_sse(bytes(self._body[:_HEAD]), more=more)
            self._undecided = verdict is None
            if verdict:
                body, self._body = bytes(self._body), bytearray()
                reader = await self._read_events()
                await self._stream(reader, reader.read(body), body, more)
                return
        if not more:
            await self._whole()

    async def _read_events(self) -> ChunkReader:
        self._reader = ChunkReader(max_event_bytes=self._limit, repeats=self._answer.repeats)
        await self._answer.begin(self._headers)
        return self._reader

    async def _whole(self) -> None:
        """The body is complete and holds no events."""
        body = bytes(self._body)
        if self._status >= 400:
            await self._answer.fail(_error_of(body, self._status, self._type), self._headers)
            return
        if not self._is_success:
            where = f" to {self._location}" if self._location else ""
            raise self._unusable(f"HTTP {self._status}, a redirect{where}")
        if not body.strip():
            raise UpstreamError(f"The upstream answered HTTP {self._status} with an empty body.", status=502)
        try:
            document = loads(body)
        except ValueError:
            raise self._unusable(f"{self._type or 'a body without a type'} that is not JSON") from None
        told = document[0] if isinstance(document, list) and document else document
        if not isinstance(told, dict):
            raise self._unusable("JSON that is not an object")
        side = self._side
        if told is not document or not side.is_answer(told):
            if is_error(told):
                raise error_from_payload(told)
            raise self._unusable(f"JSON that is no {side.name}: it has no {side.lack}")
        await self._answer.whole(document, self._headers, call=self._number)

    async def _fail(self, error: Exception) -> None:
        """Tell the client, and have the app end: nothing it still sends can be used."""
        if isinstance(error, APIError):
            await self._answer.fail(error, self._headers)
        else:
            self.error = error
            await self._answer.fail(internal_error())
        self._call.give_up()

    def _unusable(self, what: str) -> UpstreamError:
        """An answer of another kind than was asked for: asking again would bring the same."""
        return UpstreamError(
            f"The upstream answered with {what}; expected a {self._side.name}. Is its path right?",
            status=502,
            headers={"x-should-retry": "false"},
        )

    @property
    def _is_success(self) -> bool:
        return 200 <= self._status < 300

    def _decoder(self, encoding: str) -> Inflate | None:
        if encoding in ("", "identity"):
            return None
        if encoding not in Inflate.encodings:
            status = self._status if self._status >= 400 else 502
            raise UpstreamError(
                f"The upstream's answer (HTTP {self._status}) has the encoding {encoding!r}, which was not "
                "asked for.",
                status=status,
            )
        return Inflate(limit=self._limit)

    def _unpack(self, inflate: Inflate, data: bytes) -> bytes:
        try:
            return inflate.feed(data)
        except ValueError as error:
            raise UpstreamError(f"The upstream's answer cannot be read: {error}.", status=502) from None


def internal_error() -> APIError:
    """What a client is told of an exception that is nobody's answer: nothing of its text or its place."""
    return APIError("The server had an error while processing the request.", status=500)


def _error_of(body: bytes, status: int, content_type: str) -> UpstreamError:
    if looks_like_sse(body[:_HEAD], more=False):
        # An error told as an event although the status already says so.
        decoder = SSEDecoder()
        events = decoder.feed(body) + decoder.flush()
        body = events[0].data if events else body
    try:
        return error_from_payload(loads(body), status=status)
    except ValueError:
        text = body.decode("utf-8", "replace").strip()
    if content_type not in ("text/plain", "") or len(text) > _MESSAGE_CHARS or "Traceback (" in text:
        text = (
            f"The upstream answered HTTP {status} with {content_type or 'a body'} that is no error message."
        )
    return error_from_payload(text, status=status)
