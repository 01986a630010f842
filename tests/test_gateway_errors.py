"""Errors of upstreams in which the model is called as it is there: clients know it by another name."""

from __future__ import annotations

import json

import pytest

from responses_asgi import Gateway, Upstream
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from tests.loopback import ask


def refusing(message: str, *, stream: bool) -> ASGIApp:
    """An upstream that refuses with this sentence, at once or in its stream."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        error = json.dumps({"error": {"message": message, "code": "model_not_found"}}).encode()
        kind, status = (b"text/event-stream", 200) if stream else (b"application/json", 404)
        start = {"type": "http.response.start", "status": status}
        await send({**start, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": b"data: " + error + b"\n\n" if stream else error})

    return app


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("The model `qwen3:8b` does not exist.", "The model `house` does not exist."),
        ("qwen3:8b is busy; is qwen3:8b there?", "house is busy; is house there?"),
        ("No qwen3:8b.", "No house."),
        (
            "try qwen3:8b-instruct, org/qwen3:8b or qwen3:8b.1",
            "try qwen3:8b-instruct, org/qwen3:8b or qwen3:8b.1",
        ),
        ("The model is not there.", "The model is not there."),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
async def test_errors_name_the_clients_model(said: str, told: str, stream: bool, path: str) -> None:
    gateway = Gateway({"house": Upstream.asgi(refusing(said, stream=stream), model="qwen3:8b")})
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": "house", "input": "hi", "messages": messages, "stream": stream}
    got = await ask(gateway, path, body)
    assert f'"{told}"' in got.body.decode()
