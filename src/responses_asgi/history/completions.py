"""Stored chat completions: the answer, the messages it answers, and metadata to find it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from responses_asgi.history.items import is_name
from responses_asgi.history.misses import Misses
from responses_asgi.history.pages import Page, Query, page_of, unknown_cursor
from responses_asgi.stores.records import Record, Records
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["COMPLETION", "Completions", "StoredCompletion"]

COMPLETION = "completion"
"""The kind of these records."""

# Records read at once while a filter looks for its own.
_BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCompletion:
    """A `chat.completion` and what it answers.

    - `completion`: the object as the client was told it.
    - `messages`: those of the request; what came before them is not in it.
    - `metadata`: what the client gave it.
    - `previous`: the id of the turn before, `conversation`: that of the conversation it belongs to.
    """

    completion: JSON
    messages: Sequence[JSON]
    metadata: Mapping[str, str] = field(default_factory=dict)
    previous: str | None = None
    conversation: str | None = None

    @property
    def id(self) -> str:
        """The id of the completion."""
        return str(self.completion["id"])

    def object(self) -> JSON:
        """The completion with its metadata, as `GET /chat/completions/{id}` gives it."""
        return {**self.completion, "metadata": dict(self.metadata)}

    def list_messages(self, query: Query) -> Page:
        """A page of the request's messages, as `GET /chat/completions/{id}/messages` lists them."""
        return page_of([_listed(message, f"{self.id}-{i}") for i, message in enumerate(self.messages)], query)

    def record(self, owner: str, ttl: float | None) -> Record:
        """What a store keeps of it."""
        data: JSON = {
            "completion": self.completion,
            "messages": list(self.messages),
            "metadata": dict(self.metadata),
            "previous": self.previous,
            "conversation": self.conversation,
        }
        return Record(kind=COMPLETION, owner=owner, id=self.id, data=dumps(data), ttl=ttl)

    @classmethod
    def of(cls, record: Record) -> StoredCompletion:
        """What was kept as this record."""
        return cls(**loads(record.data))


class Completions:
    """The stored chat completions of a store. Every method raises StoreError when the store cannot be asked,
    and those that return no None raise a 404 for an id that leads nowhere."""

    def __init__(self, store: Records, misses: Misses, *, ttl: float | None = None) -> None:
        self._store = store
        self._misses = misses
        self._ttl = ttl

    async def load(self, owner: str, id: str, *, renew: bool = False) -> StoredCompletion | None:
        """The completion with this id; None when there is none. `renew`: its time begins anew."""
        record = await self._store.get(COMPLETION, owner, id, renew=renew) if is_name(id) else None
        return None if record is None else StoredCompletion.of(record)

    async def get(self, owner: str, id: str) -> StoredCompletion:
        """The completion with this id."""
        stored = await self.load(owner, id)
        if stored is None:
            raise self._misses.error("completion", id)
        return stored

    async def keep(self, owner: str, stored: StoredCompletion) -> None:
        """Keep it, in place of what has its id."""
        await self._store.put(stored.record(owner, self._ttl))

    async def update(self, owner: str, id: str, metadata: Mapping[str, str]) -> StoredCompletion:
        """Give it other metadata. Raises VersionConflictError when it is changed at the same time."""
        record = await self._store.get(COMPLETION, owner, id) if is_name(id) else None
        if record is None:
            raise self._misses.error("completion", id)
        stored = replace(StoredCompletion.of(record), metadata=metadata)
        await self._store.put(stored.record(owner, self._ttl), version=record.version)
        return stored

    async def delete(self, owner: str, id: str) -> JSON:
        """Forget it; the object that says so."""
        if not (is_name(id) and await self._store.delete(COMPLETION, owner, id)):
            raise self._misses.error("completion", id)
        return {"id": id, "object": "chat.completion.deleted", "deleted": True}

    async def list(
        self, owner: str, query: Query, *, model: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> Page:
        """A page of the owner's completions: those of this model and with all of this metadata, if given."""
        position: int | None = None
        if query.after is not None:
            cursor = await self._store.get(COMPLETION, owner, query.after) if is_name(query.after) else None
            if cursor is None:
                raise unknown_cursor(query.after)
            position = cursor.position
        wanted = set((metadata or {}).items())
        found: list[JSON] = []
        while len(found) <= query.limit:
            records = await self._store.list(
                COMPLETION, owner, after=position, limit=_BATCH, descending=query.order == "desc"
            )
            found += [
                stored.object()
                for stored in map(StoredCompletion.of, records)
                if wanted <= stored.metadata.items() and model in (None, stored.completion.get("model"))
            ]
            if len(records) < _BATCH:
                break
            position = records[-1].position
        return Page(found[: query.limit], len(found) > query.limit)


def _listed(message: JSON, id: str) -> JSON:
    """The message as a list shows it: parts have a field of their own beside the text."""
    content = message.get("content")
    if not isinstance(content, list):
        return {**message, "id": id, "content": content, "content_parts": None}
    texts = [part["text"] for part in content if isinstance(part.get("text"), str)]
    return {**message, "id": id, "content": "".join(texts) or None, "content_parts": content}
