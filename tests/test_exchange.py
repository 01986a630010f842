"""What a client is told for whatever an upstream's app sends, raises or leaves out."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from responses_asgi.errors import UpstreamError
from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from tests.asgi_driver import (
    DONE,
    HELLO,
    JSON_TYPE,
    SSE,
    Exchange,
    chunk,
    completion,
    data,
    playing,
    post,
    whole,
)

HTML = (b"content-type", b"text/html; charset=utf-8")
PLAIN = (b"content-type", b"text/plain; charset=utf-8")


async def ask(
    app: ASGIApp, *, stream: bool, raises: type[BaseException] | None = None, **options: Any
) -> Exchange:
    """Send a request; the stream that comes back is legal, whatever happened."""
    exchange = post(ResponsesMiddleware(app, **options), stream=stream)
    if raises is None:
        await exchange.run()
    else:
        with pytest.raises(raises):
            await exchange.run()
    assert exchange.is_complete
    if exchange.headers["content-type"].startswith("text/event-stream"):
        assert_valid_stream(exchange.body)
    return exchange


def failure(exchange: Exchange) -> dict[str, Any]:
    """The error of a stream that failed: `error`, then `response.failed`, and nothing after them."""
    told, failed = exchange.events[-2:]
    assert (told["type"], failed["type"]) == ("error", "response.failed")
    assert failed["response"]["error"]["message"] == told["message"] == told["error"]["message"]
    error: dict[str, Any] = failed["response"]["error"]
    return error


# Streams


async def test_stream() -> None:
    exchange = await ask(playing(*HELLO), stream=True)
    assert exchange.status == 200
    assert exchange.text == "Hello"
    assert exchange.types[-1] == "completed"
    assert exchange.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert exchange.headers["cache-control"] == "no-cache, no-transform"
    assert exchange.headers["x-accel-buffering"] == "no"
    assert "content-length" not in exchange.headers


async def test_each_message_of_the_upstream_becomes_one_message() -> None:
    """And each event lies whole in one message: there are clients that read per message."""
    exchange = await ask(playing(HELLO[0] + HELLO[1], *HELLO[2:]), stream=True)
    opening, text, last = exchange.bodies
    assert (opening.count(b"\n\n"), text.count(b"\n\n"), last.count(b"\n\n")) == (2, 4, 4)
    assert all(body.startswith(b"event: ") and body.endswith(b"\n\n") for body in exchange.bodies)


async def test_opening_events_are_sent_with_the_start_of_the_upstream() -> None:
    go = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await go.wait()
        await send({"type": "http.response.body", "body": b"".join(HELLO)})

    exchange = post(ResponsesMiddleware(app), stream=True).start()
    await exchange.until(lambda: len(exchange.sent) == 2)
    assert exchange.types == ["created", "in_progress"]
    go.set()
    await exchange.end()
    assert exchange.text == "Hello"


async def test_upstream_and_client_go_in_lock_step() -> None:
    """The upstream's next chunk is made only after the client has the delta of the last."""
    seen = 0
    exchange: Exchange

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal seen
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        for n in range(20):
            body = data(chunk(f"{n} "))
            await send({"type": "http.response.body", "body": body, "more_body": True})
            assert exchange.text.endswith(f"{n} ")
            seen += 1
        await send({"type": "http.response.body", "body": data(chunk(finish_reason="stop")) + DONE})

    exchange = post(ResponsesMiddleware(app), stream=True)
    await exchange.run()
    assert seen == 20


async def test_dialect_decides_on_the_done_marker() -> None:
    assert b"[DONE]" not in (await ask(playing(*HELLO), stream=True)).body
    exchange = post(ResponsesMiddleware(playing(*HELLO), dialect="openresponses"), stream=True)
    await exchange.run()
    assert exchange.body.endswith(b"\n\ndata: [DONE]\n\n")


