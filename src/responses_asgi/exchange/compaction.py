"""Turns that compact their conversation on the way: because they ask for that, or because it is too long.

| the request | the response |
| --- | --- |
| ends with an item `compaction_trigger` | a compaction item |
| has more tokens than the threshold in its `context_management` | a compaction item, then the answer |

An upstream that speaks Responses itself is given both as they are.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange.pairs import Pair, Past
from responses_asgi.exchange.token_counts import CountTokens, counted_tokens
from responses_asgi.exchange.tool_rounds import ToolTurn
from responses_asgi.exchange.translators import Translators
from responses_asgi.history import Turn
from responses_asgi.history.compaction import as_items, is_kept, summary_question
from responses_asgi.history.items import COMPACTION_TRIGGER
from responses_asgi.history.requests import without
from responses_asgi.history.sealed import summary_item, summary_token
from responses_asgi.loss import Losses
from responses_asgi.seal import Seals
from responses_asgi.translate.compacting import Compacting
from responses_asgi.translate.response_object import new_response
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.translate.token_estimate import estimate_tokens
from responses_asgi.translate.translator import History, Translator
from responses_asgi.types.json import JSON

__all__ = ["CompactedTurn", "Compaction", "compaction_of"]

FIELD = "context_management"

# A compaction reads the whole conversation. It is not worth that when less than this part of the threshold
# would be gone: the next turn would be over the threshold again.
LEAST_SHARE = 4

_COUNTED = "the model itself writes the summary"
_ESTIMATED = f"tokens are estimated, and {_COUNTED}"


class Compaction(NamedTuple):
    """What is to be done about one turn.

    `body` is its request without what asked for it, `items` the whole conversation. `answered`: whether an
    answer follows the compaction item.
    """

    body: JSON
    items: list[JSON]
    answered: bool

    def question(self, items: Sequence[JSON]) -> JSON:
        """What the model is asked for a summary; `items` is the conversation as it knows that."""
        # The limit of an answer is not one of the summary before it.
        question = summary_question(self.body, items, without=("max_output_tokens",) if self.answered else ())
        return {**question, "stream": bool(self.body.get("stream"))}

    def shorter(self, summary: str) -> JSON:
        """The request about what is left of the conversation, all of it in its input.

        What the user has said last stays last, where models look for what they are asked.
        """
        end = max(at for at, item in enumerate(self.items) if not is_kept(item)) + 1
        kept = [item for item in self.items[:end] if is_kept(item)]
        return {**self.body, "input": [*kept, summary_item(summary), *self.items[end:]]}


class CompactedTurn:
    """A turn with a compaction on its way: first `begin`, then, if an answer follows, `answer`.

    `past` is that of the turn, `owner` whose it is.
    """

    def __init__(
        self, compaction: Compaction, translators: Translators, past: Past, *, seals: Seals | None, owner: str
    ) -> None:
        self._compaction = compaction
        self._translators = translators
        self._past = past
        self._seals = seals
        self._owner = owner

    def begin(self, plain: Translator, tools: ToolTurn | None) -> Compacting:
        """The Translator of the turn; `plain` and `tools` are those that it would have without compaction."""
        compaction, past, translators = self._compaction, self._past, self._translators
        items = compaction.items if tools is None else tools.past.plain(compaction.items)
        question = compaction.question(items)
        upstream, options = translators.upstream, translators.options
        summarizing = translators.pair.translator(
            question, upstream, options, past._replace(history=History())
        )
        compacting = Compacting(summarizing, self._writer(), seal=self._token, goes_on=compaction.answered)
        for loss in plain.losses:
            compacting.losses.report(*loss)
        return compacting

    async def answer(self, compacting: Translator) -> ToolTurn | None:
        """Have it go on with the answer, once the summary is there; the tools that this may use."""
        assert isinstance(compacting, Compacting)
        assert compacting.summary is not None
        shorter = self._compaction.shorter(compacting.summary)
        history = self._past.history._replace(items=())
        answering, tools = await self._translators.make(shorter, self._past._replace(history=history))
        compacting.proceed(answering)
        return tools

    def _token(self, summary: str) -> str:
        return summary_token(summary, self._seals, self._owner)

    def _writer(self) -> ResponseWriter:
        """What writes the response, which is about the client's request."""
        body, past, dialect = self._compaction.body, self._past, self._translators.options.dialect
        response = new_response(body, response_id=past.new_id("resp_"), created_at=_now(), dialect=dialect)
        response["model"] = body.get("model") or self._translators.upstream.model or ""
        response |= past.history.echo
        return ResponseWriter(
            response, dialect=dialect, new_id=past.new_id, now=_now, queued=past.history.queued
        )


async def compaction_of(
    turn: Turn, pair: Pair, count: CountTokens | None = None
) -> tuple[JSON, Compaction | None]:
    """The request of a turn without what asks for a compaction, and the compaction that is due, if any.

    `count` counts the tokens of a request; None: they are estimated. Raises what it raises, and
    InvalidRequestError when there is nothing that could be compacted.
    """
    body = turn.body
    if pair.client_api != "responses" or pair.spoken == "responses":
        return body, None
    given = body.get("input")
    before = turn.history.items
    if isinstance(given, list) and given and given[-1].get("type") == COMPACTION_TRIGGER:
        body = without({**body, "input": given[:-1]}, (FIELD,))
        items = [*before, *as_items(body["input"])]
        if not items:
            raise InvalidRequestError(
                "There is nothing before the compaction_trigger that could be compacted.",
                param=f"input[{len(given) - 1}]",
                code="invalid_value",
            )
        return body, Compaction(body, items, answered=False)
    if not body.get(FIELD):
        return body, None
    threshold = _threshold(body[FIELD], turn.losses, _COUNTED if count else _ESTIMATED)
    body = without(body, (FIELD,))
    items = [*before, *as_items(body.get("input"))]
    if threshold is None or await _tokens({**body, "input": items}, count) <= threshold:
        return body, None
    if why := await _hindrance(body, items, threshold, count):
        turn.losses.report(FIELD, "clamped", why)
        return body, None
    return body, Compaction(body, items, answered=True)


async def _tokens(body: JSON, count: CountTokens | None) -> int:
    return estimate_tokens(body).tokens if count is None else await counted_tokens(count, body)


def _threshold(entries: Sequence[JSON], losses: Losses, how: str) -> int | None:
    """The tokens from which on a conversation is compacted; None: it never is."""
    thresholds = []
    for i, entry in enumerate(entries):
        if entry["type"] == "compaction" and entry.get("compact_threshold") is not None:
            thresholds.append(int(entry["compact_threshold"]))
        else:
            losses.report(f"{FIELD}[{i}]", "dropped", "only compaction from a threshold on is known here")
    if thresholds:
        losses.report(FIELD, "emulated", how)
    return min(thresholds, default=None)


async def _hindrance(
    body: JSON, items: Sequence[JSON], threshold: int, count: CountTokens | None
) -> str | None:
    """Why a conversation is not compacted although it is too long."""
    if any(item.get("type") == "mcp_approval_response" for item in as_items(body.get("input"))):
        return "a call that was approved is to be made first"
    gone = {"input": [item for item in items if not is_kept(item)]}
    if body.get("model"):
        gone["model"] = body["model"]  # how a text is cut into tokens depends on it
    if await _tokens(gone, count) * LEAST_SHARE < threshold:
        return "nearly all of it are messages of the user, which are kept"
    return None


def _now() -> int:
    return int(time.time())
