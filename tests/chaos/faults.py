"""What an upstream can do wrong, as bytes and as events of the network; each fault is a row of `FAULTS`."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

MB = 1_000_000
HUGE = 100 * MB

_SSE, _JSON, _HTML = b"text/event-stream", b"application/json", b"text/html; charset=utf-8"
_PAGE = b"<!doctype html><html><body><h1>It works!</h1>" + b"<p>data: nothing</p>" * 50 + b"</body></html>"


@dataclass
class Connection:
    """One connection to the server: the socket, what would be the right answer, and how to send it.

    `at`: how many pieces come before the fault. `sent` counts those that were.
    """

    socket: socket.socket
    api: str
    pieces: Sequence[bytes]
    stream: bool
    at: int
    sent: int = 0
    before_death: Callable[[], None] = field(default=lambda: None)

    @property
    def type(self) -> bytes:
        return _SSE if self.stream else _JSON

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def head(self, *more: bytes, status: bytes = b"200 OK", type: bytes | None = None) -> None:
        """The head; without `more` it announces chunks."""
        lines = [b"HTTP/1.1 " + status, b"content-type: " + (type or self.type), b"connection: close"]
        self.raw(b"\r\n".join([*lines, *(more or (b"transfer-encoding: chunked",)), b"", b""]))

    def raw(self, data: bytes) -> None:
        self.socket.sendall(data)

    def chunk(self, piece: bytes) -> None:
        self.raw(b"%x\r\n%b\r\n" % (len(piece), piece))

    def some(self) -> None:
        """The head, and the pieces before the fault."""
        self.head()
        for piece in self.pieces[: self.at]:
            self.chunk(piece)
            self.sent += 1

    def rest(self) -> None:
        """What is still to be sent of the right answer."""
        for piece in self.pieces[self.sent :]:
            self.chunk(piece)
            self.sent += 1
        self.raw(b"0\r\n\r\n")

    def wait(self) -> None:
        """Do nothing until the other side has left."""
        while self.socket.recv(65_536):
            pass


def _right(made: Connection) -> None:
    made.some()
    made.rest()


def _slow(made: Connection) -> None:
    made.head()
    for piece in made.pieces:
        time.sleep(made.at / 1000)
        made.chunk(piece)
        made.sent += 1
    made.rest()


def _killed(made: Connection) -> None:
    made.some()
    made.before_death()
    os.kill(os.getpid(), signal.SIGKILL)


def _ended(made: Connection) -> None:
    made.some()
    made.raw(b"0\r\n\r\n")


def _torn(made: Connection) -> None:
    """The connection closes in the middle of a piece."""
    made.some()
    piece = made.pieces[made.at]
    made.raw(b"%x\r\n%b" % (len(piece), piece[: len(piece) // 2]))


def _torn_and_ended(made: Connection) -> None:
    """The body ends, as if all were well, in the middle of a piece."""
    made.some()
    made.chunk(made.pieces[made.at][: len(made.pieces[made.at]) // 2])
    made.raw(b"0\r\n\r\n")


def _reset(made: Connection) -> None:
    made.some()
    made.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _half_closed(made: Connection) -> None:
    made.some()
    made.socket.shutdown(socket.SHUT_WR)
    made.wait()


def _stalled(made: Connection) -> None:
    made.some()
    made.wait()


def _trickled(made: Connection) -> None:
    made.head()
    for piece in made.pieces:
        for byte in piece:
            made.chunk(bytes([byte]))
        made.sent += 1
    made.raw(b"0\r\n\r\n")


def _trickled_until_closed(made: Connection) -> None:
    """Byte by byte, head and all, and the end of the body is that of the connection."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n\r\n" % made.type
    for byte in head + made.body:
        made.raw(bytes([byte]))


