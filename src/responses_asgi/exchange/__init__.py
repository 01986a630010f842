"""One client request through its upstream: the only place where ASGI meets translation.

- `run` is the whole way: prepare, the upstream call, settle.
- `request` is the client's side of prepare: bytes to a checked body. `upstream_request` is the other side:
  the body, headers and scope that the upstream gets.
- `inner_call` runs the upstream's app in the request's own task and ends it when the client leaves.
- `inner_response` reads what the app sends, `decoding` turns its bytes into chunks.
- `answer` is what the client is told.
"""

from __future__ import annotations

from responses_asgi.exchange.options import Options
from responses_asgi.exchange.run import run_exchange

__all__ = ["Options", "run_exchange"]
