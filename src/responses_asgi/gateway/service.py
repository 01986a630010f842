"""What a gateway says about itself: `GET /` for people, `GET /health` for machines.

Both are open to everyone, so that neither tells a secret: no key, header, hook or full URL of an upstream,
and not by which name it knows a model. Neither asks an upstream.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec

from responses_asgi.background import Background
from responses_asgi.errors import APIError
from responses_asgi.gateway.routing import Entry, ModelMap
from responses_asgi.hosted import Hosted
from responses_asgi.stores.records import Records
from responses_asgi.types.asgi import Send
from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.handler import HandlerUpstream
from responses_asgi.upstreams.http import FAST_LIBRARY, HTTPUpstream
from responses_asgi.upstreams.upstream import ENDPOINTS, Upstream
from responses_asgi.upstreams.wsgi import WSGIUpstream

__all__ = ["NAME", "endpoints", "health", "not_allowed", "send_document", "send_page", "service_information"]

NAME = "responses-asgi"

_KINDS: dict[type, str] = {HTTPUpstream: "http", HandlerUpstream: "handler", WSGIUpstream: "wsgi"}

# What makes the way of a request faster where it is installed.
_FAST = (FAST_LIBRARY, "orjson", "uvloop", "httptools")


def endpoints(*, dry_run: bool, metrics: bool) -> list[str]:
    """What a gateway answers itself."""
    return [
        "GET /health",
        "GET /models",
        "GET /models/{model}",
        *(f"POST {endpoint}" for endpoint in ENDPOINTS.values()),
        *(("POST /convert", "POST /proxy") if dry_run else ()),
        *(("GET /metrics",) if metrics else ()),
    ]


async def send_document(send: Send, document: JSON, *, whole: bool) -> None:
    """Answer GET, or HEAD (not `whole`), which has the same headers."""
    await send_page(send, dumps(document), "application/json", whole=whole)


async def send_page(send: Send, body: bytes, content_type: str, *, whole: bool) -> None:
    """The same with a body of this type."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body if whole else b""})


def service_information(endpoints: Iterable[str]) -> JSON:
    """The document of `GET /`: who answers here, and at which endpoints (`"POST /v1/responses"`)."""
    return {"name": NAME, "version": version(NAME), "endpoints": list(endpoints)}


def health(models: ModelMap, store: Records | None) -> JSON:
    """The document of `GET /health`: what is offered, by which upstreams, and how.

    An upstream has `kind` (http, asgi, wsgi, handler), `api`, `profile`, and `url` (scheme, host and port) if
    it is a server elsewhere. `store` is the kind of store.
    """
    return {
        "status": "ok",
        "name": NAME,
        "version": version(NAME),
        "upstreams": [_entry(entry) for entry in models.entries],
        "fast": {module: find_spec(module) is not None for module in _FAST},
        "store": "none" if store is None else type(store).__name__.lower().removesuffix("store"),
    }


async def health_now(document: JSON, background: Background | None, hosted: Hosted | None) -> JSON:
    """The document of `GET /health` with what is going on now, in this process."""
    now: JSON = {}
    if background is not None:
        now["background"] = await background.health()
    if hosted is not None:
        now["hosted"] = hosted.health()
    return {**document, **now}


def _entry(entry: Entry) -> JSON:
    """One model: once if all clients have the same upstreams, else by client API."""
    ways = list(entry.upstreams.values())
    if len(ways) == 2 and ways[0] == ways[1]:
        return {"model": entry.name, "clients": sorted(entry.upstreams), **_way(ways[0])}
    return {
        "model": entry.name,
        "clients": sorted(entry.upstreams),
        "by_client": {client: _way(upstreams) for client, upstreams in entry.upstreams.items()},
    }


def _way(upstreams: tuple[Upstream, ...]) -> JSON:
    first, *others = [_upstream(upstream) for upstream in upstreams]
    return {**first, "fallbacks": others}


def _upstream(upstream: Upstream) -> JSON:
    return {
        "kind": _KINDS.get(type(upstream.app), "asgi"),
        **({"url": upstream.app.site} if isinstance(upstream.app, HTTPUpstream) else {}),
        "api": upstream.api,
        "profile": upstream.profile.name,
    }


def not_allowed(method: str) -> APIError:
    """What another method than POST is told at the endpoint of an API."""
    return APIError(
        f"{method} is not allowed here; answers are created with POST.",
        status=405,
        type="invalid_request_error",
        code="method_not_allowed",
        headers={"allow": "POST"},
    )
