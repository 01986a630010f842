"""Token usage: Chat's figures and Responses' figures, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from responses_asgi.types.json import JSON

__all__ = ["chat_usage", "responses_usage", "summed"]

# (Chat name, Responses name) of the figures and of the objects that break them down.
FIGURES = (
    ("prompt_tokens", "input_tokens"),
    ("completion_tokens", "output_tokens"),
    ("total_tokens", "total_tokens"),
)
DETAILS = (
    ("prompt_tokens_details", "input_tokens_details"),
    ("completion_tokens_details", "output_tokens_details"),
)

# Where servers put a figure that the API has inside the details: details object, figure, spellings on the
# usage object itself, by preference. DeepSeek documents prompt_cache_hit_tokens, Anthropic-like servers
# cache_read_input_tokens, Moonshot cached_tokens, Perplexity and xAI reasoning_tokens.
SPELLINGS = (
    (
        "input_tokens_details",
        "cached_tokens",
        ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "num_cached_tokens"),
    ),
    (
        "input_tokens_details",
        "cache_write_tokens",
        ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens"),
    ),
    ("output_tokens_details", "reasoning_tokens", ("reasoning_tokens",)),
)

# Names as they are read above -> names as they are written, in the order of the documents.
_RESPONSES_NAMES = {
    name: name
    for name in (
        "input_tokens",
        "input_tokens_details",
        "output_tokens",
        "output_tokens_details",
        "total_tokens",
    )
}
_CHAT_NAMES = {theirs: ours for ours, theirs in FIGURES + DETAILS}

_SPELT = frozenset(spelling for row in SPELLINGS for spelling in row[2])
_CONSUMED = _SPELT.union(*FIGURES, *DETAILS)


def responses_usage(usage: object) -> JSON | None:
    """Responses usage with all five figures from a usage object; None when it holds no figures.

    Figures without a counterpart (audio tokens, prediction tokens, cost) stay where they are, under their
    own names: both SDKs keep unknown fields.

    >>> responses_usage({"prompt_tokens": 3, "completion_tokens": 4})["total_tokens"]
    7
    """
    return _said_in(_RESPONSES_NAMES, usage)


def chat_usage(usage: object) -> JSON | None:
    """Chat usage with the same figures; None when there are none.

    >>> chat_usage({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})["prompt_tokens"]
    3
    """
    return _said_in(_CHAT_NAMES, usage)


def summed(usages: Sequence[JSON | None]) -> JSON | None:
    """The usage of several answers, figure by figure; None when none is known.

    >>> summed([{"input_tokens": 1}, None, {"input_tokens": 2}])
    {'input_tokens': 3}
    """
    known = [usage for usage in usages if usage is not None]
    if len(known) < 2:
        return known[0] if known else None
    total: JSON = {}
    for usage in known:
        for name, value in usage.items():
            if isinstance(value, dict):
                total[name] = summed([total.get(name) or {}, value])
            elif isinstance(value, int | float) and not isinstance(value, bool):
                total[name] = total.get(name, 0) + value
            else:
                total[name] = value
    return total


def _said_in(names: dict[str, str], usage: object) -> JSON | None:
    if not isinstance(usage, dict):
        return None
    read: JSON = {theirs: _figure(usage, (ours, theirs)) for ours, theirs in FIGURES}
    given, told = read["input_tokens"], read["output_tokens"]
    if given is None and told is None:
        return None
    read["input_tokens"], read["output_tokens"] = given or 0, told or 0
    if read["total_tokens"] is None:
        read["total_tokens"] = read["input_tokens"] + read["output_tokens"]
    for ours, theirs in DETAILS:
        read[theirs] = _details(usage, (ours, theirs))
    spelt = not _SPELT.isdisjoint(usage)
    for parent, figure, spellings in SPELLINGS:
        details = read[parent]
        found = _figure(details, (figure,))
        if found is None and spelt:
            found = _figure(usage, spellings)
        details[figure] = found or 0
    said = {name: read[theirs] for theirs, name in names.items()}
    if usage.keys() <= _CONSUMED:
        return said
    rest = {name: value for name, value in usage.items() if name not in _CONSUMED and value is not None}
    return {**said, **rest}


def _figure(usage: JSON, names: Sequence[str]) -> int | None:
    for name in names:
        # Of all the spellings there are, a server has few.
        if name in usage and (figure := _whole(usage[name])) is not None:
            return figure
    return None


def _details(usage: JSON, names: Sequence[str]) -> JSON:
    # Gateways fill in the object of the other API, too, and leave one of the two empty.
    for name in names:
        found = usage.get(name)
        if found and isinstance(found, dict):
            return {name: value for name, value in found.items() if value is not None}
    return {}


def _whole(value: object) -> int | None:
    if type(value) is not int:  # nearly every figure is one, and no bool
        if isinstance(value, str) and value.isdecimal():
            value = int(value[:20])
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
    # Beyond this a JSON number is no longer exact; NaN and Infinity fail the comparison too.
    return int(value) if abs(value) < 2**53 else None
