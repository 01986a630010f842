"""Answers that fail, break off, or hold what Chat Completions has no word for."""

from __future__ import annotations

from typing import Any

from responses_asgi.testing.response_shapes.shape import (
    FOX_ANSWER,
    ResponsesShape,
    played,
    response,
    said,
    told,
)
from responses_asgi.testing.scripted import ResponsesTurn
from responses_asgi.testing.shapes.shape import FOX, FOX_TEXT, Answer
from responses_asgi.types.json import JSON

__all__ = ["FAULT_SHAPES"]

_ERROR = {"code": "server_error", "message": "The tide table burnt."}
_TEXT = said(0, *FOX)
_BEGUN = told(_TEXT)[:7]
_FAILED = Answer(text=FOX_TEXT, status="failed", error=_ERROR["message"])
_SILENT = Answer(status="failed", error=_ERROR["message"])


def _error_event(**fields: Any) -> list[JSON | bytes]:
    return [{"type": "error", "sequence_number": 7, **fields}]


def _failed(status: str = "failed", **fields: Any) -> list[JSON | bytes]:
    return [{"type": f"response.{status}", "response": response(status, **fields)}]


def _item(index: int, kind: str, **fields: Any) -> list[JSON]:
    """A finished item of some type."""
    item = {"id": f"x_{index}", "type": kind, "status": "completed", **fields}
    return [
        {
            "type": "response.output_item.added",
            "output_index": index,
            "item": {**item, "status": "in_progress"},
        },
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


_NESTED: JSON = {"type": "server_error", "param": None, **_ERROR}

_ERROR_SHAPES = [
    ResponsesShape(
        name="failed at once",
        says="the response fails before anything was said",
        turn=ResponsesTurn([*told()[:2], *_failed(error=_ERROR)]),
        answer=_SILENT,
    ),
    ResponsesShape(
        name="failed after text",
        says="the response fails after some text",
        turn=ResponsesTurn([*_BEGUN, *_failed(error=_ERROR)]),
        answer=_FAILED,
        streamed_only=True,
    ),
    ResponsesShape(
        name="failed without an error",
        says="a failure that does not say why",
        turn=ResponsesTurn([*_BEGUN, *_failed()]),
        answer=Answer(text=FOX_TEXT, status="failed"),
        streamed_only=True,
    ),
    ResponsesShape(
        name="cancelled",
        says="somebody cancelled the response",
        turn=ResponsesTurn([*_BEGUN, *_failed("cancelled")]),
        answer=Answer(text=FOX_TEXT, status="failed", error="cancelled"),
        streamed_only=True,
    ),
    ResponsesShape(
        name="error event, flat",
        says="the fields of the error are those of the event; failed follows",
        turn=ResponsesTurn([*_BEGUN, *_error_event(**_ERROR, param=None), *_failed(error=_ERROR)]),
        answer=_FAILED,
        streamed_only=True,
    ),
    ResponsesShape(
        name="error event, nested",
        says="the error is an object in the event; nothing follows",
        turn=ResponsesTurn([*_BEGUN, *_error_event(error=_NESTED)]),
        answer=_FAILED,
        streamed_only=True,
    ),
    ResponsesShape(
        name="error event, both",
        says="flat fields and nested ones",
        turn=ResponsesTurn([*_BEGUN, *_error_event(**_ERROR, param=None, error=_NESTED)]),
        answer=_FAILED,
        streamed_only=True,
    ),
    ResponsesShape(
        name="error without a type",
        says="an error object alone, as Chat servers send it",
        turn=ResponsesTurn([*_BEGUN, {"error": _NESTED}]),
        answer=_FAILED,
        streamed_only=True,
    ),
    ResponsesShape(
        name="error first",
        says="the stream begins with an error",
        turn=ResponsesTurn(_error_event(error=_NESTED)),
        answer=_SILENT,
        streamed_only=True,
    ),
    ResponsesShape(
        name="cut off",
        says="the body ends without a terminal event",
        turn=ResponsesTurn(_BEGUN),
        answer=Answer(text=FOX_TEXT, status="failed"),
        streamed_only=True,
    ),
    ResponsesShape(
        name="marker without an end",
        says="[DONE] comes, but no terminal event",
        turn=ResponsesTurn(_BEGUN, done=True),
        answer=Answer(text=FOX_TEXT, status="failed"),
        streamed_only=True,
    ),
    ResponsesShape(
        name="empty body",
        says="nothing comes at all",
        turn=ResponsesTurn([]),
        answer=Answer(status="failed"),
        streamed_only=True,
    ),
    ResponsesShape(
        name="still queued",
        says="a background response that is not made yet is no answer",
        turn=ResponsesTurn([{"type": "response.queued", "response": response("queued")}]),
        answer=Answer(status="failed"),
    ),
]

_HOSTED = [
    ResponsesShape(
        name=f"hosted {kind}",
        says="a tool that the server ran: the answer stands, the item is reported",
        turn=played(_item(0, kind), said(1, *FOX)),
        answer=FOX_ANSWER,
        reported=(f"output.{kind}",),
    )
    for kind in (
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "mcp_list_tools",
        "mcp_call",
        "compaction",
        "acme:lookup",
    )
]

_ACTS = [
    ResponsesShape(
        name=f"asks for {kind}",
        says="the client would have to act on it, and cannot be told",
        turn=played(said(0, *FOX), _item(1, kind)),
        answer=Answer(text=FOX_TEXT, status="failed", error=kind),
    )
    for kind in (
        "shell_call",
        "local_shell_call",
        "apply_patch_call",
        "computer_call",
        "mcp_approval_request",
    )
]

_ACTED = [
    ResponsesShape(
        name="shell call with its output",
        says="the server ran the command itself: nobody needs to act",
        turn=played(
            _item(0, "shell_call", call_id="call_0"),
            _item(1, "shell_call_output", call_id="call_0"),
            said(2, *FOX),
        ),
        answer=FOX_ANSWER,
        reported=("output.shell_call", "output.shell_call_output"),
    ),
    ResponsesShape(
        name="tool search by the server",
        says="the server found the tools itself: nobody needs to act",
        turn=played(
            _item(0, "tool_search_call", execution="server", call_id=None),
            _item(1, "tool_search_output", execution="server", call_id=None),
            said(2, *FOX),
        ),
        answer=FOX_ANSWER,
        reported=("output.tool_search_call", "output.tool_search_output"),
    ),
    ResponsesShape(
        name="asks beside a finished tool search",
        says="an answer to another item is no answer to this one",
        turn=played(
            _item(0, "tool_search_output", execution="server", call_id=None),
            _item(1, "mcp_approval_request"),
        ),
        answer=Answer(status="failed", error="mcp_approval_request"),
    ),
]

FAULT_SHAPES = _ERROR_SHAPES + _HOSTED + _ACTS + _ACTED
