"""The Upstream record: an ASGI app that answers, and how it wants to be asked.

Every upstream is an ASGI app; the class methods make one of what the user has: `asgi` (an app in this
process), `wsgi` (a WSGI app), `http` (a server elsewhere), `handler` (a Python function).
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, get_args
from urllib.parse import urlsplit

from responses_asgi.errors import ConfigurationError
from responses_asgi.loss import Losses
from responses_asgi.profiles import Profile, ToolPolicy, profile_for
from responses_asgi.types.asgi import ASGIApp
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.context import ExchangeContext
from responses_asgi.upstreams.credentials import Credentials, CredentialsMode, Token
from responses_asgi.upstreams.handler import HandlerUpstream
from responses_asgi.upstreams.http import ClientSettings, HTTPUpstream
from responses_asgi.upstreams.retry import RetryPolicy
from responses_asgi.upstreams.target import target_for
from responses_asgi.upstreams.websocket import SocketLimits
from responses_asgi.upstreams.wsgi import WSGIApp, WSGIUpstream

__all__ = [
    "API",
    "ENDPOINTS",
    "AfterExchange",
    "BeforeUpstream",
    "EndpointOptions",
    "OnEvent",
    "RecordOptions",
    "Upstream",
    "WireAPI",
]

WireAPI = Literal["chat", "responses"]
API = Literal["chat", "responses", "both"]

ENDPOINTS: dict[WireAPI, str] = {"chat": "/chat/completions", "responses": "/responses"}
"""The end of the path of each API."""

BeforeUpstream: TypeAlias = Callable[
    [JSON, dict[str, str], ExchangeContext], "JSON | Awaitable[JSON | None] | None"
]
"""`(body, headers, context) -> body | None`, sync or async: edit both in place, or return another body."""

OnEvent: TypeAlias = Callable[[Event, ExchangeContext], None]
"""`(event, context) -> None`, sync: sees every event after it was made; must be quick."""

AfterExchange: TypeAlias = Callable[
    [JSON, Losses, Mapping[str, float], ExchangeContext], "Awaitable[None] | None"
]
"""`(snapshot, losses, timings, context) -> None`, sync or async; timings are in seconds: `total`,
`translation` and, where there were such, `first_chunk` (of the upstream) and `first_byte` (to the client)."""


class RecordOptions(TypedDict, total=False):
    """What every kind of upstream can be given besides its app; the meaning is that of the fields.

    `tool_policy` changes the field of that name of the profile, type by type.
    """

    api: API
    profile: str | Profile | None
    tool_policy: Mapping[str, ToolPolicy]
    model: str | None
    set: Mapping[str, Any]
    drop: Sequence[str]
    rename: Mapping[str, str]
    headers: Mapping[str, str]
    before_upstream: BeforeUpstream | None
    on_event: OnEvent | None
    after_exchange: AfterExchange | None


class EndpointOptions(RecordOptions, total=False):
    """`RecordOptions`, and the path of the endpoint."""

    path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """An ASGI app that answers, and how it wants to be asked.

    - `app`: the ASGI app.
    - `api`: what it speaks: `"chat"`, `"responses"` or `"both"`.
    - `profile`: how it differs from OpenAI; a name, or a `Profile`.
    - `model`: the name sent upstream in place of the client's; None: the client's own.
    - `path`: the full path of its endpoint; None: the client's prefix + `/chat/completions` or `/responses`.
      Where it speaks both, the path of one of them, with that ending; the other lies beside it.
    - `set`, `drop`, `rename`: top-level fields of the request body that are set, left out or renamed.
    - `headers`: request headers that are set.
    - `before_upstream`, `on_event`, `after_exchange`: hooks, see the types of the same names.

    >>> from responses_asgi import Upstream
    >>> Upstream.http("http://localhost:8000", profile="vllm").profile.name
    'vllm'
    """

    app: ASGIApp
    api: API = "chat"
    profile: Profile = field(default_factory=lambda: profile_for(None))
    model: str | None = None
    path: str | None = None
    set: Mapping[str, Any] = field(default_factory=dict)
    drop: Sequence[str] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    before_upstream: BeforeUpstream | None = None
    on_event: OnEvent | None = None
    after_exchange: AfterExchange | None = None

    def __post_init__(self) -> None:
        if self.api not in get_args(API):
            raise ConfigurationError(f"api must be one of {', '.join(get_args(API))}, got {self.api!r}")
        if self.path is not None and not self.path.startswith("/"):
            raise ConfigurationError(f"path must start with '/', got {self.path!r}")
        if self.path and self.api == "both" and not self.path.endswith(tuple(ENDPOINTS.values())):
            raise ConfigurationError(
                f"path must end with {' or '.join(ENDPOINTS.values())} for api='both', got {self.path!r}"
            )

    def spoken_to(self, client: WireAPI) -> WireAPI:
        """The API in which a client of this one is served: its own, if the upstream speaks it."""
        return client if self.api == "both" else self.api

    def endpoint(self, api: WireAPI) -> str | None:
        """The full path of the endpoint of this API; None where the client's prefix decides.

        >>> Upstream.http("http://localhost:8000", api="both").endpoint("responses")
        '/responses'
        """
        if self.path is None or self.api != "both":
            return self.path
        other = next(end for end in ENDPOINTS.values() if self.path.endswith(end))
        return self.path.removesuffix(other) + ENDPOINTS[api]

    async def aclose(self) -> None:
        """Close what the app holds for the running event loop, such as its HTTP connections."""
        close: Callable[[], Awaitable[None]] | None = getattr(self.app, "aclose", None)
        if close is not None:
            await close()

    @classmethod
    def asgi(cls, app: ASGIApp, **options: Unpack[EndpointOptions]) -> Upstream:
        """An ASGI app in this process, called directly: no port, no connection, its own middleware and state.

        `path` is the full path of the app's endpoint: `/v1/chat/completions` unless given, or `/v1/responses`
        with `api="responses"`; None: the client's prefix + the same ending. `options` are the record's
        fields. Raises ConfigurationError for an unknown profile.
        """
        return cls(app=app, **_record(options, prefix="/v1"))

    @classmethod
    def wsgi(cls, app: WSGIApp, **options: Unpack[EndpointOptions]) -> Upstream:
        """A WSGI app in this process (Flask, Bottle, Django without ASGI), a thread for each request.

        A generator body streams piece by piece, and is closed when the client leaves. `options` are those of
        `asgi`.
        """
        return cls(app=WSGIUpstream(app), **_record(options, prefix="/v1"))

    @classmethod
    def handler(cls, function: Callable[..., Any], **options: Unpack[RecordOptions]) -> Upstream:
        """A Python function as a model: it takes the request and returns or yields the answer.

        The function takes `request` (a dict, see `ChatRequest`) and, if it has a parameter of that name,
        `context` (`ExchangeContext`). It may be `def` or `async def` and return a str, a message or a
        completion, or be a generator that yields str, `Reasoning`, `ToolCall`, `Refusal`, `Usage`, `Finish`
        or raw Chat chunks. A function that is not async runs in a thread of its own, with the context
        variables of the request.

        With `api="responses"` the request is a Responses request (see `ResponsesRequest`). The pieces are the
        same, and raw dicts are Responses events, or one whole response; an answer is made of the one or of
        the other.

        Raises ConfigurationError when the function wants other arguments.

        >>> async def parrot(request):
        ...     yield request["messages"][-1]["content"]
        >>> Upstream.handler(parrot).profile.name
        'generic'
        """
        api = options.get("api", "chat")
        if api == "both":
            raise ConfigurationError("a handler is given requests of one kind: api='chat' or api='responses'")
        return cls(app=HandlerUpstream(function, api=api), **_record(options))

    @classmethod
    def http(
        cls,
        base_url: str,
        *,
        api_key: str | None = None,
        api_key_env: str | None = None,
        credentials: CredentialsMode = "own",
        organization: str | None = None,
        project: str | None = None,
        api_version: str | None = None,
        deployment: str | None = None,
        token: Token | None = None,
        client: Any = None,
        connect_timeout: float = 5.0,
        write_timeout: float = 30.0,
        pool_timeout: float = 10.0,
        read_timeout: float = 600.0,
        max_connections: int | None = None,
        proxy: str | Literal[False] | None = None,
        verify: bool | str | ssl.SSLContext = True,
        retries: int = 2,
        status_retries: int = 0,
        retry_delay: float = 0.5,
        passthrough: Sequence[str] | None = None,
        forward_headers: Sequence[str] = (),
        websocket_max_bytes: int = SocketLimits().max_bytes,
        websocket_idle_timeout: float = SocketLimits().idle,
        **options: Unpack[RecordOptions],
    ) -> Upstream:
        """A server elsewhere, spoken to over HTTP: vLLM, llama.cpp, Ollama, DeepSeek, OpenAI, Azure, others.

        `base_url`: with or without `/v1`; a URL that has a path of its own is taken as it is. What the server
        speaks is `api`: `"chat"` unless given.

        Credentials: `api_key`, or `api_key_env`, the environment variable that holds it. `credentials` is
        `"own"` (that key, or none), `"forward"` (the client's own, never ours) or `"forward_or_own"`. A
        client's credential is sent only when this says `forward`, wherever the client put it: in a header, in
        the query (`api-key`) or in a WebSocket subprotocol. `organization` and `project` are OpenAI's
        headers of these names. With a key of ours only the endpoints named in `passthrough` can be reached,
        each an entry like `"models"` (and all below it) or `"GET models"`; None: chat, completions,
        responses, embeddings, moderations, audio, images, and reading models.

        Azure: `api_version` chooses the classic API, whose paths carry the `deployment` (None: the model of
        the request); without it the v1 API is used. `token` is an Entra token or a function, sync or async,
        that returns one; a key goes into the `api-key` header.

        `client`: an `httpx.AsyncClient` or `httpx2.AsyncClient` of yours, which then decides on timeouts,
        limits, proxies and TLS; you close it. Otherwise one client per event loop is made with the timeouts
        given here, in seconds (`read_timeout`: the longest silence), and at most `max_connections` (None: no
        limit). `proxy`: the URL of a proxy (`http://`, `https://`, `socks5://`), False or `"none"` for no
        proxy; None: as HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say. `verify`: True, a file or
        directory of certificate authorities, an `ssl.SSLContext`, or False, which trusts anybody. Redirects
        are never followed, cookies never kept.

        `retries`: of connections that failed before anything was sent. `status_retries`: of answers with
        status 408, 409, 429 or 5xx. `retry_delay`: the first wait in seconds, doubled each time up to 8; what
        the server asks for by retry-after wins.

        WebSockets pass too (`/realtime`, `/responses`), by the same rules: extra `ws`. `websocket_max_bytes`
        bounds one message, `websocket_idle_timeout` the seconds without any.

        `forward_headers`: request headers of the client that are sent on besides the usual ones.
        `headers`: request headers set on every request. Other `options` are the record's fields; without a
        `profile` it is guessed from the host name.

        Raises ConfigurationError when these cannot work together.
        """
        if client is not None and (proxy is not None or verify is not True):
            raise ConfigurationError("proxy and verify are those of the client; set them there")
        profile = profile_for(options.get("profile"), urlsplit(base_url).hostname)
        target = target_for(base_url, profile=profile, api_version=api_version, deployment=deployment)
        app = HTTPUpstream(
            target,
            credentials=Credentials.configure(
                credentials, api_key=api_key, api_key_env=api_key_env, token=token, azure=target.azure
            ),
            retry=RetryPolicy(connections=retries, statuses=status_retries, delay=retry_delay),
            client=client,
            settings=ClientSettings(
                connect_timeout, write_timeout, pool_timeout, read_timeout, max_connections, proxy, verify
            ),
            sockets=SocketLimits(max_bytes=websocket_max_bytes, idle=websocket_idle_timeout),
            headers={
                **({"openai-organization": organization} if organization else {}),
                **({"openai-project": project} if project else {}),
                **options.get("headers", {}),
            },
            forward_headers=forward_headers,
            passthrough=passthrough,
        )
        return cls(app=app, **_record({**options, "profile": profile}, prefix=""))


def _record(options: RecordOptions | EndpointOptions, *, prefix: str | None = None) -> dict[str, Any]:
    """The record's fields of the options: the profile looked up by name, the path below the prefix."""
    record: dict[str, Any] = {**options, "profile": profile_for(options.get("profile"))}
    policy = record.pop("tool_policy", {})
    if policy:
        record["profile"] = _with_policy(record["profile"], policy)
    if prefix is not None:
        api = options.get("api", "chat")
        record.setdefault("path", prefix + ENDPOINTS["responses" if api == "responses" else "chat"])
    return record


def _with_policy(profile: Profile, policy: Mapping[str, ToolPolicy]) -> Profile:
    for kind, word in policy.items():
        if word not in get_args(ToolPolicy):
            known = " or ".join(get_args(ToolPolicy))
            raise ConfigurationError(f"tool_policy[{kind!r}] must be {known}, got {word!r}")
    return replace(profile, tool_policy={**profile.tool_policy, **policy})
