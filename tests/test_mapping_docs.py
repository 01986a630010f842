"""`docs/mapping.md` says what the code does: it is what `make docs` writes, and names all the code knows."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from docs import mapping
from responses_asgi.error_codes import NAMES
from responses_asgi.errors import ERROR_STATUSES
from responses_asgi.profiles import PROFILES
from responses_asgi.translate import (
    chat_tools,
    finish_reasons,
    messages,
    response_endings,
    to_chat_request,
    to_responses_request,
    tool_table,
    untold,
    usage,
)

# Every table of the code that decides what becomes of something.
TABLES: dict[str, Iterable[str]] = {
    "carried request fields": to_chat_request.CARRIED,
    "dropped request fields": to_chat_request.DROPPED,
    "rejected request fields": to_chat_request.REJECTED,
    "dropped Chat request fields": to_responses_request.DROPPED_HERE,
    "rejected Chat request fields": to_responses_request.REJECTED_HERE,
    "dropped input items": messages.DROPPED_ITEMS,
    "rejected input items": messages.REJECTED_ITEMS,
    "tools that cannot be sent": tool_table.UNSENDABLE,
    "properties of functions": chat_tools.FUNCTION_ONLY_HERE,
    "finish reasons": finish_reasons.FINISH_REASONS,
    "incomplete reasons": finish_reasons.INCOMPLETE_REASONS,
    "figures": [name for pair in (*usage.FIGURES, *usage.DETAILS) for name in pair],
    "spellings of figures": [name for row in usage.SPELLINGS for name in row[2]],
    "items that ask the client to act": response_endings.CLIENT_ACTS,
    "fields of output items": [
        f"{kind}.{name}" for kind, names in untold.TOLD_FIELDS.items() for name in names
    ],
    "errors": ERROR_STATUSES,
    "names of errors": NAMES,
    "profiles": PROFILES,
    "fields that profiles keep back": [name for row in PROFILES.values() for name in row.withheld],
}


@pytest.fixture(scope="module")
def page() -> str:
    return mapping.PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date(page: str) -> None:
    assert page == mapping.page(), "run `make docs`"


@pytest.mark.parametrize("table", TABLES)
def test_the_page_names_what_the_code_knows(table: str, page: str) -> None:
    names = set(TABLES[table])
    assert names
    assert {name for name in names if f"`{name}`" not in page and f".{name}`" not in page} == set()


def test_an_example_that_no_longer_holds_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(to_chat_request.DROPPED, "image", "")
    assert mapping.PAGE.read_text(encoding="utf-8") != mapping.page()
    monkeypatch.delitem(to_chat_request.DROPPED, "image")
    with pytest.raises(AssertionError, match="does not hold"):
        mapping.page()
