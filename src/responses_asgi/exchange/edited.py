"""A Chat request to a Chat upstream that is edited on the way; the answer passes as it is, byte for byte.

The answer is not read, so that a model that was renamed is told by the upstream's name, and nothing can look
at its events: hooks that would are refused when the component is made.
"""

from __future__ import annotations

from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.request import parse_body, read_body
from responses_asgi.exchange.run import telling_refusals
from responses_asgi.exchange.upstream_request import UpstreamRequest, upstream_request
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.replies import send_to_nobody
from responses_asgi.upstreams.upstream import Upstream, WireAPI

__all__ = ["run_edited"]


async def run_edited(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    client: WireAPI,
    upstream: Upstream,
    upstream_path: str,
    options: Options,
    model: str | None = None,
) -> None:
    """Send one request on with the record's edits; `model` is used when the body names none.

    The app gets the outer `send`, and is told by `receive` when the client leaves.
    """
    edited: UpstreamRequest | None = None
    async with telling_refusals(send):
        body = await read_body(scope, receive, options=options)
        if body is None:
            await send_to_nobody(send)
        else:
            request = parse_body(body, max_depth=options.max_depth, model=model)
            edited = await _edited(request, scope, client=client, upstream=upstream, path=upstream_path)
    if edited is None:
        return
    bodies = [edited.body]

    async def receive_edited() -> Message:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        return await receive()

    inner_scope = edited.scope
    del edited, body
    await upstream.app(inner_scope, receive_edited, send)


async def _edited(
    request: object, scope: Scope, *, client: WireAPI, upstream: Upstream, path: str
) -> UpstreamRequest:
    if not isinstance(request, dict):
        raise InvalidRequestError("The request body must be a JSON object.")
    context = ExchangeContext(api=client, response_id="", principal=None, scope=scope, request=request)
    renamed = request if upstream.model is None else {**request, "model": upstream.model}
    return await upstream_request(renamed, scope=scope, path=path, upstream=upstream, context=context)
