"""Words of clients and upstreams in the log: none of them makes a line of its own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from responses_asgi import Gateway, Upstream
from responses_asgi.errors import InvalidRequestError, UpstreamError
from responses_asgi.log_words import one_line
from responses_asgi.testing import Error, FakeModel
from responses_asgi.transport import ASGITransport
from responses_asgi.types.asgi import Send
from tests.loopback import Received, Recorder, reply, served

FORGED = "x\nCRITICAL all is lost\r\x1b[31m\u2028"


@pytest.mark.parametrize(
    ("words", "line"),
    [("größer, 大", "größer, 大"), ("a\nb\tc\x00", "a\\nb\\tc\\x00"), (ValueError("a\x1b[2J"), "a\\x1b[2J")],
)
def test_a_line_is_one_line(words: object, line: str) -> None:
    assert one_line(words) == line


@pytest.mark.parametrize(
    "body",
    [
        {"include": [FORGED]},
        {"input": [{"role": "user", "content": "hi", FORGED: 1}]},
        {"tools": [{"type": "function", "name": "f", "parameters": {}, FORGED: 1}]},
        {FORGED: 1},
    ],
)
async def test_neither_lost_fields_nor_failures_forge_records(
    body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    failing, answering = FakeModel([Error(500, f"No {FORGED}")]), FakeModel(["Hello."])
    gateway = Gateway({"m": [Upstream.asgi(failing), Upstream.asgi(answering)]})
    caplog.set_level(logging.DEBUG, "responses_asgi")
    async with httpx.AsyncClient(transport=ASGITransport(gateway), base_url="http://bridge") as client:
        reply = await client.post("/v1/responses", json={"model": "m", "input": "hi", **body})
    assert reply.status_code == 200
    told = [record.getMessage() for record in caplog.records if record.name.startswith("responses_asgi")]
    assert any("all is lost" in each and "the next upstream is asked" in each for each in told)
    assert all(each.isprintable() for each in told)


async def test_a_fallback_tells_which_model_and_which_upstreams(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(request: Any) -> AsyncIterator[Any]:
        raise UpstreamError("no power", status=503)
        yield

    def refuses(body: Any, headers: Any, context: Any) -> None:
        raise InvalidRequestError("not today")

    async def down(request: Received, send: Send) -> None:
        await reply(send, b"{}", status=503)

    async with served(Recorder(down)) as url:
        gateway = Gateway(
            {
                "fast": [
                    Upstream.http(f"{url}/v1/secret-path", model="real", api_key="sk-secret"),
                    Upstream.handler(fails),
                    Upstream.asgi(FakeModel(["No."]), before_upstream=refuses),
                    Upstream.asgi(FakeModel(["Hello."])),
                ]
            }
        )
        caplog.set_level(logging.WARNING, "responses_asgi")
        async with httpx.AsyncClient(transport=ASGITransport(gateway), base_url="http://bridge") as client:
            got = await client.post("/v1/responses", json={"model": "fast", "input": "hi"})
        await gateway.aclose()
    assert got.status_code == 200
    told = [record.getMessage() for record in caplog.records if record.name == "responses_asgi"]
    assert told[0].startswith(f"Model 'fast', upstream 1 of 4 ({url} as 'real'): ")
    assert told[0].endswith("; the next upstream is asked")
    assert told[1] == (
        "Model 'fast', upstream 2 of 4 (HandlerUpstream): no power; the next upstream is asked"
    )
    assert told[2] == "Model 'fast', upstream 3 of 4 (FakeModel) cannot be asked: not today"
    assert not any("secret" in each for each in told)
