"""Codex CLI as `make test-codex` installs it: runs of `codex exec` in a home and a folder of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BINARY = "RESPONSES_ASGI_CODEX"
"""The environment variable with the path of the binary."""

# Seconds for one run, most of which take less than one.
PATIENCE = 60.0

PROVIDER = """\
model_provider = "bridge"

[model_providers.bridge]
name = "bridge"
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
    more: str = ""
    """Further lines of its configuration."""

    def configure(self, base_url: str, *, websockets: bool = False, retries: int = 0) -> None:
        """Write the configuration that leads to the bridge."""
        lines = PROVIDER.format(base_url=base_url, websockets=str(websockets).lower(), retries=retries)
        self.home.joinpath("config.toml").write_text(lines + self.more)

    def exec(self, model: str, *arguments: str) -> Run:
        """Run `codex exec` with the model; raises AssertionError when it takes too long."""
        return self.run("exec", *EXEC, "--model", model, *arguments)

    def resume(self, model: str, *arguments: str) -> Run:
        """Go on with the last session."""
        return self.run("exec", "resume", "--last", *EXEC, "--model", model, *arguments)

    def run(self, *arguments: str) -> Run:
        return finished([os.environ[BINARY], *arguments], self.folder, environment(self.home))


EXEC = ("--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")


def environment(home: Path) -> dict[str, str]:
    """No more than Codex needs, and proxies that lead nowhere: whatever is not on loopback fails."""
    nowhere = "http://127.0.0.1:9"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CODEX_HOME": str(home),
        "BRIDGE_KEY": "key-of-codex",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1",
    }


def finished(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Run:
    """Run a command with stdin closed to its end; it and its children are ended when they take too long."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        raise AssertionError(f"{command} did not end in {PATIENCE} s:\n{stdout}\n{stderr}") from None
    return Run(
        process.returncode, [json.loads(line) for line in stdout.splitlines() if line[:1] == "{"], stderr
    )
