"""What came before a turn: every turn of its chain, replayed from the first.

1. A turn is its request's own input and its answer, with calls, outputs and reasoning. Instructions are the
   request's and are not inherited.
2. A chain may lead over stored responses and stored chat completions. Several turns may continue the same
   one. What is replayed is kept for its full time again.
3. A turn in a conversation is preceded by the items that were in the conversation before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.history.completions import Completions, StoredCompletion
from responses_asgi.history.conversations import Conversations
from responses_asgi.history.items import Entry, own_entries, replayed
from responses_asgi.history.misses import Misses, too_long
from responses_asgi.history.responses import WAITING, Responses, StoredResponse
from responses_asgi.loss import Losses
from responses_asgi.profiles import profile_for
from responses_asgi.translate.call_pairs import CALL_TYPES, OUTPUT_TYPES
from responses_asgi.translate.input_items import input_items
from responses_asgi.types.json import JSON

__all__ = ["MAX_ITEMS", "Kept", "answer_items", "message_items", "replay"]

MAX_ITEMS = 10_000
"""The most items that are replayed for one request."""

PREVIOUS = "previous_response_id"


class Kept(NamedTuple):
    """All that a store has of turns."""

    responses: Responses
    completions: Completions
    conversations: Conversations
    misses: Misses


async def replay(
    kept: Kept, owner: str, id: str, *, losses: Losses, max_items: int = MAX_ITEMS
) -> list[Entry]:
    """The items of the turn with this id and of all before it, oldest first.

    Raises InvalidRequestError with the param `previous_response_id`: 400 `previous_response_not_found` when
    the turn, or one before it, is not there; 409 when it is still being made in the background; 400 when
    there are more than `max_items`.
    """
    turns: list[list[Entry]] = []
    seen: set[str] = set()
    count = 0
    wanted: str | None = id
    while wanted is not None:
        if wanted in seen:
            raise InvalidRequestError(
                f"The turns before {id!r} cannot be told apart: several answers of the upstream have the id "
                f"{wanted!r}. Send the whole conversation instead.",
                param=PREVIOUS,
                code="previous_response_not_found",
            )
        seen.add(wanted)
        stored = await _load(kept, owner, wanted)
        if stored is None:
            raise kept.misses.error("previous", wanted, status=400)
        if isinstance(stored, StoredResponse) and stored.response.get("status") in WAITING:
            raise InvalidRequestError(
                f"The response {wanted!r} is still being made; continue it when it has ended.",
                param=PREVIOUS,
                code="response_in_progress",
                status=409,
            )
        turn = _entries(stored, losses)
        if stored.conversation is not None:
            turn = await _before(kept, owner, stored, max_items) + turn
        turns.append(turn)
        # A turn without any item counts too: it is looked up like the others.
        count += len(turn) or 1
        if count > max_items:
            raise too_long(PREVIOUS, max_items)
        wanted = stored.previous
    return replayed([entry for turn in reversed(turns) for entry in turn])


def message_items(messages: Sequence[JSON], losses: Losses) -> list[JSON]:
    """Chat messages as Responses items, each message by itself: what it calls or answers may be elsewhere.

    What cannot be carried is reported as lost from `previous_response_id`, since the request that had it is
    over. Raises InvalidRequestError when a message cannot be left out either.
    """
    lost = Losses()
    items: list[JSON] = []
    for message in messages:
        made = input_items([message], stored=False, profile=profile_for("generic"), losses=lost)
        # By itself, a call is given an output, and an output a call; both are made up.
        made_up = OUTPUT_TYPES if message["role"] == "assistant" else CALL_TYPES
        items += [item for item in made if item.get("type") not in made_up]
    for loss in lost:
        if loss.action != "emulated":
            losses.report(PREVIOUS, loss.action, f"of an earlier turn's {loss.path}: {loss.reason}")
    return items


def answer_items(completion: JSON, losses: Losses) -> list[JSON]:
    """The items that a chat completion answers; of several choices, those of the first."""
    choice = completion["choices"][0]
    message, finish = {**choice["message"], "role": "assistant"}, choice.get("finish_reason")
    items = message_items([message], losses)
    if finish is None and not any(item.get("type") != "message" or item["content"] for item in items):
        # It broke off before anything was said.
        return []
    if finish in (None, "length"):
        # It may have broken off inside a call.
        return [
            {**item, "status": "incomplete"} if item.get("type") in CALL_TYPES else item for item in items
        ]
    return items


async def _load(kept: Kept, owner: str, id: str) -> StoredResponse | StoredCompletion | None:
    response = await kept.responses.load(owner, id, renew=True)
    return response or await kept.completions.load(owner, id, renew=True)


def _entries(stored: StoredResponse | StoredCompletion, losses: Losses) -> list[Entry]:
    if isinstance(stored, StoredResponse):
        return [*stored.entries, *own_entries(stored.output)]
    try:
        items = [*message_items(stored.messages, losses), *answer_items(stored.completion, losses)]
    except InvalidRequestError as error:
        raise InvalidRequestError(
            f"The chat completion {stored.id!r} cannot be continued: of its messages, {error.message}",
            param=PREVIOUS,
            code=error.code,
        ) from None
    return own_entries(items)


async def _before(
    kept: Kept, owner: str, stored: StoredResponse | StoredCompletion, most: int
) -> list[Entry]:
    """The items that were in the turn's conversation before it."""
    entries = await kept.conversations.entries(
        owner, str(stored.conversation), most=most, status=400, param=PREVIOUS
    )
    return list(takewhile(lambda entry: entry.turn != stored.id, entries))
