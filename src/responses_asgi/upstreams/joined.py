"""The body of an answer in the pieces that its connection has, where httpx hands out smaller ones.

Servers write each event in an HTTP chunk of its own, and httpx hands out each chunk by itself, though a read
of the network often brings many. What is done per piece (a translation, a message, a write to the client) is
then done so many times more. Nothing waits for it: the piece ends where the next byte must come from the
network.

httpx has no word for that place, but it is where its connection reads: `network_stream`, which it shows with
each answer, is the stream that is read. While a body is read, a read first tells that it is about to wait.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from types import coroutine
from typing import Any, Final

__all__ = ["joined"]

_HTTP_1 = ("HTTP/1.1", "HTTP/1.0")
"""Where a connection has one answer at a time; any of HTTP/2's may read for all of them."""

_ABOUT_TO_WAIT: Final = object()

_Body = Coroutine[Any, Any, None]


async def joined(response: Any, *, decoded: bool) -> AsyncGenerator[bytes]:
    """The pieces of an answer's body, those that are there at the same time as one.

    `response` is of httpx or httpx2, its body unread; `decoded`: without its content encoding. Raises what
    reading the body raises, after all that came before. Without an HTTP/1 connection to be seen (another
    transport or client) the pieces stay as they are.
    """
    # What a hook of the user's client has read is there still. Else not `aiter_raw`: it costs each piece
    # three more generators, and does nothing but count bytes.
    pieces = response.aiter_bytes() if decoded or response.is_stream_consumed else aiter(response.stream)
    stream = response.extensions.get("network_stream")
    if stream is None or response.http_version not in _HTTP_1:
        try:
            async for piece in pieces:
                yield piece
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        return
    ready: list[bytes] = []
    failure: Exception | None = None
    body: _Body | None = _collect(pieces, ready)
    with _reads_announced(stream):
        try:
            while body is not None:
                running, body = body, None  # what fails is over
                try:
                    if not await _run(running):
                        body = running
                except Exception as error:
                    failure = error
                if ready:
                    yield ready[0] if len(ready) == 1 else b"".join(ready)
                    ready.clear()
        finally:
            if body is not None:
                await _leave(body)
    if failure is not None:
        raise failure


async def _collect(pieces: AsyncIterator[bytes], ready: list[bytes]) -> None:
    async for piece in pieces:
        ready.append(piece)  # noqa: PERF401 - one by one: they are taken while this waits


@contextmanager
def _reads_announced(stream: Any) -> Iterator[None]:
    """While this lasts, a read of the stream tells `_run` before it waits."""
    read = stream.read

    async def read_later(*args: Any, **options: Any) -> Any:
        await _tell_waiting()
        return await read(*args, **options)

    stream.read = read_later
    try:
        yield
    finally:
        del stream.read


@coroutine
def _tell_waiting() -> Generator[object, None, None]:
    yield _ABOUT_TO_WAIT


@coroutine
def _run(body: _Body, error: BaseException | None = None) -> Generator[Any, None, bool]:
    """Let it run until it is about to wait, or, which is told, over. `error` is raised where it stands."""
    while True:
        try:
            waits_for = body.send(None) if error is None else body.throw(error)
        except StopIteration:
            return True
        if waits_for is _ABOUT_TO_WAIT:
            return False
        error = None
        try:
            yield waits_for
        except BaseException as raised:  # the task is cancelled, and so is what the body waits for
            error = raised


async def _leave(body: _Body) -> None:
    """End a body that is not read to its end, as an async generator is: it may wait while it closes."""
    with suppress(GeneratorExit):
        await _run(body, GeneratorExit())
