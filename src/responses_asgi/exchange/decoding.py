"""Body bytes, as they come, to what they are: decompressed, and told apart by type and beginning."""

from __future__ import annotations

import re
import zlib

from responses_asgi.translate.chunk_reader import ChunkReader

__all__ = ["ChunkReader", "Inflate", "TooMuch", "holds_no_events", "looks_like_sse", "media_type"]

# zlib's window size parameter that accepts both gzip and zlib wrappers; negative: neither.
_WRAPPED = 47
_BARE = -15
_HEADER_BYTES = 2

# Members cost time even when they are empty; writers that begin one per block of 64 KiB stay below this.
_MOST_MEMBERS = 1_000
_SLICE = 16 * 1024

_SSE_STARTS = (b"data:", b"event:", b":")
_SSE_START_BYTES = max(map(len, _SSE_STARTS))

_FIELD = re.compile(rb"\s*(?::|(?:data|event|id|retry|error)\b|[a-z]{0,5}\Z)")


class TooMuch(ValueError):
    """More comes out of a compressed body than its reader takes."""


class Inflate:
    """Decompresses one body as it comes; `limit` bounds what comes out of one piece, in bytes.

    Raises ValueError when the bytes are no such encoding, and TooMuch when too much comes out of them.
    """

    encodings = frozenset({"gzip", "x-gzip", "deflate"})

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._inner = zlib.decompressobj(_WRAPPED)
        self._head: bytes | None = b""

    def feed(self, data: bytes) -> bytes:
        """What `data` adds to the plain body."""
        plain = bytearray()
        members = 0
        try:
            # zlib copies what follows a member: slices keep that from growing with the piece.
            for start in range(0, len(data), _SLICE):
                rest = data[start : start + _SLICE]
                while rest:
                    if self._inner.eof:
                        # A gzip body may be several members, one after the other.
                        self._inner = zlib.decompressobj(_WRAPPED)
                        members += 1
                    plain += self._decompress(rest, self._limit + 1 - len(plain))
                    if len(plain) > self._limit:
                        raise TooMuch(f"more than {self._limit} bytes come out of the compressed body")
                    if members > _MOST_MEMBERS:
                        raise ValueError(f"the compressed body has over {_MOST_MEMBERS} members in a piece")
                    rest = self._inner.unused_data
        except zlib.error as error:
            raise ValueError(f"the compressed body is broken: {error}") from None
        return bytes(plain)

    def _decompress(self, data: bytes, most: int) -> bytes:
        try:
            plain = self._inner.decompress(data, most)
        except zlib.error:
            if self._head is None:
                raise
            # Some servers send `deflate` without its zlib wrapper, which shows in the first two bytes.
            self._inner = zlib.decompressobj(_BARE)
            plain = self._inner.decompress(self._head + data, most)
            self._head = None
        if self._head is not None:
            self._head = self._head + data if len(self._head + data) < _HEADER_BYTES else None
        return plain


def media_type(content_type: str) -> str:
    """The type alone, in lower case: `text/event-stream` of `text/event-stream; charset=utf-8`."""
    return content_type.split(",", 1)[0].split(";", 1)[0].strip().lower()


def holds_no_events(head: bytes) -> bool:
    """Whether a body that calls itself an event stream begins like none; a field name may be cut."""
    return _FIELD.match(head.removeprefix(b"\xef\xbb\xbf")) is None


def looks_like_sse(head: bytes, *, more: bool) -> bool | None:
    """Whether a body that begins so is an event stream, whatever its type says; None: not enough to tell."""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if len(head) < _SSE_START_BYTES and more:
        return None
    return head.startswith(_SSE_STARTS)
