"""What components are given besides their upstream, and what is made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypedDict

from responses_asgi.auth import KeyAuth
from responses_asgi.background import Background, BackgroundLimits
from responses_asgi.errors import ConfigurationError
from responses_asgi.exchange import Interceptor, Options
from responses_asgi.history import State
from responses_asgi.hosted import Hosted
from responses_asgi.limits import RateLimits
from responses_asgi.owners import Owners, Principal
from responses_asgi.profiles import Profile
from responses_asgi.seal import Seals
from responses_asgi.stores import Records
from responses_asgi.stores.background import BackgroundStore
from responses_asgi.stores.url import store_from_url
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import AfterExchange, BeforeUpstream, OnEvent, WireAPI
from responses_asgi.webhooks import Webhook, Webhooks
from responses_asgi.websocket import WebSocketLimits

__all__ = [
    "OPTIONS",
    "STATE",
    "ServiceSettings",
    "Settings",
    "make_background",
    "make_interceptors",
    "make_state",
]

CountTokens = Callable[[JSON], "int | Awaitable[int]"]


class ServiceSettings(TypedDict, total=False):
    """What every component and gateway can be given.

    - `strict`, `loss_header`, `max_body_bytes`, `max_depth`, `max_answer_bytes`, `keep_alive`, `cancel_json`,
      `finish_unattended`, `reasoning_as_summary`: see `Options`.
    - `store`: where responses and conversations are kept: a store, its URL (`memory`, `sqlite:///PATH`,
      `redis://HOST`), or None for nowhere. Default: this process's memory where Responses clients are served
      from a Chat upstream, otherwise nowhere.
    - `principal`: `(scope) -> str | None`, sync or async: whose request it is; None: nobody's, who has no
      access to what is kept. Default: the host app's user, else a hash of the credential.
    - `secret`: makes that hash one that nobody else can compute.
    - `seal_keys`: the keys, newest first, that seal what clients carry for us (extra `seal`).
    - `auth_path`: a path of the wrapped app that is asked, by GET with the client's headers, whether the
      client may use what is kept; `auth_ttl`: without it, the seconds for which a credential that the app has
      accepted may do so.
    - `count_tokens`: `(body) -> int`, sync or async: the tokens of a Responses request, for `input_tokens`
      and the threshold of `context_management`. Default: an estimate, or the upstream's own count.
    - `background`: the bounds of background work, see `BackgroundLimits`; False: none is done. It needs a
      store for it, such as those of this package.
    - `webhooks`: who is told when background responses have ended: receivers, or `Webhooks` over the same
      store.
    - `hosted`: the tools that this service runs itself, of MCP servers and in Python; see `Hosted`.
    - `rate_limits`: what each client may ask for, see `RateLimits`.
    - `telemetry`: what looks on: `OpenTelemetry`, `Prometheus`, `RequestLog`, `AuditLog`.
    - `auth`: who is let in at all, to any path; see `KeyAuth`. Default: everybody.
    - `websocket`: whether Responses clients may open WebSockets, or the bounds of these; False: they are
      refused with 426, and told to POST.
    """

    strict: bool
    loss_header: bool
    max_body_bytes: int
    max_depth: int
    max_answer_bytes: int
    keep_alive: float
    cancel_json: bool
    finish_unattended: bool
    reasoning_as_summary: bool
    store: Records | str | None
    principal: Principal | None
    secret: bytes | str | None
    seal_keys: Sequence[bytes | str]
    auth_path: str | None
    auth_ttl: float
    count_tokens: CountTokens | None
    background: BackgroundLimits | bool
    webhooks: Sequence[Webhook] | Webhooks
    websocket: bool | WebSocketLimits
    hosted: Hosted | None
    rate_limits: RateLimits | None
    telemetry: Sequence[Interceptor]
    auth: KeyAuth | None


class Settings(ServiceSettings, total=False):
    """`ServiceSettings`, and the record of an app that is wrapped.

    `profile`, `model`, `set`, `drop`, `rename`, `headers`, `before_upstream`, `on_event` and `after_exchange`
    are those of `Upstream`; an Upstream has its own. `dry_run`: whether `POST /convert` and `POST /proxy` are
    answered, see `DryRun`.
    """

    dry_run: bool

    profile: str | Profile | None
    model: str | None
    set: Mapping[str, Any] | None
    drop: Sequence[str]
    rename: Mapping[str, str] | None
    headers: Mapping[str, str] | None
    before_upstream: BeforeUpstream | None
    on_event: OnEvent | None
    after_exchange: AfterExchange | None


OPTIONS = frozenset(
    {
        "strict",
        "loss_header",
        "max_body_bytes",
        "max_depth",
        "max_answer_bytes",
        "keep_alive",
        "cancel_json",
        "finish_unattended",
        "reasoning_as_summary",
    }
)
"""The settings that are fields of `Options`."""

STATE = frozenset(
    {
        "store",
        "principal",
        "secret",
        "seal_keys",
        "auth_path",
        "auth_ttl",
        "count_tokens",
        "background",
        "webhooks",
        "dry_run",
        "auth",
        "websocket",
        "hosted",
        "rate_limits",
        "telemetry",
    }
)
"""The settings of what is kept, and of what is ours beside the POSTs of the API."""


def make_state(given: Mapping[str, Any], *, default: Callable[[], Records | None]) -> State:
    """The state of a component with these settings; `default` makes the store of one that names none.

    Raises ConfigurationError for a store URL that is none, and MissingExtraError.
    """
    store = given["store"] if "store" in given else default()
    if isinstance(store, str):
        store = store_from_url(store)
    keys = given.get("seal_keys")
    return State(
        store,
        owners=Owners(given.get("principal"), given.get("secret")),
        seals=Seals(keys) if keys else None,
    )


def make_background(
    given: Mapping[str, Any], state: State, options: Options, *, client: WireAPI = "responses"
) -> Background | None:
    """The background work of a component with these settings; None where the store is not one for it.

    Raises ConfigurationError when bounds or webhooks are given and there is no background work.
    """
    limits, hooks = given.get("background", True), given.get("webhooks")
    if client == "chat":
        if hooks or isinstance(limits, BackgroundLimits):
            raise ConfigurationError("background work is for Responses clients: no others can come back")
        return None
    if isinstance(state.store, BackgroundStore) and limits is not False:
        if hooks and not isinstance(hooks, Webhooks):
            hooks = Webhooks(state.store, hooks)
        return Background(
            state,
            state.store,
            limits=limits if isinstance(limits, BackgroundLimits) else None,
            webhooks=hooks or None,
            keep_alive=options.keep_alive,
            done=options.dialect == "openresponses",
            loss_header=options.loss_header,
        )
    if isinstance(limits, BackgroundLimits):
        raise ConfigurationError(
            "background needs a store with event logs and leases: memory, SQLite or Redis"
        )
    if hooks:
        raise ConfigurationError(
            "webhooks tell of background responses; these are switched off, or the store is not one for them"
        )
    return None


def make_interceptors(given: Mapping[str, Any]) -> tuple[Interceptor, ...]:
    """What stands around every exchange with these settings: those that look on see what limits refuse."""
    limits: RateLimits | None = given.get("rate_limits")
    return (*given.get("telemetry", ()), *((limits,) if limits is not None else ()))
