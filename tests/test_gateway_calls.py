"""Every call that the OpenAI SDK can make beside the two APIs reaches the default upstream as it was sent.

Each call is made twice, straight to a server and through a gateway, and the server must see the same.
"""

from __future__ import annotations

import asyncio
import re
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncAzureOpenAI, AsyncOpenAI

from responses_asgi import Gateway, Upstream
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from tests.asgi_driver import http_scope
from tests.loopback import Received, Recorder, reply, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

Call = Callable[[AsyncOpenAI], Awaitable[Any]]

FILE = ("a b.bin", bytes(range(256)) * 10, "application/octet-stream")
AUDIO = b"RIFF\x00\xff" * 100

CALLS: dict[str, Call] = {
    "completions": lambda c: c.completions.create(model="m", prompt="x"),
    "embeddings": lambda c: c.embeddings.create(model="m", input="ü\u2028"),
    "moderations": lambda c: c.moderations.create(input="x"),
    "models.delete": lambda c: c.models.delete("ft:mine/v1"),
    "files.create": lambda c: c.files.create(file=FILE, purpose="batch"),
    "files.list": lambda c: c.files.list(limit=3, after="f/1"),
    "files.retrieve": lambda c: c.files.retrieve("file-1"),
    "files.content": lambda c: c.files.content("file-1"),
    "files.delete": lambda c: c.files.delete("file-1"),
    "uploads.create": lambda c: c.uploads.create(
        bytes=3, filename="f", mime_type="text/plain", purpose="batch"
    ),
    "uploads.parts.create": lambda c: c.uploads.parts.create("up_1", data=FILE),
    "uploads.complete": lambda c: c.uploads.complete("up_1", part_ids=["p1"]),
    "batches.create": lambda c: c.batches.create(
        completion_window="24h", endpoint="/v1/responses", input_file_id="f"
    ),
    "batches.list": lambda c: c.batches.list(limit=2),
    "batches.cancel": lambda c: c.batches.cancel("b_1"),
    "images.generate": lambda c: c.images.generate(model="m", prompt="x"),
    "images.edit": lambda c: c.images.edit(image=FILE, prompt="x"),
    "audio.speech": lambda c: c.audio.speech.create(model="m", voice="v", input="x"),
    "audio.transcriptions": lambda c: c.audio.transcriptions.create(model="m", file=("a.wav", AUDIO)),
    "audio.translations": lambda c: c.audio.translations.create(model="m", file=("a.wav", AUDIO)),
    "fine_tuning.create": lambda c: c.fine_tuning.jobs.create(model="m", training_file="f"),
    "fine_tuning.events": lambda c: c.fine_tuning.jobs.list_events("ft_1", limit=4),
    "vector_stores.create": lambda c: c.vector_stores.create(name="n"),
    "vector_stores.search": lambda c: c.vector_stores.search("vs_1", query="x"),
    "vector_stores.files": lambda c: c.vector_stores.files.create("vs_1", file_id="f"),
    "containers.create": lambda c: c.containers.create(name="n"),
    "evals.list": lambda c: c.evals.list(),
    "beta.assistants": lambda c: c.beta.assistants.list(),
    "beta.threads": lambda c: c.beta.threads.create(messages=[{"role": "user", "content": "x"}]),
    "realtime.client_secrets": lambda c: c.realtime.client_secrets.create(),
    "get": lambda c: c.get("/some/thing?a=%2F&b", cast_to=object),
    "post": lambda c: c.post("/some/thing", body={"a": 1}, cast_to=object),
    "put": lambda c: c.put("/some/thing", body={"a": 1}, cast_to=object),
    "patch": lambda c: c.patch("/some/thing", body={"a": 1}, cast_to=object),
    "delete": lambda c: c.delete("/some/thing", cast_to=object),
}


async def script(request: Received, send: Any) -> None:
    """Audio as bytes, everything else as an object that the client can read."""
    if request.path.endswith(("/speech", "/content")):
        headers = [(b"content-type", b"audio/mpeg"), (b"x-request-id", b"req_1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": AUDIO})
    else:
        await reply(
            send, {"id": "x", "object": "list", "data": [{"object": "embedding", "embedding": "AAAAAA=="}]}
        )


class Ways:
    """A server, reached straight and through a gateway."""

    def __init__(self, recorder: Recorder, straight: str, gateway: str) -> None:
        self.recorder = recorder
        self.urls = (straight, gateway)

    async def seen(self, call: Call, make: Callable[[str], AsyncOpenAI]) -> list[Received]:
        """What the server saw of the call on each way."""
        self.recorder.requests.clear()
        for url in self.urls:
            async with make(url) as client:
                with suppress(openai.APIResponseValidationError):
                    await call(client)
        assert len(self.recorder.requests) == 2
        return self.recorder.requests


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways() -> AsyncIterator[Ways]:
    recorder = Recorder(script)
    async with served(recorder) as straight:

        async def house(request: dict[str, Any]) -> str:
            return "house"

        gateway = Gateway(
            {"house": Upstream.handler(house), "*": Upstream.http(straight, credentials="forward")}
        )
        async with served(gateway) as url:
            yield Ways(recorder, straight, url)
        await gateway.aclose()


def openai_client(url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="client-key", organization="org", max_retries=0)


def without_boundary(request: Received) -> tuple[bytes, str]:
    """The body and its type, with the random boundary of a multipart body replaced."""
    kind = request.headers.get("content-type", "")
    found = re.search("boundary=(.+)", kind)
    if not found:
        return request.body, kind
    return request.body.replace(found[1].encode(), b"B"), kind.replace(found[1], "B")


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_arrives_as_it_was_sent(name: str, ways: Ways) -> None:
    straight, through = await ways.seen(CALLS[name], openai_client)
    assert (through.method, through.path, through.query) == (straight.method, straight.path, straight.query)
    assert without_boundary(through) == without_boundary(straight)
    for header in ("authorization", "openai-organization", "openai-beta", "accept"):
        assert through.headers.get(header) == straight.headers.get(header)


async def test_bytes_come_back_as_they_were_sent(ways: Ways) -> None:
    async with openai_client(ways.urls[1]) as client:
        speech = await client.audio.speech.create(model="m", voice="v", input="x")
        assert speech.content == AUDIO
        assert speech.response.headers["content-type"] == "audio/mpeg"
        assert speech.response.headers["x-request-id"] == "req_1"


AZURE_CALLS = ("completions", "embeddings", "images.generate", "audio.speech", "audio.transcriptions")


@pytest.mark.parametrize("name", AZURE_CALLS)
async def test_azure_calls_lose_azures_prefix_and_version(name: str, ways: Ways) -> None:
    def azure(url: str) -> AsyncOpenAI:
        return AsyncAzureOpenAI(azure_endpoint=url, api_key="client-key", api_version="v", max_retries=0)

    straight, through = await ways.seen(CALLS[name], azure)
    assert straight.path.startswith("/openai/deployments/m/")
    assert through.path == straight.path.replace("/openai/deployments/m/", "/v1/")
    assert (through.query, through.headers["authorization"]) == ("", "Bearer client-key")
    assert without_boundary(through) == without_boundary(straight)


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
