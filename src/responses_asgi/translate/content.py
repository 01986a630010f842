"""Content parts and output formats, Responses <-> Chat.

Each part type is one row of a table; the row says which role of part it is in both protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile
from responses_asgi.types.checks import missing
from responses_asgi.types.json import JSON

__all__ = [
    "TEXT_PARTS",
    "chat_content",
    "chat_part",
    "chat_response_format",
    "is_text",
    "joined_text",
    "responses_part",
    "responses_text_format",
]

# Responses part types that are nothing but text. `text` and `summary_text` are no input types in the
# documents, but clients send them.
TEXT_PARTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})

# Responses image detail -> Chat image detail, where they differ.
IMAGE_DETAILS = {"original": "high"}

# Chat part types that are nothing but text; clients also send the names of the other protocol.
CHAT_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})

# What Chat takes for granted, and several Responses servers want said.
DEFAULT_DETAIL = "auto"

# What stands for the schema that Chat may leave out.
ANY_OBJECT: JSON = {"type": "object"}

# Keys of a part that its conversion reads or reports; others are carried as they are.
_TEXT_KEYS = frozenset({"type", "text", "annotations", "logprobs"})
_IMAGE_KEYS = frozenset({"type", "image_url", "file_id", "detail"})
_FILE_KEYS = frozenset({"type", "file_data", "file_id", "file_url", "filename", "detail"})
_FILE_CARRIED = ("file_data", "file_id", "filename")


def chat_part(part: JSON, path: str, *, profile: Profile, losses: Losses) -> JSON | None:
    """The Chat content part of a Responses one; None when it cannot be carried, which is reported.

    Raises InvalidRequestError, with the exact path, for a part the answer would be wrong without.
    """
    kind = part["type"]
    convert = _text_part if kind in TEXT_PARTS else _CONVERTERS.get(kind)
    if convert is None:
        raise InvalidRequestError(
            f"'{path}.type' is {kind!r}, which Chat Completions cannot carry.",
            param=f"{path}.type",
            code="unsupported_parameter",
        )
    chat = convert(part, path, profile, losses)
    if (
        chat is not None
        and "prompt_cache_breakpoint" in chat
        and "prompt_cache_breakpoint" in profile.withheld
    ):
        del chat["prompt_cache_breakpoint"]
        losses.report(f"{path}.prompt_cache_breakpoint", "dropped", f"{profile.name} does not take it")
    return chat


def responses_part(part: JSON, path: str, *, role: str, profile: Profile, losses: Losses) -> JSON | None:
    """The Responses content part of a Chat one in a message of `role`.

    None when it cannot be carried, which is reported. Raises InvalidRequestError, with the exact path, for a
    part the answer would be wrong without.
    """
    kind = part["type"]
    convert = _from_text_part if kind in CHAT_TEXT_PARTS else _FROM_CHAT.get(kind)
    if convert is None:
        raise InvalidRequestError(
            f"'{path}.type' is {kind!r}, which Responses cannot carry.",
            param=f"{path}.type",
            code="unsupported_parameter",
        )
    made = convert(part, path, role, profile, losses)
    key = "prompt_cache_breakpoint"
    if made is not None and key in made and key in profile.responses_withheld:
        del made[key]
        losses.report(f"{path}.{key}", "dropped", f"{profile.name} does not take it")
    return made


def _extra(part: JSON, known: frozenset[str]) -> JSON:
    if part.keys() <= known:
        return {}
    return {key: value for key, value in part.items() if key not in known and value is not None}


def _text_part(part: JSON, path: str, profile: Profile, losses: Losses) -> JSON:
    for key in ("annotations", "logprobs"):
        if part.get(key):
            losses.report(f"{path}.{key}", "dropped", f"Chat messages carry no {key} back")
    return {"type": "text", "text": part["text"], **_extra(part, _TEXT_KEYS)}


def _from_text_part(part: JSON, path: str, role: str, profile: Profile, losses: Losses) -> JSON:
    if role == "assistant":
        made: JSON = {"type": "output_text", "text": part["text"], "annotations": []}
    else:
        made = {"type": "input_text", "text": part["text"]}
    return {**made, **_extra(part, _TEXT_KEYS)}


def _refusal_part(part: JSON, path: str, profile: Profile, losses: Losses) -> JSON:
    """A refusal outside of an assistant message is text that somebody quotes."""
    return {"type": "text", "text": part["refusal"]}


def _from_refusal_part(part: JSON, path: str, role: str, profile: Profile, losses: Losses) -> JSON:
    if role == "assistant":
        return {"type": "refusal", "refusal": part["refusal"]}
    return {"type": "input_text", "text": part["refusal"]}


def _image_part(part: JSON, path: str, profile: Profile, losses: Losses) -> JSON:
    if part.get("file_id"):
        raise _by_reference(f"{path}.file_id", "an image by file id")
    url = part.get("image_url")
    if not url:
        raise missing(f"{path}.image_url")
    image: JSON = {"url": url}
    detail = part.get("detail")
    if detail is not None:
        image["detail"] = IMAGE_DETAILS.get(detail, detail)
        if image["detail"] != detail:
            losses.report(f"{path}.detail", "clamped", f"Chat images go up to {image['detail']!r}")
    return {"type": "image_url", "image_url": image, **_extra(part, _IMAGE_KEYS)}


def _from_image_part(part: JSON, path: str, role: str, profile: Profile, losses: Losses) -> JSON:
    image = part["image_url"]
    if isinstance(image, str):
        image = {"url": image}
    made: JSON = {
        "type": "input_image",
        "image_url": image["url"],
        "detail": image.get("detail") or DEFAULT_DETAIL,
    }
    return {**_extra(image, frozenset({"url", "detail"})), **made, **_extra(part, _IMAGE_KEYS)}


def _file_part(part: JSON, path: str, profile: Profile, losses: Losses) -> JSON:
    if part.get("file_url"):
        raise _by_reference(f"{path}.file_url", "a file by URL")
    if not (part.get("file_data") or part.get("file_id")):
        raise missing(f"{path}.file_data")
    if part.get("detail") is not None:
        losses.report(f"{path}.detail", "dropped", "Chat files have no detail")
    file = {key: part[key] for key in _FILE_CARRIED if part.get(key) is not None}
    return {"type": "file", "file": file, **_extra(part, _FILE_KEYS)}


def _from_file_part(part: JSON, path: str, role: str, profile: Profile, losses: Losses) -> JSON:
    return {
        "type": "input_file",
        **_extra(part["file"], frozenset({"type"})),
        **_extra(part, frozenset({"type", "file"})),
    }


def _audio_part(part: JSON, path: str, profile: Profile, losses: Losses) -> JSON:
    return dict(part)


def _video_part(part: JSON, path: str, profile: Profile, losses: Losses) -> JSON | None:
    if not part.get("video_url"):
        raise missing(f"{path}.video_url")
    if not profile.video_parts:
        losses.report(path, "dropped", f"{profile.name} takes no videos")
        return None
    return {
        "type": "video_url",
        "video_url": {"url": part["video_url"]},
        **_extra(part, frozenset({"type", "video_url"})),
    }


def _from_video_part(part: JSON, path: str, role: str, profile: Profile, losses: Losses) -> JSON | None:
    if not profile.video_parts:
        losses.report(path, "dropped", f"{profile.name} takes no videos")
        return None
    video = part.get("video_url")
    return {
        "type": "input_video",
        "video_url": video.get("url") if isinstance(video, dict) else video,
        **_extra(part, frozenset({"type", "video_url"})),
    }


_CONVERTERS: dict[str, Callable[[JSON, str, Profile, Losses], JSON | None]] = {
    "refusal": _refusal_part,
    "input_image": _image_part,
    "input_file": _file_part,
    "input_audio": _audio_part,
    "input_video": _video_part,
}

# Audio is missing: no Responses message can hold it.
_FROM_CHAT: dict[str, Callable[[JSON, str, str, Profile, Losses], JSON | None]] = {
    "refusal": _from_refusal_part,
    "image_url": _from_image_part,
    "file": _from_file_part,
    "video_url": _from_video_part,
}


def _by_reference(param: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"'{param}' is given, but Chat Completions does not take {what}; send the data itself.",
        param=param,
        code="unsupported_parameter",
    )


def is_text(part: JSON) -> bool:
    """Whether a Chat part is text and nothing else."""
    return part.keys() == {"type", "text"}


def joined_text(parts: Iterable[JSON]) -> str:
    """The texts of Chat text parts, one under the other."""
    return "\n".join(part["text"] for part in parts)


def chat_content(parts: list[JSON], *, lists: bool) -> str | list[JSON]:
    """The content of a Chat message: a string when that says it all, else the parts.

    `lists`: several texts may stay a list; otherwise they are joined by line breaks.
    """
    if all(map(is_text, parts)) and (len(parts) < 2 or not lists):
        return joined_text(parts)
    return parts


def chat_response_format(format: Any, *, profile: Profile, losses: Losses) -> JSON | None:
    """Chat's `response_format` for a Responses `text.format`: the schema nested, else the same.

    >>> chat_response_format(
    ...     {"type": "json_schema", "name": "n", "schema": {}}, profile=Profile(name="any"), losses=Losses()
    ... )
    {'type': 'json_schema', 'json_schema': {'name': 'n', 'schema': {}}}
    """
    if format is None or format["type"] != "json_schema":
        return None if format is None else dict(format)
    if not profile.json_schema:
        losses.report("text.format", "clamped", f"{profile.name} has JSON objects, but no schemas for them")
        return {"type": "json_object"}
    schema = {key: value for key, value in format.items() if key != "type" and value is not None}
    return {"type": "json_schema", "json_schema": schema}


def responses_text_format(format: Any, *, losses: Losses) -> JSON | None:
    """The Responses `text.format` for Chat's `response_format`: the schema flat, else the same.

    >>> responses_text_format(
    ...     {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}, losses=Losses()
    ... )
    {'type': 'json_schema', 'name': 'n', 'schema': {}}
    """
    if format is None or format["type"] != "json_schema":
        return None if format is None else dict(format)
    flat = {key: value for key, value in format["json_schema"].items() if value is not None}
    if "schema" not in flat:
        losses.report("response_format.json_schema.schema", "emulated", "Responses demands a schema")
        flat["schema"] = dict(ANY_OBJECT)
    return {"type": "json_schema", **flat}
