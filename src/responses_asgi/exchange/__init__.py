"""One client request through its upstream: the only place where ASGI meets translation.

- `run` is the whole way of a request: read, choose an upstream, try it, and the next one if that fails.
- `attempt` is one upstream's try: prepare, the upstream call, settle.
- `request` is the client's side of prepare: bytes to a checked body. `upstream_request` is the other side:
  the body, headers and scope that the upstream gets.
- `interceptors` stand around the whole of it: limits and telemetry.
- `pairs` says by tables how the APIs of client and upstream differ; `routes` where a request may go.
- `calls` makes the upstream call, or several side by side; `inner_call` is one of them, which ends when the
  client leaves.
- `inner_response` reads what the app sends, `decoding` turns its bytes into chunks.
- `outlets` are where answers go; `answer` is what the client is told, `refusals` what it is told before there
  is an answer.
- `untouched` is the short way between equals, when nothing is to be done.
- `ask` is a whole answer for ourselves.
"""

from __future__ import annotations

from responses_asgi.exchange.ask import ask_app, ask_once
from responses_asgi.exchange.interceptors import Ended, Interception, Interceptor, ToolRun
from responses_asgi.exchange.options import Options
from responses_asgi.exchange.routes import Choose, Note, Route, Service
from responses_asgi.exchange.run import run_exchange
from responses_asgi.exchange.untouched import pass_untouched

__all__ = [
    "Choose",
    "Ended",
    "Interception",
    "Interceptor",
    "Note",
    "Options",
    "Route",
    "Service",
    "ToolRun",
    "ask_app",
    "ask_once",
    "pass_untouched",
    "run_exchange",
]
