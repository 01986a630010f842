"""The Python examples in docs/clients.md do what they say."""

from __future__ import annotations

import pytest

from tests.clients_page import ANSWER, advisor, example
from tests.programs import bridged


@pytest.mark.parametrize("title", ["Agents SDK for Python", "LangChain", "pydantic-ai"])
def test_python_examples(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    with bridged(advisor(), profile="ollama") as entrance:
        exec(compile(example(title, "python", entrance.base_url), title, "exec"), {"__name__": title})
    assert capsys.readouterr().out == f"{ANSWER}\n"
    assert entrance.seen == ["POST /v1/responses"] * 2
