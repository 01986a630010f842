"""A server that refuses the operator's own credential: the client is not told that its own is bad."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from responses_asgi import Gateway, KeyAuth, Keys, Upstream, client
from responses_asgi.auth.grants import GRANT
from responses_asgi.cli import main
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.testing import FakeModel
from responses_asgi.testing.server import served as served_in_thread
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.upstreams.masking import Masking
from tests.loopback import Received, Recorder, ask, reply, served
from tests.sockets import denying, dial

OWN = "sk-operators-own-key-0123456789abcdef"
QUOTED = f"Incorrect API key provided: {OWN[:12]}********{OWN[-4:]}."
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
THEIRS = [("content-type", "application/json"), ("authorization", "Bearer theirs")]


def refusing(status: int, error: Any = None, *headers: tuple[str, str]) -> Recorder:
    async def script(request: Received, send: Send) -> None:
        told = error if error is not None else {"message": QUOTED, "code": "invalid_api_key"}
        document = told if isinstance(told, bytes) else {"error": told}
        await reply(send, document, status, [("www-authenticate", "Bearer"), *headers])

    return Recorder(script)


@asynccontextmanager
async def behind(server: ASGIApp, **options: Any) -> AsyncIterator[Upstream]:
    async with served(server) as url:
        upstream = Upstream.http(url, **options)
        try:
            yield upstream
        finally:
            await upstream.aclose()


CODES = {401: "upstream_authentication_failed", 403: "upstream_permission_denied"}


@pytest.mark.parametrize("status", CODES)
@pytest.mark.parametrize(
    ("options", "hides"),
    [
        ({"api_key": OWN}, True),
        ({"token": OWN}, True),
        ({"api_key": OWN, "credentials": "forward_or_own"}, False),
        ({"credentials": "forward"}, False),
        ({"credentials": "forward", "headers": {"Authorization": f"Bearer {OWN}"}}, True),
        ({"headers": {"x-api-key": OWN}}, True),
        ({"client": "with the operator's key"}, True),
        ({}, False),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/embeddings", "/v1/responses"])
async def test_whose_credential_was_refused(
    status: int, options: dict[str, Any], hides: bool, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = {**BODY, "input": "hi"}
    if "client" in options:
        options = {"client": httpx.AsyncClient(headers={"authorization": f"Bearer {OWN}"})}
    async with behind(refusing(status, None, ("x-request-id", "req_7")), **options) as upstream:
        got = await ask(Gateway(upstream), path, body, headers=THEIRS)
    assert got.headers["x-request-id"] == "req_7"
    if not hides:
        assert (got.status, got.json()["error"]["code"]) == (status, "invalid_api_key")
        return
    assert (got.status, got.code) == (502, CODES[status])
    assert got.headers["x-should-retry"] == "false"
    assert "www-authenticate" not in got.headers
    assert OWN[:12] not in got.body.decode()
    assert f"answered HTTP {status} to this service's own credential: 'invalid_api_key'" in caplog.text
    assert OWN[:12] not in caplog.text


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        ({"message": "Your prompt was flagged as violence."}, 400, "invalid_prompt"),
        ({"message": "prompt is too long: 9 tokens > 8 maximum"}, 400, "context_length_exceeded"),
        ({"message": "Insufficient credits, add more."}, 429, "insufficient_quota"),
        ({"message": "no", "code": "rate_limited"}, 429, "rate_limit_exceeded"),
        (b"<html>no</html>", 502, "upstream_permission_denied"),
        (b"x" * 100_000, 502, "upstream_permission_denied"),
    ],
)
async def test_what_is_about_the_request_is_told(error: Any, status: int, code: str) -> None:
    async with behind(refusing(403, error, ("retry-after", "7")), api_key=OWN) as upstream:
        got = await ask(Gateway(upstream), "/v1/responses", {"model": "m", "input": "hi"}, headers=THEIRS)
    assert (got.status, got.code, got.headers["retry-after"]) == (status, code, "7")
    if isinstance(error, dict):
        assert got.json()["error"]["message"] == error["message"]


@pytest.mark.parametrize("is_cut", [False, True])
async def test_bodies_that_are_packed_or_broken_off(is_cut: bool, caplog: pytest.LogCaptureFixture) -> None:
    body = b"cut" if is_cut else gzip.compress(json.dumps({"error": {"code": "x"}}).encode())

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        length = 100 if is_cut else len(body)
        headers = [(b"content-length", str(length).encode())]
        if not is_cut:
            headers.append((b"content-encoding", b"gzip"))
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async with behind(server, api_key=OWN) as upstream:
        got = await ask(Gateway(upstream), body=BODY, headers=THEIRS)
    assert (got.status, got.code) == (502, "upstream_authentication_failed")
    assert ("credential: 'x'" in caplog.text) == (not is_cut)


async def test_a_grant_is_not_withdrawn_for_it() -> None:
    """Two upstreams: one checks the client's credential, the other is shown a bad one of the operator's."""

    async def checking(scope: Scope, receive: Receive, send: Send) -> None:
        good = dict(scope["headers"]).get(b"authorization") == b"Bearer theirs"
        await (FakeModel("hi")(scope, receive, send) if good else reply(send, {}, 401))

    store = MemoryStore()
    async with behind(checking, credentials="forward") as asked, behind(refusing(401), api_key=OWN) as other:
        gateway = Gateway({"asked": asked, "other": other}, store=store)
        for model, status in (("asked", 200), ("other", 502)):
            got = await ask(gateway, "/v1/responses", {"model": model, "input": "hi"}, headers=THEIRS)
            assert got.status == status
            assert (await ask(gateway, "/v1/conversations", {}, headers=THEIRS)).status == 200
        assert [kept for kept in store._kept if kept[0] == GRANT]


async def test_the_next_upstream_is_asked() -> None:
    async with behind(refusing(401), api_key=OWN) as first:
        gateway = Gateway({"m": [first, Upstream.asgi(FakeModel("hi"))]})
        assert (await ask(gateway, body=BODY, headers=THEIRS)).status == 200


async def test_the_sdk_does_not_ask_again() -> None:
    keys = Keys("memory")
    token = (await keys.create()).token
    server = refusing(401)
    async with behind(server, api_key=OWN) as upstream:
        sdk = client(Gateway(upstream, auth=KeyAuth(keys=keys)), api_key=token, max_retries=3)
        with pytest.raises(openai.InternalServerError) as caught:
            await sdk.responses.create(model="m", input="hi")
        assert caught.value.code == "upstream_authentication_failed"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("options", "status", "told"),
    [
        ({"api_key": OWN}, 401, 502),
        ({}, 401, 401),
        ({"api_key": OWN}, 403, 403),
        ({"api_key": OWN}, 404, 404),
    ],
)
async def test_sockets(options: dict[str, Any], status: int, told: int) -> None:
    """A 403 is what servers answer that have no socket there, whoever asks."""
    body = json.dumps({"error": {"message": QUOTED}}).encode()
    async with behind(denying(status, body), **options) as upstream, served(upstream.app) as url:
        with pytest.raises(InvalidStatus) as caught:
            async with dial(url, "/v1/responses"):
                pass
    assert caught.value.response.status_code == told
    assert (OWN[:12].encode() in (caught.value.response.body or b"")) == (told == status)


@pytest.mark.parametrize("status", [200, 404, 429, 500])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions", "/v1/embeddings"])
async def test_errors_that_repeat_the_key_are_masked(status: int, path: str) -> None:
    """Also where it comes in pieces."""
    error = json.dumps({"error": {"message": f"no: Bearer {OWN}, {OWN}!"}}).encode()

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(error)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for start in range(0, len(error), 7):
            piece = error[start : start + 7]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with behind(server, api_key=OWN) as upstream:
        got = await ask(Gateway(upstream, store=None), path, {**BODY, "input": "hi"}, headers=THEIRS)
        own = await ask(
            Gateway(upstream, store=None), path, {**BODY, "input": "hi"}, headers=[("api-key", OWN)]
        )
    if status >= 400 or "embeddings" in path:
        assert got.json()["error"]["message"] == f"no: Bearer {'*' * len(OWN)}, {'*' * len(OWN)}!"
    assert own.status == got.status


CHUNK = {
    "id": "c",
    "object": "chat.completion.chunk",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}],
}


def failing_stream(*told: Any, cut: int = 7) -> ASGIApp:
    """A server whose stream tells these events, in pieces of so many bytes."""
    body = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in told)

    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        for start in range(0, len(body), cut):
            piece = body[start : start + cut]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return server


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
@pytest.mark.parametrize("before", [[], [CHUNK]])
@pytest.mark.parametrize("error", [{"message": f"Bad key {OWN}.", "code": "teapot"}])
async def test_streams_that_repeat_the_key_are_masked(error: Any, before: list[Any], path: str) -> None:
    async with behind(failing_stream(*before, {"error": error}), api_key=OWN) as upstream:
        got = await ask(
            Gateway(upstream, store=None), path, {**BODY, "input": "hi", "stream": True}, headers=THEIRS
        )
    assert f"Bad key {'*' * len(OWN)}." in got.body.decode()
    assert OWN not in got.body.decode()


async def test_what_servers_that_look_at_no_key_are_given_may_be_said() -> None:
    said = {**CHUNK, "choices": [{"index": 0, "delta": {"content": "Use LM Studio, lm-studio."}}]}
    async with behind(failing_stream(said), api_key="lm-studio") as upstream:
        got = await ask(Gateway(upstream, store=None), "/v1/chat/completions", {**BODY, "stream": True})
    assert "LM Studio, lm-studio." in got.body.decode()


@pytest.mark.parametrize("spoken", ["chat", "responses"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": QUOTED, "code": 401}, "upstream_authentication_failed"),
        ({"message": QUOTED, "code": "invalid_api_key"}, "upstream_authentication_failed"),
        ({"message": QUOTED, "code": 403}, "upstream_permission_denied"),
        ({"message": "Flagged.", "code": "invalid_prompt"}, "invalid_prompt"),
    ],
)
async def test_refusals_within_an_answer_are_no_affair_of_the_client(
    error: Any, code: str, stream: bool, spoken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Some gateways tell what a provider answered with a status of 200."""
    server = failing_stream({"error": error}, cut=10_000) if stream else refusing(200, error)
    path = "/v1/responses" if spoken == "chat" else "/v1/chat/completions"
    body = {**BODY, "input": "hi", "stream": stream}
    async with behind(server, api_key=OWN, api=spoken) as upstream:
        got = await ask(Gateway(upstream, store=None), path, body, headers=THEIRS)
    assert code in got.body.decode()
    assert (OWN[:12] in got.body.decode()) is False
    if not stream:
        assert got.status == (502 if "upstream" in code else 400)
    told = [record for record in caplog.records if "own credential" in record.getMessage()]
    assert len(told) == ("upstream" in code)


