"""The shape of the source: small modules, a pure core, sorted public names. Layers: import-linter."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "responses_asgi"
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MODULES = sorted(PACKAGE.rglob("*.py"))

MOST_LINES = 400

CORE = {"sse", "types", "translate", "profiles", "loss", "errors"}
FORBIDDEN_IN_CORE = {"asyncio", "os", "time", "random", "secrets", "uuid", "asgiref", "starlette", "httpx"}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    """The first name below the package: a module, or a sub-package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports name their module in full"
            yield node.module


every_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


@every_module
def test_a_module_is_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) in CORE], ids=name_of)
def test_the_core_does_no_io_and_knows_no_clock(path: Path) -> None:
    roots = {module.partition(".")[0] for module in imported(path)}
    assert not roots & FORBIDDEN_IN_CORE


@every_module
def test_public_names_are_listed_sorted_and_there(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    listed = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and node.value is not None
        and "__all__" in {t.id for t in _targets(node) if isinstance(t, ast.Name)}
    ]
    if not listed:
        assert not _defined(tree) or path.name == "__main__.py", "a module with public names has an __all__"
        return
    (names,) = listed
    # The order that ruff keeps: CONSTANTS, then Classes, then functions.
    assert list(names) == sorted(names, key=lambda name: (_rank(name), name))
    assert len(set(names)) == len(names)


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _defined(tree: ast.Module) -> list[str]:
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]


def _rank(name: str) -> int:
    return 0 if name.isupper() else 1 if name[:1].isupper() else 2


def test_the_map_has_every_folder_in_its_layer() -> None:
    """`docs/architecture.md` says the job of each part, in the layers that import-linter checks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = [set(re.findall(r"\w+", layer)) for layer in contracts[0]["layers"]]
    told: list[set[str]] = []
    for layer, part in re.findall(r"^\| (\d*) ?\| `(\w+)` \|", MAP, re.MULTILINE):
        if layer:
            told.append(set())
            assert int(layer) == len(told)
        told[-1].add(part)
    assert told == layers
    parts = {part_of(path) for path in MODULES} - {"__init__", "__main__"}
    assert parts == set().union(*layers)


def test_what_the_map_names_is_there() -> None:
    for name in re.findall(r"`([\w/]+(?:\.py|/))`", MAP):
        places = (PACKAGE, ROOT, ROOT / "benchmarks", ROOT / "docs")
        assert any((place / name).exists() for place in places), f"the map names {name}, which is not there"
