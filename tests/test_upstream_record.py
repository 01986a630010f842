from __future__ import annotations

import asyncio
from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError
from responses_asgi.profiles import PROFILES
from responses_asgi.types.asgi import Receive, Scope, Send
from responses_asgi.upstreams.context import ExchangeContext, extension
from responses_asgi.upstreams.upstream import Upstream


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("not called")


def test_an_app_is_asked_at_openais_path_unless_told_otherwise() -> None:
    assert Upstream.asgi(app).path == "/v1/chat/completions"
    assert Upstream.asgi(app, path="/api/chat").path == "/api/chat"
    assert Upstream.asgi(app, path=None).path is None
    assert Upstream(app=app).path is None


def test_the_api_decides_on_the_default_path() -> None:
    for make in (Upstream.asgi, lambda app, **options: Upstream.wsgi(lambda environ, start: [], **options)):
        assert make(app, api="responses").path == "/v1/responses"
        assert make(app, api="both").path == "/v1/chat/completions"
        assert make(app, api="responses", path="/answer").path == "/answer"
        assert make(app, api="responses", path=None).path is None
    assert Upstream.http("http://host", api="responses").path == "/responses"
    assert Upstream.handler(lambda request: "hi", api="responses").path is None


def test_an_upstream_of_both_apis_has_its_endpoints_side_by_side() -> None:
    for path in ("/a/chat/completions", "/a/responses"):
        both = Upstream.asgi(app, api="both", path=path)
        assert (both.endpoint("chat"), both.endpoint("responses")) == ("/a/chat/completions", "/a/responses")
    assert Upstream.asgi(app, path="/own").endpoint("chat") == "/own"
    assert Upstream.asgi(app, api="both", path=None).endpoint("responses") is None
    with pytest.raises(ConfigurationError, match="path must end with /chat/completions or /responses"):
        Upstream.asgi(app, api="both", path="/own")


def test_a_client_is_served_in_its_own_api_where_the_upstream_can() -> None:
    for api, chat, responses in (
        ("chat", "chat", "chat"),
        ("responses", "responses", "responses"),
        ("both", "chat", "responses"),
    ):
        upstream = Upstream.asgi(app, api=api)
        assert (upstream.spoken_to("chat"), upstream.spoken_to("responses")) == (chat, responses)


def test_a_path_or_an_api_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="start with '/'"):
        Upstream.asgi(app, path="chat")
    with pytest.raises(ConfigurationError, match="api must be one of chat, responses, both"):
        Upstream(app=app, api="soap")


def test_all_kinds_take_the_records_fields() -> None:
    def hook(*told: Any) -> None:
        raise AssertionError(told)

    options: Any = {
        "model": "house",
        "profile": "deepseek",
        "set": {"temperature": 0},
        "drop": ["user"],
        "rename": {"a": "b"},
        "headers": {"x-team": "blue"},
        "before_upstream": hook,
        "on_event": hook,
        "after_exchange": hook,
    }
    for upstream in (
        Upstream.asgi(app, **options),
        Upstream.wsgi(lambda environ, start: [], **options),
        Upstream.handler(lambda request: "hi", **options),
        Upstream.http("http://host", **options),
    ):
        found = {name: getattr(upstream, name) for name in options}
        assert found == {**options, "profile": PROFILES["deepseek"]}
        assert upstream.api == "chat"


def test_the_profile_is_guessed_from_the_host_else_generic() -> None:
    assert Upstream.http("https://api.deepseek.com").profile.name == "deepseek"
    assert Upstream.http("http://localhost:11434").profile.name == "generic"
    assert Upstream.asgi(app).profile is PROFILES["generic"]
    with pytest.raises(ConfigurationError, match="vllm"):
        Upstream.http("http://host", profile="nobody")


async def test_closing_an_upstream_whose_app_holds_nothing_is_nothing() -> None:
    await asyncio.wait_for(Upstream.asgi(app).aclose(), 1)


def test_the_context_is_read_back_from_the_scope() -> None:
    context = ExchangeContext(api="responses", response_id="r", principal="p", scope={}, request={"a": 1})
    scope: Scope = {"type": "http", "extensions": {"responses_asgi": context.extension()}}
    assert ExchangeContext.of(scope, {"b": 2}) == ExchangeContext(
        api="responses", response_id="r", principal="p", scope=scope, request={"b": 2}
    )
    for bare in ({}, {"extensions": None}, {"extensions": {"responses_asgi": None}}):
        assert extension(bare) == {}
