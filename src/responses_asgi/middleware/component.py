"""One API in front of an app or an upstream: whose request it is, and which way it goes.

| client \\ upstream | speaks another API | speaks the same API |
|---|---|---|
| something is to be done on the way | a translator | Responses: the identity translator; Chat: edits |
| nothing | a translator | the bytes, untouched |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypedDict

from responses_asgi.errors import APIError, ConfigurationError
from responses_asgi.exchange import Options, run_edited, run_exchange
from responses_asgi.lifespan import LifespanRelay, Runtime
from responses_asgi.middleware.targets import Target, Targets, split_root
from responses_asgi.profiles import Profile, profile_for
from responses_asgi.recall import CallMemory
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send, raw_path
from responses_asgi.upstreams.context import EXTENSION, ExchangeContext
from responses_asgi.upstreams.replies import send_error
from responses_asgi.upstreams.upstream import AfterExchange, BeforeUpstream, OnEvent, Upstream, WireAPI

__all__ = ["Component", "Settings"]


class Settings(TypedDict, total=False):
    """What every component can be given.

    - `profile`, `model`, `set`, `drop`, `rename`, `headers`, `before_upstream`, `on_event`,
      `after_exchange`: as on `Upstream`, for an app that is wrapped. An Upstream has its own.
    - `strict`, `loss_header`, `max_body_bytes`, `max_depth`, `max_answer_bytes`, `keep_alive`, `cancel_json`:
      see `Options`.
    """

    profile: str | Profile | None
    model: str | None
    set: Mapping[str, Any] | None
    drop: Sequence[str]
    rename: Mapping[str, str] | None
    headers: Mapping[str, str] | None
    before_upstream: BeforeUpstream | None
    on_event: OnEvent | None
    after_exchange: AfterExchange | None
    strict: bool
    loss_header: bool
    max_body_bytes: int
    max_depth: int
    max_answer_bytes: int
    keep_alive: float
    cancel_json: bool


_OPTIONS = frozenset(
    {
        "strict",
        "loss_header",
        "max_body_bytes",
        "max_depth",
        "max_answer_bytes",
        "keep_alive",
        "cancel_json",
    }
)
_EDITS = ("model", "set", "drop", "rename", "headers", "before_upstream")
_LOOKS = ("on_event", "after_exchange")


class Component:
    """What `ResponsesMiddleware` and `ChatCompletionsMiddleware` have in common.

    On our paths only POST is ours. Other methods, WebSockets, other paths and their bodies are the app's;
    an Upstream has no other methods there, so that they are a 405, except OPTIONS, which belongs to CORS.
    """

    client: ClassVar[WireAPI]
    """The API that is offered."""

    def __init__(
        self,
        app: ASGIApp | Upstream,
        *,
        path: str | Sequence[str] | None,
        upstream_path: str | None,
        settings: Settings,
        **options: Any,
    ) -> None:
        if unknown := settings.keys() - Settings.__annotations__.keys():
            name = min(unknown)
            raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {name!r}")
        given: dict[str, Any] = {**settings}
        self.options = Options(**{name: given[name] for name in _OPTIONS & given.keys()}, **options)
        record = {name: value for name, value in given.items() if name not in _OPTIONS and value}
        self._wraps = not isinstance(app, Upstream)
        self.upstream = self._upstream_of(app, record)
        spoken = self.upstream.spoken_to(self.client)
        self._targets = Targets(
            self.client, spoken, path=path, upstream_path=upstream_path or self.upstream.endpoint(spoken)
        )
        self._translates = spoken != self.client
        self._edits = any(getattr(self.upstream, name) for name in _EDITS)
        self._looks = [name for name in _LOOKS if getattr(self.upstream, name) is not None]
        if self.client == spoken == "chat" and self._looks:
            raise ConfigurationError(
                f"{' and '.join(self._looks)} cannot work between Chat clients and a Chat upstream, whose "
                "answers pass unread"
            )
        translates_chat = self._translates and self.client == "chat"
        self._memory = CallMemory() if translates_chat else None
        self._runtime = Runtime(() if self._wraps else (self._closing_upstream,))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await LifespanRelay(self.upstream.app, self._runtime, receive, send).run(scope)
            return
        prefix, path = split_root(scope)
        target = self._targets.find(path) if kind == "http" else None
        if not self._wraps:
            await self._runtime.start()
            if self._targets.upstream_path is not None:
                scope, prefix = self._targets.rebased(scope, prefix, path), ""
        method = scope.get("method")
        if target is not None and method == "POST":
            await self._serve(scope, receive, send, target._replace(path=prefix + target.path))
        elif target is None or self._wraps or method == "OPTIONS":
            await self.upstream.app(scope, receive, send)
        else:
            await send_error(send, self._not_allowed(method))

    def serves(self, scope: Scope) -> bool:
        """Whether an HTTP request of this scope is to one of our paths."""
        return scope["type"] == "http" and self._targets.find(split_root(scope)[1]) is not None

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

    async def _serve(self, scope: Scope, receive: Receive, send: Send, target: Target) -> None:
        """Answer a request to one of our paths."""
        asked: dict[str, Any] = {
            "client": self.client,
            "upstream": self.upstream,
            "upstream_path": target.path,
            "options": self.options,
            "model": target.model,
        }
        if self._translates or (self.client == "responses" and (self._edits or self._looks or target.model)):
            await run_exchange(scope, receive, send, **asked, memory=self._memory)
        elif self._edits or target.model:
            await run_edited(scope, receive, send, **asked)
        else:
            await self.upstream.app(self._untouched(scope, target), receive, send)

    def _untouched(self, scope: Scope, target: Target) -> Scope:
        """The scope of a request whose bytes pass in both directions."""
        context = ExchangeContext(api=self.client, response_id="", principal=None, scope=scope, request={})
        extensions = {**(scope.get("extensions") or {}), EXTENSION: context.extension()}
        return {**scope, "path": target.path, "raw_path": raw_path(target.path), "extensions": extensions}

    @asynccontextmanager
    async def _closing_upstream(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self.upstream.aclose()

    def _upstream_of(self, app: ASGIApp | Upstream, record: dict[str, Any]) -> Upstream:
        if isinstance(app, Upstream):
            if record:
                raise ConfigurationError(
                    f"give {', '.join(record)} to the Upstream, which is the one asked with it"
                )
            return app
        if not callable(app):
            raise ConfigurationError(f"app must be an ASGI app or an Upstream, got {type(app).__name__}")
        fields: dict[str, Any] = {**record, "profile": profile_for(record.get("profile"))}
        return Upstream(app=app, api="responses" if self.client == "chat" else "chat", **fields)

    def _not_allowed(self, method: object) -> APIError:
        return APIError(
            f"{method} is not allowed here; answers are created with POST.",
            status=405,
            type="invalid_request_error",
            code="method_not_allowed",
            headers={"allow": "POST"},
        )
