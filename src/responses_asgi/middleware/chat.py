"""The Chat Completions API in front of an app or an upstream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from responses_asgi.exchange import Options
from responses_asgi.middleware.component import Component, Settings
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["ChatCompletionsMiddleware"]

_DEFAULTS = Options()


class ChatCompletionsMiddleware(Component):
    """Answers POST /chat/completions from a Responses endpoint; everything else passes through untouched.

    `app` is the ASGI app whose Responses endpoint is used (FastAPI, Starlette, Django), or an `Upstream`,
    such as `Upstream.http(url, api="responses")`. To an Upstream that speaks Chat Completions itself requests
    pass as they are, unless it has hooks or edits, or there is a `store`.

    - `path`: where Chat clients call, one path or several, relative to the app's `root_path`. Default:
      `/chat/completions`, `/v1/chat/completions` and Azure's `/openai/...` paths.
    - `upstream_path`: the upstream's endpoint, relative in the same way. Default: the client's path with
      `/responses` in the place of `/chat/completions`.
    - `reasoning_field`, `max_choices`: see `Options`. `settings`: see `Settings`.

    Reasoning that Chat cannot carry is remembered by tool-call id, in the `store` or else in this process, so
    that the next turn gives it back to the upstream. With a `store`, clients can also have completions kept
    (`store: true`) and leave out what was said before (`previous_response_id`, `conversation`).

    Raises ConfigurationError when the settings cannot work together.

    ```python
    app.add_middleware(ChatCompletionsMiddleware)                         # FastAPI
    application = ChatCompletionsMiddleware(get_asgi_application())       # Django
    app.mount("/v1", ChatCompletionsMiddleware(Upstream.http("https://api.openai.com", api="responses")))
    ```
    """

    client = "chat"

    def __init__(
        self,
        app: ASGIApp | Upstream,
        *,
        path: str | Sequence[str] | None = None,
        upstream_path: str | None = None,
        reasoning_field: str | None = _DEFAULTS.reasoning_field,
        max_choices: int = _DEFAULTS.max_choices,
        **settings: Unpack[Settings],
    ) -> None:
        super().__init__(
            app,
            path=path,
            upstream_path=upstream_path,
            settings=settings,
            reasoning_field=reasoning_field,
            max_choices=max_choices,
        )
