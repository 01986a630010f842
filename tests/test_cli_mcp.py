"""`responses-asgi mcp list`, with real servers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from responses_asgi.cli import main
from tests.hosted_servers import SERVERS


def written(folder: Path, **servers: object) -> str:
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": servers}))
    return str(path)


GOOD = {"command": sys.executable, "args": [str(SERVERS / "tools.py")]}


def test_the_tools_of_each_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "list", written(tmp_path, maths=GOOD)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "maths: 10 tools"
    assert lines[1].split(maxsplit=1) == ["add", "Adds two numbers."]


def test_a_server_that_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, maths=GOOD, none={"command": "/no/such/program"})
    assert main(["mcp", "list", file, "--json"]) == 1
    told = capsys.readouterr()
    items = {item["server_label"]: item for item in json.loads(told.out)}
    assert items["maths"]["tools"][0]["input_schema"]["required"] == ["a", "b"]
    assert items["none"]["tools"] == []
    assert "responses-asgi: none: The MCP server cannot be used: " in told.err
    assert main(["mcp", "list", written(tmp_path, none={"command": "/no/such/program"})]) == 1
    assert "none: away" in capsys.readouterr().out


def test_files_without_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["mcp", "list", written(tmp_path)]) == 0
    assert "names no servers" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path / "..")
    assert main(["mcp", "list"]) == 2
    assert "mcp.json: No such file" in capsys.readouterr().err
