"""Runs the Python examples of the README and the documentation as tests."""

from __future__ import annotations

from pathlib import Path

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parent

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], path=str(ROOT), patterns=["*.md"], excludes=["examples/**/*.md"]
).pytest()
