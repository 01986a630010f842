"""The opening of a WebSocket to a server elsewhere, with an HTTP client: its proxies, TLS and limits count.

Source: RFC 6455, 4.1.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterable
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, NamedTuple

from responses_asgi.errors import APIError, UpstreamError
from responses_asgi.upstreams.attempts import Attempts
from responses_asgi.upstreams.headers import DECODED, answer_headers
from responses_asgi.upstreams.masking import masked
from responses_asgi.upstreams.own_refusals import refusal_of_own, unreadable_of_own
from responses_asgi.upstreams.relay import check_redirect
from responses_asgi.upstreams.retry import RetryPolicy
from responses_asgi.upstreams.route import Call

__all__ = ["Accepted", "Refusal", "open_socket"]

Headers = list[tuple[bytes, bytes]]

MAX_REFUSAL_BYTES = 65_536

_STATUSES = frozenset(HTTPStatus)

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3


class Accepted(NamedTuple):
    """An open socket: `stream` carries its frames, and `response` is closed when it is over."""

    stream: Any
    response: Any
    subprotocol: str | None
    headers: Headers


class Refusal(NamedTuple):
    """The server's answer instead of a socket, as the client is told."""

    status: int
    headers: Headers
    body: bytes


async def open_socket(client: Any, call: Call, retry: RetryPolicy, *, site: str) -> Accepted | Refusal:
    """Ask for a socket. `client` is of httpx or httpx2; `site` names the server in the log.

    Raises what the client raises, UpstreamError for an answer that is neither a socket nor an error, or that
    does not accept the operator's credential, and APIError when the client's transport hands out no network
    stream.
    """
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    headers = [*call.headers, *_handshake_headers(key, call.subprotocols)]
    attempts = Attempts(client, retry)
    response = await attempts.send(
        lambda: client.build_request("GET", call.url, headers=headers), repeatable=lambda: True
    )
    accepted = None
    try:
        # 403 is what ASGI servers say where there is no socket at all.
        if call.own and response.status_code == 401:
            told = await refusal_of_own(response, site=site, secrets=call.secrets)
            if told is not None:
                raise told
        if call.own and (unreadable := unreadable_of_own(response)) is not None:
            raise unreadable
        if response.status_code != 101:
            refusal = await _refusal(response, retried=attempts.repeats > 0)
            return refusal._replace(body=masked(refusal.body, call.secrets))
        accepted = _accepted(response, key, call.subprotocols)
        return accepted
    finally:
        if accepted is None:
            await response.aclose()


def _handshake_headers(key: str, subprotocols: Iterable[str]) -> Headers:
    offered = ", ".join(subprotocols)
    headers = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-key": key,
        "sec-websocket-version": "13",
        **({"sec-websocket-protocol": offered} if offered else {}),
    }
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def _accepted(response: Any, key: str, offered: Iterable[str]) -> Accepted:
    expected = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
    subprotocol = response.headers.get("sec-websocket-protocol")
    if (
        response.headers.get("sec-websocket-accept") != expected
        or (subprotocol is not None and subprotocol not in offered)
        or "sec-websocket-extensions" in response.headers
    ):
        raise UpstreamError(
            "The upstream's WebSocket handshake is not valid.", status=502, code="upstream_handshake"
        )
    stream = response.extensions.get("network_stream")
    if stream is None:
        raise APIError(
            "The HTTP client of this upstream cannot carry WebSockets: its transport hands out no network "
            "stream, as those of httpx and httpx2 do.",
            status=501,
            code="websocket_unavailable",
        )
    headers = answer_headers(response.headers.raw, decoded=False, retried=False)
    return Accepted(stream, response, subprotocol, headers)


async def _refusal(response: Any, *, retried: bool) -> Refusal:
    """The server's error with its body, which is cut where it is too long for one."""
    check_redirect(response)
    if response.status_code < 400:
        spoken = "HTTP/2" if response.http_version == "HTTP/2" else f"status {response.status_code}"
        raise UpstreamError(
            f"The upstream opens no WebSocket here: it answered with {spoken}.",
            status=502,
            code="upstream_no_websocket",
        )
    decoded = response.headers.get("content-encoding", "").strip().lower() in DECODED
    body = b""
    async with aclosing(response.aiter_bytes() if decoded else response.aiter_raw()) as pieces:
        async for piece in pieces:
            body += piece
            if len(body) >= MAX_REFUSAL_BYTES:
                break
    headers = answer_headers(response.headers.raw, decoded=decoded, retried=retried)
    kept = [header for header in headers if header[0] != b"content-length"]
    return Refusal(_known(response.status_code), kept, body[:MAX_REFUSAL_BYTES])


def _known(status: int) -> int:
    """A status that servers have a phrase for; uvicorn fails with others, such as Cloudflare's 520."""
    return status if status in _STATUSES else 400 if status < 500 else 502
