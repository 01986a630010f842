"""The tool table of a request: which tools a Chat upstream is offered, under which names, and what each is to
the client.

1. Tools are declared by the request, by items that add some, and by what the client's tool search found.
2. A tool of a namespace gets a name of its own, which leads back to both; the names of other tools stay.
3. Of several definitions of one tool the last counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import OTHER_TOOLS, Profile, ToolPolicy
from responses_asgi.translate.tool_kinds import CUSTOM, KINDS, ToolKind
from responses_asgi.translate.tool_names import flat_name
from responses_asgi.types.json import JSON

__all__ = [
    "HISTORY",
    "UNSENDABLE",
    "Offer",
    "ToolRow",
    "ToolTable",
    "admitted",
    "declared_tools",
    "policy_of",
    "tool_table",
]

HISTORY = "history"
"""The path under which losses name items that the client did not send with this request."""

# Items that declare tools, and why that is no loss.
DECLARING = ("additional_tools", "tool_search_output")

# Tool type -> why Chat Completions cannot have it. Types that are not listed here are treated the same way.
UNSENDABLE: dict[str, str] = {
    "namespace": "namespaces do not hold namespaces",
    "programmatic_tool_calling": "Chat Completions has no programs that call tools",
    "tool_search": "Chat Completions has no deferred tools",
}
_HOSTED = "this tool is run by the service, which has none of that type"

_BY_TOOL = {kind.tool: kind for kind in KINDS}

Key = tuple[str | None, str, bool]
"""Namespace, name, and whether the name was given by the client."""


class ToolRow(NamedTuple):
    """What a call of one upstream tool becomes: its kind, and the name the client knows it by."""

    kind: ToolKind
    name: str
    namespace: str | None = None


class Offer(NamedTuple):
    """A tool that can be offered, where it was declared, and the namespace around it."""

    path: str
    tool: JSON
    kind: ToolKind
    namespace: JSON | None = None

    @property
    def key(self) -> Key:
        """What tells it from other tools."""
        if self.kind.function is not None:
            return None, self.kind.function, False
        return (self.namespace or {}).get("name"), self.tool["name"], True


class ToolTable:
    """Rows by the names that are sent upstream, in the order of the declarations."""

    __slots__ = (
        "_names",
        "offers",
        "rows",
    )

    def __init__(self, offers: Iterable[Offer] = ()) -> None:
        self.offers: dict[str, Offer] = {}
        chosen: dict[Key, Offer] = {}
        for offer in offers:
            chosen[offer.key] = offer
        self._names = _named(chosen)
        self.offers = {self._names[key]: offer for key, offer in chosen.items()}
        self.rows = {name: _row(offer) for name, offer in self.offers.items()}

    def name_of(self, kind: ToolKind, name: str, namespace: str | None = None) -> str:
        """The name that is sent upstream for a tool of the client, also for one that is not declared."""
        key = _key(kind, name, namespace)
        if namespace == name and key not in self._names:
            # OpenAI says of a function that was loaded on its own that it is its own namespace.
            key = _key(kind, name, None)
            namespace = None if key in self._names else namespace
        return self._names.get(key) or (flat_name(namespace, name) if namespace else key[1])

    def found(self, item: JSON) -> list[str]:
        """The names upstream of the tools that an item declares."""
        if "tools" not in item:
            return []
        offers = [offer for _, tool in _tools_of(item, "") for offer in _offers("", tool)]
        names = (self._names.get(offer.key) for offer in offers)
        return list(dict.fromkeys(name for name in names if name))

    def members(self, namespace: str) -> list[str]:
        """The names upstream of all tools of a namespace."""
        return [name for name, row in self.rows.items() if row.namespace == namespace]


def tool_table(
    body: JSON, *, profile: Profile, history: Sequence[JSON] = (), losses: Losses | None = None
) -> ToolTable:
    """The table of a Responses request whose input comes after the items of `history`.

    What is left out or emulated is reported to `losses`; only with them are tools refused, as the profile's
    policy has it, with InvalidRequestError.

    >>> from responses_asgi.profiles import profile_for
    >>> tools = [{"type": "namespace", "name": "crm", "tools": [{"type": "function", "name": "find"}]}]
    >>> row = tool_table({"tools": tools}, profile=profile_for("generic")).rows["crm__find"]
    >>> row.namespace, row.name
    ('crm', 'find')
    """
    offers: list[Offer] = []
    for path, tool in admitted(declared_tools(body, history), profile=profile, losses=losses):
        offers += _sendable(path, tool, profile, losses)
    if losses is not None:
        _report_overridden(offers, losses)
    return ToolTable(offers)


def declared_tools(body: JSON, history: Sequence[JSON] = ()) -> Iterator[tuple[str, JSON]]:
    """Every tool definition of a request with its path: `tools`, then those that items declare."""
    for i, tool in enumerate(body.get("tools") or ()):
        yield f"tools[{i}]", tool
    given = body.get("input")
    for where, items in ((HISTORY, history), ("input", given if isinstance(given, list) else ())):
        for i, item in enumerate(items):
            if item.get("type") in DECLARING:
                yield from _tools_of(item, f"{where}[{i}].")


def _tools_of(item: JSON, path: str) -> Iterator[tuple[str, JSON]]:
    tools = item.get("tools")
    for i, tool in enumerate(tools if isinstance(tools, list) else ()):
        if isinstance(tool, dict):
            yield f"{path}tools[{i}]", tool


def policy_of(kind: str, profile: Profile) -> ToolPolicy | None:
    """What the operator decided about tools of this type; None: they are passed on."""
    others = None if kind == "function" else profile.tool_policy.get(OTHER_TOOLS)
    return profile.tool_policy.get(kind, others)


def admitted(
    tools: Iterable[tuple[str, JSON]], *, profile: Profile, losses: Losses | None
) -> Iterator[tuple[str, JSON]]:
    """The tool definitions, each with its path, that the profile's policy lets through; others are reported.

    Raises InvalidRequestError for one that the policy refuses, unless there are no `losses` to report to.
    """
    for path, tool in tools:
        kind = str(tool.get("type"))
        policy = policy_of(kind, profile)
        if policy == "error" and losses is not None:
            raise InvalidRequestError(
                f"'{path}' is a tool of type {kind!r}, which is not accepted here.",
                param=f"{path}.type",
                code="unsupported_parameter",
            )
        if policy is None:
            yield path, tool
        elif losses is not None:
            losses.report(path, "dropped", f"{kind}: tools of this type are not passed on")


def _sendable(path: str, tool: JSON, profile: Profile, losses: Losses | None) -> Iterator[Offer]:
    """The tools that a definition offers, with what is lost by it."""
    told = Losses() if losses is None else losses
    kind = str(tool.get("type"))
    if "tools" in profile.withheld:
        told.report(path, "dropped", f"{profile.name} takes no tools")
        return
    if kind == "namespace":
        told.report(path, "emulated", "its tools are sent under names that begin with its name")
        passed = dict(admitted(_tools_of(tool, f"{path}."), profile=profile, losses=losses))
    else:
        passed = {path: tool}
    for where, member in passed.items():
        offers = _offers(where, member, tool if kind == "namespace" else None)
        if not offers:
            type_ = str(member.get("type"))
            told.report(where, "dropped", f"{type_}: {UNSENDABLE.get(type_, _HOSTED)}")
        for offer in offers:
            _report_emulated(offer, profile, told)
            yield offer


def _offers(path: str, tool: JSON, namespace: JSON | None = None) -> list[Offer]:
    if tool.get("type") == "namespace" and namespace is None:
        return [offer for where, member in _tools_of(tool, path) for offer in _offers(where, member, tool)]
    kind = _BY_TOOL.get(str(tool.get("type")))
    return [Offer(path, tool, kind, namespace)] if kind and kind.is_clients(tool) else []


def _report_emulated(offer: Offer, profile: Profile, losses: Losses) -> None:
    kind, path = offer.kind, offer.path
    if kind.function is not None:
        losses.report(path, "emulated", f"{kind.tool}: sent as a function")
    elif kind is CUSTOM and not profile.custom_tools:
        losses.report(path, "emulated", "custom: sent as a function with one argument")
        if (offer.tool.get("format") or {}).get("definition"):
            losses.report(f"{path}.format", "emulated", "told in the description, and not enforced")


def _report_overridden(offers: Iterable[Offer], losses: Losses) -> None:
    known: dict[Key, Offer] = {}
    for offer in offers:
        earlier = known.get(offer.key)
        if earlier is not None and _as_loaded(earlier.tool) != _as_loaded(offer.tool):
            losses.report(earlier.path, "dropped", "another tool of the same name follows it")
        known[offer.key] = offer


def _as_loaded(tool: JSON) -> JSON:
    return {name: value for name, value in tool.items() if name != "defer_loading" and value is not None}


def _key(kind: ToolKind, name: str, namespace: str | None) -> Key:
    return (namespace, name, True) if kind.function is None else (None, kind.function, False)


def _row(offer: Offer) -> ToolRow:
    namespace, name, _ = offer.key
    return ToolRow(offer.kind, name, namespace)


def _named(keys: Iterable[Key]) -> dict[Key, str]:
    """A name for each: the client's own ones first, since they cannot be changed."""
    names: dict[Key, str] = {key: key[1] for key in keys if key[0] is None and key[2]}
    taken = set(names.values())
    for key in sorted(
        (key for key in keys if key not in names), key=lambda key: (key[2], key[0] or "", key[1])
    ):
        name = flat_name(key[0], key[1], taken)
        names[key] = name
        taken.add(name)
    return names
