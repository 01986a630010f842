"""Random bytes of upstreams, requests, ids and cursors of clients: legal streams, or errors like OpenAI's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from responses_asgi import ChatCompletionsMiddleware, Gateway, ResponsesMiddleware, Upstream
from responses_asgi.testing import assert_valid_chat_stream, assert_valid_stream
from tests.asgi_driver import (
    DONE,
    JSON_TYPE,
    SSE,
    Exchange,
    chunk,
    completion,
    data,
    http_scope,
    playing,
    post,
)
from tests.chaos.answers import API, ASKED, PATHS, answer
from tests.examples import examples
from tests.recordings import FOLDER, MISSING, recordings

JSON = dict[str, Any]

MOST = 20_000
CHECKS = {"chat": assert_valid_chat_stream, "responses": assert_valid_stream}
apis = st.sampled_from(["chat", "responses"])
# Client and upstream. Between equals the items and chunks of an upstream stay as they are, legal or not.
pairs = st.sampled_from([("responses", "chat"), ("chat", "responses")])


def bridge(client: API, app: Any, upstream: API) -> Any:
    kind = ResponsesMiddleware if client == "responses" else ChatCompletionsMiddleware
    made = Upstream.asgi(app, api=upstream, path=PATHS[upstream], on_event=lambda event, context: None)
    return kind(made, max_answer_bytes=MOST, store="memory", background=client == "responses")


def run(app: Any, api: API, body: JSON) -> Exchange:
    async def ask() -> Exchange:
        asked = post(app, body, path=PATHS[api])
        try:
            await asked.run()
        finally:
            await app.aclose()
        return asked

    return asyncio.run(ask())


def legal(got: Exchange, api: API, *, stream: bool) -> None:
    """Whatever it is, it is an answer of this API."""
    assert got.is_complete
    if got.status != 200:
        assert {"message", "type", "param", "code"} <= set(got.error)
    elif stream:
        CHECKS[api](got.body)
    else:
        assert got.json["object"] in ("response", "chat.completion")


# Bytes of an upstream

PIECES = [
    *(data(chunk(content=text)) for text in ("a", "b")),
    data(chunk(finish_reason="stop")),
    DONE,
    *answer("chat", stream=True),
    *answer("responses", stream=True),
    b"data: ", b"data:", b"event: error\n", b"event: response.completed\n",
    b": hi\n\n", b"\n", b"\r", b"\r\n\r\n",
    b"\xef\xbb\xbf", b"\xff", b"\x00", b"[DONE]", b"null",
    b"{}", b"[]", b"{", b'"', b'{"error": {"message": "no"}}',
    b"retry: 1\n", b"id\n", b"\xe2\x80\xa8", b"data: " + b"x" * MOST, b"<html>", b"[[[[[[[[" * 200,
]  # fmt: skip
bodies = st.lists(st.sampled_from(PIECES) | st.binary(max_size=12), max_size=12)
types = st.sampled_from([SSE, JSON_TYPE, (b"content-type", b"text/plain"), (b"content-type", b"\xff")])
statuses = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 429, 500, 599])


@examples(120)
@example([b"data: {}", b"\n\n"], (SSE, 200), True, ("responses", "chat"))
@given(bodies, st.tuples(types, statuses), st.booleans(), pairs)
def test_no_bytes_of_an_upstream_make_an_illegal_answer(
    pieces: list[bytes], head: tuple[tuple[bytes, bytes], int], stream: bool, pair: tuple[API, API]
) -> None:
    (kind, status), (client, upstream) = head, pair
    app = bridge(client, playing(*pieces, status=status, headers=[kind]), upstream)
    legal(run(app, client, {"model": "m", **ASKED[client], "stream": stream}), client, stream=stream)


RECORDED: list[tuple[API, bytes]] = [
    (api, text.encode())
    for api in ("chat", "responses")
    for recording in recordings(api)
    if isinstance(text := recording.get("response", {}).get("body"), str) and len(text) < MOST
]


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
@examples(60)
@given(st.data())
def test_recordings_that_are_cut_joined_and_bent_make_no_illegal_answer(drawn: st.DataObject) -> None:
    assert RECORDED
    api, text = drawn.draw(st.sampled_from(RECORDED))
    client: API = "chat" if api == "responses" else "responses"
    text = bent(text, drawn)
    size = drawn.draw(st.sampled_from([7, 100, MOST]))
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    app = bridge(client, playing(*pieces), api)
    legal(run(app, client, {"model": "m", **ASKED[client], "stream": True}), client, stream=True)


def bent(text: bytes, drawn: st.DataObject) -> bytes:
    """With some of its bytes gone, doubled, or replaced."""
    for _ in range(drawn.draw(st.integers(0, 4))):
        start = drawn.draw(st.integers(0, len(text)))
        end = min(len(text), start + drawn.draw(st.integers(0, 40)))
        new = drawn.draw(
            st.sampled_from([b"", text[start:end] * 2, b"\n\n", b"null", b'"', b"\xff", b"-1", b"[]"])
        )
        text = text[:start] + new + text[end:]
    return text


# Requests of a client

words = st.sampled_from(
    ["", "a", "m", "auto", "none", "user", "tool", "function", "message", "call_1", "\ud800"]
)
scalars = st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | words | st.text(max_size=3)
FIELDS = [
    "type", "role", "content", "text", "id", "call_id",
    "name", "arguments", "output", "input", "tools", "function",
    "tool_calls", "tool_call_id", "image_url", "file", "summary", "encrypted_content", "parameters", "format",
]  # fmt: skip
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=10,
)
TOP = [
    "input", "messages", "instructions", "tools",
    "tool_choice", "previous_response_id", "conversation", "include",
    "reasoning", "text", "response_format", "metadata",
    "store", "stream", "stream_options", "background", "n",
    "temperature", "top_p", "max_output_tokens", "max_completion_tokens",
    "stop", "truncation", "prompt", "user",
    "parallel_tool_calls", "top_logprobs", "logprobs",
    "modalities", "functions", "function_call", "service_tier",
    "context_management", "max_tool_calls", "seed", "logit_bias", "prediction", "audio",
]  # fmt: skip
shaped = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["message", "function_call", "function_call_output", "reasoning", "custom_tool_call"]
        ),
        "role": st.sampled_from(["user", "assistant", "system", "developer", "tool"]),
        "content": words | st.lists(junk, max_size=2),
        "call_id": words,
        "name": words,
        "arguments": words,
        "output": junk,
        "tool_calls": st.lists(junk, max_size=2),
    },
)
requests = st.dictionaries(st.sampled_from(TOP), junk | st.lists(shaped, max_size=4), max_size=5)


@examples(150)
@example({"input": "a", "metadata": {"a": "\ud800"}}, ("responses", "chat"))
@given(requests, pairs)
def test_no_request_is_answered_by_a_failure_of_ours(body: JSON, pair: tuple[API, API]) -> None:
    client, upstream = pair

    async def model(scope: Any, receive: Any, send: Any) -> None:
        asked = json.loads((await receive())["body"])
        streamed = asked.get("stream") is True
        await playing(*answer(upstream, stream=streamed), headers=[SSE if streamed else JSON_TYPE])(
            scope, _nothing, send
        )

    app = bridge(client, model, upstream)
    got = run(app, client, {"model": "m", **ASKED[client], **body})
    if got.status != 200:
        assert got.status < 500, got.error
    legal(got, client, stream=body.get("stream") is True)


async def _nothing() -> JSON:
    return {"type": "http.request", "body": b"{}", "more_body": False}


@examples(100)
@given(
    st.binary(max_size=40)
    | st.lists(st.sampled_from([b"{", b"[", b'"a":', b"1", b"}", b"\\u"])).map(b"".join),
    apis,
)
def test_no_bytes_of_a_client_are_answered_by_a_failure_of_ours(content: bytes, client: API) -> None:
    app = bridge(client, playing(json.dumps(completion()).encode(), headers=[JSON_TYPE]), "chat")
    got = run(app, client, content)  # type: ignore[arg-type] - bytes go as they are
    assert got.status < 500
    legal(got, client, stream=False)


# Ids and cursors

ids = st.text(st.characters(codec="utf-8", exclude_characters="/"), max_size=12) | st.sampled_from(
    ["resp_1", "conv_1", "..", "%2e%2e", "resp_" + "a" * 600, "\x00", "é", "%"]
)
ROUTES = [
    "/v1/responses/{}", "/v1/responses/{}/input_items", "/v1/responses/{}/cancel", "/v1/conversations/{}",
    "/v1/conversations/{}/items", "/v1/conversations/{}/items/{}", "/v1/chat/completions/{}",
    "/v1/chat/completions/{}/messages", "/v1/models/{}",
]  # fmt: skip
queries = st.lists(
    st.tuples(
        st.sampled_from(["after", "limit", "order", "before", "include", "stream", "starting_after"]),
        st.text(max_size=6)
        | st.sampled_from(["0", "-1", "9" * 30, "1.5", "true", "asc", "nan", "%00", "%zz"]),
    ),
    max_size=3,
)


@examples(30)
@given(
    st.tuples(st.sampled_from(ROUTES), ids, ids),
    st.sampled_from(["GET", "POST", "DELETE"]),
    queries,
    st.binary(max_size=8),
)
def test_no_id_and_no_cursor_is_answered_by_a_failure_of_ours(
    place: tuple[str, str, str], method: str, query: Sequence[tuple[str, str]], content: bytes
) -> None:
    route, *named = place

    async def model(request: JSON) -> str:
        return "Hi"

    async def ask() -> Exchange:
        app = Gateway({"*": Upstream.handler(model)}, store="memory")
        path = route.format(*named[: route.count("{}")])
        text = "&".join(f"{name}={value}" for name, value in query).encode("utf-8", "surrogatepass")
        raw = path.encode("utf-8", "surrogatepass")
        scope = http_scope(path, raw_path=raw, method=method, query_string=text)
        asked = Exchange(app, scope, [content])
        try:
            return await asked.run()
        finally:
            await app.aclose()

    got = asyncio.run(ask())
    assert got.status < 500
    if got.status >= 400 and got.body and method != "HEAD":
        assert "message" in got.error
