"""Spans and metrics of OpenTelemetry: one span for each exchange and each call of a tool, never for an event.

Which SDK and exporter take them is the application's affair; without one nothing is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responses_asgi.errors import APIError, MissingExtraError
from responses_asgi.exchange import Interception
from responses_asgi.exchange.attempt import Asked
from responses_asgi.types.asgi import Scope
from responses_asgi.upstreams.upstream import Upstream, WireAPI

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["OpenTelemetry"]


class OpenTelemetry:
    """Tells OpenTelemetry of exchanges, by the conventions for generative AI. Extra `otel`.

    Spans `chat MODEL` and `execute_tool NAME`; metrics `gen_ai.client.operation.duration`,
    `gen_ai.client.token.usage` and `gen_ai.client.operation.time_to_first_chunk`.

    - `content`: whether spans hold what was asked and answered, and with what tools were called.
    - `tracer_provider`, `meter_provider`: those to use; None: the global ones.

    Raises MissingExtraError.

    ```python
    app.mount("/v1", Gateway(upstreams, telemetry=[OpenTelemetry()]))
    ```
    """

    def __init__(
        self,
        *,
        content: bool = False,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        try:
            from responses_asgi.telemetry.spans import Spans
        except ImportError:
            raise MissingExtraError("OpenTelemetry", "otel") from None
        self._spans = Spans(tracer_provider, meter_provider, content=content)

    async def begin(self, asked: Asked, upstream: Upstream) -> Interception:
        """Start the span."""
        return self._spans.of(asked, upstream)

    def refused(self, scope: Scope, client: WireAPI | None, error: APIError) -> None:
        """What never became an exchange is in the spans of the server, if it has any."""

    async def aclose(self) -> None:
        """Nothing is held."""
