"""The four pairs of client and upstream: which bytes pass untouched, and what is done on the way else."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.middleware import ChatCompletionsMiddleware, Component, ResponsesMiddleware
from responses_asgi.testing import assert_valid_stream
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import JSON
from responses_asgi.upstreams.upstream import Upstream
from tests import asgi_driver
from tests.asgi_driver import SSE, Exchange, playing, post, whole
from tests.loopback import Received, Recorder, reply, served
from tests.responses_driver import CHAT, HELLO, MESSAGES, ask_chat, response, response_of, said

RESPONSES = "/v1/responses"
ODD = b' {"model" : "m",\n "input":"\\u0048i", "messages":[], "unknown": 1.0e0, "stream":true}\n'

COMPONENTS: dict[str, type[Component]] = {"responses": ResponsesMiddleware, "chat": ChatCompletionsMiddleware}
PATHS = {"responses": RESPONSES, "chat": CHAT}
same = pytest.mark.parametrize("client", ["responses", "chat"])
spoken = pytest.mark.parametrize("api", ["same", "both"])


def component(client: str, app: Any, *, api: str = "same", **record: Any) -> Component:
    upstream = Upstream.asgi(app, api=client if api == "same" else api, **record)
    return COMPONENTS[client](upstream)


class Taken:
    """An app that keeps what it got, in pieces, and answers with odd bytes, in pieces."""

    answer = (b"data: {}\r\n\r\n", b"\x00\xff: not", b" even text")

    def __init__(self) -> None:
        self.scope: Scope = {}
        self.pieces: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        more = True
        while more:
            message = await receive()
            self.pieces.append(message["body"])
            more = message["more_body"]
        headers = [SSE, (b"x-odd", b"1"), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
        await send({"type": "http.response.start", "status": 202, "headers": headers, "trailers": False})
        for piece in self.answer:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})


# Untouched


@same
@spoken
async def test_bytes_of_the_own_api_pass_untouched_in_both_directions(client: str, api: str) -> None:
    app = Taken()
    pieces = [ODD[:7], ODD[7:30], ODD[30:]]
    headers = [(b"accept-encoding", b"br"), (b"Authorization", b"Bearer x")]
    exchange = post(component(client, app, api=api), pieces=pieces, path=PATHS[client], headers=headers)
    asked = exchange.scope["headers"]
    await exchange.run()
    assert app.pieces == pieces
    assert app.scope["headers"] == asked
    assert app.scope["path"] == PATHS[client]
    assert app.scope["extensions"]["responses_asgi"]["api"] == client
    assert [message.get("body", b"") for message in exchange.sent[1:]] == [*app.answer, b""]
    assert exchange.status == 202
    assert exchange.headers.get_list("set-cookie") == ["a", "b"]


@same
@spoken
async def test_untouched_bytes_over_http(client: str, api: str) -> None:
    async def script(request: Received, send: Send) -> None:
        await reply(send, b' {"odd":  true}', status=201, headers=[("x-odd", "1")])

    server = Recorder(script)
    async with served(server) as url:
        upstream = Upstream.http(url, api=client if api == "same" else "both", passthrough=["models"])
        mounted = COMPONENTS[client](upstream)
        exchange = await post(mounted, ODD, path=f"/ai{PATHS[client]}", root_path="/ai").run()
        await mounted.aclose()
    assert (server.last.path, server.last.body) == (PATHS[client], ODD)
    assert (exchange.status, exchange.body, exchange.headers["x-odd"]) == (201, b' {"odd":  true}', "1")


@same
async def test_app_with_a_path_of_its_own(client: str) -> None:
    app = Taken()
    await post(
        component(client, app, path="/in/house"), ODD, path=f"/ai{PATHS[client]}", root_path="/ai"
    ).run()
    assert (app.scope["path"], app.scope["raw_path"], app.scope["root_path"]) == (
        "/in/house",
        b"/in/house",
        "",
    )
    other = Taken()
    upstream = Upstream.asgi(other, api="both", path="/in/house/responses")
    await post(COMPONENTS[client](upstream), ODD, path=PATHS[client]).run()
    assert (
        other.scope["path"]
        == {"responses": "/in/house/responses", "chat": "/in/house/chat/completions"}[client]
    )


@same
async def test_options_of_the_exchange_do_not_touch_what_passes(client: str) -> None:
    app = Taken()
    upstream = Upstream.asgi(app, api=client)
    strict = COMPONENTS[client](upstream, strict=True, max_body_bytes=1)
    assert (await post(strict, ODD, path=PATHS[client]).run()).status == 202


@pytest.mark.parametrize(("client", "api"), [("responses", "chat"), ("chat", "responses")])
async def test_other_pairs_are_translated(client: str, api: str) -> None:
    answers = {"chat": whole(asgi_driver.completion()), "responses": whole(response_of(said(0, "Hello")))}
    upstream = Upstream.asgi(answers[api], api=api)
    ask = {"responses": post, "chat": ask_chat}[client]
    exchange = await ask(COMPONENTS[client](upstream)).run()
    assert exchange.json["object"] == {"responses": "response", "chat": "chat.completion"}[client]


# Responses over Responses, with something to do


def changing(body: JSON, headers: dict[str, str], context: Any) -> None:
    assert context.response_id == ""
    body["instructions"] = f"for {context.api}"


async def test_responses_with_edits_go_through_the_identity_translator() -> None:
    seen: list[Any] = []
    mounted = component(
        "responses",
        playing(*HELLO, seen=seen),
        model="real",
        set={"top_p": 1},
        headers={"x-team": "blue"},
        before_upstream=changing,
    )
    exchange = await post(mounted, stream=True).run()
    final = assert_valid_stream(exchange.body)
    assert (final["id"], final["model"], exchange.text) == ("resp_7", "m", "Hello")
    assert seen[1] == {
        "model": "real",
        "input": "Hi",
        "stream": True,
        "top_p": 1,
        "instructions": "for responses",
    }
    assert (b"x-team", b"blue") in seen[0]["headers"]


async def test_hooks_between_responses_and_responses_see_the_answer() -> None:
    types: list[str] = []
    told: list[JSON] = []
    mounted = component(
        "responses",
        whole(response_of(said(0, "Hello"))),
        on_event=lambda event, context: types.append(f"{event.type} {context.response_id}"),
        after_exchange=lambda snapshot, losses, timings, context: told.append(snapshot),
    )
    exchange = await post(mounted).run()
    assert exchange.json == told[0]
    assert exchange.json["output"][0]["content"][0]["text"] == "Hello"
    assert (types[0], types[-1]) == ("response.created resp_7", "response.completed resp_7")


async def test_stream_of_a_responses_upstream_that_breaks_off_ends_legally() -> None:
    exchange = await post(component("responses", playing(*HELLO[:6]), model="real"), stream=True).run()
    final = assert_valid_stream(exchange.body)
    assert (final["status"], exchange.text) == ("failed", "Hello")


@pytest.mark.parametrize("status", ["queued", "in_progress"])
async def test_background_response_is_told_as_it_stands(status: str) -> None:
    app = whole(response(status, background=True))
    body = {"model": "m", "input": "Hi", "background": True}
    exchange = await post(component("responses", app, model="real"), body).run()
    assert (exchange.status, exchange.json) == (200, response(status, background=True, model="m"))
    unasked = await post(component("responses", app, model="real")).run()
    assert unasked.status == 502


async def test_azure_deployment_of_the_path_is_put_into_the_body() -> None:
    seen: list[Any] = []
    path = "/openai/deployments/gpt-5/responses"
    exchange = await post(
        component("responses", whole(response_of(said(0, "Hi")), seen=seen)), {"input": "Hi"}, path=path
    ).run()
    assert exchange.json["status"] == "completed"
    assert seen[1]["model"] == "gpt-5"


# Chat over Chat, with something to do


COMPLETION: JSON = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "real",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "vendor": {"odd": 1},
}


async def ask_chat_upstream(*, path: str = CHAT, body: Any = None, **record: Any) -> tuple[Exchange, Any]:
    seen: list[Any] = []
    document = {"model": "m", "messages": MESSAGES, "unknown": 1} if body is None else body
    exchange = post(component("chat", whole(COMPLETION, seen=seen), **record), document, path=path)
    return await exchange.run(), seen


async def test_chat_request_is_edited_and_its_model_restored() -> None:
    exchange, (scope, body) = await ask_chat_upstream(
        model="real",
        set={"top_p": 1},
        drop=["unknown"],
        rename={"messages": "turns"},
        headers={"x-team": "blue"},
        before_upstream=changing,
    )
    assert body == {"model": "real", "turns": MESSAGES, "top_p": 1, "instructions": "for chat"}
    assert (b"x-team", b"blue") in scope["headers"]
    assert exchange.json == {**COMPLETION, "model": "m"}


async def test_azure_deployment_of_a_chat_path_is_put_into_the_body() -> None:
    _, (scope, body) = await ask_chat_upstream(
        path="/openai/deployments/gpt-5/chat/completions", body={"messages": MESSAGES}
    )
    assert (scope["path"], body["model"]) == (CHAT, "gpt-5")


async def test_edited_request_that_is_no_object_is_refused() -> None:
    exchange = post(component("chat", playing(), model="real"), b"[]", path=CHAT)
    assert (await exchange.run()).status == 400


async def test_client_that_leaves_while_it_sends_an_edited_request() -> None:
    exchange = post(component("chat", playing(), model="real"), pieces=[], path=CHAT)
    exchange.left.set()
    await exchange.run()
    assert (exchange.status, exchange.body) == (499, b"")


@pytest.mark.parametrize("api", ["chat", "both"])
async def test_hooks_see_the_answers_of_chat_upstreams_to_chat_clients(api: str) -> None:
    told: list[Any] = []
    upstream = Upstream.asgi(
        whole(COMPLETION),
        api=api,
        after_exchange=lambda snapshot, losses, timings, context: told.append(
            (snapshot, context.response_id)
        ),
    )
    exchange = await post(
        ChatCompletionsMiddleware(upstream), {"model": "m", "messages": MESSAGES}, path=CHAT
    ).run()
    assert exchange.json == COMPLETION
    assert told == [(COMPLETION, "chatcmpl-1")]
