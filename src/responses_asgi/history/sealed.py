"""What a client carries for the service in `encrypted_content`: made here, and opened here again.

| token | made for | becomes, before it is translated |
| --- | --- | --- |
| `sealed1.` on a reasoning item | clients that ask for `reasoning.encrypted_content` | the readable token |
| `sealed1.` or `cs1.` on a compaction item | compacted conversations | a user message |
| anything else | somebody else's | itself: the upstream's rules apply |

A summary comes back as a *user* message and never as a system message: users and tools wrote what it tells,
and what they wrote must not gain the authority of the operator on its way through the model. It also stays in
its place, where many servers move system messages to the front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.seal import INVALID_TOKEN, Seals, is_sealed
from responses_asgi.translate.readable_tokens import SUMMARY, is_readable, read_token, write_token
from responses_asgi.translate.reasoning import seal_details
from responses_asgi.types.json import JSON

__all__ = [
    "LOST_SUMMARY",
    "SUMMARY_INTRO",
    "is_summary",
    "open_items",
    "reasoning_seal",
    "summary_item",
    "summary_token",
]

SUMMARY_INTRO = "Summary of the conversation so far:"
LOST_SUMMARY = (
    f"{SUMMARY_INTRO} an earlier part of this conversation was summarized, but the summary can no longer be "
    "read. Ask for what is missing rather than guess it."
)

# What a token is for; one made for something else does not open.
_REASONING, _COMPACTION = "reasoning", "compaction"

_KEY_IS_GONE = "the key it was sealed with is not, or no longer, among the seal keys"


def reasoning_seal(seals: Seals | None, owner: str) -> Callable[[JSON], str] | None:
    """What makes the tokens of this owner's reasoning items; None without keys: they are readable then."""
    if seals is None:
        return None
    return lambda thought: seals.seal(thought, owner=owner, purpose=_REASONING)


def summary_token(summary: str, seals: Seals | None, owner: str) -> str:
    """The `encrypted_content` of a compaction item; readable without keys.

    >>> summary_token("Hi", None, "")
    'cs1.eyJzdW1tYXJ5IjoiSGkifQ'
    """
    payload = {"summary": summary}
    if seals is None:
        return write_token(SUMMARY, payload)
    return seals.seal(payload, owner=owner, purpose=_COMPACTION)


def open_items(
    items: Iterable[JSON], seals: Seals | None, owner: str, losses: Losses, path: str = "input"
) -> list[JSON]:
    """The items with the tokens of this service opened; nothing else of them is looked at or changed.

    `path` is where the items stand in the request. A token whose key is gone is reported, and its item goes
    on without it. Raises InvalidRequestError, code `invalid_encrypted_content`, for a token of this service
    that was changed or cut, or that was made for another owner.

    >>> token = summary_token("They met.", None, "")
    >>> opened = open_items([{"type": "compaction", "encrypted_content": token}], None, "", Losses())
    >>> opened[0]["role"], opened[0]["content"][0]["text"]
    ('user', 'Summary of the conversation so far:\\n\\nThey met.')
    """
    return [_opened(item, seals, owner, losses, f"{path}[{i}]") for i, item in enumerate(items)]


def summary_item(summary: str) -> JSON:
    """The user message that tells the model a summary."""
    return _user(f"{SUMMARY_INTRO}\n\n{summary}")


def is_summary(item: JSON) -> bool:
    """Whether this is a user message that `open_items` made of a compaction item.

    >>> is_summary({"role": "user", "content": "Summary of the conversation so far: none"})
    False
    """
    content = item.get("content")
    return (
        item.get("role") == "user"
        and isinstance(content, list)
        and len(content) == 1
        and str(content[0].get("text")).startswith(SUMMARY_INTRO)
    )


def _opened(item: JSON, seals: Seals | None, owner: str, losses: Losses, path: str) -> JSON:
    kind, token = item.get("type"), item.get("encrypted_content")
    where = f"{path}.encrypted_content"
    if kind == _COMPACTION and is_readable(SUMMARY, token):
        return _summary(read_token(SUMMARY, token), where)
    if kind not in (_REASONING, _COMPACTION) or not is_sealed(token):
        return item
    payload = None if seals is None else seals.open(str(token), owner=owner, purpose=kind, param=where)
    if payload is None:
        losses.report(where, "dropped", _KEY_IS_GONE)
    if kind == _COMPACTION:
        return _user(LOST_SUMMARY) if payload is None else _summary(payload, where)
    rest = {name: value for name, value in item.items() if name != "encrypted_content"}
    if payload is None:
        return rest
    return {**rest, "encrypted_content": seal_details(payload["details"], payload["text"])}


def _summary(payload: object, where: str) -> JSON:
    summary = payload.get("summary") if isinstance(payload, dict) else None
    if not isinstance(summary, str):
        raise InvalidRequestError(
            f"'{where}' is not a summary that this service has made: it was changed or cut.",
            param=where,
            code=INVALID_TOKEN,
        )
    return summary_item(summary)


def _user(text: str) -> JSON:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
