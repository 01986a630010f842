"""Items as they are kept and as they are listed, pages of lists, and the errors for ids that lead nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.history.items import ITEM_PREFIXES, Entry, input_entries, listed
from responses_asgi.history.pages import Order, Page, Query, page_of


def new_id(prefix: str) -> str:
    return f"{prefix}new"


@pytest.mark.parametrize(
    ("item", "id"),
    [
        ({"role": "user", "content": "Hi"}, "msg_new"),
        ({"type": "message", "role": "user", "content": "Hi", "id": None}, "msg_new"),
        ({"type": "function_call", "id": ""}, "fc_new"),
        ({"type": "function_call_output"}, "fco_new"),
        ({"type": "custom_tool_call"}, "ctc_new"),
        ({"type": "custom_tool_call_output"}, "ctco_new"),
        ({"type": "reasoning"}, "rs_new"),
        ({"type": "compaction"}, "cmp_new"),
        ({"type": "acme:note"}, "item_new"),
        ({"type": "reasoning", "id": 5}, "rs_new"),
        ({"type": "reasoning", "id": "own"}, "own"),
    ],
)
def test_every_item_has_its_own_id_or_one_of_its_type(item: dict[str, Any], id: str) -> None:
    assert input_entries([item], new_id) == [Entry(id, item)]


def test_no_two_types_share_a_prefix() -> None:
    assert len(set(ITEM_PREFIXES.values())) == len(ITEM_PREFIXES)


def test_no_input_has_no_items() -> None:
    assert input_entries(None, new_id) == []


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (
            {"role": "user", "content": "Hi"},
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi"}],
                "type": "message",
                "status": "completed",
            },
        ),
        (
            {"role": "assistant", "content": "Hi", "phase": "final", "status": "incomplete"},
            {
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
                "phase": "final",
                "type": "message",
                "status": "incomplete",
            },
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "7"},
            {"type": "function_call_output", "call_id": "c", "output": "7", "status": "completed"},
        ),
        ({"type": "reasoning"}, {"type": "reasoning", "summary": []}),
        (
            {"type": "compaction", "encrypted_content": "x"},
            {"type": "compaction", "encrypted_content": "x"},
        ),
    ],
)
def test_lists_show_items_as_the_api_does(item: dict[str, Any], shown: dict[str, Any]) -> None:
    before = dict(item)
    assert listed(Entry("id_1", item)) == {**shown, "id": "id_1"}
    assert item == before


ENTRIES = [{"id": f"msg_{i}"} for i in range(250)]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 7, 100, 250])
def test_pages_hold_every_entry_once_and_in_order(order: Order, limit: int) -> None:
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = page_of(ENTRIES, Query(after, limit, order))
        assert len(page.data) <= limit
        found += page.data
        if not page.has_more:
            break
        after = page.body()["last_id"]
    assert found == (ENTRIES if order == "asc" else ENTRIES[::-1])


def test_the_newest_come_first_unless_asked_otherwise() -> None:
    page = page_of(ENTRIES, Query())
    assert (len(page.data), page.has_more, page.data[0]) == (20, True, ENTRIES[-1])


def test_an_empty_page_has_no_first_and_no_last() -> None:
    body = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert page_of([], Query()).body() == Page([], False).body() == body
    assert page_of(ENTRIES, Query("msg_0", 20, "desc")).data == []


@pytest.mark.parametrize("after", ["msg_250", "", "m" * 1_000_000])
def test_a_wrong_cursor_is_told(after: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        page_of(ENTRIES, Query(after))
    assert (raised.value.status, raised.value.param) == (400, "after")
    assert len(raised.value.message) < 300
