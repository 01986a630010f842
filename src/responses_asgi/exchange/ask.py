"""A whole answer for ourselves: one request through an exchange, made and read in this process."""

from __future__ import annotations

import asyncio

from responses_asgi.errors import error_from_payload
from responses_asgi.exchange.routes import Choose, Service
from responses_asgi.exchange.run import run_exchange
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send, raw_path
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["ask_app", "ask_once"]

# Headers of the client that speak of its own body.
_OF_BODY = frozenset(
    {b"accept", b"content-encoding", b"content-length", b"content-type", b"transfer-encoding"}
)


async def ask_once(scope: Scope, body: JSON, *, choose: Choose, service: Service) -> JSON:
    """Ask for one response that is not streamed, as the client of `scope`, whose own body is not read.

    Raises UpstreamError, with status and error of the answer, when it is no success.
    """

    async def exchange(scope: Scope, receive: Receive, send: Send) -> None:
        await run_exchange(scope, receive, send, client="responses", choose=choose, service=service)

    document = await ask_app(exchange, scope, {**body, "stream": False})
    if document.get("status") == "failed":
        raise error_from_payload(document)
    return document


async def ask_app(app: ASGIApp, scope: Scope, body: JSON) -> JSON:
    """POST a JSON body to an app as the client of `scope` and read the JSON object that it answers.

    Raises UpstreamError, with status and error of the answer, when there is none.
    """
    sent: list[Message] = []
    content = [dumps(body)]

    async def receive() -> Message:
        if content:
            return {"type": "http.request", "body": content.pop(), "more_body": False}
        return await asyncio.Future[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    given = scope.get("headers") or ()
    headers = [header for header in given if header[0].lower() not in _OF_BODY]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(content[0])).encode())]
    path = scope["path"]
    inner = {**scope, "method": "POST", "headers": headers, "raw_path": raw_path(path), "query_string": b""}
    await app(inner, receive, send)
    status = next((message["status"] for message in sent if "status" in message), 502)
    answer = b"".join(message.get("body", b"") for message in sent)
    try:
        document = loads(answer or b"null")
    except ValueError:
        document = None
    if status >= 400 or not isinstance(document, dict):
        raise error_from_payload(document, status=status if status >= 400 else 502)
    return document
