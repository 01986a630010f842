"""The client's side of a request: its body, and whether the client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

from responses_asgi.types.asgi import Receive

__all__ = ["STRAY_MESSAGES", "ClientGone", "RequestBody", "while_client_stays"]


# A `receive` that never waits (in hand-written drivers) must not keep the event loop busy.
STRAY_MESSAGES = 16


class ClientGone(Exception):
    """The client left while its request was read; nobody is there to be answered."""


class RequestBody:
    """The client's request body: known whole if it came in one message, else read while it is sent on."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._pieces: list[bytes] = []
        self._touched = False
        self.complete = asyncio.Event()

    async def begin(self) -> None:
        """Read the first message; most requests have no other. Raises ClientGone."""
        self._pieces = [await self._next()]

    async def collect(self) -> bytes:
        """The whole body, read to its end. Raises ClientGone."""
        while not self.complete.is_set():
            self._pieces.append(await self._next())
        self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent from its beginning (again)."""
        return not self._touched

    def content(self) -> bytes | AsyncIterator[bytes]:
        """The body as httpx takes it: bytes when it is all there, else an iterator that raises ClientGone."""
        return self._pieces[0] if self.complete.is_set() else self._stream()

    async def _stream(self) -> AsyncIterator[bytes]:
        self._touched = True
        for piece in self._pieces:
            yield piece
        while not self.complete.is_set():
            yield await self._next()

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if not message.get("more_body", False):
            self.complete.set()
        piece: bytes = message.get("body", b"")
        return piece


async def while_client_stays(receive: Receive, work: Awaitable[None], *, after: asyncio.Event) -> None:
    """Do the work, but end it (by CancelledError inside it) when the client leaves; then return as usual.

    `receive` is listened to once `after` is set, which is when the request's body has been read to its end.
    """

    async def watch(presence: asyncio.Timeout) -> None:
        await after.wait()
        for _ in range(STRAY_MESSAGES):
            if (await receive())["type"] == "http.disconnect":
                presence.reschedule(asyncio.get_running_loop().time())
                return

    try:
        # A timeout set off by hand is a cancel scope: it tells its own cancellation from another's.
        async with asyncio.timeout(None) as presence:
            watching = asyncio.create_task(watch(presence))
            try:
                await work
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    except ClientGone:
        return
    except TimeoutError:
        if not presence.expired():
            raise