STREAM = b"".join(
    [
        b": hello\r\n\r\n",
        *[data(chunk(text)) for text in ("Grüße, ", "😀\u2028", "\u0085 日本")],
        b"event: message\r\ndata: " + json.dumps(chunk("!")).encode() + b"\r\n\r\n",
        data(chunk(finish_reason="stop")),
        DONE,
    ]
).replace(b"\\u2028", "\u2028".encode())


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_bytes_cut_anywhere_give_the_same_answer(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(places)]
    exchange = asyncio.run(ask(playing(*pieces), stream=True))
    assert exchange.text == "Grüße, 😀\u2028\u0085 日本!"
    assert exchange.types[-1] == "completed"


async def test_byte_by_byte() -> None:
    exchange = await ask(playing(*[bytes([byte]) for byte in STREAM]), stream=True)
    assert exchange.text == "Grüße, 😀\u2028\u0085 日本!"


async def test_finish_without_done_marker_is_complete() -> None:
    assert (await ask(playing(*HELLO[:-1]), stream=True)).types[-1] == "completed"


async def test_last_event_without_its_empty_line() -> None:
    exchange = await ask(playing(*HELLO[:2], HELLO[2].rstrip()), stream=True)
    assert exchange.types[-1] == "completed"


@pytest.mark.parametrize(
    "cut", [HELLO[:2], [*HELLO[:2], HELLO[2][:-20]]], ids=["between events", "in an event"]
)
async def test_end_of_the_body_is_not_the_end_of_the_answer(cut: list[bytes]) -> None:
    exchange = await ask(playing(*cut), stream=True)
    assert exchange.text == "Hello"
    assert "cut off" in failure(exchange)["message"]


async def test_error_chunk_fails_the_stream_and_ends_it() -> None:
    error = data({"error": {"message": "overloaded", "type": "server_error", "code": 503}})
    exchange = await ask(playing(HELLO[0], error, HELLO[1]), stream=True)
    assert exchange.text == "Hel"
    assert failure(exchange)["message"] == "overloaded"


async def test_error_event_fails_the_stream() -> None:
    exchange = await ask(playing(HELLO[0], b'event: error\ndata: {"message": "no"}\n\n'), stream=True)
    assert failure(exchange)["message"] == "no"


@pytest.mark.parametrize("event", [b'data: {"choices": [\n\n', b"data: [1]\n\n", b"data: oops\n\n"])
async def test_broken_event_fails_the_stream_after_what_came_before_it(event: bytes) -> None:
    exchange = await ask(playing(HELLO[0] + event, *HELLO[1:]), stream=True)
    assert exchange.text == "Hel"
    assert "that is not a JSON object" in failure(exchange)["message"]


async def test_too_large_event_fails_the_stream() -> None:
    exchange = await ask(playing(HELLO[0], b"data: " + b"x" * 2000), stream=True, max_answer_bytes=1000)
    assert failure(exchange)["code"] == "event_too_large"


async def test_answer_is_closed_at_the_done_marker_while_the_app_goes_on() -> None:
    go = asyncio.Event()
    done = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal done
        await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
        await send({"type": "http.response.body", "body": b"".join(HELLO), "more_body": True})
        await go.wait()
        await send({"type": "http.response.body", "body": data(chunk("late")), "more_body": True})
        await send({"type": "http.response.body"})
        done = True

    exchange = post(ResponsesMiddleware(app), stream=True).start()
    await exchange.until(lambda: exchange.is_complete)
    assert exchange.types[-1] == "completed"
    await asyncio.sleep(0.4)  # longer than the grace after which a client's leaving cancels
    go.set()
    await exchange.end()
    assert done
    assert "late" not in exchange.text


# Whole answers


async def test_whole_answer() -> None:
    exchange = await ask(whole(completion()), stream=False)
    assert exchange.status == 200
    assert exchange.headers["content-type"] == "application/json"
    assert exchange.json["status"] == "completed"
    assert exchange.json["output"][0]["content"][0]["text"] == "Hello"
    assert exchange.json["usage"]["total_tokens"] == 3


