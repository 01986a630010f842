"""A request to a Responses upstream that keeps nothing of it, since all of it is sent again next time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.reasoning import ENCRYPTED_INCLUDE, open_thought, reasoning_text
from responses_asgi.types.json import JSON

__all__ = ["keeping_nothing", "resent"]


def keeping_nothing(request: JSON, profile: Profile | None) -> JSON:
    """The request with `store: false`, and with its reasoning asked for in a form that can be sent again."""
    include: list[Any] = list(request.get("include") or ())
    if ENCRYPTED_INCLUDE not in include and _reasons(request, profile):
        return {**request, "store": False, "include": [*include, ENCRYPTED_INCLUDE]}
    return {**request, "store": False}


def resent(items: Sequence[JSON], profile: Profile | None, losses: Losses, path: str) -> list[JSON]:
    """The items as the upstream takes them: without this package's tokens, which it cannot read.

    Where reasoning must be encrypted by the upstream itself, what is not is left out and reported at `path`;
    with it go the ids of all items, since an upstream misses the reasoning of an item whose id it knows.
    """
    plain = [_plain(item) for item in items]
    if profile is None or profile.returned_reasoning != "encrypted":
        return plain
    readable = [item for item in plain if item.get("type") != "reasoning" or item.get("encrypted_content")]
    if len(readable) == len(plain):
        return plain
    losses.report(path, "dropped", f"reasoning that {profile.name} has neither encrypted nor stored")
    return [item if item.get("type") == "reasoning" else _without(item, "id") for item in readable]


def _plain(item: JSON) -> JSON:
    """Reasoning with its text in place of a token of this package."""
    if item.get("type") != "reasoning" or open_thought(item.get("encrypted_content")) is None:
        return item
    rest = _without(item, "encrypted_content")
    text = reasoning_text(item)
    said = rest.get("content") or rest.get("summary") or not text
    return rest if said else {**rest, "content": [{"type": "reasoning_text", "text": text}]}


def _without(item: JSON, name: str) -> JSON:
    return {key: value for key, value in item.items() if key != name}


def _reasons(request: JSON, profile: Profile | None) -> bool:
    """Whether the model has reasoning to encrypt; OpenAI refuses to be asked for it otherwise."""
    if profile is None:
        return True
    if profile.encrypted_reasoning is None:
        return False
    effort = (request.get("reasoning") or {}).get("effort")
    named = re.search(profile.encrypted_reasoning, request.get("model") or "")
    return effort not in (None, "none") or named is not None