async def test_refusals_within_an_answer_to_the_clients_credential_are_its_affair() -> None:
    error = {"message": QUOTED, "code": "invalid_api_key"}
    async with behind(refusing(200, error), credentials="forward") as upstream:
        got = await ask(
            Gateway(upstream, store=None), "/v1/responses", {**BODY, "input": "hi"}, headers=THEIRS
        )
    assert (got.status, got.json()["error"]["code"]) == (401, "invalid_api_key")


async def test_sockets_that_repeat_the_key_are_masked() -> None:
    body = json.dumps({"error": {"message": f"no: {OWN}"}}).encode()
    async with behind(denying(429, body), api_key=OWN) as upstream, served(upstream.app) as url:
        with pytest.raises(InvalidStatus) as caught:
            async with dial(url, "/v1/responses"):
                pass
    assert caught.value.response.body == body.replace(OWN.encode(), b"*" * len(OWN))


ENCODED = b"\x0b\x1c\x80" + OWN.encode()


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br"])
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/embeddings"])
async def test_errors_in_which_the_key_would_not_be_found_are_not_shown(encoding: str, path: str) -> None:
    """Unasked: a server is asked for no encoding at all, whatever the client takes."""
    server = refusing(429, ENCODED, ("content-encoding", encoding), ("retry-after", "7"))
    asking = [*THEIRS, ("accept-encoding", "br, zstd, gzip")]
    async with behind(server, api_key=OWN) as upstream:
        got = await ask(Gateway(upstream, store=None), path, {**BODY, "input": "hi"}, headers=asking)
    assert server.last.headers["accept-encoding"] == "identity"
    assert (got.status, got.json()["error"]["code"]) == (429, "upstream_unreadable")
    assert got.headers["retry-after"] == "7"
    assert "content-encoding" not in got.headers
    assert encoding in got.json()["error"]["message"]


