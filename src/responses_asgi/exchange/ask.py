"""A whole answer for ourselves: one request through an exchange, made and read in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from responses_asgi.errors import error_from_payload
from responses_asgi.exchange.routes import Choose, Service
from responses_asgi.exchange.run import run_exchange
from responses_asgi.types.asgi import Message, Scope
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["Ask", "ask_once"]

Ask: TypeAlias = Callable[[Scope, JSON], Awaitable[JSON]]
"""`(scope, body) -> response`: the answer to a Responses create body for the client of this scope.

Raises UpstreamError with what a client would have been told.
"""


async def ask_once(scope: Scope, body: JSON, *, choose: Choose, service: Service) -> JSON:
    """Ask for one response that is not streamed, as the client of `scope`, whose own body is not read.

    Raises UpstreamError, with status and error of the answer, when it is no success.
    """
    sent: list[Message] = []
    content = [dumps({**body, "stream": False})]

    async def receive() -> Message:
        if content:
            return {"type": "http.request", "body": content.pop(), "more_body": False}
        return await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [
        (name, value)
        for name, value in scope.get("headers") or ()
        if not name.lower().startswith(b"content-")
    ]
    inner = {**scope, "method": "POST", "headers": [*headers, (b"content-type", b"application/json")]}
    await run_exchange(inner, receive, send, client="responses", choose=choose, service=service)
    status = sent[0]["status"] if sent else 502
    document = loads(b"".join(message.get("body", b"") for message in sent[1:]) or b"null")
    if status >= 400 or not isinstance(document, dict):
        raise error_from_payload(document, status=status)
    if document.get("status") == "failed":
        raise error_from_payload(document)
    return document
