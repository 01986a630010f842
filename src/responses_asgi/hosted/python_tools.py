"""Python functions as tools: what the model is told of them, and how they are called.

The schema of the parameters is pydantic's, from the type hints; the descriptions are the docstring's.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, overload

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from responses_asgi.errors import ConfigurationError
from responses_asgi.hosted.limits import HostedLimits
from responses_asgi.hosted.tool import HostedTool, ToolOutput
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.own_thread import OwnThread

__all__ = ["hosted_tool", "marked_timeout", "tool"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__responses_asgi_tool__"
_DEFAULT_LABEL = "tools"
_FILLED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

# "Args:" of Google's style, ":param x:" of Sphinx's; what ends the first.
_ARGS = re.compile(r"^(?:Args|Arguments|Parameters):[ \t]*\n((?:[ \t]+.*\n?|\n)*)", re.MULTILINE)
_ARG = re.compile(r"^(\s*)\*{0,2}(\w+)(?:\s*\([^)]*\))?:\s*(.*)$")
_PARAM = re.compile(r"^:param (?:[\w\[\], |.]+ )?(\w+):\s*((?:.*)(?:\n[ \t]+.*)*)", re.MULTILINE)
_SECTION = re.compile(
    r"^(?:Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|:param\b|:returns?:|:raises?\b|:rtype:).*",
    re.MULTILINE,
)


@overload
def tool(function: F) -> F: ...


@overload
def tool(
    *,
    label: str = ...,
    name: str | None = ...,
    description: str | None = ...,
    approval: bool = ...,
    read_only: bool | None = ...,
    timeout: float | None = ...,
) -> Callable[[F], F]: ...


def tool(
    function: F | None = None,
    *,
    label: str = _DEFAULT_LABEL,
    name: str | None = None,
    description: str | None = None,
    approval: bool = False,
    read_only: bool | None = None,
    timeout: float | None = None,
) -> F | Callable[[F], F]:
    """Mark a function, sync or async, as a tool that the service runs. It stays the function that it is.

    - `label`: the `server_label` under which clients see it; default "tools".
    - `name`, `description`: default the function's own name, and its docstring without the parameters.
    - `approval`: whether a person has to agree to each call. `read_only`: whether it only reads.
    - `timeout`: seconds for one call; None: `HostedLimits.call_timeout`. The thread of a sync function that
      takes longer goes on, but nobody waits for it.

    Its parameters need type hints; pydantic makes the schema of them, and reads the arguments. A parameter
    that is hinted `ExchangeContext` is given the request that the call is made for. A function without a mark
    is a tool with these defaults.

    >>> @tool(read_only=True)
    ... def add(a: int, b: int = 1) -> int:
    ...     "Adds two numbers."
    ...     return a + b
    >>> add(1, 2)
    3
    """
    options: JSON = {
        "label": label,
        "name": name,
        "description": description,
        "approval": approval,
        "read_only": read_only,
        "timeout": timeout,
    }

    def mark(function: F) -> F:
        setattr(function, _MARK, options)
        return function

    return mark if function is None else mark(function)


def hosted_tool(function: Callable[..., Any], limits: HostedLimits | None = None) -> HostedTool:
    """The tool that a function is; raises ConfigurationError for one whose parameters cannot be told.

    >>> def add(a: int, b: int = 1) -> int:
    ...     "Adds two numbers."
    ...     return a + b
    >>> hosted_tool(add).parameters["required"]
    ['a']
    """
    limits = limits or HostedLimits()
    options: JSON = getattr(function, _MARK, {})
    name = options.get("name") or getattr(function, "__name__", type(function).__name__)
    signature = _Signature(function, str(name))
    read_only = options.get("read_only")
    given = options.get("description")
    return HostedTool(
        label=options.get("label", _DEFAULT_LABEL),
        name=str(name),
        description=_summary(inspect.getdoc(function) or "") if given is None else str(given),
        parameters=signature.schema(),
        annotations=None if read_only is None else {"read_only": read_only},
        approval=options.get("approval", False),
        timeout=options.get("timeout") or limits.call_timeout,
        result_chars=limits.result_chars,
        image_bytes=limits.image_bytes,
        run=signature.run,
    )


def marked_timeout(function: object) -> float | None:
    """The seconds that the mark of a function, if it has one, allows for a call."""
    marked: JSON = getattr(function, _MARK, {})
    return marked.get("timeout")


class _Signature:
    """The parameters of a function, as a model of pydantic."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._is_async = _is_async(function)
        self._context: list[str] = []
        fields: dict[str, Any] = {}
        told = _described(inspect.getdoc(function) or "")
        hints = _hints(function, name)
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind not in _FILLED:
                raise ConfigurationError(f"tool {name}: a model cannot fill the parameter {parameter}")
            hint = hints.get(parameter.name)
            if hint is None:
                raise ConfigurationError(f"tool {name}: the parameter {parameter.name} needs a type hint")
            if ExchangeContext in (hint, *typing.get_args(hint)):
                self._context.append(parameter.name)
                continue
            fields[parameter.name] = (hint, _field(parameter, hint, told.get(parameter.name)))
        # Fields are told apart from the methods of a model by their place; their names are aliases.
        self._names = {f"p{i}": given for i, given in enumerate(fields)}
        renamed = {key: fields[given] for key, given in self._names.items()}
        try:
            self._model: type[BaseModel] = create_model(
                name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False), **renamed
            )
            self._schema = self._model.model_json_schema(by_alias=True)
        except (PydanticUserError, TypeError) as error:
            raise ConfigurationError(f"tool {name}: its parameters cannot be told: {error}") from None

    def schema(self) -> JSON:
        """The JSON Schema of the parameters."""
        made: JSON = {name: value for name, value in self._schema.items() if name != "title"}
        made.setdefault("properties", {})
        for field in made["properties"].values():
            if isinstance(field, dict):
                field.pop("title", None)
        return made

    async def run(self, arguments: JSON, context: ExchangeContext) -> Any:
        """Call the function with what the model wrote."""
        try:
            read = self._model.model_validate(arguments)
        except ValidationError as error:
            return ToolOutput(_wrong(error), failed=True)
        given = {name: getattr(read, key) for key, name in self._names.items()}
        given |= dict.fromkeys(self._context, context)
        if self._is_async:
            return await self._function(**given)
        thread = OwnThread()
        try:
            answer = await thread.run(self._function, **given)
        finally:
            thread.end()
        return await answer if inspect.isawaitable(answer) else answer


