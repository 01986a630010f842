"""One POST /responses, from its first byte to the hook that looks back on it: prepare, the call, settle.

1. Before anything was sent every failure is an HTTP status with OpenAI's error body, afterwards `error` and
   `response.failed`; in both cases once.
2. What the app or a hook raised is raised again after the client was told, whole, for the server's log; an
   APIError is an answer and is not raised again. Of an exception group the client is told the first leaf.
   A CancelledError that nobody asked this task for is such an exception: the app waited for a cancelled one.
3. Losses are known before the upstream is called, so that `strict` costs nobody a token.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import secrets
import time
from dataclasses import dataclass

from responses_asgi.errors import APIError, InvalidRequestError, UpstreamError
from responses_asgi.exchange.answer import Answer
from responses_asgi.exchange.inner_call import InnerCall
from responses_asgi.exchange.inner_response import InnerResponse, internal_error
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.request import parse_body, read_body
from responses_asgi.exchange.upstream_request import UpstreamRequest, upstream_request
from responses_asgi.loss import Losses
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.types.responses import validate_request
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.replies import send_error
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["run_exchange"]

logger = logging.getLogger("responses_asgi")

# Losses that were logged at INFO in this process; bounded, because paths hold what clients write.
_logged: set[tuple[str, str, str]] = set()
_MOST_LOGGED = 4096
_INDEX = re.compile(r"\[\d+\]")


@dataclass(slots=True)
class Prepared:
    """What is known of an exchange before its upstream is called."""

    translator: ResponsesToChat
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
    upstream: Upstream,
    upstream_path: str,
    options: Options,
    model: str | None = None,
) -> None:
    """Answer one POST /responses from a Chat Completions upstream.

    `upstream_path` is the `path` of the inner scope. `model` is used when the body names none, as for Azure's
    deployment paths. Raises what the upstream's app or a hook raised, after the client has been told.
    """
    try:
        prepared = await _prepare(
            scope, receive, upstream=upstream, path=upstream_path, options=options, model=model
        )
    except APIError as error:
        await send_error(send, error)
    except (Exception, asyncio.CancelledError) as error:
        if not _asked_from_outside(error):
            await send_error(send, internal_error())
        raise
    else:
        if prepared is not None:
            await _call(prepared, receive, send, upstream=upstream, options=options)


async def _prepare(
    scope: Scope, receive: Receive, *, upstream: Upstream, path: str, options: Options, model: str | None
) -> Prepared | None:
    """Everything up to the upstream call; None when the client left meanwhile. Raises APIError."""
    body = await read_body(scope, receive, options=options)
    if body is None:
        return None
    request = parse_body(body, max_depth=options.max_depth)
    if model is not None and isinstance(request, dict) and not request.get("model"):
        request = {**request, "model": model}
    request = validate_request(request)
    translator = ResponsesToChat(
        request,
        profile=upstream.profile,
        new_id=_new_id,
        now=_now,
        dialect=options.dialect,
        upstream_model=upstream.model,
    )
    chat = translator.request()
    if options.strict:
        _refuse_dropped(translator.losses)
    context = ExchangeContext(
        api="responses",
        response_id=translator.response_id,
        principal=None,
        scope=scope,
        request=request,
    )
    inner = await upstream_request(chat, scope=scope, path=path, upstream=upstream, context=context)
    return Prepared(translator, context, inner, stream=bool(request.get("stream")))


async def _call(
    prepared: Prepared, receive: Receive, send: Send, *, upstream: Upstream, options: Options
) -> None:
    async def outer_send(message: Message) -> None:
        try:
            await send(message)
        except OSError:
            # Servers of spec version 2.4 and later tell by this that the client has left.
            call.left()

    answer = Answer(
        prepared.translator,
        outer_send,
        stream=prepared.stream,
        options=options,
        context=prepared.context,
        on_event=upstream.on_event,
    )
    request = prepared.hand_over()
    call = InnerCall(
        receive,
        request.body,
        cancel=prepared.stream or options.cancel_json,
        grace=options.grace,
        is_answered=lambda: answer.closed,
    )
    response = InnerResponse(answer, call, outer_send, limit=options.max_answer_bytes)
    inner_scope = request.scope
    del request
    raised: BaseException | None = None
    try:
        try:
            await call.run(upstream.app, inner_scope, response.send)
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
            if _asked_from_outside(error):
                raise
            raised = error
        if raised is not None:
            await answer.fail(_told(raised))
        elif call.client_left:
            answer.abandon(APIError("The client left.", status=499, type="client_error", code="client_left"))
        else:
            await answer.fail(UpstreamError("The upstream ended without completing its answer.", status=502))
    finally:
        answer.stop()
    _log_losses(prepared.translator.losses, f"{upstream.profile.name} {inner_scope['path']}")
    await _settle(prepared, answer, upstream)
    raised = response.error or raised
    if isinstance(raised, APIError):
        logger.warning("%s failed: %s", prepared.context.response_id, raised)
    elif raised is not None:
        raise raised


async def _settle(prepared: Prepared, answer: Answer, upstream: Upstream) -> None:
    """Call `after_exchange`. The answer is out, so that an exception of the hook is only logged."""
    if upstream.after_exchange is None:
        return
    translator = prepared.translator
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


def _told(error: BaseException) -> APIError:
    """What the client is told of an exception of the app."""
    leaf = _first_leaf(error)
    return leaf if isinstance(leaf, APIError) else internal_error()


def _first_leaf(error: BaseException) -> BaseException:
    """The first exception inside nested groups that is not just a cancelled neighbour of it."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = [_first_leaf(inner) for inner in error.exceptions]
    return next((leaf for leaf in leaves if not isinstance(leaf, asyncio.CancelledError)), leaves[0])


def _asked_from_outside(error: BaseException) -> bool:
    """Whether this is the cancellation that somebody has asked of the request's task."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _new_id(prefix: str) -> str:
    return prefix + secrets.token_hex(16)


def _now() -> int:
    return int(time.time())
