"""A Python function as an ASGI app that speaks Chat Completions or Responses, streamed and whole.

1. Pieces go out as they are yielded; the function is not asked for the next one before the last was sent.
2. A function that is not async runs in a thread of its own, all steps in the same thread and context.
3. When the client leaves, a generator is closed, so that its `finally` blocks run.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from responses_asgi.errors import APIError, ConfigurationError, InvalidRequestError
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import JSON, loads
from responses_asgi.upstreams.answers import Piece
from responses_asgi.upstreams.context import ExchangeContext, bridged
from responses_asgi.upstreams.handler_answers import ANSWERS, HandlerAnswer, HandlerAPI, Whole
from responses_asgi.upstreams.own_thread import OwnThread
from responses_asgi.upstreams.replies import (
    SSE_HEADERS,
    deny_websocket,
    send_error,
    send_json,
    serve_lifespan,
)
from responses_asgi.upstreams.request import RequestBody, while_client_stays

__all__ = ["HandlerUpstream"]


class HandlerUpstream:
    """The app of `Upstream.handler`, where the function's forms are explained.

    It can also be served alone: it answers POST .../chat/completions, or .../responses, by its `api`.
    """

    def __init__(self, function: Callable[..., Any], *, api: HandlerAPI = "chat") -> None:
        self._function = function
        self._api = api
        self._side = ANSWERS[api]
        self._wants_context = _wants_context(function)
        self._is_async = any(
            kind(form)
            for kind in (inspect.iscoroutinefunction, inspect.isasyncgenfunction)
            for form in (function, getattr(type(function), "__call__", None))  # noqa: B004 - the form of it counts
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await deny_websocket(receive, send)
        else:
            body = RequestBody(receive)
            await while_client_stays(receive, self._answer(scope, body, send), after=body)

    async def _answer(self, scope: Scope, body: RequestBody, send: Send) -> None:
        wire = _Wire(send)
        answer: HandlerAnswer | None = None
        try:
            _check_endpoint(scope, self._side.ending)
            await body.begin()
            request = _decoded(await body.collect())
            self._side.check(request)
            answer = self._side.answer(request)
            context = ExchangeContext.of(scope, request, api=self._api)
            async with aclosing(self._pieces(request, context)) as pieces:
                if request.get("stream"):
                    async for piece in pieces:
                        await wire.write(answer.feed(piece))
                    await wire.write(answer.end(), last=True)
                else:
                    async for piece in pieces:
                        answer.feed(piece)
                    answer.end()
                    await send_json(send, answer.document())
        except APIError as error:
            if answer is not None and wire.started:
                await wire.write(answer.fail(error), last=True)
            else:
                await send_error(send, error)

    async def _pieces(self, request: JSON, context: ExchangeContext) -> AsyncGenerator[Piece | Whole]:
        """What the function yields, or the one piece that it returns."""
        arguments = {"context": context} if self._wants_context else {}
        if self._is_async:
            async with aclosing(_async_pieces(self._function(request, **arguments))) as pieces:
                async for piece in pieces:
                    yield piece
            return
        thread = OwnThread()
        try:
            result = await thread.run(self._function, request, **arguments)
            if isinstance(result, Iterator):
                thread.close_at_end(getattr(result, "close", None))
                while (piece := await thread.run(next, result, _END)) is not _END:
                    yield piece
            else:
                async with aclosing(_async_pieces(result)) as pieces:
                    async for piece in pieces:
                        yield piece
        finally:
            thread.end()


_END: Any = object()


class _Wire:
    """The stream on the wire; nothing is sent before the first event, so that an error can be a status."""

    def __init__(self, send: Send) -> None:
        self.started = False
        self._send = send

    async def write(self, data: bytes, *, last: bool = False) -> None:
        if not (data or last):
            return
        if not self.started:
            self.started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": SSE_HEADERS})
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})


async def _async_pieces(result: Any) -> AsyncGenerator[Piece | Whole]:
    """The pieces of a result that needs no thread: an awaitable of one, an async iterator, or a value."""
    if inspect.isawaitable(result):
        result = await result
    if isinstance(result, AsyncGenerator):
        async with aclosing(result) as pieces:
            async for piece in pieces:
                yield piece
    elif isinstance(result, AsyncIterable):
        async for piece in result:
            yield piece
    else:
        yield Whole(result) if isinstance(result, Mapping) else result


def _wants_context(function: Callable[..., Any]) -> bool:
    """Whether the function takes `context`; raises ConfigurationError if it cannot be called as a handler."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"{function!r} cannot be a handler: {error}") from None
    wants = "context" in signature.parameters
    try:
        signature.bind({}, **({"context": None} if wants else {}))
    except TypeError as error:
        raise ConfigurationError(f"a handler takes request and optionally context: {error}") from None
    return wants


def _check_endpoint(scope: Scope, ending: str) -> None:
    """Behind the bridge any path is right, since the operator chose it; alone it is the API's own."""
    if bridged(scope) or (scope["method"] == "POST" and scope["path"].rstrip("/").endswith(ending)):
        return
    raise InvalidRequestError(f"There is only POST {ending} here.", status=404, code="not_found")


def _decoded(body: bytes) -> JSON:
    try:
        request = loads(body)
    except ValueError:
        raise InvalidRequestError("The body is not valid JSON.") from None
    if not isinstance(request, dict):
        raise InvalidRequestError("The body must be a JSON object.")
    return request
