"""The examples in docstrings are run; links, commands and pages of the documentation are there."""

from __future__ import annotations

import argparse
import doctest
import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import responses_asgi
from responses_asgi.cli import main

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(responses_asgi.__path__, "responses_asgi.")
    if not module.name.endswith("__main__")
)
PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md") for page in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(#[^)]*)?\)")


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), f"{page.name} links to {target}, which is not there"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", place.read_text(), re.MULTILINE)
            assert anchor[1:] in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_the_examples_of_a_page_are_one_test() -> None:
    """Those of a page that were divided among processes, or chosen from, missed what came before them."""
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    pages = re.findall(r"^(docs/.*\.md)::", collected.stdout, re.MULTILINE)
    assert "docs/deploy.md" in pages
    assert len(pages) == len(set(pages))


def test_the_pages_are_listed_and_lead_on() -> None:
    """The README has all pages in reading order; each ends with links to the one before it and after it."""
    table = (ROOT / "README.md").read_text().partition("\n## The pages\n")[2].partition("\n## ")[0]
    rows = [("README", "README.md"), *re.findall(r"^\| \[([^]]+)\]\(([^)]+)\)", table, re.MULTILINE)]
    there = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} | {"docs/decisions/README.md"}
    assert {path for _, path in rows} == there | {"README.md", "CONTRIBUTING.md"}
    for previous, (_, path), following in zip(rows, rows[1:], rows[2:], strict=False):

        def link(text: str, target: str, anchor: str = "", *, to: Path = (ROOT / path).parent) -> str:
            return f"[{text}]({os.path.relpath(ROOT / target, to)}{anchor})"

        foot = [
            link(f"← {previous[0]}", previous[1]),
            link("All pages", "README.md", "#the-pages"),
            link(f"{following[0]} →", following[1]),
        ]
        assert (ROOT / path).read_text().endswith(f"\n\n---\n\n{' · '.join(foot)}\n"), path


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\((\d{4}-[^)]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {page.name for page in folder.glob("[0-9]*.md")}


def test_what_was_decided_anew_says_so() -> None:
    """A record that another one replaces or changes names it in its first line, and so does the index."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    changed = 0
    for page in folder.glob("[0-9]*.md"):
        for word, later in re.findall(
            r"^(Superseded|Changed) by \[(\d{4})\]", page.read_text(), re.MULTILINE
        ):
            [row] = [
                line for line in index.splitlines() if f"({page.name})" in line and line.startswith("| [")
            ]
            assert f"{word.lower()} by [{later}](" in row
            changed += 1
    assert changed >= 2


def commands() -> list[str]:
    """The command lines of this package in the pages, and in what its own `--help` shows."""
    shown = [
        block for page in PAGES for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    shown += re.findall(r"\| `([^`|]+)` \|", (ROOT / "README.md").read_text())
    modules = [importlib.import_module(name) for name in MODULES if name.startswith("responses_asgi.cli")]
    shown += [vars(module).get("EXAMPLES", "") for module in modules]
    lines = re.findall(r"(?:^|[|(&]) *(responses-asgi [^\n|&<)]*)", "\n".join(shown), re.MULTILINE)
    return sorted({re.split(r" {2,}| #", line)[0].strip() for line in lines})


@pytest.mark.parametrize("line", commands())
def test_commands_are_ones_that_there_are(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read as the command line reads it, and then not run."""
    parse = argparse.ArgumentParser.parse_args

    def parsed(parser: argparse.ArgumentParser, *given: Any) -> argparse.Namespace:
        options = parse(parser, *given)
        assert callable(options.run)
        options.run = lambda _: 0
        return options

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    assert main(shlex.split(line)[1:]) == 0


def test_targets_of_make_are_ones_that_there_are() -> None:
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        text = page.read_text()
        named = re.findall(r"`make ([a-z-]+)", text) + re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)
        assert set(named) <= there, page.name
