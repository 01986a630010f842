"""Which tools of a server a request may use, and which calls a person has to agree to.

Source: `allowed_tools` and `require_approval` of the tool type `mcp` in the OpenAI document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from responses_asgi.errors import InvalidRequestError
from responses_asgi.types.json import JSON

__all__ = ["ToolFilter", "allowed_filter", "approval_of", "check_approval"]

_FILTERS = ("always", "never")


class ToolFilter:
    """Some tools of a server: by name, by being read-only, or both."""

    def __init__(self, names: Sequence[str] | None = None, read_only: bool | None = None) -> None:
        self._names = None if names is None else frozenset(names)
        self._read_only = read_only

    def lets(self, tool: JSON) -> bool:
        """Whether a tool, as it is listed, is one of them."""
        if self._names is not None and tool["name"] not in self._names:
            return False
        read_only = bool((tool.get("annotations") or {}).get("read_only"))
        return self._read_only is None or read_only == self._read_only


def allowed_filter(value: Any, param: str) -> ToolFilter:
    """What `allowed_tools` says: a list of names or a filter; None: every tool.

    Raises InvalidRequestError with the exact path.

    >>> allowed_filter(["read"], "tools[0].allowed_tools").lets({"name": "write"})
    False
    """
    if value is None:
        return ToolFilter()
    if isinstance(value, Mapping):
        names, read_only = value.get("tool_names"), value.get("read_only")
        if read_only is not None and not isinstance(read_only, bool):
            raise _wrong(f"{param}.read_only", "true or false", read_only)
        return ToolFilter(None if names is None else _names(names, f"{param}.tool_names"), read_only)
    return ToolFilter(_names(value, param))


def check_approval(value: Any, param: str) -> None:
    """Raise InvalidRequestError, with the exact path, for what `require_approval` cannot be."""
    if isinstance(value, Mapping):
        for key, filter in value.items():
            if key not in _FILTERS:
                raise InvalidRequestError(
                    f"'{param}.{key}' is not known; expected 'always' or 'never'.", param=f"{param}.{key}"
                )
            if filter is not None and not isinstance(filter, Mapping):
                raise _wrong(f"{param}.{key}", "an object with tool_names or read_only", filter)
            allowed_filter(filter, f"{param}.{key}")
    elif value not in _FILTERS:
        raise _wrong(param, "'always', 'never' or an object of both", value)


def approval_of(value: str | Mapping[str, Any], tool: JSON) -> bool:
    """Whether a call of the tool needs an approval. What an object names under neither key does, as in the
    API; what it names under both does too.

    >>> approval_of({"never": {"tool_names": ["read"]}}, {"name": "read"})
    False
    """
    if not isinstance(value, Mapping):
        return value == "always"
    always, never = value.get("always"), value.get("never")
    if always is not None and allowed_filter(always, "").lets(tool):
        return True
    return never is None or not allowed_filter(never, "").lets(tool)


def _names(value: Any, param: str) -> Sequence[str]:
    if not isinstance(value, list):
        raise _wrong(param, "a list of names", value)
    for i, name in enumerate(value):
        if not isinstance(name, str):
            raise _wrong(f"{param}[{i}]", "the name of a tool", name)
    return value


def _wrong(param: str, expected: str, got: Any) -> InvalidRequestError:
    return InvalidRequestError(
        f"'{param}' is {type(got).__name__} {got!r:.60}, expected {expected}.",
        param=param,
        code="invalid_value",
    )
