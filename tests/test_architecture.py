"""Rules of the code base that no linter has."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MAX_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_PRAGMAS = 10
HEAVY = ("openai", "fastapi", "django", "starlette", "httpx", "httpx2", "uvicorn", "asgiref", "aiohttp")

by_name = pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.relative_to(ROOT / "src")))


@by_name
def test_modules_stay_small(source: Path) -> None:
    lines = len(source.read_text().splitlines())
    assert lines <= MAX_LINES, f"{source.name} has {lines} lines; give a part of it a file of its own"


@by_name
def test_functions_stay_small(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


@by_name
def test_modules_say_what_they_are_and_export(source: Path) -> None:
    tree = ast.parse(source.read_text())
    assert ast.get_docstring(tree), "a module begins with what it does"
    if source.name != "__main__.py" and len(tree.body) > 1:
        names = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        assert "__all__" in names, "a module lists its public names"


@by_name
def test_ignores_give_their_reason(source: Path) -> None:
    for line in source.read_text().splitlines():
        found = re.search(
            r"#\s*(type: ignore(\[[\w, -]+\])?|noqa(: [A-Z0-9, ]+)?|pragma: no (cover|branch))(.*)", line
        )
        assert found is None or len(found.group(5).strip(" #:-")) > 10, f"no reason given: {line.strip()}"


def test_few_lines_are_kept_out_of_coverage() -> None:
    assert sum(source.read_text().count("pragma: no cover") for source in SOURCES) <= MAX_PRAGMAS


def test_importing_the_package_loads_nothing_heavy() -> None:
    """A fresh interpreter, because this one has loaded everything already."""
    script = f"import sys, responses_asgi; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_every_public_name_exists_and_is_listed_once() -> None:
    import responses_asgi

    assert len(set(responses_asgi.__all__)) == len(responses_asgi.__all__)
    for name in responses_asgi.__all__:
        assert getattr(responses_asgi, name) is not None
    assert set(responses_asgi.__all__) <= set(dir(responses_asgi))


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import responses_asgi

    with pytest.raises(AttributeError, match="Gatewayy"):
        responses_asgi.Gatewayy  # noqa: B018  # the access itself is the test