async def test_whole_answer_in_pieces() -> None:
    text = json.dumps(completion("Grüße"), ensure_ascii=False).encode()
    exchange = await ask(playing(*[bytes([byte]) for byte in text], headers=[JSON_TYPE]), stream=False)
    assert exchange.json["output"][0]["content"][0]["text"] == "Grüße"


async def test_stream_to_a_client_that_did_not_ask_for_one_is_folded() -> None:
    exchange = await ask(playing(*HELLO), stream=False)
    assert exchange.json["output"][0]["content"][0]["text"] == "Hello"
    assert exchange.headers["content-type"] == "application/json"


async def test_whole_answer_to_a_client_that_asked_for_a_stream_becomes_events() -> None:
    exchange = await ask(whole(completion()), stream=True)
    assert exchange.text == "Hello"
    assert exchange.types[-1] == "completed"


async def test_folded_stream_that_failed_before_it_said_anything_is_an_http_error() -> None:
    exchange = await ask(playing(data(chunk(""))), stream=False)
    assert exchange.status == 502
    assert "cut off" in exchange.error["message"]


@pytest.mark.parametrize(
    "app",
    [
        playing(*HELLO[:2]),
        playing(*HELLO[:2], data({"error": {"message": "cut off"}})),
        whole({**completion(), "error": {"message": "cut off"}}),
    ],
    ids=["cut stream", "error chunk", "error beside the answer"],
)
async def test_what_was_said_before_a_failure_is_not_lost(app: ASGIApp) -> None:
    exchange = await ask(app, stream=False)
    assert (exchange.status, exchange.json["status"]) == (200, "failed")
    assert "cut off" in exchange.json["error"]["message"]
    assert exchange.json["output"][0]["content"][0]["text"] == "Hello"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "headers",
    [[(b"Content-Type", b"Text/Event-Stream;charset=utf-8")], [PLAIN], [JSON_TYPE], []],
    ids=["odd spelling", "text/plain", "application/json", "no type"],
)
async def test_body_that_is_a_stream_is_read_as_one(headers: list[Any], stream: bool) -> None:
    exchange = await ask(playing(*HELLO, headers=headers), stream=stream)
    assert "Hello" in (exchange.text if stream else exchange.json["output"][0]["content"][0]["text"])


@pytest.mark.parametrize("headers", [[PLAIN], [], [(b"content-type", b"application/vnd.api+json")]])
async def test_body_that_is_json_is_read_as_json(headers: list[Any]) -> None:
    exchange = await ask(whole(completion(), headers=headers), stream=False)
    assert exchange.json["status"] == "completed"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
async def test_document_that_calls_itself_an_event_stream(stream: bool, indent: int | None) -> None:
    text = json.dumps(completion(), indent=indent).encode() + b"\n\n"
    exchange = await ask(playing(*[text[at : at + 9] for at in range(0, len(text), 9)]), stream=stream)
    assert b"Hello" in exchange.body
    if stream:
        assert exchange.types[-1] == "completed"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"out of order"}}', "out of order"),
        (b'\n{"error":\n\n{"message":"out of order"}}\n\n', "out of order"),
        (b"<html>\n\n</html>", "text/event-stream that is not JSON"),
        (b"upstream overloaded", "text/event-stream that is not JSON"),
        (b": ping\n\n", "cut off"),
        (b"dat", "cut off"),
        (b"retry: 1\n\n", "cut off"),
        (b"", "cut off"),
    ],
)
async def test_event_stream_without_events(body: bytes, message: str) -> None:
    assert message in failure(await ask(playing(body), stream=True))["message"]
    folded = await ask(playing(body), stream=False)
    assert folded.status == 502
    assert message in folded.error["message"]


async def test_event_stream_without_events_is_limited() -> None:
    text = b"<html>\n\n" * 1000
    app = playing(*[text[at : at + 100] for at in range(0, len(text), 100)])
    exchange = await ask(app, stream=True, max_answer_bytes=1000)
    assert "1000 bytes" in failure(exchange)["message"]


