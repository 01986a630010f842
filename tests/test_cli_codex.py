"""`responses-asgi codex`: what Codex is told of the bridge, and how it is run; a program plays Codex."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from responses_asgi import ConfigurationError
from responses_asgi.cli import codex, codex_config, main
from responses_asgi.testing import FakeModel, served
from tests.loopback import unused_url

COMMAND = [sys.executable, "-m", "responses_asgi", "codex"]
VALUES = codex_config.settings("http://127.0.0.1:8000/v1", "qwen3")

# Asks the bridge that it is configured with, and tells what it was given.
PLAYED = f"""\
#!{sys.executable}
import json, sys, tomllib, httpx
words, lines = sys.argv[1:], []
while words[:1] == ["-c"]:
    lines.append(words[1])
    words = words[2:]
config = tomllib.loads("\\n".join(lines))
provider = config["model_providers"][config["model_provider"]]
body = {{"model": config.get("model", "own"), "input": "Hello", "store": False, "prompt_cache_key": "k"}}
answer = httpx.post(provider["base_url"] + "/responses", json=body, timeout=10).json()
print(json.dumps({{"arguments": words, "config": config, "output": answer["output"]}}))
sys.exit(7)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of Codex, in an empty place; the folder `bin` beside it is all of the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    log = logging.getLogger("responses_asgi")
    level = log.level
    yield tmp_path / "codex"
    log.setLevel(level)


@pytest.fixture
def program(home: Path) -> Path:
    path = home.parent / "bin" / "codex"
    path.parent.mkdir()
    path.write_text(PLAYED)
    path.chmod(0o755)
    return path


@pytest.fixture
def model() -> Iterator[FakeModel]:
    with FakeModel("Hello to you.", profile="ollama") as fake:
        yield fake


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    ("arguments", "given"),
    [(["--", "exec", "--json", "Hi"], ["exec", "--json", "Hi"]), (["--"], []), (["resume"], ["resume"])],
)
def test_codex_is_run_over_the_bridge(
    model: FakeModel,
    home: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    given: list[str],
) -> None:
    with served(model) as server:
        upstream = ["--upstream", server.url, "--profile", "ollama", "--model", "qwen3"]
        assert main(["codex", *upstream, *arguments]) == 7
    told = json.loads(capfd.readouterr().out)
    assert told["arguments"] == given
    assert told["output"][-1]["content"][0]["text"] == "Hello to you."
    assert told["config"]["model"] == "qwen3"
    assert model.requests[0].api == "chat"
    assert model.requests[0].model == "qwen3"
    assert not home.exists()


@pytest.mark.usefixtures("program", "home")
def test_the_upstreams_may_stand_in_a_file(model: FakeModel) -> None:
    with served(model) as server:
        Path("gateway.yaml").write_text(
            f"upstreams: {{one: {{url: '{server.url}'}}}}\nmodels: {{'*': one}}\n"
        )
        options = ["--config", "gateway.yaml", "--log", "bridge.log", "--", "exec"]
        run = subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 7, run.stderr
    assert not run.stderr, "the terminal is Codex's"
    assert "model" not in json.loads(run.stdout)["config"], "Codex asks for a model of its own"
    assert model.requests[0].model == "own"
    assert "INFO: responses_asgi: prompt_cache_key dropped" in Path("bridge.log").read_text()
    assert "uvicorn" not in Path("bridge.log").read_text()


