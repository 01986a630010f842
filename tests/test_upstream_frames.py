"""Frames over a network stream that is no network: what fails in it, and what ends a socket."""

from __future__ import annotations

from typing import Any

import httpcore
import pytest

from responses_asgi.upstreams.closing import SocketEnded, sendable_close
from responses_asgi.upstreams.frames import FrameStream
from tests.sockets import frame


class Stream:
    """Gives what it is given to read, then the end; an exception is raised."""

    def __init__(self, *reads: bytes | Exception, write: Exception | None = None) -> None:
        self.written: list[bytes] = []
        self._reads = list(reads)
        self._write = write

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._reads.pop(0) if self._reads else b""
        if isinstance(data, Exception):
            raise data
        return data

    async def write(self, data: bytes) -> None:
        if self._write is not None:
            raise self._write
        self.written.append(data)


def frames(*reads: bytes | Exception, **options: Any) -> FrameStream:
    return FrameStream(Stream(*reads, **options), max_bytes=1000, ping=20, silence=300)


async def test_what_came_before_the_end_is_still_given_out() -> None:
    stream = frames(frame(1, b"a") + frame(2, b"b") + frame(8, b"\x0f\xa0bye"))
    assert [await stream.receive(), await stream.receive()] == ["a", b"b"]
    for _ in range(2):
        with pytest.raises(SocketEnded) as caught:
            await stream.receive()
        assert (caught.value.code, caught.value.reason, str(caught.value)) == (4000, "bye", "4000 bye")
    await stream.send("too late")


async def test_a_socket_that_we_closed_takes_no_more() -> None:
    stream = frames(frame(1, b"unread"), frame(8, b"\x03\xe8"))
    await stream.close(1000, "", patience=1)
    await stream.send("too late")
    assert len(stream._stream.written) == 1


@pytest.mark.parametrize("error", [httpcore.ReadError("why"), httpcore.ReadTimeout("why")])
async def test_a_network_that_fails_is_an_end(error: Exception) -> None:
    stream = frames(*[error] * 20)
    with pytest.raises(SocketEnded) as caught:
        await stream.receive()
    assert caught.value.code == 1011


async def test_what_the_server_said_last_is_heard_when_nothing_can_be_sent() -> None:
    stream = frames(frame(1, b"hi") + frame(8, b"\x0f\xa0"), write=httpcore.WriteError("why"))
    await stream.send(b"x")
    assert await stream.receive() == "hi"
    with pytest.raises(SocketEnded, match="4000"):
        await stream.receive()
    await stream.close(1000, "", patience=1)


async def test_a_bug_is_not_an_end() -> None:
    with pytest.raises(LookupError):
        await frames(LookupError("a bug")).receive()
    with pytest.raises(LookupError):
        await frames(write=LookupError("a bug")).send("x")


@pytest.mark.parametrize(
    ("got", "said"),
    [
        ((None, None), (1000, "")),
        ((1005, ""), (1000, "")),
        ((1006, None), (1001, "")),
        ((1015, "x"), (1001, "x")),
        ((999, ""), (1001, "")),
        ((2999, ""), (1001, "")),
        ((1014, "x" * 200), (1014, "x" * 123)),
        ((4999, "é" * 100), (4999, "é" * 61)),
    ],
)
def test_only_codes_and_reasons_that_a_close_frame_can_hold_are_said(got: Any, said: tuple[int, str]) -> None:
    assert sendable_close(*got) == said
