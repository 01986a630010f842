"""The hosted tools of the API that a service runs itself: the table, one row for each kind of call.

Source: the tool and item types of the OpenAI document, and recorded answers.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from responses_asgi.translate.hosted_kind import HostedKind, Typed, bounded, objects
from responses_asgi.translate.hosted_searches import SEARCHES
from responses_asgi.translate.hosted_works import WORKS
from responses_asgi.translate.tool_table import DECLARING
from responses_asgi.types.json import JSON, dumps

__all__ = [
    "HOSTED_KINDS",
    "EarlierCalls",
    "HostedKind",
    "Typed",
    "bounded",
    "included",
    "is_asked_for",
    "kinds_of",
    "row_of",
]

HOSTED_KINDS: Mapping[str, HostedKind] = {kind.name: kind for kind in (*SEARCHES, *WORKS)}
"""The rows, by what a host calls them."""

FAILED = "The call failed."
NOT_KEPT = "The call was made; its result was not kept."


def kinds_of(type_: object) -> list[HostedKind]:
    """The rows that a definition of this type asks for.

    >>> [kind.name for kind in kinds_of("web_search_preview")]
    ['web_search', 'web_search.open_page', 'web_search.find_in_page']
    """
    return [kind for kind in HOSTED_KINDS.values() if type_ in kind.tools]


def row_of(item: JSON) -> HostedKind | None:
    """The row of an item that shows a call; None for any other.

    >>> row_of({"type": "file_search_call"}).name, row_of({"type": "shell_call"})
    ('file_search', None)
    """
    rows = (kind for kind in HOSTED_KINDS.values() if kind.call == item.get("type") and kind.is_of(item))
    return next(rows, None)


def is_asked_for(tool: JSON, names: Container[str]) -> bool:
    """Whether a definition asks for one of these kinds, by name; a shell may be one that the client runs.

    >>> is_asked_for({"type": "shell"}, ["shell"]), is_asked_for({"type": "web_search"}, ["web_search"])
    (False, True)
    """
    if tool.get("type") == "shell":
        environment = tool.get("environment")
        if not isinstance(environment, dict) or environment.get("type", "local") == "local":
            return False
    return any(kind.name in names for kind in kinds_of(tool.get("type")))


class EarlierCalls:
    """What earlier items show of calls, as the upstream made them: calls of functions, and their results.

    `names` are the functions by the names of the kinds that the service runs; items of other kinds are left
    alone. `items` are all that the request has, of its history and its input.
    """

    def __init__(self, names: Mapping[str, str], items: Sequence[JSON]) -> None:
        self._names = names
        calls = (item for item in items if self.of(item) is not None)
        self._awaited = {str(item.get("call_id")) for item in calls if item.get("call_id")}
        self._outputs = {
            str(item.get("call_id")): item for item in items if item.get("type") == "shell_call_output"
        }

    def of(self, item: JSON) -> HostedKind | None:
        """The row of a call that the service runs."""
        kind = row_of(item)
        return kind if kind is not None and kind.name in self._names else None

    def plain(self, item: JSON) -> list[JSON] | None:
        """What the upstream is told in the place of an item; None: the item stays as it is."""
        if item.get("type") in DECLARING:
            return self._declaring(item)
        if item.get("type") == "shell_call_output" and str(item.get("call_id")) in self._awaited:
            return []  # told with its call
        kind = self.of(item)
        if kind is None:
            return None
        call_id = str(item.get("call_id") or item.get("id") or kind.name)
        answer = self._outputs.get(call_id, {}) if kind.output else item
        kept = kind.kept(answer)
        told = FAILED if item.get("status") == "failed" else NOT_KEPT if kept is None else kind.told(kept, 0)
        arguments = dumps(kind.arguments(item)).decode("utf-8", "replace")
        return [
            {
                "type": "function_call",
                "call_id": call_id,
                "name": self._names[kind.name],
                "arguments": arguments,
            },
            {"type": "function_call_output", "call_id": call_id, "output": told},
        ]

    def _declaring(self, item: JSON) -> list[JSON] | None:
        """An item that declares tools, without those that the service runs."""
        tools = objects(item.get("tools"))
        left = [tool for tool in tools if not is_asked_for(tool, self._names)]
        if len(left) == len(tools):
            return None
        return [{**item, "tools": left}] if left else []


def included(wanted: Iterable[object], kinds: Iterable[HostedKind]) -> tuple[frozenset[str], list[object]]:
    """What `include` asks of these kinds, and what is left for the upstream."""
    known = {name for kind in kinds for name in kind.include}
    asked = list(wanted)
    return (
        frozenset(name for name in asked if isinstance(name, str) and name in known),
        [name for name in asked if not (isinstance(name, str) and name in known)],
    )
