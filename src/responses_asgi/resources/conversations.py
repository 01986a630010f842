"""`/conversations` and below: conversations and their items.

Source: https://platform.openai.com/docs/api-reference/conversations
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from responses_asgi.resources.call import Call, Method
from responses_asgi.types.checks import Metadata, Open

__all__ = ["ROUTES"]


class _New(Open):
    items: list[Any] | None = None
    metadata: Metadata | None = None


class _Update(Open):
    metadata: Metadata | None


class _Added(Open):
    items: Annotated[list[Any], Field(min_length=1)]


async def _create(call: Call) -> None:
    body = await call.body(_New, optional=True)
    items, metadata = body.get("items") or (), body.get("metadata")
    await call.answer(await call.kept.conversations.create(call.owner, items, metadata))


async def _retrieve(call: Call) -> None:
    await call.answer(await call.kept.conversations.get(call.owner, call.ids["conversation_id"]))


async def _update(call: Call) -> None:
    metadata = (await call.body(_Update))["metadata"] or {}
    id = call.ids["conversation_id"]
    await call.answer(await call.kept.conversations.update(call.owner, id, metadata))


async def _delete(call: Call) -> None:
    await call.answer(await call.kept.conversations.delete(call.owner, call.ids["conversation_id"]))


async def _add_items(call: Call) -> None:
    items = (await call.body(_Added))["items"]
    page = await call.kept.conversations.add(call.owner, call.ids["conversation_id"], items)
    await call.answer(page.body())


async def _list_items(call: Call) -> None:
    query = call.params.page("desc")
    page = await call.kept.conversations.list(call.owner, call.ids["conversation_id"], query)
    await call.answer(page.body())


async def _retrieve_item(call: Call) -> None:
    id, item_id = call.ids["conversation_id"], call.ids["item_id"]
    await call.answer(await call.kept.conversations.item(call.owner, id, item_id))


async def _delete_item(call: Call) -> None:
    id, item_id = call.ids["conversation_id"], call.ids["item_id"]
    await call.answer(await call.kept.conversations.delete_item(call.owner, id, item_id))


ROUTES: dict[str, dict[str, Method]] = {
    "/conversations": {"POST": Method("create", _create)},
    "/conversations/{conversation_id}": {
        "GET": Method("read", _retrieve),
        "POST": Method("read", _update),
        "DELETE": Method("read", _delete),
    },
    "/conversations/{conversation_id}/items": {
        "GET": Method("read", _list_items),
        "POST": Method("create", _add_items),
    },
    "/conversations/{conversation_id}/items/{item_id}": {
        "GET": Method("read", _retrieve_item),
        "DELETE": Method("read", _delete_item),
    },
}
"""Path below the base -> HTTP method -> what is done."""
