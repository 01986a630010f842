"""Who may open a WebSocket, what others are told, and which sockets an upstream gets as they are."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Header, HTTPException, WebSocket
from fastapi.responses import JSONResponse
from hypercorn.asyncio import serve
from hypercorn.config import Config

from responses_asgi import ChatCompletionsMiddleware, Gateway, ResponsesMiddleware, Upstream
from responses_asgi.gateway import CORS
from responses_asgi.testing import FakeModel
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.json import JSON
from responses_asgi.websocket import WebSocketLimits
from responses_asgi.websocket.takeover import took_over
from tests.loopback import ask, served, until, unused_url
from tests.sockets import Socket, SocketAsked, SocketServer, denying
from tests.websocket_driver import Talk, dial, heard_by, refusal_of, talking, text_of

SESSION = {"type": "response.create", "model": "m", "input": "Hi"}


@asynccontextmanager
async def on_hypercorn(app: ASGIApp) -> AsyncIterator[str]:
    config = Config()
    url = unused_url()
    config.bind = [url.removeprefix("http://")]
    config.graceful_timeout = 1
    place = urlsplit(url)
    stopping = asyncio.Event()
    task = asyncio.create_task(serve(app, config, shutdown_trigger=stopping.wait))  # type: ignore[arg-type] # typed for its own apps
    try:
        async with asyncio.timeout(10):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection(place.hostname, place.port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        yield url
    finally:
        stopping.set()
        await task


def on_uvicorn(ws: str) -> Callable[[ASGIApp], Any]:
    return lambda app: served(app, ws=ws)


SERVERS = {
    "websockets": on_uvicorn("websockets"),
    "websockets-sansio": on_uvicorn("websockets-sansio"),
    "wsproto": on_uvicorn("wsproto"),
    "hypercorn": on_hypercorn,
}

on_servers = pytest.mark.parametrize("server", SERVERS)


def error_of(response: Any) -> JSON:
    assert response.headers["content-type"] == "application/json"
    error: JSON = json.loads(response.body)["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    return error


# Switched off


@on_servers
async def test_sockets_are_refused_with_426_where_they_are_switched_off(server: str) -> None:
    fake = FakeModel("Hi.")
    async with SERVERS[server](ResponsesMiddleware(Upstream.asgi(fake), websocket=False)) as url:
        response = await refusal_of(url)
        assert (response.status_code, error_of(response)["code"]) == (426, "websocket_unavailable")
    assert fake.requests == []


async def test_a_wrapped_app_keeps_its_other_sockets_where_they_are_switched_off() -> None:
    app = FastAPI()

    @app.websocket("/chat")
    async def chat(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("own")
        await socket.close()

    app.add_middleware(ResponsesMiddleware, websocket=False)
    async with served(app) as url:
        async with dial(url, "/chat") as socket:
            assert await socket.recv() == "own"
        assert (await refusal_of(url)).status_code == 426


@on_servers
async def test_a_session_on_every_server(server: str) -> None:
    fake = FakeModel(["one", "two"])
    async with SERVERS[server](ResponsesMiddleware(Upstream.asgi(fake))) as url, talking(url) as talk:
        first = await talk.create(input="a")
        assert text_of(await talk.create(input="b", previous_response_id=first["id"])) == "two"
        await talk.say(b"\x00")
        assert (await talk.hear())["status"] == 400


# Who may


def alice(scope: Scope) -> str | None:
    headers = dict(scope["headers"])
    assert scope["type"] == "http"
    return "alice" if headers.get(b"authorization") == b"Bearer alice" else None


@on_servers
async def test_principal_decides_at_the_handshake(server: str) -> None:
    bridge = ResponsesMiddleware(Upstream.asgi(FakeModel("Hi.")), principal=alice)
    async with SERVERS[server](bridge) as url:
        response = await refusal_of(url, additional_headers={"authorization": "Bearer mallory"})
        assert (response.status_code, error_of(response)["code"]) == (401, "invalid_api_key")
        async with talking(url, additional_headers={"authorization": "Bearer alice"}) as talk:
            assert text_of(await talk.create()) == "Hi."


def guarded() -> FastAPI:
    """An app that checks credentials itself."""
    app, fake = FastAPI(), FakeModel()

    def check(authorization: str) -> None:
        if authorization != "Bearer right":
            raise HTTPException(401, "wrong key", {"www-authenticate": "Bearer"})

    @app.get("/me")
    async def me(authorization: str = Header("")) -> JSONResponse:
        check(authorization)
        return JSONResponse({})

    @app.post("/v1/chat/completions")
    async def chat(body: JSON, authorization: str = Header("")) -> JSONResponse:
        check(authorization)
        return JSONResponse((await ask(fake, "/v1/chat/completions", {**body, "stream": False})).json())

    return app


async def test_the_apps_own_authentication_sees_every_turn() -> None:
    async with served(ResponsesMiddleware(guarded())) as url:
        async with talking(url, additional_headers={"authorization": "Bearer wrong"}) as talk:
            for _ in range(2):
                frame = await talk.refused()
                assert (frame["status"], frame["error"]["message"]) == (401, "wrong key")
        async with talking(url, additional_headers={"authorization": "Bearer right"}) as talk:
            assert (await talk.create())["status"] == "completed"


async def test_a_warm_up_stores_nothing_for_whom_the_app_has_not_let_in() -> None:
    """Nobody has seen the credential yet; the connection remembers it all the same."""
    bridge = ResponsesMiddleware(guarded())
    async with served(bridge) as url:
        async with talking(url, additional_headers={"authorization": "Bearer wrong"}) as talk:
            warm = await talk.create(generate=False, store=True)
            assert warm["store"] is False
            frame = await talk.refused(previous_response_id=warm["id"])
            assert frame["status"] == 401
        async with talking(url, additional_headers={"authorization": "Bearer right"}) as talk:
            warm = await talk.create(generate=False, input="w", store=True)
            assert warm["store"] is False
            turn = await talk.create(input="a", previous_response_id=warm["id"], store=True)
            assert turn["store"] is True
            warm = await talk.create(generate=False, input="w", store=True)
            assert warm["store"] is True


async def test_auth_path_is_asked_at_the_handshake() -> None:
    async with served(ResponsesMiddleware(guarded(), auth_path="/me")) as url:
        response = await refusal_of(url, additional_headers={"authorization": "Bearer wrong"})
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        async with talking(url, additional_headers={"authorization": "Bearer right"}) as talk:
            assert (await talk.create())["status"] == "completed"


async def test_a_browsers_key_in_a_subprotocol_is_a_header_of_the_turns() -> None:
    fake = FakeModel("Hi.")
    bridge = ResponsesMiddleware(Upstream.asgi(fake), principal=alice)
    async with (
        served(bridge) as url,
        dial(url, subprotocols=["responses", "openai-insecure-api-key.alice"]) as socket,
    ):
        assert socket.subprotocol == "responses"
        assert (await Talk(socket).create())["status"] == "completed"


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "opens"),
    [
        ("https://evil.example", None, (), False),
        ("null", None, (), False),
        ("https://evil.example", None, "https://good.example", False),
        ("https://good.example", None, "https://good.example", True),
        ("https://evil.example", None, "*", True),
        ("https://chat.example", "chat.example", (), True),
        (None, None, (), True),
    ],
)
async def test_pages_of_other_sites_may_not_open_sockets(
    origin: str | None, host: str | None, allowed: Any, opens: bool
) -> None:
    bridge = ResponsesMiddleware(Upstream.asgi(FakeModel("Hi.")), websocket=WebSocketLimits(origins=allowed))
    headers = {"x-forwarded-host": host} if host else {}
    async with served(bridge) as url:
        if opens:
            async with talking(url, origin=origin, additional_headers=headers) as talk:
                assert (await talk.create())["status"] == "completed"
        else:
            response = await refusal_of(url, origin=origin, additional_headers=headers)
            assert (response.status_code, error_of(response)["code"]) == (403, "origin_not_allowed")
        async with talking(url, origin=url) as talk:
            await talk.say({"type": "ping"})
            await talk.hear()


async def test_the_sites_of_a_gateways_cors_may_open_sockets() -> None:
    gateway = Gateway(Upstream.asgi(FakeModel("Hi.")), cors=CORS(origins="https://good.example"))
    async with served(gateway) as url:
        async with talking(url, origin="https://good.example") as talk:
            assert (await talk.create())["status"] == "completed"
        assert (await refusal_of(url, origin="https://evil.example")).status_code == 403


async def test_servers_that_cannot_say_a_status_are_told_to_close() -> None:
    for bridge in (
        ResponsesMiddleware(Upstream.asgi(FakeModel()), principal=alice),
        Gateway(Upstream.asgi(FakeModel()), websocket=False),
    ):
        asked = SocketAsked(bridge, "/v1/responses")
        await asked.task
        assert (asked.types, asked.sent[0]["code"]) == (["close"], 1008)


# Where


@asynccontextmanager
async def django(fake: ASGIApp) -> AsyncIterator[tuple[ASGIApp, str]]:
    """A project whose urls do not matter here: it raises ValueError for WebSockets, as Django does."""

    async def project(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"Django can only handle ASGI/HTTP connections, not {scope['type']}.")
        await fake(scope, receive, send)

    yield ResponsesMiddleware(project), "/v1/responses"


@asynccontextmanager
async def mounted(fake: ASGIApp) -> AsyncIterator[tuple[ASGIApp, str]]:
    app = FastAPI()
    app.mount("/ai", ResponsesMiddleware(Upstream.asgi(fake)))
    yield app, "/ai/v1/responses"


@asynccontextmanager
async def added(fake: ASGIApp) -> AsyncIterator[tuple[ASGIApp, str]]:
    app = FastAPI()
    app.mount("/", fake)
    app.add_middleware(ResponsesMiddleware)
    yield app, "/v1/responses"


@asynccontextmanager
async def in_a_gateway(fake: ASGIApp) -> AsyncIterator[tuple[ASGIApp, str]]:
    app = FastAPI()
    app.mount("/ai/v1", Gateway({"m": Upstream.asgi(fake), "other": Upstream.asgi(FakeModel("no"))}))
    yield app, "/ai/v1/responses"


@asynccontextmanager
async def in_front_of_a_server(fake: ASGIApp) -> AsyncIterator[tuple[ASGIApp, str]]:
    async with served(fake) as behind:
        bridge = ResponsesMiddleware(Upstream.http(behind))
        yield bridge, "/openai/v1/responses"
        await bridge.aclose()


@asynccontextmanager
async def in_front_of_equals(fake: ASGIApp) -> AsyncIterator[tuple[ASGIApp, str]]:
    """A server that speaks Responses, but not over WebSocket."""
    async with served(fake) as behind:
        bridge = ResponsesMiddleware(Upstream.http(behind, api="responses"))
        yield bridge, "/v1/responses"
        await bridge.aclose()


@asynccontextmanager
async def equal_without_sockets(fake: ASGIApp) -> AsyncIterator[tuple[ASGIApp, str]]:
    """An app in this process that speaks Responses, and raises an exception for a WebSocket."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await fake(scope, receive, send)

    yield ResponsesMiddleware(Upstream.asgi(app, api="responses")), "/v1/responses"


