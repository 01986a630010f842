"""The Responses create body: what is checked before it is used, and how a mistake is told.

1. Only what translation relies on is checked: types, required fields, and ranges the API states. Unknown
   fields, items, parts and tools pass (open world), and null counts as absent.
2. A mistake is an InvalidRequestError whose message says what was expected and what was got, and whose
   `param` is the exact path, `input[2].content[0].text`.
Source: `CreateResponse` of the OpenAI document and `CreateResponseBody` of Open Responses, which is wider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from responses_asgi.errors import InvalidRequestError
from responses_asgi.types.json import JSON, dumps

__all__ = ["validate_request"]

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512
MAX_TOP_LOGPROBS = 20

# How much of a wrong value is shown.
MAX_SHOWN = 60


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, frozen=True)


def _text_or_list(value: object) -> object:
    if isinstance(value, str | list):
        return value
    raise PydanticCustomError("text_or_list", "Input should be a string or a list of objects")


def _text_or_object(value: object) -> object:
    if value is None or isinstance(value, str | dict):
        return value
    raise PydanticCustomError("text_or_object", "Input should be a string or an object")


TextOrList = Annotated[Any, BeforeValidator(_text_or_list)]
TextOrObject = Annotated[Any, BeforeValidator(_text_or_object)]
Name = Annotated[str, Field(min_length=1)]
Objects = list[JSON]
MetadataText = Annotated[str, Field(max_length=MAX_METADATA_VALUE)]
MetadataKey = Annotated[str, Field(max_length=MAX_METADATA_KEY)]


class _Reasoning(_Open):
    effort: str | None = None


class _Text(_Open):
    format: JSON | None = None
    verbosity: str | None = None


class _Request(_Open):
    """The fields of a create body; all may be null."""

    model: str | None = None
    input: Annotated[Any, BeforeValidator(lambda value: None if value is None else _text_or_list(value))] = (
        None
    )
    instructions: str | None = None
    tools: Objects | None = None
    tool_choice: TextOrObject = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataText], Field(max_length=MAX_METADATA_PAIRS)] | None = None
    stream: bool | None = None
    stream_options: JSON | None = None
    background: bool | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: TextOrObject = None
    prompt: JSON | None = None
    truncation: str | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: JSON | None = None
    moderation: JSON | None = None
    context_management: Objects | None = None


class _Message(_Open):
    role: Literal["user", "assistant", "system", "developer"]
    content: TextOrList


class _FunctionCall(_Open):
    name: Name
    arguments: str
    call_id: str | None = None


class _CustomCall(_Open):
    name: Name
    input: str
    call_id: str | None = None


class _Output(_Open):
    output: TextOrList
    call_id: str | None = None


class _ReasoningPart(_Open):
    text: str


class _ReasoningItem(_Open):
    summary: list[_ReasoningPart] | None = None
    content: list[_ReasoningPart] | None = None
    encrypted_content: str | None = None


class _AdditionalTools(_Open):
    tools: Objects


class _TextPart(_Open):
    text: str


class _RefusalPart(_Open):
    refusal: str


class _ImagePart(_Open):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class _FilePart(_Open):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


class _Typed(_Open):
    type: Name


class _FunctionTool(_Open):
    name: Name
    description: str | None = None
    parameters: JSON | None = None
    strict: bool | None = None


class _Named(_Open):
    name: Name


class _AllowedTools(_Open):
    mode: Literal["auto", "required"] = "auto"
    tools: Objects


class _JSONSchemaFormat(_Open):
    name: Name
    schema_: Annotated[JSON, Field(alias="schema")]
    strict: bool | None = None


Models = Mapping[str, type[_Open]]

ITEM_MODELS: Models = {
    "message": _Message,
    "function_call": _FunctionCall,
    "function_call_output": _Output,
    "custom_tool_call": _CustomCall,
    "custom_tool_call_output": _Output,
    "reasoning": _ReasoningItem,
    "additional_tools": _AdditionalTools,
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
TOOL_MODELS: Models = {"function": _FunctionTool, "custom": _Named, "namespace": _Named}
CHOICE_MODELS: Models = {"function": _Named, "custom": _Named, "allowed_tools": _AllowedTools}
FORMAT_MODELS: Models = {"json_schema": _JSONSchemaFormat}

CHOICE_WORDS = ("none", "auto", "required")


def validate_request(body: object, *, model_required: bool = True) -> JSON:
    """Check a Responses create body and return it as it is, unknown fields included.

    `model_required`: whether the service has no model of its own to fall back on.
    Raises InvalidRequestError, with the exact path, for the first mistake found.

    >>> validate_request({"model": "m", "input": "Hi"})
    {'model': 'm', 'input': 'Hi'}
    """
    if not isinstance(body, dict):
        raise InvalidRequestError(f"The request body must be a JSON object, got {_shown(body)}.")
    _check(_Request, body, "")
    if model_required and not body.get("model"):
        raise _missing("model")
    _check_state(body)
    given = body.get("input")
    if not given and not any(
        body.get(key) for key in ("instructions", "previous_response_id", "conversation", "prompt")
    ):
        raise _missing("input")
    if isinstance(given, list):
        for i, item in enumerate(given):
            _check_item(item, f"input[{i}]")
    _check_typed(body.get("tools"), "tools", TOOL_MODELS)
    _check_choice(body.get("tool_choice"))
    format = (body.get("text") or {}).get("format")
    if format is not None:
        _check_typed_one(format, "text.format", FORMAT_MODELS)
    return body


def _check_state(body: JSON) -> None:
    if body.get("previous_response_id") is not None and body.get("conversation") is not None:
        raise InvalidRequestError(
            "'previous_response_id' and 'conversation' exclude each other; send one of them.",
            param="previous_response_id",
            code="mutually_exclusive_parameters",
        )


def _check_item(item: object, path: str) -> None:
    if not isinstance(item, dict):
        raise _wrong(path, "Input should be an object", item)
    kind = item.get("type")
    if kind is None:
        if "role" not in item and not isinstance(item.get("id"), str):
            raise _missing(f"{path}.type")
        kind = "message" if "role" in item else "item_reference"
    _check(_Typed, {"type": kind}, path)
    model = ITEM_MODELS.get(kind)
    if model is None:
        return
    _check(model, item, path)
    for key in ("content", "output"):
        if key in item and kind != "reasoning" and isinstance(item[key], list):
            _check_typed(item[key], f"{path}.{key}", PART_MODELS)
    if kind == "additional_tools":
        _check_typed(item["tools"], f"{path}.tools", TOOL_MODELS)


def _check_choice(choice: Any) -> None:
    if isinstance(choice, str):
        if choice not in CHOICE_WORDS:
            expected = ", ".join(repr(word) for word in CHOICE_WORDS)
            expected = f"Input should be one of {expected}, or an object"
            raise _wrong("tool_choice", expected, choice, "invalid_value")
    elif choice is not None:
        _check_typed_one(choice, "tool_choice", CHOICE_MODELS)
        if choice["type"] == "allowed_tools":
            _check_typed(choice["tools"], "tool_choice.tools", {})


def _check_typed(values: Sequence[object] | None, path: str, models: Models) -> None:
    for i, value in enumerate(values or ()):
        _check_typed_one(value, f"{path}[{i}]", models)


def _check_typed_one(value: object, path: str, models: Models) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, "Input should be an object", value)
    _check(_Typed, value, path)
    model = models.get(value["type"])
    if model is not None:
        _check(model, value, path)


def _check(model: type[_Open], value: JSON, path: str) -> None:
    try:
        model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise _mistake(first, path) from None


def _mistake(details: ErrorDetails, path: str) -> InvalidRequestError:
    where = path
    for step in details["loc"]:
        if step != "[key]":
            where += f"[{step}]" if isinstance(step, int) else f".{step}" if where else step
    if details["type"] == "missing":
        return _missing(where)
    code = "invalid_type" if details["type"].endswith(("_type", "_list", "_object")) else "invalid_value"
    return _wrong(where, details["msg"], details["input"], code)


def _missing(path: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter"
    )


def _wrong(path: str, expected: str, value: object, code: str = "invalid_type") -> InvalidRequestError:
    return InvalidRequestError(
        f"Invalid '{path}': {expected.replace('Input should be', 'expected')}, got {_shown(value)}.",
        param=path,
        code=code,
    )


_KINDS: dict[type, str] = {
    str: "the string",
    bool: "the boolean",
    int: "the number",
    float: "the number",
    list: "the list",
    dict: "the object",
}


def _shown(value: object) -> str:
    """The kind of a wrong value and its beginning."""
    if value is None:
        return "null"
    text = dumps(value).decode()
    if len(text) > MAX_SHOWN:
        text = f"{text[:MAX_SHOWN]}..."
    return f"{_KINDS.get(type(value), 'the value')} {text}"
