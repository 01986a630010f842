"""What a configuration can say: every key with its type, its default and its meaning, once.

The docstring below a key is its description in docs/configuration.md. Names and defaults are those of the
Python API: `Upstream.http`, `Options`, `CORS`; the tests hold them against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from responses_asgi.config.auth import AuthConfig
from responses_asgi.config.hosted import HostedConfig
from responses_asgi.config.rate_limits import RateLimitsConfig
from responses_asgi.config.section import ImportPath, Seconds, Section, Words
from responses_asgi.config.telemetry import TelemetryConfig
from responses_asgi.config.values import header_fields, import_path, read_model, read_profile, url_path
from responses_asgi.config.websocket import WebSocketConfig
from responses_asgi.profiles import Profile, ToolPolicy
from responses_asgi.types.events import Dialect
from responses_asgi.upstreams.credentials import CredentialsMode
from responses_asgi.upstreams.upstream import API
from responses_asgi.upstreams.websocket import SocketLimits
from responses_asgi.webhooks.events import EVENTS

__all__ = [
    "AuthConfig",
    "BackgroundConfig",
    "CORSConfig",
    "Config",
    "LimitsConfig",
    "ModelConfig",
    "Section",
    "ServerConfig",
    "TargetConfig",
    "UpstreamConfig",
    "WebSocketConfig",
    "WebhookConfig",
]

_MIB = 1024 * 1024


class UpstreamConfig(Section):
    """One upstream: `url`, `app`, `wsgi` or `handler`, and how it wants to be asked."""

    url: str | None = None
    """Base URL of a server, with or without `/v1`."""

    app: ImportPath | None = None
    """An ASGI app in this process, as `module:name`."""

    wsgi: ImportPath | None = None
    """A WSGI app in this process, as `module:name`."""

    handler: (
        Annotated[str, AfterValidator(lambda path: path if path == "demo" else import_path(path))] | None
    ) = None
    """A Python function that answers, as `module:name`; or `demo`, the built-in model."""

    path: str | None = None
    """Of `app` and `wsgi`: the path of the endpoint. Default: `/v1/chat/completions`, or `/v1/responses`."""

    api: API = "chat"
    """What it speaks: `chat`, `responses` or `both`."""

    profile: Annotated[Profile | None, BeforeValidator(read_profile)] = None
    """How it departs from OpenAI: the name of a profile, or a mapping of fields with the `base` they change.
    Default: by host name, else `generic`."""

    model: str | None = None
    """The model asked for upstream in place of the client's."""

    tool_policy: dict[str, ToolPolicy] = {}
    """Tool types that are not passed on: `drop` (reported) or `error` (a 400). `"*"`: all but functions."""

    api_key_env: str | None = None
    """The environment variable that holds the key."""

    api_key: SecretStr | None = None
    """The key itself, which a file can only take from the environment: `$NAME`."""

    credentials: CredentialsMode = "own"
    """Whose key goes upstream: `own` (the one given here), `forward` (the client's) or `forward_or_own`."""

    organization: str | None = None
    """OpenAI's header of this name."""

    project: str | None = None
    """OpenAI's header of this name."""

    api_version: str | None = None
    """Azure's classic API, in this version."""

    deployment: str | None = None
    """Azure's deployment. Default: the model of the request."""

    passthrough: Words | None = None
    """Endpoints that can be reached with the operator's key, such as `models` or `GET files`. Default: chat,
    completions, responses, embeddings, moderations, audio, images, and reading models."""

    forward_headers: Words = []
    """The client's request headers that are sent on besides the usual ones."""

    set: dict[str, Any] = {}
    """Top-level fields that are set in each request body."""

    drop: Words = []
    """Top-level fields that are left out."""

    rename: dict[str, str] = {}
    """Top-level fields that get another name."""

    headers: Annotated[dict[str, str], AfterValidator(header_fields)] = {}
    """Request headers that are set."""

    before_upstream: ImportPath | None = None
    """A function `(body, headers, context)` that may change each request, as `module:name`."""

    on_event: ImportPath | None = None
    """A function `(event, context)` that sees each event, as `module:name`."""

    after_exchange: ImportPath | None = None
    """A function `(snapshot, losses, timings, context)` that sees each whole answer, as `module:name`."""

    connect_timeout: Seconds = 5.0
    """Seconds until a connection must stand."""

    write_timeout: Seconds = 30.0
    """Seconds that a piece of a request may take to be sent."""

    pool_timeout: Seconds = 10.0
    """Seconds to wait for a free connection; then 503."""

    read_timeout: Seconds = 600.0
    """The longest silence of the server, in seconds."""

    max_connections: Annotated[int, Field(gt=0)] | None = None
    """The most connections at once. Default: any number."""

    retries: Annotated[int, Field(ge=0)] = 2
    """How often a connection that failed before anything was sent is tried again."""

    status_retries: Annotated[int, Field(ge=0)] = 0
    """How often an answer with status 408, 409, 429 or 5xx is asked for again."""

    retry_delay: Annotated[float, Field(ge=0)] = 0.5
    """Seconds before the first repeat, doubled each time up to 8."""

    proxy: str | None = None
    """URL of a proxy, or `none`. Default: by `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`."""

    verify: bool | str = True
    """Whose TLS certificates are trusted: true, a file or directory of authorities, or false: anybody's."""

    websocket_max_bytes: Annotated[int, Field(gt=0)] = SocketLimits().max_bytes
    """The largest WebSocket message, in bytes."""

    websocket_idle_timeout: Seconds = SocketLimits().idle
    """Seconds a WebSocket may be silent."""


