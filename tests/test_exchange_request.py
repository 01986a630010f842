"""The client's request on its way in, and what the upstream's app gets of it."""

from __future__ import annotations

import gzip
import json
import logging
from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError
from responses_asgi.exchange import Options
from responses_asgi.middleware import ResponsesMiddleware
from responses_asgi.upstreams.context import ExchangeContext
from tests.asgi_driver import HELLO, Exchange, completion, playing, post, whole


async def ask(body: Any, **options: Any) -> Exchange:
    return await post(ResponsesMiddleware(whole(completion()), **options), body).run()


def error_of(exchange: Exchange) -> tuple[int, str, str | None]:
    return exchange.status, exchange.error["message"], exchange.error["param"]


# Bodies


async def test_body_in_pieces() -> None:
    text = json.dumps({"model": "m", "input": "Grüße"}, ensure_ascii=False).encode()
    seen: list[Any] = []
    app = ResponsesMiddleware(whole(completion(), seen=seen))
    await post(app, pieces=[bytes([byte]) for byte in text] + [b""]).run()
    assert seen[1]["messages"] == [{"role": "user", "content": "Grüße"}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The request body is empty; expected a JSON object."),
        (b" \n", "The request body is empty; expected a JSON object."),
        (b'{"model": "m",\n "input": }', "is not valid JSON: Expecting value (line 2, column 11)."),
        (b"model=m&input=Hi", "is not valid JSON: Expecting value (line 1, column 1)."),
        (b'{"input": "\xff"}', "is not valid JSON: 'utf-8' codec"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "more than 200 levels deep"),
    ],
)
async def test_body_that_cannot_be_read_is_a_400_that_says_where(body: bytes, message: str) -> None:
    status, told, _ = error_of(await ask(body))
    assert status == 400
    assert message in told


@pytest.mark.parametrize("inner", ["[]", "{}", "1"])
async def test_depth_limit_is_exact(inner: str) -> None:
    def nested(depth: int) -> bytes:
        return (
            '{"model":"m","input":"Hi","metadata":' + "[" * (depth - 2) + inner + "]" * (depth - 2) + "}"
        ).encode()

    depth = 10 if inner == "1" else 9
    for levels, too_deep in ((depth + 1, False), (depth + 2, True)):
        told = error_of(await ask(nested(levels), max_depth=10))[1]
        assert ("more than 10 levels deep" in told) == too_deep


async def test_brackets_in_text_do_not_count_as_depth() -> None:
    assert (await ask({"model": "m", "input": "[" * 1000})).status == 200


async def test_validation_names_the_exact_path() -> None:
    status, _, param = error_of(await ask({"model": "m", "input": 5}))
    assert (status, param) == (400, "input")


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"7", b"null"])
async def test_body_that_is_no_object_is_a_400(body: bytes) -> None:
    assert error_of(await ask(body))[0] == 400


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"model":"m","input":"Hi","temperature":NaN}', "temperature"),
        (b'{"model":"m","input":"Hi","temperature":1e999}', "temperature"),
        (b'{"model":"m","input":[{"a":{"b":[0.5,[-Infinity]]}}]}', "input[0].a.b[1][0]"),
    ],
)
async def test_number_that_is_not_finite_is_a_400_that_says_where(body: bytes, path: str) -> None:
    assert error_of(await ask(body))[::2] == (400, path)


async def test_too_large_body_is_a_413_before_it_is_read() -> None:
    app = ResponsesMiddleware(whole(completion()), max_body_bytes=100)
    announced = post(app, headers=[(b"content-length", b"101")], pieces=[b"{"])
    await announced.run()
    assert (announced.status, announced.error["code"]) == (413, "request_too_large")
    assert announced.pieces == [b"{"]
    unannounced = await post(app, pieces=[b"x" * 60, b"x" * 60, b"x"]).run()
    assert (unannounced.status, unannounced.pieces) == (413, [b"x"])


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"identity"])
async def test_compressed_body(encoding: bytes) -> None:
    body = json.dumps({"model": "m", "input": "Hi"}).encode()
    packed = body if encoding == b"identity" else gzip.compress(body)
    app = ResponsesMiddleware(whole(completion()))
    exchange = await post(app, packed, headers=[(b"content-encoding", encoding)]).run()
    assert exchange.status == 200


@pytest.mark.parametrize(
    "bomb",
    [gzip.compress(b" " * 1_000_000), gzip.compress(b" " * 600) * 2, gzip.compress(b"") * 100],
    ids=["one member", "several members", "nothing but members"],
)
async def test_compressed_body_is_limited_before_and_after_decompression(bomb: bytes) -> None:
    app = ResponsesMiddleware(whole(completion()), max_body_bytes=1000)
    exchange = await post(app, bomb, headers=[(b"content-encoding", b"gzip")]).run()
    assert (exchange.status, exchange.error["code"]) == (413, "request_too_large")


