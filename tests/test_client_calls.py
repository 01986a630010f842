"""Every call of other people's clients is answered here, or reaches the server behind as it was sent.

Each of the latter is made twice, straight to a recording server and through a gateway before it, and the
server has to see the same.
"""

from __future__ import annotations

import asyncio
import json
import re
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx_sse
import openai
import pytest
import pytest_asyncio
from openai import AsyncAzureOpenAI, AsyncOpenAI

from responses_asgi import Gateway, Upstream
from responses_asgi.testing import FakeModel, assert_valid_stream
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from tests.asgi_driver import http_scope
from tests.client_calls import (
    ELSEWHERE,
    HERE,
    HI,
    ITEM,
    LOCAL,
    MADE_OF_OTHERS,
    RAW,
    RUST_REQUESTS,
    SOCKETS,
    TOLD,
    Call,
    Ids,
    sdk_methods,
)
from tests.loopback import Received, Recorder, reply, served, until
from tests.sockets import SocketServer

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDK's, of what it still has
]


SPEECH = bytes(range(256)) * 4


async def script(request: Received, send: Send) -> None:
    """Speech as bytes, everything else as an object that the client can read."""
    if request.path.endswith("/speech"):
        headers = [(b"content-type", b"audio/mpeg"), (b"x-request-id", b"req_1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": SPEECH})
    else:
        await reply(send, {"id": "x", "object": "list", "data": []})


class Behind:
    """The server behind: a model, with anything else recorded; and clients that reach it on both ways."""

    own_url: str
    url: str
    """Of the gateway before it."""
    straight: AsyncOpenAI
    bridged: AsyncOpenAI

    def __init__(self) -> None:
        self.recorder = Recorder(script)
        self.sockets = SocketServer()
        self._model = FakeModel()
        self._ids: Ids | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.sockets(scope, receive, send)
        elif scope["path"].endswith("/chat/completions") and scope["method"] == "POST":
            await self._model(scope, receive, send)
        else:
            await self.recorder(scope, receive, send)

    async def ids(self, *, fresh: bool = False) -> Ids:
        """What was made through the gateway; `fresh` for calls that take it away again."""
        if fresh:
            return await made_before(self.bridged)
        if self._ids is None:
            self._ids = await made_before(self.bridged)
        return self._ids


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def behind() -> AsyncIterator[Behind]:
    server = Behind()
    async with served(server) as url:
        server.own_url = url
        other = Upstream.http(url, credentials="forward")
        gateway = Gateway({"house": Upstream.http(url), "*": other}, dialect="openresponses")
        async with (
            served(gateway) as server.url,
            client_of(url) as server.straight,
            client_of(server.url) as server.bridged,
        ):
            yield server
        await gateway.aclose()


def client_of(url: str) -> AsyncOpenAI:
    return AsyncOpenAI(
        base_url=f"{url}/v1",
        websocket_base_url=f"{url.replace('http', 'ws', 1)}/v1",
        api_key="client-key",
        admin_api_key="admin-key",
        organization="org",
        project="proj",
        max_retries=0,
    )


async def test_every_method_of_the_sdk_is_in_a_table() -> None:
    named = {name.partition(",")[0] for name in (*HERE, *TOLD, *SOCKETS, *ELSEWHERE)}
    left = sdk_methods().keys() - named - LOCAL - MADE_OF_OTHERS
    assert {name for name in left if not name.endswith(("poll", "_stream", "runs.stream"))} == set()
    assert named <= sdk_methods().keys()
    assert len(ELSEWHERE) > 300


# --- answered here


async def made_before(client: AsyncOpenAI) -> Ids:
    response = await client.responses.create(model="m", input="Hi")
    conversation = await client.conversations.create(items=[ITEM])
    items = await client.conversations.items.list(conversation.id)
    completion = await client.chat.completions.create(model="m", messages=HI, store=True)
    item = items.data[0].id
    assert item is not None
    return Ids(response.id, conversation.id, item, completion.id)


