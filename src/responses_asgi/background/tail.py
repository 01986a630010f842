"""A log as a stream of events: what is there at once, then what comes, until it has ended."""

from __future__ import annotations

import asyncio

from responses_asgi.errors import StoreError
from responses_asgi.sinks import KEEP_ALIVE
from responses_asgi.sse import encode
from responses_asgi.stores.event_log import EventLog, LogPage
from responses_asgi.types.asgi import Receive, Send
from responses_asgi.types.events import DONE
from responses_asgi.upstreams.replies import SSE_HEADERS
from responses_asgi.upstreams.request import while_client_stays

__all__ = ["send_log"]

# Seconds of one wait for more, where clients are sent nothing meanwhile.
_PATIENCE = 15.0


async def send_log(
    log: EventLog, id: str, receive: Receive, send: Send, *, after: int, keep_alive: float, done: bool
) -> bool:
    """Answer with the events whose number is above `after`, until the log has ended or the client left.

    False, and nothing is answered, when there is no such log, or no longer. `keep_alive`: seconds of silence
    after which a comment is sent; 0 for never. `done`: whether `[DONE]` ends the stream. A log that cannot be
    read any more breaks the stream off: its reader can come back. Raises StoreError.
    """
    first = await log.read(id, after=after)
    if first is None:
        return False
    there = asyncio.Event()
    there.set()
    sending = _send_log(log, id, first, send, after=after, keep_alive=keep_alive, done=done)
    await while_client_stays(receive, sending, after=there)
    return True


async def _send_log(
    log: EventLog, id: str, page: LogPage, send: Send, *, after: int, keep_alive: float, done: bool
) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": SSE_HEADERS})
    while True:
        body = b"".join([event.data for event in page.events])
        after = page.events[-1].number if page.events else after
        if page.ended:
            await send({"type": "http.response.body", "body": body + (encode("", DONE) if done else b"")})
            return
        if not body and keep_alive:
            body = KEEP_ALIVE
        if body:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        following = await log.read(id, after=after, wait=keep_alive or _PATIENCE)
        if following is None:
            raise StoreError("The events of this response were forgotten while they were read.")
        page = following
