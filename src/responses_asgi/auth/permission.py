"""What a key that is limited may do: which API a path belongs to, and which models a request asks for.

1. Paths are read as HTTP upstreams read them, so that nobody opens one API under the name of another.
2. Where a request may name a model, and more than one reader may read it, every reading counts: in the path,
   in the query, and in each spelling in the body. What cannot be read is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl

from responses_asgi.errors import APIError
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.request import read_body
from responses_asgi.keys.scopes import Allowed
from responses_asgi.types.asgi import Message, Receive, Scope
from responses_asgi.upstreams.target import endpoint_of

__all__ = ["check_api", "check_frame", "check_handshake", "check_models", "models_of", "no_permission"]

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

# Where a request with a body asks no model: what is kept is changed, or ended.
_NO_MODEL = re.compile(r"responses/[^/]+/cancel|conversations(?:/.*)?|chat/completions/[^/]+")

_OF_BODY = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})

# Objects in a body that may name a model of their own, as those of the realtime API do.
_INNER = ("response", "session")

_MODEL, _MODELS = "model", "models"


def check_api(scope: Scope, allowed: Allowed) -> None:
    """Raises APIError (403) for a path of an API that is not allowed."""
    if allowed.apis is None:
        return
    segment = endpoint_of(scope).name.partition("/")[0]
    if not allowed.api(segment):
        raise no_permission(f"This API key is not for /{segment[:64]}; it lacks a scope that opens it.")


async def check_models(
    scope: Scope, receive: Receive, allowed: Allowed, options: Options
) -> tuple[Scope, Receive] | None:
    """The request, which may have been read, if all the models that it names are allowed; None when the
    client left before it was there.

    Raises APIError: 403 for another model, and where it cannot be told which; 413 for too large a body.
    """
    if allowed.models is None:
        return scope, receive
    named = [*_in_path(scope)]
    if scope["method"] not in _WITH_BODY or _NO_MODEL.fullmatch(endpoint_of(scope).name):
        _check(named, allowed)
        return scope, receive
    body = await read_body(scope, receive, options=options)
    if body is None:
        return None
    named += models_of(body)
    if not named:
        raise _untold("the request names none")
    _check(named, allowed)
    headers = [header for header in scope.get("headers") or () if header[0].lower() not in _OF_BODY]
    headers.append((b"content-length", str(len(body)).encode()))
    return {**scope, "headers": headers}, _again(body, receive)


def check_handshake(scope: Scope, allowed: Allowed) -> bool:
    """Whether a WebSocket's handshake names its model. Raises APIError (403) for one that is not allowed."""
    named = [*_in_path(scope)]
    _check(named, allowed)
    return bool(named)


def check_frame(content: bytes | str, allowed: Allowed, *, named: bool) -> None:
    """Check a message of a WebSocket; `named`: whether the handshake named a model.

    Raises APIError (403) for another model, and where it cannot be told which.
    """
    document = _document(content)
    models = [*_named(document)]
    _check(models, allowed)
    if not (models or named) and document.get("type") == "response.create":
        raise _untold("the message names none")


def models_of(content: bytes | str) -> list[str]:
    """The models that a JSON document asks for. Raises APIError (403) when that cannot be told.

    >>> models_of('{"model": "gpt-5.5", "session": {"model": "gpt-realtime"}}')
    ['gpt-5.5', 'gpt-realtime']
    """
    return [*_named(_document(content))]


def _document(content: bytes | str) -> dict[str, Any]:
    try:
        text = content.decode() if isinstance(content, bytes) else content
        document = json.loads(text, object_pairs_hook=_unambiguous)
    except (ValueError, RecursionError):
        raise _untold("it cannot be read, or names one twice") from None
    if not isinstance(document, dict):
        raise _untold("it is no JSON object")
    return document


def no_permission(message: str, param: str | None = None) -> APIError:
    """The refusal of what a good key is not for."""
    return APIError(message, status=403, param=param, code="insufficient_permissions")


def _in_path(scope: Scope) -> Iterator[str]:
    endpoint = endpoint_of(scope)
    if endpoint.deployment is not None:
        yield endpoint.deployment
    first, _, rest = endpoint.name.partition("/")
    if first == _MODELS and rest:
        yield rest
    query: bytes = scope.get("query_string") or b""
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name.lower() in (_MODEL, "deployment"):
            yield value


def _named(document: dict[str, Any]) -> Iterator[str]:
    """What an object names, and those in it that may; names of fields have small letters by now."""
    one = document.get(_MODEL)
    if isinstance(one, str):
        yield one
    elif one is not None:
        raise _untold("'model' is no string")
    several = document.get(_MODELS)
    if isinstance(several, list):
        yield from (each for each in several if isinstance(each, str))
    for name in _INNER:
        inner = document.get(name)
        if isinstance(inner, dict):
            yield from _named(inner)
    tools = document.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        model = tool.get(_MODEL) if isinstance(tool, dict) else None
        if isinstance(model, str):
            yield model


def _unambiguous(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which names differ by more than capitals, which some servers take for the same."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        lower = name.lower()
        if lower in found and lower in (_MODEL, _MODELS, *_INNER, "tools"):
            raise ValueError(lower)
        found[lower] = value
    return found


def _check(named: Iterable[str], allowed: Allowed) -> None:
    for model in named:
        if not allowed.model(model):
            raise no_permission(f"This API key is not for the model {model[:100]!r}.", "model")


def _untold(why: str) -> APIError:
    return no_permission(
        f"This API key is for certain models only, and which one this is for cannot be told: {why}.", "model"
    )


def _again(body: bytes, receive: Receive) -> Receive:
    bodies = [body]

    async def receive_again() -> Message:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        return await receive()

    return receive_again