async def test_errors_to_the_clients_own_key_are_its_own_in_any_encoding() -> None:
    server = refusing(429, ENCODED, ("content-encoding", "br"))
    async with behind(server, credentials="forward") as upstream:
        got = await ask(Gateway(upstream, store=None), "/v1/embeddings", BODY, headers=THEIRS)
    assert (got.status, got.body, got.headers["content-encoding"]) == (429, ENCODED, "br")


async def test_refused_sockets_in_which_the_key_would_not_be_found_are_not_shown() -> None:
    encoded = denying(429, ENCODED, (b"content-encoding", b"br"))
    async with behind(encoded, api_key=OWN) as upstream, served(upstream.app) as url:
        with pytest.raises(InvalidStatus) as caught:
            async with dial(url, "/v1/responses"):
                pass
    assert caught.value.response.status_code == 429
    assert OWN.encode() not in (caught.value.response.body or b"")


@pytest.mark.parametrize(("own", "shown"), [(True, "*" * len(OWN)), (False, OWN)])
async def test_messages_of_sockets_that_repeat_the_key_are_masked(own: bool, shown: str) -> None:
    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f'{{"error": "no: {OWN}, größer"}}'})
        await send({"type": "websocket.send", "bytes": b"\xff" + OWN.encode()})
        await send({"type": "websocket.close", "code": 4001, "reason": f"bad {OWN}"})

    options: dict[str, Any] = {"api_key": OWN} if own else {"credentials": "forward"}
    path = "/v1/responses" if own else "/v1/realtime"
    async with (
        behind(server, **options) as upstream,
        served(upstream.app) as url,
        dial(url, path) as socket,
    ):
        assert await socket.recv() == f'{{"error": "no: {shown}, größer"}}'
        assert await socket.recv() == b"\xff" + shown.encode()
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert (socket.close_code, socket.close_reason) == (4001, f"bad {shown}")


def test_masking_wherever_a_body_is_cut() -> None:
    body = b"<abcdefghij> abcdefghi klmnopqr, short"
    for first in range(len(body)):
        for second in range(first, len(body)):
            masking = Masking([b"abcdefghij", b"short", b"klmnopqr"])
            pieces = [body[:first], body[first:second], body[second:]]
            shown = b"".join(masking.feed(piece) for piece in pieces) + masking.flush()
            assert shown == b"<**********> abcdefghi ********, short"
    assert Masking([]).feed(body) == body


def test_the_commands_say_that_the_key_is_bad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("THE_KEY", OWN)
    with served_in_thread(refusing(401)) as there:
        for command in (["models"], ["probe", "--model", "m"]):
            assert main([*command, there.url, "--api-key-env", "THE_KEY"]) == 1
            assert "does not accept the credential" in capsys.readouterr().err
