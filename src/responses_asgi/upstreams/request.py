"""The client's side of a request: its body, and whether the client is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

from responses_asgi.types.asgi import Receive

__all__ = ["STRAY_MESSAGES", "ClientGone", "Presence", "RequestBody", "while_client_stays"]


# A `receive` that never waits (in hand-written drivers) must not keep the event loop busy.
STRAY_MESSAGES = 16


class ClientGone(Exception):
    """The client left while its request was read; nobody is there to be answered."""


class Presence:
    """What calls apps and knows by itself when nobody listens to one any more.

    `over` says so. What is done in the scope `listens` is ended, by `leave`, where that is because the client
    has left before the app had sent all of its answer. The `receive` of the app is a method of it: so it is
    found by what else would have to wait for a message.
    """

    __slots__ = ("listens", "over")

    def __init__(self) -> None:
        self.over = False
        self.listens: asyncio.Timeout | None = None

    def leave(self) -> None:
        """End what listens, if there is something."""
        if self.listens is not None:
            _end(self.listens)


class RequestBody:
    """The client's request body: known whole if it came in one message, else read while it is sent on."""

    __slots__ = ("_pieces", "_receive", "_touched", "_waits", "complete")

    def __init__(self, receive: Receive) -> None:
        self.complete = False
        self._receive = receive
        self._pieces: list[bytes] = []
        self._touched = False
        self._waits: asyncio.Event | None = None

    async def begin(self) -> None:
        """Read the first message; most requests have no other. Raises ClientGone."""
        self._pieces = [await self._next()]

    async def collect(self) -> bytes:
        """The whole body, read to its end. Raises ClientGone."""
        while not self.complete:
            self._pieces.append(await self._next())
        self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    async def wait(self) -> None:
        """Return when the body was read to its end."""
        if not self.complete:
            self._waits = self._waits or asyncio.Event()  # nearly a kilobyte, and seldom needed
            await self._waits.wait()

    def drop(self) -> None:
        """Let go of what was read: it will not be sent again."""
        self._touched = True
        self._pieces = []

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent from its beginning (again)."""
        return not self._touched

    def content(self) -> bytes | AsyncIterator[bytes]:
        """The body as httpx takes it: bytes when it is all there, else an iterator that raises ClientGone."""
        return self._pieces[0] if self.complete else self._stream()

    async def _stream(self) -> AsyncIterator[bytes]:
        self._touched = True
        for piece in self._pieces:
            yield piece
        while not self.complete:
            yield await self._next()

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if not message.get("more_body", False):
            self.complete = True
            if self._waits is not None:
                self._waits.set()
        piece: bytes = message.get("body", b"")
        return piece


class Waited(Protocol):
    """What can be waited for."""

    async def wait(self) -> object: ...


async def while_client_stays(receive: Receive, work: Awaitable[None], *, after: Waited) -> None:
    """Do the work, but end it (by CancelledError inside it) when the client leaves; then return as usual.

    `receive` is listened to once `after` has come, which is when the request's body has been read to its end.
    """
    caller = getattr(receive, "__self__", None)
    try:
        # A timeout set off by hand is a cancel scope: it tells its own cancellation from another's.
        async with asyncio.timeout(None) as scope:
            # A task for each request, which only waits, is a good part of what one costs.
            if isinstance(caller, Presence) and caller.listens is None:
                caller.listens = scope
                if caller.over:
                    caller.leave()
                try:
                    await work
                finally:
                    caller.listens = None
                return
            watching = asyncio.create_task(_watch(receive, after, scope))
            try:
                await work
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    except ClientGone:
        return
    except TimeoutError:
        if not scope.expired():
            raise


async def _watch(receive: Receive, after: Waited, scope: asyncio.Timeout) -> None:
    await after.wait()
    for _ in range(STRAY_MESSAGES):
        if (await receive())["type"] == "http.disconnect":
            _end(scope)
            return


def _end(scope: asyncio.Timeout) -> None:
    if not scope.expired():
        scope.reschedule(asyncio.get_running_loop().time())
