"""Where Chat clients call, where their requests go, and that everything else passes through untouched."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError
from responses_asgi.middleware import DEFAULT_PATHS, ChatCompletionsMiddleware, ResponsesMiddleware
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.upstreams.upstream import Upstream
from tests.asgi_driver import completion, playing, post, whole
from tests.loopback import Received, Recorder, reply, served
from tests.responses_driver import CHAT, HELLO, ask_chat, chunks_of, response_of, said, text_of

AZURE = "/openai/deployments/d/chat/completions"


class Inner:
    """A service of Responses at any path, which keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[Scope, Receive, Send]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.calls.append((scope, receive, send))
        if (scope.get("extensions") or {}).get("responses_asgi"):
            await whole(response_of(said(0, "Hello")))(scope, receive, send)

    @property
    def last(self) -> Scope:
        return self.calls[-1][0]


async def reached(component: ChatCompletionsMiddleware, inner: Inner, path: str, **changes: Any) -> str:
    """The path at which the Responses endpoint was called."""
    inner.calls.clear()
    exchange = ask_chat(component, path=path)
    exchange.scope |= changes
    await exchange.run()
    assert exchange.json["object"] == "chat.completion"
    found: str = inner.last["path"]
    return found


@pytest.mark.parametrize("path", [*DEFAULT_PATHS["chat"], AZURE])
async def test_default_paths(path: str) -> None:
    inner = Inner()
    expected = path.removesuffix("/chat/completions") + "/responses"
    assert await reached(ChatCompletionsMiddleware(inner), inner, path) == expected
    assert (
        await reached(ChatCompletionsMiddleware(inner), inner, "/r" + path, root_path="/r") == "/r" + expected
    )


async def test_own_paths() -> None:
    inner = Inner()
    component = ChatCompletionsMiddleware(inner, path="/api/llm/chat", upstream_path="/api/llm/responses")
    assert await reached(component, inner, "/api/llm/chat") == "/api/llm/responses"
    one = ChatCompletionsMiddleware(inner, upstream_path="/api/answer")
    for path in (*DEFAULT_PATHS["chat"], AZURE):
        assert await reached(one, inner, path) == "/api/answer"
    with pytest.raises(ConfigurationError, match="upstream_path is needed"):
        ChatCompletionsMiddleware(inner, path="/api/llm/chat")


async def test_azure_deployment_names_the_model() -> None:
    seen: list[Any] = []
    component = ChatCompletionsMiddleware(whole(response_of(said(0, "Hi")), seen=seen))
    await ask_chat(component, path=AZURE, model=None).run()
    assert seen[1]["model"] == "d"


@pytest.mark.parametrize("path", ["/", "/v1/responses", "/v1/chat/completions/", "/v1/chat", "/x" + CHAT])
async def test_other_paths_pass_untouched(path: str) -> None:
    inner = Inner()
    exchange = await post(ChatCompletionsMiddleware(inner), b"\x00raw", path=path).run()
    assert inner.calls == [(exchange.scope, exchange.receive, exchange.send)]
    assert inner.last is exchange.scope


async def test_other_methods_are_the_app_s_and_a_405_of_an_upstream() -> None:
    inner = Inner()
    exchange = await post(ChatCompletionsMiddleware(inner), path=CHAT, method="GET").run()
    assert inner.last is exchange.scope
    mounted = ChatCompletionsMiddleware(Upstream.asgi(inner, api="responses"))
    refused = await post(mounted, path=CHAT, method="GET").run()
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    await post(mounted, path=CHAT, method="OPTIONS").run()
    assert inner.last["path"] == CHAT


async def test_both_components_around_one_app_that_speaks_both() -> None:
    """Each wraps the app below it; a request passes the one whose path it has not."""

    async def service(scope: Scope, receive: Receive, send: Send) -> None:
        own = (
            whole(completion())
            if scope["path"].endswith("completions")
            else whole(response_of(said(0, "Hi")))
        )
        await own(scope, receive, send)

    app = ChatCompletionsMiddleware(service, path="/x/chat/completions", upstream_path="/v1/responses")
    both = ResponsesMiddleware(app, path="/x/responses", upstream_path=CHAT)
    assert (await ask_chat(both, path="/x/chat/completions").run()).json["object"] == "chat.completion"
    assert (await post(both, path="/x/responses").run()).json["object"] == "response"


# HTTP upstreams


async def test_http_upstream_is_asked_for_responses_and_passes_its_other_endpoints() -> None:
    async def script(request: Received, send: Send) -> None:
        if request.method == "GET":
            await reply(send, b'{"object":"list"}')
        else:
            await reply(send, b"".join(HELLO), headers=[("content-type", "text/event-stream")])

    server = Recorder(script)
    async with served(server) as url:
        upstream = Upstream.http(url, api="responses", api_key="sk-own")
        component = ChatCompletionsMiddleware(upstream)
        exchange = await ask_chat(component, stream=True, path=f"/ai{CHAT}").run()
        assert exchange.status == 404  # not ours, and not to be passed on with the operator's key
        exchange = ask_chat(component, stream=True, path="/ai/chat/completions")
        exchange.scope["root_path"] = "/ai"
        await exchange.run()
        assert text_of(chunks_of(exchange)) == "Hello"
        assert (server.last.path, server.last.headers["authorization"]) == ("/v1/responses", "Bearer sk-own")
        assert (await post(component, path="/v1/models", method="GET").run()).body == b'{"object":"list"}'
        own = await post(component, b"{}", path="/v1/responses").run()
        assert (own.body, server.last.path) == (b"".join(HELLO), "/v1/responses")
        await component.aclose()


async def test_azure_is_asked_below_openai_with_its_version() -> None:
    async def script(request: Received, send: Send) -> None:
        await reply(send, response_of(said(0, "Hi")))

    server = Recorder(script)
    async with served(server) as url:
        upstream = Upstream.http(
            url, api="responses", api_version="2025-04-01-preview", profile="azure", api_key="k"
        )
        component = ChatCompletionsMiddleware(upstream)
        await ask_chat(component, path=AZURE, model=None).run()
        await component.aclose()
    assert (server.last.path, server.last.query) == ("/openai/responses", "api-version=2025-04-01-preview")
    assert server.last.headers["api-key"] == "k"
    assert b'"model":"d"' in server.last.body


# Settings


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"path": "chat"}, ConfigurationError, "path must be a URL path"),
        ({"max_choices": 0}, ConfigurationError, "max_choices must be above 0"),
        ({"profile": "nonesuch"}, ConfigurationError, "nonesuch"),
        ({"dialect": "openai"}, TypeError, r"ChatCompletionsMiddleware\(\) got an unexpected .*'dialect'"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ChatCompletionsMiddleware(playing(), **settings)


def test_an_upstream_has_settings_of_its_own() -> None:
    with pytest.raises(ConfigurationError, match="give model to the Upstream"):
        ChatCompletionsMiddleware(Upstream.asgi(playing(), api="responses"), model="m")
