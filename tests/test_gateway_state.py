"""What a gateway keeps: one store for all its upstreams, whatever they speak."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
import uvicorn
from fastapi import FastAPI
from openai import AsyncOpenAI
from websockets.asyncio.client import connect

from responses_asgi import ConfigurationError, Gateway, Upstream
from responses_asgi.gateway import CORS
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.testing import FakeModel
from responses_asgi.types.asgi import Receive, Scope, Send
from tests.loopback import Received, Recorder, ask, reply, served
from tests.sockets import SocketServer


async def parrot(request: dict[str, Any]) -> str:
    return " / ".join(str(message["content"]) for message in request["messages"])


def client_of(url: str, key: str = "alice") -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_conversation_goes_on_with_any_model(store: str, tmp_path: Path) -> None:
    chat, responses = FakeModel("chat"), FakeModel("responses")
    async with served(chat) as chat_url, served(responses) as responses_url:
        gateway = Gateway(
            {
                "chatty": Upstream.http(chat_url),
                "thoughtful": Upstream.http(responses_url, api="responses"),
                "house": Upstream.handler(parrot),
            },
            store="memory" if store == "memory" else f"sqlite:///{tmp_path}/kept.db",
        )
        async with served(gateway) as url, client_of(url) as client, client_of(url, "bob") as other:
            first = await client.responses.create(model="chatty", input="one")
            second = await client.responses.create(
                model="thoughtful", input="two", previous_response_id=first.id
            )
            third = await client.responses.create(
                model="house", input="three", previous_response_id=second.id
            )
            assert third.output_text == "one / chat / two / responses / three"
            assert (await client.responses.retrieve(second.id)).output_text == "responses"
            with pytest.raises(openai.NotFoundError):
                await other.responses.retrieve(second.id)
            with pytest.raises(openai.BadRequestError, match="belongs to another credential"):
                await other.responses.create(model="house", input="x", previous_response_id=second.id)
            kept = await client.chat.completions.create(
                model="thoughtful", messages=[{"role": "user", "content": "x"}], store=True
            )
            assert (await client.chat.completions.retrieve(kept.id)).choices[0].message.content == "responses"
            conversation = await client.conversations.create()
            for model in ("chatty", "house"):
                last = await client.responses.create(model=model, input=model, conversation=conversation.id)
            assert last.output_text == "chatty / chat / house"
        await gateway.aclose()
    assert [message["content"] for message in responses.requests[0].messages] == ["one", "chat", "two"]
    assert responses.requests[0].body["store"] is False


async def test_the_default_store_is_there_where_responses_clients_need_one() -> None:
    chat, responses = Upstream.handler(parrot), Upstream.asgi(FakeModel("x"), api="responses")
    assert isinstance(Gateway({"a": responses, "b": chat}).state.store, MemoryStore)
    assert Gateway({"a": responses}).state.store is None
    assert Gateway({"a": {"chat": chat, "responses": responses}}).state.store is None
    assert Gateway({"b": chat}, store=None).state.store is None
    kinds = [
        (await ask(gateway, "/health", method="GET")).json()["store"]
        for gateway in (Gateway({"b": chat}), Gateway({"a": responses}))
    ]
    assert kinds == ["memory", "none"]


async def test_without_a_store_a_responses_upstream_uses_its_own() -> None:
    fake = FakeModel(["one", "two"])
    async with served(fake) as url:
        gateway = Gateway(Upstream.http(url, api="responses"))
        async with served(gateway) as at, client_of(at) as client:
            first = await client.responses.create(model="m", input="first")
            await client.responses.create(model="m", input="second", previous_response_id=first.id)
        await gateway.aclose()
    assert fake.requests[1].body["previous_response_id"] == first.id


async def test_tokens_are_counted_by_responses_upstreams_and_estimated_for_others() -> None:
    async def seven(request: Received, send: Send) -> None:
        await reply(send, {"object": "response.input_tokens", "input_tokens": 7})

    recorder = Recorder(seven)
    async with served(recorder) as url:
        gateway = Gateway(
            {
                "exact": Upstream.http(url, api="responses", model="served", api_key="ours"),
                "house": Upstream.handler(parrot),
            }
        )
        got = await ask(gateway, "/v1/responses/input_tokens", {"model": "exact", "input": "x"})
        assert got.json() == {"object": "response.input_tokens", "input_tokens": 7}
        assert recorder.last.path == "/v1/responses/input_tokens"
        assert b'"served"' in recorder.last.body
        got = await ask(gateway, "/responses/input_tokens", {"model": "house", "input": "x"})
        assert got.json()["estimated"] is True
        await gateway.aclose()


async def test_a_conversation_is_compacted_by_the_model_it_names() -> None:
    fake = FakeModel("they said hello")
    gateway = Gateway({"m": Upstream.asgi(fake), "other": Upstream.handler(parrot)}, seal_keys=["k" * 32])
    body = {"model": "m", "input": [{"role": "user", "content": "hello"}]}
    got = await ask(gateway, "/openai/v1/responses/compact", body)
    assert got.json()["object"] == "response.compaction"
    assert (len(fake.requests), fake.requests[0].path) == (1, "/v1/chat/completions")


async def test_servers_that_see_the_clients_credential_decide_who_may_create() -> None:
    async def server(scope: Scope, receive: Receive, send: Send) -> None:
        if dict(scope["headers"]).get(b"authorization") == b"Bearer good":
            await FakeModel("hi")(scope, receive, send)
        else:
            await reply(send, {"error": {"message": "no"}}, 401)

    async with served(server) as url:
        gateway = Gateway(Upstream.http(url, credentials="forward"), store="memory")
        for key, statuses in (("bad", (401, 401, 401)), ("good", (401, 200, 200))):
            headers = [("authorization", f"Bearer {key}")]
            got = [
                await ask(gateway, "/v1/conversations", {}, headers=headers),
                await ask(gateway, "/v1/responses", {"model": "m", "input": "x"}, headers=headers),
                await ask(gateway, "/v1/conversations", {}, headers=headers),
            ]
            assert tuple(each.status for each in got) == statuses
        await gateway.aclose()


async def test_a_path_of_the_default_upstream_can_decide() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        good = (b"authorization", b"Bearer good") in scope["headers"] and scope["path"] == "/v1/me"
        await reply(send, {}, 200 if good else 401)

    gateway = Gateway({"*": Upstream.asgi(app)}, auth_path="/me")
    for key, status in (("good", 200), ("bad", 401)):
        got = await ask(gateway, "/v1/conversations", {}, headers=[("authorization", f"Bearer {key}")])
        assert got.status == status
    with pytest.raises(ConfigurationError, match="auth_path"):
        Gateway({"m": Upstream.asgi(app)}, auth_path="/me")


# What the gateway starts, stops and lets through


async def test_the_servers_own_app_starts_and_stops_the_apps_behind_it() -> None:
    log: list[str] = []

    def app(name: str) -> FastAPI:
        async def starts(_: FastAPI) -> Any:
            log.append(f"{name} starts")
            yield
            log.append(f"{name} stops")

        return FastAPI(lifespan=asynccontextmanager(starts))

    one, two = app("one"), app("two")
    gateway = Gateway({"a": Upstream.asgi(one), "b": [Upstream.asgi(two), Upstream.asgi(one)]})
    config = uvicorn.Config(gateway, port=0, log_level="error", lifespan="on")
    server = uvicorn.Server(config)
    server.should_exit = True
    await server.serve()
    assert log == ["one starts", "two starts", "two stops", "one stops"]


async def test_pages_of_named_sites_are_let_in_by_cors() -> None:
    gateway = Gateway(Upstream.handler(parrot), cors=CORS(origins="https://chat.example.org"))
    headers = [("origin", "https://chat.example.org")]
    body = {"model": "m", "input": "hello", "service_tier": "flex"}
    got = await ask(gateway, "/v1/responses", body, headers=headers)
    assert got.headers["access-control-allow-origin"] == "https://chat.example.org"
    assert "x-responses-asgi-loss" in got.headers["access-control-expose-headers"]
    assert "x-responses-asgi-loss" in got.headers
    asked = [*headers, ("access-control-request-method", "POST")]
    got = await ask(gateway, "/v1/responses", method="OPTIONS", headers=asked)
    assert (got.status, got.headers["access-control-allow-origin"]) == (200, "https://chat.example.org")


async def test_a_socket_is_carried_to_the_default_upstream() -> None:
    server = SocketServer()
    async with served(server) as behind:
        gateway = Gateway(
            {"house": Upstream.handler(parrot), "*": Upstream.http(behind, credentials="forward")}
        )
        app = FastAPI()
        app.mount("/ai", gateway)
        async with served(app) as url:
            dialled = connect(
                url.replace("http", "ws", 1) + "/ai/v1/realtime?model=m",
                proxy=None,
                additional_headers={"authorization": "Bearer theirs"},
            )
            async with dialled as socket:
                for data in ("text", b"\x00\xff"):
                    await socket.send(data)
                    assert await socket.recv() == data
        await gateway.aclose()
    assert (server.last.scope["path"], server.last.scope["query_string"]) == ("/v1/realtime", b"model=m")
    assert server.last.headers["authorization"] == "Bearer theirs"


async def test_an_unexpected_failure_of_the_list_is_answered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = Gateway(Upstream.handler(parrot))
    caplog.set_level(logging.CRITICAL)

    async def failing(scope: Scope) -> Any:
        raise ValueError("unexpected")

    monkeypatch.setattr(gateway._models, "list", failing)
    got = await ask(gateway, "/models", method="GET")
    assert (got.status, type(got.raised)) == (500, ValueError)
    assert b"unexpected" not in got.body
