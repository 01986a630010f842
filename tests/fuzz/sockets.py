"""What comes over WebSockets: the frames of a Responses client, and the bytes of a server behind a relay."""

from __future__ import annotations

import asyncio
from typing import Any

from responses_asgi.upstreams.closing import SocketEnded
from responses_asgi.upstreams.frames import FrameStream
from tests.fuzz.streams import CUTS, pieces
from tests.socket_rules import Release, Say, Step, Wait, converse

MOST_MESSAGE_BYTES = 500
MOST_FRAMES = 30


def every_frame_has_one_outcome(content: bytes) -> None:
    """The first byte tells whether the client leaves at once. Each line is a step: `~` lets others run, `!`
    releases the models that wait, `#` is a binary frame, and anything else a text frame."""
    if content:
        steps = [_step(line) for line in content[1:].split(b"\n")[:MOST_FRAMES]]
        asyncio.run(converse(steps, leave=bool(content[0] % 2)))


def _step(line: bytes) -> Step:
    if line[:1] == b"~":
        return Wait(4 ** min(len(line), 4))
    if line == b"!":
        return Release()
    return Say(line[1:] if line[:1] == b"#" else line.decode("utf-8", "surrogateescape"))


def a_relayed_server_says_messages_or_ends(content: bytes) -> None:
    """Frames as bytes; the first byte cuts them, and tells whether the client closes."""
    asyncio.run(_relayed(content[:1], content[1:]))


async def _relayed(how: bytes, content: bytes) -> None:
    number = how[0] if how else 0
    source = _Network(pieces(content, CUTS[number % len(CUTS)]))
    stream = FrameStream(source, max_bytes=MOST_MESSAGE_BYTES, ping=1.0, silence=3.0)
    heard = 0
    try:
        while True:
            message = await stream.receive()
            size = len(message.encode() if isinstance(message, str) else message)
            assert size <= MOST_MESSAGE_BYTES, size
            heard += size
            await stream.send(message)
    except SocketEnded as ended:
        _check_end(ended)
    await stream.close(1000, "", patience=1.0)
    assert heard <= len(content)
    assert source.written <= 10_000 + 3 * len(content)


def _check_end(ended: SocketEnded) -> None:
    """It fits into a close frame. Source: RFC 6455, 5.5 and 7.4."""
    assert 1000 <= ended.code < 5000, ended
    assert len(ended.reason.encode()) <= 123, ended


class _Network:
    """The network stream of an HTTP client: it reads these pieces, and then its end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.written = 0
        self._pieces = iter(pieces)

    async def read(self, most: int, timeout: float | None = None) -> bytes:
        return next(self._pieces, b"")

    async def write(self, data: bytes, timeout: float | None = None) -> Any:
        self.written += len(data)