@asynccontextmanager
async def gateway_of_equals(fake: ASGIApp) -> AsyncIterator[tuple[ASGIApp, str]]:
    yield Gateway(Upstream.asgi(fake, api="responses")), "/v1/responses"


PLACES = (
    django,
    mounted,
    added,
    in_a_gateway,
    in_front_of_a_server,
    in_front_of_equals,
    equal_without_sockets,
    gateway_of_equals,
)


@pytest.mark.parametrize("place", PLACES)
async def test_a_session_in_every_place(place: Any) -> None:
    fake = FakeModel(["one", "two", "three"])
    async with (
        place(fake) as (app, path),
        served(app) as url,
        talking(url, path) as talk,
    ):
        warm = await talk.create(input="w", generate=False)
        first = await talk.create(input="a", previous_response_id=warm["id"])
        assert text_of(first) == "one"
        second = await talk.create(input="b", previous_response_id=first["id"])
        assert (text_of(second), second["previous_response_id"]) == ("two", first["id"])
        assert text_of(await talk.create(input="c", previous_response_id=second["id"])) == "three"
    assert [content for _, content in heard_by(fake)] == ["w", "a", "one", "b", "two", "c"]


async def test_azures_path_names_the_model() -> None:
    fake = FakeModel("Hi.")
    gateway = Gateway({"house": Upstream.asgi(fake)})
    async with served(gateway) as url:
        async with talking(url, "/openai/deployments/house/responses?api-version=1") as talk:
            assert (await talk.create(model=None))["model"] == "house"
        async with talking(url, "/openai/deployments/nowhere/responses") as talk:
            assert (await talk.refused(model=None))["error"]["code"] == "model_not_found"


