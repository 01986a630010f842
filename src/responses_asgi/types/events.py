"""Responses stream events, and the order in which they are legal, as literal tables.

1. `RESPONSE_ORDER` is the life of a response, `ITEM_ORDER` the life of one output item: state -> event ->
   next state. An event that is missing in the row of a state is illegal there.
2. Items may interleave; each keeps its own state. Items and events of unknown type are legal anywhere
   between their own `added` and `done` (open world).
3. The tables are the only statement of the order: the machine's tests, the validator and the diagram in the
   documentation are all derived from them.
Source: the grammar in the OpenAI and Open Responses documents, and what the OpenAI SDKs accept.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from responses_asgi.sse import encode
from responses_asgi.types.json import JSON, loads

__all__ = [
    "DONE",
    "ITEM_ORDER",
    "QUEUED",
    "RESPONSE_ORDER",
    "TERMINAL_EVENTS",
    "Dialect",
    "Event",
    "SSEEvent",
    "StreamEvent",
]

Dialect = Literal["openai", "openresponses"]

DONE = b"[DONE]"


class Event(Protocol):
    """One stream event, ready to be sent."""

    @property
    def type(self) -> str:
        """The event's name, equal to `type` inside `data`; "" for Chat chunks, which have no event line."""

    @property
    def data(self) -> bytes:
        """The JSON document as sent, `sequence_number` included."""

    @property
    def sse(self) -> bytes:
        """The server-sent event: `data` as it is sent over SSE."""

    def json(self) -> JSON:
        """Decode `data`; for hooks, stores and tests, never on the hot path."""


class StreamEvent(NamedTuple):
    """An Event that is made of its data."""

    type: str
    data: bytes

    @property
    def sse(self) -> bytes:
        return encode(self.type, self.data)

    def json(self) -> JSON:
        document: JSON = loads(self.data)
        return document


class SSEEvent(NamedTuple):
    """An Event that is made as it is sent over SSE, which most clients ask for; its data are one line."""

    type: str
    sse: bytes

    @property
    def data(self) -> bytes:
        return self.sse[self.sse.index(b"data: ") + len(b"data: ") : -2]

    def json(self) -> JSON:
        document: JSON = loads(self.data)
        return document


QUEUED = ("response.created", "response.queued")
"""What is told first of a response that is made in the background."""

TERMINAL_EVENTS = frozenset({"response.completed", "response.incomplete", "response.failed"})

# "item" stands for every event that belongs to an output item.
RESPONSE_ORDER: dict[str, dict[str, str]] = {
    "new": {"response.created": "created"},
    "created": {"response.queued": "queued", "response.in_progress": "running"},
    "queued": {"response.in_progress": "running", "error": "broken", "response.failed": "ended"},
    "running": {
        "item": "running",
        "response.completed": "ended",
        "response.incomplete": "ended",
        "response.failed": "ended",
        "error": "broken",
    },
    "broken": {"response.failed": "ended"},
    "ended": {},
}


def _searching(call: str) -> dict[str, dict[str, str]]:
    """The life of a search. One that fails has no event of its own: it is done, with that status."""
    return {
        "opened": {
            f"response.{call}.in_progress": "opened",
            f"response.{call}.searching": "opened",
            f"response.{call}.completed": "ended",
            "response.output_item.done": "closed",
        },
        "ended": {"response.output_item.done": "closed"},
        "closed": {},
    }


# Item type -> state -> event -> next state. Every item starts in "opened" after response.output_item.added.
ITEM_ORDER: dict[str, dict[str, dict[str, str]]] = {
    "message": {
        "opened": {"response.content_part.added": "part", "response.output_item.done": "closed"},
        "part": {
            "response.output_text.delta": "part",
            "response.output_text.annotation.added": "part",
            "response.output_text.done": "text done",
            "response.refusal.delta": "part",
            "response.refusal.done": "text done",
        },
        "text done": {"response.content_part.done": "opened"},
        "closed": {},
    },
    "reasoning": {
        "opened": {
            "response.content_part.added": "part",
            "response.reasoning_summary_part.added": "summary",
            "response.output_item.done": "closed",
        },
        "part": {
            "response.reasoning_text.delta": "part",
            "response.reasoning_text.done": "text done",
            "response.reasoning.delta": "part",
            "response.reasoning.done": "text done",
        },
        "text done": {"response.content_part.done": "opened"},
        "summary": {
            "response.reasoning_summary_text.delta": "summary",
            "response.reasoning_summary_text.done": "summary done",
        },
        "summary done": {"response.reasoning_summary_part.done": "opened"},
        "closed": {},
    },
    "function_call": {
        "opened": {
            "response.function_call_arguments.delta": "opened",
            "response.function_call_arguments.done": "said",
        },
        "said": {"response.output_item.done": "closed"},
        "closed": {},
    },
    "custom_tool_call": {
        "opened": {
            "response.custom_tool_call_input.delta": "opened",
            "response.custom_tool_call_input.done": "said",
        },
        "said": {"response.output_item.done": "closed"},
        "closed": {},
    },
    # The events of commands name no item, only its index.
    "shell_call": {
        "opened": {
            "response.shell_call_command.added": "command",
            "response.output_item.done": "closed",
        },
        "command": {
            "response.shell_call_command.delta": "command",
            "response.shell_call_command.done": "opened",
        },
        "closed": {},
    },
    # The service streams the diff, which its document and its SDKs do not know.
    "apply_patch_call": {
        "opened": {
            "response.apply_patch_call_operation_diff.delta": "opened",
            "response.apply_patch_call_operation_diff.done": "said",
            "response.output_item.done": "closed",
        },
        "said": {"response.output_item.done": "closed"},
        "closed": {},
    },
    "local_shell_call": {"opened": {"response.output_item.done": "closed"}, "closed": {}},
    "tool_search_call": {"opened": {"response.output_item.done": "closed"}, "closed": {}},
    "mcp_call": {
        "opened": {"response.mcp_call.in_progress": "running"},
        "running": {
            "response.mcp_call_arguments.delta": "running",
            "response.mcp_call_arguments.done": "said",
        },
        "said": {"response.mcp_call.completed": "ended", "response.mcp_call.failed": "ended"},
        "ended": {"response.output_item.done": "closed"},
        "closed": {},
    },
    "web_search_call": _searching("web_search_call"),
    "file_search_call": _searching("file_search_call"),
    # One that fails has no event of its own: it is done, with that status.
    "code_interpreter_call": {
        "opened": {
            "response.code_interpreter_call.in_progress": "opened",
            "response.code_interpreter_call_code.delta": "opened",
            "response.code_interpreter_call_code.done": "said",
            "response.output_item.done": "closed",
        },
        "said": {
            "response.code_interpreter_call.interpreting": "said",
            "response.code_interpreter_call.completed": "ended",
            "response.output_item.done": "closed",
        },
        "ended": {"response.output_item.done": "closed"},
        "closed": {},
    },
    "image_generation_call": {
        "opened": {
            "response.image_generation_call.in_progress": "opened",
            "response.image_generation_call.generating": "opened",
            "response.image_generation_call.partial_image": "opened",
            "response.image_generation_call.completed": "ended",
            "response.output_item.done": "closed",
        },
        "ended": {"response.output_item.done": "closed"},
        "closed": {},
    },
    # It is told when the commands have run, so its status may be that of the end from the beginning.
    "shell_call_output": {
        "opened": {
            "response.shell_call_output_content.delta": "opened",
            "response.shell_call_output_content.done": "opened",
            "response.output_item.done": "closed",
        },
        "closed": {},
    },
}
