"""Codex CLI as `make test-codex` installs it: runs of `codex exec` in a home and a folder of their own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.programs import bare_environment, finished

BINARY = "RESPONSES_ASGI_CODEX"
"""The environment variable with the path of the binary."""

PROVIDER = """\
model_provider = "bridge"

[model_providers.bridge]
name = "{name}"
base_url = "{base_url}"
wire_api = "responses"
env_key = "BRIDGE_KEY"
request_max_retries = {retries}
stream_max_retries = {retries}
supports_websockets = {websockets}
"""


@dataclass
class Run:
    """What a run of Codex told."""

    status: int
    events: list[dict[str, Any]]
    stderr: str = field(repr=False)

    def items(self, kind: str) -> list[dict[str, Any]]:
        """The completed items of a type: agent_message, reasoning, command_execution, file_change, error."""
        done = [event["item"] for event in self.events if event["type"] == "item.completed"]
        return [item for item in done if item["type"] == kind]

    @property
    def text(self) -> str:
        """The last thing the model said."""
        assert self.status == 0, f"{self.events}\n{self.stderr}"
        text: str = self.items("agent_message")[-1]["text"]
        return text

    @property
    def usage(self) -> dict[str, int]:
        (usage,) = [event["usage"] for event in self.events if event["type"] == "turn.completed"]
        found: dict[str, int] = usage
        return found

    @property
    def failure(self) -> str:
        """Why the turn failed."""
        assert self.status == 1, self.events
        (message,) = [event["error"]["message"] for event in self.events if event["type"] == "turn.failed"]
        text: str = message
        return text


@dataclass
class Codex:
    """Codex in a home and a working folder of its own, which is given nothing but a bridge on loopback."""

    home: Path
    folder: Path
    websockets: bool = False
    provider: str = "bridge"
    """The name of the provider: of one called OpenAI it expects what that has."""
    more: str = ""
    """Further lines of its configuration."""

    def configure(self, base_url: str, *, retries: int = 0) -> None:
        """Write the configuration that leads to the bridge."""
        websockets = str(self.websockets).lower()
        lines = PROVIDER.format(name=self.provider, base_url=base_url, websockets=websockets, retries=retries)
        self.home.joinpath("config.toml").write_text(lines + self.more)

    def exec(self, model: str, *arguments: str) -> Run:
        """Run `codex exec` with the model; raises AssertionError when it takes too long."""
        return self.run("exec", *EXEC, "--model", model, *arguments)

    def resume(self, model: str, *arguments: str) -> Run:
        """Go on with the last session."""
        return self.run("exec", "resume", "--last", *EXEC, "--model", model, *arguments)

    def run(self, *arguments: str) -> Run:
        done = finished([os.environ[BINARY], *arguments], self.folder, environment(self.home))
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return Run(done.status, [json.loads(line) for line in lines], done.stderr)


EXEC = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")


def environment(home: Path) -> dict[str, str]:
    return {**bare_environment(home), "CODEX_HOME": str(home), "BRIDGE_KEY": "key-of-codex"}
