"""How a create body of either protocol is checked, and how a mistake is told.

1. Only what translation relies on is checked: types, required fields, and ranges the API states. Unknown
   fields, items, messages, parts and tools pass (open world), and null counts as absent.
2. A mistake is an InvalidRequestError whose message says what was expected and what was got, and whose
   `param` is the exact path, `input[2].content[0].text`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from responses_asgi.errors import InvalidRequestError
from responses_asgi.types.json import JSON, dumps

__all__ = [
    "Metadata",
    "Models",
    "Name",
    "Objects",
    "Open",
    "SharedFields",
    "TextOrList",
    "TextOrListOrNull",
    "TextOrObject",
    "Typed",
    "check",
    "check_body",
    "check_choice_word",
    "check_type",
    "check_typed",
    "check_typed_one",
    "missing",
    "wrong",
]

MAX_METADATA_PAIRS = 16
MAX_METADATA_KEY = 64
MAX_METADATA_VALUE = 512
MAX_TOP_LOGPROBS = 20

CHOICE_WORDS = ("none", "auto", "required")

# How much of a wrong value is shown.
MAX_SHOWN = 60


class Open(BaseModel):
    """Unknown fields pass, and no value is coerced."""

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
TextOrListOrNull = Annotated[
    Any, BeforeValidator(lambda value: None if value is None else _text_or_list(value))
]
TextOrObject = Annotated[Any, BeforeValidator(_text_or_object)]
Name = Annotated[str, Field(min_length=1)]
Objects = list[JSON]
_MetadataText = Annotated[str, Field(max_length=MAX_METADATA_VALUE)]
_MetadataKey = Annotated[str, Field(max_length=MAX_METADATA_KEY)]
Metadata = Annotated[dict[_MetadataKey, _MetadataText], Field(max_length=MAX_METADATA_PAIRS)]


class SharedFields(Open):
    """The fields that both create bodies have; all may be null."""

    model: str | None = None
    tools: Objects | None = None
    tool_choice: TextOrObject = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    metadata: Metadata | None = None
    stream: bool | None = None
    store: bool | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: JSON | None = None
    moderation: JSON | None = None


class Typed(Open):
    """Anything that is told apart by its `type`."""

    type: Name


Models = Mapping[str, type[Open]]


def check_body(model: type[Open], body: object, *, model_required: bool) -> JSON:
    """Check the fields of a create body, and that it names a model where the service has none of its own."""
    if not isinstance(body, dict):
        raise InvalidRequestError(f"The request body must be a JSON object, got {_shown(body)}.")
    check(model, body, "")
    if model_required and not body.get("model"):
        raise missing("model")
    return body


def check_choice_word(choice: str) -> None:
    """Check a `tool_choice` that is one word."""
    if choice not in CHOICE_WORDS:
        expected = ", ".join(repr(word) for word in CHOICE_WORDS)
        raise wrong(
            "tool_choice", f"Input should be one of {expected}, or an object", choice, "invalid_value"
        )


def check_typed(values: Sequence[object] | None, path: str, models: Models) -> None:
    """Check each object of a list by the model of its `type`; a type without a model passes."""
    for i, value in enumerate(values or ()):
        check_typed_one(value, f"{path}[{i}]", models)


def check_typed_one(value: object, path: str, models: Models) -> None:
    """Check one object by the model of its `type`."""
    if not isinstance(value, dict):
        raise wrong(path, "Input should be an object", value)
    check_type(value, path)
    model = models.get(value["type"])
    if model is not None:
        check(model, value, path)


def check_type(value: JSON, path: str) -> None:
    """Check that an object has a `type`, as its model would; nearly every one has."""
    kind = value.get("type")
    if not (isinstance(kind, str) and kind):
        check(Typed, value, path)


def check(model: type[Open], value: JSON, path: str) -> None:
    """Check one object; the first mistake is told with its path, which begins with `path`."""
    try:
        # What `model_validate` calls, in half its time: requests hold many objects.
        model.__pydantic_validator__.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise _mistake(first, path) from None


def _mistake(details: ErrorDetails, path: str) -> InvalidRequestError:
    where = path
    for step in details["loc"]:
        if step != "[key]":
            # Keys that clients make up can be of any length.
            name = step if isinstance(step, int) or len(step) <= MAX_SHOWN else f"{step[:MAX_SHOWN]}..."
            where += f"[{name}]" if isinstance(step, int) else f".{name}" if where else str(name)
    if details["type"] == "missing":
        return missing(where)
    code = "invalid_type" if details["type"].endswith(("_type", "_list", "_object")) else "invalid_value"
    return wrong(where, details["msg"], details["input"], code)


def missing(path: str) -> InvalidRequestError:
    """The error for a required parameter that is not there."""
    return InvalidRequestError(
        f"Missing required parameter: '{path}'.", param=path, code="missing_required_parameter"
    )


def wrong(path: str, expected: str, value: object, code: str = "invalid_type") -> InvalidRequestError:
    """The error for a value of the wrong type, or out of its range."""
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
