"""`GET /metrics`, where the gateway's telemetry counts for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from responses_asgi.exchange import Interceptor
from responses_asgi.gateway.service import send_page
from responses_asgi.telemetry import Prometheus
from responses_asgi.types.asgi import Receive, Scope, Send

__all__ = ["Metrics"]


class Metrics:
    """An ASGI app for the figures of the Prometheus among the telemetry; `bool`: whether there is one."""

    path = "/metrics"

    def __init__(self, telemetry: Iterable[Interceptor]) -> None:
        self._found = next((each for each in telemetry if isinstance(each, Prometheus)), None)

    def __bool__(self) -> bool:
        return self._found is not None

    def serves(self, path: str, method: str) -> bool:
        """Whether this is a request for them."""
        return self._found is not None and path == self.path and method in ("GET", "HEAD")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._found is not None
        accept = b",".join(value for name, value in scope["headers"] if name.lower() == b"accept")
        body, content_type = self._found.page(accept.decode("latin-1"))
        await send_page(send, body, content_type, whole=scope["method"] == "GET")
