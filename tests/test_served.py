"""served(): an app on a real port while a block runs."""

from __future__ import annotations

import sys

import httpx
import pytest

from responses_asgi import MissingExtraError, ResponsesASGIError
from responses_asgi.testing import FakeModel, served
from responses_asgi.types.asgi import Receive, Scope, Send


def test_the_app_is_reached_by_its_urls_and_gone_after_the_block() -> None:
    with served(FakeModel("hi")) as server:
        assert server.base_url == f"{server.url}/v1"
        body = {"model": "m", "input": "x"}
        assert httpx.post(f"{server.base_url}/responses", json=body).json()["status"] == "completed"
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)


def test_an_app_that_does_not_start_is_told() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with pytest.raises(ResponsesASGIError, match="did not start"), served(app):
        pytest.fail("it was served")


def test_without_uvicorn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"responses-asgi\[server\]"), served(FakeModel("hi")):
        pytest.fail("it was served")
