"""Runs the Python examples of the README and the documentation as tests.

The page on testing consists of tests; tests/test_testing_docs.py runs it. The examples of the page on clients
are led to servers of the tests: tests/test_clients_docs.py, and the suites with programs from npm.
"""

from __future__ import annotations

import os
from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

if "PYTEST_XDIST_WORKER" in os.environ:
    # The programs that tests start are not measured, which would slow them down.
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)

ROOT = Path(__file__).parent

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    path=str(ROOT),
    patterns=["*.md"],
    excludes=["examples/**/*.md", "docs/testing.md", "docs/clients.md"],
).pytest()
