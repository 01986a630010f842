"""`docs/configuration.md` names every key and every variable, as the code has them, and its example works."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from docs import configuration
from responses_asgi import Profile
from responses_asgi.config import KEYS, load, set_up


@pytest.fixture(scope="module")
def page() -> str:
    return configuration.PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date(page: str) -> None:
    assert page == configuration.page(), "run `make docs`"


def test_every_key_variable_and_field_stands_there_once(page: str) -> None:
    keys, _, profiles = page.partition("## Fields of a profile")
    rows = [line for line in keys.splitlines() if line.startswith("| `")]
    leaves = [key for key in KEYS if key.path not in configuration.SECTIONS.values()]
    for key in leaves:
        assert sum(row.startswith(f"| `{key.name}` |") for row in rows) == 1, key.name
        assert sum(f"`{key.variable}` |" in row for row in rows) == 1, key.variable
    for field in fields(Profile):
        assert field.name == "hosts" or f"| `{field.name}` |" in profiles


def test_the_example_is_one(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "gateway.yaml"
    file.write_text(example)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("AZURE_API_KEY", "sk-2")
    monkeypatch.setenv("BILLING_SECRETS", "whsec_bmV3")
    setup = set_up(load(file))
    assert set(setup.upstreams) == {"local", "cloud", "azure", "house", "toy"}
    assert setup.upstreams["house"].profile.tool_policy == {"web_search": "error", "*": "drop"}
    assert set(setup.table) == {"gpt-5", "gpt-4o", "llama", "house-*", "mixed", "*"}