async def test_what_an_upstream_stores_itself_is_continued_there() -> None:
    asked: list[JSON] = []

    async def keeping(request: JSON) -> AsyncIterator[JSON]:
        asked.append(request)
        number = len(asked)
        message = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed"}
        content = [{"type": "output_text", "text": str(number), "annotations": [], "logprobs": []}]
        yield {
            "id": f"resp_{number}",
            "object": "response",
            "status": "completed",
            "store": request.get("store") is not False,
            "output": [{**message, "content": content}],
            "model": "m",
            "created_at": 0,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }

    bridge = ResponsesMiddleware(Upstream.handler(keeping, api="responses", profile="openai"))
    async with served(bridge) as url, talking(url) as talk:
        first = await talk.create(input="a", store=True)
        second = await talk.create(input="b", previous_response_id=first["id"])
        assert asked[-1]["previous_response_id"] == first["id"]
        # What came before is not known here, and the upstream has not kept it.
        await talk.create(input="c", previous_response_id=second["id"])
        assert asked[-1]["previous_response_id"] == second["id"]
        frame = await talk.refused(generate=False, previous_response_id=second["id"])
        assert frame["error"]["code"] == "previous_response_not_found"
        fresh = await talk.create(input="d", reasoning={"effort": "low"})
        assert asked[-1]["include"] == ["reasoning.encrypted_content"]
        last = await talk.create(input="e", previous_response_id=fresh["id"])
        assert "previous_response_id" not in asked[-1]
        assert [item.get("content") for item in asked[-1]["input"]][::2] == ["d", "e"]
        assert last["previous_response_id"] == fresh["id"]


