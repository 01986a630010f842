"""The operator's tool policy between equals, where the client's tools are not looked at otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.responses_tools import CHOICE_MODES, unmet
from responses_asgi.translate.tool_table import admitted, policy_of
from responses_asgi.types.json import JSON

__all__ = ["passed_on"]

# Fields that mean nothing, and are errors with some servers, where there are no tools.
_WITH_TOOLS = ("tool_choice", "function_call", "parallel_tool_calls")


def passed_on(body: JSON, *, profile: Profile, losses: Losses) -> JSON:
    """The request, of either API, without the tools that the profile's policy drops, which are reported.

    Raises InvalidRequestError for a tool that the policy refuses, and for a choice that demands one it drops.

    >>> from dataclasses import replace
    >>> from responses_asgi.profiles import profile_for
    >>> profile = replace(profile_for("openai"), tool_policy={"web_search": "drop"})
    >>> passed_on({"input": "Hi", "tools": [{"type": "web_search"}]}, profile=profile, losses=Losses())
    {'input': 'Hi'}
    """
    if not profile.tool_policy:
        return body
    kept = dict(admitted(_declared(body), profile=profile, losses=losses))
    made = dict(body)
    for name in ("tools", "functions"):
        if body.get(name):
            made[name] = [each for i, each in enumerate(body[name]) if f"{name}[{i}]" in kept]
            if not made[name]:
                del made[name]
    if "web_search_options" in body and "web_search_options" not in kept:
        del made["web_search_options"]
    if isinstance(body.get("input"), list):
        made["input"] = [_item(item, f"input[{i}]", kept) for i, item in enumerate(body["input"])]
    _choose(made, bool(kept), profile, losses)
    return made


def _declared(body: JSON) -> Iterator[tuple[str, JSON]]:
    """Every tool with its path."""
    for i, tool in enumerate(body.get("tools") or ()):
        yield f"tools[{i}]", tool
    for i, _ in enumerate(body.get("functions") or ()):
        yield f"functions[{i}]", {"type": "function"}
    if body.get("web_search_options") is not None:
        yield "web_search_options", {"type": "web_search"}
    given = body.get("input")
    for i, item in enumerate(given if isinstance(given, list) else ()):
        for j, tool in enumerate(_tools_of(item)):
            yield f"input[{i}].tools[{j}]", tool


def _tools_of(item: JSON) -> list[JSON]:
    tools: list[JSON] = (item.get("tools") or []) if item.get("type") == "additional_tools" else []
    return tools


def _item(item: JSON, path: str, kept: JSON) -> JSON:
    tools = _tools_of(item)
    left = [tool for j, tool in enumerate(tools) if f"{path}.tools[{j}]" in kept]
    return item if len(left) == len(tools) else {**item, "tools": left}


def _choose(made: JSON, any_left: bool, profile: Profile, losses: Losses) -> None:
    """See to it that the choice is among what is left."""
    name = "tool_choice" if made.get("tool_choice") is not None else "function_call"
    choice: Any = made.get(name)
    mode = choice.get("type") if isinstance(choice, dict) else choice
    if mode == "required" and not any_left:
        raise unmet(name, "demands a tool call, but none of the tools is passed on")
    if isinstance(choice, dict) and mode not in CHOICE_MODES:
        kind = mode or "function"
        if kind == "allowed_tools":
            made[name] = _allowed(choice, profile, losses)
        elif policy_of(kind, profile) is not None:
            raise unmet(f"{name}.type", f"demands a tool of type {kind!r}, which is not passed on")
    if not any_left:
        for field in _WITH_TOOLS:
            made.pop(field, None)


def _allowed(choice: JSON, profile: Profile, losses: Losses) -> Any:
    """The allowed tools that are left; Chat nests them, Responses does not."""
    nested = choice.get("allowed_tools")
    inner: JSON = choice if nested is None else nested
    path = "tool_choice.tools" if nested is None else "tool_choice.allowed_tools.tools"
    left = []
    for i, entry in enumerate(inner.get("tools") or ()):
        if policy_of(str(entry.get("type")), profile) is None:
            left.append(entry)
        else:
            losses.report(f"{path}[{i}]", "dropped", "tools of this type are not passed on")
    if not left and inner.get("mode") == "required":
        raise unmet(path, "demands one of these tools, of which none is passed on")
    if not left:
        return "none"
    return (
        {**choice, "tools": left} if nested is None else {**choice, "allowed_tools": {**inner, "tools": left}}
    )
