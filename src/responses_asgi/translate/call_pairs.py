"""Which output answers which call of a history, and the id each call has upstream."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from responses_asgi.translate.tool_kinds import call_kind, output_kind
from responses_asgi.types.json import JSON

__all__ = ["CALL_TYPES", "OUTPUT_TYPES", "CallPairs", "pair_calls", "upstream_id"]

CALL_TYPES = frozenset({"function_call", "custom_tool_call"})
"""The calls that both protocols know; the others are in `tool_kinds`."""
OUTPUT_TYPES = frozenset({"function_call_output", "custom_tool_call_output"})

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(slots=True)
class CallPairs:
    """The calls and outputs of a history, by their positions in it."""

    ids: dict[int, str] = field(default_factory=dict)
    """Position of a call, or of an output without one -> its id upstream; no id occurs twice."""

    output_of: dict[int, int] = field(default_factory=dict)
    """Position of a call -> position of its output."""

    call_of: dict[int, int] = field(default_factory=dict)
    """Position of an output -> position of its call."""


def pair_calls(items: Sequence[JSON], *, id_length: int | None = None) -> CallPairs:
    """Pair every output with the call before it that has its call_id.

    Some servers count their calls from 0 in every answer, so an id may recur: outputs then answer the calls
    in order, and later calls get an id of their own. An output without call_id answers the oldest call that
    is still open, of its name if it has one.

    >>> pair_calls([{"type": "function_call", "name": "f", "call_id": "a"},
    ...             {"type": "function_call_output", "call_id": "a"}]).output_of
    {0: 1}
    """
    pairs = CallPairs()
    waiting: dict[str, deque[int]] = defaultdict(deque)
    open_calls: dict[int, str] = {}
    taken: set[str] = set()
    for position, item in enumerate(items):
        if call_kind(item):
            key = item.get("call_id") or item.get("id") or f"call_{position}"
            waiting[key].append(position)
            open_calls[position] = key
            pairs.ids[position] = _unused(key, taken, id_length)
        elif output_kind(item):
            call = _answered_call(item, items, waiting, open_calls)
            if call is None:
                pairs.ids[position] = _unused(_answered_id(item) or f"call_{position}", taken, id_length)
            else:
                waiting[open_calls.pop(call)].remove(call)
                pairs.output_of[call], pairs.call_of[position] = position, call
    return pairs


def _answered_call(
    output: JSON, items: Sequence[JSON], waiting: dict[str, deque[int]], open_calls: dict[int, str]
) -> int | None:
    key, name = _answered_id(output), output.get("name")
    if key is None:
        alike = (call for call in open_calls if _answers(output, items[call]))
        return next((call for call in alike if name in (None, items[call].get("name"))), None)
    by_own_id = (call for call in open_calls if items[call].get("id") == key)
    return next(iter(waiting[key]), next(by_own_id, None) if _has_own_id(output) else None)


def _answered_id(output: JSON) -> str | None:
    """The id of the call that an output names; the one of the older shell has it as its own id."""
    found: str | None = output.get("call_id") or (output.get("id") if _has_own_id(output) else None)
    return found


def _has_own_id(output: JSON) -> bool:
    return output.get("type") == "local_shell_call_output"


def _answers(output: JSON, call: JSON) -> bool:
    """Whether the output is of the kind that the call asks for; functions and custom tools count as one."""
    if call["type"] in CALL_TYPES:
        return output["type"] in OUTPUT_TYPES
    return call_kind(call) is output_kind(output)


def _unused(key: str, taken: set[str], length: int | None) -> str:
    name, attempt = upstream_id(key, length), 1
    while name in taken:
        attempt += 1
        name = upstream_id(f"{key}_{attempt}", length)
    taken.add(name)
    return name


def upstream_id(key: str, length: int | None) -> str:
    """`key` itself, or its fixed stand-in where ids must be exactly `length` letters and digits.

    >>> upstream_id("call_1", None), upstream_id("abcDEF123", 9), len(upstream_id("call_1", 9))
    ('call_1', 'abcDEF123', 9)
    """
    if length is None or re.fullmatch(f"[A-Za-z0-9]{{{length}}}", key):
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:length])
