"""What clients send over a socket, and what is answered besides the events of responses.

| type | answered by |
| --- | --- |
| `response.create` | the events of a response, or an error |
| `response.cancel` | the end of the response that runs on its lane, or an error |
| `response.steer` | `response.steer.failed`: what is being said cannot be changed here |
| `response.processed` | nothing: some versions of Codex say so of a response that they have read |
| `ping` | `pong` |
| any other, or none | an error |

Every message is a text frame that holds one JSON object. `stream_id` names the lane it is for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from responses_asgi.errors import APIError, InvalidRequestError
from responses_asgi.exchange.request import parse_body
from responses_asgi.history.requests import without
from responses_asgi.sinks import Header
from responses_asgi.types.asgi import Message
from responses_asgi.types.json import JSON, dumps

__all__ = ["PONG", "Create", "decode", "error_frame", "lane_of", "read_create", "steer_failed"]

PONG = '{"type":"pong"}'

MAIN_LANE = ""
"""The lane of messages that name none."""

_LANE = re.compile(r"[A-Za-z0-9_.-]{1,256}")

# Fields that are not those of a POST: `stream` and `stream_options` say what is so anyway, and the others
# are for the socket. Codex sends `stream`.
_OF_SOCKET = ("type", "stream_id", "generate", "stream", "background", "event_id")

# Headers of an upstream's answer that tell a client when to come again, or whom to ask.
_TOLD_HEADERS = re.compile(r"retry-after(-ms)?|x-should-retry|x-request-id|x-ratelimit-.*")


class Create(NamedTuple):
    """A `response.create`: the body of the POST it stands for, its lane and size, and whether it only
    prepares a later turn."""

    body: JSON
    lane: str
    size: int
    warm_up: bool


def decode(message: Message, *, max_bytes: int, max_depth: int) -> tuple[JSON, int]:
    """The JSON object of a frame, and its size in bytes. Raises InvalidRequestError."""
    text = message.get("text")
    if text is None:
        raise InvalidRequestError(
            "Got a binary frame; expected a text frame that holds one JSON object.", code="invalid_message"
        )
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > max_bytes:
        raise InvalidRequestError(
            f"The message has {len(data)} bytes; expected at most {max_bytes}.",
            status=413,
            code="request_too_large",
        )
    document = parse_body(data, max_depth=max_depth)
    if not isinstance(document, dict):
        raise InvalidRequestError(
            f"Got JSON that is no object ({type(document).__name__}); expected an object with a 'type'.",
            code="invalid_message",
        )
    return document, len(data)


def lane_of(document: JSON) -> str:
    """The lane that a message is for. Raises InvalidRequestError."""
    lane = document.get("stream_id")
    if lane is None:
        return MAIN_LANE
    if not isinstance(lane, str) or not _LANE.fullmatch(lane):
        raise InvalidRequestError(
            f"Invalid 'stream_id': got {_shown(lane)}; expected 1 to 256 of the characters A-Z, a-z, 0-9, "
            "'_', '.' and '-'.",
            param="stream_id",
            code="invalid_value",
        )
    return lane


def read_create(document: JSON, lane: str, size: int, *, model: str | None) -> Create:
    """A `response.create`; `model` is the one that the socket's path names. Raises InvalidRequestError."""
    if document.get("background"):
        raise InvalidRequestError(
            "'background' cannot be honoured over a WebSocket; POST the request instead.",
            param="background",
            code="unsupported_parameter",
        )
    generate = document.get("generate")
    if generate is not None and not isinstance(generate, bool):
        raise InvalidRequestError(
            f"Invalid type for 'generate': expected a boolean, got {_shown(generate)}.",
            param="generate",
            code="invalid_type",
        )
    cache = document.get("prompt_cache_options")
    warm_up = generate is False or (isinstance(cache, dict) and cache.get("prewarm") is True)
    body = {**without(document, _OF_SOCKET), "stream": True}
    if model is not None and not body.get("model"):
        body["model"] = model
    return Create(body, lane, size, warm_up)


def error_frame(error: APIError, lane: str = MAIN_LANE, headers: Sequence[Header] = ()) -> str:
    """An error that is no event of a response; `headers` are those of an upstream's answer."""
    told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    told = {name: value for name, value in {**told, **error.headers}.items() if _TOLD_HEADERS.fullmatch(name)}
    shown = {**error.error_object(), **({"headers": told} if told else {})}
    return _frame({"type": "error", "status": error.status, "error": shown}, lane)


def steer_failed(document: JSON, lane: str) -> str:
    """The answer to a `response.steer`, with its input, which the client is to send itself."""
    previous, given = document.get("previous_response_id"), document.get("input")
    if isinstance(previous, str) and previous and given:
        code = "steering_not_supported"
        message = (
            "What a response says cannot be changed while it is said; send the input with the next "
            "response.create."
        )
    else:
        code = "invalid_input"
        message = "Expected 'previous_response_id', a string, and 'input', which must not be empty."
    error = {"type": "invalid_request_error", "code": code, "message": message}
    steer = {"previous_response_id": previous, "input": given}
    return _frame(
        {"type": "response.steer.failed", "sequence_number": 0, "error": error, "steer": steer}, lane
    )


def _frame(document: JSON, lane: str) -> str:
    if lane != MAIN_LANE:
        document["stream_id"] = lane
    return dumps(document).decode()


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
