"""The examples in docstrings are run, and links in the documentation lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import responses_asgi

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
