from __future__ import annotations

import builtins
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from responses_asgi.cli import main

COMMAND = [sys.executable, "-m", "responses_asgi"]
COMMANDS = ("serve", "check", "keys", "models", "probe", "convert", "fake")


def test_help_teaches() -> None:
    overview = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"    {name} " in overview for name in COMMANDS)
    for name in COMMANDS:
        told = subprocess.run([*COMMAND, name, "--help"], capture_output=True, text=True, check=True).stdout
        assert "usage: responses-asgi" in told
        if name != "fake":
            assert f"responses-asgi {name}" in told.partition("examples:")[2]


def test_help_of_serve_names_profiles_and_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    told = capsys.readouterr().out
    assert "--upstream URL" in told
    assert "deepseek" in told


def test_help_comes_at_once() -> None:
    """What serving needs is not imported for a help text."""
    heavy = ("pydantic_settings", "starlette", "uvicorn", "httpx", "yaml")
    code = (
        "import sys\nfrom responses_asgi.cli import main\n"
        "try: main(['serve', '--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "[]"


def test_python_m_is_the_same_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["responses-asgi", "--version"])
    # pytest loads the package as a plugin, by a loader that `runpy.run_module` cannot use.
    with pytest.raises(SystemExit) as caught:
        importlib.import_module("responses_asgi.__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("responses-asgi ")


def test_wrong_usage_ends_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["sreve"])
    assert caught.value.code == 2
    assert "serve" in capsys.readouterr().err


def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*asked: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("responses_asgi.cli.models.ask", interrupted)
    assert main(["models"]) == 130


def test_without_uvicorn_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without_uvicorn(name: str, *rest: Any, **options: Any) -> Any:
        if name == "uvicorn":
            raise ImportError(name)
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_uvicorn)
    assert main(["serve", "--upstream", "http://127.0.0.1:9"]) == 2
    assert "responses-asgi[server]" in capsys.readouterr().err


def test_the_installed_command_is_this_one() -> None:
    command = Path(sys.executable).parent / "responses-asgi"
    if not os.access(command, os.X_OK):
        pytest.skip("the package is not installed with its command here")
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"responses-asgi \d+\.\d+\.\d+\S*\n", told.stdout)
