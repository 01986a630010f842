"""Top-level fields of an answer, besides what was said and usage: from Chat to a response, and back.

1. A field that both protocols know under one name takes the form it has in a response.
2. A field that only its server knows is carried under its own name, unless the other protocol means something
   else by that name; then it is reported.
"""

from __future__ import annotations

from typing import Any

from responses_asgi.loss import Losses
from responses_asgi.translate.response_object import RESPONSE_FIELDS
from responses_asgi.types.json import JSON

__all__ = ["carry_fields", "chat_fields"]

# What `service_tier` may say in a response; Groq answers `on_demand`, for example.
SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
CHAT_SERVICE_TIERS = SERVICE_TIERS - {"ultrafast"}

# Fields that a response may have and an answer's own field must not be taken for: Together sends `prompt`.
RESERVED = frozenset(
    {"conversation", "output_text", "prompt", "prompt_cache_options", "prompt_cache_retention", "user"}
)

# Fields that were read elsewhere, names of frames and keep-alives, and padding against traffic analysis.
_READ = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "obfuscation", "nonce", "p", "type"}
)


# What a Chat answer says by these names is its own.
_CHAT_OWN = frozenset({"choices", "created"})


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


def chat_fields(response: JSON, *, losses: Losses) -> JSON:
    """The further fields of a Chat answer, from those of the terminal response.

    >>> chat_fields({"status": "completed", "service_tier": "flex", "citations": []}, losses=Losses())
    {'service_tier': 'flex', 'citations': []}
    """
    fields: JSON = {}
    for name, value in response.items():
        if value is None or name in RESPONSE_FIELDS - {"service_tier"} or name == "obfuscation":
            continue
        if name == "service_tier" and not (isinstance(value, str) and value in CHAT_SERVICE_TIERS):
            losses.report(name, "dropped", f"{value!r} is no service tier of a Chat answer")
        elif name in _CHAT_OWN:
            losses.report(name, "dropped", "the Chat answer has a field of this name")
        elif name == "moderation":
            fields |= _chat_moderation(value, losses)
        else:
            fields[name] = value
    return fields


def _chat_moderation(moderation: Any, losses: Losses) -> JSON:
    """Chat's moderation, a list of results per side, from a response's, which has one result per side."""
    sides = {
        name: _results(moderation.get(name) if isinstance(moderation, dict) else None)
        for name in ("input", "output")
    }
    if None in sides.values():
        losses.report("moderation", "dropped", "no moderation results in the documented form")
        return {}
    return {"moderation": sides}


def _results(verdict: Any) -> JSON | None:
    if not isinstance(verdict, dict):
        return None
    if verdict.get("type") == "error":
        return verdict
    return {"type": "moderation_results", "model": verdict.get("model") or "", "results": [verdict]}


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
