"""A log as a stream of events: what is there at once, then what comes, until it has ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress

from responses_asgi.errors import StoreError
from responses_asgi.exchange.refusals import BrokenOffError
from responses_asgi.sinks import KEEP_ALIVE, Header
from responses_asgi.sse import encode
from responses_asgi.stores.event_log import EventLog, LogPage
from responses_asgi.types.asgi import Receive, Send
from responses_asgi.types.events import DONE
from responses_asgi.upstreams.replies import SSE_HEADERS
from responses_asgi.upstreams.request import while_client_stays

__all__ = ["LogStream"]

logger = logging.getLogger("responses_asgi")

# Seconds of one wait for more, where clients are sent nothing meanwhile.
_PATIENCE = 15.0

# Seconds between two tries to read.
_PAUSE = 0.5


class LogStream:
    """The stream of the log with this id.

    `keep_alive`: seconds of silence after which a comment is sent; 0 for never. `done`: whether `[DONE]` ends
    the stream. `patience`: how long a store that cannot be read is waited for.
    """

    def __init__(self, log: EventLog, id: str, *, keep_alive: float, done: bool, patience: float) -> None:
        self._log = log
        self._id = id
        self._keep_alive = keep_alive
        self._done = encode("", DONE) if done else b""
        self._patience = patience

    async def send(
        self,
        receive: Receive,
        send: Send,
        *,
        after: int,
        headers: Sequence[Header] = (),
        first: LogPage | None = None,
    ) -> bool:
        """Answer with the events whose number is above `after`, until the log has ended or the client left.

        `first` are the first of them, for who knows them without reading the log.

        False, and nothing is answered, when there is no such log, or no longer. Raises StoreError before the
        answer has begun, and BrokenOffError afterwards: the reader can come back.
        """
        first = first or await self._log.read(self._id, after=after)
        if first is None:
            return False
        there = asyncio.Event()
        there.set()
        await while_client_stays(receive, self._send(first, send, after, headers), after=there)
        return True

    async def _send(self, page: LogPage, send: Send, after: int, headers: Sequence[Header]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*SSE_HEADERS, *headers]})
        while True:
            body = b"".join([event.data for event in page.events])
            after = page.events[-1].number if page.events else after
            if page.ended:
                await send({"type": "http.response.body", "body": body + self._done})
                return
            if not body and self._keep_alive:
                body = KEEP_ALIVE
            if body:
                await send({"type": "http.response.body", "body": body, "more_body": True})
            page = await self._next(after)

    async def _next(self, after: int) -> LogPage:
        deadline = time.monotonic() + self._patience
        page: LogPage | None = None
        while True:
            with suppress(StoreError):
                page = await self._log.read(self._id, after=after, wait=self._keep_alive or _PATIENCE)
                break
            if time.monotonic() >= deadline:
                logger.warning("the stream of %s is broken off: the store cannot be read", self._id)
                raise BrokenOffError("The events of this response cannot be read.")
            await asyncio.sleep(_PAUSE)
        if page is None:
            raise BrokenOffError("The events of this response are kept no longer.")
        return page
