"""Every way an upstream can fail, behind every wrapping: one legal end of the stream, or one HTTP status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from responses_asgi import ResponsesMiddleware, Upstream
from responses_asgi.testing import assert_valid_stream
from tests.acceptance import SERVERS, WRAPPINGS, open_houses, under_uvicorn

ROUTES = ("fastapi", "layered", "django", "http", "in-house route", "flask")
HANDLERS = ("handler", "sync handler")

CUT = "server_error"
GONE = "upstream_disconnected"
THEIRS = "server_is_overloaded"

# Behind BaseHTTPMiddleware an exception comes after a clean end; over HTTP it is a lost connection.
AFTER_AN_EXCEPTION = dict.fromkeys(WRAPPINGS, (CUT, 500)) | {"layered": (CUT, 502), "http": (GONE, 502)}
# Starlette and Django end the response of a task that was cancelled without a word.
AFTER_A_CANCELLATION = AFTER_AN_EXCEPTION | dict.fromkeys(("fastapi", "in-house route", "django"), (CUT, 502))

FAULTS: dict[str, dict[str, tuple[str, int]]] = {
    "raise after": AFTER_AN_EXCEPTION,
    "reset": AFTER_AN_EXCEPTION,
    "cancel": AFTER_A_CANCELLATION,
    "error chunk": dict.fromkeys(WRAPPINGS, (THEIRS, 503)),
    "error event": dict.fromkeys(ROUTES, (THEIRS, 502)),
    "broken chunk": dict.fromkeys(ROUTES, (CUT, 502)),
    "no finish": dict.fromkeys(ROUTES, (CUT, 200)),
}
"""Scene -> wrapping -> the code in a stream that had begun, and the status of a whole answer.

A document that is complete needs no finish_reason, and nothing but one tells that a stream is.
"""

CASES = [(scene, wrapping) for scene, wrappings in FAULTS.items() for wrapping in wrappings]

# An upstream that sends the beginning of an answer, and then waits to be killed.
DYING = """
import socket, sys
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
connection, _ = listening.accept()
connection.recv(65536)
connection.sendall(sys.argv[1].encode())
print("sent", flush=True)
connection.recv(1)
"""


@pytest.fixture(scope="module")
def houses() -> Iterator[dict[str, str]]:
    with open_houses() as urls:
        yield urls


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    # A server closes the connection of an app that has raised, and a next request on it could be lost.
    with httpx.Client(timeout=20, limits=httpx.Limits(max_keepalive_connections=0)) as client:
        yield client


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, houses: dict[str, str]) -> str:
    return houses[request.param]


def failure(stream: bytes) -> dict[str, Any]:
    """The error of a legal stream that was failed after it had said "Hello", told in both forms."""
    final = assert_valid_stream(stream)
    blocks = [json.loads(block.partition(b"data: ")[2]) for block in stream.split(b"\n\n") if block]
    told, failed = blocks[-2:]
    assert (told["type"], failed["type"]) == ("error", "response.failed")
    assert failed["response"] == final
    assert final["status"] == "failed"
    (message,) = final["output"]
    assert message["content"][0]["text"] == "Hello"
    error: dict[str, Any] = final["error"]
    assert (told["message"], told["code"]) == (error["message"], error["code"])
    assert told["error"]["message"] == told["message"]
    return error


@pytest.mark.parametrize(("scene", "wrapping"), CASES)
def test_a_stream_that_breaks_is_failed_once(
    scene: str, wrapping: str, server: str, http: httpx.Client
) -> None:
    body = {"model": scene, "input": "hi", "stream": True}
    answer = http.post(f"{server}/{WRAPPINGS[wrapping]}/responses", json=body)
    assert answer.status_code == 200
    code, _ = FAULTS[scene][wrapping]
    assert failure(answer.content)["code"] == code
    assert "secret" not in answer.text


@pytest.mark.parametrize(("scene", "wrapping"), CASES)
def test_a_whole_answer_that_breaks_is_an_http_error(
    scene: str, wrapping: str, houses: dict[str, str], http: httpx.Client
) -> None:
    answer = http.post(
        f"{houses['uvicorn']}/{WRAPPINGS[wrapping]}/responses", json={"model": scene, "input": "hi"}
    )
    _, status = FAULTS[scene][wrapping]
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["status"] == "completed"
        return
    assert set(answer.json()["error"]) >= {"message", "type", "param", "code"}
    assert "secret" not in answer.text


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_before_the_first_byte_a_failure_is_an_http_status(
    wrapping: str, stream: bool, server: str, http: httpx.Client
) -> None:
    url = f"{server}/{WRAPPINGS[wrapping]}/responses"
    raised = http.post(url, json={"model": "raise before", "input": "hi", "stream": stream})
    assert (raised.status_code, raised.json()["error"]["code"]) == (500, "server_error")
    assert "secret" not in raised.text
    denied = http.post(url, json={"model": "deny", "input": "hi", "stream": stream})
    assert denied.status_code == 429
    assert denied.json()["error"] == {
        "message": "slow down",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert (denied.headers["retry-after"], denied.headers["x-request-id"]) == ("7", "req_1")


@pytest.fixture
def dying(stream: bool) -> Iterator[subprocess.Popen[str]]:
    """The process of an upstream that stops in the middle of its answer."""
    chunk = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": None}]}
    text = f"data: {json.dumps(chunk)}\n\n" if stream else '{"choices": ['
    kind = "text/event-stream" if stream else "application/json"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: 100000\r\n\r\n"
    command = [sys.executable, "-c", DYING, head + text]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_an_upstream_process_that_is_killed(
    stream: bool, dying: subprocess.Popen[str], http: httpx.Client
) -> None:
    """In a stream, once the client has read what there is of it."""
    assert dying.stdout is not None
    url = f"http://127.0.0.1:{int(dying.stdout.readline())}/v1"
    body = {"model": "m", "input": "hi", "stream": stream}
    received = bytearray()

    def ask(base_url: str) -> int:
        with http.stream("POST", f"{base_url}/v1/responses", json=body) as answer:
            for piece in answer.iter_raw():
                received.extend(piece)
                if b'"delta":"Hello"' in received:
                    dying.kill()
            return answer.status_code

    with under_uvicorn(ResponsesMiddleware(Upstream.http(url))) as base_url, ThreadPoolExecutor(1) as thread:
        asked = thread.submit(ask, base_url)
        assert dying.stdout.readline() == "sent\n"
        if not stream:
            dying.kill()
        status = asked.result(20)
    if stream:
        assert (status, failure(bytes(received))["code"]) == (200, GONE)
    else:
        assert (status, json.loads(received)["error"]["code"]) == (502, GONE)
