"""Reasoning, Responses <-> Chat: effort, and the way of a thought out to the client and back upstream.

Servers that sign or encrypt their reasoning want it back unchanged. Such details travel in the reasoning
item's `encrypted_content` as an opaque token, so that a client without state (`store: false`) carries them.
With `include: ["reasoning.encrypted_content"]` the token holds the text as well. Where the service has keys,
tokens are sealed instead, and opened again before they come here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.translate.readable_tokens import REASONING, read_token, write_token
from responses_asgi.types.json import JSON, dumps

__all__ = [
    "ENCRYPTED_INCLUDE",
    "REASONING_KEYS",
    "asked_summary",
    "chat_reasoning",
    "give_back",
    "open_details",
    "open_thought",
    "reasoning_items",
    "reasoning_text",
    "responses_reasoning",
    "seal_details",
    "without_summary",
]

ENCRYPTED_INCLUDE = "reasoning.encrypted_content"
"""The entry of `include` by which a client asks to carry the reasoning itself."""

# Where the assistant messages of Chat servers hold reasoning; the first that is there is read.
_TEXT_FIELDS = ("reasoning_content", "reasoning")
_DETAILS_FIELD = "reasoning_details"
REASONING_KEYS = (*_TEXT_FIELDS, _DETAILS_FIELD)

# What the details hold beside text, and only the server that made them can read.
_SIGNED = ("signature", "data")

# Keys of a Responses `reasoning` object without a Chat counterpart.
_SUMMARY_KEYS = ("summary", "generate_summary")
REASONING_ONLY_HERE = (*_SUMMARY_KEYS, "context", "mode")


class OpenThought(NamedTuple):
    """What a token holds."""

    text: str
    details: list[JSON]
    """What the server said besides, to be given back unchanged."""


def seal_details(details: list[JSON], text: str = "") -> str:
    """The readable token for a reasoning item's `encrypted_content`; see `readable_tokens`.

    >>> open_details(seal_details([{"type": "reasoning.encrypted", "data": "abc"}]))
    [{'type': 'reasoning.encrypted', 'data': 'abc'}]
    """
    return write_token(REASONING, {"text": text, "details": details} if text else details)


def open_details(token: object) -> list[JSON] | None:
    """The details inside a token of `seal_details`; None when somebody else made it."""
    thought = open_thought(token)
    return None if thought is None else thought.details


def open_thought(token: object) -> OpenThought | None:
    """What is inside a token of `seal_details`, a list or with a text; None when somebody else made it.

    >>> open_thought(seal_details([], "Hm."))
    OpenThought(text='Hm.', details=[])
    """
    held = read_token(REASONING, token)
    text, details = (held.get("text"), held.get("details")) if isinstance(held, dict) else ("", held)
    if (
        isinstance(text, str)
        and isinstance(details, list)
        and all(isinstance(entry, dict) for entry in details)
    ):
        return OpenThought(text, details)
    return None


def reasoning_text(item: JSON) -> str:
    """What a reasoning item says: the text in its token, else its content, else its summary.

    >>> reasoning_text({"type": "reasoning", "summary": [{"type": "summary_text", "text": "Think."}]})
    'Think.'
    """
    token = open_thought(item.get("encrypted_content")) or OpenThought("", [])
    sources = (
        (token.text,),
        map(_detail_text, token.details),
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
        texts = (part.get("text") for part in said if isinstance(part, dict))
        said = "".join(text for text in texts if isinstance(text, str))
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


def reasoning_items(message: JSON, path: str, *, profile: Profile, losses: Losses) -> list[JSON]:
    """The reasoning items before an assistant message of Chat; what the upstream cannot take is reported.

    >>> reasoning_items(
    ...     {"role": "assistant", "content": "4", "reasoning_content": "2 + 2"},
    ...     "messages[1]",
    ...     profile=Profile(name="any"),
    ...     losses=Losses(),
    ... )[0]["content"]
    [{'type': 'reasoning_text', 'text': '2 + 2'}]
    """
    for key in REASONING_KEYS:
        if message.get(key) and not isinstance(message[key], list if key == _DETAILS_FIELD else str):
            losses.report(f"{path}.{key}", "dropped", "it has a form that is not known")
    where, text, details = _reasoning_of(message, path)
    if not text and not details:
        return []
    if profile.returned_reasoning == "encrypted":
        losses.report(where, "dropped", f"{profile.name} takes back only what it has encrypted or stored")
        return []
    item: JSON = {"type": "reasoning", "id": _item_id(text, details), "summary": []}
    if text:
        item["content"] = [{"type": "reasoning_text", "text": text}]
    if details and profile.returned_reasoning == "sealed":
        item["encrypted_content"] = seal_details(details)
    elif not text or any(entry.get(key) for entry in details for key in _SIGNED):
        losses.report(where, "dropped", f"{profile.name} takes the text of earlier reasoning only")
    return [item] if text or "encrypted_content" in item else []


def _reasoning_of(message: JSON, path: str) -> tuple[str, str, list[JSON]]:
    """The reasoning of an assistant message: the path it stands at, its text, and its details."""
    found = [
        (key, message[key]) for key in _TEXT_FIELDS if isinstance(message.get(key), str) and message[key]
    ]
    where, text = found[0] if found else ("", "")
    content, details = message.get("content"), message.get(_DETAILS_FIELD)
    details = [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []
    if details:
        where = _DETAILS_FIELD
    elif isinstance(content, list):
        details = [part for part in content if part["type"] == "thinking"]
        where = "content" if details else where
    text = text or "\n".join(filter(None, map(_detail_text, details)))
    return f"{path}.{where}", text, details


def _item_id(text: str, details: list[JSON]) -> str:
    """Always the same id for the same thought, so that a history stays equal from turn to turn."""
    digest = hashlib.sha256(dumps([text, details])).hexdigest()
    return f"rs_{digest[:32]}"


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


def asked_summary(body: JSON) -> str | None:
    """The kind of summary of its reasoning that a Responses request asks for; None: it asks for none.

    >>> asked_summary({"reasoning": {"summary": "auto"}}), asked_summary({"reasoning": {"summary": "none"}})
    ('auto', None)
    """
    reasoning = body.get("reasoning") or {}
    asked = (reasoning.get(key) for key in _SUMMARY_KEYS)
    return next((kind for kind in asked if kind not in (None, "none")), None)


def without_summary(reasoning: JSON) -> JSON:
    """A Responses `reasoning` object that asks for no summary."""
    return {key: value for key, value in reasoning.items() if key not in _SUMMARY_KEYS}


def responses_reasoning(body: JSON, *, profile: Profile, losses: Losses) -> JSON | None:
    """The Responses `reasoning` object for a Chat body; what its own `reasoning` holds is carried.

    >>> responses_reasoning({"reasoning_effort": "low"}, profile=Profile(name="any"), losses=Losses())
    {'effort': 'low'}
    """
    made: JSON = dict(body.get("reasoning") or {})
    effort = body.get("reasoning_effort")
    if effort is not None:
        made["effort"] = profile.effort_values.get(effort, effort)
        if made["effort"] != effort:
            losses.report("reasoning_effort", "clamped", f"{profile.name} is asked for {made['effort']!r}")
    return made or None
