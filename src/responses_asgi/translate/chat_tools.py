"""Tools and tool choices of Responses -> those of Chat Completions."""

from __future__ import annotations

from typing import Any

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.responses_tools import CHOICE_MODES, unmet
from responses_asgi.translate.tool_kinds import CUSTOM, FUNCTION, KINDS
from responses_asgi.translate.tool_table import Offer, ToolTable
from responses_asgi.types.json import JSON

__all__ = ["FUNCTION_ONLY_HERE", "chat_tool_choice", "chat_tools"]

# Responses-only keys of a tool: they are taken off, and reported when they ask for something.
FUNCTION_ONLY_HERE = ("output_schema", "allowed_callers", "async")

_DEFINITION_KEYS = frozenset(
    {"type", "name", "description", "parameters", "strict", "format", "defer_loading", *FUNCTION_ONLY_HERE}
)

_NAMED = (FUNCTION.tool, CUSTOM.tool)
_UNNAMED = {kind.tool: kind for kind in KINDS if kind.function is not None}


def chat_tools(table: ToolTable, *, profile: Profile, losses: Losses) -> dict[str, JSON]:
    """The Chat tools of a request by the names they have upstream, in order; what is left out is reported."""
    tools: dict[str, JSON] = {}
    told: set[str] = set()
    for name, offer in table.offers.items():
        tool = _chat_tool(name, offer, profile, losses)
        namespace = offer.namespace or {}
        if namespace.get("description") and namespace["name"] not in told:
            # Once, since what is said of a large namespace may be long.
            told.add(namespace["name"])
            own = tool[tool["type"]]
            family = f"Of the tools of {namespace['name']!r}: {namespace['description']}"
            own["description"] = "\n\n".join(filter(None, (own.get("description"), family)))
        tools[name] = tool
    return tools


def _chat_tool(name: str, offer: Offer, profile: Profile, losses: Losses) -> JSON:
    tool, kind, path = offer.tool, offer.kind, offer.path
    for key in FUNCTION_ONLY_HERE:
        if tool.get(key):
            losses.report(f"{path}.{key}", "dropped", "Chat Completions has no such property of tools")
    if tool.get("defer_loading"):
        losses.report(
            f"{path}.defer_loading", "emulated", "sent at once: Chat Completions has no deferred tools"
        )
    if kind is CUSTOM and profile.custom_tools:
        return {"type": "custom", "custom": {"name": name, **_custom(tool)}, **_extra(tool, path, losses)}
    function: JSON = {"name": name, **kind.offer(tool)}
    if kind is not FUNCTION:
        return {"type": "function", "function": function}
    if tool.get("strict") is not None:
        if profile.strict_tools:
            function["strict"] = tool["strict"]
        elif tool["strict"]:
            losses.report(f"{path}.strict", "dropped", f"{profile.name} does not take strict functions")
    return {"type": "function", "function": function, **_extra(tool, path, losses)}


def _custom(tool: JSON) -> JSON:
    made = {key: tool[key] for key in ("description", "format") if tool.get(key) is not None}
    format = made.get("format")
    if format and format.get("type") == "grammar":
        made["format"] = {
            "type": "grammar",
            "grammar": {key: value for key, value in format.items() if key != "type"},
        }
    return made


def _extra(tool: JSON, path: str, losses: Losses) -> JSON:
    """The fields of its own; in the one that bears the type's name Chat has the definition.

    Clients that send both forms in one say the same twice.
    """
    kind = tool["type"]
    said = tool.get(kind)
    if said is not None and not (isinstance(said, dict) and said.items() <= tool.items()):
        losses.report(f"{path}.{kind}", "dropped", "the definition of the tool stands beside it")
    return {key: value for key, value in tool.items() if key not in _DEFINITION_KEYS and key != kind}


def chat_tool_choice(
    choice: Any, tools: dict[str, JSON], table: ToolTable, *, profile: Profile, losses: Losses
) -> tuple[Any, dict[str, JSON]]:
    """The Chat tool_choice (None: leave it out) and the tools that may be sent with it.

    Raises InvalidRequestError when the choice demands a tool that cannot be sent.
    """
    if isinstance(choice, dict) and choice.get("type") in CHOICE_MODES:
        choice = choice["type"]
    if choice is None or isinstance(choice, str):
        if choice == "required" and not tools:
            raise unmet("tool_choice", "demands a tool call, but the upstream can be sent none of the tools")
        return (choice if tools else None), tools
    kind = choice.get("type")
    if kind == "allowed_tools":
        return _allowed_tools(choice, tools, table, profile, losses)
    if kind not in _NAMED and kind not in _UNNAMED:
        raise _no_such_type(kind)
    names = _chosen(choice, tools, table)
    if not names and kind in _NAMED:
        raise unmet("tool_choice.name", f"demands {choice['name']!r}, which is no {kind} in `tools`")
    if not names:
        raise _no_such_type(kind)
    return _named(tools[names[0]]), tools


def _allowed_tools(
    choice: JSON, tools: dict[str, JSON], table: ToolTable, profile: Profile, losses: Losses
) -> tuple[Any, dict[str, JSON]]:
    """Only some of the tools: said to the upstream if it knows the form, else the others are left out."""
    mode = choice.get("mode") or "auto"
    names: list[str] = []
    for i, entry in enumerate(choice.get("tools") or ()):
        found = _chosen(entry, tools, table)
        names += found
        if not found:
            losses.report(f"tool_choice.tools[{i}]", "dropped", "the upstream is not sent such a tool")
    if mode == "required" and not names:
        raise unmet("tool_choice.tools", "demands one of these tools, of which the upstream can be sent none")
    if profile.allowed_tools and names:
        entries = [_named(tools[name]) for name in names]
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": entries}}, tools
    losses.report("tool_choice", "emulated", "only the allowed tools are sent")
    allowed = {name: tool for name, tool in tools.items() if name in names}
    return (mode if allowed else None), allowed


def _chosen(entry: JSON, tools: dict[str, JSON], table: ToolTable) -> list[str]:
    """The names upstream of what a choice, or one of the allowed tools, speaks of.

    A name without its namespace is enough where only one tool has it.
    """
    kind, name, namespace = entry.get("type"), entry.get("name"), entry.get("namespace")
    if kind == "namespace":
        return [sent for sent in table.members(str(name)) if sent in tools]
    alike = [(sent, row) for sent, row in table.rows.items() if row.kind.tool == kind and sent in tools]
    if kind in _UNNAMED:
        return [sent for sent, _ in alike]
    exact = [sent for sent, row in alike if (row.name, row.namespace) == (name, namespace)]
    loose = [sent for sent, row in alike if row.name == name and namespace in (None, name)]
    return exact or (loose if len(loose) == 1 else [])


def _named(tool: JSON) -> JSON:
    kind = tool["type"]
    return {"type": kind, kind: {"name": tool[kind]["name"]}}


def _no_such_type(kind: object) -> InvalidRequestError:
    return unmet("tool_choice.type", f"demands a tool of type {kind!r}, which the upstream cannot be sent")