@pytest.mark.parametrize("name", HERE)
async def test_a_call_is_answered_here(name: str, behind: Behind) -> None:
    ids = await behind.ids(fresh="delete" in name)
    behind.recorder.requests.clear()
    answer = await HERE[name](behind.bridged, ids)
    # Only the list of the server's models is asked for.
    assert {request.path for request in behind.recorder.requests} <= {"/v1/models"}
    assert answer or name.endswith("responses.delete")


@pytest.mark.parametrize("name", TOLD)
async def test_a_call_that_cannot_be_is_told_why(name: str, behind: Behind) -> None:
    call, status = TOLD[name]
    ids = await behind.ids()
    with pytest.raises(openai.APIStatusError) as caught:
        await call(behind.bridged, ids)
    assert caught.value.status_code == status
    assert isinstance(caught.value.body, dict)
    assert {"message", "type", "param", "code"} == set(caught.value.body)


# --- passed on


async def seen(call: Call, behind: Behind) -> tuple[Received, Received]:
    """What the server saw of the call, made straight and through the gateway."""
    return await seen_of(call, behind, behind.straight, behind.bridged)


async def seen_of(call: Call, behind: Behind, *clients: AsyncOpenAI) -> tuple[Received, Received]:
    """What the server saw of the call of two clients."""
    requests = []
    for client in clients:
        behind.recorder.requests.clear()
        await call(client)
        [request] = behind.recorder.requests
        requests.append(request)
    return requests[0], requests[1]


# What belongs to the client's own connection, and how it introduces itself.
_OF_A_CONNECTION = frozenset({"accept-encoding", "connection", "host", "user-agent"})


def content_of(request: Received) -> tuple[bytes, dict[str, str]]:
    """The body and the headers, with the random boundary of a multipart body replaced.

    Without a body, HTTP clients differ in whether they say that its length is 0.
    """
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in _OF_A_CONNECTION and not name.startswith("x-stainless-")
    }
    if headers.get("content-length") == "0":
        del headers["content-length"]
    body, found = request.body, re.search("boundary=(.+)", headers.get("content-type", ""))
    if found:
        body = body.replace(found[1].encode(), b"B")
        headers["content-type"] = headers["content-type"].replace(found[1], "B")
    return body, headers


@pytest.mark.parametrize("name", [*ELSEWHERE, *(f"raw {name}" for name in RAW)])
async def test_a_call_arrives_as_it_was_sent(name: str, behind: Behind) -> None:
    call = RAW[name.removeprefix("raw ")] if name.startswith("raw ") else ELSEWHERE[name]
    straight, through = await seen(call, behind)
    assert (through.method, through.path, through.query) == (straight.method, straight.path, straight.query)
    assert content_of(through) == content_of(straight)


AZURE_CALLS = (
    "completions.create",
    "embeddings.create",
    "images.generate",
    "audio.speech.create",
    "audio.transcriptions.create",
)


@pytest.mark.parametrize("name", AZURE_CALLS)
async def test_azure_calls_lose_azures_prefix_and_version(name: str, behind: Behind) -> None:
    key = "client-key"
    clients = [
        AsyncAzureOpenAI(azure_endpoint=url, api_key=key, api_version="v", max_retries=0)
        for url in (behind.own_url, behind.url)
    ]
    straight, through = await seen_of(ELSEWHERE[name], behind, *clients)
    for client in clients:
        await client.close()
    _, model, *_ = straight.path.removeprefix("/openai/").split("/")
    assert through.path == straight.path.replace(f"/openai/deployments/{model}/", "/v1/")
    assert (through.query, through.headers["authorization"]) == ("", f"Bearer {key}")
    assert content_of(through)[0] == content_of(straight)[0]


async def test_bytes_come_back_as_they_were_sent(behind: Behind) -> None:
    speech = await behind.bridged.audio.speech.create(model="m", voice="v", input="x")
    assert speech.content == SPEECH
    assert speech.response.headers["content-type"] == "audio/mpeg"
    assert speech.response.headers["x-request-id"] == "req_1"


