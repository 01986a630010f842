"""Doors that ask for keys, before an app that notes all that comes to it: middleware, mount and gateway."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from fastapi import FastAPI

from responses_asgi import ASGITransport, Gateway, KeyAuth, Keys, MemoryStore, ResponsesMiddleware, Upstream
from responses_asgi.resources.resources import ROUTES
from responses_asgi.stores.records import Records
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.json import JSON
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
    return Gateway({"*": upstream(app)}, store=store, auth=auth)


PLACES: dict[str, tuple[Callable[[ASGIApp, KeyAuth, Records], ASGIApp], str]] = {
    "middleware": (around_app, ""),
    "mount": (mounted, "/ai"),
    "gateway": (gateway, ""),
}


def door(place: str, keys: Keys, **settings: Any) -> Door:
    make, prefix = PLACES[place]
    return Door(make, KeyAuth(keys=keys, admin_key=ADMIN_KEY, **settings), prefix)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

KEY_ROUTES = ("/keys", "/keys/generate", "/keys/revoke", "/keys/set_expiration", "/keys/unknown")

PATHS = [
    "/",
    "/v1/responses",
    "/v1/chat/completions",
    "/responses",
    "/openai/v1/responses",
    "/openai/deployments/m/chat/completions",
    "/openai/deployments/m/responses",
    "/v1/models",
    "/v1/models/m",
    "/v1/convert",
    "/v1/proxy",
    "/v1/embeddings",
    "/v1/files",
    "/v1/files/file-1/content",
    "/v1/unknown",
    "/health/x",
    "/HEALTH",
    "/v1/../health",
    "//health",
    *sorted({f"/v1{template}" for api in ROUTES for template in ROUTES[api]}),  # type: ignore[index] # API
]

SOCKETS = ["/v1/responses", "/v1/realtime", "/", "/openai/v1/responses", "/health", "/keys"]

BODY = json.dumps({"model": "m", "input": "Hi", "store": True}).encode()


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"
