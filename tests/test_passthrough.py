"""What is not translated passes byte for byte, through a mounted middleware and through a gateway."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from fastapi import FastAPI

from responses_asgi import ChatCompletionsMiddleware, Gateway, ResponsesMiddleware, Upstream
from responses_asgi.types.asgi import ASGIApp, Send
from tests.loopback import Received, Recorder, reply, served, until, unused_url

NOISE = bytes(range(256)) * 400
CRLF = b"\r\n"
FORM = CRLF.join(
    [
        b"--xYz ~odd'()+_,-./:=?",
        b'Content-Disposition: form-data; name="purpose"',
        b"",
        b"batch",
        b"--xYz ~odd'()+_,-./:=?",
        b'content-disposition: form-data; name="file"; filename="\xc3\xbc \\"b\\".bin"',
        b"X-Odd:   kept ",
        b"",
        NOISE + b"\r\n--xYz\r\n\x00",
        b"--xYz ~odd'()+_,-./:=?--",
        b"epilogue",
    ]
)


def mounted(upstream: Upstream, how: str) -> tuple[ASGIApp, str, Any]:
    """The app, the path of its mount point, and what is to be closed."""
    if how == "gateway":
        gateway = Gateway(upstream)
        return gateway, "", gateway
    middleware = (ChatCompletionsMiddleware if how == "chat" else ResponsesMiddleware)(upstream)
    host = FastAPI()
    host.mount("/ai", middleware)
    return host, "/ai", middleware


@asynccontextmanager
async def bridged(server: ASGIApp, how: str, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the bridge before a server."""
    options.setdefault("api", "responses" if how == "chat" else "chat")
    async with served(server) as url:
        app, root, component = mounted(Upstream.http(url, **options), how)
        async with served(app) as bridge, httpx.AsyncClient(base_url=bridge + root) as client:
            yield client
        await component.aclose()


@pytest.fixture(params=["responses", "chat", "gateway"])
def how(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


# --- requests


async def test_a_multipart_body_keeps_its_boundary_and_every_byte(how: str) -> None:
    server = Recorder()
    kind = 'multipart/form-data; boundary="xYz ~odd\'()+_,-./:=?"; charset=utf-8'
    async with bridged(server, how) as client:
        answer = await client.post("/v1/files", content=FORM, headers={"content-type": kind})
    assert answer.json() == {"ok": True}
    assert (server.last.body, server.last.headers["content-type"]) == (FORM, kind)
    assert server.last.headers["content-length"] == str(len(FORM))


async def test_a_body_in_chunks_is_sent_on_in_chunks(how: str) -> None:
    server = Recorder()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(NOISE), 10_000):
            yield NOISE[start : start + 10_000]
            await asyncio.sleep(0)

    async with bridged(server, how) as client:
        await client.put("/v1/anything", content=pieces(), headers={"content-type": "application/x-odd"})
    assert (server.last.method, server.last.body) == ("PUT", NOISE)
    assert server.last.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in server.last.headers


async def test_headers_that_describe_a_body_or_a_part_of_a_file_arrive(how: str) -> None:
    server = Recorder()
    packed = gzip.compress(b'{"input":"x"}', mtime=0)
    headers = {
        "content-type": "application/json",
        "content-encoding": "gzip",
        "range": "bytes=1-2",
        "if-none-match": '"x"',
        "openai-safety-identifier": "hash",
    }
    async with bridged(server, how) as client:
        await client.post("/v1/embeddings", content=packed, headers=headers)
    assert server.last.body == packed
    assert {name: server.last.headers.get(name) for name in headers} == headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
async def test_any_method_on_an_unknown_path_arrives(how: str, method: str) -> None:
    server = Recorder()
    async with bridged(server, how) as client:
        answer = await client.request(method, "/v1/some/unknown")
    assert (server.last.method, server.last.path, server.last.body) == (method, "/v1/some/unknown", b"")
    assert answer.status_code == 200


