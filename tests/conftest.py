"""Tells at the end of a test run how many recorded exchanges were compared."""

from __future__ import annotations

import pytest

from tests.recordings import COUNTS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if COUNTS:
        counts = ", ".join(f"{number} {kind}" for kind, number in COUNTS.items())
        terminalreporter.write_line(f"recordings compared and found equal: {counts}")
