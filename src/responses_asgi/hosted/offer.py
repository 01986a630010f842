"""What one request is offered: functions in the place of hosted tools, and what they stand for."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from responses_asgi.errors import APIError
from responses_asgi.hosted.tool import HostedTool, parameters_of
from responses_asgi.translate.tool_names import flat_name
from responses_asgi.translate.tool_table import declared_tools
from responses_asgi.types.json import JSON

__all__ = ["Found", "Offer", "make_offer"]

_NAMED = frozenset({"function", "custom"})
_MAX_SERVER_DESCRIPTION = 300


class Offer(NamedTuple):
    """A request as the upstream is to have it, and the tools that the service runs for it.

    `body` has functions instead of hosted tools, and a `tool_choice` that names them. `tools` are the hosted
    ones by the names of these functions. `listed` are the `mcp_list_tools` items that the client is to see,
    `kinds` the hosted tools of the API that the service runs, and the functions that stand for them.
    `labels` are those of the servers, also of servers that have no tools here.
    """

    body: JSON
    tools: Mapping[str, HostedTool]
    listed: list[JSON]
    kinds: Mapping[str, str] = {}
    labels: Collection[str] = ()


class Found(NamedTuple):
    """What came of one label: its tools, or why there are none."""

    label: str
    tools: Sequence[HostedTool] = ()
    error: str | None = None
    tell: bool = False
    """Whether the client asked for it, and so is told its list."""
    description: str = ""

    def unasked(self) -> Found:
        """What is left for a client that can be told no items, and so cannot agree to a call."""
        return self._replace(tools=[tool for tool in self.tools if not tool.approval], tell=False)


def make_offer(
    body: JSON, found: Sequence[Found], *, replaced: Iterable[int], history: Sequence[JSON] = ()
) -> Offer:
    """The offer of a Responses request; `replaced` are the positions in its `tools` that are hosted.

    Raises APIError when `tool_choice` names a hosted tool that is not there.
    """
    names = _names(body, found, history)
    offered = {
        names[tool.label, tool.name]: (tool, each.description) for each in found for tool in each.tools
    }
    gone = set(replaced)
    choice = _choice(body.get("tool_choice"), found, names)
    listed = list(_listed(body, found, history))
    if not offered and not gone:
        return Offer(body, {}, listed)
    tools = [tool for i, tool in enumerate(body.get("tools") or ()) if i not in gone]
    tools += [_function(name, tool, about) for name, (tool, about) in offered.items()]
    made = {**body, "tools": tools}
    if not tools:
        # Without tools there is nothing to choose, and servers refuse a choice, or an empty list.
        made = {name: value for name, value in made.items() if name not in ("tools", "parallel_tool_calls")}
    if choice is not None:
        made["tool_choice"] = choice
    if not tools and choice in ("auto", "none"):
        del made["tool_choice"]
    return Offer(
        made, {name: tool for name, (tool, _) in offered.items()}, list(_listed(body, found, history))
    )


def _names(body: JSON, found: Sequence[Found], history: Sequence[JSON]) -> dict[tuple[str, str], str]:
    """A name for every hosted tool: never one of the client's, and always the same for the same tools."""
    taken = {
        str(tool.get("name"))
        for _, tool in declared_tools({"input": [], **body}, history)
        if tool.get("type") in _NAMED
    }
    names: dict[tuple[str, str], str] = {}
    for key in sorted({(tool.label, tool.name) for each in found for tool in each.tools}):
        names[key] = flat_name(*key, taken)
        taken.add(names[key])
    return names


def _function(name: str, tool: HostedTool, about: str) -> JSON:
    said = [tool.description, f"Server: {about[:_MAX_SERVER_DESCRIPTION]}" if about else ""]
    return {
        "type": "function",
        "name": name,
        "description": "\n\n".join(filter(None, said)),
        "parameters": parameters_of(tool.parameters),
        # Responses takes a function that does not say so as strict, and refuses most schemas as such.
        "strict": False,
    }


def _listed(body: JSON, found: Sequence[Found], history: Sequence[JSON]) -> Iterable[JSON]:
    given = body.get("input")
    known = {
        str(item.get("server_label"))
        for item in [*history, *(given if isinstance(given, list) else ())]
        if item.get("type") == "mcp_list_tools" and not item.get("error")
    }
    for each in found:
        if not each.tell or (each.label in known and each.error is None):
            continue
        item: JSON = {
            "id": f"mcpl_{secrets.token_hex(24)}",
            "type": "mcp_list_tools",
            "server_label": each.label,
            "tools": [tool.listed() for tool in each.tools],
        }
        yield item if each.error is None else item | {"error": each.error}


# tool_choice


def _choice(choice: Any, found: Sequence[Found], names: Mapping[tuple[str, str], str]) -> Any:
    """The choice in terms of functions; one that is not about hosted tools stays as it is."""
    if not isinstance(choice, Mapping):
        return choice
    if choice.get("type") != "allowed_tools":
        chosen = _chosen(choice, found, names, "tool_choice")
        if chosen is None:
            return choice
        functions = [{"type": "function", "name": name} for name in chosen]
        if len(functions) == 1:
            return functions[0]
        return {"type": "allowed_tools", "mode": "required", "tools": functions}
    if isinstance(choice.get("tools"), list):
        tools: list[Any] = []
        for i, tool in enumerate(choice["tools"]):
            known = isinstance(tool, Mapping)
            chosen = _chosen(tool, found, names, f"tool_choice.tools[{i}]") if known else None
            tools += [tool] if chosen is None else [{"type": "function", "name": name} for name in chosen]
        return {**choice, "tools": tools}
    return choice


def _is(tool: HostedTool, choice: Mapping[str, Any]) -> bool:
    """Whether a choice of a type of hosted tools means this one."""
    return tool.typed is not None and choice.get("type") in tool.typed.kind.tools


def _chosen(
    choice: Mapping[str, Any], found: Sequence[Found], names: Mapping[tuple[str, str], str], param: str
) -> list[str] | None:
    """The names of the functions that are chosen; None: it is about nothing that is hosted here."""
    if choice.get("type") != "mcp":
        return [
            names[tool.label, tool.name] for each in found for tool in each.tools if _is(tool, choice)
        ] or None
    label, name = choice.get("server_label"), choice.get("name")
    each = next((each for each in found if each.label == label), None)
    if each is None:
        return None
    if each.error is not None:
        raise APIError(
            f"'{param}' names the MCP server {label!r}, which did not tell its tools: {each.error}",
            status=424,
            type="external_connector_error",
            param=param,
            code="mcp_server_unavailable",
        )
    chosen = [names[tool.label, tool.name] for tool in each.tools if name in (None, tool.name)]
    if not chosen:
        raise APIError(
            f"'{param}' names the tool {name!r}, which {label!r} does not offer here."
            if name
            else f"'{param}' names {label!r}, which offers no tool here.",
            status=400,
            param=param,
            code="invalid_value",
        )
    return chosen