async def test_a_large_upload_is_never_held_whole() -> None:
    piece, count, received = b"x" * 65_536, 3_200, 0
    sent = iter(range(count))

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal received
        more = True
        while more:
            message = await receive()
            received += len(message["body"])
            more = message["more_body"]
        await reply(send, {"id": "file-1"})

    async def receive() -> Message:
        number = next(sent, count)
        if number == count:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": piece, "more_body": number < count - 1}

    statuses: list[int] = []

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    async with served(server) as url:
        gateway = Gateway(Upstream.http(url, credentials="forward"))
        scope = http_scope("/v1/files", headers=[(b"content-type", b"multipart/form-data; boundary=x")])
        tracemalloc.start()
        try:
            await gateway(scope, receive, send)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        await gateway.aclose()
    assert (statuses[0], received) == (200, len(piece) * count)
    assert peak < 8_000_000


@pytest.mark.parametrize("name", SOCKETS)
async def test_a_websocket_arrives_as_it_was_opened(name: str, behind: Behind) -> None:
    scopes = []
    for client in (behind.straight, behind.bridged):
        behind.sockets.sockets.clear()
        async with SOCKETS[name](client) as connection:
            await until(lambda: behind.sockets.sockets)
            socket = behind.sockets.last
            await connection.send({"type": "x"})
            assert json.loads(await connection.recv_bytes()) == {"type": "x"}
        scopes.append((socket.scope, socket.headers))
    (straight, sent), (through, got) = scopes
    for key in ("path", "query_string", "subprotocols"):
        assert through[key] == straight[key]
    for header in ("authorization", "openai-beta"):
        assert got.get(header) == sent.get(header)


# --- the client of Open Responses in Rust

# What has to be there and not null, or the whole answer is refused.
NEVER_NULL = (
    *("id", "object", "created_at", "status", "model", "output", "tools", "tool_choice", "truncation"),
    *("parallel_tool_calls", "text", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs"),
    *("temperature", "store", "background", "service_tier", "metadata"),
)


def check_response(response: dict[str, Any]) -> None:
    assert [name for name in NEVER_NULL if response.get(name) is None] == []
    assert type(response["created_at"]) is int
    assert type(response["top_logprobs"]) is int
    assert isinstance(response["service_tier"], str)
    assert all(isinstance(value, str) for value in response["metadata"].values())
    assert response["truncation"] in ("auto", "disabled")
    assert response["text"]["format"]["type"]
    if response["text"]["format"]["type"] == "json_schema":
        format_ = response["text"]["format"]
        assert "schema" in format_
        assert isinstance(format_["name"], str)
        assert isinstance(format_["description"], str)
        assert isinstance(format_["strict"], bool)
    usage = response["usage"]
    if usage is not None:
        assert {"input_tokens", "output_tokens", "total_tokens"} <= usage.keys()
        assert "cached_tokens" in usage["input_tokens_details"]
        assert "reasoning_tokens" in usage["output_tokens_details"]


@pytest.mark.parametrize("name", RUST_REQUESTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_requests_of_the_client_in_rust_are_answered(name: str, stream: bool, behind: Behind) -> None:
    headers = {"authorization": "Bearer client-key"}
    body = {**RUST_REQUESTS[name]}
    if stream:
        headers["accept"] = "text/event-stream"
        body["stream"] = True
    async with httpx.AsyncClient(base_url=behind.url, headers=headers) as client:
        answer = await client.post("/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    if not body.get("stream"):
        check_response(answer.json())
        return
    events = list(httpx_sse.EventSource(answer).iter_sse())
    if events[-1].data == "[DONE]":
        events.pop()
    decoded = [event.json() for event in events]
    assert [event.event for event in events] == [event["type"] for event in decoded]
    assert [event["sequence_number"] for event in decoded] == list(range(len(decoded)))
    assert_valid_stream(decoded)
    check_response(decoded[-1]["response"])
