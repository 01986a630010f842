"""The gateway: which of its endpoints a request is for, and who answers it.

1. What the gateway has itself comes first: its own documents, the two APIs, state, the dry run.
2. Everything else is the default upstream's, untouched; without one it is a 404.
3. The mount point is cut off every path, so that upstreams never see it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Unpack, get_args

from responses_asgi.auth import Guard, KeyAuth
from responses_asgi.background.again import preparing
from responses_asgi.errors import APIError
from responses_asgi.exchange import Options, Route, Service, ask_app, ask_once, run_exchange
from responses_asgi.exchange.attempt import is_edited
from responses_asgi.exchange.refusals import telling_refusals
from responses_asgi.gateway.cors import CORS
from responses_asgi.gateway.inner_lifespan import nothing, started
from responses_asgi.gateway.metrics import Metrics
from responses_asgi.gateway.models import Models
from responses_asgi.gateway.passthrough import Passthrough
from responses_asgi.gateway.routing import ModelMap, Upstreams
from responses_asgi.gateway.service import (
    endpoints,
    health,
    health_now,
    not_allowed,
    send_document,
    service_information,
)
from responses_asgi.hosted import Hosted
from responses_asgi.lifespan import LifespanRelay, Runtime
from responses_asgi.middleware.dry_run import DryRun, Way
from responses_asgi.middleware.settings import (
    OPTIONS,
    ServiceSettings,
    make_background,
    make_interceptors,
    make_state,
)
from responses_asgi.middleware.targets import Target, Targets, split_root
from responses_asgi.recall import CallMemory
from responses_asgi.resources import Resources
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send, raw_path
from responses_asgi.types.events import Dialect
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.replies import send_error
from responses_asgi.upstreams.upstream import ENDPOINTS, Upstream, WireAPI
from responses_asgi.webhooks import Webhooks
from responses_asgi.websocket import ResponsesSockets

__all__ = ["Gateway", "GatewaySettings"]

# Where the OpenAI SDKs and Azure's look for models.
_MODELS = re.compile(r"(?:/v1|/openai|/openai/v1)?/models(?:/(?P<name>.+?))?/?")

_HEALTH = "/health"

_READING = ("GET", "HEAD")

# What `Options` has and only a gateway, which offers both APIs, can be given at once.
_OF_APIS = frozenset({"dialect", "reasoning_field", "max_choices"})


class GatewaySettings(ServiceSettings, total=False):
    """`ServiceSettings`, and what the two middlewares have of their own.

    - `dialect`, `reasoning_field`, `max_choices`: see `Options`.
    - `store`: default: this process's memory where Responses clients are served from any Chat upstream,
      otherwise nowhere. It is the same for all upstreams; with None those that speak Responses use their own.
    - `auth_path`: a path of the default upstream.
    """

    dialect: Dialect
    reasoning_field: str | None
    max_choices: int


class Gateway:
    """Both APIs in front of every upstream, chosen by the model that is asked for; mounted, or served alone.

    `upstreams` maps model names to upstreams: exact names, patterns with one `*` (the longest one counts) and
    `"*"`, the default, which also answers requests without a model and gets all that is not a gateway's own:
    files, embeddings, audio, WebSockets, unknown paths. Without a default these are a 404. A value is an
    `Upstream`, a sequence (the best one first, then its fallbacks, taken when a call fails before its answer
    begins), or a mapping of client API (`"chat"`, `"responses"`) to either. An Upstream alone is the default.

    - `list_upstream_models`: whether `GET /models` also tells what upstreams list for patterns; None: only
      where no name is exact.
    - `cors`: what browsers are told about other sites' pages; None: nothing.
    - `dry_run`: whether `POST /convert` and `POST /proxy` are answered.
    - `settings`: see `GatewaySettings`.

    It answers `GET /` (what it is), `GET /health` (open to everyone), `GET /metrics` (where its `telemetry`
    has a `Prometheus`; with `auth` for operators), `GET /models` and `/models/{id}`, and both APIs at the
    default paths of the middleware, Azure's included. A client's credential reaches an HTTP upstream only
    where that says `credentials="forward"`.

    Raises ConfigurationError when the settings cannot work together.

    ```python
    app.mount("/v1", Gateway({
        "gpt-5.5": Upstream.http("https://api.deepseek.com", api_key_env="DEEPSEEK_KEY", model="deepseek-v4"),
        "house": Upstream.handler(my_async_generator),
        "*": Upstream.http("http://localhost:8000", profile="vllm"),
    }))
    ```
    """

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        list_upstream_models: bool | None = None,
        cors: CORS | None = None,
        dry_run: bool = True,
        **settings: Unpack[GatewaySettings],
    ) -> None:
        if unknown := settings.keys() - GatewaySettings.__annotations__.keys():
            raise TypeError(f"Gateway() got an unexpected keyword argument {min(unknown)!r}")
        given: dict[str, Any] = {**settings}
        self._table = ModelMap(upstreams)
        self._upstreams = list({id(upstream.app): upstream for upstream in self._table.upstreams()}.values())
        self._targets: dict[WireAPI, Targets] = {
            api: Targets(api, api, path=None, upstream_path=None) for api in get_args(WireAPI)
        }
        self._bases = sorted({base for targets in self._targets.values() for base in targets.bases})
        self.options = Options(**{name: given[name] for name in (OPTIONS | _OF_APIS) & given.keys()})
        self.state = make_state(
            given, default=MemoryStore if self._table.translates("responses") else lambda: None
        )
        self._interceptors = make_interceptors(given)
        self._pass = Passthrough(self._table.default, self.state.owners, self._interceptors)
        self._hosted: Hosted | None = given.get("hosted")
        self._background = make_background(given, self.state, self.options)
        guard = self._make_guard(given)
        self._service = self._make_service(guard, given)
        if self._background is not None:
            self._background.prepare = preparing(self._service, self._responding)
        self._resources = self._make_resources(guard, given)
        self._sockets = ResponsesSockets(
            self._service,
            guard,
            websocket=given.get("websocket", True),
            origins=cors.origins if cors else (),
        )
        self._dry_run = DryRun(self._way, service=self._service, guard=guard, bases=self._bases)
        self._models = Models(self._table, ask=list_upstream_models)
        self._dry_runs = dry_run
        self._metrics = Metrics(self._interceptors)
        self._documents: dict[str, JSON] = {
            "/": service_information(endpoints(dry_run=dry_run, metrics=bool(self._metrics))),
            _HEALTH: health(self._table, self.state.store),
        }
        auth: KeyAuth | None = given.get("auth")
        app: ASGIApp = self._serve
        if auth is not None:
            app = auth.around(
                app,
                store=self.state.store,
                upstreams=self._upstreams,
                telemetry=self._interceptors,
                operators=self._metrics.path,
            )
        # Browsers are to read refusals, and they ask without a key whether they may ask.
        self._app: ASGIApp = cors.around(app) if cors else app
        held = [part for part in (auth and auth.held, self._hosted and self._hosted.resource) if part]
        self._runtime = Runtime([self._closing, *held])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            apps = [partial(started, upstream.app, scope) for upstream in self._upstreams]
            await LifespanRelay(nothing, Runtime([self.lifespan, *apps]), receive, send).run(scope)
            return
        await self._runtime.start()
        root, path = split_root(scope)
        raw: bytes = scope.get("raw_path") or raw_path(scope["path"])
        raw = raw.removeprefix(raw_path(root)) or b"/"
        below = {**scope, "root_path": "", "path": path or "/", "raw_path": raw}
        await self._app(below, receive, send)

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Start and stop with the host that it is mounted in: `FastAPI(lifespan=gateway.lifespan)`.

        `app` is the host, which is not needed. Apps given with `Upstream.asgi` are started and stopped only
        where the gateway is itself the server's app.
        """
        await self._runtime.start()
        try:
            yield
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close what is held for the running event loop; a later request opens it anew."""
        await self._runtime.aclose()

    @property
    def webhooks(self) -> Webhooks | None:
        """What tells others of background responses that have ended, and lists what nobody took."""
        return self._background.webhooks if self._background else None

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is the gateway's own, and pass on the rest; `scope` is below the mount point."""
        scope = self._without_slash(scope)
        if scope["type"] != "http":
            await self._serve_socket(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        if method in _READING and (path in self._documents or _MODELS.fullmatch(path)):
            async with telling_refusals(send):
                await send_document(send, await self._document(scope), whole=method == "GET")
        elif self._metrics.serves(path, method):
            await self._metrics(scope, receive, send)
        elif self._resources.serves(path, method):
            await self._resources(scope, receive, send)
        elif self._dry_runs and self._dry_run.serves(path, method):
            await self._dry_run(scope, receive, send)
        elif (found := self._find(path)) is None:
            await self._pass(scope, receive, send)
        elif method == "POST":
            await self._answer(*found, scope, receive, send)
        elif method == "OPTIONS" and self._pass:
            await self._pass(scope, receive, send)
        else:
            await send_error(send, not_allowed(method))

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a WebSocket of a Responses client, and pass on every other one."""
        target = self._targets["responses"].find(scope["path"])
        if target is None or scope["type"] != "websocket":
            await self._pass(scope, receive, send)
            return
        prefix = target.path.removesuffix(ENDPOINTS["responses"])
        await self._sockets(
            scope,
            receive,
            send,
            choose=partial(self._choose, "responses", prefix),
            model=target.model,
            app=self._pass if self._passes_responses() else None,
        )

    def _passes_responses(self) -> bool:
        """Whether Responses clients have one upstream, which speaks it, and nothing is done on the way."""
        ways = [
            entry.upstreams["responses"] for entry in self._table.entries if "responses" in entry.upstreams
        ]
        default = self._table.default
        if default is None or ways != [default.upstreams.get("responses")] or len(ways[0]) > 1:
            return False
        upstream = ways[0][0]
        equal = upstream.spoken_to("responses") == "responses"
        return equal and self.state.store is None and not (is_edited(upstream) or self._interceptors)

    def _without_slash(self, scope: Scope) -> Scope:
        """The scope with a path of the gateway's own in place of the same with a slash at its end.

        Passed on, it would reach an upstream's endpoint with all that is set for that endpoint left out.
        """
        path, method = scope["path"].rstrip("/"), scope.get("method", "GET")
        if path == scope["path"] or not (self._find(path) or self._resources.serves(path, method)):
            return scope
        return {**scope, "path": path, "raw_path": raw_path(path)}

    def _find(self, path: str) -> tuple[WireAPI, Target] | None:
        """The API whose endpoint this is."""
        for client, targets in self._targets.items():
            if (target := targets.find(path)) is not None:
                return client, target
        return None

    async def _document(self, scope: Scope) -> JSON:
        """What GET answers. Raises InvalidRequestError (404) for a model that is not offered."""
        models = _MODELS.fullmatch(scope["path"])
        if models is None:
            document = self._documents[scope["path"]]
            is_health = scope["path"] == _HEALTH
            return await health_now(document, self._background, self._hosted) if is_health else document
        name = models["name"]
        return await (self._models.list(scope) if name is None else self._models.one(scope, name))

    async def _answer(
        self, client: WireAPI, target: Target, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a request to one of the two APIs."""
        await run_exchange(
            scope,
            receive,
            send,
            client=client,
            choose=partial(self._choose, client, target.path.removesuffix(ENDPOINTS[client])),
            service=self._service,
            model=target.model,
        )

    def _choose(self, client: WireAPI, prefix: str, body: JSON) -> Sequence[Route]:
        """Where a request may go, the best one first; `prefix` stands before the endpoint in its path.

        Raises InvalidRequestError for a model that is not offered.
        """
        entry = self._table.find(body.get("model"), client)
        return [_route(upstream, client, prefix) for upstream in entry.upstreams[client]]

    def _responding(self, body: JSON) -> Sequence[Upstream]:
        """Who may answer a Responses request. Raises InvalidRequestError for a model that is not offered."""
        return self._table.find(body.get("model"), "responses").upstreams["responses"]

    def _way(self, scope: Scope, client: WireAPI, body: JSON) -> Way:
        """Where a request would go, for the dry run; for a model that only other clients get, as theirs."""
        entry = self._table.find(body.get("model"), client)
        return Way(entry.name, scope, self._choose(client, self._base(scope), body))

    async def _ask(self, scope: Scope, body: JSON) -> JSON:
        """A response for ourselves, asked for as the client of this scope would."""
        choose = partial(self._choose, "responses", self._base(scope))
        return await ask_once(scope, body, choose=choose, service=self._service)

    async def _ask_tokens(self, scope: Scope, body: JSON) -> JSON:
        """What a Responses upstream itself says about the tokens of a request. Raises a 404 for others."""
        upstream, path = self._choose("responses", self._base(scope), body)[0]
        if upstream.api == "chat":
            raise APIError("A Chat upstream counts no tokens.", status=404)
        named = {"model": upstream.model} if upstream.model else {}
        return await ask_app(upstream.app, {**scope, "path": path + "/input_tokens"}, {**body, **named})

    def _base(self, scope: Scope) -> str:
        """What stands before the endpoints in the path of a request to one of the API's other paths."""
        return max((base for base in self._bases if scope["path"].startswith(base + "/")), key=len)

    def _make_guard(self, given: Mapping[str, Any]) -> Guard:
        """Servers that are shown the client's own credential check who is asking."""
        settings = {name: given[name] for name in ("auth_path", "auth_ttl") if name in given}
        apps = [upstream.app for upstream in self._upstreams]
        checking = [app for app in apps if getattr(app, "forwards_credentials", False)]
        app: ASGIApp | None = self._pass.uncounted if given.get("auth_path") and self._pass else None
        return Guard(
            self.state.store, owners=self.state.owners, app=app or next(iter(checking), None), **settings
        )

    def _make_service(self, guard: Guard, given: Mapping[str, Any]) -> Service:
        store = self.state.store
        memory = (
            CallMemory(store or MemoryStore()) if self._hosted or self._table.translates("chat") else None
        )
        note = None if store is None else guard.note
        return Service(
            options=self.options,
            state=self.state,
            memory=memory,
            note=note,
            detach=self._background,
            hosted=self._hosted,
            interceptors=self._interceptors,
            count_tokens=given.get("count_tokens"),
        )

    def _make_resources(self, guard: Guard, given: Mapping[str, Any]) -> Resources:
        return Resources(
            self.state,
            ask=self._ask,
            guard=guard,
            bases=self._bases,
            apis=frozenset(self._targets),
            options=self.options,
            count_tokens=given.get("count_tokens"),
            ask_tokens=self._ask_tokens,
            background=self._background,
            stateless=self._table.translates("responses"),
        )

    @asynccontextmanager
    async def _closing(self) -> AsyncIterator[None]:
        if self._background is not None and not isinstance(self.state.store, MemoryStore):
            # What other processes, or earlier runs, have left behind is looked after from the start.
            await self._background.start()
        try:
            yield
        finally:
            async with AsyncExitStack() as stack:
                if self.state.store is not None:
                    stack.push_async_callback(self.state.store.aclose)
                for each in self._interceptors:
                    stack.push_async_callback(each.aclose)
                for upstream in self._upstreams:
                    stack.push_async_callback(upstream.aclose)
                if self._background is not None:
                    stack.push_async_callback(self._background.aclose)


def _route(upstream: Upstream, client: WireAPI, prefix: str) -> Route:
    spoken = upstream.spoken_to(client)
    return Route(upstream, upstream.endpoint(spoken) or prefix + ENDPOINTS[spoken])
