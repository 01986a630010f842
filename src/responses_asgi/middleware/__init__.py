"""The APIs in front of an app or an upstream, as ASGI middleware and as mountable apps in one.

- `component` is what both have in common: whose request it is, and which way it goes.
- `settings` is what both can be given, and the state that is made of it.
- `targets` knows the paths: the client's, and the upstream's that belongs to each.
- `responses` and `chat` are the two components, with their settings.
"""

from __future__ import annotations

from responses_asgi.middleware.chat import ChatCompletionsMiddleware
from responses_asgi.middleware.component import Component, Settings
from responses_asgi.middleware.responses import ResponsesMiddleware
from responses_asgi.middleware.targets import DEFAULT_PATHS

__all__ = ["DEFAULT_PATHS", "ChatCompletionsMiddleware", "Component", "ResponsesMiddleware", "Settings"]