# As they stand in the request line, and what the server may be asked for instead, by the HTTP client.
ODD_TARGETS = {
    "/v1/files/a%20b%2Fc%41?x=%c3%A9+%2B&&y&=z&x=": None,
    "/v1/files?include%5B%5D=a&include[]=b;c&q=100%&d=/?:@!$'()*,~": None,
    "/v1/x;v=1,2/(a)!*'~?": "/v1/x;v=1,2/(a)!*'~",
    "/v1/x?&": None,
    '/v1/x?q="<>': "/v1/x?q=%22%3C%3E",
}


@pytest.mark.parametrize("target", ODD_TARGETS)
async def test_paths_and_queries_arrive_as_they_were_encoded(how: str, target: str) -> None:
    server = Recorder()
    async with bridged(server, how) as client:
        answer = await raw_request(client, f"GET {{root}}{target} HTTP/1.1", b"")
    assert answer.startswith(b"HTTP/1.1 200")
    got = server.last.path + (f"?{server.last.query}" if server.last.query else "")
    assert got in (target, ODD_TARGETS[target])


async def raw_request(client: httpx.AsyncClient, line: str, body: bytes, *headers: str) -> bytes:
    """Send a request by hand, with its target as it is, and read the answer to its end."""
    base = urlsplit(str(client.base_url))
    reader, writer = await asyncio.open_connection(base.hostname, base.port)
    head = [line.format(root=base.path.rstrip("/")), "host: x", "connection: close", *headers, "", ""]
    writer.write("\r\n".join(head).encode() + body)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on(how: str) -> None:
    server = Recorder()
    async with bridged(server, how) as client:
        base = urlsplit(str(client.base_url))
        reader, writer = await asyncio.open_connection(base.hostname, base.port)
        path = f"{base.path.rstrip('/')}/v1/files"
        writer.write(
            f"POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n".encode()
        )
        async with asyncio.timeout(20):
            assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
            writer.write(b"hello")
            await reader.readuntil(b'{"ok": true}')
        writer.close()
    assert server.last.body == b"hello"
    assert "expect" not in server.last.headers


# --- answers


async def test_binary_answers_come_back_as_they_are(how: str) -> None:
    async def script(request: Received, send: Send) -> None:
        headers = [("content-type", "audio/mpeg"), ("content-disposition", "attachment"), ("x-odd", "kept")]
        await send(
            {
                "type": "http.response.start",
                "status": 206,
                "headers": [(name.encode(), value.encode()) for name, value in headers],
            }
        )
        for start in range(0, len(NOISE), 5000):
            piece = NOISE[start : start + 5000]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with bridged(Recorder(script), how) as client:
        answer = await client.post("/v1/audio/speech", json={"model": "m", "voice": "v", "input": "x"})
    assert (answer.status_code, answer.content) == (206, NOISE)
    assert answer.headers["content-type"] == "audio/mpeg"
    assert (answer.headers["content-disposition"], answer.headers["x-odd"]) == ("attachment", "kept")


async def test_a_head_request_is_answered_with_headers_alone(how: str) -> None:
    async def script(request: Received, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1234567")]}
        )
        await send({"type": "http.response.body", "body": b""})

    server = Recorder(script)
    async with bridged(server, how) as client:
        answer = await client.head("/v1/files/file-1/content")
    assert (server.last.method, answer.status_code, answer.content) == ("HEAD", 200, b"")
    assert answer.headers["content-length"] == "1234567"


async def raw_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\nx-odd: a\r\nx-odd: b\r\n\r\n"
        b"5;ext=1\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n"
    )
    await writer.drain()
    writer.close()


