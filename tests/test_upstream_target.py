from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import ConfigurationError, InvalidRequestError
from responses_asgi.profiles import PROFILES
from responses_asgi.upstreams.target import Endpoint, endpoint_of, target_for

CHAT = Endpoint("chat/completions", "chat/completions")


def url(
    base_url: str, endpoint: Endpoint = CHAT, query: str = "", model: str | None = None, **options: Any
) -> str:
    options.setdefault("profile", PROFILES["generic"])
    return target_for(base_url, **options).url(endpoint, query, model)


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("http://host:8000", "http://host:8000/v1"),
        ("http://host:8000/", "http://host:8000/v1"),
        ("http://host:8000/v1", "http://host:8000/v1"),
        ("http://host:8000/v1/", "http://host:8000/v1"),
        (" https://host/v1/chat/completions ", "https://host/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
        ("https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("https://openrouter.ai", "https://openrouter.ai/api/v1"),
        ("https://api.z.ai/api/paas/v4", "https://api.z.ai/api/paas/v4"),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ("https://api.perplexity.ai", "https://api.perplexity.ai"),
        ("https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1"),
        ("https://r.openai.azure.com/openai/v1/", "https://r.openai.azure.com/openai/v1"),
    ],
)
def test_base_urls_as_people_write_them(base_url: str, expected: str) -> None:
    assert url(base_url) == expected + "/chat/completions"


def test_the_path_is_that_of_the_host_not_of_the_chosen_profile() -> None:
    assert url("http://localhost:8000", profile=PROFILES["deepseek"]).endswith(":8000/v1/chat/completions")


@pytest.mark.parametrize(
    "base_url",
    [
        "host:8000",
        "localhost",
        "ftp://host",
        "http://",
        "http://host:notaport/v1",
        "http://[::1",
        "https://key@host/v1",
        "https://user:secret@host/v1",
        "https://host/v1?api-version=1",
        "https://host/v1#top",
        "https://host/v1/../admin",
        "https://host//v1",
    ],
)
def test_what_is_no_base_url_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        target_for(base_url, profile=PROFILES["generic"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/chat/completions", "", CHAT),
        ("/v1/chat/completions", "", CHAT),
        ("/v1/chat/completions", "/v1", CHAT),
        ("/ai/v1/chat/completions", "/ai", CHAT),
        ("/ai/v1/chat/completions", "/ai/", CHAT),
        ("/v1/chat/completions", "/ai", CHAT),  # servers that leave root_path out of path
        ("/openai/v1/chat/completions", "", CHAT),
        ("/openai/chat/completions", "", CHAT),
        ("/openai/deployments/my%20gpt/chat/completions", "", CHAT._replace(deployment="my gpt")),
        ("/v1/models/org%2Fname", "", Endpoint("models/org/name", "models/org%2Fname")),
        ("/v1/models/", "", Endpoint("models", "models/")),
        ("/v1x/models", "", Endpoint("v1x/models", "v1x/models")),
        ("/v1", "", Endpoint("", "")),
    ],
)
def test_the_endpoint_is_what_follows_the_mount_and_the_clients_prefix(
    path: str, root_path: str, expected: Endpoint
) -> None:
    from urllib.parse import unquote

    scope = {"path": unquote(path), "raw_path": path.encode(), "root_path": root_path}
    assert endpoint_of(scope) == expected


@pytest.mark.parametrize("raw_path", [None, b"", b"/left/behind"])
def test_a_path_whose_raw_form_is_missing_or_stale_is_encoded_anew(raw_path: bytes | None) -> None:
    assert endpoint_of({"path": "/v1/models/a b", "raw_path": raw_path}).raw == "models/a%20b"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin",
        "/v1/models/..",
        "/v1/models/%2e%2e/files",
        "/v1/models/%252e%252e/files",
        "/v1/./models",
        "/v1//evil.example/x",
        "//evil.example/v1/models",
        "/v1/models\\..\\files",
        "/v1/models/%0d%0ahost:",
        "/v1/%2f/evil.example",
    ],
)
def test_paths_that_could_lead_elsewhere_are_refused(path: str) -> None:
    from urllib.parse import unquote

    with pytest.raises(InvalidRequestError) as caught:
        endpoint_of({"path": unquote(path), "raw_path": path.encode()})
    assert caught.value.status == 400


