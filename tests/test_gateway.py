"""A gateway over a Chat server, a Responses server and a function, asked by the real clients of both APIs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config as HypercornConfig
from openai import AsyncAzureOpenAI, AsyncOpenAI

from responses_asgi import ConfigurationError, Gateway, Upstream
from responses_asgi.testing import FakeModel
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from tests.loopback import Recorder, ask, reply, served, unused_url

MODELS = ("chatty", "thoughtful", "house")


async def parrot(request: dict[str, Any]) -> AsyncIterator[str]:
    yield "house: "
    yield request["messages"][-1]["content"]


class House:
    """A Chat server, a Responses server, and a gateway in front of them and of a function."""

    def __init__(self, chat: FakeModel, responses: FakeModel, gateway: Gateway) -> None:
        self.chat = chat
        self.responses = responses
        self.gateway = gateway


@asynccontextmanager
async def house(**settings: Any) -> AsyncIterator[House]:
    chat, responses = FakeModel("chat says hi"), FakeModel("responses says hi", models=["gpt-x"])
    async with served(chat) as chat_url, served(responses) as responses_url:
        gateway = Gateway(
            {
                "chatty": Upstream.http(chat_url, model="chat-model", api_key="chat-key", profile="vllm"),
                "thoughtful": Upstream.http(responses_url, api="responses", model="responses-model"),
                "house": Upstream.handler(parrot),
            },
            **settings,
        )
        try:
            yield House(chat, responses, gateway)
        finally:
            await gateway.aclose()


def client_of(url: str, **options: Any) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=url, api_key="client-key", max_retries=0, **options)


SAID = {"chatty": "chat says hi", "thoughtful": "responses says hi", "house": "house: hello"}


async def ask_all_ways(client: AsyncOpenAI) -> None:
    """Every model, on both APIs, whole and streamed."""
    for model, said in SAID.items():
        messages: list[Any] = [{"role": "user", "content": "hello"}]
        completion = await client.chat.completions.create(model=model, messages=messages)
        assert (completion.choices[0].message.content, completion.model) == (said, model)
        pieces, named = [], set()
        async for chunk in await client.chat.completions.create(model=model, messages=messages, stream=True):
            pieces += [choice.delta.content or "" for choice in chunk.choices]
            named.add(chunk.model)
        assert ("".join(pieces), named) == (said, {model})
        response = await client.responses.create(model=model, input="hello")
        assert (response.output_text, response.model, response.status) == (said, model, "completed")
        async with client.responses.stream(model=model, input="hello") as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
        assert (final.output_text, final.model) == (said, model)


async def test_every_model_on_both_apis_alone_under_uvicorn() -> None:
    async with house() as it, served(it.gateway) as url, client_of(f"{url}/v1") as client:
        await ask_all_ways(client)
        assert {request.api for request in it.chat.requests} == {"chat"}
        assert {request.api for request in it.responses.requests} == {"responses"}
        assert {request.model for request in it.chat.requests} == {"chat-model"}
        assert {request.model for request in it.responses.requests} == {"responses-model"}


async def test_every_model_on_both_apis_mounted_in_fastapi() -> None:
    async with house() as it:
        app = FastAPI(lifespan=it.gateway.lifespan)
        app.mount("/ai/v1", it.gateway)
        async with served(app) as url, client_of(f"{url}/ai/v1") as client:
            await ask_all_ways(client)
            assert [model.id for model in (await client.models.list()).data] == list(MODELS)
        assert {request.path for request in it.chat.requests} == {"/v1/chat/completions"}


async def test_every_model_on_both_apis_under_hypercorn() -> None:
    async with house() as it, on_hypercorn(it.gateway) as url, client_of(f"{url}/v1") as client:
        await ask_all_ways(client)


@asynccontextmanager
async def on_hypercorn(app: ASGIApp) -> AsyncIterator[str]:
    import asyncio

    config = HypercornConfig()
    url = unused_url()
    config.bind = [url.removeprefix("http://")]
    config.graceful_timeout = 1
    stop = asyncio.Event()
    task = asyncio.create_task(hypercorn_serve(app, config, shutdown_trigger=stop.wait))  # type: ignore[arg-type] # typed for its own apps
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(10):
            while True:
                try:
                    await client.get(f"{url}/health")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.02)
        yield url
    finally:
        stop.set()
        await task


async def test_a_clients_key_reaches_only_upstreams_that_ask_for_it() -> None:
    recorders = {name: Recorder() for name in ("own", "none", "forward")}
    async with (
        served(recorders["own"]) as own,
        served(recorders["none"]) as none,
        served(recorders["forward"]) as forward,
    ):
        gateway = Gateway(
            {
                "own": Upstream.http(own, api_key="ours"),
                "none": Upstream.http(none),
                "forward": Upstream.http(forward, credentials="forward"),
                "*": Upstream.http(none),
            }
        )
        headers = [("authorization", "Bearer theirs"), ("api-key", "theirs"), ("x-api-key", "theirs")]
        for path, key in (("/v1/chat/completions", "messages"), ("/v1/responses", "input")):
            for model in recorders:
                body = {"model": model, key: [{"role": "user", "content": "hi"}]}
                await ask(gateway, path, body, headers=[*headers, ("cookie", "theirs")])
        await ask(gateway, "/v1/embeddings", {"input": "hi"}, headers=headers)
        await gateway.aclose()
    assert {name: len(recorder.requests) for name, recorder in recorders.items()} == {
        "own": 2,
        "none": 3,
        "forward": 2,
    }
    for request in recorders["own"].requests:
        assert request.headers["authorization"] == "Bearer ours"
        assert "theirs" not in str(request.headers)
    for request in recorders["none"].requests:
        assert "theirs" not in str(request.headers)
    for request in recorders["forward"].requests:
        assert request.headers["authorization"] == "Bearer theirs"
        assert request.headers.keys().isdisjoint({"api-key", "x-api-key", "cookie"})


# Upstreams that are not there


async def test_a_dead_upstream_is_an_error_of_its_model_alone() -> None:
    gateway = Gateway({"dead": Upstream.http(unused_url(), retries=0), "house": Upstream.handler(parrot)})
    async with served(gateway) as url, client_of(f"{url}/v1") as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.responses.create(model="dead", input="hello", stream=True)
        assert caught.value.status_code in (502, 503)
        assert caught.value.code == "upstream_unreachable"
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(model="dead", messages=[{"role": "user", "content": "x"}])
        assert caught.value.status_code in (502, 503)
        assert (await client.responses.create(model="house", input="hello")).output_text == "house: hello"
    await gateway.aclose()


async def test_an_upstream_that_dies_between_two_requests() -> None:
    fake, fallback = FakeModel("hi"), FakeModel("the fallback says hi")
    async with served(fallback) as second:
        async with served(fake) as first:
            dying = Upstream.http(first, retries=0)
            gateway = Gateway({"alone": dying, "safe": [dying, Upstream.http(second)]})
            for model in ("alone", "safe"):
                got = await ask(gateway, "/v1/responses", {"model": model, "input": "x"})
                assert got.json()["output"][0]["content"][0]["text"] == "hi"
        got = await ask(gateway, "/v1/responses", {"model": "alone", "input": "x"})
        assert (got.status, got.json()["error"]["type"]) == (502, "server_error")
        got = await ask(
            gateway, "/v1/chat/completions", {"model": "safe", "messages": [{"role": "user", "content": "x"}]}
        )
        assert got.json()["choices"][0]["message"]["content"] == "the fallback says hi"
        await gateway.aclose()


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_the_fallback_answers_for_a_dead_upstream(api: Any) -> None:
    fallback = FakeModel("the fallback says hi")
    async with served(fallback) as url:
        gateway = Gateway(
            {"m": [Upstream.http(unused_url(), retries=0), Upstream.http(url, api=api, model="other")]}
        )
        async with served(gateway) as at, client_of(f"{at}/v1") as client:
            messages: list[Any] = [{"role": "user", "content": "hello"}]
            completion = await client.chat.completions.create(model="m", messages=messages)
            assert (completion.choices[0].message.content, completion.model) == ("the fallback says hi", "m")
            async with client.responses.stream(model="m", input="hello") as stream:
                final = await stream.get_final_response()
            assert (final.output_text, final.model) == ("the fallback says hi", "m")
        await gateway.aclose()
    assert {request.api for request in fallback.requests} == {api}


# Models


async def test_models_and_unknown_models() -> None:
    async with house() as it, served(it.gateway) as url, client_of(f"{url}/v1") as client:
        listed = (await client.models.list()).data
        assert [(model.id, model.object, model.owned_by) for model in listed] == [
            (name, "model", "responses-asgi") for name in MODELS
        ]
        assert (await client.models.retrieve("house")).id == "house"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("mansion")
        assert caught.value.code == "model_not_found"
        for asking in (
            client.responses.create(model="mansion", input="x"),
            client.chat.completions.create(model="mansion", messages=[{"role": "user", "content": "x"}]),
        ):
            with pytest.raises(openai.NotFoundError, match="known are: chatty, thoughtful, house") as caught:
                await asking
            assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_models_of_patterns_come_from_the_upstream() -> None:
    fake = FakeModel("hi", models=["org/a", "b"])
    async with served(fake) as url:
        gateway = Gateway(
            {"own": Upstream.handler(parrot), "*": Upstream.http(url)}, list_upstream_models=True
        )
        async with served(gateway) as at, client_of(f"{at}/v1") as client:
            assert [model.id for model in (await client.models.list()).data] == ["own", "org/a", "b"]
            assert (await client.models.retrieve("org/a")).owned_by == "fake"
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve("c")
        await gateway.aclose()
        alone = Gateway(Upstream.http(url))
        got = await ask(alone, "/openai/v1/models", method="GET")
        assert [model["id"] for model in got.json()["data"]] == ["org/a", "b"]
        await alone.aclose()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses", {"input": "hello"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hello"}]}),
    ],
)
async def test_a_request_without_a_model_gets_the_default(path: str, body: dict[str, Any]) -> None:
    with_default = Gateway({"other": Upstream.handler(parrot), "*": Upstream.handler(parrot, model="house")})
    got = await ask(with_default, path, body)
    assert (got.status, b"house: hello" in got.body) == (200, True)
    got = await ask(Gateway({"other": Upstream.handler(parrot)}), path, body)
    assert (got.status, got.code, got.json()["error"]["param"]) == (
        400,
        "missing_required_parameter",
        "model",
    )
    got = await ask(with_default, path, [body])
    assert (got.status, got.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_each_client_api_has_its_own_upstreams() -> None:
    chat, responses = FakeModel("chat"), FakeModel("responses")
    gateway = Gateway(
        {"m": {"chat": Upstream.asgi(responses, api="responses"), "responses": Upstream.asgi(chat)}}
    )
    got = await ask(gateway, "/v1/responses", {"model": "m", "input": "hello"})
    assert got.json()["output"][0]["content"][0]["text"] == "chat"
    got = await ask(
        gateway, "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    )
    assert got.json()["choices"][0]["message"]["content"] == "responses"
    assert (chat.requests[0].api, responses.requests[0].api) == ("chat", "responses")


# What the gateway tells about itself


async def test_service_information_and_health_tell_no_secret() -> None:
    async with house() as it:
        got = await ask(it.gateway, "/", method="GET")
        assert got.json()["name"] == "responses-asgi"
        assert {"POST /responses", "POST /chat/completions", "POST /convert"} <= set(got.json()["endpoints"])
        for path in ("/health", "/health"):
            got = await ask(it.gateway, path, method="GET")
            assert got.json()["status"] == "ok"
        upstreams = got.json()["upstreams"]
        assert [(each["model"], each["kind"], each["api"], each["profile"]) for each in upstreams] == [
            ("chatty", "http", "chat", "vllm"),
            ("thoughtful", "http", "responses", "generic"),
            ("house", "handler", "chat", "generic"),
        ]
        assert upstreams[0]["url"].startswith("http://127.0.0.1:")
        assert got.json()["fast"].keys() >= {"aiohttp", "orjson"}
        for secret in (b"chat-key", b"chat-model", b"responses-model"):
            assert secret not in got.body


async def test_health_tells_fallbacks_and_upstreams_by_client() -> None:
    secret = Upstream.http(
        "https://gateway.example.org/token-in-path/v1",
        headers={"x-team": "secret-team"},
        api_key="secret-key",
    )
    gateway = Gateway(
        {
            "a": [Upstream.handler(parrot), secret],
            "b": {
                "chat": Upstream.wsgi(lambda environ, start: []),
                "responses": Upstream.asgi(FakeModel("x")),
            },
            "c": {"chat": secret},
        }
    )
    got = await ask(gateway, "/health", method="GET")
    a, b, c = got.json()["upstreams"]
    remote = {
        "kind": "http",
        "url": "https://gateway.example.org",
        "api": "chat",
        "profile": "generic",
    }
    assert a["fallbacks"] == [remote]
    assert (b["by_client"]["chat"]["kind"], b["by_client"]["responses"]["kind"]) == ("wsgi", "asgi")
    assert c["by_client"] == {"chat": {**remote, "fallbacks": []}}
    for word in (b"secret-key", b"secret-team", b"token-in-path"):
        assert word not in got.body


async def test_head_has_the_headers_of_get() -> None:
    gateway = Gateway(Upstream.handler(parrot))
    for path in ("/", "/health", "/v1/models"):
        got, head = await ask(gateway, path, method="GET"), await ask(gateway, path, method="HEAD")
        assert (head.status, head.headers, head.body) == (200, got.headers, b"")
    mounted = await ask(gateway, "/ai", method="GET", root_path="/ai")
    assert mounted.json()["name"] == "responses-asgi"


# What passes through


async def test_other_paths_and_methods_are_the_default_upstreams() -> None:
    recorder = Recorder()
    async with served(recorder) as url:
        gateway = Gateway(
            {
                "house": Upstream.handler(parrot),
                "*": Upstream.http(url, credentials="forward"),
            }
        )
        headers = [("authorization", "Bearer theirs"), ("content-type", "multipart/form-data; boundary=x")]
        got = await ask(
            gateway, "/v1/files", pieces=[b"--x\r\n", b"\x00\xff", b"--x--"], headers=headers, query="a=1"
        )
        assert got.json() == {"ok": True}
        assert recorder.last.body == b"--x\r\n\x00\xff--x--"
        assert (recorder.last.path, recorder.last.query) == ("/v1/files", "a=1")
        assert recorder.last.headers["content-type"] == "multipart/form-data; boundary=x"
        for method, path, asked in (
            ("GET", "/anything/else", "/v1/anything/else"),
            ("DELETE", "/v1/models/ft:mine", "/v1/models/ft:mine"),
            ("POST", "/openai/deployments/d/embeddings", "/v1/embeddings"),
            ("GET", "/ai/v1/files/f1", "/v1/files/f1"),
            ("OPTIONS", "/v1/responses", "/v1/responses"),
        ):
            await ask(gateway, path, method=method, headers=headers, root_path="/ai")
            assert (recorder.last.method, recorder.last.path) == (method, asked)
        await gateway.aclose()


async def test_the_operators_key_opens_only_what_is_listed() -> None:
    recorder = Recorder()
    async with served(recorder) as url:
        gateway = Gateway(Upstream.http(url, api_key="ours"))
        assert (await ask(gateway, "/v1/embeddings")).status == 200
        got = await ask(gateway, "/v1/files", method="GET")
        assert (got.status, got.code) == (404, "not_found")
        await gateway.aclose()
    assert [request.path for request in recorder.requests] == ["/v1/embeddings"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions/",
        "/v1/chat/completions//",
        "/v1/chat/completions%2F",
        "/openai/chat/completions",
        "/openai/deployments/m/chat/completions/",
        "/v1/responses/",
        "/openai/responses/",
    ],
)
async def test_no_spelling_of_an_endpoint_goes_round_what_is_set_for_it(path: str) -> None:
    recorder = Recorder()
    async with served(recorder) as url:
        gateway = Gateway(
            {"m": Upstream.http(url, api_key="ours", model="real"), "*": Upstream.http(url, api_key="ours")}
        )
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "input": "x"}
        async with served(gateway) as at, httpx.AsyncClient() as client:
            await client.post(at + path, json=body)
        await gateway.aclose()
    assert [request.path for request in recorder.requests] == ["/v1/chat/completions"]
    assert json.loads(recorder.last.body)["model"] == "real"


async def test_what_is_kept_is_found_with_a_slash_at_the_end() -> None:
    recorder = Recorder()
    async with served(recorder) as url:
        gateway = Gateway({"house": Upstream.handler(parrot), "*": Upstream.http(url, api_key="ours")})
        made = (
            await ask(gateway, "/v1/responses", json.dumps({"model": "house", "input": "x"}).encode())
        ).json()
        got = await ask(gateway, f"/v1/responses/{made['id']}/", method="GET")
        assert got.json() == made
        assert (await ask(gateway, "/v1/responses/resp_theirs/", method="GET")).status == 404
        await gateway.aclose()
    assert recorder.requests == []


async def test_what_belongs_to_responses_goes_to_the_default_of_responses_clients() -> None:
    seen: list[tuple[str, str]] = []

    def app(name: str) -> ASGIApp:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append((name, scope["path"]))
            await reply(send, {})

        return call

    both = Gateway(
        {
            "*": {
                "chat": Upstream.asgi(app("chat")),
                "responses": Upstream.asgi(app("responses"), api="responses", path="/api/responses"),
            }
        },
        list_upstream_models=False,
        store=None,
    )
    await ask(both, "/v1/files", method="GET")
    await ask(both, "/responses/resp_1/other", method="GET")
    await ask(both, "/files", method="GET")
    one = Gateway({"*": {"responses": Upstream.asgi(app("only"), api="responses")}}, store=None)
    await ask(one, "/v1/files", method="GET")
    assert seen == [
        ("chat", "/v1/files"),
        ("responses", "/api/responses/resp_1/other"),
        ("chat", "/v1/files"),
        ("only", "/v1/files"),
    ]


async def test_without_a_default_upstream_the_rest_is_not_found() -> None:
    gateway = Gateway({"house": Upstream.handler(parrot)})
    got = await ask(gateway, "/v1/files/" + "x" * 1000, method="GET")
    assert (got.status, got.code) == (404, "not_found")
    assert len(got.body) < 400
    for method in ("GET", "OPTIONS", "DELETE"):
        got = await ask(gateway, "/v1/chat/completions", method=method)
        assert got.status in (401, 404, 405)
    got = await ask(gateway, "/openai/deployments/house/chat/completions", method="PUT")
    assert (got.status, got.code, got.headers["allow"]) == (405, "method_not_allowed", "POST")


async def test_a_websocket_is_the_default_upstreams_or_refused() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send({"type": "websocket.close"})

    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/ai/v1/realtime", "root_path": "/ai", "headers": []}
    await Gateway(Upstream.asgi(app))(scope, receive, send)
    assert (seen[0]["path"], seen[0]["root_path"]) == ("/v1/realtime", "")
    await Gateway({"house": Upstream.handler(parrot)})(scope, receive, send)
    assert sent == ["websocket.close", "websocket.close"]


# Azure


async def test_azure_clients_call_the_gateway() -> None:
    async with house() as it, served(it.gateway) as url:
        async with AsyncAzureOpenAI(
            azure_endpoint=url, api_key="client-key", api_version="2025-04-01-preview", max_retries=0
        ) as client:
            for model, said in SAID.items():
                messages: list[Any] = [{"role": "user", "content": "hello"}]
                completion = await client.chat.completions.create(model=model, messages=messages)
                assert (completion.choices[0].message.content, completion.model) == (said, model)
                response = await client.responses.create(model=model, input="hello")
                assert (response.output_text, response.model) == (said, model)
            assert [model.id for model in (await client.models.list()).data] == list(MODELS)
        async with AsyncAzureOpenAI(
            azure_endpoint=url,
            azure_ad_token="token",
            azure_deployment="house",
            api_version="v",
            max_retries=0,
        ) as client:
            completion = await client.chat.completions.create(model="", messages=messages)
            assert (completion.choices[0].message.content, completion.model) == ("house: hello", "house")


async def test_an_azure_shaped_upstream_is_behind_it() -> None:
    azure = FakeModel("azure says hi")
    recorder: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        recorder.append(scope)
        await azure(scope, receive, send)

    async with served(app) as url:
        gateway = Gateway(
            {
                "gpt": Upstream.http(
                    url, profile="azure", api_version="2024-10-21", deployment="dep-1", api_key="azure-key"
                ),
                "v1": Upstream.http(url, profile="azure", api="responses", api_key="azure-key"),
            }
        )
        async with (
            served(gateway) as at,
            AsyncAzureOpenAI(
                azure_endpoint=at, api_key="client-key", api_version="v", max_retries=0
            ) as client,
        ):
            for model in ("gpt", "v1"):
                messages: list[Any] = [{"role": "user", "content": "hello"}]
                completion = await client.chat.completions.create(model=model, messages=messages)
                assert completion.choices[0].message.content == "azure says hi"
                response = await client.responses.create(model=model, input="hello")
                assert response.output_text == "azure says hi"
        await gateway.aclose()
    assert {(scope["path"], scope["query_string"]) for scope in recorder} == {
        ("/openai/deployments/dep-1/chat/completions", b"api-version=2024-10-21"),
        ("/openai/v1/responses", b""),
    }
    assert {dict(scope["headers"])[b"api-key"] for scope in recorder} == {b"azure-key"}


# Settings


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="keep_alive"):
        Gateway(Upstream.handler(parrot), keep_alive=-1)
    with pytest.raises(TypeError, match="profile"):
        Gateway(Upstream.handler(parrot), profile="vllm")  # type: ignore[call-arg] # a mistake on purpose