def _blocks(before: bytes, block: bytes, after: bytes) -> Iterator[bytes]:
    yield before
    for _ in range(HUGE // len(block)):
        yield block
    yield after


def _huge(made: Connection, *, ends: bool = True) -> None:
    """100 MB in one event, or in one document; or in something that is not even an event yet."""
    made.some()
    before = b'data: {"choices": [{"index": 0, "delta": {"content": "'
    if made.api == "responses":
        before = b'data: {"type": "response.output_text.delta", "delta": "'
    for block in _blocks(before if ends else b"data: ", b"x" * MB, b'"}}]}\n\n' if ends else b""):
        made.chunk(block)
    made.rest()


def _endless(made: Connection) -> None:
    made.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    made.some()
    words = made.pieces[_first_word(made)] * 20
    while True:
        made.chunk(words)
        made.sent += 20


def _first_word(made: Connection) -> int:
    return next(number for number, piece in enumerate(made.pieces) if b'"w0' in piece)


def _commented(made: Connection) -> None:
    """100 MB of comments between two events."""
    made.some()
    for block in _blocks(b": begin\n\n", b": still here\n\n" * 10_000, b": end\n\n"):
        made.chunk(block)
    made.rest()


def _with_length(change: float) -> Callable[[Connection], None]:
    def play(made: Connection) -> None:
        made.head(b"content-length: %d" % int(len(made.body) * change))
        made.raw(made.body)
        made.sent = len(made.pieces)

    return play


def _with_both_lengths(made: Connection) -> None:
    """The chunks count, or it is an error. Source: RFC 9112, 6.3."""
    made.head(b"content-length: 10", b"transfer-encoding: chunked")
    made.rest()


def _said(status: bytes, type: bytes, body: bytes, *more: bytes) -> Callable[[Connection], None]:
    """An answer of another kind, whole."""

    def play(made: Connection) -> None:
        made.head(b"content-length: %d" % len(body), *more, status=status, type=type)
        made.raw(body)

    return play


def _page(type: bytes | None) -> Callable[[Connection], None]:
    def play(made: Connection) -> None:
        made.head(b"content-length: %d" % len(_PAGE), type=type)
        made.raw(_PAGE)

    return play


def _redirected(status: bytes) -> Callable[[Connection], None]:
    return _said(status, b"text/plain", b"over there", b"location: http://127.0.0.1:9/v1/elsewhere")


def _compressed(encoding: bytes, window: int, *, part: float = 1.0) -> Callable[[Connection], None]:
    def play(made: Connection) -> None:
        packer = zlib.compressobj(wbits=window)
        made.head(b"content-encoding: " + encoding, b"transfer-encoding: chunked")
        packed = [packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH) for piece in made.pieces]
        for piece in packed[: int(len(packed) * part)]:
            made.chunk(piece)
            made.sent += 1
        if part == 1.0:
            made.chunk(packer.flush())
        made.raw(b"0\r\n\r\n")

    return play


def _bomb(made: Connection) -> None:
    """A few hundred kB that become 1 GB."""
    packer = zlib.compressobj(9, wbits=31)
    made.head(b"content-encoding: gzip", b"transfer-encoding: chunked")
    made.chunk(packer.compress(b"data: " if made.stream else b'{"a": "'))
    for _ in range(1000):
        if packed := packer.compress(b"x" * MB):
            made.chunk(packed)
    made.chunk(packer.flush())
    made.raw(b"0\r\n\r\n")


def _misnamed(encoding: bytes) -> Callable[[Connection], None]:
    def play(made: Connection) -> None:
        made.head(b"content-encoding: " + encoding, b"content-length: %d" % len(made.body))
        made.raw(made.body)

    return play


def _raw(data: bytes) -> Callable[[Connection], None]:
    return lambda made: made.raw(data)


def _informed(made: Connection) -> None:
    made.raw(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 500)
    _right(made)


def _bad_chunk(made: Connection) -> None:
    made.some()
    made.raw(b"zz\r\nnot a chunk\r\n")


def _failing_slowly(made: Connection) -> None:
    made.head(b"content-length: 1000", status=b"500 Internal Server Error", type=_JSON)
    made.raw(b'{"error": {"message": "')
    made.wait()


def _failing_hugely(made: Connection) -> None:
    made.head(status=b"500 Internal Server Error", type=_JSON)
    for block in _blocks(b'{"error": {"message": "', b"x" * MB, b'"}}'):
        made.chunk(block)
    made.raw(b"0\r\n\r\n")


def _not_text(made: Connection) -> None:
    made.some()
    made.chunk(b'data: {"choices": \xff\xfe\x00}\n\n')
    made.rest()


def _answered_twice(made: Connection) -> None:
    """A second answer follows the first on the same connection."""
    made.head(b"content-length: %d" % len(made.body))
    made.raw(made.body)
    made.sent = len(made.pieces)
    made.head(b"content-length: %d" % len(made.body))
    made.raw(made.body)


At = Literal["once", "every"]


