"""Tools that the service runs, in one exchange: what the upstream is offered, and the calls between rounds.

1. A call that a person has agreed to is run before the upstream is asked (`past_calls`), and at most once:
   the request that brings the approval takes it first (`history.approvals`).
2. The calls of a round run side by side. A tool that fails is told to the model; it never breaks the stream.
3. What the client demands of the first round (`tool_choice`) is not demanded of those that follow, or no
   round would be the last. The last one that is allowed has to be an answer.
4. What it does not want to be called is never run, not even where the model does not heed it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange.answer import Answer
from responses_asgi.exchange.hosted_tools import HostedTools, Offer
from responses_asgi.exchange.interceptors import ToolRun, around_tool
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.pairs import Past, pair_of
from responses_asgi.exchange.past_calls import Approved, PastCalls
from responses_asgi.history.approvals import Approvals
from responses_asgi.loss import Losses
from responses_asgi.translate.chat_over_responses import ChatOverResponses
from responses_asgi.translate.chat_parts import ANNOTATIONS
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.hosted_calls import Tell
from responses_asgi.translate.response_object import new_response
from responses_asgi.translate.rounds import HostedCall, HostedName, HostedResult, Rounds, Staged
from responses_asgi.translate.tool_names import prefix_of
from responses_asgi.translate.tool_table import declared_tools
from responses_asgi.translate.translator import Dialect, History, NewId, Translator
from responses_asgi.types.asgi import Receive
from responses_asgi.types.json import JSON, loads
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.request import while_client_stays
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["ToolTurn", "staged"]

logger = logging.getLogger("responses_asgi")

TOO_MANY = "The limit of tool calls for this response is reached; answer with what you know."
TOO_LATE = "The time for tool calls of this response is over; answer with what you know."
BROKEN = "The tool could not be run."
USED = "This call was begun by an earlier request, and its result was not kept."
BARRED = "This tool is not to be called in this response; answer without it."

# Names of tools that a model is told which has called one that is not there.
_MOST_NAMED = 100

# What stands in a response for what a request says of its servers: as OpenAI has it.
_HIDDEN: JSON = {"authorization": "<redacted>", "headers": None}


async def staged(
    body: JSON,
    *,
    upstream: Upstream,
    options: Options,
    past: Past,
    hosted: HostedTools,
    context: ExchangeContext,
) -> tuple[Translator, ToolTurn | None] | None:
    """The translator of a request that may use tools of the service, and its tools; None: it may use none.

    `body` is the request without state. Raises InvalidRequestError for tools that it may not ask for.
    """
    outer: ChatToResponses | None = None
    history, given = past.history, body
    if context.api == "chat":
        outer = ChatToResponses(
            body,
            profile=upstream.profile,
            new_id=past.new_id,
            now=lambda: int(time.time()),
            recall=past.recall,
            reasoning_field=options.reasoning_field,
            history=history,
        )
        body, history = outer.request(), History()
    offer = await hosted.offer(body, context, history.items)
    if offer is None:
        return None
    if outer is not None and outer.calls > 1:
        alone = pair_of("chat", upstream).translator(given, upstream, options, past)
        alone.losses.report("tools", "dropped", "tools of the service are not run for several choices")
        return alone, None
    tools = ToolTurn(
        hosted, offer, context, past.new_id, images=upstream.profile.tool_images, declaring=history.items
    )
    spoken = offer.body.get("input")
    items = spoken if isinstance(spoken, list) else []
    tools.past.review(history.items, items)
    asked = {**offer.body, "input": tools.past.plain(items)} if items else dict(offer.body)
    pair = pair_of("responses", upstream)
    if pair.spoken == "chat":
        # It is heeded here, and would be reported as lost.
        asked.pop("max_tool_calls", None)
        if tools.names:
            asked["tools"] = [_loose(tool, tools.names) for tool in asked["tools"]]
    echo = {**history.echo, **_shown(body, options.dialect)}
    if outer is not None and pair.spoken == "chat":
        # Only what the upstream says of it is an answer; no response is shown that would need one.
        echo["service_tier"] = None
    before = history._replace(items=tools.past.plain(history.items), echo=echo)
    rounds = Rounds(
        lambda: pair.translator(tools.asking(asked), upstream, options, past._replace(history=before)),
        names=tools.names,
        stray=tools.stray,
        new_id=past.new_id,
        listed=tools.past.shown,
        annotations=ANNOTATIONS[options.dialect],
    )
    made = rounds if outer is None else ChatOverResponses(outer, rounds, progress=hosted.progress)
    return made, tools


def _shown(body: JSON, dialect: Dialect) -> JSON:
    """What a response tells of the client's request, where the upstream knows another one; credentials are
    not repeated."""
    told = new_response(body, response_id="", created_at=0, dialect=dialect)
    tools = [
        {**tool, **{name: stands for name, stands in _HIDDEN.items() if tool.get(name)}}
        for tool in told["tools"]
    ]
    return {**{name: told[name] for name in ("tool_choice", "max_tool_calls")}, "tools": tools}


def _loose(tool: JSON, names: Mapping[str, HostedName]) -> JSON:
    """A function of ours without `strict`: Chat takes it for loose, and not every server knows the word."""
    ours = tool.get("type") == "function" and tool.get("name") in names
    return {key: value for key, value in tool.items() if key != "strict"} if ours else tool


def _relaxed(choice: Any) -> Any:
    """A tool choice for the rounds after the one that has met it."""
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        return {**choice, "mode": "auto"}
    return "auto" if isinstance(choice, Mapping) or choice == "required" else choice


def _barred(choice: Any, names: Iterable[str]) -> frozenset[str]:
    """The tools that a request does not want to be called; not every model heeds what it is told."""
    if choice == "none":
        return frozenset(names)
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        return frozenset(names) - {tool.get("name") for tool in choice.get("tools") or ()}
    return frozenset()


class ToolTurn:
    """The tools of one exchange: made with what is offered, then asked for the Rounds, then run.

    `images`: whether the upstream can be shown images of results. `declaring`: the items of the history, in
    which the client may have declared tools of its own.
    """

    def __init__(
        self,
        hosted: HostedTools,
        offer: Offer,
        context: ExchangeContext,
        new_id: NewId,
        *,
        images: bool = True,
        declaring: Sequence[JSON] = (),
    ) -> None:
        self.past = PastCalls(offer, new_id)
        self._hosted = hosted
        self._offer = offer
        self._context = context
        self._images = images
        self._losses = Losses()
        self._declared = {
            str(tool.get("name")) for _, tool in declared_tools({"input": [], **offer.body}, declaring)
        }
        self._barred = _barred(offer.body.get("tool_choice"), offer.tools)
        self._limit = context.request.get("max_tool_calls")
        alone = context.request.get("parallel_tool_calls") is False
        self._turns = asyncio.Semaphore(1 if alone else hosted.concurrency)
        self._made = 0
        self._rounds = 1
        self._left = hosted.seconds
        self._deadline = 0.0

    @property
    def names(self) -> dict[str, HostedName]:
        """The tools by the names that the upstream knows."""
        return {
            name: HostedName(tool.label, tool.name, tool.approval, tool.typed)
            for name, tool in self._offer.tools.items()
        }

    def stray(self, name: str) -> HostedName | None:
        """What a function is that is named like a tool of a server here, which has no such tool; None: it is
        the client's, or nobody's."""
        if name in self._declared:
            return None
        labels = [label for label in self._offer.labels if label and label not in self._declared]
        for label in sorted(labels, key=len, reverse=True):
            rest = name.removeprefix(prefix_of(label))
            if rest and rest != name:
                return HostedName(label, rest)
        return None

    @property
    def waiting(self) -> bool:
        """Whether there are approved calls that are to be run before the upstream is asked."""
        return bool(self.past.waiting)

    def asking(self, body: JSON) -> JSON:
        """The request of the round that begins now."""
        if self._rounds == 1:
            return body
        last = self._rounds >= self._hosted.rounds and body.get("tools")
        choice = "none" if last else _relaxed(body.get("tool_choice"))
        return body if choice == body.get("tool_choice") else {**body, "tool_choice": choice}

    async def take_approvals(self, approvals: Approvals, *, kept: bool) -> list[str]:
        """Take the approvals of the calls that are waiting; the ids of those that were taken.

        `kept`: whether this request is kept; one that is not, and carries the question, leaves no trace. A
        call whose approval was used is not run. Raises InvalidRequestError when this request has brought it,
        and StoreError; then none is taken.
        """
        taken: list[str] = []
        waiting: list[Approved] = []
        try:
            for each in self.past.waiting:
                free = each.carried and not kept
                if free or await approvals.take(each.id):
                    waiting.append(each)
                    taken += [] if free else [each.id]
                elif each.given:
                    raise _used(each.id)
                else:
                    waiting.append(each._replace(used=True))
        except BaseException:
            await approvals.give_back(taken)
            raise
        self.past.waiting = waiting
        return taken

    async def run_approved(self, losses: Losses, receive: Receive) -> bool:
        """Run the calls that people have agreed to; False: the client has left meanwhile.

        What `past` gave for the upstream holds the results then.
        """
        waiting, self.past.waiting = self.past.waiting, []
        return await self._together([partial(self._approved, each) for each in waiting], losses, receive)

    async def run(self, rounds: Staged, answer: Answer, receive: Receive) -> bool:
        """Run the pending calls and tell what comes of each; whether the upstream is to be asked again.

        False as well when the client has left meanwhile; the calls are then cancelled.
        """
        calls = [partial(self._settle, rounds, call, answer) for call in rounds.pending]
        if not await self._together(calls, rounds.losses, receive):
            return False
        self._rounds += 1
        if rounds.goes_on and self._rounds <= self._hosted.rounds:
            rounds.next_round()
            return True
        await answer.conclude(rounds.end())
        return False

    async def _together(
        self, calls: Sequence[Callable[[], Coroutine[Any, Any, None]]], losses: Losses, receive: Receive
    ) -> bool:
        """Run calls side by side, within the time that is left; False: the client has left meanwhile."""
        there = asyncio.Event()
        there.set()
        done = False

        async def work() -> None:
            nonlocal done
            async with asyncio.TaskGroup() as group:
                for call in calls:
                    group.create_task(call())
            done = True

        self._deadline = time.monotonic() + self._left
        await while_client_stays(receive, work(), after=there)
        self._left = self._deadline - time.monotonic()
        for loss in self._losses:
            losses.report(*loss)
        return done

    async def _settle(self, rounds: Staged, call: HostedCall, answer: Answer) -> None:
        async def tell(seen: JSON) -> None:
            await answer.tell(rounds.sight(call, seen))

        stray = None if call.name in self._offer.tools else self.stray(call.name)
        if call.name in self._barred:
            result = HostedResult(BARRED, failed=True)
        elif stray is not None:
            result = HostedResult(self._unknown(call.name, stray.label), failed=True)
        else:
            async with self._turns:
                result = await self._result(call.name, call.arguments, tell)
        await answer.tell(rounds.settle(call, result))

    def _unknown(self, name: str, label: str) -> str:
        """What the model is told that has called a tool which the server does not have."""
        there = sorted(each for each, tool in self._offer.tools.items() if tool.label == label)
        if not there:
            return f"There is no tool {name!r:.100}, and none of the server {label!r:.100} at present."
        shown = ", ".join(there[:_MOST_NAMED]) + (", ..." if len(there) > _MOST_NAMED else "")
        return f"There is no tool {name!r:.100}. Those of the server {label!r:.100} are: {shown}."

    async def _approved(self, approved: Approved) -> None:
        if approved.used:
            result = HostedResult(USED, failed=True)
        else:
            async with self._turns:
                result = await self._result(approved.name, approved.arguments, _unseen)
        self.past.decide(approved.question, result)

    async def _result(self, name: str, written: str, tell: Tell) -> HostedResult:
        if self._limit is not None and self._made >= self._limit:
            return HostedResult(TOO_MANY, failed=True)
        self._made += 1
        try:
            arguments: Any = loads(written or "{}")
        except ValueError as error:
            return HostedResult(f"The arguments are not valid JSON: {error}", failed=True)
        if not isinstance(arguments, dict):
            return HostedResult("The arguments must be a JSON object.", failed=True)
        tool = self._offer.tools[name]
        try:
            async with asyncio.timeout(max(self._deadline - time.monotonic(), 0)) as limit:
                run = ToolRun(label=tool.label, name=tool.name, arguments=arguments)
                with around_tool(run):
                    run.result = await tool.call(arguments, self._context, tell)
                return self._fitting(run.result)
        except Exception:
            if limit.expired():
                return HostedResult(TOO_LATE, failed=True)
            logger.exception("Hosted tool %s of %s failed", tool.name, tool.label)
            return HostedResult(BROKEN, failed=True)

    def _fitting(self, result: HostedResult) -> HostedResult:
        """The result as the upstream can take it."""
        if not result.parts or self._images:
            return result
        self._losses.report(
            "output.mcp_call.output", "dropped", "the upstream is not shown images of results"
        )
        return result._replace(parts=())


def _used(id: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"The approval request {id!r:.100} was approved by another request already, and its call is made "
        "at most once. Continue the response to that request, or have the model ask again.",
        param="input",
        code="approval_already_used",
    )


async def _unseen(seen: JSON) -> None:
    """What a call that was waiting for an approval lets see of its result is not told."""
