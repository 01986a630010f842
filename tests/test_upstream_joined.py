"""Pieces of a body that an HTTP/1 connection has at the same time are one; none waits for another."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import pytest

from responses_asgi.upstreams.joined import joined

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
LONG = 30.0

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


class Server:
    """A bare server: `say` answers each request. `connections`: how many there were."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.connections = 0
        self.left = asyncio.Event()
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while b"\r\n\r\n" in await reader.readuntil(b"\r\n\r\n"):
                await self._say(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def serving(say: Say) -> AsyncIterator[Server]:
    server = Server(say)
    listening = await asyncio.start_server(server.answer, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    try:
        yield server
    finally:
        listening.close()


def connected(read: float = LONG) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=httpx.Timeout(LONG, read=read), trust_env=False)


@asynccontextmanager
async def asked(server: Server, client: httpx.AsyncClient | None = None) -> AsyncIterator[httpx.Response]:
    async with contextlib.AsyncExitStack() as stack:
        own = client or await stack.enter_async_context(connected())
        yield await stack.enter_async_context(own.stream("GET", server.url))


async def read(response: httpx.Response, *, decoded: bool = False) -> list[bytes]:
    return [piece async for piece in joined(response, decoded=decoded)]


def writes(*blocks: bytes) -> Say:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(blocks))

    return say


async def test_what_comes_in_one_read_is_one_piece() -> None:
    events = [b"data: %d\n\n" % number for number in range(500)]
    async with serving(writes(HEAD, chunks(*events), END)) as server, asked(server) as response:
        pieces = await read(response)
    assert b"".join(pieces) == b"".join(events)
    assert len(pieces) < 10


async def test_no_piece_waits_for_the_next_one() -> None:
    """The server says the next event only when the last one has been read."""
    was_read = asyncio.Event()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for number in range(20):
            writer.write(chunks(b"%d " % number))
            await asyncio.wait_for(was_read.wait(), LONG)
            was_read.clear()
        writer.write(END)

    pieces: list[bytes] = []
    async with serving(say) as server, asked(server) as response, asyncio.timeout(LONG):
        async for piece in joined(response, decoded=False):
            pieces.append(piece)
            was_read.set()
    assert pieces == [b"%d " % number for number in range(20)]


async def test_a_chunk_that_is_cut_anywhere_is_read() -> None:
    body = chunks(*[b"data: %d\n\n" % number for number in range(8)])

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for begin in range(0, len(body), 5):
            writer.write(body[begin : begin + 5])
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(END)

    async with serving(say) as server, asked(server) as response:
        assert b"".join(await read(response)) == b"".join(b"data: %d\n\n" % number for number in range(8))


async def test_what_came_before_a_failure_is_read_before_it_is_raised() -> None:
    say = writes(HEAD, chunks(b"one ", b"two "), b"nonsense\r\n")
    async with serving(say) as server, asked(server) as response:
        pieces = joined(response, decoded=False)
        assert await anext(pieces) == b"one two "
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)


async def test_a_server_that_dies_is_told_after_what_it_said() -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunks(b"one "))
        writer.close()

    async with serving(say) as server, asked(server) as response:
        pieces = joined(response, decoded=False)
        assert await anext(pieces) == b"one "
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(pieces)


async def test_a_read_timeout_is_raised_as_ever() -> None:
    say = writes(HEAD, chunks(b"one "))
    async with connected(0.05) as client, serving(say) as server, asked(server, client) as response:
        with pytest.raises(httpx.ReadTimeout):
            await read(response)


async def test_a_reader_that_leaves_closes_the_connection() -> None:
    async with connected() as client, serving(writes(HEAD, chunks(b"one "))) as server:
        response = await client.send(client.build_request("GET", server.url), stream=True)
        stream = response.extensions["network_stream"]
        async with aclosing(joined(response, decoded=False)) as pieces:
            assert await anext(pieces) == b"one "
            assert "read" in vars(stream)
        assert "read" not in vars(stream)
        await response.aclose()
        await asyncio.wait_for(server.left.wait(), LONG)


async def test_a_reader_may_leave_before_it_has_begun() -> None:
    async with serving(writes(HEAD, chunks(b"one "))) as server, asked(server) as response:
        async with aclosing(joined(response, decoded=False)):
            pass
        assert "read" not in vars(response.extensions["network_stream"])


async def test_a_task_that_is_cancelled_while_it_waits_closes_the_connection() -> None:
    begun = asyncio.Event()

    async def reading(response: httpx.Response) -> None:
        async with aclosing(joined(response, decoded=False)) as pieces:
            async for _ in pieces:
                begun.set()

    async with connected() as client, serving(writes(HEAD, chunks(b"one "))) as server:
        response = await client.send(client.build_request("GET", server.url), stream=True)
        task = asyncio.create_task(reading(response))
        await asyncio.wait_for(begun.wait(), LONG)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "read" not in vars(response.extensions["network_stream"])
        await asyncio.wait_for(server.left.wait(), LONG)


async def test_the_connection_is_used_again() -> None:
    async with connected() as client, serving(writes(HEAD, chunks(b"one ", b"two "), END)) as server:
        for _ in range(3):
            async with asked(server, client) as response:
                assert b"".join(await read(response)) == b"one two "
        assert server.connections == 1


async def test_an_encoded_body_is_decoded() -> None:
    body = gzip.compress(b"data: 1\n\n" * 50)
    head = HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")
    cut = [body[begin : begin + 7] for begin in range(0, len(body), 7)]
    async with serving(writes(head, chunks(*cut), END)) as server, asked(server) as response:
        assert b"".join(await read(response, decoded=True)) == b"data: 1\n\n" * 50


class Pieces(httpx.AsyncByteStream):
    """A body that is no async generator."""

    def __init__(self) -> None:
        self._left = [b"two", b"one"]

    def __aiter__(self) -> Pieces:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


async def _one_by_one() -> AsyncIterator[bytes]:
    for piece in (b"one", b"two"):
        yield piece


@pytest.mark.parametrize("body", [{"stream": Pieces()}, {"content": _one_by_one()}])
async def test_without_a_connection_the_pieces_stay_as_they_are(body: dict[str, Any]) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, **body))
    async with (
        httpx.AsyncClient(transport=transport) as client,
        client.stream("GET", "http://x/") as response,
    ):
        assert await read(response) == [b"one", b"two"]


async def test_connections_of_http_2_are_left_alone() -> None:
    """One of them reads for all of its answers."""
    response = httpx.Response(
        200, stream=Pieces(), extensions={"http_version": b"HTTP/2", "network_stream": object()}
    )
    assert await read(response) == [b"one", b"two"]


async def test_what_a_hook_has_read_is_there_still() -> None:
    async def hook(response: httpx.Response) -> None:
        await response.aread()

    client = connected()
    client.event_hooks["response"].append(hook)
    say = writes(HEAD, chunks(b"one ", b"two "), END)
    async with client, serving(say) as server, asked(server, client) as response:
        assert b"".join(await read(response)) == b"one two "
