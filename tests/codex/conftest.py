"""Fixtures of the tests with Codex CLI. `make test-codex` installs it and runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.codex.bridged import SHAPES, Shape
from tests.codex.codex_cli import BINARY, Codex


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    if not os.path.exists(os.environ.get(BINARY, "")):
        pytest.exit(f"{BINARY} names no binary of Codex; run these tests by: make test-codex", 2)


@pytest.fixture(params=["sse", "websocket"])
def codex(request: pytest.FixtureRequest, tmp_path: Path) -> Codex:
    """Codex in a home and a folder that are gone after the test, by each of its transports."""
    home, folder = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    folder.mkdir()
    return Codex(home, folder, websockets=request.param == "websocket")


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> Shape:
    return SHAPES[request.param]