async def test_compressed_body_that_is_broken_is_a_400() -> None:
    exchange = await post(
        ResponsesMiddleware(playing()), b"plain text", headers=[(b"content-encoding", b"gzip")]
    ).run()
    assert exchange.status == 400
    assert "compressed body is broken" in exchange.error["message"]


async def test_announced_length_of_thousands_of_digits_is_too_large() -> None:
    exchange = await post(ResponsesMiddleware(playing()), headers=[(b"content-length", b"1" * 5_000)]).run()
    assert (exchange.status, exchange.error["code"]) == (413, "request_too_large")


async def test_unknown_encoding_is_a_415() -> None:
    exchange = await post(ResponsesMiddleware(playing()), headers=[(b"content-encoding", b"br")]).run()
    assert (exchange.status, exchange.error["type"]) == (415, "invalid_request_error")


async def test_client_that_leaves_during_its_body_costs_nothing() -> None:
    seen: list[Any] = []
    exchange = post(ResponsesMiddleware(playing(seen=seen)), pieces=[b"{", b""])
    exchange.pieces = []
    exchange.left.set()
    await exchange.run()
    assert (exchange.status, exchange.body, seen) == (499, b"", [])


# What the upstream gets


async def upstream_sees(body: Any = None, *, stream: bool = False, **changes: Any) -> tuple[Any, Any]:
    seen: list[Any] = []
    app = ResponsesMiddleware(playing(*HELLO, seen=seen), **changes.pop("options", {}))
    await post(app, body, stream=stream, **changes).run()
    return seen[0], seen[1]


@pytest.mark.parametrize("stream", [True, False])
async def test_upstream_is_asked_for_what_the_client_asked_for(stream: bool) -> None:
    scope, body = await upstream_sees(stream=stream)
    assert body.get("stream", False) is stream
    accept = dict(scope["headers"])[b"accept"]
    assert accept == (b"text/event-stream, application/json" if stream else b"application/json")


async def test_scope_of_the_upstream() -> None:
    outer_extensions: dict[str, Any] = {
        "http.response.pathsend": {},
        "http.response.zerocopysend": {},
        "http.response.trailers": {},
        "http.response.push": {},
        "http.response.early_hint": {},
        "http.response.debug": {},
    }
    state = {"pool": object()}
    seen: list[Any] = []
    exchange = post(
        ResponsesMiddleware(playing(*HELLO, seen=seen)),
        query_string=b"api-version=1",
        extensions=outer_extensions,
        state=state,
        asgi={"version": "3.0", "spec_version": "2.4"},
    )
    before = {**exchange.scope, "extensions": dict(outer_extensions)}
    await exchange.run()
    scope = seen[0]
    assert (scope["path"], scope["raw_path"]) == ("/v1/chat/completions", b"/v1/chat/completions")
    assert scope["query_string"] == b"api-version=1"
    assert scope["state"] is state
    assert scope["client"] == exchange.scope["client"]
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert set(scope["extensions"]) == {"http.response.early_hint", "http.response.debug", "responses_asgi"}
    scope["path_params"] = {}
    assert exchange.scope == before


async def test_upstream_finds_what_it_is_called_for() -> None:
    seen: list[Any] = []
    exchange = await post(ResponsesMiddleware(playing(*HELLO, seen=seen))).run()
    context = ExchangeContext.of(seen[0], seen[1])
    assert (context.api, context.response_id, context.principal) == ("responses", exchange.json["id"], None)


async def test_headers_of_the_client_that_speak_of_its_body_are_replaced() -> None:
    dropped = ["expect", "te", "trailer", "range", "if-none-match", "if-modified-since", "transfer-encoding"]
    headers = [(name.encode(), b"x") for name in dropped]
    headers += [(b"Authorization", b"Bearer k"), (b"traceparent", b"00-1"), (b"accept-encoding", b"gzip")]
    scope, body = await upstream_sees(headers=headers)
    sent = {name.decode(): value.decode() for name, value in scope["headers"]}
    assert not sent.keys() & set(dropped)
    assert len(sent) == len(scope["headers"])
    assert (sent["authorization"], sent["traceparent"], sent["host"]) == ("Bearer k", "00-1", "test")
    assert (sent["content-type"], sent["accept-encoding"]) == ("application/json", "identity")
    assert int(sent["content-length"]) == len(json.dumps(body, separators=(",", ":")).encode())


