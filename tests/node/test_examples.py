"""The examples in docs/clients.md for programs of node do what they say."""

from __future__ import annotations

import pytest

from tests.clients_page import ANSWER, advisor, example
from tests.node.node_program import Node
from tests.programs import bridged


@pytest.mark.parametrize("title", ["Agents SDK for JavaScript", "AI SDK"])
def test_javascript_examples(node: Node, title: str) -> None:
    with bridged(advisor(), profile="ollama") as entrance:
        assert node.run(example(title, "javascript", entrance.base_url)) == f"{ANSWER}\n"
    assert entrance.seen == ["POST /v1/responses"] * 2
