"""Small pieces of a Chat answer in Responses form: annotations, log probabilities, reasoning details."""

from __future__ import annotations

from typing import Any

from responses_asgi.errors import UpstreamError
from responses_asgi.types.events import Dialect
from responses_asgi.types.json import JSON

__all__ = [
    "ANNOTATIONS",
    "ENCRYPTED_KEYS",
    "a_list",
    "an_object",
    "choice_logprobs",
    "flat_annotation",
    "join_details",
    "nested_annotation",
    "part_logprobs",
    "thinking_text",
]

# Fields of a reasoning detail that are read as text; all of them arrive in fragments.
_FRAGMENTED = ("text", "summary", "data", "signature")
ENCRYPTED_KEYS = ("data", "signature")

# What a text part may be annotated with; strict clients fail on any other type.
ANNOTATIONS: dict[Dialect, tuple[str, ...]] = {
    "openai": ("url_citation", "file_citation", "container_file_citation", "file_path"),
    "openresponses": ("url_citation",),
}


def flat_annotation(annotation: JSON) -> tuple[JSON, list[str]]:
    """A Responses annotation from Chat's nested one, and the names of required fields it lacked.

    Chat: `{type: url_citation, url_citation: {url, title, start_index, end_index}}`; Responses has the same
    fields on the annotation itself. Clients parse strictly, so a missing one becomes its zero.

    >>> flat_annotation({"type": "url_citation", "url_citation": {"url": "https://a.test"}})[1]
    ['title', 'start_index', 'end_index']
    """
    kind = annotation.get("type")
    nested = annotation.get(kind) if isinstance(kind, str) else None
    flat = {**nested, "type": kind} if isinstance(nested, dict) else dict(annotation)
    if kind != "url_citation":
        return flat, []
    zeros: JSON = {"url": "", "title": "", "start_index": 0, "end_index": 0}
    missing = [name for name in zeros if flat.get(name) is None]
    return {**flat, **{name: zeros[name] for name in missing}}, missing


def nested_annotation(annotation: JSON, start: int = 0) -> JSON:
    """Chat's nested annotation from a Responses one: its fields under the name of its type.

    `start`: where in the Chat message the text begins that is annotated, in characters.

    >>> nested_annotation({"type": "url_citation", "url": "https://a.test", "start_index": 1}, 5)
    {'type': 'url_citation', 'url_citation': {'url': 'https://a.test', 'start_index': 6}}
    """
    kind = str(annotation.get("type"))
    fields = {name: value for name, value in annotation.items() if name != "type"}
    places = {name: fields.get(name) for name in ("start_index", "end_index")}
    return {"type": kind, kind: fields | {k: at + start for k, at in places.items() if isinstance(at, int)}}


def part_logprobs(entries: list[JSON]) -> list[JSON]:
    """Log probabilities of a text part from Chat's `logprobs.content`; bytes and top_logprobs never null."""
    return [_score(entry, no_bytes=[]) for entry in entries]


def choice_logprobs(entries: list[JSON]) -> list[JSON]:
    """Chat's `logprobs.content` from the log probabilities of a text part, which may lack bytes."""
    return [_score(entry, no_bytes=None) for entry in entries]


def _score(entry: JSON, *, no_bytes: list[int] | None) -> JSON:
    others = entry.get("top_logprobs")
    return {
        **_token(entry, no_bytes),
        "top_logprobs": [
            _token(other, no_bytes)
            for other in (others if isinstance(others, list) else [])
            if isinstance(other, dict)
        ],
    }


def _token(entry: JSON, no_bytes: list[int] | None) -> JSON:
    return {
        "token": entry.get("token", ""),
        "logprob": entry.get("logprob", 0.0),
        "bytes": entry.get("bytes") or no_bytes,
    }


def thinking_text(part: JSON) -> str:
    """The text of a `thinking` content part (Mistral): a string, or a list of text parts."""
    thinking = part.get("thinking")
    if isinstance(thinking, list):
        texts = (piece.get("text") for piece in thinking if isinstance(piece, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return thinking if isinstance(thinking, str) else ""


def join_details(fragments: list[JSON]) -> list[JSON]:
    """Whole entries from the streamed fragments of `reasoning_details` (OpenRouter) or thinking parts.

    A fragment continues the last entry when both have the same type and index, and their ids do not differ.
    """
    details: list[JSON] = []
    for entry in fragments:
        last = details[-1] if details else None
        if last is None or not _continues(last, entry):
            details.append(dict(entry))
            continue
        for name, value in entry.items():
            if name in _FRAGMENTED and isinstance(value, str) and isinstance(last.get(name), str):
                last[name] += value
            elif value is not None:
                last[name] = value
    return details


def _continues(last: JSON, entry: JSON) -> bool:
    ids = last.get("id"), entry.get("id")
    same = None in ids or ids[0] == ids[1]
    return same and all(last.get(name) == entry.get(name) for name in ("type", "index"))


def an_object(value: object, where: str) -> JSON:
    """The value, which an answer must have as an object there; raises UpstreamError."""
    if not isinstance(value, dict):
        raise _unexpected(value, where, "an object")
    return value


def a_list(value: object, where: str) -> list[Any]:
    """The value, which an answer must have as a list there; raises UpstreamError."""
    if not isinstance(value, list):
        raise _unexpected(value, where, "a list")
    return value


def _unexpected(value: object, where: str, expected: str) -> UpstreamError:
    return UpstreamError(f"The upstream's {where} is {value!r:.80}, expected {expected}.", status=502)
