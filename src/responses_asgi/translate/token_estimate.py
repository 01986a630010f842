"""How many tokens a request has, roughly, where nobody can count them.

A tokenizer makes about one token of four bytes of UTF-8, in English as in Chinese; a message and each of its
images cost a few more that are known from OpenAI's documentation. Files and recordings cannot be estimated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from responses_asgi.types.json import JSON, dumps

__all__ = ["Estimate", "estimate_tokens"]

BYTES_PER_TOKEN = 4
TOKENS_PER_ITEM = 4
# A picture of 1024 x 1024, by its `detail`.
IMAGE_TOKENS = {"low": 85}
DEFAULT_IMAGE_TOKENS = 765

# Where the words are in items, their parts and outputs.
_WORDS = ("name", "content", "summary", "text", "refusal", "arguments", "input", "output", "tools")
_IMAGES = frozenset({"input_image", "computer_screenshot"})
_UNCOUNTED = frozenset({"input_file", "input_audio", "input_video"})


class Estimate(NamedTuple):
    """About so many `tokens`; `partial` tells that something in the request could not be estimated."""

    tokens: int
    partial: bool


def estimate_tokens(body: JSON) -> Estimate:
    """Estimate the input tokens of a Responses create body whose `input` is the whole history.

    >>> estimate_tokens({"input": "Tell me a story about a lighthouse."})
    Estimate(tokens=13, partial=False)
    """
    given = body.get("input") or []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    size = sum(map(_size, items)) + _size(body.get("instructions"))
    for setting in ("tools", "text"):
        if body.get(setting):
            size += len(dumps(body[setting]))
    images = list(_parts(items, _IMAGES))
    tokens = -(-size // BYTES_PER_TOKEN) + TOKENS_PER_ITEM * len(items)
    tokens += sum(IMAGE_TOKENS.get(str(image.get("detail")), DEFAULT_IMAGE_TOKENS) for image in images)
    return Estimate(tokens, partial=any(True for _ in _parts(items, _UNCOUNTED)))


def _size(value: Any) -> int:
    """How many bytes of text are in an item, a part, or a list of them."""
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    if isinstance(value, list):
        return sum(map(_size, value))
    return sum(_size(value.get(key)) for key in _WORDS) if isinstance(value, dict) else 0


def _parts(value: Any, kinds: frozenset[str]) -> Iterator[JSON]:
    """The parts of these types, wherever they are: in messages, and in the outputs of tools."""
    if isinstance(value, list):
        for each in value:
            yield from _parts(each, kinds)
    elif isinstance(value, dict):
        if str(value.get("type")) in kinds:
            yield value
        for key in ("content", "output"):
            yield from _parts(value.get(key), kinds)
