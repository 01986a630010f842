"""The tools that agents send, one row each, and what a Chat history must look like."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from responses_asgi.types.json import JSON

SCHEMA: JSON = {"type": "object", "properties": {"x": {"type": "integer"}}}
PATCH = '*** Begin Patch\n*** Add File: a "b".txt\n+é\U0001f600\\n\n*** End Patch\n'
LARK: JSON = {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch" LF'}


class AgentTool(NamedTuple):
    """A tool as a client declares it, and one call of it there and back."""

    definition: JSON
    """The tool."""
    sent_as: str
    """Its name upstream."""
    written: str
    """What the model writes as arguments."""
    item: JSON
    """What of the call item must be there."""
    answer: JSON
    """What the client answers, without the call id."""
    told: str
    """What the model is told of it."""
    native: bool = False
    """Whether Chat Completions has the type too."""
    said_again: str | None = None
    """The arguments as the history has them, where they are not word for word what was written."""


TOOLS: dict[str, AgentTool] = {
    "function": AgentTool(
        {"type": "function", "name": "f", "parameters": SCHEMA, "strict": False},
        "f",
        '{"x":1}',
        {"type": "function_call", "name": "f", "arguments": '{"x":1}'},
        {"type": "function_call_output", "output": "42"},
        "42",
        native=True,
    ),
    "custom": AgentTool(
        {"type": "custom", "name": "apply", "description": "Edits files.", "format": LARK},
        "apply",
        json.dumps({"input": PATCH}),
        {"type": "custom_tool_call", "name": "apply", "input": PATCH},
        {"type": "custom_tool_call_output", "output": "done"},
        "done",
        native=True,
    ),
    "namespace": AgentTool(
        {
            "type": "namespace",
            "name": "multi.agent",
            "description": "Agents.",
            "tools": [{"type": "function", "name": "spawn", "parameters": SCHEMA}],
        },
        "multi_agent__spawn_d243c9b5",
        '{"x":2}',
        {"type": "function_call", "name": "spawn", "namespace": "multi.agent", "arguments": '{"x":2}'},
        {"type": "function_call_output", "output": "spawned", "namespace": "multi.agent", "name": "spawn"},
        "spawned",
    ),
    "namespaced custom": AgentTool(
        {
            "type": "namespace",
            "name": "functions",
            "description": "Code.",
            "tools": [{"type": "custom", "name": "exec", "format": {"type": "text"}}],
        },
        "functions__exec",
        '{"input":"text(1)"}',
        {"type": "custom_tool_call", "name": "exec", "namespace": "functions", "input": "text(1)"},
        {"type": "custom_tool_call_output", "output": "1"},
        "1",
    ),
    "tool_search": AgentTool(
        {"type": "tool_search", "execution": "client", "description": "Finds.", "parameters": SCHEMA},
        "tool_search",
        '{"x":3}',
        {"type": "tool_search_call", "execution": "client", "arguments": {"x": 3}},
        {
            "type": "tool_search_output",
            "execution": "client",
            "tools": [{"type": "function", "name": "g", "defer_loading": True, "parameters": SCHEMA}],
        },
        "These tools can be called from now on: g",
    ),
    "shell": AgentTool(
        {"type": "shell", "environment": {"type": "local"}},
        "shell",
        '{"commands":["ls","pwd"],"timeout_ms":5}',
        {
            "type": "shell_call",
            "action": {"commands": ["ls", "pwd"], "timeout_ms": 5, "max_output_length": None},
            "environment": {"type": "local"},
        },
        {
            "type": "shell_call_output",
            "max_output_length": None,
            "output": [{"stdout": "a\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}],
        },
        '[{"stdout":"a\\n","stderr":"","outcome":{"type":"exit","exit_code":0}}]',
    ),
    "local_shell": AgentTool(
        {"type": "local_shell"},
        "local_shell",
        '{"command":["ls","-l"],"working_directory":"/tmp"}',
        {
            "type": "local_shell_call",
            "action": {"type": "exec", "command": ["ls", "-l"], "env": {}, "working_directory": "/tmp"},
        },
        {"type": "local_shell_call_output", "output": '{"output":"a"}'},
        '{"output":"a"}',
        said_again='{"command":["ls","-l"],"env":{},"working_directory":"/tmp"}',
    ),
    "apply_patch": AgentTool(
        {"type": "apply_patch"},
        "apply_patch",
        '{"type":"update_file","path":"a.txt","diff":"@@\\n-a\\n+b"}',
        {
            "type": "apply_patch_call",
            "operation": {"type": "update_file", "path": "a.txt", "diff": "@@\n-a\n+b"},
        },
        {"type": "apply_patch_call_output", "status": "failed", "output": "no such file"},
        "failed\nno such file",
    ),
}

# Tools that a service runs, which a Chat upstream cannot be asked for.
HOSTED: list[JSON] = [
    {"type": "web_search", "external_web_access": False},
    {"type": "web_search_2025_08_26", "filters": {"allowed_domains": ["a.test"]}},
    {"type": "web_search_preview"},
    {"type": "web_search_preview_2025_03_11"},
    {"type": "file_search", "vector_store_ids": ["vs"]},
    {"type": "code_interpreter", "container": {"type": "auto"}},
    {"type": "image_generation"},
    {"type": "mcp", "server_label": "s", "server_url": "https://a.test"},
    {"type": "computer"},
    {"type": "computer_use_preview", "environment": "linux"},
    {"type": "shell", "environment": {"type": "container_auto"}},
    {"type": "tool_search", "execution": "server"},
    {"type": "tool_search"},
    {"type": "programmatic_tool_calling"},
    {"type": "acme:tool"},
]


def assert_legal_history(messages: list[JSON]) -> None:
    """What every Chat server takes: each call answered right after, once, with whole arguments."""
    waiting: list[str] = []
    seen: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in waiting, "an answer without a call right before it"
            waiting.remove(message["tool_call_id"])
            assert isinstance(message["content"], str)
            continue
        assert not waiting, f"{waiting} are not answered"
        for call in message.get("tool_calls") or ():
            assert message["role"] == "assistant"
            assert call["id"] not in seen
            seen.add(call["id"])
            waiting.append(call["id"])
            if call["type"] == "function":
                assert isinstance(json.loads(call["function"]["arguments"]), dict)
            assert call[call["type"]]["name"]
    assert not waiting, f"{waiting} are not answered"


def assert_sendable(chat: JSON) -> None:
    """The tools of a Chat request have legal names of their own, and its history is legal."""
    names = [tool[tool["type"]]["name"] for tool in chat.get("tools") or ()]
    assert len(set(names)) == len(names)
    for name in names:
        assert 0 < len(name) <= 64
        assert all(character.isascii() and (character.isalnum() or character in "_-") for character in name)
    for tool in chat.get("tools") or ():
        assert tool.keys() <= {"type", tool["type"]}
    assert_legal_history(chat["messages"])


def pieces(text: str, size: int) -> list[str]:
    """The text in pieces of this size; at least one."""
    return [text[i : i + size] for i in range(0, len(text), size)] or [""]


def losses_of(found: Any) -> list[tuple[str, str]]:
    return [(loss.path, loss.action) for loss in found]
