"""One API in front of an app or an upstream: whose request it is, and which way it goes.

| client \\ upstream | speaks another API | speaks the same API |
|---|---|---|
| something is to be done on the way, or kept | a translator | the identity translator |
| nothing | a translator | the bytes, untouched |
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from responses_asgi.auth import Guard, KeyAuth
from responses_asgi.background.again import around, preparing
from responses_asgi.errors import APIError, ConfigurationError
from responses_asgi.exchange import Options, Route, Service, ask_app, ask_once, pass_untouched, run_exchange
from responses_asgi.exchange.attempt import is_edited
from responses_asgi.hosted import Hosted
from responses_asgi.lifespan import LifespanRelay, Resource, Runtime
from responses_asgi.limits.passing import CountedPassing
from responses_asgi.middleware.dry_run import DryRun, Way
from responses_asgi.middleware.settings import (
    OPTIONS,
    STATE,
    Settings,
    make_background,
    make_interceptors,
    make_state,
)
from responses_asgi.middleware.targets import Target, Targets, split_root
from responses_asgi.profiles import profile_for
from responses_asgi.recall import CallMemory
from responses_asgi.resources import Resources
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.replies import send_error
from responses_asgi.upstreams.upstream import ENDPOINTS, Upstream, WireAPI
from responses_asgi.webhooks import Webhooks
from responses_asgi.websocket import ResponsesSockets

__all__ = ["Component", "Settings"]


class Component:
    """What `ResponsesMiddleware` and `ChatCompletionsMiddleware` have in common.

    On our paths only POST is ours, and of Responses clients also WebSockets. Other methods, other paths and
    their bodies are the app's; an Upstream has no other methods there, so that they are a 405, except
    OPTIONS, which belongs to CORS.
    Where there is a store, the paths over what it keeps are ours, too.
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
        self.options = Options(**{name: given[name] for name in OPTIONS & given.keys()}, **options)
        record = {name: value for name, value in given.items() if name not in OPTIONS | STATE and value}
        self._wraps = not isinstance(app, Upstream)
        self.upstream = self._upstream_of(app, record)
        spoken = self.upstream.spoken_to(self.client)
        self._targets = Targets(
            self.client, spoken, path=path, upstream_path=upstream_path or self.upstream.endpoint(spoken)
        )
        keeps = self.client == "responses" and spoken == "chat"
        self.state = make_state(given, default=MemoryStore if keeps else lambda: None)
        self._interceptors = make_interceptors(given)
        self._hosted: Hosted | None = given.get("hosted")
        self._count_tokens = given.get("count_tokens")
        looked_at = is_edited(self.upstream) or self._interceptors or self._hosted
        self._passes = spoken == self.client and self.state.store is None and not looked_at
        self._beside = self._make_beside()
        self._guard = self._make_guard(given)
        self._background = make_background(given, self.state, self.options, client=self.client)
        self._watches = self._background is not None and not isinstance(self.state.store, MemoryStore)
        self._service = self._make_service(translates_chat=self.client == "chat" != spoken)
        if self._background is not None:
            self._background.prepare = preparing(
                self._service, lambda body: (self.upstream,), lambda: self._around
            )
        bases = self._targets.bases
        self._resources = Resources(
            self.state,
            ask=self._ask,
            guard=self._guard,
            bases=bases,
            apis=frozenset({self.client}),
            options=self.options,
            count_tokens=self._count_tokens,
            ask_tokens=self._ask_tokens if self.client == spoken == "responses" else None,
            stateless=self.client == "responses" != spoken,
            # Apps have conversations of their own; ours are at their root only if they are asked for.
            background=self._background,
            conversation_bases=[base for base in bases if base or path is not None or not self._wraps],
        )
        self._dry_run = DryRun(self._way, service=self._service, guard=self._guard, bases=bases)
        self._dry_runs = bool(given.get("dry_run"))
        self._around: Mapping[str, Any] = {}
        websocket = given.get("websocket", True)
        self._sockets = ResponsesSockets(self._service, self._guard, websocket=websocket)
        self._auth: KeyAuth | None = given.get("auth")
        self._app = self._behind_auth()
        self._runtime = Runtime(self._resources_to_close())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            self._around = around(scope)
            await LifespanRelay(self.upstream.app, self, receive, send).run(scope)
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on, what is let in."""
        kind = scope["type"]
        prefix, path = split_root(scope)
        target = self._targets.find(path) if self._is_ours(kind) else None
        if self._watches or not self._runtime.ready:
            await self.start()
        if kind == "http" and self._resources.serves(path, scope["method"]):
            await self._resources(scope, receive, send)
            return
        if kind == "http" and self._dry_runs and self._dry_run.serves(path, scope["method"]):
            await self._dry_run(scope, receive, send)
            return
        scope, prefix = self._placed(scope, prefix, path)
        method = scope.get("method")
        if prefix and target is not None:
            target = target._replace(path=prefix + target.path)
        if target is not None and kind == "websocket":
            await self._serve_socket(scope, receive, send, target)
        elif target is not None and method == "POST":
            await self._serve(scope, receive, send, target)
        elif target is None or self._wraps or method == "OPTIONS":
            await self._beside(scope, receive, send)
        else:
            await send_error(send, self._not_allowed(method))

    @property
    def webhooks(self) -> Webhooks | None:
        """What tells others of background responses that have ended, and lists what nobody took."""
        return self._background.webhooks if self._background else None

    def serves(self, scope: Scope) -> bool:
        """Whether an HTTP request or a WebSocket of this scope is to one of our paths."""
        if not self._is_ours(scope["type"]):
            return False
        path = split_root(scope)[1]
        if self._targets.find(path) is not None:
            return True
        return scope["type"] == "http" and self._resources.serves(path, scope["method"])

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Start and stop with the host that it is mounted in: `FastAPI(lifespan=component.lifespan)`.

        `app` is the host, which is not needed. An app given with `Upstream.asgi` is started and stopped only
        where this component is itself the server's app.
        """
        await self.start()
        try:
            yield
        finally:
            await self.aclose()

    async def start(self) -> None:
        """Open what is needed in the running event loop; the first request does it, too."""
        await self._runtime.start()
        if self._watches and self._background is not None:
            # What other processes, or earlier runs, have left behind is looked after from the start.
            await self._background.start()

    async def aclose(self) -> None:
        """Close what is held for the running event loop; a later request opens it anew."""
        if self._background is not None:
            await self._background.aclose()
        await self._runtime.aclose()

    def _is_ours(self, kind: str) -> bool:
        """Whether scopes of this type may be ours: Chat has no WebSockets."""
        return kind == "http" or (kind == "websocket" and self.client == "responses")

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send, target: Target) -> None:
        """Answer a WebSocket on one of our paths."""
        route = Route(self.upstream, target.path)
        await self._sockets(
            scope,
            receive,
            send,
            choose=lambda body: (route,),
            model=target.model,
            app=self.upstream.app if self._passes else None,
        )

    def _serve(self, scope: Scope, receive: Receive, send: Send, target: Target) -> Awaitable[None]:
        """Answer a request to one of our paths."""
        route = Route(self.upstream, target.path)
        if self._passes and not target.model:
            return pass_untouched(scope, receive, send, client=self.client, route=route)
        return run_exchange(
            scope,
            receive,
            send,
            client=self.client,
            choose=lambda body: (route,),
            service=self._service,
            model=target.model,
        )

    async def _ask(self, scope: Scope, body: JSON) -> JSON:
        """A response for ourselves, asked for as the client of this scope would."""
        scope, route = self._route_beside(scope)
        return await ask_once(scope, body, choose=lambda body: (route,), service=self._service)

    async def _ask_tokens(self, scope: Scope, body: JSON) -> JSON:
        """What a Responses upstream itself says about the tokens of a request."""
        scope, route = self._route_beside(scope)
        named = {"model": self.upstream.model} if self.upstream.model else {}
        return await ask_app(
            self.upstream.app, {**scope, "path": route.path + "/input_tokens"}, {**body, **named}
        )

    def _way(self, scope: Scope, client: WireAPI, body: JSON) -> Way:
        """The way of a dry run."""
        scope, route = self._route_beside(scope)
        return Way("upstream", scope, (route,))

    def _route_beside(self, scope: Scope) -> tuple[Scope, Route]:
        """The way to the upstream's endpoint from a path that lies beside the client's own."""
        prefix, path = split_root(scope)
        base = max((base for base in self._targets.bases if path.startswith(base)), key=len)
        scope, prefix = self._placed(scope, prefix, path)
        target = self._targets.find(base + ENDPOINTS[self.client])
        assert target is not None
        return scope, Route(self.upstream, prefix + target.path)

    def _placed(self, scope: Scope, prefix: str, path: str) -> tuple[Scope, str]:
        """The scope and the mount point in it, for an app that may have paths of its own."""
        if self._wraps or self._targets.upstream_path is None:
            return scope, prefix
        return self._targets.rebased(scope, prefix, path), ""

    def _resources_to_close(self) -> list[Resource]:
        """What is closed at the end: a wrapped app is the host's affair, and memory needs no closing."""
        resources: list[Resource] = [] if self._wraps else [self._closing_upstream]
        if self._auth is not None:
            resources.append(self._auth.held)
        if self._interceptors:
            resources.append(self._closing_interceptors)
        if self._hosted is not None:
            resources.append(self._hosted.resource)
        kept_elsewhere = not isinstance(self.state.store, MemoryStore | None)
        return [*resources, self._closing_store] if kept_elsewhere else resources

    @asynccontextmanager
    async def _closing_upstream(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self.upstream.aclose()

    @asynccontextmanager
    async def _closing_interceptors(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            for each in self._interceptors:
                await each.aclose()

    @asynccontextmanager
    async def _closing_store(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if self.state.store is not None:
                await self.state.store.aclose()

    def _behind_auth(self) -> ASGIApp:
        """All that is answered here, for those who are let in."""
        if self._auth is None:
            return self._answer
        upstreams = [] if self._wraps else [self.upstream]
        return self._auth.around(
            self._answer, store=self.state.store, upstreams=upstreams, telemetry=self._interceptors
        )

    def _make_beside(self) -> ASGIApp:
        """What answers all other paths: an app's own are no affair of limits, those of a server are."""
        if self._wraps or not self._interceptors:
            return self.upstream.app
        return CountedPassing(self.upstream.app, owners=self.state.owners, interceptors=self._interceptors)

    def _make_guard(self, given: Mapping[str, Any]) -> Guard:
        """A wrapped app, and a server that is shown the client's own credential, check who is asking."""
        checks = self._wraps or getattr(self.upstream.app, "forwards_credentials", False)
        settings = {name: given[name] for name in ("auth_path", "auth_ttl") if name in given}
        app = self.upstream.app if checks else None
        return Guard(self.state.store, owners=self.state.owners, app=app, **settings)

    def _make_service(self, *, translates_chat: bool) -> Service:
        remembers = translates_chat or self._hosted is not None
        memory = CallMemory(self.state.store or MemoryStore()) if remembers else None
        note = None if self.state.store is None else self._guard.note
        return Service(
            options=self.options,
            state=self.state,
            memory=memory,
            note=note,
            detach=self._background,
            hosted=self._hosted,
            interceptors=self._interceptors,
            count_tokens=self._count_tokens,
        )

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