async def test_created_is_a_success_too() -> None:
    assert (await ask(whole(completion(), status=201), stream=False)).status == 200


@pytest.mark.parametrize("stream", [True, False])
async def test_answer_that_is_compressed_unasked(stream: bool) -> None:
    packed = gzip.compress(b"".join(HELLO))
    pieces = [packed[at : at + 9] for at in range(0, len(packed), 9)]
    exchange = await ask(playing(*pieces, headers=[SSE, (b"content-encoding", b"gzip")]), stream=stream)
    assert "content-encoding" not in exchange.headers
    assert b"Hello" in exchange.body


# Answers that are none


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("app", "message"),
    [
        (whole(b"<html></html>", headers=[HTML]), "text/html that is not JSON"),
        (whole(b"[1]"), "JSON that is not an object"),
        (whole({"ok": True}), "it has no choices"),
        (whole([{"ok": True}]), "it has no choices"),
        (whole({"choices": []}), "it has no choices"),
        (whole({"choices": None, "usage": {}}), "it has no choices"),
        (playing(b"<html>\n\n</html>", headers=[HTML]), "text/html that is not JSON"),
        (whole(b""), "HTTP 200 with an empty body"),
        (whole(b"", status=204), "HTTP 204 with an empty body"),
        (whole(b"", status=307, headers=[(b"location", b"/v1/x")]), "HTTP 307, a redirect to /v1/x"),
        (whole(b"", status=304), "HTTP 304, a redirect;"),
        (whole(b"x", headers=[(b"content-encoding", b"br")]), "encoding 'br'"),
        (
            whole(b"plain text", headers=[(b"content-encoding", b"gzip")]),
            "cannot be read: the compressed body",
        ),
    ],
)
async def test_answer_that_is_none_is_a_bad_gateway(app: ASGIApp, message: str, stream: bool) -> None:
    exchange = await ask(app, stream=stream)
    assert exchange.status == 502
    assert message in exchange.error["message"]
    assert "location" not in exchange.headers


async def test_too_large_answer() -> None:
    exchange = await ask(whole(completion("x" * 2000)), stream=False, max_answer_bytes=1000)
    assert (exchange.status, "1000 bytes" in exchange.error["message"]) == (502, True)


async def test_answer_that_asking_again_would_not_change_says_so() -> None:
    app = whole(b"<html>", headers=[HTML, (b"x-should-retry", b"true")])
    exchange = await ask(app, stream=False)
    assert exchange.headers.get_list("x-should-retry") == ["false"]


# Errors of the upstream


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("document", "status"),
    [
        ([{"error": {"message": "no luck", "code": 429}}], 429),
        ({"errors": [{"message": "no luck"}]}, 502),
        ({"error_code": 17, "error_msg": "no luck"}, 502),
        ({"code": 500, "message": "no luck"}, 500),
        ({"detail": "no luck"}, 502),
        ({"object": "error", "message": "no luck", "code": 404}, 404),
        ({"base_resp": {"status_code": 1002, "status_msg": "no luck"}, "choices": None}, 502),
    ],
)
async def test_error_in_any_shape_inside_a_whole_answer(document: Any, status: int, stream: bool) -> None:
    exchange = await ask(whole(document), stream=stream)
    assert exchange.status == status
    assert exchange.error["message"] == "no luck"


async def test_error_in_an_encoding_nobody_asked_for_keeps_its_status() -> None:
    headers = [JSON_TYPE, (b"content-encoding", b"br"), (b"retry-after", b"7")]
    exchange = await ask(whole(b"x", status=429, headers=headers), stream=True)
    assert (exchange.status, exchange.headers["retry-after"]) == (429, "7")
    assert "'br'" in exchange.error["message"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529])
