"""A bridge to serve in a process of its own, before the server that the environment names."""

from __future__ import annotations

import os

from responses_asgi import Gateway, Upstream

app = Gateway(Upstream.http(os.environ["UPSTREAM_URL"], credentials="forward"))
