"""Fixtures of the tests with programs of node. `make test-node` installs these and runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.node.node_program import NODE, OPENCODE, Node


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    for variable in (NODE, OPENCODE):
        if not os.path.exists(os.environ.get(variable, "")):
            pytest.exit(f"{variable} leads nowhere; run these tests by: make test-node", 2)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)
