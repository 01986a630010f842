"""JSON text to values and back, the fastest way that is installed: orjson, else pydantic's own parser."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pydantic_core

__all__ = ["JSON", "dumps", "loads", "strict_loads", "written"]

JSON: TypeAlias = dict[str, Any]

_fast_loads: Callable[[bytes | str], Any]
_fast_dumps: Callable[[Any], bytes]

try:
    import orjson
except ImportError:
    _fast_loads, _fast_dumps = pydantic_core.from_json, pydantic_core.to_json
else:
    _fast_loads, _fast_dumps = orjson.loads, orjson.dumps


strict_loads = _fast_loads
"""`loads` without the standard library's last word: what the fast parser refuses is a ValueError."""


def loads(text: bytes | str) -> Any:
    """Decode one JSON document. Raises ValueError when it is none, or is nested too deeply.

    The standard library has the last word: it also reads the NaN and the lone surrogates that some servers
    write (a surrogate pair cut between two deltas), which the fast parsers refuse.
    """
    try:
        return _fast_loads(text)
    except (ValueError, TypeError):  # pydantic's, of a text that UTF-8 cannot hold
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("JSON is nested too deeply") from None


def dumps(value: Any) -> bytes:
    """Encode a value as compact UTF-8 JSON; text that UTF-8 cannot hold (lone surrogates) is escaped."""
    try:
        return _fast_dumps(value)
    except (TypeError, ValueError):
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def written(value: Any) -> str:
    """A value as the JSON text that a model would have written, for servers that send it decoded.

    >>> written({"a": [1, "b"]})
    '{"a": [1, "b"]}'
    """
    return json.dumps(value, ensure_ascii=False)
