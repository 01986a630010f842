"""The configuration: its sources, one over the other, and every problem at its key's path."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import responses_asgi
from responses_asgi import ConfigurationError, Upstream
from responses_asgi.background import BackgroundLimits
from responses_asgi.config import KEYS, PREFIX, Config, Loaded, ProblemsError, load, set_up
from responses_asgi.config.models import (
    BackgroundConfig,
    CORSConfig,
    LimitsConfig,
    UpstreamConfig,
    WebSocketConfig,
)
from responses_asgi.config.problems import key_path
from responses_asgi.exchange import Options
from responses_asgi.gateway.cors import CORS
from responses_asgi.webhooks.events import EVENTS
from responses_asgi.websocket import WebSocketLimits
from tests.sockets import SocketAsked

SECTIONS = ("background", "cors", "limits", "server", "websocket")
LOCAL = "upstreams: {local: {url: 'http://localhost:8000'}}\n"


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, and no variable of ours; what `.env` sets is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    before = set(os.environ)
    yield
    for name in os.environ.keys() - before:
        del os.environ[name]


def written(text: str) -> Path:
    file = Path("gateway.yaml")
    file.write_text(text)
    return file


def configured(text: str, flags: Mapping[str, Any] | None = None) -> Config:
    loaded = load(written(text), flags=flags)
    assert loaded.problems == []
    return loaded.config


def problems(text: str, **sources: Any) -> dict[str, str]:
    """Every problem of a file, by its path."""
    with pytest.raises(ProblemsError) as caught:
        set_up(load(written(text), **sources))
    return {problem.path: problem.message for problem in caught.value.problems}


# Sources


def test_flags_count_before_the_environment_before_dotenv_before_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = LOCAL + "server: {host: a, port: 1, workers: 1, root_path: /a}\n"
    Path(".env").write_text(f"{PREFIX}SERVER__PORT=2\n{PREFIX}SERVER__HOST=b\n{PREFIX}SERVER__ROOT_PATH=/b\n")
    monkeypatch.setenv(f"{PREFIX}SERVER__PORT", "3")
    monkeypatch.setenv(f"{PREFIX}SERVER__HOST", "c")
    server = configured(text, {"server": {"port": 4}}).server
    assert (server.port, server.host, server.root_path, server.workers) == (4, "c", "/b", 1)


def test_one_key_of_an_upstream_can_be_set_by_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}UPSTREAMS__LOCAL__READ_TIMEOUT", "7.5")
    monkeypatch.setenv(f"{PREFIX}UPSTREAMS__LOCAL__PROFILE__THINK_TAGS", "true")
    monkeypatch.setenv(f"{PREFIX}UPSTREAMS__OTHER", '{"url": "http://other", "drop": ["seed"]}')
    monkeypatch.setenv(f"{PREFIX}UPSTREAMS__OTHER__FORWARD_HEADERS", "x-tenant, x-team")
    monkeypatch.setenv(f"{PREFIX}MODELS", '{"*": ["local", "other"]}')
    config = configured(LOCAL)
    local, other = config.upstreams["local"], config.upstreams["other"]
    assert local.url == "http://localhost:8000"
    assert local.read_timeout == 7.5
    assert local.profile is not None
    assert local.profile.think_tags
    assert other.drop == ["seed"]
    assert other.forward_headers == ["x-tenant", "x-team"]
    assert [target.upstream for target in config.models["*"].each] == ["local", "other"]


def test_the_environment_alone_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}UPSTREAMS__VLLM__URL", "http://localhost:8000")
    setup = set_up(load())
    assert setup.upstreams["vllm"].profile.name == "generic"


def test_another_env_file(tmp_path: Path) -> None:
    (tmp_path / "prod.env").write_text("HOUSE_PORT=7000\n")
    text = LOCAL + "server: {port: $HOUSE_PORT}\n"
    assert load(written(text), env_file="prod.env").config.server.port == 7000
    with pytest.raises(ConfigurationError, match=r"no file none\.env"):
        load(written(text), env_file="none.env")


def test_keys_in_dotenv_reach_api_key_env() -> None:
    Path(".env").write_text("HOUSE_KEY=sk-from-dotenv\n")
    setup = set_up(load(written("upstreams: {a: {url: 'http://x', api_key_env: HOUSE_KEY}}")))
    assert "a" in setup.upstreams


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", r"gateway\.yaml:1:5: "),
        ("- a", "must hold a mapping"),
        ("", "must hold a mapping"),
        (
            "store: none\nstore: memory\n",
            r"gateway\.yaml:2:1: the key 'store' stands here for the second time",
        ),
        ("a: \x00", r"gateway\.yaml.*(special characters|not YAML)"),
    ],
)
def test_a_file_that_cannot_be_read(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(written(text))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml cannot be read"):
        load("nowhere.yaml")


def test_anchors_and_merges_of_yaml_work() -> None:
    text = """
    upstreams:
      one: &one {url: http://one, read_timeout: 5}
      two: {<<: *one, url: http://two}
    models: {a: one, b: two}
    """
    config = configured(text)
    assert config.upstreams["two"].read_timeout == 5
    assert config.upstreams["two"].url == "http://two"


# Variables in texts


def test_variables_in_the_texts_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSE", "example.com")
    monkeypatch.setenv("EMPTY", "")
    text = """
    upstreams:
      a:
        url: https://${HOUSE}/v1
        organization: ${EMPTY:-us}
        project: $$5 and ${NO_SUCH:-}
        headers: {x-house: $HOUSE}
        set: {n: 5, list: [$HOUSE]}
    """
    a = configured(text).upstreams["a"]
    assert a.url == "https://example.com/v1"
    assert (a.organization, a.project) == ("us", "$5 and ")
    assert a.headers == {"x-house": "example.com"}
    assert a.set == {"n": 5, "list": ["example.com"]}


def test_a_variable_that_is_not_set_is_named_with_its_key() -> None:
    found = problems("upstreams: {a: {url: 'http://x', api_key: $NO_SUCH, forward_headers: ['${NOR_THIS}']}}")
    assert found == {
        "upstreams.a.api_key": "the environment variable NO_SUCH is not set",
        "upstreams.a.forward_headers[0]": "the environment variable NOR_THIS is not set",
    }


def test_a_key_cannot_be_written_into_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    found = problems("upstreams: {a: {url: 'http://x', api_key: sk-secret}}")
    assert list(found) == ["upstreams.a.api_key"]
    assert "sk-secret" not in str(found)
    monkeypatch.setenv("KEY", "sk-secret")
    setup = set_up(load(written("upstreams: {a: {url: 'http://x', api_key: $KEY}}")))
    assert "sk-secret" not in repr(setup)
    assert "sk-secret" not in str(setup.config.model_dump())


# Problems


def test_all_problems_come_at_once_with_their_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}SERVR__PORT", "1")
    text = """
    upstreams:
      vllm: {url: 'http://localhost:8000', read_timeout: never, profil: vllm}
      cloud: {url: 'https://x', api: soap, profile: {base: vllm, think_tag: true, json_schema: 3}}
      ghost: {url: 'http://x', app: 'a:b'}
      local: {handler: 'not a path'}
      spare: {url: 'http://x', path: /x}
      keyed: {url: 'http://x', api_key_env: NO_SUCH_KEY}
    models:
      gpt-5.5: [vllm, clod]
      both: {chat: cloud, other: vllm}
      m: {upstream: ghost, modl: x}
      half: {}
      house: [local, keyed]
    server: {port: 99999, workers: 3}
    cors: {origins: '*', credentials: true}
    limits: {max_body_bytes: 0, max_bdy: 1}
    secret_env: NO_SUCH_SECRET
    store: memory
    lmits: {}
    """
    found = problems(text)
    assert found == {
        f"{PREFIX}SERVR__PORT": "there is no key 'servr' that this environment variable could set",
        "upstreams.vllm.read_timeout": "must be a number, got 'never'",
        "upstreams.vllm.profil": "there is no such key; did you mean profile?",
        "upstreams.cloud.api": "must be 'chat', 'responses' or 'both', got 'soap'",
        "upstreams.cloud.profile.think_tag": "there is no such key; did you mean think_tags?",
        "upstreams.cloud.profile.json_schema": "must be true or false, got 3",
        "upstreams.ghost": "needs one of url, app, wsgi, handler, got url and app",
        "upstreams.local.handler": 'must be an import path like "package.module:name"',
        "upstreams.spare.path": "is for upstreams with app or wsgi only",
        "upstreams.spare": "is not used: no model in `models` leads to it",
        "upstreams.keyed.api_key_env": "the environment variable NO_SUCH_KEY is not set",
        'models["gpt-5.5"][1]': found['models["gpt-5.5"][1]'],
        "models.both.other": "there is no such key; known are upstream, model, chat, responses",
        "models.m[0].modl": "there is no such key; did you mean model?",
        "models.half": "must name an upstream, or one for each of chat and responses",
        "server.port": "must be less than or equal to 65535, got 99999",
        "server.workers": found["server.workers"],
        "cors.credentials": "cannot be allowed to all sites; name them in cors.origins",
        "limits.max_body_bytes": "must be greater than 0, got 0",
        "limits.max_bdy": "there is no such key; did you mean max_body_bytes?",
        "secret_env": "the environment variable NO_SUCH_SECRET is not set",
        "lmits": "there is no such key; did you mean limits?",
    }
    assert "no upstream 'clod'; known are cloud, ghost, keyed" in found['models["gpt-5.5"][1]']
    assert "sqlite:///" in found["server.workers"]


def test_problems_read_well() -> None:
    with pytest.raises(ProblemsError) as one:
        set_up(load(written(LOCAL + "dialect: klingon")), source="gateway.yaml")
    assert str(one.value) == "gateway.yaml: dialect: must be 'openai' or 'openresponses', got 'klingon'"
    with pytest.raises(ProblemsError) as two:
        set_up(load(written("strict: perhaps\nserver: 8000")))
    assert str(two.value).splitlines() == [
        "3 problems",
        "  strict: must be true or false, got 'perhaps'",
        "  server: must be a mapping, got 8000",
        "  upstreams: at least one is needed, such as `local: {url: http://localhost:8000}`",
    ]


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("upstreams: {a: {url: 'x'}}", "upstreams.a.url", "must start with http://"),
        (
            "upstreams: {a: {url: 'http://x', profile: nobody}}",
            "upstreams.a.profile",
            "no profile called 'nobody'",
        ),
        ("upstreams: {a: {url: 'http://x', profile: 5}}", "upstreams.a.profile", "Profile"),
        ("upstreams: {a: {url: 'http://x', profile: {base: nobody}}}", "upstreams.a.profile", "nobody"),
        ("upstreams: {a: {url: 'http://x', deployment: d}}", "upstreams.a.deployment", "needs api_version"),
        ("upstreams: {a: {url: 'http://x', proxy: 'me:pw@proxy'}}", "upstreams.a.proxy", "must be"),
        (
            "upstreams: {a: {app: 'no_such_module:app'}}",
            "upstreams.a.app",
            "No module named 'no_such_module'",
        ),
        ("upstreams: {a: {handler: 'json:no_such'}}", "upstreams.a.handler", "there is no 'no_such' in json"),
        ("upstreams: {a: {handler: 'os:getcwd'}}", "upstreams.a", "a handler takes request"),
        ("upstreams: {a: {handler: demo, api: both}}", "upstreams.a", "api"),
        ("upstreams: {a: {handler: demo, on_event: 'a:b'}}", "upstreams.a.on_event", "No module named 'a'"),
        ("upstreams: {a: {handler: demo, retries: 1}}", "upstreams.a.retries", "with url only"),
        (
            "upstreams: {a: {handler: demo, tool_policy: {x: y}}}",
            "upstreams.a.tool_policy.x",
            "'drop' or 'error'",
        ),
        ("upstreams: {a: {}}", "upstreams.a", "got none of them"),
        ("upstreams: {a: text}", "upstreams.a", "must be a mapping, got 'text'"),
        ("upstreams: {8: {url: 'http://x'}}", "upstreams[8]", "must be text"),
        ("upstreams: [a]", "upstreams", "must be a mapping"),
        ("upstreams: {a: {handler: demo}, b: {handler: demo}}", "models", "is needed with several upstreams"),
        (LOCAL + "models: {a: 5}", "models.a[0]", "must be a mapping"),
        (LOCAL + "models: {'a*b*': local}", 'models["a*b*"]', "one '*'"),
        (LOCAL + "principal: 'os:no_such'", "principal", "there is no 'no_such' in os"),
        (LOCAL + "store: mysql://user:pw@x", "store", "is 'mysql:', expected"),
        (LOCAL + "store: 'redis://user:pw@x:port'", "store", "Redis URL"),
        (LOCAL + "store: sqlite://relative.db", "store", "sqlite:///relative/path"),
        (LOCAL + "seal_keys_env: SHORT_KEYS", "seal_keys_env", "seal_keys[1] has 4 bytes"),
        (LOCAL + "auth_path: me", "auth_path", "must be a path"),
        (LOCAL + "principal: 'os:name'", "principal", "is of type str, which cannot be called"),
        ("upstreams: {a: {app: 'os:name'}}", "upstreams.a.app", "which cannot be called"),
        (
            "upstreams: {a: {url: 'http://x', headers: {'x y': pw}}}",
            "upstreams.a.headers",
            "'x y' cannot be the name of a header",
        ),
        (
            "upstreams: {a: {url: 'http://x', headers: {x-y: \"p\\nw\"}}}",
            "upstreams.a.headers",
            "the value of 'x-y' has characters",
        ),
        (LOCAL + "server: {root_path: ai}", "server.root_path", "starts with '/'"),
        (
            LOCAL + "server: {ssl_certfile: no.pem, ssl_keyfile: here.pem}",
            "server.ssl_certfile",
            "there is no file no.pem",
        ),
        (
            LOCAL + "server: {ssl_certfile: here.pem, ssl_keyfile: here.pem}",
            "server.ssl_certfile",
            "cannot be used with that key",
        ),
        (LOCAL + "cors: {}", "cors.origins", "is needed"),
        (LOCAL + "cors: {origins: 'not a site'}", "cors.origins", "must hold sites"),
        (LOCAL + "server: {ssl_certfile: here.pem}", "server", "together"),
        (LOCAL + "reasoning_field: content", "reasoning_field", "content"),
        (LOCAL + "auth_ttl: 0", "auth_ttl", "greater than 0"),
    ],
)
def test_one_problem(text: str, path: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("here.pem").touch()
    monkeypatch.setenv("SHORT_KEYS", "long enough to seal with,tiny")
    found = problems(text)
    assert list(found) == [path]
    assert said in found[path]
    assert "pw" not in found[path]


def test_a_module_that_fails_says_what_it_raised() -> None:
    Path("broken_hooks.py").write_text("1 / 0\n")
    found = problems("upstreams: {a: {handler: demo, before_upstream: 'broken_hooks:hook'}}")
    assert found["upstreams.a.before_upstream"].endswith("ZeroDivisionError: division by zero")


def test_values_that_may_be_secret_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "sk-1")
    monkeypatch.setenv(f"{PREFIX}UPSTREAMS__A__HEADERS", "sk-2")
    found = problems("upstreams: {a: {handler: demo, set: sk-3}}\nserver: {port: $SECRET}\nstrict: $SECRET")
    assert set(found) == {"upstreams.a.headers", "upstreams.a.set", "server.port", "strict"}
    assert "sk-" not in str(found)


def test_long_values_are_not_shown() -> None:
    assert problems(LOCAL + f"dialect: {'x' * 100}") == {"dialect": "must be 'openai' or 'openresponses'"}


# What comes of it


def test_models_lead_to_upstreams_in_every_form() -> None:
    text = """
    upstreams:
      a: {handler: demo, model: own}
      b: {handler: demo}
      c: {handler: demo, api: responses}
    models:
      plain: a
      named: {upstream: a, model: large}
      first: [b, {upstream: a, model: small}]
      split: {chat: c, responses: [b, a]}
      "gpt-*": b
      "*": a
    """
    setup = set_up(load(written(text)))
    table = setup.table
    a, b, c = (setup.upstreams[name] for name in "abc")
    assert table["plain"] == [a]
    assert [upstream.model for upstream in table["named"]] == ["large"]
    assert [upstream.model for upstream in table["first"]] == [None, "small"]
    assert table["split"] == {"chat": [c], "responses": [b, a]}
    assert table["gpt-*"] == [b]
    assert table["*"][0] is table["plain"][0]


def test_the_only_upstream_answers_for_all_models() -> None:
    setup = set_up(load(written(LOCAL)))
    assert list(setup.table) == ["*"]


def test_a_profile_can_be_changed_in_place() -> None:
    text = """
    upstreams:
      a:
        url: http://x
        profile: {base: vllm, think_tags: false, withheld: [seed], call_content: null}
        tool_policy: {web_search: error, "*": drop}
      b: {handler: demo, profile: {name: house}}
    models: {a: a, b: b}
    """
    setup = set_up(load(written(text)))
    a, b = setup.upstreams["a"].profile, setup.upstreams["b"].profile
    assert a.name == "vllm, changed"
    assert not a.think_tags
    assert a.reasoning_field == "reasoning"
    assert a.withheld == {"seed"}
    assert a.tool_policy == {"web_search": "error", "*": "drop"}
    assert b.name == "house"


def test_hooks_and_apps_come_from_the_working_directory() -> None:
    Path("house_things.py").write_text(
        "def hook(body, headers, context): pass\n"
        "async def app(scope, receive, send): pass\n"
        "def old(environ, start_response): return []\n"
        "class Tenants:\n"
        "    @staticmethod\n"
        "    def of(scope): return 'tenant'\n"
    )
    text = """
    upstreams:
      a: {app: 'house_things:app', path: /chat, before_upstream: 'house_things:hook'}
      b: {wsgi: 'house_things:old'}
    models: {a: a, b: b}
    principal: house_things:Tenants.of
    """
    setup = set_up(load(written(text)))
    assert setup.upstreams["a"].path == "/chat"
    assert setup.upstreams["a"].before_upstream is not None
    assert setup.upstreams["b"].path == "/v1/chat/completions"


def test_secrets_and_limits_reach_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWNER_SECRET", "s" * 32)
    text = (
        LOCAL + "secret_env: OWNER_SECRET\nstore: none\nstrict: true\nlimits: {max_depth: 9, keep_alive: 0}\n"
    )
    text += "cors: {origins: 'https://a.example, https://b.example'}\n"
    setup = set_up(load(written(text)))
    assert setup.app.options.strict
    assert setup.app.options.max_depth == 9
    assert setup.app.options.keep_alive == 0
    assert setup.config.cors is not None
    assert setup.config.cors.origins == ["https://a.example", "https://b.example"]


def test_keys_that_seal_and_background_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAL_KEYS", "new-key-of-32-characters-and-more, old-key-of-32-characters-and-more")
    text = LOCAL + "seal_keys_env: SEAL_KEYS\nstore: 'sqlite:///state.db'\nbackground: {running: 2}\n"
    setup = set_up(load(written(text)))
    assert setup.app.state.seals is not None
    assert set_up(load(written(LOCAL + "background: {enabled: false}\n"))).config.background.enabled is False
    found = problems(LOCAL + "background: {running: 0}\nstore: none\n")
    assert found == {"background.running": "must be greater than 0, got 0"}


def test_receivers_of_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING", "whsec_bmV3, old")
    text = LOCAL + "webhooks: {billing: {url: 'https://b.example/t0ken', secrets_env: BILLING}}\n"
    assert configured(text).webhooks["billing"].events == [*EVENTS]
    setup = set_up(load(written(text)))
    assert "b.example" in repr(setup.app.webhooks)
    assert "t0ken" not in repr(setup.app.webhooks)
    monkeypatch.setenv(f"{PREFIX}WEBHOOKS__BILLING__EVENTS", "response.failed")
    assert configured(text).webhooks["billing"].events == ["response.failed"]


def with_tools() -> str:
    """A file that names a Python tool and an MCP server."""
    Path("my_tools.py").write_text('def add(a: int, b: int) -> int:\n    """The sum."""\n    return a + b\n')
    Path("mcp.json").write_text('{"mcpServers": {"wiki": {"url": "http://localhost:1/mcp"}}}')
    return LOCAL + "hosted: {mcp: mcp.json, tools: ['my_tools:add'], always: false}"


def test_hosted_tools_of_the_api() -> None:
    Path("my_search.py").write_text("def search(call):\n    return []\n")
    text = LOCAL + "hosted: {types: {web_search: 'my_search:search'}, always: [web_search]}"
    assert set_up(load(written(text))).app is not None


async def test_tools_that_the_gateway_runs() -> None:
    gateway = set_up(load(written(with_tools()))).app
    client = responses_asgi.client(gateway, base_url="http://localhost")
    health: Any = await client.get("/health", cast_to=object)
    assert health["hosted"]["tools"] == 1
    assert list(health["hosted"]["servers"]) == ["wiki"]
    await gateway.aclose()


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("hosted: {mcp: nowhere.json}", "hosted", "nowhere.json"),
        ("hosted: {tools: ['no_such_module:f']}", "hosted.tools[0]", "no_such_module"),
        ("hosted: {always: [nobody]}", "hosted", "nobody"),
        ("hosted: {types: {web_search: 'no_such_module:f'}}", "hosted.types.web_search", "no_such_module"),
        ("hosted: {types: {web_seek: 'json:dumps'}}", "hosted", "web_seek"),
    ],
)
def test_tools_that_cannot_be_run(text: str, path: str, said: str) -> None:
    found = problems(LOCAL + text)
    assert list(found) == [path]
    assert said in found[path]


def test_webhooks_that_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(LOCAL + "webhooks: {a: {url: 'https://a.example', secrets_env: NO_SUCH}}\n") == {
        "webhooks.a.secrets_env": "the environment variable NO_SUCH is not set"
    }
    monkeypatch.setenv("SECRET", "s")
    found = problems(LOCAL + "webhooks: {a: {url: 'http://10.0.0.1/t0ken', secrets_env: SECRET}}\n")
    assert found.keys() == {"webhooks.a"}
    assert "t0ken" not in found["webhooks.a"]
    text = "webhooks: {a: {url: 'https://a.example', secrets_env: SECRET}}\nstore: none\n"
    assert "tell of background responses" in problems(LOCAL + text)["webhooks"]
    found = problems(
        LOCAL + "webhooks: {a: {secret: SECRET, url: 'https://a.example', secrets_env: SECRET}}\n"
    )
    assert "secrets_env" in found["webhooks.a.secret"]


def test_json_in_a_variable_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}UPSTREAMS__LOCAL__SET", "{not json")
    assert problems(LOCAL) == {"upstreams.local.set": "must be a mapping"}


# The one table


async def test_websockets_are_bounded_or_switched_off() -> None:
    text = LOCAL + "websocket: {idle: 5, origins: ['https://a.example']}\n"
    config = set_up(load(written(text))).config.websocket
    assert (config.idle, config.origins) == (5, ["https://a.example"])
    app = set_up(load(written(LOCAL + "websocket: {enabled: false}\n"))).app
    asked = SocketAsked(app, "/v1/responses", extensions={"websocket.http.response": {}})
    await asked.task
    assert asked.sent[0]["status"] == 426
    assert problems(LOCAL + "websocket: {idle: 0}\n") == {"websocket.idle": "must be greater than 0, got 0"}


def defaults_of(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def test_defaults_are_those_of_the_python_api() -> None:
    python = defaults_of(Upstream.http)
    not_here = {"client", "token"}  # objects, which a file cannot hold
    assert python.keys() - UpstreamConfig.model_fields.keys() == not_here
    for name in python.keys() - not_here:
        default = UpstreamConfig.model_fields[name].get_default(call_default_factory=True)
        assert default == python[name] or (default == [] and python[name] == ()), name
    options = {field.name: field.default for field in fields(Options) if field.name != "grace"}
    models = {**LimitsConfig.model_fields, **Config.model_fields}
    assert options == {name: models[name].default for name in options}
    assert LimitsConfig.model_fields.keys() <= options.keys()
    background = {field.name: field.default for field in fields(BackgroundLimits)}
    here = {name: field.default for name, field in BackgroundConfig.model_fields.items()}
    assert here == {"enabled": True, **background}
    sockets = {field.name: field.default for field in fields(WebSocketLimits)}
    here = {name: field.get_default() for name, field in WebSocketConfig.model_fields.items()}
    assert here == {"enabled": True, **sockets, "origins": []}
    cors = {field.name: field.default for field in fields(CORS) if field.name != "origins"}
    for name, default in cors.items():
        same = CORSConfig.model_fields[name].get_default()
        assert same == (list(default) if isinstance(default, tuple) else default), name


def test_every_key_says_what_it_means() -> None:
    assert len(KEYS) > 60
    assert [key.name for key in KEYS if not key.description and key.path[-1] not in SECTIONS] == []
    assert (
        next(key for key in KEYS if key.name == "upstreams.NAME.url").variable
        == f"{PREFIX}UPSTREAMS__NAME__URL"
    )


def test_paths_are_told_as_they_are_written() -> None:
    assert key_path(()) == ""
    assert key_path(("upstreams", "my server", "drop", 0)) == 'upstreams["my server"].drop[0]'


def test_loading_keeps_the_names_of_broken_upstreams() -> None:
    loaded = load(written("upstreams: {a: 5}\nmodels: {m: a}"))
    assert isinstance(loaded, Loaded)
    assert loaded.upstreams == {"a"}
    assert [problem.path for problem in loaded.problems] == ["upstreams.a"]
