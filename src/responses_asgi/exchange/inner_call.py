"""One call of the upstream's app, ended when the client leaves.

1. The app is called in the task of whoever calls `run`, which for a single call is the request's own.
2. When the client has left, the app is told by `http.disconnect`; if it has not ended after a short grace it
   is cancelled through `asyncio.timeout`, which leaves its context variables and a cancellation from outside
   as they were.
3. Once the app has sent its final body it is never cancelled: what follows are its background tasks.
4. Once the answer is complete, although the app goes on (after `[DONE]`), the server's `http.disconnect`
   means nothing any more. The app ends by itself, or is ended after `LINGER` seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from responses_asgi.types.asgi import ASGIApp, Message, Scope, Send
from responses_asgi.upstreams.request import Presence

__all__ = ["InnerCall"]

LINGER = 60.0
"""Seconds an app has, after its answer is complete, until its final body message."""


class InnerCall(Presence):
    """Made per call, with the request `body` that the app gets.

    `cancel` says whether the app is cancelled when the client leaves, `grace` seconds later; `is_answered`
    tells whether the client's answer is complete.
    """

    __slots__ = (
        "_body",
        "_cancel",
        "_finished",
        "_given_up",
        "_grace",
        "_is_answered",
        "_limit",
        "_lingers",
        "_loop",
        "_timer",
        "_waits",
        "client_left",
    )

    def __init__(self, body: bytes, *, cancel: bool, grace: float, is_answered: Callable[[], bool]) -> None:
        super().__init__()
        self.client_left = False
        self._body: bytes | None = body
        self._cancel = cancel
        self._grace = grace
        self._loop = asyncio.get_running_loop()
        self._waits: asyncio.Event | None = None
        self._is_answered = is_answered
        self._finished = False
        self._given_up = False
        self._lingers = False
        self._timer: asyncio.Handle | None = None
        self._limit: asyncio.Timeout | None = None

    async def run(self, app: ASGIApp, scope: Scope, send: Send) -> None:
        """Call the app; returns early and silently if it had to be ended. Raises what the app raises."""
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limit = limit
                await app(scope, self._receive, send)
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            self._stop_timer()
            self._limit = None

    def linger(self) -> None:
        """The answer is complete: what the app still does is its own affair, but not for ever."""
        if not self._lingers:
            self._lingers = True
            # Nearly every app is at its end before the loop turns, which spares it a timer.
            self._timer = self._loop.call_soon(self._end_after, LINGER)

    def finished(self) -> None:
        """The app has sent its final body."""
        self._finished = True
        if self._timer:
            self._stop_timer()
            if self._limit and not self._limit.expired():
                self._limit.reschedule(None)
        self._tell()

    def give_up(self) -> None:
        """Whatever the app still has to say, nobody wants it.

        It is in its own `send`, and what it does next may be to let go of what it holds (a connection), which
        must not be cut off: unless it listens, it is ended only when it goes on after that.
        """
        if not (self._finished or self._given_up):
            self._given_up = True
            self._tell()
            self._end_after(self._grace)

    def left(self) -> None:
        """The client has left."""
        if self._finished or self._is_answered():
            return
        self.client_left = True
        self._tell()
        self.leave()
        if self._cancel:
            self._end_after(self._grace)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        if not self.over:
            # Apps that never listen need no event, and most of those that do, do so once.
            self._waits = self._waits or asyncio.Event()
            await self._waits.wait()
        return {"type": "http.disconnect"}

    def _tell(self) -> None:
        """The app is to be told that nobody listens any more."""
        self.over = True
        if self._waits:
            self._waits.set()

    def _end_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(seconds, self._end)

    def _end(self) -> None:
        if self._limit and not self._limit.expired():
            self._limit.reschedule(self._loop.time())

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
