"""Which requests are ours, where they go, and that everything else passes through untouched."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import responses_asgi
from responses_asgi.errors import ConfigurationError
from responses_asgi.middleware import DEFAULT_PATHS, ResponsesMiddleware
from responses_asgi.profiles import PROFILES
from responses_asgi.types.asgi import Message, Receive, Scope, Send
from responses_asgi.upstreams.upstream import Upstream
from tests.asgi_driver import HELLO, completion, playing, post, whole


class Inner:
    """An app that keeps what it was called with, and answers chat at any path."""

    def __init__(self) -> None:
        self.calls: list[tuple[Scope, Receive, Send]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append((scope, receive, send))
        if (scope.get("extensions") or {}).get("responses_asgi"):
            await whole(completion())(scope, receive, send)

    @property
    def last(self) -> Scope:
        return self.calls[-1][0]


async def reached(
    component: ResponsesMiddleware, inner: Inner, path: str, **changes: Any
) -> tuple[str, bytes]:
    """The path and raw path at which the chat endpoint was called."""
    inner.calls.clear()
    exchange = await post(component, path=path, **changes).run()
    assert exchange.json["object"] == "response"
    return inner.last["path"], inner.last["raw_path"]


# Paths


@pytest.mark.parametrize("path", DEFAULT_PATHS["responses"])
async def test_default_paths(path: str) -> None:
    inner = Inner()
    chat = path.replace("/responses", "/chat/completions")
    assert await reached(ResponsesMiddleware(inner), inner, path) == (chat, chat.encode())


async def test_azure_deployment_path_names_the_model_too() -> None:
    seen: list[Any] = []
    component = ResponsesMiddleware(whole(completion(), seen=seen))
    path = "/openai/deployments/gpt-5/responses"
    await post(component, {"input": "Hi"}, path=path).run()
    assert seen[0]["path"] == "/openai/deployments/gpt-5/chat/completions"
    assert seen[1]["model"] == "gpt-5"
    await post(component, {"input": "Hi", "model": "own"}, path=path).run()
    assert seen[3]["model"] == "own"
    exchange = await post(component, b"[]", path=path).run()
    assert exchange.status == 400


async def test_own_paths() -> None:
    inner = Inner()
    component = ResponsesMiddleware(inner, path="/api/llm/answer", upstream_path="/api/llm/chat")
    assert (await reached(component, inner, "/api/llm/answer"))[0] == "/api/llm/chat"
    several = ResponsesMiddleware(inner, path=["/a/responses", "/b/responses"])
    assert (await reached(several, inner, "/a/responses"))[0] == "/a/chat/completions"
    assert (await reached(several, inner, "/b/responses"))[0] == "/b/chat/completions"


async def test_upstream_path_alone_serves_all_default_paths() -> None:
    inner = Inner()
    component = ResponsesMiddleware(inner, upstream_path="/api/llm/chat")
    for path in (*DEFAULT_PATHS["responses"], "/openai/deployments/d/responses"):
        assert (await reached(component, inner, path))[0] == "/api/llm/chat"


async def test_path_is_percent_encoded_in_the_raw_path() -> None:
    inner = Inner()
    component = ResponsesMiddleware(inner, path="/ü/responses")
    path, raw = await reached(component, inner, "/ü/responses", raw_path=b"/%C3%BC/responses")
    assert (path, raw) == ("/ü/chat/completions", b"/%C3%BC/chat/completions")


@pytest.mark.parametrize(
    ("root", "path", "chat"),
    [
        ("/api", "/api/v1/responses", "/api/v1/chat/completions"),  # uvicorn, and every mount of Starlette
        ("/api", "/v1/responses", "/v1/chat/completions"),  # hypercorn, granian
        ("/api/", "/api/v1/responses", "/api/v1/chat/completions"),
        ("/v1", "/v1/responses", "/v1/chat/completions"),
        ("/v1", "/v1/v1/responses", "/v1/v1/chat/completions"),
        ("/v", "/v1/responses", "/v1/chat/completions"),  # no whole segment
    ],
)
async def test_both_habits_of_root_path(root: str, path: str, chat: str) -> None:
    inner = Inner()
    assert (await reached(ResponsesMiddleware(inner), inner, path, root_path=root))[0] == chat
    assert inner.last["root_path"] == root


# What is not ours


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/chat/completions",
        "/v1/responses/",
        "/v1/responsesx/resp_1",
        "/v2/responses",
        "/v1/responsesx",
        "/api/v1/responses",
        "/openai/deployments/a/b/responses",
    ],
)
async def test_other_paths_pass_untouched(path: str) -> None:
    inner = Inner()
    exchange = post(ResponsesMiddleware(inner), b"\x00raw", path=path)
    before = dict(exchange.scope)
    await exchange.run()
    assert inner.calls == [(exchange.scope, exchange.receive, exchange.send)]
    assert inner.last is exchange.scope
    assert before == exchange.scope


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT", "OPTIONS"])
async def test_other_methods_on_our_path_are_the_app_s(method: str) -> None:
    inner = Inner()
    exchange = post(ResponsesMiddleware(inner), method=method)
    await exchange.run()
    assert inner.calls == [(exchange.scope, exchange.receive, exchange.send)]


async def test_own_path_replaces_the_default_ones() -> None:
    inner = Inner()
    component = ResponsesMiddleware(inner, path="/x/responses")
    for path in (*DEFAULT_PATHS["responses"], "/openai/deployments/d/responses"):
        await post(component, path=path).run()
        assert inner.last["path"] == path


async def test_websockets_and_unknown_scopes_pass_untouched() -> None:
    inner = Inner()
    component = ResponsesMiddleware(inner)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    websocket = {"type": "websocket", "path": "/v1/realtime", "headers": []}
    await component(websocket, receive, send)
    assert inner.calls == [(websocket, receive, send)]


# Upstreams


async def test_upstream_is_asked_at_its_own_path_whatever_the_mount() -> None:
    inner = Inner()
    component = ResponsesMiddleware(Upstream.asgi(inner, path="/api/llm/chat"))
    for root, path in (("", "/v1/responses"), ("/ai", "/ai/responses"), ("/ai", "/responses")):
        assert (await reached(component, inner, path, root_path=root))[0] == "/api/llm/chat"
        assert inner.last["root_path"] == ""


async def test_upstream_without_a_path_is_asked_below_the_client_s_prefix() -> None:
    inner = Inner()
    component = ResponsesMiddleware(Upstream(app=inner))
    assert (await reached(component, inner, "/ai/v1/responses", root_path="/ai"))[
        0
    ] == "/ai/v1/chat/completions"
    assert inner.last["root_path"] == "/ai"


@pytest.mark.parametrize(
    ("root", "path", "raw", "inner_path", "inner_raw"),
    [
        ("/ai", "/ai/models", b"/ai/models", "/v1/models", b"/v1/models"),
        ("/ai", "/ai/v1/models/a/b", b"/ai/v1/models/a%2Fb", "/v1/models/a/b", b"/v1/models/a%2Fb"),
        ("", "/models/ü", b"/models/%C3%BC", "/v1/models/ü", b"/v1/models/%C3%BC"),
        ("", "/models/ü", None, "/v1/models/ü", b"/v1/models/%C3%BC"),
        ("", "/v1/files/file_1", None, "/v1/files/file_1", b"/v1/files/file_1"),
    ],
)
async def test_other_paths_go_to_the_upstream_below_its_own_prefix(
    root: str, path: str, raw: bytes | None, inner_path: str, inner_raw: bytes
) -> None:
    inner = Inner()
    component = ResponsesMiddleware(Upstream.asgi(inner))
    exchange = post(component, method="GET", path=path, raw_path=raw, root_path=root)
    await exchange.run()
    scope, receive, send = inner.calls[0]
    assert (scope["path"], scope["raw_path"], scope["root_path"]) == (inner_path, inner_raw, "")
    assert (receive, send) == (exchange.receive, exchange.send)


async def test_other_paths_of_an_upstream_with_a_path_of_another_form_stay() -> None:
    inner = Inner()
    component = ResponsesMiddleware(Upstream.asgi(inner, path="/api/llm/chat"))
    await post(component, method="GET", path="/ai/models", root_path="/ai").run()
    assert inner.last["path"] == "/models"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_other_methods_on_our_path_of_an_upstream_are_a_405(method: str) -> None:
    inner = Inner()
    exchange = await post(ResponsesMiddleware(Upstream.asgi(inner)), method=method).run()
    assert (exchange.status, exchange.headers["allow"]) == (405, "POST")
    assert exchange.error["code"] == "method_not_allowed"
    assert inner.calls == []


async def test_preflight_on_our_path_of_an_upstream_is_the_upstream_s() -> None:
    inner = Inner()
    await post(ResponsesMiddleware(Upstream.asgi(inner)), method="OPTIONS").run()
    assert inner.last["path"] == "/v1/responses"


async def test_hooks_and_model_of_an_upstream_count() -> None:
    seen: list[Any] = []
    upstream = Upstream.asgi(whole(completion(), seen=seen), model="real", set={"top_k": 1})
    await post(ResponsesMiddleware(upstream)).run()
    assert (seen[1]["model"], seen[1]["top_k"]) == ("real", 1)


async def test_handler() -> None:
    async def parrot(request: Any) -> Any:
        yield request["messages"][-1]["content"]

    component = ResponsesMiddleware(Upstream.handler(parrot))
    exchange = await post(component, stream=True).run()
    assert exchange.text == "Hi"
    assert (await post(component).run()).json["output"][0]["content"][0]["text"] == "Hi"


async def test_component_wraps_a_component() -> None:
    """Two endpoints, each with a bridge of its own."""
    inner = ResponsesMiddleware(playing(*HELLO), path="/a/responses")
    outer = ResponsesMiddleware(inner, path="/b/responses")
    for path in ("/a/responses", "/b/responses"):
        assert (await post(outer, path=path, stream=True).run()).text == "Hello"


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "responses"}, "path must be a URL path that starts with '/', got 'responses'"),
        ({"path": "/responses?x"}, "path must be a URL path"),
        ({"path": []}, "path must name at least one path"),
        ({"path": "/api/answer"}, "upstream_path is needed: .*'/api/answer'"),
        ({"upstream_path": "chat"}, "upstream_path must be a URL path"),
        ({"profile": "nonesuch"}, "nonesuch"),
        ({"dialect": "klingon"}, "dialect"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ResponsesMiddleware(playing(), **settings)


def test_upstream_has_settings_of_its_own() -> None:
    with pytest.raises(ConfigurationError, match="give profile, model to the Upstream"):
        ResponsesMiddleware(Upstream.asgi(playing()), profile="vllm", model="m")


def test_something_that_is_no_app() -> None:
    with pytest.raises(ConfigurationError, match="must be an ASGI app or an Upstream, got str"):
        ResponsesMiddleware("http://localhost:8000")  # type: ignore[arg-type]  # the mistake is the test


def test_profile_by_name_or_as_itself() -> None:
    for profile in ("vllm", PROFILES["vllm"]):
        assert ResponsesMiddleware(playing(), profile=profile).upstream.profile is PROFILES["vllm"]
    assert ResponsesMiddleware(playing()).upstream.profile.name == "generic"


# The package


def test_public_names_are_there() -> None:
    assert sorted(responses_asgi.__all__) == sorted(set(responses_asgi.__all__))
    for name in responses_asgi.__all__:
        assert getattr(responses_asgi, name) is not None
        assert name in dir(responses_asgi)
    with pytest.raises(AttributeError, match="has no attribute 'nonesuch'"):
        responses_asgi.nonesuch  # noqa: B018 - the access is the test


def test_import_is_light() -> None:
    heavy = ("fastapi", "starlette", "openai", "httpx", "httpx2", "pydantic", "asgiref", "django")
    code = f"import sys, responses_asgi; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_middleware_needs_no_framework_and_no_http_client() -> None:
    heavy = ("fastapi", "starlette", "openai", "httpx", "httpx2", "django")
    code = (
        "import sys; from responses_asgi import ResponsesMiddleware\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