async def test_trailers_and_hints_of_the_server_are_left_out(how: str) -> None:
    raw = await asyncio.start_server(raw_answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{raw.sockets[0].getsockname()[1]}"
    app, root, component = mounted(Upstream.http(url, api="responses" if how == "chat" else "chat"), how)
    async with raw, served(app) as bridge, httpx.AsyncClient(base_url=bridge + root) as client:
        answer = await client.get("/v1/x")
    await component.aclose()
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers.get_list("x-odd") == ["a", "b"]
    assert not {"trailer", "x-sum", "link"} & set(answer.headers)


async def test_an_answer_before_the_end_of_an_upload_arrives(how: str) -> None:
    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        while await reader.read(1_000_000):
            pass
        writer.close()

    raw = await asyncio.start_server(early, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{raw.sockets[0].getsockname()[1]}"
    app, root, component = mounted(Upstream.http(url, api="responses" if how == "chat" else "chat"), how)
    async with raw, served(app) as bridge, httpx.AsyncClient(base_url=bridge + root) as client:
        answer = await client.post("/v1/files", content=bytes(20_000_000))
    await component.aclose()
    assert (answer.status_code, answer.content) == (413, b"{}")


# --- whose credential


async def test_with_a_key_of_ours_only_named_paths_are_open(how: str) -> None:
    server = Recorder()
    async with bridged(server, how, api_key="ours") as client:
        for method, path in (
            ("GET", "/v1/files"),
            ("POST", "/v1/files"),
            ("DELETE", "/v1/models/m"),
            ("GET", "/v1/organization/users"),
            ("GET", "/v1/unknown"),
        ):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), path
        assert server.requests == []
        for path in ("/v1/embeddings", "/v1/moderations", "/v1/audio/speech", "/v1/images/edits"):
            assert (await client.post(path, json={})).status_code == 200, path
            assert server.last.headers["authorization"] == "Bearer ours"
    async with bridged(server, how, api_key="ours", passthrough=["files", "GET models"]) as client:
        assert (await client.post("/v1/files/f/content", content=b"x")).status_code == 200
        assert server.last.headers["authorization"] == "Bearer ours"
        assert (await client.post("/v1/embeddings", json={})).status_code == 404


SHOWN = {
    "authorization": "Bearer sk-theirs",
    "api-key": "sk-theirs",
    "x-api-key": "sk-theirs",
    "x-goog-api-key": "sk-theirs",
    "ocp-apim-subscription-key": "sk-theirs",
    "proxy-authorization": "Basic sk-theirs",
    "cookie": "session=sk-theirs",
    "x-auth-token": "sk-theirs",
}
QUERY = (
    "?a=1&api-key=sk-theirs&API_KEY=sk-theirs&access_token=sk-theirs&subscription%2Dkey=sk-theirs&b"
    "&x-api-key=sk-theirs&Ocp-Apim-Subscription-Key=sk-theirs&accessToken=sk-theirs&api-key%20=sk-theirs"
    "&authorization=sk-theirs&api.key=sk-theirs&apiKey[]=sk-theirs"
)


@pytest.mark.parametrize("key", [None, "ours"])
async def test_a_clients_key_never_reaches_a_server_that_did_not_ask_for_it(
    how: str, key: str | None
) -> None:
    server = Recorder()
    async with bridged(server, how, api_key=key) as client:
        for method, path in (("POST", "/v1/embeddings"), ("POST", "/v1/audio/speech")):
            assert (await client.request(method, path + QUERY, headers=SHOWN)).status_code == 200
    assert len(server.requests) == 2
    for request in server.requests:
        assert request.query == "a=1&b"
        assert "sk-theirs" not in repr(request)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"authorization": "Bearer sk-theirs"}, ""),
        ({"api-key": "sk-theirs"}, ""),
        ({}, "?api-key=sk-theirs"),
        ({}, "?authorization=Bearer%20sk-theirs"),
    ],
)
async def test_a_key_that_was_asked_for_arrives_as_a_header(
    how: str, headers: dict[str, str], query: str
) -> None:
    server = Recorder()
    async with bridged(server, how, credentials="forward") as client:
        await client.get(f"/v1/files{query}", headers=headers)
    assert (server.last.headers["authorization"], server.last.query) == ("Bearer sk-theirs", "")


async def test_a_key_in_the_query_that_no_header_can_carry_is_dropped(how: str) -> None:
    server = Recorder()
    async with bridged(server, how, credentials="forward") as client:
        await client.get("/v1/files?api-key=a%0D%0Ax-evil:%201&access_token=")
    assert (server.last.query, "authorization" in server.last.headers) == ("", False)
    assert "x-evil" not in server.last.headers


# --- the SDK


