"""What browsers are told about other sites' pages, seen by requests as browsers send them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from responses_asgi import ConfigurationError
from responses_asgi.gateway.cors import CORS
from responses_asgi.transport import ASGITransport
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send

SITE = "https://chat.example.org"


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that lets every site in, as some model servers do."""
    headers = [
        (b"access-control-allow-origin", b"*"),
        (b"Access-Control-Expose-Headers", b"*"),
        (b"x-a", b"1"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"inner"})


async def asked(app: ASGIApp, method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=ASGITransport(app), base_url="http://gateway") as client:
        return await client.request(
            method, "/", headers={name.replace("_", "-"): value for name, value in headers.items()}
        )


async def preflight(app: ASGIApp, origin: str = SITE, **headers: str) -> httpx.Response:
    method = headers.pop("method", "POST")
    return await asked(app, "OPTIONS", origin=origin, access_control_request_method=method, **headers)


async def test_a_named_site_is_let_in_and_may_read_what_it_needs() -> None:
    app = CORS(origins=SITE).around(inner)
    answer = await asked(app, origin=SITE)
    assert answer.headers["access-control-allow-origin"] == SITE
    assert answer.headers["vary"] == "Origin"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "x-responses-asgi-loss", "x-ratelimit-remaining-tokens", "retry-after"} <= set(
        exposed
    )
    assert "access-control-allow-credentials" not in answer.headers
    assert (answer.text, answer.headers["x-a"]) == ("inner", "1")


async def test_another_site_is_not_let_in_whatever_the_upstream_says() -> None:
    app = CORS(origins=[SITE]).around(inner)
    answer = await asked(app, origin="https://evil.example.org")
    assert "access-control-allow-origin" not in answer.headers
    refused = await preflight(app, "https://evil.example.org")
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers


async def test_without_an_origin_nothing_is_said() -> None:
    answer = await asked(CORS(origins=SITE).around(inner))
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_preflight_is_answered_before_the_app() -> None:
    app = CORS(origins=SITE, methods=["post"], headers=["x-team"], credentials=True, max_age=9).around(inner)
    answer = await preflight(app, access_control_request_headers="x-team, content-type")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == SITE
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-max-age"] == "9"
    assert (await preflight(app, method="DELETE")).status_code == 400
    assert (await preflight(app, access_control_request_headers="x-other")).status_code == 400


async def test_every_site_and_every_header() -> None:
    app = CORS(origins="*").around(inner)
    assert (await asked(app, origin=SITE)).headers["access-control-allow-origin"] == "*"
    answer = await preflight(app, access_control_request_headers="authorization, openai-beta")
    assert answer.headers["access-control-allow-headers"] == "authorization, openai-beta"


async def test_what_is_no_http_passes() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: Any) -> Any:
        return {}

    await CORS(origins=SITE).around(app)({"type": "websocket"}, nothing, nothing)
    assert seen == [{"type": "websocket"}]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"origins": []}, "at least one site"),
        ({"origins": "*", "credentials": True}, "credentials cannot be allowed to every site"),
        ({"origins": [SITE, "*"], "credentials": True}, "must name the sites"),
        ({"origins": f"{SITE}/"}, "without a path"),
        ({"origins": "chat.example.org"}, "got 'chat.example.org'"),
        ({"origins": [5]}, "got 5"),
        ({"origins": SITE, "methods": ["GET POST"]}, "cors.methods cannot hold 'GET POST'"),
        ({"origins": SITE, "headers": "x:y"}, "cors.headers cannot hold 'x:y'"),
        ({"origins": SITE, "max_age": -1}, "max_age must not be negative, got -1"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        CORS(**wrong)
