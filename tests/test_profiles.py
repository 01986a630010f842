from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from responses_asgi.errors import ConfigurationError
from responses_asgi.profiles import OPENAI_ONLY, PROFILE_ALIASES, PROFILES, Profile, profile_for

RECORDINGS = Path(__file__).parents[2] / "shared" / "recordings" / "chat"

NAMED = [
    "openai",
    "generic",
    "vllm",
    "llamacpp",
    "ollama",
    "lmstudio",
    "sglang",
    "deepseek",
    "mistral",
    "groq",
    "xai",
    "together",
    "fireworks",
    "openrouter",
    "gemini",
    "cerebras",
    "qwen",
    "moonshot",
    "zai",
    "azure",
    "perplexity",
]


@pytest.mark.parametrize("name", NAMED)
def test_every_promised_server_has_a_row(name: str) -> None:
    assert profile_for(name) is PROFILES[name]
    assert PROFILES[name].name == name


def test_names_ignore_case_and_know_aliases() -> None:
    assert profile_for(" DeepSeek ").name == "deepseek"
    assert profile_for("alibaba").name == "qwen"
    assert all(target in PROFILES for target in PROFILE_ALIASES.values())


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'nobody'.*deepseek.*generic.*vllm"):
        profile_for("nobody")


def test_an_own_profile_is_used_as_it_is() -> None:
    mine = replace(PROFILES["vllm"], name="mine", think_tags=False)
    assert profile_for(mine, "api.deepseek.com") is mine
    assert hash(mine) != hash(PROFILES["vllm"])
    assert asdict(mine)["effort_values"] == PROFILES["vllm"].effort_values


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("API.DeepSeek.com", "deepseek"),
        ("api.deepseek.com:443", "deepseek"),
        ("api.mistral.ai.", "mistral"),
        ("my-resource.openai.azure.com", "azure"),
        ("my.services.ai.azure.com", "azure"),
        ("openrouter.ai", "openrouter"),
        ("ai-gateway.vercel.sh", "vercel-gateway"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("dashscope-intl.aliyuncs.com", "qwen"),
        ("api.z.ai", "zai"),
        ("router.huggingface.co", "huggingface"),
        ("api.githubcopilot.com", "copilot"),
        ("dbc-1.cloud.databricks.com", "databricks"),
        # Neither a port nor a look-alike is a hint.
        ("localhost:11434", "generic"),
        ("127.0.0.1:8000", "generic"),
        ("notopenai.com", "generic"),
        ("openai.com.evil.test", "generic"),
        ("", "generic"),
        (None, "generic"),
    ],
)
def test_the_guess_is_made_from_the_host_name_alone(host: str | None, name: str) -> None:
    assert profile_for(None, host).name == name


def test_generic_asks_nothing_unusual() -> None:
    generic = PROFILES["generic"]
    assert generic.token_limit_field == "max_tokens"
    assert generic.stream_usage
    assert not generic.developer_role
    assert generic.reasoning_field is None
    assert generic.withheld >= OPENAI_ONLY
    assert Profile(name="generic") == generic


def test_no_host_belongs_to_two_rows() -> None:
    hosts = [host for profile in PROFILES.values() for host in profile.hosts]
    assert len(hosts) == len(set(hosts))
    assert all(host == host.lower() for host in hosts)


def test_every_recorded_provider_resolves() -> None:
    if not RECORDINGS.exists():
        pytest.skip(f"{RECORDINGS} is not here")
    for folder in RECORDINGS.iterdir():
        assert profile_for(folder.name) in PROFILES.values()
