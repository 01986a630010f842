"""Tools and tool choices, Responses <-> Chat: the tool table, definitions, and which tool must be called.

The tool table maps every name that is sent upstream to the Responses item that a call of it becomes. Tool
types without a Chat counterpart are left out with a loss while the model stays free to answer without them;
a request that cannot be met without such a tool is refused with the exact path. Before that the profile's
tool policy says which types the operator does not want to be sent at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import OTHER_TOOLS, Profile, ToolPolicy
from responses_asgi.types.json import JSON

__all__ = [
    "ToolRow",
    "ToolTable",
    "admitted",
    "chat_tool_choice",
    "chat_tools",
    "declared_tools",
    "responses_tool_choice",
    "responses_tools",
    "tool_table",
]


class ToolRow(NamedTuple):
    """What a call of one upstream tool becomes: its item type, and the name the client knows it by."""

    item_type: str
    name: str
    namespace: str | None = None
    server_label: str | None = None
    codec: str = "json"


ToolTable = dict[str, ToolRow]

# Responses-only keys of a function tool: they are taken off, and reported when they ask for something.
FUNCTION_ONLY_HERE = ("output_schema", "allowed_callers", "defer_loading", "async")

_FUNCTION_KEYS = frozenset({"type", "name", "description", "parameters", "strict", *FUNCTION_ONLY_HERE})

# A function without parameters takes none; several servers demand that this is spelled out.
NO_PARAMETERS: JSON = {"type": "object", "properties": {}}

# Tool type -> why Chat Completions cannot have it. Types that are not listed here are treated the same way.
UNSENDABLE: dict[str, str] = {
    "custom": "the upstream takes function tools only",
    "namespace": "Chat Completions has no namespaces",
    "tool_search": "Chat Completions has no deferred tools",
    "programmatic_tool_calling": "Chat Completions has no programs that call tools",
}
_HOSTED = "this tool is run by the service, which has none of that type"

# Tool types whose definition Chat nests under the name of the type, and Responses does not.
NESTED = ("function", "custom")

CHOICE_MODES = frozenset({"none", "auto", "required"})


def declared_tools(body: JSON) -> Iterator[tuple[str, JSON]]:
    """Every tool definition of a request with its path: `tools`, then those of `additional_tools` items."""
    for i, tool in enumerate(body.get("tools") or ()):
        yield f"tools[{i}]", tool
    entries = body.get("input")
    if isinstance(entries, list):
        for i, item in enumerate(entries):
            if item.get("type") == "additional_tools":
                for j, tool in enumerate(item.get("tools") or ()):
                    yield f"input[{i}].tools[{j}]", tool


def admitted(
    tools: Iterable[tuple[str, JSON]], *, profile: Profile, losses: Losses
) -> Iterator[tuple[str, JSON]]:
    """The tool definitions, each with its path, that the profile's policy lets through; others are reported.

    Raises InvalidRequestError for one that the policy refuses.
    """
    for path, tool in tools:
        kind = str(tool.get("type"))
        policy = _policy(kind, profile)
        if policy == "error":
            raise InvalidRequestError(
                f"'{path}' is a tool of type {kind!r}, which is not accepted here.",
                param=f"{path}.type",
                code="unsupported_parameter",
            )
        if policy == "drop":
            losses.report(path, "dropped", f"{kind}: tools of this type are not passed on")
        else:
            yield path, tool


def _policy(kind: str, profile: Profile) -> ToolPolicy | None:
    others = None if kind == "function" else profile.tool_policy.get(OTHER_TOOLS)
    return profile.tool_policy.get(kind, others)


def tool_table(body: JSON) -> ToolTable:
    """Map every tool name that is sent upstream for this Responses request to its row.

    >>> tool_table({"tools": [{"type": "function", "name": "now"}]})["now"].item_type
    'function_call'
    """
    return {
        tool["name"]: ToolRow("function_call", tool["name"])
        for _, tool in declared_tools(body)
        if tool.get("type") == "function"
    }


def chat_tools(body: JSON, *, profile: Profile, losses: Losses) -> dict[str, JSON]:
    """The Chat tools of a Responses request by name, in order; what is left out is reported."""
    tools: dict[str, JSON] = {}
    declared: dict[str, tuple[str, JSON]] = {}
    for path, tool in admitted(declared_tools(body), profile=profile, losses=losses):
        kind = tool.get("type")
        if kind != "function":
            losses.report(path, "dropped", f"{kind}: {UNSENDABLE.get(str(kind), _HOSTED)}")
        elif "tools" in profile.withheld:
            losses.report(path, "dropped", f"{profile.name} takes no tools")
        else:
            first, same = declared.get(tool["name"], (path, tool))
            if same != tool:
                losses.report(first, "dropped", "another function of the same name follows it")
            declared[tool["name"]] = path, tool
            tools[tool["name"]] = _chat_function(tool, path, profile, losses)
    return tools


def _chat_function(tool: JSON, path: str, profile: Profile, losses: Losses) -> JSON:
    function: JSON = {"name": tool["name"]}
    if tool.get("description") is not None:
        function["description"] = tool["description"]
    function["parameters"] = tool.get("parameters") or NO_PARAMETERS
    if tool.get("strict") is not None:
        if profile.strict_tools:
            function["strict"] = tool["strict"]
        elif tool["strict"]:
            losses.report(f"{path}.strict", "dropped", f"{profile.name} does not take strict functions")
    for key in FUNCTION_ONLY_HERE:
        if tool.get(key):
            losses.report(f"{path}.{key}", "dropped", "Chat Completions has no such property of functions")
    extra = {key: value for key, value in tool.items() if key not in _FUNCTION_KEYS}
    return {"type": "function", "function": function, **extra}


def responses_tools(body: JSON, *, profile: Profile, losses: Losses) -> list[JSON]:
    """The Responses tools of a Chat request: flat, with those of the older `functions` and web search.

    Types that Chat does not know are carried as they are; the upstream may have them.

    >>> from responses_asgi.profiles import profile_for
    >>> body = {"tools": [{"type": "function", "function": {"name": "now"}}]}
    >>> responses_tools(body, profile=profile_for("openai"), losses=Losses())
    [{'type': 'function', 'name': 'now', 'parameters': {'type': 'object', 'properties': {}}, 'strict': False}]
    """
    return [tool for _, tool in admitted(_asked_tools(body, losses), profile=profile, losses=losses)]


def _asked_tools(body: JSON, losses: Losses) -> Iterator[tuple[str, JSON]]:
    names: set[Any] = set()
    for i, given in enumerate(body.get("tools") or ()):
        tool = _flat_tool(given)
        names.add(tool.get("name"))
        yield f"tools[{i}]", tool
    if body.get("functions"):
        losses.report("functions", "emulated", "sent as tools")
        for i, function in enumerate(body["functions"]):
            if function["name"] not in names:
                yield f"functions[{i}]", _flat_tool({"type": "function", "function": function})
    search = body.get("web_search_options")
    if search is not None:
        yield "web_search_options", _web_search(search)


def _flat_tool(tool: JSON) -> JSON:
    kind = tool["type"]
    if kind not in NESTED:
        return dict(tool)
    definition = {key: value for key, value in tool[kind].items() if key != "type" and value is not None}
    if kind == "function":
        definition["parameters"] = definition.get("parameters") or NO_PARAMETERS
        # Functions are strict unless told otherwise in Responses, and are not in Chat.
        definition["strict"] = bool(definition.get("strict"))
    format = definition.get("format")
    if kind == "custom" and format and format.get("grammar") is not None:
        definition["format"] = {**format, **format["grammar"]}
        del definition["format"]["grammar"]
    extra = {key: value for key, value in tool.items() if key not in ("type", kind) and value is not None}
    return {"type": kind, **definition, **extra}


def _web_search(options: JSON) -> JSON:
    tool: JSON = {"type": "web_search", **{key: value for key, value in options.items() if value is not None}}
    location = tool.get("user_location")
    if isinstance(location, dict) and isinstance(location.get("approximate"), dict):
        tool["user_location"] = {"type": "approximate", **location["approximate"]}
    return tool


def chat_tool_choice(
    choice: Any, tools: dict[str, JSON], *, profile: Profile, losses: Losses
) -> tuple[Any, dict[str, JSON]]:
    """The Chat tool_choice (None: leave it out) and the tools that may be sent with it.

    Raises InvalidRequestError when the choice demands a tool that cannot be sent.
    """
    if isinstance(choice, dict) and choice.get("type") in CHOICE_MODES:
        choice = choice["type"]
    if choice is None or isinstance(choice, str):
        if choice == "required" and not tools:
            raise _unmet("tool_choice", "demands a tool call, but the upstream can be sent none of the tools")
        return (choice if tools else None), tools
    kind = choice.get("type")
    if kind == "allowed_tools":
        return _allowed_tools(choice, tools, profile, losses)
    if kind != "function":
        raise _unmet(
            "tool_choice.type", f"demands a tool of type {kind!r}, which the upstream cannot be sent"
        )
    if choice["name"] not in tools:
        raise _unmet("tool_choice.name", f"demands {choice['name']!r}, which is no function in `tools`")
    return {"type": "function", "function": {"name": choice["name"]}}, tools


def _allowed_tools(
    choice: JSON, tools: dict[str, JSON], profile: Profile, losses: Losses
) -> tuple[Any, dict[str, JSON]]:
    """Only some of the tools: said to the upstream if it knows the form, else the others are left out."""
    mode = choice.get("mode") or "auto"
    names: list[str] = []
    for i, entry in enumerate(choice.get("tools") or ()):
        if entry.get("type") == "function" and entry.get("name") in tools:
            names.append(entry["name"])
        else:
            losses.report(f"tool_choice.tools[{i}]", "dropped", "the upstream is not sent such a tool")
    if mode == "required" and not names:
        raise _unmet(
            "tool_choice.tools", "demands one of these tools, of which the upstream can be sent none"
        )
    if profile.allowed_tools and names:
        entries = [{"type": "function", "function": {"name": name}} for name in names]
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": entries}}, tools
    losses.report("tool_choice", "emulated", "only the allowed tools are sent")
    allowed = {name: tool for name, tool in tools.items() if name in names}
    return (mode if allowed else None), allowed


def responses_tool_choice(body: JSON, tools: list[JSON], *, profile: Profile, losses: Losses) -> Any:
    """The Responses tool_choice of a Chat request with these Responses tools; None: leave it out.

    Raises InvalidRequestError when the choice demands a tool that is not there, or is not passed on.
    """
    choice, path = body.get("tool_choice"), "tool_choice"
    legacy = body.get("function_call")
    if legacy is not None and choice is not None:
        losses.report("function_call", "dropped", "`tool_choice` is given too")
    elif legacy is not None:
        losses.report("function_call", "emulated", "sent as `tool_choice`")
        if isinstance(legacy, dict):
            return _flat_choice("function", legacy, tools, "function_call.name")
        choice = legacy
    if isinstance(choice, dict) and choice["type"] in CHOICE_MODES:
        choice = choice["type"]
    if choice is None or isinstance(choice, str):
        if choice == "required" and not tools:
            raise _unmet(path, "demands a tool call, but there are no tools")
        return choice if tools else None
    kind = choice["type"]
    if kind == "allowed_tools":
        return _flat_allowed_tools(choice["allowed_tools"], tools, profile, losses)
    if kind in NESTED:
        return _flat_choice(kind, choice[kind], tools, f"{path}.{kind}.name")
    if _policy(kind, profile) is not None:
        raise _unmet(f"{path}.type", f"demands a tool of type {kind!r}, which is not passed on")
    return choice


def _flat_choice(kind: str, named: JSON, tools: list[JSON], path: str) -> JSON:
    if not _has(tools, kind, named["name"]):
        raise _unmet(path, f"demands {named['name']!r}, which is none of the {kind} tools")
    return {"type": kind, "name": named["name"]}


def _flat_allowed_tools(allowed: JSON, tools: list[JSON], profile: Profile, losses: Losses) -> Any:
    path = "tool_choice.allowed_tools.tools"
    mode = allowed.get("mode") or "auto"
    entries: list[JSON] = []
    for i, entry in enumerate(allowed["tools"]):
        kind = entry["type"]
        if kind not in NESTED and _policy(kind, profile) is None:
            entries.append(entry)
        elif kind in NESTED and _has(tools, kind, entry[kind]["name"]):
            entries.append({"type": kind, "name": entry[kind]["name"]})
        else:
            losses.report(f"{path}[{i}]", "dropped", "there is no such tool")
    if not entries and mode == "required":
        raise _unmet(path, "demands one of these tools, of which there are none")
    # No tool is allowed: an empty list might be read as no limit.
    return {"type": "allowed_tools", "mode": mode, "tools": entries} if entries else "none"


def _has(tools: list[JSON], kind: str, name: str) -> bool:
    return any(tool["type"] == kind and tool.get("name") == name for tool in tools)


def _unmet(param: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"'{param}' {problem}.", param=param, code="unsupported_parameter")