async def test_scope_without_the_optional_keys() -> None:
    seen: list[Any] = []
    exchange = post(ResponsesMiddleware(playing(*HELLO, seen=seen)))
    for key in ("extensions", "asgi", "headers", "raw_path", "root_path"):
        del exchange.scope[key]
    await exchange.run()
    assert seen[0]["asgi"]["spec_version"] == "2.3"


async def test_model_is_replaced_upstream_and_kept_for_the_client() -> None:
    seen: list[Any] = []
    app = ResponsesMiddleware(whole(completion(model="real-model-2026"), seen=seen), model="real-model")
    exchange = await post(app, {"model": "alias", "input": "Hi"}).run()
    assert seen[1]["model"] == "real-model"
    assert exchange.json["model"] == "alias"


# Losses


FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
ALLOWED = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}
LOSSY = {"model": "m", "input": "Hi", "truncation": "auto"}


@pytest.mark.parametrize("stream", [True, False])
async def test_losses_are_told_in_a_header(stream: bool) -> None:
    exchange = await ask({**LOSSY, "stream": stream})
    assert exchange.headers["x-responses-asgi-loss"] == "truncation;dropped"
    assert exchange.headers["access-control-expose-headers"] == "x-responses-asgi-loss"


async def test_loss_header_joins_what_the_upstream_exposes() -> None:
    headers = [(b"content-type", b"application/json"), (b"Access-Control-Expose-Headers", b"x-a, x-b")]
    exchange = await post(ResponsesMiddleware(whole(completion(), headers=headers)), LOSSY).run()
    assert exchange.headers.get_list("access-control-expose-headers") == ["x-a, x-b, x-responses-asgi-loss"]


async def test_loss_header_of_a_bridge_behind_this_one_gives_way() -> None:
    inner = [(b"x-responses-asgi-loss", b"user;dropped")]
    app = ResponsesMiddleware(whole(completion(), headers=inner))
    exchange = await post(app, LOSSY).run()
    assert exchange.headers.get_list("x-responses-asgi-loss") == ["truncation;dropped"]


async def test_loss_header_can_be_switched_off() -> None:
    assert "x-responses-asgi-loss" not in (await ask(LOSSY, loss_header=False)).headers


async def test_nothing_lost_is_nothing_told() -> None:
    exchange = await ask({"model": "m", "input": "Hi"})
    assert "x-responses-asgi-loss" not in exchange.headers
    assert "access-control-expose-headers" not in exchange.headers


async def test_strict_refuses_what_would_be_dropped_before_the_upstream_is_called() -> None:
    seen: list[Any] = []
    app = ResponsesMiddleware(playing(*HELLO, seen=seen), strict=True)
    exchange = await post(app, LOSSY).run()
    assert error_of(exchange)[::2] == (400, "truncation")
    assert exchange.error["code"] == "unsupported_parameter"
    assert seen == []


async def test_strict_lets_pass_what_is_emulated() -> None:
    document = {"model": "m", "input": "Hi"}
    assert (await ask(document, strict=True)).status == 200
    lossy = {**document, "tools": [FUNCTION], "tool_choice": ALLOWED}
    exchange = await ask(lossy, strict=True)
    assert (exchange.status, exchange.headers["x-responses-asgi-loss"]) == (200, "tool_choice;emulated")


async def test_each_loss_is_logged_once_at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "responses_asgi")
    for path in ("/a/responses", "/b/responses"):
        app = ResponsesMiddleware(whole(completion()), path=path)
        for _ in range(2):
            await post(app, LOSSY, path=path).run()
    records = [record for record in caplog.records if "truncation" in record.getMessage()]
    assert [record.levelname for record in records] == ["INFO", "DEBUG", "INFO", "DEBUG"]
    assert "upstream generic /a/chat/completions" in records[0].getMessage()


async def test_losses_of_the_answer_are_logged_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "responses_asgi")
    document = completion()
    document["choices"].append({**document["choices"][0], "index": 1})
    await post(ResponsesMiddleware(whole(document), path="/c/responses"), path="/c/responses").run()
    assert "choices[1] dropped, upstream generic /c/chat/completions" in caplog.text


# Settings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"dialect": "klingon"}, "dialect must be one of openai, openresponses, got 'klingon'"),
        ({"max_body_bytes": 0}, "max_body_bytes must be above 0, got 0"),
        ({"max_answer_bytes": -1}, "max_answer_bytes must be above 0"),
        ({"max_depth": 0}, "max_depth must be above 0"),
        ({"keep_alive": -1}, "keep_alive must not be negative, got -1"),
        ({"grace": -0.1}, "grace must not be negative"),
    ],
)
def test_settings_that_cannot_work(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Options(**setting)