async def test_the_sdk_works_on_files_audio_and_images_through_the_bridge(how: str) -> None:
    async def script(request: Received, send: Send) -> None:
        if request.path.endswith(("/speech", "/content")):
            await reply(send, NOISE, headers=[("content-type", "application/octet-stream")])
        else:
            await reply(send, {"id": "x", "object": "list", "data": [], "text": "heard"})

    server = Recorder(script)
    async with bridged(server, how, credentials="forward") as client:
        base = str(client.base_url).rstrip("/") + "/v1"
        sdk = openai.AsyncOpenAI(base_url=base, api_key="sk-theirs", max_retries=0)
        await sdk.files.create(file=("ü.bin", NOISE), purpose="batch")
        assert NOISE in server.last.body
        assert (await sdk.files.content("file-1")).content == NOISE
        assert (await sdk.audio.speech.create(model="m", voice="v", input="x")).content == NOISE
        assert (await sdk.audio.transcriptions.create(model="m", file=("a.wav", NOISE))).text == "heard"
        assert NOISE in server.last.body
        await sdk.images.edit(image=("a.png", NOISE), prompt="x")
        assert NOISE in server.last.body
        await sdk.close()


# --- memory


SIZE = 200_000_000
PIECE = bytes(range(256)) * 256


@contextmanager
def process_of_a_bridge(url: str) -> Iterator[tuple[int, str, int]]:
    """A bridge served by uvicorn in a process of its own: its id, its host and its port."""
    bridge = urlsplit(unused_url())
    command = [sys.executable, "-m", "uvicorn", "tests.passthrough_app:app", "--log-level", "error"]
    environment = {**os.environ, "UPSTREAM_URL": url, "PYTHONPATH": os.pathsep.join([".", *sys.path])}
    process = subprocess.Popen([*command, "--port", str(bridge.port)], env=environment)
    try:
        assert bridge.port is not None
        yield process.pid, "127.0.0.1", bridge.port
    finally:
        process.terminate()
        process.wait(10)


def peak_kilobytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


async def warehouse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes an upload and tells its hash, or gives out as many bytes as are asked for."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    size = int(head.partition("content-length: ")[2].split("\r\n")[0]) if "content-length: " in head else 0
    if head.startswith("post"):
        digest, left = hashlib.sha256(), size
        while left:
            piece = await reader.read(min(left, 1_000_000))
            digest.update(piece)
            left -= len(piece)
        body = digest.hexdigest().encode()
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 64\r\n\r\n" + body)
    else:
        wanted = int(head.partition("?size=")[2].split(" ")[0])
        writer.write(f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {wanted}\r\n\r\n".encode())
        for _ in range(wanted // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
    await writer.drain()
    writer.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to know a process's memory")
async def test_200_megabytes_each_way_take_a_few_megabytes_of_memory() -> None:
    count = SIZE // len(PIECE)
    expected = hashlib.sha256()
    for _ in range(count):
        expected.update(PIECE)
    server = await asyncio.start_server(warehouse, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        with process_of_a_bridge(url) as (pid, host, port):
            await until(lambda: can_connect(host, port), 30)
            for times in (4, count):
                before = peak_kilobytes(pid) if times == count else 0
                assert await upload(host, port, times) == (expected.hexdigest() if times == count else None)
                assert await download(host, port, times) == times * len(PIECE)
            grown = peak_kilobytes(pid) - before
    assert grown < 8_000, f"{grown} kB"


def can_connect(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


async def upload(host: str, port: int, times: int) -> str | None:
    """The hash that the server saw; None for the small one that only warms up."""
    reader, writer = await asyncio.open_connection(host, port)
    size = times * len(PIECE)
    writer.write(
        f"POST /v1/files HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n".encode()
    )
    for _ in range(times):
        writer.write(PIECE)
        await writer.drain()
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200")
    return answer[-64:].decode() if times > 4 else None


async def download(host: str, port: int, times: int) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    size = times * len(PIECE)
    writer.write(
        f"GET /v1/files/f/content?size={size} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    received = 0
    while piece := await reader.read(1_000_000):
        received += len(piece)
    writer.close()
    return received
