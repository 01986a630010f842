"""Runs the Python examples of the README and the documentation as tests.

The page on testing consists of tests; tests/test_testing_docs.py runs it.
"""

from __future__ import annotations

from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parent

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    path=str(ROOT),
    patterns=["*.md"],
    excludes=["examples/**/*.md", "docs/testing.md"],
).pytest()
