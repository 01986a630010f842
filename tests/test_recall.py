"""What is remembered for the next turn of a Chat client: by owner and call id, in whatever store there is."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from responses_asgi.errors import StoreError
from responses_asgi.recall import CallMemory
from responses_asgi.stores.memory import MemoryStore

ITEMS: list[dict[str, Any]] = [
    {"type": "reasoning", "id": "rs_1"},
    {"type": "function_call", "call_id": "call_1"},
]


def turn(*call_ids: Any) -> dict[str, Any]:
    """A request whose history has these calls."""
    calls = [{"id": call_id, "type": "function"} for call_id in call_ids]
    return {"messages": [{"role": "user"}, {"role": "assistant", "tool_calls": calls}]}


class Broken(MemoryStore):
    async def get(self, *arguments: Any, **options: Any) -> Any:
        raise StoreError("gone")

    async def put(self, *records: Any, **options: Any) -> None:
        raise StoreError("gone")


async def test_items_come_back_by_owner_and_call_id() -> None:
    memory = CallMemory(MemoryStore())
    await memory.keep("a", {"call_1": ITEMS, "call_2": ITEMS})
    recall = await memory.recall("a", turn("call_1", "call_2", "call_3"))
    assert recall("call_1") == recall("call_2") == ITEMS
    assert not recall("call_3")
    assert not recall("never asked for")
    for stranger in ("b", ""):
        assert not (await memory.recall(stranger, turn("call_1")))("call_1")


async def test_what_is_done_to_recalled_items_does_not_change_the_memory() -> None:
    memory = CallMemory(MemoryStore())
    given: list[dict[str, Any]] = [{"type": "reasoning"}]
    await memory.keep("a", {"c": given})
    given[0]["type"] = "changed"
    recalled: Any = (await memory.recall("a", turn("c")))("c")
    recalled[0]["type"] = "changed"
    assert (await memory.recall("a", turn("c")))("c") == [{"type": "reasoning"}]


async def test_nothing_to_keep_and_nothing_to_recall() -> None:
    memory = CallMemory(Broken())
    await memory.keep("a", {})
    assert not (await memory.recall("a", {"messages": [{"role": "user"}]}))("c")


async def test_ids_that_are_none_are_not_asked_for() -> None:
    memory = CallMemory(Broken())
    assert not (await memory.recall("a", turn(None, 7)))("c")


async def test_items_are_forgotten_some_time_after_their_last_use() -> None:
    now = [0.0]
    memory = CallMemory(MemoryStore(clock=lambda: now[0]), ttl=10)
    await memory.keep("a", {"c": ITEMS})
    for now[0] in (9.0, 18.0):
        assert (await memory.recall("a", turn("c")))("c") == ITEMS
    now[0] = 29.0
    assert not (await memory.recall("a", turn("c")))("c")


async def test_a_store_that_fails_costs_nobody_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    memory = CallMemory(Broken())
    with caplog.at_level(logging.WARNING, logger="responses_asgi"):
        await memory.keep("a", {"c": ITEMS})
        assert not (await memory.recall("a", turn("c")))("c")
    assert len(caplog.records) == 2
