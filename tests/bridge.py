"""Asks a bridge in-process, through plain ASGI, and keeps every message of the answer as it was sent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from responses_asgi.loss import Losses
from responses_asgi.middleware import ChatCompletionsMiddleware, ResponsesMiddleware
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from responses_asgi.translate.chat_snapshot import fold_chunks
from responses_asgi.translate.snapshot import fold
from responses_asgi.types.asgi import ASGIApp, Message
from responses_asgi.types.events import Dialect
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import Upstream


@dataclass
class Asked:
    """What a client received, and what the exchange reported at its end."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    blocks: list[bytes] = field(default_factory=list)
    ended: bool = False
    raised: Exception | None = None
    losses: Losses = field(default_factory=Losses)
    snapshot: JSON = field(default_factory=dict)

    def after_exchange(self, snapshot: JSON, losses: Losses, timings: object, context: object) -> None:
        self.snapshot, self.losses = snapshot, losses

    @property
    def body(self) -> bytes:
        return b"".join(self.blocks)

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def events(self) -> list[JSON]:
        """The decoded events of a stream; no other reader than string splitting is at work here."""
        datas = (block.partition("data: ")[2] for block in self.body.decode().split("\n\n"))
        return [json.loads(data) for data in datas if data and data != "[DONE]"]


async def ask(
    upstream_app: ASGIApp,
    body: JSON,
    *,
    profile: Any = None,
    dialect: Dialect = "openai",
    **options: Any,
) -> Asked:
    """POST `body` to /v1/responses of a bridge in front of `upstream_app`."""
    asked = Asked()
    upstream = Upstream.asgi(upstream_app, profile=profile, after_exchange=asked.after_exchange)
    return await _post(
        ResponsesMiddleware(upstream, dialect=dialect, **options), "/v1/responses", body, asked
    )


async def ask_chat(upstream_app: ASGIApp, body: JSON, *, profile: Any = None, **options: Any) -> Asked:
    """POST `body` to /v1/chat/completions of a bridge in front of an app that speaks Responses."""
    asked = Asked()
    upstream = Upstream.asgi(
        upstream_app, api="responses", profile=profile, after_exchange=asked.after_exchange
    )
    return await _post(ChatCompletionsMiddleware(upstream, **options), "/v1/chat/completions", body, asked)


async def _post(
    bridge: ChatCompletionsMiddleware | ResponsesMiddleware, path: str, body: JSON, asked: Asked
) -> Asked:
    request = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> Message:
        if not request:
            await asyncio.Event().wait()  # the client stays
        return request.pop()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert not asked.status, "the response started twice"
            asked.status = message["status"]
            asked.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            assert not asked.ended, "something was sent after the end"
            asked.blocks.append(message.get("body", b""))
            asked.ended = not message.get("more_body", False)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"bridge.test"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 50000),
        "server": ("bridge.test", 80),
        "extensions": {},
    }
    try:
        await bridge(scope, receive, send)
    except Exception as error:
        asked.raised = error
    finally:
        await bridge.aclose()
    assert asked.ended, "the answer was not completed"
    return asked


def response_of(asked: Asked, *, dialect: Dialect = "openai") -> JSON:
    """The response object of a 200, after a stream was proved legal, whole and equal to its fold."""
    assert asked.status == 200, asked.body
    if not asked.is_stream:
        response: JSON = json.loads(asked.body)
        assert response == asked.snapshot
        return response
    response = assert_valid_stream(asked.body, dialect=dialect)
    assert fold(asked.events) == response == asked.snapshot
    torn = [block for block in asked.blocks if block and not block.endswith(b"\n\n")]
    assert not torn, "an event must lie whole in one message"
    return response


def completion_of(asked: Asked) -> JSON:
    """The completion of a 200, or the error that ended its stream; proved legal, whole and a fold."""
    assert asked.status == 200, asked.body
    if not asked.is_stream:
        completion: JSON = json.loads(asked.body)
        assert completion == asked.snapshot
        return completion
    completion = assert_valid_chat_stream(asked.body)
    assert fold_chunks(asked.events) == completion
    assert completion == asked.snapshot or "usage" not in completion
    torn = [block for block in asked.blocks if block and not block.endswith(b"\n\n")]
    assert not torn, "an event must lie whole in one message"
    return completion
