"""Tools and tool choices of Chat Completions -> those of Responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.tool_kinds import NO_PARAMETERS
from responses_asgi.translate.tool_table import admitted, policy_of
from responses_asgi.types.json import JSON

__all__ = ["CHOICE_MODES", "responses_tool_choice", "responses_tools", "unmet"]

# Tool types whose definition Chat nests under the name of the type, and Responses does not.
NESTED = ("function", "custom")

# What stands there in Chat, and beside the type in Responses.
_OF_DEFINITIONS = ("name", "description", "parameters", "strict", "format")

CHOICE_MODES = frozenset({"none", "auto", "required"})


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
        tool = _flat_tool(given, f"tools[{i}]", losses)
        names.add(tool.get("name"))
        yield f"tools[{i}]", tool
    if body.get("functions"):
        losses.report("functions", "emulated", "sent as tools")
        for i, function in enumerate(body["functions"]):
            if function["name"] not in names:
                yield f"functions[{i}]", _flat_tool({"type": "function", "function": function}, "", losses)
    search = body.get("web_search_options")
    if search is not None:
        yield "web_search_options", _web_search(search)


def _flat_tool(tool: JSON, path: str, losses: Losses) -> JSON:
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
    for key in [key for key in _OF_DEFINITIONS if key in extra]:
        # Clients that send both forms in one say the same twice.
        if extra.pop(key) != definition.get(key):
            losses.report(f"{path}.{key}", "dropped", f"`{path}.{kind}` is what defines the tool")
    return {"type": kind, **definition, **extra}


def _web_search(options: JSON) -> JSON:
    tool: JSON = {"type": "web_search", **{key: value for key, value in options.items() if value is not None}}
    location = tool.get("user_location")
    if isinstance(location, dict) and isinstance(location.get("approximate"), dict):
        tool["user_location"] = {"type": "approximate", **location["approximate"]}
    return tool


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
            raise unmet(path, "demands a tool call, but there are no tools")
        return choice if tools else None
    kind = choice["type"]
    if kind == "allowed_tools":
        return _flat_allowed_tools(choice["allowed_tools"], tools, profile, losses)
    if kind in NESTED:
        return _flat_choice(kind, choice[kind], tools, f"{path}.{kind}.name")
    if policy_of(kind, profile) is not None:
        raise unmet(f"{path}.type", f"demands a tool of type {kind!r}, which is not passed on")
    return choice


def _flat_choice(kind: str, named: JSON, tools: list[JSON], path: str) -> JSON:
    if not _has(tools, kind, named["name"]):
        raise unmet(path, f"demands {named['name']!r}, which is none of the {kind} tools")
    return {"type": kind, "name": named["name"]}


def _flat_allowed_tools(allowed: JSON, tools: list[JSON], profile: Profile, losses: Losses) -> Any:
    path = "tool_choice.allowed_tools.tools"
    mode = allowed.get("mode") or "auto"
    entries: list[JSON] = []
    for i, entry in enumerate(allowed["tools"]):
        kind = entry["type"]
        if kind not in NESTED and policy_of(kind, profile) is None:
            entries.append(entry)
        elif kind in NESTED and _has(tools, kind, entry[kind]["name"]):
            entries.append({"type": kind, "name": entry[kind]["name"]})
        else:
            losses.report(f"{path}[{i}]", "dropped", "there is no such tool")
    if not entries and mode == "required":
        raise unmet(path, "demands one of these tools, of which there are none")
    # No tool is allowed: an empty list might be read as no limit.
    return {"type": "allowed_tools", "mode": mode, "tools": entries} if entries else "none"


def _has(tools: list[JSON], kind: str, name: str) -> bool:
    return any(tool["type"] == kind and tool.get("name") == name for tool in tools)


def unmet(param: str, problem: str) -> InvalidRequestError:
    """The error for a tool choice that cannot be met."""
    return InvalidRequestError(f"'{param}' {problem}.", param=param, code="unsupported_parameter")
