"""A request between equals with which nothing is to be done: its bytes pass, as do those of the answer."""

from __future__ import annotations

from responses_asgi.exchange.routes import Note, Route
from responses_asgi.types.asgi import Message, Receive, Scope, Send, raw_path
from responses_asgi.upstreams.context import EXTENSION, ExchangeContext
from responses_asgi.upstreams.upstream import WireAPI

__all__ = ["pass_untouched"]

# Headers that speak of a body as it came, which has since been read and decompressed.
_OF_BODY = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


async def pass_untouched(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    client: WireAPI,
    route: Route,
    owner: str = "",
    note: Note | None = None,
    body: bytes | None = None,
) -> None:
    """Call the route's upstream with the request as it is; `body` is one that was already read.

    `owner` is told to the upstream, and `note` the status that it answers with.
    """
    context = ExchangeContext(api=client, response_id="", principal=owner or None, scope=scope, request={})
    extensions = {**(scope.get("extensions") or {}), EXTENSION: context.extension()}
    inner = {**scope, "path": route.path, "raw_path": raw_path(route.path), "extensions": extensions}
    bodies: list[bytes] = []
    if body is not None:
        bodies.append(body)
        headers = [header for header in scope.get("headers") or () if header[0].lower() not in _OF_BODY]
        inner["headers"] = [*headers, (b"content-length", str(len(body)).encode())]

    async def receive_again() -> Message:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        return await receive()

    async def noting_send(message: Message) -> None:
        if note is not None and message["type"] == "http.response.start":
            await note(owner, message["status"])
        await send(message)

    await route.upstream.app(inner, receive if body is None else receive_again, noting_send if note else send)
