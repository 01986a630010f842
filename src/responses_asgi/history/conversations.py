"""Conversations: an object, and items that are records of their own beside it.

1. The id of an item's record begins with that of its conversation, so that one item may be in several.
2. Using a conversation renews it; its items are renewed with it, though not each time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from responses_asgi.errors import InvalidRequestError, VersionConflictError
from responses_asgi.history.items import Entry, Identify, input_entries, is_name, listed
from responses_asgi.history.misses import Misses, too_long
from responses_asgi.history.pages import Page, Query, unknown_cursor
from responses_asgi.stores.records import Record, Records
from responses_asgi.translate.messages import item_type
from responses_asgi.types.json import JSON, dumps, loads
from responses_asgi.types.responses import check_item

__all__ = ["CONVERSATION", "ITEM", "MAX_ADDED", "Conversations"]

CONVERSATION = "conversation"
ITEM = "conversation.item"
"""The kinds of these records."""

MAX_ADDED = 20
"""Items that one request may add; the API's limit."""

_BATCH = 100

# Seconds after which the items of a conversation in use are renewed, where no ttl says otherwise.
RENEWED_EVERY = 900.0


class Conversations:
    """The conversations of a store.

    Every method raises StoreError when the store cannot be asked, a 404 for an id that leads nowhere, and
    InvalidRequestError for items that cannot be kept.
    """

    def __init__(
        self,
        store: Records,
        misses: Misses,
        *,
        new_id: Identify,
        now: Callable[[], float],
        ttl: float | None = None,
    ) -> None:
        self._store = store
        self._misses = misses
        self._new_id = new_id
        self._now = now
        self._ttl = ttl
        self._renewed_every = RENEWED_EVERY if ttl is None else ttl / 4

    # The object

    async def create(
        self, owner: str, items: Sequence[JSON] = (), metadata: Mapping[str, str] | None = None
    ) -> JSON:
        """Begin a conversation, with at most 20 items."""
        entries = self._added(items)
        now = self._now()
        data = {"created_at": int(now), "metadata": dict(metadata or {}), "renewed_at": now}
        id = self._new_id("conv_")
        await self._store.put(self._record(owner, id, data), *self.records(owner, id, entries))
        return _object(id, data)

    async def get(self, owner: str, id: str) -> JSON:
        """The conversation object."""
        return _object(id, loads((await self._kept(owner, id)).data))

    async def update(self, owner: str, id: str, metadata: Mapping[str, str]) -> JSON:
        """Give it other metadata. Raises VersionConflictError when it is changed at the same time."""
        record = await self._kept(owner, id)
        data = {**loads(record.data), "metadata": dict(metadata)}
        await self._store.put(self._record(owner, id, data), version=record.version)
        return _object(id, data)

    async def delete(self, owner: str, id: str) -> JSON:
        """Forget it and its items; the object that says so."""
        await self._kept(owner, id)
        await self._store.delete(CONVERSATION, owner, id)
        while records := await self._store.list(ITEM, owner, parent=id, limit=_BATCH):
            await self._store.delete(ITEM, owner, *(record.id for record in records))
        return {"id": id, "object": "conversation.deleted", "deleted": True}

    # Its items

    async def add(self, owner: str, id: str, items: Sequence[JSON]) -> Page:
        """Append at most 20 items; the list of them."""
        await self._kept(owner, id, renew=True)
        entries = self._added(items)
        await self._store.put(*self.records(owner, id, entries))
        return Page([listed(entry) for entry in entries], has_more=False)

    async def list(self, owner: str, id: str, query: Query) -> Page:
        """A page of its items."""
        await self._kept(owner, id)
        position: int | None = None
        if query.after is not None:
            cursor = await self._item(owner, id, query.after)
            if cursor is None:
                raise unknown_cursor(query.after)
            position = cursor.position
        records = await self._store.list(
            ITEM,
            owner,
            parent=id,
            after=position,
            limit=query.limit + 1,
            descending=query.order == "desc",
        )
        return Page([listed(_entry(record)) for record in records[: query.limit]], len(records) > query.limit)

    async def item(self, owner: str, id: str, item_id: str) -> JSON:
        """One of its items."""
        await self._kept(owner, id)
        record = await self._item(owner, id, item_id)
        if record is None:
            raise self._misses.error("item", item_id)
        return listed(_entry(record))

    async def delete_item(self, owner: str, id: str, item_id: str) -> JSON:
        """Forget one of its items; the conversation object."""
        conversation = await self.get(owner, id)
        if not (is_name(item_id) and await self._store.delete(ITEM, owner, _place(id, item_id))):
            raise self._misses.error("item", item_id)
        return conversation

    # For turns

    async def entries(
        self, owner: str, id: str, *, most: int, status: int = 404, param: str = "conversation"
    ) -> Sequence[Entry]:
        """All of its items in order, for a turn; it and they are kept for their full time again.

        `status` and `param` are those of the errors: for an id that leads nowhere, and, always a 400, for
        more than `most` items.
        """
        record = await self._kept(owner, id, renew=True, status=status, param=param)
        records: list[Record] = []
        while batch := await self._store.list(
            ITEM, owner, parent=id, after=records[-1].position if records else None, limit=_BATCH
        ):
            records += batch
            if len(records) > most:
                raise too_long(param, most)
        data = loads(record.data)
        if self._now() - data["renewed_at"] > self._renewed_every:
            await self._renew(owner, record, data, records)
        return [_entry(record) for record in records]

    async def find_item(self, owner: str, id: str) -> Entry | None:
        """The item with this id, in whichever conversation."""
        record = await self._store.find(ITEM, owner, id) if is_name(id) else None
        return None if record is None else _entry(record)

    def records(self, owner: str, id: str, entries: Sequence[Entry]) -> Sequence[Record]:
        """What a store keeps when these items are appended to the conversation."""
        return [
            Record(
                kind=ITEM,
                owner=owner,
                id=_place(id, entry.id),
                data=dumps(entry._asdict()),
                parent=id,
                names=(entry.id,),
                ttl=self._ttl,
            )
            for entry in entries
        ]

    # Records

    async def _kept(
        self, owner: str, id: str, *, renew: bool = False, status: int = 404, param: str | None = None
    ) -> Record:
        record = await self._store.get(CONVERSATION, owner, id, renew=renew) if is_name(id) else None
        if record is None:
            raise self._misses.error("conversation", id, status=status, param=param)
        return record

    async def _item(self, owner: str, id: str, item_id: str) -> Record | None:
        return await self._store.get(ITEM, owner, _place(id, item_id)) if is_name(item_id) else None

    async def _renew(self, owner: str, record: Record, data: JSON, records: Sequence[Record]) -> None:
        """Begin the time of all items anew; a store renews what is asked for one by one."""
        for start in range(0, len(records), _BATCH):
            await asyncio.gather(
                *(
                    self._store.get(ITEM, owner, item.id, renew=True)
                    for item in records[start : start + _BATCH]
                )
            )
        renewed = self._record(owner, record.id, {**data, "renewed_at": self._now()})
        # Somebody else's change, or its deletion, goes first: the next turn renews then.
        with contextlib.suppress(VersionConflictError):
            await self._store.put(renewed, version=record.version)

    def _record(self, owner: str, id: str, data: JSON) -> Record:
        return Record(kind=CONVERSATION, owner=owner, id=id, data=dumps(data), ttl=self._ttl)

    def _added(self, items: Sequence[JSON]) -> Sequence[Entry]:
        if len(items) > MAX_ADDED:
            raise InvalidRequestError(
                f"'items' has {len(items)} entries; expected at most {MAX_ADDED} in one request.",
                param="items",
                code="array_above_max_length",
            )
        for i, item in enumerate(items):
            check_item(item, f"items[{i}]")
            if item_type(item) == "item_reference":
                raise InvalidRequestError(
                    f"'items[{i}]' refers to another item; send the item itself.",
                    param=f"items[{i}].type",
                    code="invalid_value",
                )
        return input_entries(items, self._new_id, "items")


def _object(id: str, data: JSON) -> JSON:
    return {
        "id": id,
        "object": "conversation",
        "created_at": data["created_at"],
        "metadata": data["metadata"],
    }


def _place(id: str, item_id: str) -> str:
    return f"{id}/{item_id}"


def _entry(record: Record) -> Entry:
    return Entry(**loads(record.data))
