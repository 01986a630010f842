"""Doors that ask for keys, before an app that notes all that comes to it: middleware, mount and gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from fastapi import FastAPI

from responses_asgi import (
    ASGITransport,
    Gateway,
    KeyAuth,
    Keys,
    MemoryStore,
    Prometheus,
    ResponsesMiddleware,
    Upstream,
)
from responses_asgi.auth.key_routes import KeyRoutes
from responses_asgi.gateway.metrics import Metrics
from responses_asgi.gateway.service import endpoints
from responses_asgi.middleware.dry_run import CONVERT, PROXY
from responses_asgi.middleware.targets import DEFAULT_PATHS
from responses_asgi.resources.resources import ROUTES
from responses_asgi.stores.records import Records
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.headers import DEFAULT_PASSTHROUGH
from responses_asgi.upstreams.target import DEPLOYMENT_ENDPOINTS
from responses_asgi.upstreams.upstream import ENDPOINTS
from tests.loopback import Got, ask, reply
from tests.sockets import SocketAsked

OPERATORS_KEY = "sk-operators-own-upstream-key"
ADMIN_KEY = "the-admin-key-of-these-tests"

COMPLETION: JSON = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


class Witness:
    """An app that answers everything, with a completion where one is asked for, and echoes on WebSockets."""

    def __init__(self) -> None:
        self.seen: list[Scope] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise NotImplementedError
        self.seen.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] != "websocket.disconnect":
                await send({"type": "websocket.send", "text": message.get("text") or ""})
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        await reply(
            send, COMPLETION if scope["path"].endswith("/chat/completions") else {"ok": scope["path"]}
        )

    @property
    def told(self) -> str:
        """All that was ever told to it."""
        return "\n".join(f"{scope!r}" for scope in self.seen) + repr(self.bodies)


class Door:
    """One placement of `KeyAuth`; `prefix` is the mount point, `store` what is kept of responses."""

    def __init__(
        self, make: Callable[[ASGIApp, KeyAuth, Records], ASGIApp], auth: KeyAuth, prefix: str = ""
    ) -> None:
        self.witness = Witness()
        self.store = MemoryStore()
        self.prefix = prefix
        self.app = make(self.witness, auth, self.store)

    async def ask(
        self, method: str, path: str, body: Any = b"", *headers: tuple[str, str], **scope: Any
    ) -> Got:
        given = [("content-type", "application/json"), *headers]
        return await ask(self.app, self.prefix + path, body, method=method, headers=given, **scope)

    def socket(self, path: str, *headers: tuple[str, str], **scope: Any) -> SocketAsked:
        given = [(name.encode(), value.encode()) for name, value in headers]
        extensions = {"websocket.http.response": {}}
        return SocketAsked(self.app, self.prefix + path, headers=given, extensions=extensions, **scope)


def upstream(app: ASGIApp) -> Upstream:
    """The app as a server elsewhere, which is asked with the operator's key."""
    client = httpx.AsyncClient(transport=ASGITransport(app))
    return Upstream.http("http://upstream.test/v1", api_key=OPERATORS_KEY, client=client)


def around_app(app: ASGIApp, auth: KeyAuth, store: Records) -> ASGIApp:
    return ResponsesMiddleware(app, store=store, auth=auth, dry_run=True)


def mounted(app: ASGIApp, auth: KeyAuth, store: Records) -> ASGIApp:
    host = FastAPI()
    host.mount("/ai", ResponsesMiddleware(upstream(app), store=store, auth=auth, dry_run=True))
    return host


def gateway(app: ASGIApp, auth: KeyAuth, store: Records) -> ASGIApp:
    return Gateway({"*": upstream(app)}, store=store, auth=auth, telemetry=[Prometheus()])


PLACES: dict[str, tuple[Callable[[ASGIApp, KeyAuth, Records], ASGIApp], str]] = {
    "middleware": (around_app, ""),
    "mount": (mounted, "/ai"),
    "gateway": (gateway, ""),
}


def door(place: str, keys: Keys, **settings: Any) -> Door:
    make, prefix = PLACES[place]
    return Door(make, KeyAuth(keys=keys, admin_key=ADMIN_KEY, **settings), prefix)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

KEY_ROUTES = (*KeyRoutes(Keys("memory"), "/keys").paths, "/keys/unknown")

# What the gateway says that it answers, with its models named.
_OWN = [entry.partition(" ")[2].replace("{model}", "m") for entry in endpoints(dry_run=True, metrics=True)]

_BASES = sorted({path.removesuffix(ENDPOINTS[api]) for api, paths in DEFAULT_PATHS.items() for path in paths})

MODELS = [f"{base}{path}" for base in _BASES for path in ("/models", "/models/m")]
"""What a key of any API may ask."""

OPERATORS = [Metrics.path]
"""What only the operator may see, where it is."""

# Out of the code's own tables, so that a new route is among them; and what may look like an open one.
PATHS = [
    *dict.fromkeys(
        [
            *(path for path in _OWN if path != "/health"),
            *MODELS,
            *(path for paths in DEFAULT_PATHS.values() for path in paths),
            *(f"{base}{template}" for base in _BASES for routes in ROUTES.values() for template in routes),
            *(f"{base}{path}" for base in _BASES for path in (CONVERT, PROXY)),
            *(f"/openai/deployments/m/{name}" for name in sorted(DEPLOYMENT_ENDPOINTS)),
            "/openai/deployments/m/responses",
            *(f"/v1/{entry.rpartition(' ')[2]}" for entry in DEFAULT_PASSTHROUGH),
            "/",
            "/v1/files",
            "/v1/files/file-1/content",
            "/v1/unknown",
            "/health/x",
            "/HEALTH",
            "/v1/../health",
            "//health",
            "//metrics",
        ]
    )
]

SOCKETS = ["/v1/responses", "/v1/realtime", "/", "/openai/v1/responses", "/health", "/keys"]

BODY = json.dumps({"model": "m", "input": "Hi", "store": True}).encode()


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"
