"""Reasoning, Responses <-> Chat: effort, and the way of a thought out to the client and back upstream.

Servers that sign or encrypt their reasoning want it back unchanged. Such details travel in the reasoning
item's `encrypted_content` as an opaque token, so that a client without state (`store: false`) carries them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.types.json import JSON, dumps, loads

__all__ = ["chat_reasoning", "give_back", "open_details", "reasoning_text", "seal_details"]

# Names the format of the token; a foreign `encrypted_content` does not begin like this.
TOKEN_PREFIX = "rd1."

# Keys of a Responses `reasoning` object without a Chat counterpart.
REASONING_ONLY_HERE = ("summary", "generate_summary", "context", "mode")


def seal_details(details: list[JSON]) -> str:
    """The opaque token for a reasoning item's `encrypted_content`: `rd1.` + base64url of the JSON list.

    >>> open_details(seal_details([{"type": "reasoning.encrypted", "data": "abc"}]))
    [{'type': 'reasoning.encrypted', 'data': 'abc'}]
    """
    return TOKEN_PREFIX + base64.urlsafe_b64encode(dumps(details)).decode("ascii").rstrip("=")


def open_details(token: object) -> list[JSON] | None:
    """The details inside a token of `seal_details`; None when somebody else made it."""
    if not isinstance(token, str) or not token.startswith(TOKEN_PREFIX):
        return None
    text = token.removeprefix(TOKEN_PREFIX)
    try:
        details = loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        return None
    if isinstance(details, list) and all(isinstance(entry, dict) for entry in details):
        return details
    return None


def reasoning_text(item: JSON) -> str:
    """What a reasoning item says: the text in its token, else its content, else its summary.

    >>> reasoning_text({"type": "reasoning", "summary": [{"type": "summary_text", "text": "Think."}]})
    'Think.'
    """
    sources = (
        (_detail_text(entry) for entry in open_details(item.get("encrypted_content")) or ()),
        (part.get("text") for part in item.get("content") or ()),
        (part.get("text") for part in item.get("summary") or ()),
    )
    for pieces in sources:
        texts = [text for text in pieces if isinstance(text, str) and text]
        if texts:
            return "\n".join(texts)
    return ""


def _detail_text(entry: JSON) -> str | None:
    """The readable part of one `reasoning_details` entry (OpenRouter) or thinking part (Mistral)."""
    said = entry.get("text") or entry.get("summary") or entry.get("thinking")
    if isinstance(said, list):
        said = "".join(part.get("text") or "" for part in said if isinstance(part, dict))
    return said if isinstance(said, str) else None


def give_back(
    message: JSON, thoughts: Sequence[tuple[str, JSON]], *, profile: Profile, losses: Losses
) -> None:
    """Put the reasoning items of a turn, given with their paths, onto its assistant message."""
    field = profile.reasoning_field
    if field is None:
        for path, _ in thoughts:
            losses.report(path, "dropped", f"{profile.name} takes no earlier reasoning back")
        return
    texts = [reasoning_text(item) for _, item in thoughts]
    details = [
        entry
        for _, item in thoughts
        for entry in open_details(item.get("encrypted_content")) or ()
        if (entry.get("type") == "thinking") == (field == "thinking")
    ]
    for (path, item), text in zip(thoughts, texts, strict=True):
        if not text and not details and item.get("encrypted_content"):
            losses.report(path, "dropped", f"{profile.name} cannot read this encrypted reasoning")
    text = "\n".join(filter(None, texts))
    if field == "thinking":
        _give_back_thinking(message, details, text)
    elif field == "reasoning_details" and details:
        message[field] = details
    elif text or (profile.reasoning_required and message.get("tool_calls")):
        message["reasoning" if field == "reasoning_details" else field] = text


def _give_back_thinking(message: JSON, details: list[JSON], text: str) -> None:
    """Thinking parts stand in the content, before its text (Mistral)."""
    if not details and text:
        details = [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]
    if details:
        said = message.get("content")
        if not isinstance(said, list):
            said = [{"type": "text", "text": said}] if said else []
        message["content"] = [*details, *said]


def chat_reasoning(reasoning: Any, *, profile: Profile, losses: Losses) -> JSON:
    """The Chat fields that stand for a Responses `reasoning` object.

    >>> chat_reasoning({"effort": "low"}, profile=Profile(name="any"), losses=Losses())
    {'reasoning_effort': 'low'}
    """
    for key, value in (reasoning or {}).items():
        if key != "effort" and value is not None:
            known = key in REASONING_ONLY_HERE
            reason = f"Chat Completions has no reasoning {key}" if known else "only `effort` can be carried"
            losses.report(f"reasoning.{key}", "dropped", reason)
    effort = (reasoning or {}).get("effort")
    if effort is None:
        return {}
    if effort == "none" and profile.thinking_off:
        return dict(profile.thinking_off)
    sent = profile.effort_values.get(effort, effort)
    if sent != effort:
        losses.report("reasoning.effort", "clamped", f"{profile.name} is asked for {sent!r}")
    return {"reasoning_effort": sent, **(profile.thinking_on if effort != "none" else {})}
