"""The Chat Completions create body: what is checked before it is used; see `types.checks` for how.

Source: `CreateChatCompletionRequest` of the OpenAI document, read widely: what other servers' clients send
beside it passes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

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
    check_typed,
    check_typed_one,
    missing,
    wrong,
)
from responses_asgi.types.json import JSON

__all__ = ["validate_chat_request"]

MAX_CHOICES = 128


def _text_or_texts(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return value
    raise PydanticCustomError("text_or_list", "Input should be a string or a list of strings")


TokenLimit = Annotated[int, Field(ge=1)]


class _StreamOptions(Open):
    include_usage: bool | None = None


class _Request(SharedFields):
    messages: list[Any] | None = None
    max_completion_tokens: TokenLimit | None = None
    max_tokens: TokenLimit | None = None
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    stop: Annotated[Any, BeforeValidator(_text_or_texts)] = None
    seed: int | None = None
    logit_bias: JSON | None = None
    logprobs: bool | None = None
    modalities: list[str] | None = None
    audio: JSON | None = None
    prediction: JSON | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    response_format: JSON | None = None
    web_search_options: JSON | None = None
    stream_options: _StreamOptions | None = None
    functions: list[Any] | None = None
    function_call: TextOrObject = None
    # Fields of Responses that clients send beside those of Chat; they are joined with what Chat asks for.
    include: list[str] | None = None
    reasoning: JSON | None = None
    text: JSON | None = None


class _Instruction(Open):
    content: TextOrList
    name: str | None = None


class _LegacyCall(Open):
    name: Name
    arguments: str


class _Assistant(Open):
    content: TextOrListOrNull = None
    refusal: str | None = None
    name: str | None = None
    audio: JSON | None = None
    annotations: Objects | None = None
    tool_calls: Objects | None = None
    function_call: _LegacyCall | None = None


class _ToolMessage(Open):
    content: TextOrList
    tool_call_id: str


class _FunctionMessage(Open):
    content: TextOrListOrNull = None
    name: Name


class _TextPart(Open):
    text: str


class _RefusalPart(Open):
    refusal: str


class _Image(Open):
    url: Name
    detail: str | None = None


class _ImagePart(Open):
    image_url: Any


class _File(Open):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _FilePart(Open):
    file: _File


class _FunctionCall(Open):
    function: _LegacyCall
    id: str | None = None


class _Custom(Open):
    name: Name
    input: str


class _CustomCall(Open):
    custom: _Custom
    id: str | None = None


class _Function(Open):
    name: Name
    description: str | None = None
    parameters: JSON | None = None
    strict: bool | None = None


class _FunctionTool(Open):
    function: _Function


class _Grammar(Open):
    definition: str
    syntax: str


class _CustomFormat(Open):
    type: Name
    grammar: _Grammar | None = None


class _CustomDefinition(Open):
    name: Name
    description: str | None = None
    format: _CustomFormat | None = None


class _CustomTool(Open):
    custom: _CustomDefinition


class _Named(Open):
    name: Name


class _FunctionChoice(Open):
    function: _Named


class _CustomChoice(Open):
    custom: _Named


class _Allowed(Open):
    mode: Literal["auto", "required"] = "auto"
    tools: Objects


class _AllowedChoice(Open):
    allowed_tools: _Allowed


class _JSONSchema(Open):
    name: Name
    schema_: Annotated[JSON | None, Field(alias="schema")] = None
    description: str | None = None
    strict: bool | None = None


class _JSONSchemaFormat(Open):
    json_schema: _JSONSchema


MESSAGE_MODELS: Models = {
    "system": _Instruction,
    "developer": _Instruction,
    "user": _Instruction,
    "assistant": _Assistant,
    "tool": _ToolMessage,
    "function": _FunctionMessage,
}
PART_MODELS: Models = {
    "text": _TextPart,
    "input_text": _TextPart,
    "output_text": _TextPart,
    "refusal": _RefusalPart,
    "image_url": _ImagePart,
    "file": _FilePart,
}
CALL_MODELS: Models = {"function": _FunctionCall, "custom": _CustomCall}
TOOL_MODELS: Models = {"function": _FunctionTool, "custom": _CustomTool}
CHOICE_MODELS: Models = {
    "function": _FunctionChoice,
    "custom": _CustomChoice,
    "allowed_tools": _AllowedChoice,
}
FORMAT_MODELS: Models = {"json_schema": _JSONSchemaFormat}

LEGACY_CHOICE_WORDS = ("none", "auto")


def validate_chat_request(body: object, *, model_required: bool = True) -> JSON:
    """Check a Chat Completions create body and return it as it is, unknown fields included.

    `model_required`: whether the service has no model of its own to fall back on.
    Raises InvalidRequestError, with the exact path, for the first mistake found.

    >>> validate_chat_request({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    {'model': 'm', 'messages': [{'role': 'user', 'content': 'Hi'}]}
    """
    checked = check_body(_Request, body, model_required=model_required)
    if not checked.get("messages"):
        raise missing("messages")
    for i, message in enumerate(checked["messages"]):
        _check_message(message, f"messages[{i}]")
    check_typed(checked.get("tools"), "tools", TOOL_MODELS)
    for i, function in enumerate(checked.get("functions") or ()):
        _check_object(_Function, function, f"functions[{i}]")
    _check_choices(checked)
    if checked.get("response_format") is not None:
        check_typed_one(checked["response_format"], "response_format", FORMAT_MODELS)
    return checked


def _check_object(model: type[Open], value: object, path: str) -> None:
    if not isinstance(value, dict):
        raise wrong(path, "Input should be an object", value)
    check(model, value, path)


def _check_message(message: object, path: str) -> None:
    if not isinstance(message, dict):
        raise wrong(path, "Input should be an object", message)
    role = message.get("role")
    if role is None:
        raise missing(f"{path}.role")
    if not isinstance(role, str) or role not in MESSAGE_MODELS:
        expected = ", ".join(repr(known) for known in MESSAGE_MODELS)
        raise wrong(f"{path}.role", f"Input should be one of {expected}", role, "invalid_value")
    check(MESSAGE_MODELS[role], message, path)
    if isinstance(message.get("content"), list):
        check_typed(message["content"], f"{path}.content", PART_MODELS)
        for i, part in enumerate(message["content"]):
            # The address alone is what some clients send.
            if part["type"] == "image_url" and not isinstance(part["image_url"], str):
                _check_object(_Image, part["image_url"], f"{path}.content[{i}].image_url")
    if role == "assistant":
        for i, call in enumerate(message.get("tool_calls") or ()):
            # Some clients leave the type of a call out; its definition tells it.
            kind = call.get("type") or ("custom" if call.get("custom") else "function")
            check_typed_one({**call, "type": kind}, f"{path}.tool_calls[{i}]", CALL_MODELS)


def _check_choices(body: JSON) -> None:
    choice = body.get("tool_choice")
    if isinstance(choice, str):
        check_choice_word(choice)
    elif choice is not None:
        check_typed_one(choice, "tool_choice", CHOICE_MODELS)
        if choice["type"] == "allowed_tools":
            check_typed(choice["allowed_tools"]["tools"], "tool_choice.allowed_tools.tools", CHOICE_MODELS)
    legacy = body.get("function_call")
    if isinstance(legacy, str):
        if legacy not in LEGACY_CHOICE_WORDS:
            expected = "Input should be 'none' or 'auto', or an object"
            raise wrong("function_call", expected, legacy, "invalid_value")
    elif legacy is not None:
        _check_object(_Named, legacy, "function_call")
