"""What a request would become, and a Chat request answered as a Responses one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from responses_asgi import Gateway, Upstream
from responses_asgi.testing import FakeModel, assert_valid_stream
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.types.json import JSON
from tests.loopback import Got, ask

MESSAGES = [{"role": "user", "content": "hello"}]


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("no upstream is called")


def gateway_of(upstream: Upstream, **settings: Any) -> Gateway:
    return Gateway({"m": upstream}, **settings)


async def convert(gateway: Gateway, body: Any, **options: Any) -> Got:
    return await ask(gateway, options.pop("path", "/v1/convert"), body, **options)


# Conversion


async def test_a_responses_request_becomes_the_chat_request_of_its_upstream() -> None:
    def hook(body: JSON, headers: dict[str, str], context: Any) -> None:
        body["hooked"] = context.api

    upstream = Upstream.http(
        "http://localhost:1/v1",
        profile="deepseek",
        model="served-model",
        set={"seed": 7},
        drop=["temperature"],
        rename={"max_tokens": "max_new_tokens"},
        before_upstream=hook,
        api_key="secret",
    )
    body = {
        "model": "m",
        "input": "hello",
        "max_output_tokens": 50,
        "temperature": 1,
        "truncation": "auto",
        "service_tier": "flex",
    }
    got = await convert(gateway_of(upstream), body)
    document = got.json()
    assert got.status == 200
    losses = document.pop("losses")
    assert document == {
        "object": "conversion",
        "api": "chat",
        "upstream": "m",
        "path": "/chat/completions",
        "request": {
            "model": "served-model",
            "messages": MESSAGES,
            "max_new_tokens": 50,
            "seed": 7,
            "hooked": "responses",
        },
    }
    assert {"path": "service_tier", "action": "dropped"}.items() <= losses[-1].items()
    assert all(loss["reason"] for loss in losses)
    assert b"secret" not in got.body


async def test_a_chat_request_becomes_the_responses_request_of_its_upstream() -> None:
    upstream = Upstream.asgi(never, api="responses", model="served-model", set={"user": "u"})
    body = {"model": "m", "messages": MESSAGES, "max_tokens": 50, "seed": 1, "stop": "x"}
    document = (await convert(gateway_of(upstream), body)).json()
    assert (document["api"], document["path"]) == ("responses", "/v1/responses")
    assert document["request"]["model"] == "served-model"
    assert document["request"]["max_output_tokens"] == 50
    assert (document["request"]["store"], document["request"]["user"]) == (False, "u")
    told = {loss["path"]: loss["action"] for loss in document["losses"]}
    assert told == {"seed": "dropped", "stop": "emulated"}


@pytest.mark.parametrize(
    ("api", "body", "field"),
    [("chat", {"messages": MESSAGES}, "input"), ("responses", {"input": "hello"}, "messages")],
)
async def test_an_upstream_of_the_same_api_is_converted_for_without_its_edits(
    api: Any, body: JSON, field: str
) -> None:
    upstream = Upstream.asgi(never, api=api, model="served-model", set={"edited": True}, path=f"/api/{api}")
    document = (await convert(gateway_of(upstream), {"model": "m", **body})).json()
    assert field in document["request"]
    assert "edited" not in document["request"]
    assert document["request"]["model"] == "served-model"
    assert document["path"] == {"chat": "/v1/responses", "responses": "/v1/chat/completions"}[api]


async def test_an_upstream_of_both_apis_is_converted_for_with_its_edits() -> None:
    upstream = Upstream.http("http://localhost:1", api="both", set={"edited": True})
    for body, path in (({"messages": MESSAGES}, "/responses"), ({"input": "hello"}, "/chat/completions")):
        document = (await convert(gateway_of(upstream), {"model": "m", **body})).json()
        assert (document["path"], document["request"]["edited"]) == (path, True)
    handler = Upstream(app=never, api="both")
    document = (await convert(gateway_of(handler), {"model": "m", "input": "x"}, path="/convert")).json()
    assert document["path"] == "/chat/completions"


async def test_what_came_before_is_taken_from_the_query() -> None:
    fake = FakeModel(["first answer", "second answer"])
    gateway = gateway_of(Upstream.asgi(fake))
    headers = [("authorization", "Bearer alice")]
    first = await ask(gateway, "/v1/responses", {"model": "m", "input": "first"}, headers=headers)
    query = f"previous_response_id={first.json()['id']}&api-version=v"
    body = {"model": "m", "input": "second"}
    document = (await convert(gateway, body, query=query, headers=headers)).json()
    assert [message["content"] for message in document["request"]["messages"]] == [
        "first",
        "first answer",
        "second",
    ]
    assert len(fake.requests) == 1
    got = await convert(gateway, body, query=query, headers=[("authorization", "Bearer bob")])
    assert (got.status, got.code) == (400, "previous_response_not_found")
    chat = {"model": "m", "messages": [{"role": "user", "content": "second"}]}
    document = (await convert(gateway, chat, query=query, headers=headers)).json()
    assert "first answer" in json.dumps(document["request"]["input"])
    conversation = (await ask(gateway, "/v1/conversations", {}, headers=headers)).json()["id"]
    got = await convert(gateway, body, query=f"conversation_id={conversation}", headers=headers)
    assert got.json()["request"]["messages"][-1]["content"] == "second"


async def test_without_a_store_what_came_before_is_carried() -> None:
    gateway = gateway_of(Upstream.asgi(never, api="responses"))
    for query, field in (
        ("conversation_id=conv_1", "conversation"),
        ("previous_response_id=r", "previous_response_id"),
    ):
        got = await convert(gateway, {"model": "m", "messages": MESSAGES}, query=query)
        assert got.json()["request"][field] in ("conv_1", "r")


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, None, None),
        ([], 400, None, None),
        ({"model": "m"}, 400, None, None),
        ({"model": "m", "input": "x", "messages": MESSAGES}, 400, None, None),
        ({"model": "other", "input": "x"}, 404, "model_not_found", "model"),
        ({"input": "x"}, 400, "missing_required_parameter", "model"),
        ({"model": "m", "input": 5}, 400, "invalid_type", "input"),
        (
            {"model": "m", "messages": [{"role": "user"}]},
            400,
            "missing_required_parameter",
            "messages[0].content",
        ),
        ({"model": "m", "messages": MESSAGES, "n": 100}, 400, "invalid_value", "n"),
    ],
)
async def test_mistakes_are_told_as_the_request_itself_would_tell_them(
    body: Any, status: int, code: str | None, param: str | None
) -> None:
    got = await convert(gateway_of(Upstream.asgi(never)), body)
    error = got.json()["error"]
    assert (got.status, error["code"], error["param"]) == (status, code, param)


async def test_strict_refuses_what_would_be_dropped() -> None:
    gateway = gateway_of(Upstream.asgi(never), strict=True)
    got = await convert(gateway, {"model": "m", "input": "x", "service_tier": "flex"})
    assert (got.status, got.code) == (400, "unsupported_parameter")


async def test_it_can_be_switched_off_and_takes_only_post() -> None:
    off = gateway_of(Upstream.asgi(never), dry_run=False)
    for path in ("/convert", "/v1/proxy"):
        got = await ask(off, path, {"model": "m", "input": "x"})
        assert (got.status, got.code) == (404, "not_found")
    assert (await ask(gateway_of(Upstream.asgi(never)), "/convert", method="GET")).status == 404
    documents = [
        (await ask(gateway, "/", method="GET")).json()["endpoints"]
        for gateway in (off, gateway_of(Upstream.asgi(never)))
    ]
    assert ["POST /convert" in document for document in documents] == [False, True]


async def test_only_whoever_is_let_in_is_shown_what_the_operator_does() -> None:
    gateway = gateway_of(Upstream.asgi(never), principal=lambda scope: None)
    got = await convert(gateway, {"model": "m", "input": "x"})
    assert got.status == 401


async def test_a_client_that_leaves_before_its_request_is_there() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/convert", "headers": [], "query_string": b""}
    await gateway_of(Upstream.asgi(never))(scope, receive, send)
    assert sent[0]["status"] == 499


# Proxy


async def test_a_chat_request_is_answered_as_a_responses_one() -> None:
    chat, responses = FakeModel("chat says hi"), FakeModel("responses says hi")
    gateway = Gateway(
        {
            "chatty": Upstream.asgi(chat, model="a"),
            "thoughtful": Upstream.asgi(responses, api="responses"),
        }
    )
    for model, said in (("chatty", "chat says hi"), ("thoughtful", "responses says hi")):
        body = {
            "model": model,
            "messages": [{"role": "system", "content": "be"}, *MESSAGES],
            "max_tokens": 99,
        }
        document = (await ask(gateway, "/v1/proxy", body)).json()
        assert (document["object"], document["status"], document["model"]) == ("response", "completed", model)
        assert document["output"][0]["content"][0]["text"] == said
        assert document["max_output_tokens"] == 99
        got = await ask(gateway, "/proxy", {**body, "stream": True})
        assert got.headers["content-type"].startswith("text/event-stream")
        assert_valid_stream(got.body)
        assert b"response.completed" in got.body
    assert [request.api for request in chat.requests] == ["chat", "chat"]
    assert [request.api for request in responses.requests] == ["responses", "responses"]
    assert chat.requests[0].instructions == responses.requests[0].instructions == "be"


async def test_a_proxied_request_to_an_upstream_of_both_apis_is_a_responses_one() -> None:
    fake = FakeModel("hi")
    gateway = gateway_of(Upstream.asgi(fake, api="both", path="/api/chat/completions"))
    got = await ask(gateway, "/v1/proxy", {"model": "m", "messages": MESSAGES})
    assert got.json()["object"] == "response"
    assert [(request.api, request.path) for request in fake.requests] == [("responses", "/api/responses")]


async def test_what_a_proxied_request_loses_is_told_in_the_header() -> None:
    body = {"model": "m", "messages": MESSAGES, "n": 2, "stop": ["x"], "seed": 1, "verbosity": "low"}
    gateway = gateway_of(Upstream.asgi(FakeModel("hi")))
    got = await ask(gateway, "/v1/proxy", body)
    told = set(got.headers["x-responses-asgi-loss"].split(", "))
    assert {"n;dropped", "stop;dropped", "seed;dropped"} <= told
    assert any("verbosity" in each for each in told)
    silent = gateway_of(Upstream.asgi(FakeModel("hi")), loss_header=False)
    assert "x-responses-asgi-loss" not in (await ask(silent, "/v1/proxy", body)).headers
    equal = gateway_of(Upstream.asgi(FakeModel("hi"), api="responses"))
    assert "stop;dropped" in (await ask(equal, "/v1/proxy", body)).headers["x-responses-asgi-loss"]
    strict = gateway_of(Upstream.asgi(never), strict=True)
    got = await ask(strict, "/v1/proxy", {"model": "m", "messages": MESSAGES, "stop": "x"})
    assert (got.status, got.json()["error"]["param"]) == (400, "stop")
    nothing = {"model": "m", "messages": MESSAGES, "n": 1, "stop": None}
    assert (await ask(gateway_of(Upstream.asgi(FakeModel("hi"))), "/v1/proxy", nothing)).status == 200


async def test_a_proxied_request_continues_a_response() -> None:
    fake = FakeModel(["first answer", "second answer"])
    gateway = gateway_of(Upstream.asgi(fake))
    first = await ask(gateway, "/v1/responses", {"model": "m", "input": "first"})
    body = {"model": "m", "messages": [{"role": "user", "content": "second"}], "store": True}
    got = await ask(gateway, "/v1/proxy", body, query=f"previous_response_id={first.json()['id']}")
    assert got.json()["previous_response_id"] == first.json()["id"]
    assert [message["content"] for message in fake.requests[1].messages] == [
        "first",
        "first answer",
        "second",
    ]
    kept = await ask(gateway, f"/v1/responses/{got.json()['id']}", method="GET")
    assert kept.json()["output"] == got.json()["output"]


async def test_mistakes_of_proxied_requests() -> None:
    gateway = gateway_of(Upstream.asgi(never))
    got = await ask(gateway, "/v1/proxy", {"model": "other", "messages": MESSAGES})
    assert (got.status, got.code) == (404, "model_not_found")
    got = await ask(gateway, "/v1/proxy", {"model": "m", "input": "x"})
    assert (got.status, got.json()["error"]["param"]) == (400, "messages")
