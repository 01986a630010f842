"""The page on testing is a test module as its readers would write it: it is run as one, by pytest itself."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path

import pytest

from responses_asgi import client
from responses_asgi.testing.script_file import load_fake

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text(encoding="utf-8")
SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


MODULE = "\n".join(blocks("python"))
FUNCTIONS = [
    node for node in ast.parse(MODULE).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
]
TESTS = [function for function in FUNCTIONS if function.name.startswith("test_")]


def test_the_page_passes(pytester: pytest.Pytester) -> None:
    pytester.makeini(SETTINGS)
    pytester.makepyfile(MODULE)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=100)
    result.assert_outcomes(passed=len(TESTS))


def test_agent_loops_take_less_than_ten_lines() -> None:
    loops = {"test_tool_call", "test_retry", "test_failure_in_the_middle"}
    lines = {
        test.name: test.end_lineno - min(line.lineno for line in [*test.decorator_list, test]) + 1
        for test in TESTS
        if test.end_lineno is not None
    }
    assert loops <= lines.keys()
    assert all(lines[name] < 10 for name in loops), lines


def test_an_unscripted_request_is_told_as_the_page_shows(pytester: pytest.Pytester) -> None:
    [told] = blocks("text")
    pytester.makepyfile(
        """
        def test_rain(openai_client, fake_model):
            fake_model.on(text="weather").say("Sunny.")
            try:
                openai_client.responses.create(model="gpt-5", input="Rain?")
            except Exception:
                pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=60)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([line.replace("[", "[[]") for line in told.splitlines()], consecutive=True)


def test_the_script_in_json(tmp_path: Path) -> None:
    [script] = blocks("json")
    file = tmp_path / "script.json"
    file.write_text(script)
    model = client(load_fake(file))

    async def said(text: str) -> str:
        return (await model.responses.create(model="any", input=text)).output_text

    called = asyncio.run(model.responses.create(model="any", input="A hat?"))
    assert inspect.getattr_static(called.output[0], "name") == "get_weather"
    assert asyncio.run(said("2 + 2?")) == "Four."
