"""What hooks and handlers are told about the client request they work for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from responses_asgi.types.asgi import Scope
from responses_asgi.types.json import JSON

__all__ = ["EXTENSION", "ExchangeContext", "bridged", "extension"]

EXTENSION = "responses_asgi"
"""The key in `scope["extensions"]` under which the app behind the bridge finds what it is called for.

Its value has `api`, `response_id` and `principal`, and may have `headers`: request headers (name -> value)
that the operator's record or hooks set. An HTTP upstream sends these besides those of the client's headers
that it lets through. Where a component has only let the client in by its key, there is just `principal`, the
id of the key, and `models`, what the key is limited to.
"""


@dataclass(slots=True, kw_only=True)
class ExchangeContext:
    """One client request on its way through an upstream.

    `api` is what the client spoke (`"chat"` or `"responses"`), `response_id` the id of the answer ("" when
    the answer has none yet), `principal` the owner the request was made for (None: not known), `scope` the
    ASGI scope, `request` the request's body: the client's own for hooks, the one they answer for handlers.
    `state` is free for the hooks of one exchange to hand things to each other. `headers` are request headers
    that the upstream is sent besides, such as those of a trace.
    """

    api: str
    response_id: str
    principal: str | None
    scope: Scope
    request: JSON
    state: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def extension(self) -> JSON:
        """What the app behind the bridge finds in `scope["extensions"]["responses_asgi"]`."""
        return {"api": self.api, "response_id": self.response_id, "principal": self.principal}

    @classmethod
    def of(cls, scope: Scope, request: JSON, *, api: str = "chat") -> ExchangeContext:
        """The context seen from inside an app: read back from the scope, for the request it answers.

        `api` is what the client spoke when the app was called directly.

        >>> ExchangeContext.of({"type": "http"}, {"messages": []}).api
        'chat'
        """
        known = extension(scope)
        return cls(
            api=known.get("api") or api,
            response_id=known.get("response_id") or "",
            principal=known.get("principal"),
            scope=scope,
            request=request,
        )


def extension(scope: Scope) -> Mapping[str, Any]:
    """This package's entry in the scope's extensions; empty when the app was called directly."""
    return (scope.get("extensions") or {}).get(EXTENSION) or {}


def bridged(scope: Scope) -> bool:
    """Whether the bridge itself makes this request, to an endpoint that the operator chose."""
    return "api" in extension(scope)
