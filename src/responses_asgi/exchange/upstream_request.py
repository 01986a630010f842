"""What the upstream gets: the translated body with the operator's edits, its headers, and its scope."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable
from typing import NamedTuple

from responses_asgi.sinks import Header
from responses_asgi.types.asgi import SPEC_VERSION, Scope, raw_path
from responses_asgi.types.json import JSON, dumps
from responses_asgi.upstreams.context import EXTENSION, ExchangeContext
from responses_asgi.upstreams.upstream import Upstream

__all__ = ["UpstreamRequest", "upstream_request"]

# The client's headers that speak of its own body and of the answer it wants; ours are others.
_NOT_FORWARDED = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"range",
        b"te",
        b"trailer",
        b"transfer-encoding",
    }
)

# Server extensions by which an app could answer past its `send` messages of start and body.
_NOT_OFFERED = frozenset(
    {
        "http.response.pathsend",
        "http.response.zerocopysend",
        "http.response.trailers",
        "http.response.push",
    }
)

# Bodies of fewer bytes are copied: orjson's own keep 4 KB and more, as long as the upstream is waited for.
_COPIED = 65_536

_ACCEPT = {True: b"text/event-stream, application/json", False: b"application/json"}


class UpstreamRequest(NamedTuple):
    """One request, ready for the upstream's app."""

    scope: Scope
    body: bytes


async def upstream_request(
    body: JSON, *, scope: Scope, path: str, upstream: Upstream, context: ExchangeContext
) -> UpstreamRequest:
    """Apply the record's edits and its `before_upstream` hook to the body, and build the inner scope.

    The inner scope is a copy, so that what a framework writes into it does not reach the outer one.
    """
    body = _edited(body, upstream)
    headers = [
        (name, value)
        for given, value in scope.get("headers") or ()
        if (name := given.lower()) not in _NOT_FORWARDED and not name.startswith(b"if-")
    ]
    set_headers = {name.lower(): value for name, value in {**context.headers, **upstream.headers}.items()}
    if upstream.before_upstream:
        body, set_headers = await _ask_hook(body, headers, set_headers, upstream=upstream, context=context)
    if set_headers:
        headers = [(name, value) for name, value in headers if name.decode("latin-1") not in set_headers]
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in set_headers.items()]
    content = dumps(body)
    if len(content) < _COPIED:
        content = bytes(memoryview(content))
    headers += [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"accept", _ACCEPT[bool(body.get("stream"))]),
        (b"accept-encoding", b"identity"),
    ]
    return UpstreamRequest(
        _inner_scope(scope, path, headers, {**context.extension(), "headers": set_headers}), content
    )


def _edited(translated: JSON, upstream: Upstream) -> JSON:
    if not (upstream.rename or upstream.drop or upstream.set):
        return translated
    rename, drop = upstream.rename, upstream.drop
    body = {rename.get(name, name): value for name, value in translated.items() if name not in drop}
    return {**body, **copy.deepcopy(dict(upstream.set))}


async def _ask_hook(
    body: JSON,
    headers: list[Header],
    set_headers: dict[str, str],
    *,
    upstream: Upstream,
    context: ExchangeContext,
) -> tuple[JSON, dict[str, str]]:
    """Call `before_upstream` with all headers; the body it wants, and the headers that it or the record set.

    Headers that the hook took out are taken out of `headers`.
    """
    assert upstream.before_upstream is not None
    shown = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers} | set_headers
    before = dict(shown)
    changed = upstream.before_upstream(body, shown, context)
    if inspect.isawaitable(changed):
        changed = await changed
    after = {name.lower(): value for name, value in shown.items()}
    headers[:] = [(name, value) for name, value in headers if name.decode("latin-1") in after]
    edits = {
        name: value
        for name, value in after.items()
        if (name in set_headers or before.get(name) != value) and name.encode("latin-1") not in _NOT_FORWARDED
    }
    return (body if changed is None else changed), edits


def _inner_scope(scope: Scope, path: str, headers: Iterable[Header], extension: JSON) -> Scope:
    offered = scope.get("extensions") or {}
    return {
        **scope,
        "method": "POST",
        "path": path,
        "raw_path": raw_path(path),
        "headers": list(headers),
        "asgi": {**(scope.get("asgi") or {"version": "3.0"}), "spec_version": SPEC_VERSION},
        "extensions": {
            **{name: value for name, value in offered.items() if name not in _NOT_OFFERED},
            EXTENSION: extension,
        },
    }
