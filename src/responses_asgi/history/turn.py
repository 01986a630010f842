"""One request to the model and its answer, as the state sees it: what came before, and what is kept of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

from responses_asgi.errors import StoreError
from responses_asgi.history.approvals import Approvals
from responses_asgi.history.chain import Kept, answer_items, message_items
from responses_asgi.history.completions import StoredCompletion
from responses_asgi.history.items import Entry, Identify, entries_of, is_name
from responses_asgi.history.requests import StateRequest
from responses_asgi.history.responses import StoredResponse
from responses_asgi.loss import Losses
from responses_asgi.stores.records import Record, Records
from responses_asgi.translate.translator import History
from responses_asgi.types.json import JSON

__all__ = ["Keeping", "Turn", "Warnings", "conversation_records"]

logger = logging.getLogger("responses_asgi")

# Statuses of answers that a conversation does not hold: they failed, or are not there yet.
_UNSAID = frozenset({"failed", "queued", "in_progress"})


class Warnings:
    """Logs that answers could not be kept, once in `every` seconds: a store that is gone fails each time."""

    def __init__(self, every: float = 60.0) -> None:
        self._every = every
        self._next = 0.0

    def not_kept(self, id: object, error: Exception) -> None:
        """Log this failure, unless one was logged just now."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            # Of a failing store, the message says enough.
            trace = None if isinstance(error, StoreError) else error
            logger.warning("%s was answered but could not be kept: %s", id, error, exc_info=trace)


class Keeping(NamedTuple):
    """How a turn is kept: the request's side of it."""

    store: Records
    kept: Kept
    new_id: Identify
    ttl: float | None
    warnings: Warnings
    asked: StateRequest
    entries: Sequence[Entry] = ()
    """The input of a Responses request."""
    messages: Sequence[JSON] = ()
    """The messages of a Chat request."""
    metadata: JSON | None = None


class Turn:
    """What `State.begin` makes of a request.

    - `body`: the request for the translator, without the fields that were acted on here, with item references
      resolved and sealed tokens opened. It is the client's own object when there was nothing to do.
    - `history`: what comes before its input, and what the response tells of that.
    - `losses`: what was lost on the way.
    - `owner`: whose turn it is.
    - `entries`: all items that come before the answer, as they were sent; None when they are not known here.
      Only for turns of a connection that remembers.
    """

    __slots__ = (
        "_keeping",
        "body",
        "entries",
        "history",
        "losses",
        "owner",
    )

    def __init__(
        self,
        body: JSON,
        owner: str,
        *,
        history: History | None = None,
        losses: Losses | None = None,
        keeping: Keeping | None = None,
        entries: Sequence[Entry] | None = None,
    ) -> None:
        self.body = body
        self.owner = owner
        self.history = History() if history is None else history
        self.losses = Losses() if losses is None else losses
        self.entries = entries
        self._keeping = keeping

    @property
    def keeps(self) -> bool:
        """Whether anything of the answer is to be kept, by its id or in a conversation."""
        asked = self._keeping and self._keeping.asked
        return asked is not None and (asked.keep or asked.conversation is not None)

    @property
    def approvals(self) -> Approvals | None:
        """Which approvals of calls were used; None where there is no store that could tell."""
        keeping = self._keeping
        return None if keeping is None else Approvals(keeping.store, self.owner, ttl=keeping.ttl)

    async def keep(self, answer: JSON, *, left: bool = False) -> bool:
        """Keep the answer, a response object or a `chat.completion`, with what it answers.

        To be called before the client is told that it is complete, so that it is there from then on. `left`:
        the client went away in the middle; a response is kept as cancelled, with what was produced. Failed
        and incomplete answers are kept too; an error in place of a completion is not.

        False when it could not be kept, which is logged; the answer is given nevertheless.
        """
        if self._keeping is None or not self.keeps:
            return True
        try:
            if records := self.records(answer, left=left):
                await self._keeping.store.put(*records)
        except Exception as error:
            # A user's own store may raise anything; its failure must not cost the client the answer.
            self._keeping.warnings.not_kept(answer.get("id"), error)
            return False
        return True

    def records(self, answer: JSON, *, left: bool = False) -> list[Record]:
        """What is kept of an answer: what has its id, if it is to have one, then the items of a conversation.

        Raises ValueError for one that cannot be kept.
        """
        keeping = self._keeping
        if keeping is not None and answer.get("choices"):
            return _completion_records(keeping, self.owner, answer)
        if keeping is not None and "output" in answer:
            return _response_records(keeping, self.owner, _left(answer) if left else answer)
        return []


def _left(response: JSON) -> JSON:
    """The response of a client that did not wait for its end."""
    return {
        **response,
        "status": "cancelled",
        "error": None,
        "incomplete_details": None,
        "completed_at": None,
    }


def _response_records(keeping: Keeping, owner: str, response: JSON) -> list[Record]:
    asked = keeping.asked
    stored = StoredResponse(
        response={**response, **asked.echo()},
        entries=keeping.entries,
        previous=asked.previous,
        conversation=asked.conversation,
    )
    records = [stored.record(owner, keeping.ttl)] if asked.keep else []
    return [*records, *conversation_records(keeping.kept, owner, stored, keeping.new_id)]


def conversation_records(
    kept: Kept, owner: str, stored: StoredResponse, new_id: Identify
) -> Sequence[Record]:
    """What the conversation of this turn, if it has one, holds of it: its input and its answer.

    Nothing of an answer that failed, is not there yet, or was cancelled before it said anything. The items
    have their own ids: keeping them once more changes nothing.
    """
    status = stored.response.get("status")
    said = status not in _UNSAID and (stored.output or status != "cancelled")
    if stored.conversation is None or not said:
        return []
    entries = [*stored.entries, *entries_of(stored.output, new_id)]
    placed = [entry._replace(turn=stored.id) for entry in entries]
    return kept.conversations.records(owner, stored.conversation, placed)


def _completion_records(keeping: Keeping, owner: str, completion: JSON) -> list[Record]:
    asked = keeping.asked
    records: list[Record] = []
    if asked.keep:
        if not is_name(completion.get("id")):
            raise ValueError("the completion has no id that it could be kept under")
        stored = StoredCompletion(
            completion=completion,
            messages=keeping.messages,
            metadata=keeping.metadata or {},
            previous=asked.previous,
            conversation=asked.conversation,
        )
        records.append(stored.record(owner, keeping.ttl))
    lost = Losses()
    answered = answer_items(completion, lost) if asked.conversation is not None else []
    if answered:
        entries = entries_of([*message_items(keeping.messages, lost), *answered], keeping.new_id)
        records += _appended(keeping, owner, completion.get("id") or "", entries)
    return records


def _appended(keeping: Keeping, owner: str, turn: str, entries: Sequence[Entry]) -> Sequence[Record]:
    """The records of these items at the end of the conversation."""
    placed = [entry._replace(turn=turn) for entry in entries]
    return keeping.kept.conversations.records(owner, str(keeping.asked.conversation), placed)
