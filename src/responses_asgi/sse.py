"""Server-sent events: bytes, cut anywhere, to events; and events to bytes.

1. An event ends with an empty line; lines end with CR, LF or CRLF and with nothing else (not at U+2028).
2. Bytes are kept until their event is complete, and no byte is searched or copied more than a few times, so
   that an event of megabytes in small pieces costs no more than its length.
3. What nearly every server sends, `data: {...}` and an empty line, or that with a name before it, never sees
   the line parser.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html; two departures: an event that the end
of the stream left without its empty line is delivered by `flush`, because servers forget it; and an `error`
field without data is the data of an event of this name, because llama.cpp has written its errors so.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from responses_asgi.errors import UpstreamError

__all__ = ["MAX_EVENT_BYTES", "SSEDecoder", "ServerSentEvent", "encode"]

MAX_EVENT_BYTES = 64 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
# The end of one line and an empty line after it, where the bytes may hold carriage returns. The line end
# before a CRLF pair keeps its CR in the block, where it reads as one more line end.
_EVENT_END = re.compile(rb"\n\n|\n\r\n?|\r\r\n?")
# What of an event's end can be there before the event is known to be over: CR LF.
_PENDING_END = 2
# What nearly every server sends. Only at the beginning of a line, so that none is searched more than twice.
_USUAL = re.compile(rb"(?m)^(?:event: ([^\n]{1,100})\n)?data: ([^\n]*)\n\n")


class ServerSentEvent(NamedTuple):
    """One event: its name, None where the stream gave none, and its data lines joined with LF."""

    event: str | None
    data: bytes


_new = tuple.__new__  # what a NamedTuple's own constructor does, in two thirds of its time


class SSEDecoder:
    """Decodes one stream, fed in pieces of any size.

    `max_event_bytes` bounds one event together with its comments. `feed` and `flush` raise UpstreamError
    when an event is larger. `id` and `retry` are read over: they belong to reconnection, which no client
    of these protocols does.

    `feed` is `whole` and then `events`, for readers that know some events by their bytes.

    >>> decoder = SSEDecoder()
    >>> decoder.feed(b'data: {"a"')
    []
    >>> decoder.feed(b': 1}\\n\\n')
    [ServerSentEvent(event=None, data=b'{"a": 1}')]
    """

    __slots__ = ("_after_cr", "_begun", "_has_cr", "_last", "_max", "_size", "kept")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self.kept: list[bytes] = []
        """The pieces of an event that is not complete; this list is empty between events."""
        self._size = 0
        self._last = b""
        self._has_cr = False
        self._after_cr = False
        self._begun = False

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that `data` completes."""
        return self.events(self.whole(data))

    def whole(self, data: bytes) -> bytes:
        """The bytes of the events that `data` completes, up to the end of the last one; what follows is kept.

        Raises UpstreamError when what follows is too large for an event.
        """
        if not self.kept and data.endswith(b"\n\n"):
            self._after_cr = False
            return data
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if not data:
            return b""
        has_cr = self._has_cr or b"\r" in data
        if not self._ends_event(data, has_cr):
            self._keep(data, has_cr)
            return b""
        if self.kept:
            self.kept.append(data)
            data = b"".join(self.kept)
            self.kept.clear()
            self._size = 0
        end = [found.end() for found in _EVENT_END.finditer(data)][-1] if has_cr else data.rfind(b"\n\n") + 2
        self._last, self._has_cr = b"", False
        if end < len(data):
            rest = data[end:]
            self._keep(rest, has_cr and b"\r" in rest)
            return data[:end]
        self._after_cr = data.endswith(b"\r")
        return data

    def events(self, whole: bytes) -> list[ServerSentEvent]:
        """The events in bytes that `whole` has returned."""
        has_cr = b"\r" in whole
        if not has_cr and len(whole) <= self._max:
            parts = _USUAL.split(whole)
            if not any(parts[::3]):  # nothing stands between the events, or after them
                self._begun = self._begun or len(parts) > 1
                return [
                    _new(ServerSentEvent, (name and _name(name), data))
                    for name, data in zip(parts[1::3], parts[2::3], strict=True)
                ]
        blocks = _EVENT_END.split(whole) if has_cr else whole.split(b"\n\n")
        blocks.pop()  # nothing, or one more line end
        return self._events(blocks)

    def flush(self) -> list[ServerSentEvent]:
        """The event that the end of the stream left without its empty line, if there is one."""
        block = b"".join(self.kept)
        self.kept.clear()
        self._size, self._last, self._has_cr, self._after_cr = 0, b"", False, False
        return self._events([block])

    def _ends_event(self, data: bytes, has_cr: bool) -> bool:
        if has_cr:
            return _EVENT_END.search(self._last + data) is not None
        return b"\n\n" in data or (self._last == b"\n" and data.startswith(b"\n"))

    def _keep(self, data: bytes, has_cr: bool) -> None:
        self.kept.append(data)
        self._size += len(data)
        self._last = data[-1:]
        self._has_cr = has_cr
        if self._size > self._max + _PENDING_END:
            raise self._too_large()

    def _events(self, blocks: list[bytes]) -> list[ServerSentEvent]:
        if not self._begun and blocks:
            self._begun = True
            blocks[0] = blocks[0].removeprefix(_BOM)
        events: list[ServerSentEvent] = []
        for block in blocks:
            if len(block) > self._max and len(block.removesuffix(b"\r")) > self._max:
                raise self._too_large()
            if block.startswith(b"data: ") and block.find(b"\n") < 0 and block.find(b"\r") < 0:
                events.append(_new(ServerSentEvent, (None, block[6:])))
            elif block and (event := _parse(block)) is not None:
                events.append(event)
        return events

    def _too_large(self) -> UpstreamError:
        return UpstreamError(
            f"The upstream sent an event of more than {self._max} bytes.", status=502, code="event_too_large"
        )


@lru_cache(maxsize=256)
def _name(name: bytes) -> str:
    """The name of an event; there are few, and a stream repeats one of them."""
    return name.decode("utf-8", "replace")


def _parse(block: bytes) -> ServerSentEvent | None:
    """The event in the lines of one block; None where there is no data line, as in a comment."""
    name: str | None = None
    data: list[bytes] = []
    error: bytes | None = None
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace") or None
        elif field == b"error":
            error = value
    if error is not None and not data:
        name, data = "error", [error]
    return ServerSentEvent(name, b"\n".join(data)) if data else None


def encode(event: str, data: bytes) -> bytes:
    """The bytes of one event; without an event line where `event` is "".

    >>> encode("response.created", b"{}")
    b'event: response.created\\ndata: {}\\n\\n'
    """
    if data.find(b"\n") >= 0 or data.find(b"\r") >= 0:
        data = b"\ndata: ".join(_LINE_END.split(data))
    return b"%b%b\n\n" % (_opening(event), data)


@lru_cache(maxsize=256)
def _opening(event: str) -> bytes:
    """All that stands before the data; events have few names, and a stream repeats one of them."""
    return b"event: " + event.encode() + b"\ndata: " if event else b"data: "