def _field(parameter: inspect.Parameter, hint: Any, told: str | None) -> FieldInfo:
    """The field of one parameter; what `Annotated` says of it comes before the docstring."""
    default = ... if parameter.default is inspect.Parameter.empty else parameter.default
    field = FieldInfo.from_annotated_attribute(hint, default)
    if field.description is None:
        field.description = told
    field.alias = field.validation_alias = field.serialization_alias = parameter.name
    field.alias_priority = 2
    return field


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004 - the method of an object, not whether there is one
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _hints(function: Callable[..., Any], name: str) -> Mapping[str, Any]:
    target = function if hasattr(function, "__annotations__") else type(function).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except NameError as error:
        raise ConfigurationError(f"tool {name}: a type hint cannot be resolved: {error}") from None


def _wrong(error: ValidationError) -> str:
    """What is wrong with the arguments, for the model."""
    told = [
        f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return "The arguments do not fit. " + "; ".join(told)


def _summary(docstring: str) -> str:
    """A docstring up to its sections."""
    section = _SECTION.search(docstring)
    return docstring[: section.start()].strip() if section else docstring.strip()


def _described(docstring: str) -> dict[str, str]:
    """What a docstring says of each parameter."""
    told = {name: " ".join(text.split()) for name, text in _PARAM.findall(docstring)}
    section = _ARGS.search(docstring)
    current, margin = "", -1
    for line in section[1].splitlines() if section else ():
        found = _ARG.match(line)
        if found and (margin < 0 or len(found[1]) <= margin):
            current, margin = found[2], len(found[1])
            told[current] = found[3].strip()
        elif current and line.strip():
            told[current] = f"{told[current]} {line.strip()}".strip()
    return told
