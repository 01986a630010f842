"""Calls that a service runs, told as reasoning: one item for each, in its place, and all else untouched."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.translate.progress import Progress
from responses_asgi.translate.unfold import unfold
from responses_asgi.types.json import JSON

MCP = {"type": "mcp_call", "id": "mcp_1", "server_label": "wiki", "name": "read", "error": None}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hi", "annotations": [], "logprobs": []}],
}


def told(*items: JSON) -> tuple[list[JSON], list[JSON]]:
    """The events that a response with these items becomes, and the items of its last one."""
    response: JSON = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": "m",
        "output": list(items),
        "usage": None,
    }
    progress = Progress()
    events = [each for event in unfold(response) for each in progress.told(event)]
    return events, events[-1]["response"]["output"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (MCP | {"arguments": "{}", "status": "completed"}, "Calls wiki.read."),
        (MCP | {"arguments": " ", "status": "completed"}, "Calls wiki.read."),
        (MCP | {"arguments": '{"a":1}', "status": "completed"}, 'Calls wiki.read: {"a":1}'),
        (MCP | {"arguments": "{}", "status": "failed"}, "Calls wiki.read. It failed."),
        (MCP | {"arguments": "x" * 300, "status": "completed"}, f"Calls wiki.read: {'x' * 200}..."),
        ({"type": "web_search_call", "id": "ws_1", "status": "completed"}, "Calls web_search."),
        ({"type": "shell_call", "id": "sh_1", "call_id": "c", "status": "completed"}, "Calls shell."),
        ({"type": "file_search_call", "id": "fs_1", "status": "failed"}, "Calls file_search. It failed."),
    ],
)
def test_a_call_becomes_a_thought(call: JSON, said: str) -> None:
    events, output = told(call, MESSAGE)
    thought: dict[str, Any] = {
        "id": call["id"],
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": said}],
    }
    assert output == [thought, MESSAGE]
    deltas = [event["delta"] for event in events if event["type"] == "response.reasoning_summary_text.delta"]
    assert "".join(deltas) == said
    assert not [event for event in events if "mcp" in event["type"] or "search" in event["type"]]


def test_all_else_is_as_it_was() -> None:
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    events, output = told(MESSAGE, call | {"status": "completed"})
    assert output == [MESSAGE, call | {"status": "completed"}]
    assert "response.reasoning_summary_text.delta" not in [event["type"] for event in events]
