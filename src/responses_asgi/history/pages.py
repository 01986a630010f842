"""Pages of lists: what is asked for, and the body that answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.types.json import JSON

__all__ = ["Page", "Query", "page_of", "unknown_cursor"]

Order = Literal["asc", "desc"]


class Query(NamedTuple):
    """Which part of a list is wanted: at most `limit` entries behind the one whose id is `after`, in `order`
    of age (`asc`: the oldest first)."""

    after: str | None = None
    limit: int = 20
    order: Order = "desc"


class Page(NamedTuple):
    """A part of a list, and whether there is more behind it."""

    data: list[JSON]
    has_more: bool

    def body(self) -> JSON:
        """The list object of the API.

        >>> Page([{"id": "msg_1"}], False).body()["last_id"]
        'msg_1'
        """
        return {
            "object": "list",
            "data": self.data,
            "first_id": self.data[0]["id"] if self.data else None,
            "last_id": self.data[-1]["id"] if self.data else None,
            "has_more": self.has_more,
        }


def page_of(entries: Sequence[JSON], query: Query) -> Page:
    """The page of a list that is there whole, given with the oldest entry first.

    Raises InvalidRequestError when nothing in it has the id `after`.
    """
    ordered = list(entries) if query.order == "asc" else list(reversed(entries))
    start = 0
    if query.after is not None:
        ids = [entry["id"] for entry in ordered]
        if query.after not in ids:
            raise unknown_cursor(query.after)
        start = ids.index(query.after) + 1
    data = ordered[start : start + query.limit]
    return Page(data, start + len(data) < len(ordered))


def unknown_cursor(after: str) -> InvalidRequestError:
    """The error for a page behind something that is not in the list."""
    shown = after if len(after) <= 80 else f"{after[:80]}..."
    return InvalidRequestError(
        f"'after' is {shown!r}, which is not in this list; expected the id of one of its entries.",
        param="after",
        code="invalid_value",
    )
