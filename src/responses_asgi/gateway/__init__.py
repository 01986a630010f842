"""Both APIs in front of many upstreams, chosen by the model that is asked for.

- `gateway` is the app: which of its endpoints a request is for.
- `routing` is the table from model names to upstreams; `models` lists it to clients.
- `passthrough` is the way of everything that is not the gateway's own.
- `metrics` are its figures for Prometheus.
- `service` is what the gateway tells about itself, `cors` what it tells browsers.
- `inner_lifespan` starts and stops the apps behind it.
"""

from __future__ import annotations

from responses_asgi.gateway.cors import CORS
from responses_asgi.gateway.gateway import Gateway, GatewaySettings

__all__ = ["CORS", "Gateway", "GatewaySettings"]
