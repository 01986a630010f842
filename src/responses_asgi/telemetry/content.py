"""What was asked and answered, as attributes of spans, for those who have asked for it.

The attributes are JSON text in the shape of the conventions: messages of a role and parts. What is no text,
no call and no result of one is told by its type alone, so that no image or recording gets into a trace.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from responses_asgi.exchange import ToolRun
from responses_asgi.telemetry import names
from responses_asgi.types.json import JSON, dumps

__all__ = ["MAX_BYTES", "MAX_TEXT_CHARS", "input_content", "output_content", "tool_content"]

MAX_BYTES = 65_536
"""An attribute is not larger: of more messages the last ones are told."""

MAX_TEXT_CHARS = 8_192
"""So much of each text is told."""

_RESULTS = ("function_call_output", "custom_tool_call_output")


def input_content(body: JSON) -> dict[str, str]:
    """The messages of a request in either API, and its instructions."""
    given = body.get("messages", body.get("input"))
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    told = {names.INPUT_MESSAGES: _json(_messages(items))}
    instructions = body.get("instructions")
    if isinstance(instructions, str):
        told[names.SYSTEM_INSTRUCTIONS] = _json([_text(instructions)])
    return told


def output_content(answer: Mapping[str, Any]) -> dict[str, str]:
    """The messages of an answer in either API, as far as it came."""
    items = answer.get("output") or [choice.get("message") or {} for choice in answer.get("choices") or ()]
    return {names.OUTPUT_MESSAGES: _json(_messages(items))} if items else {}


def tool_content(run: ToolRun) -> dict[str, str]:
    """With what a tool was called, and what it answered."""
    result = {} if run.result is None else {names.TOOL_RESULT: run.result.output[:MAX_TEXT_CHARS]}
    return {names.TOOL_ARGUMENTS: _json([run.arguments])[1:-1], **result}


def _messages(items: Sequence[Any]) -> list[JSON]:
    return [_message(item) for item in items if isinstance(item, dict)]


def _message(item: JSON) -> JSON:
    """One message of Chat, or one item of Responses."""
    kind = item.get("type")
    if kind in _RESULTS:
        return {"role": "tool", "parts": [_result(item.get("call_id"), item.get("output"))]}
    if item.get("role") == "tool":
        return {"role": "tool", "parts": [_result(item.get("tool_call_id"), item.get("content"))]}
    if "arguments" in item and "call_id" in item:
        return {"role": "assistant", "parts": [_call(item["call_id"], item)]}
    if "role" not in item:
        return {"role": "assistant", "parts": [{"type": str(kind)}]}
    return {"role": str(item["role"]), "parts": [*_parts(item)]}


def _parts(message: JSON) -> Iterator[JSON]:
    content = message.get("content")
    if isinstance(content, str):
        yield _text(content)
    for part in content if isinstance(content, list) else ():
        said = part.get("text") if isinstance(part, dict) else None
        yield _text(said) if isinstance(said, str) else {"type": str(part.get("type"))}
    for call in message.get("tool_calls") or ():
        yield _call(call.get("id"), call.get("function") or {})


def _text(text: str) -> JSON:
    return {"type": "text", "content": text[:MAX_TEXT_CHARS]}


def _call(id: object, function: JSON) -> JSON:
    return {
        "type": "tool_call",
        "id": id,
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }


def _result(id: object, output: object) -> JSON:
    told = output if isinstance(output, str) else dumps(output).decode()
    return {"type": "tool_call_response", "id": id, "response": told[:MAX_TEXT_CHARS]}


def _json(messages: Sequence[Any]) -> str:
    """The last of them, as many as there is room for."""
    told: list[bytes] = []
    room = MAX_BYTES - 2
    for message in reversed(messages):
        written = dumps(message)
        room -= len(written) + 1
        if room < 0:
            break
        told.append(written)
    return (b"[" + b",".join(reversed(told)) + b"]").decode()
