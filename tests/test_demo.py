from __future__ import annotations

import io
import subprocess
import sys

import pytest

from examples.demo.page import Page
from examples.serving import ROOT, uvicorn


def test_the_demo_runs_and_is_well() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "examples.demo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.splitlines()[-1].startswith("All well")
    assert "✗" not in shown.stdout
    assert shown.stderr == ""
    assert "\033" not in shown.stdout, "colour is for terminals only"


def test_a_promise_that_does_not_hold_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page()
    page.check(True, "water is wet")
    page.check(False, "fire is cold")
    assert page.problems == ["fire is cold"]
    assert "✗ fire is cold" in capsys.readouterr().out


def test_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Page().paint("red", "red") == "\033[31mred\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert Page().paint("red", "red") == "red"


def test_a_server_that_cannot_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="no_such_app"), uvicorn("no_such_app:app"):
        pass