# Upstreams that have sockets of their own


async def speaking(socket: Socket) -> None:
    while (data := await socket.next()) is not None:
        assert isinstance(data, str)
        await socket.say(json.dumps({"type": "response.created", "said": json.loads(data)["input"]}))


@pytest.mark.parametrize("kind", ["http", "asgi", "gateway"])
async def test_a_socket_is_the_upstreams_that_speaks_it(kind: str) -> None:
    server = SocketServer(speaking)
    async with served(server) as behind:
        upstream = (
            Upstream.asgi(server, api="responses")
            if kind == "asgi"
            else Upstream.http(behind, api="both", credentials="forward")
        )
        bridge = Gateway(upstream) if kind == "gateway" else ResponsesMiddleware(upstream)
        headers = {"authorization": "Bearer theirs"}
        async with served(bridge) as url, talking(url, additional_headers=headers) as talk:
            await talk.say(SESSION)
            assert await talk.hear() == {"type": "response.created", "said": "Hi"}
        await bridge.aclose()
    assert server.last.scope["path"] == "/v1/responses"
    assert server.last.headers["authorization"] == "Bearer theirs"


@pytest.mark.parametrize(
    "settings", [{"store": "memory"}, {"websocket": False}, {"hooked": True}, {"fallback": True}]
)
async def test_a_socket_stays_here_where_something_is_to_be_done(settings: JSON) -> None:
    server, fake = SocketServer(speaking), FakeModel("Hi.")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (server if scope["type"] == "websocket" else fake)(scope, receive, send)

    options = {"on_event": lambda event, context: None} if settings.pop("hooked", None) else {}
    upstream = Upstream.asgi(app, api="responses", **options)
    way = [upstream, upstream] if settings.pop("fallback", None) else upstream
    async with served(Gateway({"*": way}, **settings)) as url:
        if settings.get("websocket") is False:
            assert (await refusal_of(url)).status_code == 426
        else:
            async with talking(url) as talk:
                assert text_of(await talk.create()) == "Hi."
    assert server.sockets == []


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_an_upstream_that_has_sockets_may_refuse_them(status: int) -> None:
    async with served(denying(status)) as behind:
        bridge = ResponsesMiddleware(Upstream.http(behind, api="responses"))
        async with served(bridge) as url:
            response = await refusal_of(url)
            assert (response.status_code, response.body) == (status, b'{"error":{"message":"no"}}')
        asked = SocketAsked(bridge, "/v1/responses")
        await asked.task
        assert (asked.types, asked.sent[0]["code"]) == (["close"], 1008)
        await bridge.aclose()


async def test_without_the_library_for_it_a_socket_is_served_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "responses_asgi.upstreams.frames", None)
    async with served(FakeModel("Hi.")) as behind:
        bridge = ResponsesMiddleware(Upstream.http(behind, api="responses"))
        async with served(bridge) as url, talking(url) as talk:
            assert text_of(await talk.create()) == "Hi."
        await bridge.aclose()


async def test_a_failure_of_an_upstream_that_has_the_socket_is_raised() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        raise ZeroDivisionError

    asked = SocketAsked(ResponsesMiddleware(Upstream.asgi(broken, api="responses")), "/v1/responses")
    with pytest.raises(ZeroDivisionError):
        await asked.task
    assert asked.types == ["accept"]


async def test_a_client_that_leaves_while_the_upstream_is_asked_is_answered_nothing() -> None:
    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "websocket.connect"
        assert (await receive())["type"] == "websocket.disconnect"

    async def gone() -> JSON:
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    never: Awaitable[bool] = took_over(waiting, {"type": "websocket", "path": "/"}, gone, send)
    assert await never is True


async def test_chat_clients_have_no_sockets() -> None:
    server = SocketServer()
    async with served(ChatCompletionsMiddleware(server)) as url, dial(url, "/v1/chat/completions") as socket:
        await socket.send("x")
        assert await socket.recv() == "x"
    await until(lambda: server.last.closed is not None)
