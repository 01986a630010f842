"""What every Chat server may count on in a request, whichever client asked: the rules of a legal history."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from responses_asgi.testing import ModelRequest, ToolCall
from responses_asgi.types.json import JSON

ROLES = {"system", "developer", "user", "assistant", "tool"}
DETAILS = {"auto", "low", "high"}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# Part type -> the roles whose messages may have it.
PARTS = {
    "text": ROLES,
    "refusal": {"assistant"},
    "image_url": {"user"},
    "file": {"user"},
    "input_audio": {"user"},
}

Turn = Callable[[ModelRequest], Any]
Check = Callable[[ModelRequest], None]


def turn(*said: Any, check: Check | None = None) -> Turn:
    """A turn of a `FakeModel` that looks at the history first; what is callable is given the request."""

    def answer(request: ModelRequest) -> list[Any]:
        assert request.api == "chat", request
        assert_history(request.body)
        assert request.messages[-1]["role"] != "assistant", request.messages[-1]
        if check is not None:
            check(request)
        return [each(request) if callable(each) else each for each in said]

    return answer


def calling(
    name: str, arguments: JSON | str, call_id: str | None = None
) -> Callable[[ModelRequest], ToolCall]:
    """A call of the tool that the client knows by this name, in whatever namespace.

    Text is the input of a custom tool, for which a function with one string stands.
    """

    def call(request: ModelRequest) -> ToolCall:
        function = tool_named(request, name)
        if isinstance(arguments, str):
            (field,) = function["parameters"]["properties"]
            return ToolCall(function["name"], {field: arguments}, call_id)
        return ToolCall(function["name"], arguments, call_id)

    return call


def tool_named(request: ModelRequest, name: str) -> JSON:
    """The function, or custom tool, that stands for the client's tool."""
    tools = [tool[tool["type"]] for tool in request.body.get("tools") or ()]
    found = [tool for tool in tools if re.search(rf"(?:\A|_|-){re.escape(name)}\Z", tool["name"])]
    exact = [tool for tool in found if tool["name"] == name]
    (tool,) = exact or found or [f"no tool {name!r} among {[tool['name'] for tool in tools]}"]
    assert isinstance(tool, dict), tool
    return tool


def assert_history(body: JSON) -> None:
    """Raise AssertionError for a request that a strict Chat server would refuse or misread."""
    _check_tools(body)
    messages = body["messages"]
    waiting: list[str] = []
    before = None
    for number, message in enumerate(messages):
        where, role = f"messages[{number}]", message["role"]
        assert role in ROLES, f"{where}: role {role!r}"
        if waiting:
            assert role == "tool", f"{where}: {role} stands before the outputs of {waiting}"
        if role == "tool":
            assert message["tool_call_id"] in waiting, f"{where}: no call waits for {message['tool_call_id']}"
            waiting.remove(message["tool_call_id"])
        if role == "assistant":
            assert before != "assistant", f"{where}: two assistant messages in a row"
            waiting = _calls_of(where, message)
        _check_content(where, message)
        before = role
    assert not waiting, f"no outputs of {waiting}"


def _check_tools(body: JSON) -> None:
    names = []
    for number, tool in enumerate(body.get("tools", ())):
        where, kind = f"tools[{number}]", tool["type"]
        assert kind in ("function", "custom"), f"{where}: type {kind!r}"
        assert tool.keys() == {"type", kind}, f"{where}: {sorted(tool)}"
        named = tool[kind]
        assert NAME.fullmatch(named["name"]), f"{where}: name {named['name']!r}"
        names.append(named["name"])
        if kind == "function":
            assert named["parameters"]["type"] == "object", f"{where}: {named['parameters']}"
            assert isinstance(named["parameters"]["properties"], dict), f"{where}: {named['parameters']}"
    assert len(set(names)) == len(names), f"tools of the same name: {sorted(names)}"
    assert body.get("tools") != [], "tools must not be empty"
    if not names:
        assert "tool_choice" not in body, "tool_choice without tools"
        assert "parallel_tool_calls" not in body, "parallel_tool_calls without tools"


def _calls_of(where: str, message: JSON) -> list[str]:
    """The ids of the calls in an assistant message, which are looked at."""
    calls = message.get("tool_calls", ())
    ids = [call["id"] for call in calls]
    assert len(set(ids)) == len(ids), f"{where}: calls of the same id: {ids}"
    assert calls or message.get("content"), f"{where}: it neither says nor calls anything"
    for call in calls:
        assert call["type"] in ("function", "custom"), f"{where}: {call}"
        called = call[call["type"]]
        assert NAME.fullmatch(called["name"]), f"{where}: {call}"
        if call["type"] == "function":
            assert isinstance(json.loads(called["arguments"]), dict), f"{where}: {call}"
        else:
            assert isinstance(called["input"], str), f"{where}: {call}"
    return ids


def _check_content(where: str, message: JSON) -> None:
    content, role = message.get("content"), message["role"]
    if role == "assistant":
        return
    assert isinstance(content, str | list), f"{where}: content {content!r}"
    assert content or role == "tool", f"{where}: no content"
    for number, part in enumerate(content if isinstance(content, list) else ()):
        at, kind = f"{where}.content[{number}]", part["type"]
        assert role in PARTS.get(kind, ()), f"{at}: {kind!r} in a message of the {role}"
        if kind == "image_url":
            assert part["image_url"].get("detail", "auto") in DETAILS, (
                f"{at}: {part['image_url']['detail']!r}"
            )
            assert part["image_url"]["url"].startswith(("data:image/", "https:")), at
