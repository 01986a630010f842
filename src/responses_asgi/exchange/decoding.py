"""Body bytes, as they come, to what they mean: decompressed, split into events, decoded to chunks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

from responses_asgi.errors import UpstreamError
from responses_asgi.sse import ServerSentEvent, SSEDecoder
from responses_asgi.types.events import DONE
from responses_asgi.types.json import JSON, loads

__all__ = ["ChunkReader", "Inflate", "looks_like_sse", "media_type"]

# zlib's window size parameter that accepts both gzip and zlib wrappers; negative: neither.
_WRAPPED = 47
_BARE = -15
_HEADER_BYTES = 2

_SSE_STARTS = (b"data:", b"event:", b":")
_SSE_START_BYTES = max(map(len, _SSE_STARTS))


class Inflate:
    """Decompresses one body as it comes; `limit` bounds what comes out of one piece, in bytes.

    Raises ValueError when the bytes are no such encoding, or too much comes out of them.
    """

    encodings = frozenset({"gzip", "x-gzip", "deflate"})

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._inner = zlib.decompressobj(_WRAPPED)
        self._head: bytes | None = b""

    def feed(self, data: bytes) -> bytes:
        """What `data` adds to the plain body."""
        if not data:
            return b""
        try:
            plain = self._decompress(data)
            # A gzip body may be several members, one after the other.
            while self._inner.eof and (rest := self._inner.unused_data):
                self._inner = zlib.decompressobj(_WRAPPED)
                plain += self._decompress(rest)
        except zlib.error as error:
            raise ValueError(f"the compressed body is broken: {error}") from None
        if self._inner.unconsumed_tail:
            raise ValueError(f"more than {self._limit} bytes come out of the compressed body")
        return plain

    def _decompress(self, data: bytes) -> bytes:
        try:
            plain = self._inner.decompress(data, self._limit)
        except zlib.error:
            if self._head is None:
                raise
            # Some servers send `deflate` without its zlib wrapper, which shows in the first two bytes.
            self._inner = zlib.decompressobj(_BARE)
            plain = self._inner.decompress(self._head + data, self._limit)
            self._head = None
        if self._head is not None:
            self._head = self._head + data if len(self._head + data) < _HEADER_BYTES else None
        return plain


def media_type(content_type: str) -> str:
    """The type alone, in lower case: `text/event-stream` of `text/event-stream; charset=utf-8`."""
    return content_type.split(",", 1)[0].split(";", 1)[0].strip().lower()


def looks_like_sse(head: bytes, *, more: bool) -> bool | None:
    """Whether a body that begins so is an event stream, whatever its type says; None: not enough to tell."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if len(head) < _SSE_START_BYTES and more:
        return None
    return head.startswith(_SSE_STARTS)


class ChunkReader:
    """Reads the chunks out of an event stream, up to the `[DONE]` that ends it.

    Raises UpstreamError for an event that is not a JSON object, or larger than `max_event_bytes`.
    """

    def __init__(self, *, max_event_bytes: int) -> None:
        self.done = False
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)

    def read(self, data: bytes) -> Iterator[JSON]:
        """The chunks that `data` completes."""
        for event in self._sse.feed(data):
            chunk = self._chunk(event)
            if chunk is not None:
                yield chunk
            if self.done:
                return

    def flush(self) -> Iterator[JSON]:
        """The chunk in an event that the end of the body left open; nothing if the cut went through it."""
        for event in self._sse.flush():
            try:
                chunk = self._chunk(event)
            except UpstreamError:
                return
            if chunk is not None:
                yield chunk

    def _chunk(self, event: ServerSentEvent) -> JSON | None:
        data = event.data
        if not data.startswith(b"{"):
            data = data.strip()
            # FastAPI's ServerSentEvent(data="[DONE]") is quoted on the wire.
            if data.strip(b'"') == DONE:
                self.done = True
                return None
            if not data:
                return None
        value = _value(event.event, data)
        if not isinstance(value, dict):
            raise UpstreamError(
                f"The upstream sent an event that is not a JSON object: {_excerpt(data)}", status=502
            )
        return value


def _value(name: str | None, data: bytes) -> Any:
    try:
        value = loads(data)
    except ValueError:
        if name == "error":
            return {"error": data.decode("utf-8", "replace")}
        raise UpstreamError(
            f"The upstream sent an event that is not JSON: {_excerpt(data)}", status=502
        ) from None
    if name == "error" and not (isinstance(value, dict) and value.get("error")):
        return {"error": value}
    return value


def _excerpt(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))
