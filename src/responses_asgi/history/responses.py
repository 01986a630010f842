"""Stored responses: one record for each, found by its own id and by the ids of its items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from responses_asgi.history.items import Entry, is_name, listed, own_entries
from responses_asgi.history.pages import Page, Query, page_of
from responses_asgi.stores.records import Record, Records
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["RESPONSE", "WAITING", "Responses", "StoredResponse"]

RESPONSE = "response"
"""The kind of these records."""

WAITING = frozenset({"queued", "in_progress"})
"""The statuses of a response that is not there yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResponse:
    """A response and what it answers.

    - `response`: the response object as the client was told it.
    - `entries`: the request's own input, with ids; what came before it is not in it.
    - `previous`: the id of the turn before, `conversation`: that of the conversation it belongs to.
    """

    response: JSON
    entries: Sequence[Entry]
    previous: str | None = None
    conversation: str | None = None

    @property
    def id(self) -> str:
        """The id of the response."""
        return str(self.response["id"])

    @property
    def output(self) -> list[JSON]:
        """The items that were answered."""
        return list(self.response.get("output") or ())

    def input_items(self, query: Query) -> Page:
        """A page of the input, as `GET /responses/{id}/input_items` lists it."""
        return page_of([listed(entry) for entry in self.entries], query)

    def find(self, id: str) -> Entry | None:
        """The item of this turn that has this id."""
        return next((entry for entry in (*own_entries(self.output), *self.entries) if entry.id == id), None)

    def record(self, owner: str, ttl: float | None) -> Record:
        """What a store keeps of it."""
        data: JSON = {
            "response": self.response,
            "input": [entry.item for entry in self.entries],
            "input_ids": [entry.id for entry in self.entries],
            "previous": self.previous,
            "conversation": self.conversation,
        }
        ids = [item.get("id") for item in self.output] + data["input_ids"]
        names = tuple(dict.fromkeys(id for id in ids if is_name(id)))
        return Record(kind=RESPONSE, owner=owner, id=self.id, data=dumps(data), names=names, ttl=ttl)

    @classmethod
    def of(cls, record: Record) -> StoredResponse:
        """What was kept as this record."""
        data = loads(record.data)
        return cls(
            response=data["response"],
            entries=[Entry(*pair) for pair in zip(data["input_ids"], data["input"], strict=True)],
            previous=data["previous"],
            conversation=data["conversation"],
        )


class Responses:
    """The stored responses of a store. Every method raises StoreError when the store cannot be asked."""

    def __init__(self, store: Records, *, ttl: float | None = None) -> None:
        self._store = store
        self._ttl = ttl

    async def load(self, owner: str, id: str, *, renew: bool = False) -> StoredResponse | None:
        """The response with this id; None when there is none. `renew`: it is kept for its full time again."""
        record = await self._store.get(RESPONSE, owner, id, renew=renew) if is_name(id) else None
        return None if record is None else StoredResponse.of(record)

    async def keep(self, owner: str, stored: StoredResponse) -> None:
        """Keep it, in place of what has its id."""
        await self._store.put(stored.record(owner, self._ttl))

    async def delete(self, owner: str, id: str) -> bool:
        """Forget it and its items; whether there was one."""
        return is_name(id) and await self._store.delete(RESPONSE, owner, id) > 0

    async def find_item(self, owner: str, id: str) -> Entry | None:
        """The item with this id, of the newest response that has it in its input or output."""
        record = await self._store.find(RESPONSE, owner, id) if is_name(id) else None
        return None if record is None else StoredResponse.of(record).find(id)
