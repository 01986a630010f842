"""The Responses API in front of an app or an upstream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from responses_asgi.middleware.component import Component, Settings
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.types.events import Dialect
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["ResponsesMiddleware"]


class ResponsesMiddleware(Component):
    """Answers POST /responses from a Chat Completions endpoint; everything else passes through untouched.

    `app` is the ASGI app whose chat endpoint is used (FastAPI, Starlette, Django), or an `Upstream`. To an
    Upstream that speaks Responses itself requests pass as they are, unless it has hooks or edits, or there is
    a `store`.

    - `path`: where Responses clients call, one path or several, relative to the app's `root_path`. Default:
      `/responses`, `/v1/responses` and Azure's `/openai/...` paths.
    - `upstream_path`: the upstream's endpoint, relative in the same way. Default: the client's path with
      `/chat/completions` in the place of `/responses`.
    - `dialect`: see `Options`. `settings`: see `Settings`.

    Raises ConfigurationError when the settings cannot work together.

    ```python
    app.add_middleware(ResponsesMiddleware)                               # FastAPI
    application = ResponsesMiddleware(get_asgi_application())             # Django
    app.mount("/v1", ResponsesMiddleware(Upstream.http("http://localhost:8000")))
    ```
    """

    client = "responses"

    def __init__(
        self,
        app: ASGIApp | Upstream,
        *,
        path: str | Sequence[str] | None = None,
        upstream_path: str | None = None,
        dialect: Dialect = "openai",
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(app, path=path, upstream_path=upstream_path, settings=settings, dialect=dialect)
