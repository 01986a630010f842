"""The examples in docs/clients.md, led to a bridge of the tests."""

from __future__ import annotations

import re
from pathlib import Path

from responses_asgi.testing import FakeModel
from tests.chat_history import calling, turn

PAGE = Path(__file__).parent.parent / "docs" / "clients.md"
BASE_URL = "http://127.0.0.1:8000/v1"
MODEL = "qwen3-coder"
ANSWER = "Yes, take a hat."


def example(title: str, language: str, base_url: str) -> str:
    """The one example of this language in a section, with the base URL of a bridge."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    (text,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert text.count(BASE_URL) == 1
    found: str = text.replace(BASE_URL, base_url)
    return found


def advisor() -> FakeModel:
    """What the examples ask: a model that looks at the weather first."""
    model = FakeModel(profile="ollama")
    model.on(tool_result="Sunny in Oslo.", model=MODEL).say(turn(ANSWER))
    model.on(tool_result=False, model=MODEL).say(turn(calling("weather", {"city": "Oslo"})))
    return model
