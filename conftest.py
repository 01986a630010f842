"""Runs the Python examples of the README and the documentation as tests.

The page on testing consists of tests; tests/test_testing_docs.py runs it. The examples of the page on clients
are led to servers of the tests: tests/test_clients_docs.py, and the suites with programs from npm.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilFile, SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser

if "PYTEST_XDIST_WORKER" in os.environ:
    # The programs that tests start are not measured, which would slow them down.
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)

ROOT = Path(__file__).parent

EXAMPLES = Sybil(
    parsers=[PythonCodeBlockParser()],
    path=str(ROOT),
    patterns=["*.md"],
    excludes=["examples/**/*.md", "docs/testing.md", "docs/clients.md"],
)


class Page(SybilItem):
    """All examples of a page as one test, from the first to the last: each builds on those before it, so that
    they can neither be chosen from nor be divided among processes."""

    def runtest(self) -> None:
        home = os.getcwd()
        try:
            for example in self.example.document:
                self.example = example  # the one that is told when it fails
                example.evaluate()
        finally:
            os.chdir(home)


class PageFile(SybilFile):
    """A page with its examples; none where it has none."""

    def collect(self) -> Iterator[Page]:
        first = next(super().collect(), None)
        if first is not None:
            yield Page.from_parent(self, sybil=EXAMPLES, example=first.example)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> PageFile | None:
    if not EXAMPLES.should_parse(file_path):
        return None
    return PageFile.from_parent(parent, path=file_path, sybils=[EXAMPLES])
