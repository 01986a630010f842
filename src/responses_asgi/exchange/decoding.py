"""Body bytes, as they come, to what they mean: decompressed, split into events, decoded to chunks."""

from __future__ import annotations

import zlib

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

    `failure` is set by an event that is not a JSON object, or larger than `max_event_bytes`; the chunks
    before it are still returned, and none after it.
    """

    def __init__(self, *, max_event_bytes: int) -> None:
        self.done = False
        self.failure: UpstreamError | None = None
        self._sse = SSEDecoder(max_event_bytes=max_event_bytes)

    def read(self, data: bytes) -> list[JSON]:
        """The chunks that `data` completes."""
        try:
            events = self._sse.feed(data)
        except UpstreamError as error:
            self.failure = error
            return []
        return self._chunks(events)

    def flush(self) -> list[JSON]:
        """The chunk in an event that the end of the body left open; nothing if the cut went through it."""
        chunks = self._chunks(self._sse.flush())
        self.failure = None
        return chunks

    def _chunks(self, events: list[ServerSentEvent]) -> list[JSON]:
        chunks: list[JSON] = []
        for name, data in events:
            if not data.startswith(b"{"):
                data = data.strip()  # noqa: PLW2901 - the same data
                # FastAPI's ServerSentEvent(data="[DONE]") is quoted on the wire.
                if data.strip(b'"') == DONE:
                    self.done = True
                    break
                if not data:
                    continue
            try:
                chunk = loads(data)
            except ValueError:
                chunk = data.decode("utf-8", "replace")
            if name == "error" and not (isinstance(chunk, dict) and chunk.get("error")):
                chunk = {"error": chunk}
            if not isinstance(chunk, dict):
                message = f"The upstream sent an event that is not a JSON object: {_excerpt(data)}"
                self.failure = UpstreamError(message, status=502)
                break
            chunks.append(chunk)
        return chunks


def _excerpt(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", "replace"))
