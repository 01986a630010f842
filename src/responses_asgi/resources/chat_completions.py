"""`/chat/completions` but for creating: stored chat completions.

Source: https://platform.openai.com/docs/api-reference/chat/list
"""

from __future__ import annotations

from responses_asgi.resources.call import Call, Method
from responses_asgi.types.checks import Metadata, Open

__all__ = ["ROUTES"]


class _Update(Open):
    metadata: Metadata | None


async def _list(call: Call) -> None:
    page = await call.kept.completions.list(
        call.owner,
        call.params.page("asc"),
        model=call.params.text("model"),
        metadata=call.params.members("metadata"),
    )
    await call.answer(page.body())


async def _retrieve(call: Call) -> None:
    stored = await call.kept.completions.get(call.owner, call.ids["completion_id"])
    await call.answer(stored.object())


async def _update(call: Call) -> None:
    metadata = (await call.body(_Update))["metadata"] or {}
    stored = await call.kept.completions.update(call.owner, call.ids["completion_id"], metadata)
    await call.answer(stored.object())


async def _delete(call: Call) -> None:
    await call.answer(await call.kept.completions.delete(call.owner, call.ids["completion_id"]))


async def _messages(call: Call) -> None:
    query = call.params.page("asc")
    stored = await call.kept.completions.get(call.owner, call.ids["completion_id"])
    await call.answer(stored.list_messages(query).body())


ROUTES: dict[str, dict[str, Method]] = {
    "/chat/completions": {"GET": Method("list", _list)},
    "/chat/completions/{completion_id}": {
        "GET": Method("read", _retrieve),
        "POST": Method("read", _update),
        "DELETE": Method("read", _delete),
    },
    "/chat/completions/{completion_id}/messages": {"GET": Method("read", _messages)},
}
"""Path below the base -> HTTP method -> what is done."""
