"""Opening an MCP server with the SDK, which is imported when the first server is needed.

Source: https://github.com/modelcontextprotocol/python-sdk (version 2)
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from responses_asgi.errors import MissingExtraError
from responses_asgi.hosted.limits import HostedLimits
from responses_asgi.hosted.mcp_server import MCPServer
from responses_asgi.hosted.mcp_stdio import program

if TYPE_CHECKING:
    import httpx2
    from mcp import Client

__all__ = ["Notice", "need_mcp", "opened", "tools_change"]

Notice = Callable[[], None]
Reason = Callable[[str], None]


def need_mcp() -> None:
    """Raise MissingExtraError unless the SDK is installed."""
    try:
        # Version 1 has no such module.
        importlib.import_module("mcp.client.client")
    except ImportError:
        raise MissingExtraError("An MCP server", "mcp") from None


@asynccontextmanager
async def opened(
    server: MCPServer, limits: HostedLimits, *, changed: Notice, lost: Notice, broken: Reason
) -> AsyncIterator[Client]:
    """A session with the server. `changed` is called when its list of tools did, `lost` when it is gone, and
    before that `broken`, with the reason, when it is given up for what it sends.

    Must be entered and left by one task. Raises what the SDK, the network or the system has against it.
    """
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def heard(message: object) -> None:
        if getattr(message, "method", None) == "notifications/tools/list_changed":
            changed()

    client: Any
    if server.url is None:
        running = program(server, limits.message_bytes, broken)
        client = Client(_Watched(running, lost), message_handler=heard, cache=None)
        async with client:
            yield client
        return
    async with _http_client(server, limits) as http:
        transport = streamable_http_client(
            server.url, http_client=http, max_sse_event_size=limits.message_bytes
        )
        client = Client(_Watched(transport, lost), message_handler=heard, cache=None)
        async with client:
            yield client


def tools_change(client: Any) -> bool:
    """Whether the server says when its tools change, and has to be asked for it."""
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    tools = client.server_capabilities.tools
    return bool(tools and tools.list_changed) and client.protocol_version in MODERN_PROTOCOL_VERSIONS


class _Watched:
    """A transport that tells when the server's side of it ends."""

    def __init__(self, transport: Any, lost: Notice) -> None:
        self._transport = transport
        self._lost = lost

    async def __aenter__(self) -> Any:
        read, write = await self._transport.__aenter__()
        return _WatchedStream(read, self._lost), write

    async def __aexit__(self, *error: Any) -> Any:
        return await self._transport.__aexit__(*error)


class _WatchedStream:
    """The stream that the session reads; everything else about it is the transport's own."""

    def __init__(self, stream: Any, lost: Notice) -> None:
        self._stream = stream
        self._lost = lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> _WatchedStream:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._stream.__aexit__(*error)

    def __aiter__(self) -> _WatchedStream:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._lost()
            raise


def _http_client(server: MCPServer, limits: HostedLimits) -> httpx2.AsyncClient:
    import httpx2

    class Bounded(httpx2.AsyncByteStream):
        """A body that is given up when it is too large."""

        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream = stream

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self._stream:
                size += len(piece)
                if size > limits.message_bytes:
                    raise httpx2.StreamError(f"the answer is larger than {limits.message_bytes} bytes")
                yield piece

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: httpx2.Response) -> None:
        # Streams of events are bounded event by event, by the transport.
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        if not is_stream and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = Bounded(response.stream)

    timeout = httpx2.Timeout(limits.connect_timeout, read=max(300.0, limits.call_timeout))
    return httpx2.AsyncClient(
        headers=dict(server.headers), timeout=timeout, event_hooks={"response": [bound]}
    )
