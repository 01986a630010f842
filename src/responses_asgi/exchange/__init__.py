"""One client request through its upstream: the only place where ASGI meets translation.

- `run` is the whole way: prepare, the upstream call, settle.
- `request` is the client's side of prepare: bytes to a checked body. `upstream_request` is the other side:
  the body, headers and scope that the upstream gets.
- `pairs` says by tables how the APIs of client and upstream differ.
- `calls` makes the upstream call, or several side by side; `inner_call` is one of them, which ends when the
  client leaves.
- `inner_response` reads what the app sends, `decoding` turns its bytes into chunks.
- `answer` is what the client is told.
- `edited` is the short way between a Chat client and a Chat upstream.
"""

from __future__ import annotations

from responses_asgi.exchange.edited import run_edited
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.run import run_exchange

__all__ = ["Options", "run_edited", "run_exchange"]