class Fault(NamedTuple):
    """How it is played; what the client of a stream, and of a document, then sees; at which events it is.

    Outcomes: `whole` (all of it), `failed` (a legal stream that says so), a status (an HTTP error), or
    several of these with `|`, where it depends on the event or on the HTTP library. `quick`: behind a bridge
    with a short `read_timeout`. `large`: 100 MB.
    """

    play: Callable[[Connection], None]
    streamed: str
    document: str
    at: At = "once"
    quick: bool = False
    large: bool = False


_CUT = ("failed|whole", "502|whole", "every")

FAULTS: dict[str, Fault] = {
    "none": Fault(_right, "whole", "whole"),
    "slow": Fault(_slow, "whole", "whole"),
    "killed": Fault(_killed, *_CUT),
    "ended": Fault(_ended, *_CUT),
    "torn": Fault(_torn, *_CUT),
    "torn and ended": Fault(_torn_and_ended, *_CUT),
    "reset": Fault(_reset, *_CUT),
    "half closed": Fault(_half_closed, *_CUT),
    "stalled": Fault(_stalled, "failed|whole", "504|whole", "every", quick=True),
    "trickled": Fault(_trickled, "whole", "whole"),
    "trickled until closed": Fault(_trickled_until_closed, "whole", "whole"),
    "100 MB in an event": Fault(_huge, "failed", "502", large=True),
    "100 MB without an end": Fault(lambda made: _huge(made, ends=False), "failed", "502", large=True),
    "100 MB of comments": Fault(_commented, "whole", "502", large=True),
    "length too long": Fault(_with_length(1.5), "whole", "502"),
    "length too short": Fault(_with_length(0.5), "failed|502", "502"),
    "length and chunks": Fault(_with_both_lengths, "whole|502", "whole|502"),
    "redirect 301": Fault(_redirected(b"301 Moved Permanently"), "502", "502"),
    "redirect 302": Fault(_redirected(b"302 Found"), "502", "502"),
    "redirect 307": Fault(_redirected(b"307 Temporary Redirect"), "502", "502"),
    "redirect 308": Fault(_redirected(b"308 Permanent Redirect"), "502", "502"),
    "HTML": Fault(_page(_HTML), "502", "502"),
    "HTML by the right type": Fault(_page(None), "failed", "502"),
    "gzip": Fault(_compressed(b"gzip", 31), "whole", "whole"),
    "deflate": Fault(_compressed(b"deflate", 15), "whole", "whole"),
    "bare deflate": Fault(_compressed(b"deflate", -15), "whole", "whole"),
    "gzip cut": Fault(_compressed(b"gzip", 31, part=0.5), "failed", "502"),
    "gzip that is none": Fault(_misnamed(b"gzip"), "failed", "502"),
    "gzip bomb": Fault(_bomb, "failed", "502", large=True),
    "an unknown encoding": Fault(_misnamed(b"zstd"), "502", "502"),
    "no HTTP": Fault(_raw(b"SSH-2.0-OpenSSH_9.2\r\n" * 10), "502", "502"),
    "closed at once": Fault(_raw(b""), "502", "502"),
    "half a head": Fault(_raw(b"HTTP/1.1 200 OK\r\ncontent-ty"), "502", "502"),
    "a head of 1 MB": Fault(_raw(b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * MB + b"\r\n\r\n"), "502", "502"),
    "early hints": Fault(_informed, "whole", "whole"),
    "a bad chunk": Fault(_bad_chunk, "failed|502|504", "502|504", "every", quick=True),
    "204": Fault(_raw(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"), "502", "502"),
    "an empty body": Fault(lambda made: made.head(b"content-length: 0"), "failed", "502"),
    "500 in HTML": Fault(_said(b"500 Oops", _HTML, _PAGE), "500", "500"),
    "500 that stalls": Fault(_failing_slowly, "504", "504", quick=True),
    "500 of 100 MB": Fault(_failing_hugely, "502", "502", large=True),
    "429": Fault(_said(b"429 Slow", _JSON, b'{"error":{"message":"no"}}', b"retry-after: 7"), "429", "429"),
    "no text": Fault(_not_text, "failed", "502"),
    "a second answer": Fault(_answered_twice, "whole|502", "whole|502"),
    "endless": Fault(_endless, "", ""),
}  # fmt: skip
"""By name. The last one has no outcome of its own: what becomes of it is up to the client."""
