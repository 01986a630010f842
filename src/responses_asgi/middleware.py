"""The Responses API in front of an app or an upstream, as ASGI middleware and as a mountable app in one."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

from responses_asgi.errors import APIError, ConfigurationError
from responses_asgi.exchange import Options, run_exchange
from responses_asgi.lifespan import LifespanRelay, Runtime
from responses_asgi.profiles import Profile, profile_for
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.events import Dialect
from responses_asgi.upstreams.replies import send_error
from responses_asgi.upstreams.upstream import AfterExchange, BeforeUpstream, OnEvent, Upstream

__all__ = ["DEFAULT_PATHS", "ResponsesMiddleware"]

DEFAULT_PATHS = ("/responses", "/v1/responses", "/openai/responses", "/openai/v1/responses")

_ENDPOINT = "/responses"
_CHAT_ENDPOINT = "/chat/completions"
_AZURE_DEPLOYMENT = re.compile(r"(/openai/deployments/([^/]+))/responses")

_PATH_SAFE = "/:@!$&'()*+,;=~"

_DEFAULTS = Options()


class Target(NamedTuple):
    """Where one request goes: the `path` of the inner scope, and the model its own path named."""

    path: str
    model: str | None = None


class ResponsesMiddleware:
    """Answers POST /responses from a Chat Completions endpoint; everything else passes through untouched.

    `app` is the ASGI app whose chat endpoint is used (FastAPI, Starlette, Django), or an `Upstream`.

    - `path`: where Responses clients call, one path or several, relative to the app's `root_path`. Default:
      `/responses`, `/v1/responses` and Azure's `/openai/...` paths.
    - `upstream_path`: the chat endpoint, relative in the same way. Default: the client's path with
      `/chat/completions` in the place of `/responses`.
    - `profile`, `model`, `set`, `drop`, `rename`, `headers`, `before_upstream`, `on_event`,
      `after_exchange`: as on `Upstream`, for an app that is wrapped. An Upstream has its own.
    - `dialect`, `strict`, `loss_header`, `max_body_bytes`, `max_depth`, `max_answer_bytes`, `keep_alive`,
      `cancel_json`: see `Options`.

    On our paths only POST is ours. Other methods, WebSockets, other paths and their bodies are the app's;
    an Upstream has no other methods there, so that they are a 405, except OPTIONS, which belongs to CORS.
    Raises ConfigurationError when the settings cannot work together.

    ```python
    app.add_middleware(ResponsesMiddleware)                               # FastAPI
    application = ResponsesMiddleware(get_asgi_application())             # Django
    app.mount("/v1", ResponsesMiddleware(Upstream.http("http://localhost:8000")))
    ```
    """

    def __init__(
        self,
        app: ASGIApp | Upstream,
        *,
        path: str | Sequence[str] | None = None,
        upstream_path: str | None = None,
        profile: str | Profile | None = None,
        model: str | None = None,
        dialect: Dialect = _DEFAULTS.dialect,
        strict: bool = _DEFAULTS.strict,
        loss_header: bool = _DEFAULTS.loss_header,
        max_body_bytes: int = _DEFAULTS.max_body_bytes,
        max_depth: int = _DEFAULTS.max_depth,
        max_answer_bytes: int = _DEFAULTS.max_answer_bytes,
        keep_alive: float = _DEFAULTS.keep_alive,
        cancel_json: bool = _DEFAULTS.cancel_json,
        set: Mapping[str, Any] | None = None,
        drop: Sequence[str] = (),
        rename: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        before_upstream: BeforeUpstream | None = None,
        on_event: OnEvent | None = None,
        after_exchange: AfterExchange | None = None,
    ) -> None:
        self.options = Options(
            dialect=dialect,
            strict=strict,
            loss_header=loss_header,
            max_body_bytes=max_body_bytes,
            max_depth=max_depth,
            max_answer_bytes=max_answer_bytes,
            keep_alive=keep_alive,
            cancel_json=cancel_json,
        )
        record = {
            "profile": profile,
            "model": model,
            "set": set,
            "drop": drop,
            "rename": rename,
            "headers": headers,
            "before_upstream": before_upstream,
            "on_event": on_event,
            "after_exchange": after_exchange,
        }
        self._wraps = not isinstance(app, Upstream)
        self.upstream = _upstream_of(app, {name: value for name, value in record.items() if value})
        self._upstream_path = _checked("upstream_path", upstream_path or self.upstream.path)
        self._azure = path is None
        self._targets = {
            client_path: Target(self._upstream_path or _chat_path(client_path))
            for client_path in _paths(path)
        }
        self._runtime = Runtime(() if self._wraps else (self._closing_upstream,))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await LifespanRelay(self.upstream.app, self._runtime, receive, send).run(scope)
            return
        prefix, path = _split_root(scope)
        target = self._target(path) if kind == "http" else None
        if not self._wraps:
            await self._runtime.start()
            if self._upstream_path is not None:
                scope, prefix = self._rebased(scope, prefix, path), ""
        method = scope.get("method")
        if target is not None and method == "POST":
            await run_exchange(
                scope,
                receive,
                send,
                upstream=self.upstream,
                upstream_path=prefix + target.path,
                options=self.options,
                model=target.model,
            )
        elif target is None or self._wraps or method == "OPTIONS":
            await self.upstream.app(scope, receive, send)
        else:
            await send_error(send, _not_allowed(method))

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Start and stop with the host that it is mounted in: `FastAPI(lifespan=component.lifespan)`.

        `app` is the host, which is not needed. An app given with `Upstream.asgi` is started and stopped only
        where this component is itself the server's app.
        """
        await self._runtime.start()
        try:
            yield
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close what is held for the running event loop; a later request opens it anew."""
        await self._runtime.aclose()

    @asynccontextmanager
    async def _closing_upstream(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self.upstream.aclose()

    def _target(self, path: str) -> Target | None:
        target = self._targets.get(path)
        if target is None and self._azure and (found := _AZURE_DEPLOYMENT.fullmatch(path)):
            return Target(self._upstream_path or found[1] + _CHAT_ENDPOINT, model=found[2])
        return target

    def _rebased(self, scope: Scope, root: str, path: str) -> Scope:
        """The scope for an Upstream whose app has paths of its own, in which our mount point does not occur.

        A path that is not below the one where the app has its API is taken relative to that.
        """
        base = (self._upstream_path or "").removesuffix(_CHAT_ENDPOINT)
        if base == self._upstream_path or (path + "/").startswith(base + "/"):
            base = ""
        raw: bytes = scope.get("raw_path") or quote(scope["path"], safe=_PATH_SAFE).encode("ascii")
        raw = quote(base, safe=_PATH_SAFE).encode("ascii") + raw.removeprefix(
            quote(root, safe=_PATH_SAFE).encode("ascii")
        )
        return {**scope, "root_path": "", "path": base + path, "raw_path": raw}


def _upstream_of(app: ASGIApp | Upstream, record: dict[str, Any]) -> Upstream:
    if isinstance(app, Upstream):
        if app.api not in ("chat", "both"):
            raise ConfigurationError(f"the upstream must speak chat, got api={app.api!r}")
        if record:
            raise ConfigurationError(
                f"give {', '.join(record)} to the Upstream, which is the one asked with it"
            )
        return app
    if not callable(app):
        raise ConfigurationError(f"app must be an ASGI app or an Upstream, got {type(app).__name__}")
    fields: dict[str, Any] = {**record, "profile": profile_for(record.get("profile"))}
    return Upstream(app=app, **fields)


def _paths(path: str | Sequence[str] | None) -> Sequence[str]:
    if path is None:
        return DEFAULT_PATHS
    paths = [path] if isinstance(path, str) else list(path)
    if not paths:
        raise ConfigurationError("path must name at least one path")
    return [str(_checked("path", each)) for each in paths]


def _checked(name: str, path: str | None) -> str | None:
    """A path as servers write it in the scope."""
    if path is not None and (not path.startswith("/") or "?" in path or "#" in path):
        raise ConfigurationError(f"{name} must be a URL path that starts with '/', got {path!r}")
    return path


def _chat_path(client_path: str) -> str:
    if not client_path.endswith(_ENDPOINT):
        raise ConfigurationError(
            f"upstream_path is needed: where the chat endpoint is cannot be read off the path {client_path!r}"
        )
    return client_path.removesuffix(_ENDPOINT) + _CHAT_ENDPOINT


def _split_root(scope: Scope) -> tuple[str, str]:
    """The mount point in the scope's path, and the path below it.

    Some servers (uvicorn) and Starlette's mounts leave `root_path` at the front of `path`, others (hypercorn,
    granian) do not; it is cut off only where it is there, in whole segments.
    """
    path: str = scope["path"]
    root = (scope.get("root_path") or "").rstrip("/")
    if root and (path == root or path.startswith(root + "/")):
        return root, path[len(root) :]
    return "", path


def _not_allowed(method: object) -> APIError:
    return APIError(
        f"{method} is not allowed here; responses are created with POST.",
        status=405,
        type="invalid_request_error",
        code="method_not_allowed",
        headers={"allow": "POST"},
    )
