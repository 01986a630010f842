"""`GET /health` of a served bridge: it answers by itself, whether the upstream is there or not."""

from __future__ import annotations

from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.upstreams.replies import send_json

__all__ = ["HealthCheck"]


class HealthCheck:
    """Answers GET and HEAD on `/health` with what is served; all else goes to the bridge.

    `upstream` is the base URL that is told.
    """

    def __init__(self, bridge: ResponsesMiddleware, *, upstream: str) -> None:
        self.bridge = bridge
        self._answer = {"status": "ok", "upstream": upstream, "profile": bridge.upstream.profile.name}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/health" and scope["method"] in ("GET", "HEAD"):
            await send_json(send, self._answer)
        else:
            await self.bridge(scope, receive, send)
