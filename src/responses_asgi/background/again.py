"""Requests that may be made again by another worker: how they are kept, and prepared.

1. Kept is what the client asked and which way it went, without its credential: headers are kept by an
   allow-list, the query is not, and a request that holds a credential in its tools is not kept at all.
2. Only a response of which nothing was said is begun again, a few times at most: a request that ends each
   worker it comes to must not end them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from responses_asgi.background.keeping import JOB
from responses_asgi.exchange.attempt import Asked
from responses_asgi.exchange.routes import Route, Service
from responses_asgi.exchange.run import Tries
from responses_asgi.history.requests import Detached
from responses_asgi.stores.records import Record
from responses_asgi.types.asgi import Scope
from responses_asgi.types.json import JSON, dumps, loads
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["MOST_ATTEMPTS", "Again", "Prepare", "around", "is_unsaid", "preparing", "record_of"]

MOST_ATTEMPTS = 3
"""How often a request is begun, the first time included."""

KEPT_SECONDS = 24 * 3600.0
"""For so long a request is kept at most, should nobody come to forget it."""

Prepare: TypeAlias = Callable[[JSON, str, Detached], Awaitable[Tries]]
"""`(what is kept of a request, owner, what is told of its response) -> tries`. Raises APIError."""

# Events that say nothing of the answer.
_UNSAID = frozenset({"response.created", "response.queued", "response.in_progress"})

# Headers of a client that are kept: they say how it wants to be answered, or which request of its own it was.
_HEADERS = frozenset(
    {
        "accept-language",
        "openai-beta",
        "openai-safety-identifier",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-client-request-id",
        "x-request-id",
    }
)

# What is kept of the scope. The path is the one below which the upstream was asked.
_PLACE = ("type", "http_version", "method", "scheme", "path", "root_path", "server")

# Fields of a tool that hold credentials.
_SECRET = frozenset({"authorization", "headers"})


def is_unsaid(events: Sequence[JSON]) -> bool:
    """Whether these events tell nothing of the answer."""
    return all(event["type"] in _UNSAID for event in events)


def record_of(id: str, asked: Asked, routes: Sequence[Route]) -> Record | None:
    """What is kept of a request; None when it holds a credential."""
    tools = asked.body.get("tools") or ()
    if any(isinstance(tool, dict) and _SECRET & tool.keys() for tool in tools):
        return None
    scope = {name: asked.scope[name] for name in _PLACE if name in asked.scope}
    headers = [
        (name.decode("latin-1").lower(), value.decode("latin-1"))
        for name, value in asked.scope.get("headers") or ()
    ]
    kept = {
        "attempts": 1,
        "body": asked.body,
        "scope": {**scope, "headers": [header for header in headers if header[0] in _HEADERS]},
        "paths": [route.path for route in routes],
    }
    return Record(kind=JOB, owner="", id=id, data=dumps(kept), ttl=KEPT_SECONDS)


class Again:
    """What a record has of a request, and the record of one more attempt."""

    def __init__(self, record: Record) -> None:
        self.request: JSON = loads(record.data)
        self._id = record.id

    @property
    def attempts(self) -> int:
        """How often it was begun."""
        return int(self.request["attempts"])

    def record(self) -> Record:
        """What is kept of it when it is begun once more."""
        data = dumps({**self.request, "attempts": self.attempts + 1})
        return Record(kind=JOB, owner="", id=self._id, data=data, ttl=KEPT_SECONDS)


def around(scope: Scope) -> Mapping[str, Any]:
    """What the host of a component puts into every scope, such as Starlette's `app`."""
    return {name: scope[name] for name in ("app", "state") if name in scope}


def preparing(
    service: Service,
    upstreams: Callable[[JSON], Sequence[Upstream]],
    host: Callable[[], Mapping[str, Any]] = dict,
) -> Prepare:
    """Prepares kept requests for a component.

    `upstreams` are those that it has for a body, in order, `host` tells what is `around` its scopes.
    """

    async def prepare(request: JSON, owner: str, detached: Detached) -> Tries:
        body, kept = request["body"], request["scope"]
        scope: Scope = {
            "asgi": {"version": "3.0"},
            "client": None,
            **kept,
            "raw_path": kept["path"].encode(),
            "query_string": b"",
            "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept["headers"]],
            **host(),
        }
        routes = [Route(*way) for way in zip(upstreams(body), request["paths"], strict=False)]
        asked = Asked("responses", body, owner, scope, detached=detached)
        return await Tries.prepare(asked, routes, service)

    return prepare
