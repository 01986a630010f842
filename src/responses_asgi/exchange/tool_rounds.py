"""Tools that the service runs, in one exchange: what the upstream is offered, and the calls between rounds.

1. What earlier turns show of such calls becomes what the upstream said and was told then.
2. A call that a person has agreed to is run before the upstream is asked; one that was refused is told so.
3. The calls of a round run side by side. A tool that fails is told to the model; it never breaks the stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange.answer import Answer
from responses_asgi.exchange.hosted_tools import HostedTools, Offer
from responses_asgi.exchange.interceptors import ToolRun, around_tool
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.pairs import Past, pair_of
from responses_asgi.translate.chat_over_responses import ChatOverResponses
from responses_asgi.translate.chat_to_responses import ChatToResponses
from responses_asgi.translate.rounds import HostedCall, HostedName, HostedResult, Rounds, Staged
from responses_asgi.translate.translator import History, NewId, Translator
from responses_asgi.types.asgi import Receive
from responses_asgi.types.json import JSON, loads
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.request import while_client_stays
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["ToolTurn", "staged"]

TOO_MANY = "The limit of tool calls for this response is reached; answer with what you know."
TOO_LATE = "The time for tool calls of this response is over; answer with what you know."
REFUSED = "The user did not agree to this call."


async def staged(
    body: JSON,
    *,
    upstream: Upstream,
    options: Options,
    past: Past,
    hosted: HostedTools,
    context: ExchangeContext,
) -> tuple[Translator, ToolTurn] | None:
    """The translator of a request that may use tools of the service, and its tools; None: it may use none.

    `body` is the request without state. Raises InvalidRequestError for tools that it may not ask for.
    """
    outer: ChatToResponses | None = None
    history = past.history
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
    tools = ToolTurn(hosted, offer, context)
    given = offer.body.get("input")
    items = given if isinstance(given, list) else []
    await tools.decide([*history.items, *items], past.new_id)
    asked = {**offer.body, "input": tools.plain(items)} if items else offer.body
    shown: JSON = {name: body[name] for name in ("tools", "tool_choice") if name in body}
    before = History(tools.plain(history.items), {**history.echo, **shown})
    pair = pair_of("responses", upstream)
    rounds = Rounds(
        lambda: pair.translator(asked, upstream, options, past._replace(history=before)),
        names=tools.names,
        new_id=past.new_id,
        listed=tools.shown,
    )
    return (rounds if outer is None else ChatOverResponses(outer, rounds)), tools


class _Approved(NamedTuple):
    """A call that a person has decided about: the question, and the answer to it."""

    request: JSON
    response: JSON


class ToolTurn:
    """The tools of one exchange: made with what is offered, then asked for the Rounds, then run."""

    def __init__(self, hosted: HostedTools, offer: Offer, context: ExchangeContext) -> None:
        self._hosted = hosted
        self._offer = offer
        self._context = context
        self._by_tool = {(tool.label, tool.name): name for name, tool in offer.tools.items()}
        self._limit = context.request.get("max_tool_calls")
        self._made = 0
        self._rounds = 1
        self._deadline = time.monotonic() + hosted.seconds
        self._shown: list[JSON] = list(offer.listed)
        self._decided: dict[str, JSON] = {}

    @property
    def names(self) -> dict[str, HostedName]:
        """The tools by the names that the upstream knows."""
        return {
            name: HostedName(tool.label, tool.name, tool.approval) for name, tool in self._offer.tools.items()
        }

    @property
    def shown(self) -> list[JSON]:
        """The items that are told before the upstream says anything."""
        return self._shown

    async def decide(self, items: Sequence[JSON], new_id: NewId) -> None:
        """Run the calls that were waiting for an approval and have it now.

        `items` are those of the history and the input. Raises InvalidRequestError for an answer to a question
        that is not among them.
        """
        questions = {item.get("id"): item for item in items if item.get("type") == "mcp_approval_request"}
        answered = {item.get("approval_request_id") for item in items if item.get("type") == "mcp_call"}
        for item in items:
            if item.get("type") != "mcp_approval_response" or item.get("approval_request_id") in answered:
                continue
            question = questions.get(item.get("approval_request_id"))
            if question is None:
                raise InvalidRequestError(
                    f"There is no approval request {item.get('approval_request_id')!r:.100}.",
                    param="input",
                    code="invalid_value",
                )
            await self._decide(_Approved(question, item), new_id)

    def plain(self, items: Sequence[JSON]) -> list[JSON]:
        """The items as the upstream knows them: what it called by its own names, and what it was told."""
        plain: list[JSON] = []
        for item in items:
            kind = item.get("type")
            if kind == "mcp_call":
                plain += self._pair(item, item.get("output"), item.get("error"))
            elif kind == "mcp_approval_request" and item["id"] in self._decided:
                decided = self._decided[item["id"]]
                plain += self._pair(item, decided.get("output"), decided.get("error"))
            elif kind not in ("mcp_list_tools", "mcp_approval_request", "mcp_approval_response"):
                plain.append(item)
        return plain

    async def run(self, rounds: Staged, answer: Answer, receive: Receive) -> bool:
        """Run the pending calls and tell what comes of each; whether the upstream is to be asked again.

        False as well when the client has left meanwhile; the calls are then cancelled.
        """
        there = asyncio.Event()
        there.set()
        done = False

        async def work() -> None:
            nonlocal done
            turns = asyncio.Semaphore(self._hosted.concurrency)
            async with asyncio.TaskGroup() as group:
                for call in list(rounds.pending):
                    group.create_task(self._settle(rounds, call, answer, turns))
            done = True

        await while_client_stays(receive, work(), after=there)
        if not done:
            return False
        self._rounds += 1
        if rounds.goes_on and self._rounds <= self._hosted.rounds:
            rounds.next_round()
            return True
        await answer.conclude(rounds.end())
        return False

    async def _settle(
        self, rounds: Staged, call: HostedCall, answer: Answer, turns: asyncio.Semaphore
    ) -> None:
        async with turns:
            result = await self._result(call.name, call.arguments)
        await answer.tell(rounds.settle(call, result))

    async def _result(self, name: str, written: str) -> HostedResult:
        if self._limit is not None and self._made >= self._limit:
            return HostedResult(TOO_MANY, failed=True)
        self._made += 1
        left = self._deadline - time.monotonic()
        try:
            arguments: Any = loads(written or "{}")
        except ValueError as error:
            return HostedResult(f"The arguments are not valid JSON: {error}", failed=True)
        if not isinstance(arguments, dict):
            return HostedResult("The arguments must be a JSON object.", failed=True)
        try:
            async with asyncio.timeout(max(left, 0)):
                tool = self._offer.tools[name]
                run = ToolRun(label=tool.label, name=tool.name, arguments=arguments)
                with around_tool(run):
                    run.result = await tool.call(arguments, self._context)
                return run.result
        except TimeoutError:
            return HostedResult(TOO_LATE, failed=True)

    async def _decide(self, approved: _Approved, new_id: NewId) -> None:
        question, said = approved
        name = self._by_tool.get((str(question.get("server_label")), str(question.get("name"))))
        call: JSON = {
            "id": new_id("mcp_"),
            "type": "mcp_call",
            "server_label": question.get("server_label"),
            "name": question.get("name"),
            "arguments": question.get("arguments") or "{}",
            "output": None,
            "error": None,
            "approval_request_id": question["id"],
        }
        if not said.get("approve"):
            why = f"{REFUSED} {said.get('reason') or ''}".strip()
            self._decided[question["id"]] = {"error": why}
            return
        if name is None:
            result = HostedResult("There is no such tool any more.", failed=True)
        else:
            result = await self._result(name, call["arguments"])
        ended = {"error": result.output, "status": "failed"} if result.failed else {"output": result.output}
        self._decided[question["id"]] = ended
        self._shown.append({**call, "status": "completed", **ended})

    def _pair(self, item: JSON, output: object, error: object) -> list[JSON]:
        """A call and its result as a function's; the id of the item joins them."""
        place = (str(item.get("server_label")), str(item.get("name")))
        name = self._by_tool.get(place) or "__".join(place)
        told = output if isinstance(output, str) else error
        called = {"call_id": item["id"], "name": name, "arguments": item.get("arguments") or "{}"}
        answer = {"call_id": item["id"], "output": told if isinstance(told, str) else "No result was kept."}
        return [{"type": "function_call", **called}, {"type": "function_call_output", **answer}]
