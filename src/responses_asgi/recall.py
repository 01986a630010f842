"""What the next turn of a Chat conversation needs and Chat cannot carry, kept by the id of a tool call.

Reasoning items and item ids of a Responses upstream are kept in the store, and given back when the same owner
sends the tool call again. What the store has forgotten, or cannot be asked for, is left out of the next turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from responses_asgi.errors import StoreError
from responses_asgi.stores import Record, Records
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["CALL_TTL", "CallMemory"]

logger = logging.getLogger("responses_asgi")

KIND = "call"

CALL_TTL = 24 * 3600.0
"""Seconds for which an answer's items are kept after they were last used."""


class CallMemory:
    """Items of answers by owner and call id, in this store.

    ```python
    await memory.keep("owner", {"call_1": [{"type": "reasoning", "id": "rs_1", "summary": []}]})
    recall = await memory.recall("owner", body)  # a body whose messages have the call "call_1"
    recall("call_1")
    ```
    """

    def __init__(self, store: Records, *, ttl: float | None = CALL_TTL) -> None:
        self._store = store
        self._ttl = ttl

    async def keep(self, owner: str, remembered: Mapping[str, Sequence[JSON]]) -> None:
        """Remember the items of each call id for this owner; a store that fails is logged."""
        records = [
            Record(kind=KIND, owner=owner, id=call_id, data=dumps(list(items)), ttl=self._ttl)
            for call_id, items in remembered.items()
        ]
        if not records:
            return
        try:
            await self._store.put(*records)
        except StoreError as error:
            logger.warning("What the next turn needs could not be kept: %s", error)

    async def recall(self, owner: str, body: JSON) -> Callable[[str], Sequence[JSON]]:
        """What is kept for the tool calls in the messages of a Chat request, as a function of the call id."""
        ids = {
            call["id"]
            for message in body.get("messages") or ()
            for call in message.get("tool_calls") or ()
            if isinstance(call.get("id"), str)
        }
        if not ids:
            return _nothing
        found = await asyncio.gather(*(self._items(owner, call_id) for call_id in ids))
        known = dict(zip(ids, found, strict=True))
        return lambda call_id: known.get(call_id, ())

    async def _items(self, owner: str, call_id: str) -> Sequence[JSON]:
        try:
            record = await self._store.get(KIND, owner, call_id, renew=True)
        except StoreError as error:
            logger.warning("What this turn needs could not be found: %s", error)
            return ()
        items: Sequence[JSON] = loads(record.data) if record else ()
        return items


def _nothing(call_id: str) -> Sequence[JSON]:
    """What is kept where no call is asked for."""
    return ()
