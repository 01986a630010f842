"""Proxies and certificate authorities on the way to an HTTP server, with a real proxy and real TLS."""

from __future__ import annotations

import base64
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from responses_asgi import ConfigurationError, MissingExtraError, Upstream
from responses_asgi.types.asgi import ASGIApp
from tests.loopback import Got, Recorder, ask, served, unused_url
from tests.proxies import Proxy, certificate
from tests.sockets import SocketServer, dial

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxies, whatever machine this runs on."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def served_with_tls(app: ASGIApp, authority: tuple[Path, Path]) -> AsyncIterator[str]:
    cert, key = authority
    async with served(app, ssl_certfile=str(cert), ssl_keyfile=str(key)) as url:
        yield url.replace("http:", "https:")


async def models_of(upstream: Upstream) -> Got:
    try:
        return await ask(upstream.app, "/v1/models", method="GET")
    finally:
        await upstream.aclose()


# --- proxies


async def test_a_named_proxy_forwards_requests() -> None:
    server = Recorder()
    async with Proxy().running() as proxy, served(server) as url:
        assert (await models_of(Upstream.http(url, proxy=proxy.url))).json() == {"ok": True}
        assert proxy.lines == [f"GET {url}/v1/models HTTP/1.1"]
    assert server.last.path == "/v1/models"


async def test_a_named_proxy_is_a_tunnel_to_servers_with_tls(authority: tuple[Path, Path]) -> None:
    server = Recorder()
    async with Proxy().running() as proxy, served_with_tls(server, authority) as url:
        upstream = Upstream.http(url, proxy=proxy.url, verify=str(authority[0]), api_key="ours")
        assert (await models_of(upstream)).json() == {"ok": True}
        assert proxy.lines == [f"CONNECT {url.removeprefix('https://')} HTTP/1.1"]
    assert server.last.headers["authorization"] == "Bearer ours"


@pytest.mark.parametrize("tls", [True, False])
async def test_websockets_take_the_same_way(tls: bool, authority: tuple[Path, Path]) -> None:
    server = SocketServer()
    serving: Any = served_with_tls(server, authority) if tls else served(server)
    async with Proxy().running() as proxy, serving as url:
        upstream = Upstream.http(url, proxy=proxy.url, verify=str(authority[0]))
        async with served(upstream.app) as bridge, dial(bridge) as socket:
            await socket.send("hi")
            assert await socket.recv() == "hi"
        await upstream.aclose()
        line = f"CONNECT {url.removeprefix('https://')}" if tls else f"GET {url}/v1/realtime"
        assert proxy.lines == [f"{line} HTTP/1.1"]


async def test_a_proxy_is_shown_its_login_and_the_server_is_not(caplog: pytest.LogCaptureFixture) -> None:
    server = Recorder()
    login = "Basic " + base64.b64encode(b"me:secret").decode()
    async with Proxy(login).running() as proxy, served(server) as url:
        named = proxy.url.replace("//", "//me:secret@")
        upstream = Upstream.http(url, proxy=named)
        assert (await models_of(upstream)).status == 200
        assert "proxy-authorization" not in server.last.headers
        assert "secret" not in repr(upstream) + repr(vars(upstream.app))
        got = await models_of(Upstream.http(url, proxy=named.replace("secret", "guessed")))
        assert got.status == 407
    assert "guessed" not in caplog.text


async def test_a_proxy_that_refuses_a_tunnel_or_is_not_there_is_a_502(
    authority: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    async with Proxy("Basic x").running() as proxy:
        for url in (proxy.url, unused_url()):
            named = url.replace("//", "//me:secret@")
            got = await models_of(Upstream.http("https://127.0.0.1:1", proxy=named, retries=0))
            assert (got.status, got.code) == (502, "upstream_unreachable")
    assert "407" in caplog.text
    assert "secret" not in caplog.text


async def test_the_environment_names_proxies_and_who_needs_none(
    authority: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Recorder()
    async with Proxy().running() as proxy, served(server) as url, served_with_tls(server, authority) as safe:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert (await models_of(Upstream.http(url))).status == 200
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert (await models_of(Upstream.http(safe, verify=str(authority[0])))).status == 200
        asked = [f"GET {url}/v1/models HTTP/1.1", f"CONNECT {safe.removeprefix('https://')} HTTP/1.1"]
        assert proxy.lines == asked
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert (await models_of(Upstream.http(url))).status == 200
        assert proxy.lines == asked
    assert len(server.requests) == 3


@pytest.mark.parametrize("none", [False, "none"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
async def test_none_means_none_whatever_the_environment_says(
    none: Any, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, unused_url())
    async with served(Recorder()) as url:
        assert (await models_of(Upstream.http(url, proxy=none))).status == 200


async def test_a_named_proxy_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", unused_url())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    async with Proxy().running() as proxy, served(Recorder()) as url:
        assert (await models_of(Upstream.http(url, proxy=proxy.url))).status == 200
        assert len(proxy.lines) == 1


@pytest.mark.parametrize(
    "wrong",
    ["me:secret@proxy:3128", "ftp://me:secret@proxy", "http://", "http://me:secret@proxy:x", True, ""],
)
def test_a_proxy_that_cannot_be_one_is_refused_and_not_shown(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="proxy must be 'none', or a URL that starts with") as caught:
        Upstream.http("http://localhost:8000", proxy=wrong)
    assert "secret" not in str(caught.value)


async def test_a_socks_proxy_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responses_asgi.upstreams.http.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"httpx\[socks\]"):
        Upstream.http("http://localhost:8000", proxy="socks5://proxy:1080")
    monkeypatch.setattr("responses_asgi.upstreams.http.find_spec", lambda name: object())
    Upstream.http("http://localhost:8000", proxy="socks5h://proxy:1080")
    monkeypatch.setenv("ALL_PROXY", "socks5://proxy:1080")
    monkeypatch.setitem(sys.modules, "socksio", None)
    got = await models_of(Upstream.http("http://localhost:8000"))
    assert isinstance(got.raised, MissingExtraError)


# --- authorities


async def test_a_server_with_an_unknown_authority_is_not_spoken_to(
    authority: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served_with_tls(Recorder(), authority) as url:
        for verify in (True, str(tmp_path)):
            got = await models_of(Upstream.http(url, verify=verify, retries=0))
            assert (got.status, got.code) == (502, "upstream_unreachable")
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


@pytest.mark.parametrize("how", ["file", "context", "nobody", "environment", "environment, no proxy"])
async def test_authorities_can_be_chosen(
    how: str, authority: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.create_default_context(cafile=str(authority[0]))
    options: dict[str, dict[str, Any]] = {
        "file": {"verify": str(authority[0])},
        "context": {"verify": context},
        "nobody": {"verify": False},
        "environment": {},
        "environment, no proxy": {"proxy": False},
    }
    if how.startswith("environment"):
        monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    async with served_with_tls(Recorder(), authority) as url:
        assert (await models_of(Upstream.http(url, **options[how]))).status == 200


def test_authorities_that_are_not_there_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError, match=r"verify names a file that is not there: '/no/such\.pem'"):
        Upstream.http("https://server", verify="/no/such.pem")