@pytest.mark.usefixtures("program")
def test_a_codex_that_was_killed(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    handler = signal.getsignal(signal.SIGINT)
    (home.parent / "bin" / "codex").write_text(
        f"#!{sys.executable}\nimport os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    )
    assert main(["codex", "--upstream", unused_url(), "--", "exec"]) == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) == handler


@pytest.mark.parametrize("write", [False, True], ids=["printed", "written"])
def test_the_lines_lead_to_the_bridge_while_it_runs(
    model: FakeModel,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    write: bool,
) -> None:
    path = home / "config.toml"

    class Visit:
        """What comes while the command waits for its end."""

        def wait(self, seconds: float) -> None:
            told = capsys.readouterr()
            assert str(path) in told.err
            assert "until Ctrl-C" in told.err
            assert path.exists() == write
            assert bool(told.out) != write
            config = tomllib.loads(path.read_text() if write else told.out)
            base_url = config["model_providers"][config["model_provider"]]["base_url"]
            answer = httpx.post(f"{base_url}/responses", json={"model": "m", "input": "Hi"}, timeout=10)
            assert answer.json()["status"] == "completed"
            raise KeyboardInterrupt

    monkeypatch.setattr(codex, "Event", Visit)
    with served(model) as server:
        assert main(["codex", "--upstream", server.url, *(["--write"] if write else [])]) == 130
    assert len(model.requests) == 1


@pytest.mark.usefixtures("home")
def test_ctrl_c_ends_the_bridge() -> None:
    with subprocess.Popen(
        [*COMMAND, "--upstream", unused_url()], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        told = next(line for line in process.stderr if "Ctrl-C" in line)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=20)
    assert process.returncode == 130, told + rest
    assert not rest


def test_what_cannot_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*options: str) -> str:
        assert main(["codex", *options]) == 2
        return capsys.readouterr().err

    assert "npm install -g @openai/codex" in refused("--upstream", unused_url(), "--", "exec")
    assert "--profile is for --upstream" in refused("--profile", "vllm")
    assert "not both" in refused("--upstream", unused_url(), "--config", "gateway.yaml")
    with served(FakeModel()) as server:
        port = server.url.rpartition(":")[2]
        assert port in refused("--upstream", unused_url(), "--port", port)
    home.mkdir()
    (home / "config.toml").write_text("not toml")
    assert "config.toml is not valid TOML" in refused("--upstream", unused_url(), "--write")


def edited(path: Path, text: str, values: dict[str, Any] = VALUES) -> str:
    """The file after it was written to; a second time changes nothing."""
    path.write_text(textwrap.dedent(text))
    codex_config.write(path, values)
    once = path.read_text()
    codex_config.write(path, values)
    assert path.read_text() == once
    return once


def test_the_rest_of_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.touch(0o600)
    before = """\
        # mine
        model = "gpt-6-sol"
        model_provider = "other"
        approval_policy = "never"

        [model_providers.other]
        name = "other"  # a remark
        base_url = "http://other.example/v1"

        [mcp_servers.calendar]
        command = "calendar"
        args = [
          "[x]",
        ]
    """
    after = edited(path, before)
    old, new = tomllib.loads(textwrap.dedent(before)), tomllib.loads(after)
    assert new.pop("model_providers") == old.pop("model_providers") | VALUES["model_providers"]
    assert new == old | {"model": "qwen3", "model_provider": "responses-asgi"}
    assert "# mine\n" in after
    assert '# model = "gpt-6-sol"\n' in after
    assert "# a remark\n" in after
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["config.toml"]

    moved = codex_config.settings("http://127.0.0.1:9000/v1")
    codex_config.write(path, moved)
    assert tomllib.loads(path.read_text())["model_providers"]["responses-asgi"]["base_url"].endswith(
        "9000/v1"
    )
    assert path.read_text().count("[model_providers.responses-asgi]") == 1


def test_a_new_file_holds_just_the_lines(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.toml"
    codex_config.write(path, VALUES)
    assert path.read_text() == codex_config.lines(VALUES)
    assert tomllib.loads(path.read_text()) == VALUES


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real, link = tmp_path / "dotfiles" / "config.toml", tmp_path / "config.toml"
    real.write_text("a = 1\n")
    link.symlink_to(real)
    codex_config.write(link, VALUES)
    assert link.is_symlink()
    assert tomllib.loads(real.read_text()) == {"a": 1, **VALUES}


@pytest.mark.parametrize(
    "text",
    [
        'model_providers = { other = { name = "other" } }\n',
        'text = """\nmodel = 1\n"""\n',
        '[model_providers]\nresponses-asgi = { name = "x" }\n',
    ],
)
def test_a_file_that_cannot_be_edited_safely_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="Put this into it"):
        codex_config.write(path, VALUES)
    assert path.read_text() == text


def test_where_codex_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", os.sep + "somewhere")
    monkeypatch.delenv("CODEX_HOME", raising=False)
    assert codex_config.config_path() == Path("/somewhere/.codex/config.toml")
    monkeypatch.setenv("CODEX_HOME", "/elsewhere")
    assert codex_config.config_path() == Path("/elsewhere/config.toml")