class TargetConfig(Section):
    """Who answers for a model."""

    upstream: str
    """The name of an upstream."""

    model: str | None = None
    """The model asked for there."""


class ModelConfig(Section):
    """Who answers for a model, the best one first: `each` client, or the clients of one API."""

    each: list[TargetConfig] = []
    chat: list[TargetConfig] = []
    responses: list[TargetConfig] = []

    def targets(self) -> Mapping[str, list[TargetConfig]]:
        """The targets by their key, without empty ones."""
        named = {"each": self.each, "chat": self.chat, "responses": self.responses}
        return {key: targets for key, targets in named.items() if targets}


class ServerConfig(Section):
    """Where and how it listens."""

    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` for all."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """The port to listen on; 0 for a free one."""

    workers: Annotated[int, Field(ge=1)] = 1
    """Processes that serve. Several need a `store` that they share."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged."""

    access_log: bool = True
    """Whether each request is logged."""

    graceful_timeout: Annotated[int, Field(ge=0)] = 30
    """Seconds that open answers may go on after a stop signal."""

    root_path: Annotated[str, AfterValidator(url_path)] = ""
    """The path below which a proxy in front serves this, when it takes that path off."""

    ssl_certfile: str | None = None
    """The TLS certificate, a PEM file."""

    ssl_keyfile: str | None = None
    """Its key, a PEM file."""


class CORSConfig(Section):
    """Which web pages may call from a browser. Without this section none may."""

    origins: Words
    """The sites, such as `https://chat.example.org`; `*` for all."""

    methods: Words = ["GET", "POST", "DELETE"]
    """HTTP methods they may use; `*` for all."""

    headers: Words = ["*"]
    """Request headers they may send; `*` for all."""

    credentials: bool = False
    """Whether cookies and the like may be sent; not together with all sites."""

    max_age: Annotated[int, Field(ge=0)] = 600
    """Seconds for which browsers may remember this."""


class LimitsConfig(Section):
    """Sizes, in bytes, and times, in seconds."""

    max_body_bytes: Annotated[int, Field(gt=0)] = 64 * _MIB
    """The largest request body, after decompression; more is a 413."""

    max_depth: Annotated[int, Field(gt=0)] = 200
    """How deeply the JSON of a request may be nested."""

    max_answer_bytes: Annotated[int, Field(gt=0)] = 64 * _MIB
    """The largest answer that is not streamed, and the largest event of a stream."""

    max_choices: Annotated[int, Field(gt=0)] = 16
    """The most choices (`n`) of a Chat answer."""

    keep_alive: Annotated[float, Field(ge=0)] = 15.0
    """The silence after which a stream gets a comment; 0 for never."""

    cancel_json: bool = True
    """Whether the upstream call ends, too, when the client of an answer that is not streamed leaves."""


