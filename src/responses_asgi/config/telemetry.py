"""The section `telemetry`: what looks on."""

from __future__ import annotations

from responses_asgi.config.section import Section
from responses_asgi.errors import ConfigurationError
from responses_asgi.exchange import Interceptor
from responses_asgi.telemetry import AuditLog, OpenTelemetry, Prometheus, RequestLog

__all__ = ["TelemetryConfig"]


class TelemetryConfig(Section):
    """What the operator sees of exchanges. Nothing of it holds content or credentials, but for `content`."""

    otel: bool = False
    """Whether OpenTelemetry is told (extra `otel`); `opentelemetry-instrument` sets up where it goes."""

    content: bool = False
    """Whether OpenTelemetry's spans hold what was asked and answered."""

    prometheus: bool = False
    """Whether there are figures at `GET /metrics` (extra `prometheus`), with `auth` for the operator."""

    requests: bool = False
    """Whether the logger `responses_asgi.requests` gets a record of each exchange."""

    audit: bool | str = False
    """Whether it is written who has asked which model: by the logger `responses_asgi.audit` (true), or into
    the file of this name."""

    def make(self) -> list[Interceptor]:
        """What looks on. Raises ConfigurationError and MissingExtraError."""
        if self.content and not self.otel:
            raise ConfigurationError("content is told to OpenTelemetry, which `otel` switches on")
        made: list[Interceptor] = []
        if self.otel:
            made.append(OpenTelemetry(content=self.content))
        if self.prometheus:
            made.append(Prometheus())
        if self.requests:
            made.append(RequestLog())
        if self.audit:
            try:
                made.append(AuditLog(self.audit if isinstance(self.audit, str) else None))
            except OSError as error:
                raise ConfigurationError(f"audit: {error.strerror}: {self.audit}") from None
        return made
