"""`responses-asgi codex` with Codex itself, and the lines of the documentation in its configuration."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from responses_asgi.testing import FakeModel, ModelRequest, served
from tests.chat_history import calling, turn
from tests.clients_page import MODEL, example
from tests.codex.codex_cli import BINARY, EXEC, Codex, environment
from tests.programs import bridged, finished, outputs

SHELL = calling("exec_command", {"cmd": "echo it is $((40 + 2))"})


def tells_42(request: ModelRequest) -> None:
    assert "it is 42" in outputs(request)[0]


@pytest.mark.parametrize("name", [None, "gpt-5.5"], ids=["its own name", "a name that Codex knows"])
@pytest.mark.parametrize("codex", ["websocket"], indirect=True)
def test_codex_runs_through_the_command(codex: Codex, name: str | None) -> None:
    """Whatever the model is called for Codex, the server is asked for the one that was named for it."""
    turns = [turn(SHELL), turn("It is 42.", check=tells_42)]
    path = f"{Path(os.environ[BINARY]).parent}{os.pathsep}{os.environ['PATH']}"
    with FakeModel(turns, strict=True, profile="ollama") as model, served(model) as server:
        options = ["--upstream", server.url, "--profile", "ollama", "--model", MODEL]
        arguments = ["exec", *EXEC, *(["--model", name] if name else []), "Count"]
        command = [sys.executable, "-m", "responses_asgi", "codex", *options, "--", *arguments]
        done = finished(command, codex.folder, {**environment(codex.home), "PATH": path})
    assert done.status == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    said = [event["item"]["text"] for event in events if event.get("item", {}).get("type") == "agent_message"]
    assert said == ["It is 42."]
    assert [request.model for request in model.requests] == [MODEL] * 2
    assert ("apply_patch" in model.requests[0].tools) == (name is not None)
    assert not (codex.home / "config.toml").exists()


@pytest.mark.parametrize("codex", ["websocket"], indirect=True)
def test_the_lines_of_the_documentation(codex: Codex) -> None:
    with bridged([turn("Hello.")], profile="ollama") as entrance:
        lines = example("Codex CLI", "toml", entrance.base_url)
        (codex.home / "config.toml").write_text(lines)
        run = codex.run("exec", *EXEC, "Say hello")
    assert run.text == "Hello."
    assert entrance.seen == ["WEBSOCKET /v1/responses"]
