"""One upstream's try at a request: prepare, the calls, settle.

1. What the app or a hook raised is raised again after the client was told, whole, for the server's log; an
   APIError is an answer and is not raised again. Of an exception group the client is told the first leaf.
   A CancelledError that nobody asked this task for is such an exception: the app waited for a cancelled one.
2. Losses are known before the upstream is called, so that `strict` costs nobody a token.
3. What is to be kept is kept before the client learns of the end, so that it can be asked for at once; of a
   stream whose client has left, what was said until then.
4. `after_exchange` is called however the upstream call ends, also when the request's task is cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

from responses_asgi.errors import APIError, InvalidRequestError
from responses_asgi.exchange.answer import Answer
from responses_asgi.exchange.calls import Calls
from responses_asgi.exchange.compaction import CompactedTurn, compaction_of
from responses_asgi.exchange.inner_response import internal_error
from responses_asgi.exchange.interceptors import Ended
from responses_asgi.exchange.outlets import KeepingOutlet, Outlet
from responses_asgi.exchange.pairs import Pair, Past, pair_of
from responses_asgi.exchange.routes import Route, Service
from responses_asgi.exchange.tool_rounds import ToolTurn
from responses_asgi.exchange.translators import Translators
from responses_asgi.exchange.upstream_request import UpstreamRequest, upstream_request
from responses_asgi.history import Recent, Turn
from responses_asgi.history.requests import Detached
from responses_asgi.history.sealed import reasoning_seal
from responses_asgi.log_words import one_line
from responses_asgi.loss import Loss, Losses
from responses_asgi.translate.chat_over_responses import ChatOverResponses
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.messages import HISTORY
from responses_asgi.translate.rounds import Staged
from responses_asgi.translate.translator import Translator
from responses_asgi.types.asgi import Message, Receive, Scope
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.upstream import AfterExchange, Upstream, WireAPI

__all__ = ["LEFT", "Asked", "Attempt", "is_edited"]

logger = logging.getLogger("responses_asgi")

# Losses that were logged at INFO in this process; bounded, because paths hold what clients write.
_logged: set[tuple[str, str, str]] = set()
_MOST_LOGGED = 4096
_INDEX = re.compile(r"\[\d+\]")

LEFT = APIError("The client left.", status=499, type="client_error", code="client_left")
"""What an answer fails with that nobody is there for."""

_CANCELLED = APIError("The request was cancelled.", status=499, type="client_error", code="request_cancelled")

# Instead of one that is not made yet, or was given on: bodies with images are large, and streams are long.
_NO_REQUEST = UpstreamRequest({}, b"")

# Translators that know what the next turn of a Chat client needs and Chat cannot carry.
_REMEMBERING = (ChatToResponses, ChatOverResponses)

_EDITS = ("model", "set", "drop", "rename", "headers", "before_upstream", "on_event", "after_exchange")


Answering: TypeAlias = Callable[[Translator], Awaitable[ToolTurn | None]]
"""Has a Translator go on with the answer after a compaction; returns the tools that this may use."""


class Asked(NamedTuple):
    """A checked request: in which API, what, by whom, the scope it came with, and what it lost before."""

    client: WireAPI
    body: JSON
    owner: str
    scope: Scope
    losses: Sequence[Loss] = ()
    detached: Detached | None = None
    """What is told already of an answer that is made in the background; None: the client waits for it."""
    recent: Recent | None = None
    """What the client's connection remembers; None: HTTP requests have none that does."""
    headers: Mapping[str, str] = {}
    """Request headers that the upstream is sent besides the client's."""


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One try, made by `prepare` and run once."""

    asked: Asked
    path: str
    pair: Pair
    upstream: Upstream
    turn: Turn
    translator: Translator
    context: ExchangeContext
    request: UpstreamRequest
    tools: ToolTurn | None = None
    answering: Answering | None = None
    """Asks for the answer once its conversation is compacted; None where it is not."""
    translating: float = 0.0
    ended: Ended | None = None
    """What became of it, once it was run; None where nobody asks."""
    _taken: Sequence[str] = ()
    _raised: Exception | None = None
    """What was raised when a later round was prepared."""

    @classmethod
    async def prepare(cls, asked: Asked, route: Route, service: Service) -> Attempt:
        """Everything between the client's request and the upstream call. Raises APIError."""
        upstream, options, state = route.upstream, service.options, service.state
        pair = pair_of(asked.client, upstream)
        turn = await state.begin(
            asked.body,
            asked.owner,
            client=asked.client,
            spoken=pair.spoken,
            profile=upstream.profile,
            detached=asked.detached,
            recent=asked.recent,
        )
        recall = None
        if service.memory and asked.client == "chat" and (service.hosted or not pair.equal):
            recall = await service.memory.recall(asked.owner, asked.body)
        past = Past(turn.history, recall, state.new_id, reasoning_seal(state.seals, asked.owner))
        context = ExchangeContext(
            api=pair.client_api,
            response_id="",
            principal=asked.owner or None,
            scope=asked.scope,
            request=asked.body,
            headers=asked.headers,
        )
        translators = Translators(pair, upstream, options, service.hosted, context)
        body, compaction = await compaction_of(turn, pair, service.count_tokens)
        translator, tools = await translators.make(body, past)
        for loss in (*asked.losses, *turn.losses):
            translator.losses.report(loss.path, loss.action, loss.reason)
        if translator.calls > options.max_choices:
            raise InvalidRequestError(
                f"At most {options.max_choices} choices can be asked for here, got {translator.calls}.",
                param="n",
                code="invalid_value",
            )
        began = time.perf_counter()
        translated = translator.request()
        if options.strict:
            _refuse_dropped(translator.losses)
        answering: Answering | None = None
        if compaction is not None:
            compacted = CompactedTurn(compaction, translators, past, seals=state.seals, owner=asked.owner)
            translator = compacted.begin(translator, tools)
            answering = compacted.answer if compaction.answered else None
            translated = translator.request()
        translating = time.perf_counter() - began
        context.response_id = "" if pair.equal else translator.response_id
        request = _NO_REQUEST
        if tools is None or not tools.waiting:
            request = await upstream_request(
                translated, scope=asked.scope, path=route.path, upstream=upstream, context=context
            )
        return cls(
            asked=asked,
            path=route.path,
            pair=pair,
            upstream=upstream,
            turn=turn,
            translator=translator,
            context=context,
            request=request,
            tools=tools,
            answering=answering,
            translating=translating,
        )

    async def take_approvals(self) -> None:
        """Take the approvals of the calls that are run first. Raises APIError for one that was used."""
        approvals = self.turn.approvals
        if self.tools is not None and self.tools.waiting and approvals is not None:
            self._taken = await self.tools.take_approvals(approvals, kept=self.turn.keeps)

    async def give_back(self) -> None:
        """It is not run: the approvals that it has taken are free again."""
        if self._taken and self.turn.approvals is not None:
            await self.turn.approvals.give_back(self._taken)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do on the way: the bytes can pass as they are."""
        if not self.pair.equal:
            return False
        stateless = self.turn.body is self.asked.body and not (self.turn.keeps or self.turn.history.items)
        looked_at = is_edited(self.upstream) or self.tools is not None
        return stateless and not (looked_at or self.translator.losses)

    async def run(self, outlet: Outlet, *, service: Service, hold: bool = False) -> APIError | None:
        """Answer the client; with `hold`, the upstream's failure before its answer began is returned instead.

        Raises what the upstream's app or a hook raised.
        """
        keep = partial(outlet.keep, self.turn) if isinstance(outlet, KeepingOutlet) else self.turn.keep
        answer = Answer(
            self.translator,
            outlet,
            options=service.options,
            context=self.context,
            add_done=self.pair.client.adds_done(service.options),
            on_event=self.upstream.on_event,
            keep=partial(self._keep, service, keep),
            hold=hold,
            translating=self.translating,
            timed=bool(self.upstream.after_exchange or service.interceptors),
            upstream_model=self.upstream.model,
        )
        raised: BaseException | None = None
        gone = _CANCELLED
        try:
            ready = not self._waits or await self._run_approved(answer, outlet, service)
            while ready and not answer.closed:
                calls = self._calls(answer, outlet, service)
                await calls.run(self.upstream.app)
                raised = calls.raised
                ready = answer.paused and await self._go_on(answer, outlet, service)
            gone = LEFT
            if not (answer.closed or answer.started):
                await outlet.vanish()
        finally:
            unheard = answer.started and not answer.closed
            answer.abandon(gone)
            outlet.on_left = None  # a cycle, which would keep the whole exchange until cycles are collected
            if self.translator.losses:
                _log_losses(self.translator.losses, f"{self.upstream.profile.name} {self.path}")
            if self.upstream.after_exchange is not None:
                await self._settle(answer, self.upstream.after_exchange)
            if service.interceptors:
                self.ended = self._ended(answer)
            if unheard:
                await keep(self.translator.snapshot(), left=True)
        raised = raised or self._raised
        if isinstance(raised, APIError):
            logger.warning("%s failed: %s", self.context.response_id, one_line(raised))
        elif raised is not None:
            if answer.held:
                logger.error("An upstream failed, another one is asked", exc_info=raised)
            else:
                raise raised
        return answer.held

    def _calls(self, answer: Answer, outlet: Outlet, service: Service) -> Calls:
        """The upstream calls of one round, with the request as it is prepared."""
        request, self.request = self.request, _NO_REQUEST
        calls = Calls(
            answer,
            outlet.receive,
            outlet.pass_on,
            request=request,
            side=self.pair.upstream,
            cancel=bool(self.asked.body.get("stream")) or service.options.cancel_json,
            options=service.options,
            on_status=partial(service.note, self.asked.owner) if service.note else None,
        )
        outlet.on_left = calls.left
        return calls

    @property
    def _waits(self) -> bool:
        """Whether calls that people have agreed to come before the upstream's first one."""
        return self.tools is not None and self.tools.waiting

    async def _run_approved(self, answer: Answer, outlet: Outlet, service: Service) -> bool:
        """Run what was waiting for an approval; whether the upstream is to be asked then."""
        assert self.tools is not None
        receive = self._listening(outlet, service)
        stays = await self.tools.run_approved(self.translator.losses, receive)
        return stays and await self._ask_again(answer)

    async def _go_on(self, answer: Answer, outlet: Outlet, service: Service) -> bool:
        """Do what is to be done between two upstream calls; whether there is to be another one."""
        answering, self.answering = self.answering, None
        if answering is None:
            return await self._run_tools(answer, outlet, service)
        try:
            self.tools = await answering(self.translator)
        except Exception as error:
            return await self._cannot_ask(answer, error)
        return await self._ask_again(answer)

    async def _run_tools(self, answer: Answer, outlet: Outlet, service: Service) -> bool:
        """Run what the upstream has called; whether it is to be asked again."""
        assert self.tools is not None
        assert isinstance(self.translator, Staged)
        receive = self._listening(outlet, service)
        goes_on = await self.tools.run(self.translator, answer, receive)
        return goes_on and await self._ask_again(answer)

    def _listening(self, outlet: Outlet, service: Service) -> Receive:
        """What tells tools that the client has left, where that ends the answer."""
        cancel = bool(self.asked.body.get("stream")) or service.options.cancel_json
        return outlet.receive if cancel else _nothing

    async def next_request(self) -> UpstreamRequest:
        """The request of the round that begins now. Raises what `before_upstream` raises."""
        return await upstream_request(
            self.translator.request(),
            scope=self.asked.scope,
            path=self.path,
            upstream=self.upstream,
            context=self.context,
        )

    async def _ask_again(self, answer: Answer) -> bool:
        """Prepare the request of the next round; False: it cannot be made, which the client is told."""
        answer.resume()
        try:
            self.request = await self.next_request()
        except Exception as error:
            return await self._cannot_ask(answer, error)
        return True

    async def _cannot_ask(self, answer: Answer, error: Exception) -> bool:
        """The next upstream call cannot be made, which the client is told: False."""
        self._raised = error
        await answer.fail(error if isinstance(error, APIError) else internal_error())
        return False

    async def _keep(self, service: Service, keep: Callable[[JSON], Awaitable[bool]]) -> bool:
        """Keep what the next turn needs; done before the client can begin it. False when the store failed."""
        translator = self.translator
        if service.memory and isinstance(translator, _REMEMBERING) and translator.failure is None:
            await service.memory.keep(self.asked.owner, translator.remembered())
        return await keep(translator.snapshot())

    def _ended(self, answer: Answer) -> Ended:
        """What interceptors are told."""
        translator = self.translator
        answered, timings = translator.snapshot(), answer.timings()
        return Ended(
            self.upstream, answered, translator.losses, timings, translator.failure, begun=answer.started
        )

    async def _settle(self, answer: Answer, after_exchange: AfterExchange) -> None:
        """Call the hook. The answer is out, so that an exception of the hook is only logged."""
        translator = self.translator
        self.context.response_id = translator.response_id
        try:
            waiting = after_exchange(translator.snapshot(), translator.losses, answer.timings(), self.context)
            if inspect.isawaitable(waiting):
                await waiting
        except Exception:
            logger.exception("after_exchange failed for %s", self.context.response_id)


async def _nothing() -> Message:
    """The `receive` of a client of whom nothing is to be heard."""
    return await asyncio.Future[Message]()


def is_edited(upstream: Upstream) -> bool:
    """Whether requests to this upstream, or its answers, must be looked at even between equals."""
    return any(getattr(upstream, name) for name in _EDITS) or bool(upstream.profile.tool_policy)


def _refuse_dropped(losses: Losses) -> None:
    for loss in losses:
        # What earlier turns lost was told then, and is not this request's to change.
        if loss.action == "dropped" and not loss.path.startswith(HISTORY):
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
        if logger.isEnabledFor(level):
            path, reason = one_line(loss.path), one_line(loss.reason)
            logger.log(level, "%s %s, upstream %s: %s", path, loss.action, upstream, reason)
