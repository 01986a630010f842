"""Top-level fields of a Chat answer, besides choices and usage -> fields of the response.

1. A field that both protocols know under one name takes the form it has in a response.
2. A field that only its server knows is carried under its own name, unless a response means something else
   by that name; then it is reported.
"""

from __future__ import annotations

from typing import Any

from responses_asgi.loss import Losses
from responses_asgi.types.json import JSON

__all__ = ["carry_fields"]

# What `service_tier` may say in a response; Groq answers `on_demand`, for example.
SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})

# Fields that a response may have and an answer's own field must not be taken for: Together sends `prompt`.
RESERVED = frozenset(
    {"conversation", "output_text", "prompt", "prompt_cache_options", "prompt_cache_retention", "user"}
)

# Fields that were read elsewhere, and padding against traffic analysis, which means nothing.
_READ = frozenset({"id", "object", "created", "model", "choices", "usage", "obfuscation", "nonce", "p"})


def carry_fields(chunk: JSON, *, response: JSON, extras: JSON, losses: Losses) -> None:
    """Put the fields of one chunk into `response`, or into the `extras` of the terminal response."""
    for name, value in chunk.items():
        if value is None or name in _READ:
            continue
        if name == "service_tier":
            if isinstance(value, str) and value in SERVICE_TIERS:
                response[name] = value
            else:
                losses.report(name, "dropped", f"{value!r} is no service tier of a response")
        elif name == "moderation":
            moderation = _moderation(value, losses)
            if moderation:
                extras[name] = moderation
        elif name in response or name in RESERVED:
            losses.report(name, "dropped", "the response has a field of this name")
        else:
            extras[name] = value


def _moderation(chat: Any, losses: Losses) -> JSON | None:
    """A response's moderation, one result per side, from Chat's, which has a list of results per side."""
    sides = (
        {name: _verdict(chat.get(name), losses) for name in ("input", "output")}
        if isinstance(chat, dict)
        else {}
    )
    if not sides or None in sides.values():
        losses.report("moderation", "dropped", "no moderation results in the documented form")
        return None
    return sides


def _verdict(side: Any, losses: Losses) -> JSON | None:
    if not isinstance(side, dict):
        return None
    if side.get("type") == "error":
        return side
    results = [result for result in side.get("results") or [] if isinstance(result, dict)]
    if len(results) > 1:
        losses.report("moderation", "clamped", "a response holds one result per side, the flagged one")
    chosen = next((result for result in results if result.get("flagged")), results[0] if results else None)
    return chosen and {"type": "moderation_result", "model": side.get("model"), **chosen}
