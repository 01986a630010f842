"""`GET /health` of a served bridge: it answers by itself, whether the upstream is there or not."""

from __future__ import annotations

from responses_asgi.middleware import Component
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.upstreams.replies import send_json

__all__ = ["HealthCheck"]


class HealthCheck:
    """Answers GET and HEAD on `/health` with what is served; all else goes to the bridge.

    `bridge` offers the API that the upstream does not speak, `own` the one that it does. `upstream` is the
    base URL that is told.
    """

    def __init__(self, bridge: Component, own: Component, *, upstream: str) -> None:
        self.bridge = bridge
        self._own = own
        self._answer = {
            "status": "ok",
            "upstream": upstream,
            "api": bridge.upstream.api,
            "profile": bridge.upstream.profile.name,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/health" and scope["method"] in ("GET", "HEAD"):
            await send_json(send, self._answer)
        elif self._own.serves(scope):
            await self._own(scope, receive, send)
        else:
            await self.bridge(scope, receive, send)
