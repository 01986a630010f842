"""MCP servers that are programs: a process each, and JSON messages over its stdin and stdout, one in a line.

1. A message that is too large, or garbage without an end, breaks the connection: no more than its bound is
   held. A line that is no message is left out, since programs greet their users.
2. The process gets a group of its own, and all of the group ends with the connection: it is asked to by the
   end of its stdin, then told to, then made to.
Source: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#stdio
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, SubprocessStreamProtocol
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from responses_asgi.hosted.mcp_server import MCPServer

__all__ = ["program"]

logger = logging.getLogger("responses_asgi")

# How long a process has to end by itself, and then again before it is killed.
_GRACE = 2.0
_POLL = 0.01
_READ = 64 * 1024
# Lines in a row that are no messages, before that is all that is expected.
_MOST_GARBAGE = 10_000

Streams = AbstractAsyncContextManager[tuple[Any, Any]]


def program(server: MCPServer, most: int, broken: Callable[[str], None]) -> Streams:
    """The transport to a server's program, for the SDK's client; messages are of `most` bytes.

    `broken` is told why, when the server is given up for what it has sent.
    """
    from mcp.client.stdio import StdioServerParameters, get_default_environment, stdio_client

    command, args, env = str(server.command), list(server.args), dict(server.env)
    if sys.platform == "win32":
        # Processes and their children need job objects there, which the SDK has; it bounds no message.
        return stdio_client(StdioServerParameters(command=command, args=args, env=env, cwd=server.cwd))
    return _running(server, get_default_environment() | env, most, broken)


@asynccontextmanager
async def _running(
    server: MCPServer, env: dict[str, str], most: int, broken: Callable[[str], None]
) -> AsyncIterator[tuple[Any, Any]]:
    import anyio

    loop = asyncio.get_running_loop()
    transport, process = await loop.subprocess_exec(
        lambda: SubprocessStreamProtocol(limit=most, loop=loop),
        str(server.command),
        *server.args,
        stdin=PIPE,
        stdout=PIPE,
        stderr=None,
        env=env,
        cwd=server.cwd,
        start_new_session=True,
    )
    # Nothing is awaited from here to `try`: a cancellation there would leave the process behind.
    heard, reading = anyio.create_memory_object_stream[Any](0)
    writing, said = anyio.create_memory_object_stream[Any](0)
    tasks = [
        loop.create_task(_read(process, heard, most, broken)),
        loop.create_task(_write(process, said)),
    ]
    try:
        yield reading, writing
    finally:
        with anyio.CancelScope(shield=True):
            try:
                for stream in (reading, writing, said):
                    stream.close()
                await _end(transport, process)
            finally:
                _signal(transport, signal.SIGKILL)
                transport.close()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _read(
    process: SubprocessStreamProtocol, heard: Any, most: int, broken: Callable[[str], None]
) -> None:
    """Hand on what the server says, until it ends; then let it say what it wants."""
    import anyio
    from mcp.shared.message import SessionMessage
    from mcp_types import jsonrpc_message_adapter

    stdout, garbage = process.stdout, 0
    assert stdout is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, ConnectionError):
        async with heard:
            while line := await _line(stdout, most, broken):
                try:
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    logger.debug("An MCP server has said what is no message: %.200r", line)
                    garbage += 1
                    if garbage > _MOST_GARBAGE:
                        broken("what it sends are no messages")
                        break
                    # What is buffered is read without a pause.
                    await asyncio.sleep(0)
                else:
                    garbage = 0
                    await heard.send(SessionMessage(message))
    while await stdout.read(_READ):
        pass


async def _line(stdout: asyncio.StreamReader, most: int, broken: Callable[[str], None]) -> bytes:
    """The next line; nothing when there is none, or when it is too long."""
    try:
        return await stdout.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        return b""
    except asyncio.LimitOverrunError:
        broken(f"it has sent a message of more than {most} bytes")
        return b""


async def _write(process: SubprocessStreamProtocol, said: Any) -> None:
    """Tell the server what the client says; at the end, or when it no longer reads, that this is all."""
    stdin = process.stdin
    assert stdin is not None
    with suppress(ConnectionError):
        async for message in said:
            stdin.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
            await stdin.drain()
    stdin.close()


async def _end(transport: asyncio.SubprocessTransport, process: SubprocessStreamProtocol) -> None:
    """Have the process and its children end, first by themselves."""
    if process.stdin is not None:
        process.stdin.close()
    if not await _ended(lambda: transport.get_returncode() is not None):
        _signal(transport, signal.SIGTERM)
        await _ended(lambda: not _signal(transport, 0))


async def _ended(over: Callable[[], bool]) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            while not over():  # noqa: ASYNC110 - a process that has ended tells it, but not its children
                await asyncio.sleep(_POLL)
    return over()


def _signal(transport: asyncio.SubprocessTransport, number: int) -> bool:
    """Send all of the group a signal; whether there is anybody."""
    try:
        os.killpg(transport.get_pid(), number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
