"""The client's request: read within its limits, decoded to JSON, its place in the URL made part of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl

from responses_asgi.errors import InvalidRequestError
from responses_asgi.exchange.decoding import Inflate, TooMuch
from responses_asgi.exchange.options import Options
from responses_asgi.types.asgi import Receive, Scope
from responses_asgi.types.json import loads

__all__ = ["parse_body", "read_body", "with_query"]

# Query parameter -> the field of a Chat body that it stands for, for clients that cannot add fields.
PARAMETERS = {"conversation_id": "conversation", "previous_response_id": "previous_response_id"}

# More than any length has.
_LENGTH_DIGITS = 20


async def read_body(scope: Scope, receive: Receive, *, options: Options) -> bytes | None:
    """The whole body, decompressed; None when the client left before it was there.

    Raises InvalidRequestError: 413 for a body over the limit, as it comes or decompressed, 415 for an
    encoding nobody can read.
    """
    limit = options.max_body_bytes
    encoding = b""
    for name, value in scope.get("headers") or ():
        # Header names are compared where they can be these two: requests have many.
        if name[:8].lower() != b"content-":
            continue
        kind = name[8:].lower()
        # Python refuses to read numbers of thousands of digits.
        if kind == b"length" and value.isdigit() and (len(value) > _LENGTH_DIGITS or int(value) > limit):
            raise _too_large(limit)
        if kind == b"encoding":
            encoding = value
    inflate = _inflate(encoding.decode("latin-1").strip().lower(), limit) if encoding else None
    pieces: list[bytes] = []
    inflated = received = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        received += len(piece)
        if inflate:
            try:
                piece = inflate.feed(piece)
            except TooMuch:
                raise _too_large(limit) from None
            except ValueError as error:
                raise InvalidRequestError(f"The request body cannot be read: {error}.") from None
            inflated += len(piece)
        if received > limit or inflated > limit:
            raise _too_large(limit)
        pieces.append(piece)
        if not message.get("more_body"):
            return b"".join(pieces)


def parse_body(body: bytes, *, max_depth: int, model: str | None = None) -> Any:
    """Decode the JSON of a request; `model` stands in for one that it does not name.

    Raises InvalidRequestError with the place where it is broken. NaN and numbers beyond the range of JSON's
    readers are mistakes: written again, they would be null.
    """
    if not body.strip():
        raise InvalidRequestError("The request body is empty; expected a JSON object.")
    try:
        value = loads(body)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequestError(f"The request body is not valid JSON: {error.msg} ({place}).") from None
    except ValueError as error:
        raise InvalidRequestError(f"The request body is not valid JSON: {error}.") from None
    # Brackets bound the depth, so that nearly every request is spared the walk.
    if (
        isinstance(value, dict | list)
        and body.count(b"[") + body.count(b"{") > max_depth
        and _is_deeper(value, max_depth)
    ):
        raise InvalidRequestError(f"The JSON of the request is nested more than {max_depth} levels deep.")
    if _holds_infinite(value) and (infinite := _infinite(value)) is not None:
        raise InvalidRequestError(
            f"Invalid '{infinite}': it is no finite number.", param=infinite, code="invalid_value"
        )
    if model is not None and isinstance(value, dict) and not value.get("model"):
        return {**value, "model": model}
    return value


def with_query(body: Any, scope: Scope) -> Any:
    """The body with what the query says of the state, where the body does not say it.

    >>> with_query({"messages": []}, {"query_string": b"conversation_id=conv_1"})
    {'conversation': 'conv_1', 'messages': []}
    """
    query: bytes = scope.get("query_string") or b""
    if not query or not isinstance(body, dict):
        return body
    given = {
        PARAMETERS[name]: value for name, value in parse_qsl(query.decode("latin-1")) if name in PARAMETERS
    }
    return {**given, **body} if given else body


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _holds_infinite(value: Any) -> bool:
    """Whether there is a number that is not finite. Every request is walked through for that."""
    walked = [value]
    for container in walked:  # which grows meanwhile
        kind = type(container)
        for child in container.values() if kind is dict else container if kind is list else ():
            kind = type(child)
            if kind is dict or kind is list:
                walked.append(child)
            elif kind is float and not isfinite(child):
                return True
    return False


def _infinite(value: Any) -> str | None:
    """The path to a number that is not finite, if there is one; the depth is known to be bounded."""
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for key, child in children:
        below: str | None = None
        if isinstance(child, dict | list):
            below = _infinite(child)
        elif isinstance(child, float) and not isfinite(child):
            below = ""
        if below is not None:
            step = f"[{key}]" if isinstance(value, list) else key
            return step + ("." if below[:1] not in ("", "[") else "") + below
    return None


def _inflate(encoding: str, limit: int) -> Inflate | None:
    if encoding in ("", "identity"):
        return None
    if encoding not in Inflate.encodings:
        known = ", ".join(sorted(Inflate.encodings))
        message = f"Content-Encoding {encoding!r} is not supported; send one of {known}, or none."
        raise InvalidRequestError(message, status=415)
    return Inflate(limit=limit)


def _too_large(limit: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"The request body is larger than {limit} bytes.", status=413, code="request_too_large"
    )
