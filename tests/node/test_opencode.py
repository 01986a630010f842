"""opencode on a model that knows nothing but Chat, with the configuration of docs/clients.md."""

from __future__ import annotations

import json
import os

import pytest

from responses_asgi.testing import FakeModel, ModelRequest
from tests.chat_history import calling, turn
from tests.clients_page import example
from tests.node.node_program import OPENCODE, Node
from tests.programs import Entrance, assistants, bare_environment, bridged, finished, outputs

PACKAGES = {"@ai-sdk/openai": "/v1/responses", "@ai-sdk/openai-compatible": "/v1/chat/completions"}


def opencode(node: Node, entrance: Entrance, package: str, prompt: str) -> list[dict[str, object]]:
    """Run opencode with the prompt; returns its events."""
    config = json.loads(example("opencode", "json", entrance.base_url))
    config["provider"]["bridge"]["npm"] = package
    folder = node.folder / "project"
    folder.mkdir()
    (folder / "opencode.json").write_text(json.dumps(config))
    # It looks for its configuration where PWD is, and at more places than HOME.
    places = {f"XDG_{name}_HOME": str(node.folder / name) for name in ("DATA", "CACHE", "CONFIG", "STATE")}
    environment = {**bare_environment(node.folder), **places, "PWD": str(folder)}
    command = [os.environ[OPENCODE], "run", "--format", "json"]
    done = finished(command, folder, environment, stdin=prompt)
    assert done.status == 0, f"{done.stdout}\n{done.stderr}"
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_shell_command(node: Node, package: str) -> None:
    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert len(called["tool_calls"]) == 1
        assert outputs(request) == ["it is 42\n"]

    shell = calling("bash", {"command": "echo it is $((40 + 2))", "description": "Counts"})
    model = FakeModel(profile="ollama", strict=True)
    model.on(where=lambda request: not request.tools).say(turn("A title"))  # of the session, asked beside it
    model.on(tool_result=True).say(turn("It is 42.", check=check))
    model.on(text="What is 40 + 2?").say(turn(shell))
    with bridged(model, profile="ollama") as entrance:
        events = opencode(node, entrance, package, "What is 40 + 2?")
    parts = [event["part"] for event in events]
    assert [part["text"] for part in parts if isinstance(part, dict) and part["type"] == "text"] == [
        "It is 42."
    ]
    assert set(entrance.seen) == {f"POST {PACKAGES[package]}"}