async def test_error_keeps_its_status_and_its_headers(status: int, stream: bool) -> None:
    kept = {
        "retry-after": "7",
        "retry-after-ms": "7000",
        "x-should-retry": "true",
        "x-ratelimit-remaining-requests": "0",
        "x-request-id": "req_1",
        "openai-processing-ms": "12",
        "www-authenticate": "Bearer",
        "access-control-allow-origin": "*",
        "set-cookie": "a=1",
    }
    headers = [JSON_TYPE, *((name.encode(), value.encode()) for name, value in kept.items())]
    error = {"message": "no", "type": "t", "param": "input", "code": "c"}
    exchange = await ask(whole({"error": error}, status=status, headers=headers), stream=stream)
    assert exchange.status == status
    assert exchange.error == error
    assert {name: exchange.headers[name] for name in kept} == kept


@pytest.mark.parametrize(
    ("body", "type_", "message"),
    [
        ({"detail": "Not authenticated"}, JSON_TYPE, "Not authenticated"),
        ({"error": "text"}, JSON_TYPE, "text"),
        (b"Internal Server Error", PLAIN, "Internal Server Error"),
        (
            b"<html>502</html>",
            HTML,
            "The upstream answered HTTP 500 with text/html that is no error message.",
        ),
        (b"Traceback (most recent call last):\n  File", PLAIN, "text/plain that is no error message"),
        (b"x" * 2000, PLAIN, "text/plain that is no error message"),
        (b"", PLAIN, "failed without a message (HTTP 500)"),
        (b'data: {"error": {"message": "as an event"}}\n\n', SSE, "as an event"),
        (b": nothing\n\n", SSE, "text/event-stream that is no error message"),
    ],
)
async def test_error_in_any_shape_has_openai_s_body(
    body: Any, type_: tuple[bytes, bytes], message: str
) -> None:
    exchange = await ask(whole(body, status=500, headers=[type_]), stream=True)
    assert exchange.status == 500
    assert message in exchange.error["message"]
    assert set(exchange.error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("stream", [True, False])
async def test_error_inside_a_whole_answer_has_the_status_it_names(stream: bool) -> None:
    body = {"error": {"message": "slow down", "type": "rate_limit_error"}}
    exchange = await ask(whole(body), stream=stream)
    assert (exchange.status, exchange.error["message"]) == (429, "slow down")


# Apps that fail


class Broken(Exception):
    """Has a text that no client may see."""


@pytest.mark.parametrize("stream", [True, False])
async def test_exception_before_the_start_is_a_500_and_is_raised_again(stream: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise Broken("secret")

    exchange = await ask(app, stream=stream, raises=Broken)
    assert exchange.status == 500
    assert exchange.error["code"] == "server_error"
    assert b"secret" not in exchange.body


@pytest.mark.parametrize("stream", [True, False])
async def test_exception_after_the_start(stream: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await playing_start(send)
        raise Broken("secret")

    exchange = await ask(app, stream=stream, raises=Broken)
    assert b"secret" not in exchange.body
    if stream:
        assert exchange.text == "Hel"
        assert failure(exchange)["code"] == "server_error"
    else:
        assert exchange.status == 500


async def playing_start(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [SSE]})
    await send({"type": "http.response.body", "body": HELLO[0], "more_body": True})


async def test_exception_after_the_end_is_raised_again() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await playing(*HELLO)(scope, receive, send)
        raise Broken

    assert (await ask(app, stream=True, raises=Broken)).types[-1] == "completed"


async def test_upstream_error_is_an_answer_and_is_not_raised_again() -> None:
    async def before(scope: Scope, receive: Receive, send: Send) -> None:
        raise UpstreamError("busy", status=503, headers={"retry-after": "3"})

    async def after(scope: Scope, receive: Receive, send: Send) -> None:
        await playing_start(send)
        raise UpstreamError("cut", status=502, code="upstream_disconnected")

    exchange = await ask(before, stream=True)
    assert (exchange.status, exchange.error["message"]) == (503, "busy")
    assert exchange.headers["retry-after"] == "3"
    assert failure(await ask(after, stream=True))["code"] == "upstream_disconnected"


async def test_exception_group_is_told_by_its_first_leaf_and_raised_whole() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inner = BaseExceptionGroup("", [asyncio.CancelledError(), UpstreamError("busy", status=503)])
        raise BaseExceptionGroup("", [inner, Broken()])

    exchange = post(ResponsesMiddleware(app))
    with pytest.raises(BaseExceptionGroup) as caught:
        await exchange.run()
    assert caught.group_contains(Broken)
    assert caught.group_contains(UpstreamError)
    assert (exchange.status, exchange.error["message"]) == (503, "busy")


@pytest.mark.parametrize("stream", [True, False])
async def test_app_that_waited_for_a_cancelled_task_has_failed(stream: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await playing_start(send)
        model = asyncio.create_task(asyncio.sleep(60))
        model.cancel()
        await model

    exchange = await ask(app, stream=stream, raises=asyncio.CancelledError)
    if stream:
        assert exchange.text == "Hel"
        assert failure(exchange)["code"] == "server_error"
    else:
        assert exchange.status == 500


async def test_hook_that_waited_for_a_cancelled_task_has_failed() -> None:
    async def hook(body: Any, headers: Any, context: Any) -> None:
        raise asyncio.CancelledError

    exchange = await ask(
        whole(completion()), stream=True, raises=asyncio.CancelledError, before_upstream=hook
    )
    assert (exchange.status, exchange.error["code"]) == (500, "server_error")


@pytest.mark.parametrize("stream", [True, False])
async def test_app_that_never_answers(stream: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    exchange = await ask(app, stream=stream)
    assert exchange.status == 502
    assert "without completing" in exchange.error["message"]


@pytest.mark.parametrize("stream", [True, False])
async def test_app_that_returns_in_the_middle(stream: bool) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await playing_start(send)

    exchange = await ask(app, stream=stream)
    error = failure(exchange) if stream else exchange.error
    assert "without completing" in error["message"]


async def test_app_that_sends_a_body_before_its_start() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"x"})

    assert (await ask(app, stream=False, raises=RuntimeError)).status == 500


async def test_debug_page_of_starlette_shows_no_traceback() -> None:
    async def chat(request: Request) -> None:
        raise Broken("secret")

    app = Starlette(debug=True, routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    exchange = await ask(app, stream=True, raises=Broken)
    assert exchange.status == 500
    assert b"Traceback" not in exchange.body
    assert b"secret" not in exchange.body


# Other messages and headers


async def test_early_hints_and_debug_are_passed_on_and_trailers_are_not() -> None:
    hint = {"type": "http.response.early_hint", "links": [b"</a>"]}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(hint)
        await send({"type": "http.response.start", "status": 200, "headers": [SSE], "trailers": True})
        await send({"type": "http.response.body", "body": b"".join(HELLO)})
        await send({"type": "http.response.trailers", "headers": []})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    exchange = post(ResponsesMiddleware(app), stream=True)
    await ResponsesMiddleware(app)(exchange.scope, exchange.receive, send)
    assert sent[0] == hint
    assert "trailers" not in sent[1]
    assert [message["type"] for message in sent[2:]] == ["http.response.body"] * (len(sent) - 2)


@pytest.mark.parametrize("stream", [True, False])
async def test_headers_of_a_success_pass_except_those_of_the_body(stream: bool) -> None:
    kept = {
        "x-request-id": "r",
        "openai-processing-ms": "9",
        "x-ratelimit-limit-requests": "5",
        "vary": "Origin",
    }
    dropped = {"etag": "x", "content-disposition": "inline", "trailer": "x", "last-modified": "x"}
    headers = [SSE, *((name.encode(), value.encode()) for name, value in (kept | dropped).items())]
    exchange = await ask(playing(*HELLO, headers=headers), stream=stream)
    assert {name: exchange.headers[name] for name in kept} == kept
    assert not dropped.keys() & set(exchange.headers)
    assert len(exchange.headers.get_list("content-type")) == 1