class BackgroundConfig(Section):
    """Responses that are made in the background, for each process. Times are seconds."""

    enabled: bool = True
    """Whether there is any; it needs a `store`."""

    running: Annotated[int, Field(gt=0)] = 64
    """Responses that are made at the same time."""

    queued: Annotated[int, Field(gt=0)] = 1_000
    """Responses that wait for their turn; with more of them requests are a 429."""

    queued_bytes: Annotated[int, Field(gt=0)] = 256 * _MIB
    """How large the requests that wait may be together, in bytes; more are a 429."""

    lease: Seconds = 30.0
    """The longest time for which the response of a worker that is gone may look as if it were being made."""

    retention: Seconds = 600.0
    """For how long the events of a response that has ended can be streamed again."""

    drain: Annotated[float, Field(ge=0)] = 10.0
    """How long running responses may go on at a stop; then they fail."""

    flush: Annotated[float, Field(ge=0)] = 0.1
    """How long events are gathered before they are logged, and so shown."""

    poll: Seconds = 0.5
    """How often it is looked whether somebody wants a response cancelled, or a worker is gone."""

    rerun: bool = False
    """Whether a response that nothing was said of yet is begun again when its worker is gone."""


class WebhookConfig(Section):
    """Who is told when background responses have ended."""

    url: str
    """Where the events are posted to."""

    secrets_env: str
    """The environment variable with the secrets that sign them, each of them; with commas."""

    events: Words = [*EVENTS]
    """The types of events that are sent."""

    allow_private: bool = False
    """Whether it may be in a private network, and `http://`."""


class Config(Section):
    """The whole configuration."""

    upstreams: dict[str, UpstreamConfig] = {}
    """The upstreams by a name of yours."""

    models: dict[str, Annotated[ModelConfig, BeforeValidator(read_model)]] = {}
    """Model name, `*` in it for any text, to who answers: an upstream's name; a list of names, of which the
    later ones are fallbacks; `{upstream, model}`, to ask for another model there; or any of these for each
    client API: `{chat, responses}`. `"*"` is the default. Default: the only upstream answers for all."""

    store: str | None = None
    """What keeps responses and conversations: `memory`, `none`, `sqlite:///path` or `redis://...`. Default:
    `memory` where Responses clients are served from a Chat upstream, otherwise nothing is kept."""

    secret_env: str | None = None
    """The environment variable with the secret that owners are told apart by."""

    seal_keys_env: str | None = None
    """The environment variable with the keys that seal what clients carry; with commas, the newest first."""

    principal: ImportPath | None = None
    """The function of the ASGI scope that says whose request it is, as `module:name`."""

    auth_path: str | None = None
    """A path of the default upstream that says by its status whether a credential is good."""

    auth_ttl: Seconds = 3600.0
    """Seconds for which a credential counts as good after its last good answer."""

    count_tokens: ImportPath | None = None
    """The function of a Responses body that counts its tokens, as `module:name`. Default: an estimate."""

    dry_run: bool = True
    """Whether `POST /convert` and `POST /proxy` are served."""

    list_upstream_models: bool | None = None
    """Whether `/models` lists what the upstreams list, too. Default: where no model has its full name."""

    dialect: Dialect = "openai"
    """Of Responses answers: `openai` or `openresponses`."""

    strict: bool = False
    """Whether a request is refused when something of it would have to be dropped."""

    loss_header: bool = True
    """Whether losses are told in the header `x-responses-asgi-loss`."""

    finish_unattended: bool = False
    """Whether an answer that is to be kept is finished although its client has left."""

    reasoning_as_summary: bool = False
    """Whether reasoning is told as a summary where a Responses client asks for one."""

    reasoning_field: str | None = "reasoning_content"
    """The field of a Chat answer that holds reasoning; null for none."""

    auth: AuthConfig | None = None
    """Who may come in. Without this section everybody may."""

    server: ServerConfig = ServerConfig()
    cors: CORSConfig | None = None
    limits: LimitsConfig = LimitsConfig()
    background: BackgroundConfig = BackgroundConfig()
    websocket: WebSocketConfig = WebSocketConfig()

    hosted: HostedConfig | None = None
    """Tools that the gateway runs itself."""

    rate_limits: RateLimitsConfig | None = None
    """What each client may ask for."""

    telemetry: TelemetryConfig = TelemetryConfig()
    """What the operator sees of exchanges."""

    webhooks: dict[str, WebhookConfig] = {}
    """The receivers of webhooks by a name of yours."""