def test_the_query_is_kept_except_an_azure_clients_version() -> None:
    query = "include%5B%5D=a&api-version=2025-01-01&include%5B%5D=b"
    assert url("http://host", query=query).endswith("?include%5B%5D=a&include%5B%5D=b")
    assert url("http://host", query="api-version=1") == "http://host/v1/chat/completions"


AZURE = {"profile": PROFILES["azure"], "api_version": "2025-04-01-preview"}
AT = "https://r.openai.azure.com/openai"
VERSION = "?api-version=2025-04-01-preview"


@pytest.mark.parametrize("base_url", ["https://r.openai.azure.com", "https://r.openai.azure.com/openai/"])
@pytest.mark.parametrize(
    ("name", "deployment", "model", "expected"),
    [
        ("chat/completions", "gpt", "other", f"{AT}/deployments/gpt/chat/completions{VERSION}"),
        ("chat/completions", None, "gpt-4o", f"{AT}/deployments/gpt-4o/chat/completions{VERSION}"),
        ("chat/completions", None, "org/gpt", f"{AT}/deployments/org%2Fgpt/chat/completions{VERSION}"),
        ("audio/speech", "tts", None, f"{AT}/deployments/tts/audio/speech{VERSION}"),
        ("embeddings", None, "emb", f"{AT}/deployments/emb/embeddings{VERSION}"),
        ("responses", "gpt", "gpt", f"{AT}/responses{VERSION}"),
        ("models", None, None, f"{AT}/models{VERSION}"),
    ],
)
def test_azures_classic_urls(
    base_url: str, name: str, deployment: str | None, model: str | None, expected: str
) -> None:
    assert (
        url(base_url, Endpoint(name, name), "api-version=old", model, deployment=deployment, **AZURE)
        == expected
    )


def test_azures_deployment_may_stand_in_the_base_url() -> None:
    base_url = "https://gate.example/team/openai/deployments/my%20gpt/chat/completions"
    expected = f"https://gate.example/team/openai/deployments/my%20gpt/chat/completions{VERSION}"
    assert url(base_url, model="other", **AZURE) == expected
    assert "/deployments/set/" in url(base_url, deployment="set", **AZURE)


def test_azure_takes_the_deployment_of_the_clients_path_when_nothing_else_names_one() -> None:
    target = target_for("https://r.openai.azure.com", **AZURE)
    named = CHAT._replace(deployment="mine")
    assert target.needs_model(named)
    assert target.url(named, "") == f"{AT}/deployments/mine/chat/completions{VERSION}"
    with pytest.raises(InvalidRequestError) as caught:
        target.url(CHAT, "")
    assert caught.value.param == "model"


@pytest.mark.parametrize("name", ["..", ".", "%2e%2e", "a/../../admin", "..\\x", "a//b", "a\r\nb"])
@pytest.mark.parametrize("by_path", [True, False])
def test_deployments_that_could_lead_elsewhere_are_refused(name: str, by_path: bool) -> None:
    target = target_for("https://r.openai.azure.com", **AZURE)
    endpoint, model = (CHAT._replace(deployment=name), None) if by_path else (CHAT, name)
    with pytest.raises(InvalidRequestError) as caught:
        target.url(endpoint, "", model)
    assert (caught.value.status, caught.value.param) == (400, "model")


def test_a_deployment_without_azures_version_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="api_version"):
        target_for("https://r.openai.azure.com", profile=PROFILES["azure"], deployment="gpt")


def test_azure_is_known_by_profile_and_by_host() -> None:
    assert target_for("https://r.openai.azure.com", profile=PROFILES["generic"]).azure
    assert target_for("https://gateway.example", profile=PROFILES["azure"]).azure
    assert not target_for("https://api.openai.com", profile=PROFILES["openai"]).azure
    assert not target_for("https://api.openai.com", profile=PROFILES["openai"]).needs_model(CHAT)
