"""One client request, from its first byte to the hook that looks back on it: prepare, the calls, settle.

1. Before anything was sent every failure is an HTTP status with OpenAI's error body, afterwards an event (and
   `response.failed`, on Responses); in both cases once.
2. What the app or a hook raised is raised again after the client was told, whole, for the server's log; an
   APIError is an answer and is not raised again. Of an exception group the client is told the first leaf.
   A CancelledError that nobody asked this task for is such an exception: the app waited for a cancelled one.
3. Losses are known before the upstream is called, so that `strict` costs nobody a token.
4. `after_exchange` is called however the upstream call ends, also when the request's task is cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from responses_asgi.errors import APIError, InvalidRequestError
from responses_asgi.exchange.answer import Answer
from responses_asgi.exchange.calls import Calls, asked_from_outside
from responses_asgi.exchange.inner_response import internal_error
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.pairs import Pair, pair_of
from responses_asgi.exchange.request import parse_body, read_body
from responses_asgi.exchange.upstream_request import UpstreamRequest, upstream_request
from responses_asgi.loss import Losses
from responses_asgi.recall import CallMemory, owner_of
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.translator import Translator
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.replies import send_error, send_to_nobody
from responses_asgi.upstreams.upstream import Upstream, WireAPI

__all__ = ["run_exchange", "telling_refusals"]

logger = logging.getLogger("responses_asgi")

# Losses that were logged at INFO in this process; bounded, because paths hold what clients write.
_logged: set[tuple[str, str, str]] = set()
_MOST_LOGGED = 4096
_INDEX = re.compile(r"\[\d+\]")


@dataclass(slots=True)
class Prepared:
    """What is known of an exchange before its upstream is called."""

    pair: Pair
    translator: Translator
    context: ExchangeContext
    request: UpstreamRequest
    stream: bool

    def hand_over(self) -> UpstreamRequest:
        """The upstream's request, kept here no longer: bodies with images are large, and streams are long."""
        request, self.request = self.request, UpstreamRequest({}, b"")
        return request


async def run_exchange(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    client: WireAPI,
    upstream: Upstream,
    upstream_path: str,
    options: Options,
    model: str | None = None,
    memory: CallMemory | None = None,
) -> None:
    """Answer one POST of this client API from an upstream, by way of a translator.

    `upstream_path` is the `path` of the inner scope. `model` is used when the body names none, as for Azure's
    deployment paths. `memory` keeps what the next turn of a Chat client needs. Raises what the upstream's app
    or a hook raised, after the client has been told.
    """
    prepared: Prepared | None = None
    async with telling_refusals(send):
        body = await read_body(scope, receive, options=options)
        if body is None:
            await send_to_nobody(send)
        else:
            prepared = await _prepare(
                parse_body(body, max_depth=options.max_depth, model=model),
                scope,
                pair=pair_of(client, upstream),
                upstream=upstream,
                path=upstream_path,
                options=options,
                memory=memory,
            )
    if prepared is not None:
        del body
        await _call(prepared, receive, send, upstream=upstream, options=options, memory=memory)


@asynccontextmanager
async def telling_refusals(send: Send) -> AsyncIterator[None]:
    """Tell the client what is raised before anything was sent; what is no APIError is raised again."""
    try:
        yield
    except APIError as error:
        await send_error(send, error)
    except (Exception, asyncio.CancelledError) as error:
        if not asked_from_outside(error):
            await send_error(send, internal_error())
        raise


