"""What an operator sees of the exchanges of a component: `telemetry=[...]`.

- `otel` tells OpenTelemetry, by `spans`; `prometheus` counts, `logs` writes.
- `facts` is what they tell of an exchange, read once; `labels` bounds what may stand in metrics.
- `names` are the names of OpenTelemetry's conventions; `content` what is told only where it is asked for.
"""

from __future__ import annotations

from responses_asgi.telemetry.logs import AuditLog, RequestLog
from responses_asgi.telemetry.otel import OpenTelemetry
from responses_asgi.telemetry.prometheus import Prometheus

__all__ = ["AuditLog", "OpenTelemetry", "Prometheus", "RequestLog"]
