"""The upstream calls of one exchange: one, or several side by side whose chunks go into one answer.

1. A single call runs in the request's own task, so that the app sees its context variables. Several run in
   tasks of their own, each with a copy of the scope.
2. One pump task owns the outer `receive`: many apps never call it, so nobody else would see the client
   leave. It tells all calls.
3. The first failure fails the answer; the other calls are then given up.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from responses_asgi.errors import APIError, UpstreamError
from responses_asgi.exchange.answer import Answer
from responses_asgi.exchange.inner_call import InnerCall
from responses_asgi.exchange.inner_response import InnerResponse, internal_error
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.pairs import UpstreamSide
from responses_asgi.exchange.upstream_request import UpstreamRequest
from responses_asgi.types.asgi import ASGIApp, Message, Receive, Scope, Send
from responses_asgi.upstreams.request import STRAY_MESSAGES

__all__ = ["Calls", "asked_from_outside"]

logger = logging.getLogger("responses_asgi")


class _One(NamedTuple):
    number: int
    call: InnerCall
    response: InnerResponse
    scope: Scope


class Calls:
    """All upstream calls of one answer, made with the same request; `cancel`: see `InnerCall`.

    `on_status` is told the HTTP status that each call was answered with.
    `raised` is the first thing that an app or a hook raised, once `run` is over.
    """

    __slots__ = (
        "_all",
        "_answer",
        "_receive",
        "raised",
    )

    def __init__(
        self,
        answer: Answer,
        receive: Receive,
        send: Send,
        *,
        request: UpstreamRequest,
        side: UpstreamSide,
        cancel: bool,
        options: Options,
        on_status: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self.raised: BaseException | None = None
        self._answer = answer
        self._receive = receive
        self._all: list[_One] = []
        for number in range(answer.translator.calls):
            call = InnerCall(
                request.body, cancel=cancel, grace=options.grace, is_answered=lambda: answer.closed
            )
            response = InnerResponse(
                answer,
                call,
                send,
                side=side,
                number=number,
                limit=options.max_answer_bytes,
                on_status=on_status,
            )
            self._all.append(
                _One(number, call, response, _copied(request.scope) if number else request.scope)
            )

    def left(self) -> None:
        """The client has left."""
        for one in self._all:
            one.call.left()

    async def run(self, app: ASGIApp) -> None:
        """Make the calls, and tell the client when one fails."""
        pump = asyncio.get_running_loop().create_task(self._pump())
        try:
            if len(self._all) == 1:
                await self._run(app, self._all[0], self._all[0].response.send)
            else:
                async with asyncio.TaskGroup() as group:
                    for one in self._all:
                        group.create_task(self._run(app, one, partial(self._send, one)))
        finally:
            pump.cancel()

    async def _run(self, app: ASGIApp, one: _One, send: Send) -> None:
        answer = self._answer
        raised: BaseException | None = None
        try:
            await one.call.run(app, one.scope, send)
        except (Exception, BaseExceptionGroup, asyncio.CancelledError) as error:
            if asked_from_outside(error):
                raise
            raised = error
        if raised is not None:
            await answer.fail(_told(raised))
        elif one.number in answer.open and not one.call.client_left:
            await answer.fail(UpstreamError("The upstream ended without completing its answer.", status=502))
        self.raised = self.raised or one.response.error or raised
        self._settle(one)

    async def _send(self, one: _One, message: Message) -> None:
        """The `send` of one of several calls."""
        await one.response.send(message)
        self._settle(one)

    def _settle(self, one: _One) -> None:
        """Once the answer has failed by this call, nobody wants the others."""
        if self._answer.failed:
            for other in self._all:
                if other is not one:
                    other.call.give_up()

    async def _pump(self) -> None:
        try:
            for _ in range(STRAY_MESSAGES):
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    return self.left()
        except Exception:
            logger.debug("receive failed; the client counts as gone", exc_info=True)
            self.left()
        return None


def asked_from_outside(error: BaseException) -> bool:
    """Whether this is the cancellation that somebody has asked of the running task."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _copied(scope: Scope) -> Scope:
    """The scope for another call: what a framework writes into one does not reach the others."""
    return {
        name: copy.copy(value) if isinstance(value, dict | list) else value for name, value in scope.items()
    }


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