async def _prepare(
    body: object,
    scope: Scope,
    *,
    pair: Pair,
    upstream: Upstream,
    path: str,
    options: Options,
    memory: CallMemory | None,
) -> Prepared:
    """Everything between the client's body and the upstream call. Raises APIError."""
    request = pair.client.validate(body, model_required=upstream.model is None)
    recall = partial(memory.recall, owner_of(scope)) if memory else None
    translator = pair.translator(request, upstream, options, recall)
    if translator.calls > options.max_choices:
        raise InvalidRequestError(
            f"At most {options.max_choices} choices can be asked for here, got {translator.calls}.",
            param="n",
            code="invalid_value",
        )
    translated = translator.request()
    if options.strict:
        _refuse_dropped(translator.losses)
    context = ExchangeContext(
        api=pair.client_api,
        response_id="" if pair.keeps_ids else translator.response_id,
        principal=None,
        scope=scope,
        request=request,
    )
    inner = await upstream_request(translated, scope=scope, path=path, upstream=upstream, context=context)
    return Prepared(pair, translator, context, inner, stream=bool(request.get("stream")))


async def _call(
    prepared: Prepared,
    receive: Receive,
    send: Send,
    *,
    upstream: Upstream,
    options: Options,
    memory: CallMemory | None,
) -> None:
    async def outer_send(message: Message) -> None:
        try:
            await send(message)
        except OSError:
            # Servers of spec version 2.4 and later tell by this that the client has left.
            calls.left()

    translator = prepared.translator
    answer = Answer(
        translator,
        outer_send,
        stream=prepared.stream,
        options=options,
        context=prepared.context,
        add_done=prepared.pair.client.adds_done(options),
        on_event=upstream.on_event,
        on_success=partial(_remember, prepared, memory) if memory else None,
    )
    inner_path = prepared.request.scope["path"]
    calls = Calls(
        answer,
        receive,
        outer_send,
        request=prepared.hand_over(),
        side=prepared.pair.upstream,
        cancel=prepared.stream or options.cancel_json,
        options=options,
    )
    gone = APIError("The request was cancelled.", status=499, type="client_error", code="request_cancelled")
    try:
        await calls.run(upstream.app)
        gone = APIError("The client left.", status=499, type="client_error", code="client_left")
        if not (answer.closed or answer.started):
            await send_to_nobody(send)
    finally:
        answer.abandon(gone)
        _log_losses(translator.losses, f"{upstream.profile.name} {inner_path}")
        await _settle(prepared, answer, upstream)
    if isinstance(calls.raised, APIError):
        logger.warning("%s failed: %s", prepared.context.response_id, calls.raised)
    elif calls.raised is not None:
        raise calls.raised


def _remember(prepared: Prepared, memory: CallMemory) -> None:
    """Keep what the next turn needs; done before the client can begin it."""
    if isinstance(prepared.translator, ChatToResponses):
        memory.keep(owner_of(prepared.context.scope), prepared.translator.remembered())


async def _settle(prepared: Prepared, answer: Answer, upstream: Upstream) -> None:
    """Call `after_exchange`. The answer is out, so that an exception of the hook is only logged."""
    if upstream.after_exchange is None:
        return
    translator = prepared.translator
    prepared.context.response_id = translator.response_id
    try:
        waiting = upstream.after_exchange(
            translator.snapshot(), translator.losses, answer.timings(), prepared.context
        )
        if inspect.isawaitable(waiting):
            await waiting
    except Exception:
        logger.exception("after_exchange failed for %s", prepared.context.response_id)


def _refuse_dropped(losses: Losses) -> None:
    for loss in losses:
        if loss.action == "dropped":
            raise InvalidRequestError(
                f"{loss.path} cannot be carried to the upstream: {loss.reason}.",
                param=loss.path,
                code="unsupported_parameter",
            )


def _log_losses(losses: Losses, upstream: str) -> None:
    """Log what was lost both ways, each kind once at INFO."""
    for loss in losses:
        key = (upstream, _INDEX.sub("[]", loss.path), loss.action)
        level = logging.DEBUG if key in _logged or len(_logged) >= _MOST_LOGGED else logging.INFO
        if level == logging.INFO:
            _logged.add(key)
        logger.log(level, "%s %s, upstream %s: %s", loss.path, loss.action, upstream, loss.reason)
