"""Body bytes, as they come, to what they are: decompressed, and told apart by type and beginning."""

from __future__ import annotations

import zlib

from responses_asgi.translate.chunk_reader import ChunkReader

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
