"""The Responses create body: what is checked before it is used; see `types.checks` for how.

Source: `CreateResponse` of the OpenAI document and `CreateResponseBody` of Open Responses, which is wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from responses_asgi.errors import InvalidRequestError
from responses_asgi.types.checks import (
    Models,
    Name,
    Objects,
    Open,
    SharedFields,
    TextOrList,
    TextOrListOrNull,
    TextOrObject,
    check,
    check_body,
    check_choice_word,
    check_type,
    check_typed,
    check_typed_one,
    missing,
    wrong,
)
from responses_asgi.types.json import JSON

__all__ = ["check_item", "validate_request"]


class _Reasoning(Open):
    effort: str | None = None


class _Text(Open):
    format: JSON | None = None
    verbosity: str | None = None


class _ContextManagement(Open):
    type: str
    compact_threshold: Annotated[int, Field(ge=1000)] | None = None


class _Request(SharedFields):
    input: TextOrListOrNull = None
    instructions: str | None = None
    max_tool_calls: int | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    stream_options: JSON | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: TextOrObject = None
    prompt: JSON | None = None
    truncation: str | None = None
    context_management: Objects | None = None


class _Message(Open):
    role: Literal["user", "assistant", "system", "developer"]
    content: TextOrList


class _Called(Open):
    """A call, or the output of one: paired, and found among the tools, by these."""

    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None


class _FunctionCall(_Called):
    name: Name
    arguments: str


class _CustomCall(_Called):
    name: Name
    input: str


class _Output(_Called):
    output: TextOrList


class _ActionCall(_Called):
    action: JSON
    environment: JSON | None = None


class _PatchCall(_Called):
    operation: JSON


class _PatchOutput(_Called):
    status: str | None = None
    output: str | None = None


class _ReasoningPart(Open):
    text: str


class _ReasoningItem(Open):
    summary: list[_ReasoningPart] | None = None
    content: list[_ReasoningPart] | None = None
    encrypted_content: str | None = None


class _Tools(_Called):
    tools: Objects


class _TextPart(Open):
    text: str


class _RefusalPart(Open):
    refusal: str


class _ImagePart(Open):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class _FilePart(Open):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


class _FunctionTool(Open):
    name: Name
    description: str | None = None
    parameters: JSON | None = None
    strict: bool | None = None


class _Named(Open):
    name: Name


class _CustomTool(_Named):
    description: str | None = None
    format: JSON | None = None


class _Namespace(_Named):
    description: str | None = None
    tools: Objects | None = None


class _ToolSearch(Open):
    description: str | None = None
    parameters: JSON | None = None


class _Shell(Open):
    environment: JSON | None = None


class _AllowedTools(Open):
    mode: Literal["auto", "required"] = "auto"
    tools: Objects


class _JSONSchemaFormat(Open):
    name: Name
    schema_: Annotated[JSON, Field(alias="schema")]
    strict: bool | None = None


ITEM_MODELS: Models = {
    "message": _Message,
    "function_call": _FunctionCall,
    "function_call_output": _Output,
    "custom_tool_call": _CustomCall,
    "custom_tool_call_output": _Output,
    "reasoning": _ReasoningItem,
    "additional_tools": _Tools,
    "shell_call": _ActionCall,
    "shell_call_output": _Output,
    "local_shell_call": _ActionCall,
    "local_shell_call_output": _Output,
    "apply_patch_call": _PatchCall,
    "apply_patch_call_output": _PatchOutput,
    "tool_search_call": _Called,
    "tool_search_output": _Tools,
}
PART_MODELS: Models = {
    "input_text": _TextPart,
    "output_text": _TextPart,
    "text": _TextPart,
    "summary_text": _TextPart,
    "reasoning_text": _TextPart,
    "refusal": _RefusalPart,
    "input_image": _ImagePart,
    "input_file": _FilePart,
}
TOOL_MODELS: Models = {
    "function": _FunctionTool,
    "custom": _CustomTool,
    "namespace": _Namespace,
    "tool_search": _ToolSearch,
    "shell": _Shell,
}
WITH_PARTS = frozenset(
    {"message", "function_call_output", "custom_tool_call_output", "local_shell_call_output"}
)
"""Items whose content or output may be a list of parts."""

CHOICE_MODELS: Models = {"function": _Named, "custom": _Named, "allowed_tools": _AllowedTools}
FORMAT_MODELS: Models = {"json_schema": _JSONSchemaFormat}


def validate_request(body: object, *, model_required: bool = True) -> JSON:
    """Check a Responses create body and return it as it is, unknown fields included.

    `model_required`: whether the service has no model of its own to fall back on.
    Raises InvalidRequestError, with the exact path, for the first mistake found.

    >>> validate_request({"model": "m", "input": "Hi"})
    {'model': 'm', 'input': 'Hi'}
    """
    checked = check_body(_Request, body, model_required=model_required)
    _check_state(checked)
    for i, entry in enumerate(checked.get("context_management") or ()):
        check(_ContextManagement, entry, f"context_management[{i}]")
    given = checked.get("input")
    if not given and not any(
        checked.get(key) for key in ("instructions", "previous_response_id", "conversation", "prompt")
    ):
        raise missing("input")
    if isinstance(given, list):
        for i, item in enumerate(given):
            check_item(item, f"input[{i}]")
    _check_tools(checked.get("tools"), "tools")
    _check_choice(checked.get("tool_choice"))
    format = (checked.get("text") or {}).get("format")
    if format is not None:
        check_typed_one(format, "text.format", FORMAT_MODELS)
    return checked


def _check_state(body: JSON) -> None:
    if body.get("previous_response_id") is not None and body.get("conversation") is not None:
        raise InvalidRequestError(
            "'previous_response_id' and 'conversation' exclude each other; send one of them.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )


def check_item(item: object, path: str) -> None:
    """Check one input item; raises InvalidRequestError with a path that begins with `path`."""
    if not isinstance(item, dict):
        raise wrong(path, "Input should be an object", item)
    kind = item.get("type")
    if kind is None:
        if "role" not in item and not isinstance(item.get("id"), str):
            raise missing(f"{path}.type")
        kind = "message" if "role" in item else "item_reference"
    check_type({"type": kind}, path)
    model = ITEM_MODELS.get(kind)
    if model is None:
        return
    check(model, item, path)
    for key in ("content", "output"):
        if key in item and kind in WITH_PARTS and isinstance(item[key], list):
            check_typed(item[key], f"{path}.{key}", PART_MODELS)
    if model is _Tools:
        _check_tools(item["tools"], f"{path}.tools")


def _check_tools(tools: Sequence[JSON] | None, path: str) -> None:
    check_typed(tools, path, TOOL_MODELS)
    for i, tool in enumerate(tools or ()):
        if tool["type"] == "namespace":
            check_typed(tool.get("tools"), f"{path}[{i}].tools", TOOL_MODELS)


def _check_choice(choice: Any) -> None:
    if isinstance(choice, str):
        check_choice_word(choice)
    elif choice is not None:
        check_typed_one(choice, "tool_choice", CHOICE_MODELS)
        if choice["type"] == "allowed_tools":
            check_typed(choice["tools"], "tool_choice.tools", {})
