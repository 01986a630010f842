"""The files for Docker, and the page on production: as far as that can be told without an engine."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from responses_asgi.cli import main
from responses_asgi.config import PREFIX, load, set_up
from responses_asgi.gateway import Gateway
from tests.loopback import ask

ROOT = Path(__file__).parent.parent
DOCKER = ROOT / "examples" / "docker"
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with continued lines joined."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in lines if line and line[0] != "#"]


def test_the_image_runs_the_command_as_nobody_special() -> None:
    steps = instructions()
    last_stage = steps[max(i for i, (name, _) in enumerate(steps) if name == "FROM") :]
    names = [name for name, _ in last_stage]
    told = dict(last_stage)
    assert told["USER"] not in ("root", "0")
    assert names.index("RUN") < names.index("USER") < names.index("ENTRYPOINT")
    assert yaml.safe_load(told["ENTRYPOINT"]) == ["responses-asgi"]
    assert yaml.safe_load(told["CMD"])[0] == "serve"
    assert "/health" in told["HEALTHCHECK"]
    assert told["EXPOSE"] == "8000"


def test_the_image_copies_what_is_there_and_installs_extras_that_exist() -> None:
    copied = [source for name, rest in instructions() if name == "COPY" for source in shlex.split(rest)[:-1]]
    assert copied
    assert all((ROOT / source).exists() for source in copied)
    let_in = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{source}" for source in copied} <= set(let_in)
    extras = re.findall(r"\.whl\)\[([\w,]+)\]", str(instructions()))[0].split(",")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras)


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return document


def test_the_services_fit_together() -> None:
    services = compose()["services"]
    gateway = services["gateway"]
    context = (DOCKER / gateway["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / gateway["build"]["dockerfile"]).is_file()
    assert all(name in services for name in gateway["depends_on"])
    assert "healthcheck" in services["redis"]
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert (DOCKER / source).is_file() if source.startswith(".") else source in compose()["volumes"]
    assert gateway["ports"][0].endswith(":8000")


def test_the_gateway_of_the_compose_file_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own command line, but for what would serve."""
    command = compose()["services"]["gateway"]["command"]
    assert command[:2] == ["serve", "gateway.yaml"]
    assert main(["check", str(DOCKER / "gateway.yaml")]) == 0
    assert "http://host.docker.internal:11434" in capsys.readouterr().out
    workers = {"server": {"workers": int(command[command.index("--workers") + 1])}}
    assert set_up(load(DOCKER / "gateway.yaml", flags=workers)).config.server.workers == 2


async def test_the_app_for_other_servers(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text("upstreams: {toy: {handler: demo}}\n")
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    assert isinstance(names["app"], Gateway)
    assert (await ask(names["app"], "/health", method="GET")).json()["status"] == "ok"


def test_the_gateway_for_others_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its file, with the secrets of its `.env`, and the extras that it needs."""
    section = PAGE.partition("## A gateway for others\n")[2].partition("\n## ")[0]
    [file] = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    env, _ = re.findall(r"```text\n(.*?)```", section, re.DOTALL)
    (tmp_path / "gateway.yaml").write_text(file)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in re.findall(r"^(GATEWAY_\w+)=(.*)$", env, re.MULTILINE):
            patch.setenv(name, value)
        assert main(["check", "gateway.yaml"]) == 0
    told = capsys.readouterr().out
    assert all(kept in told for kept in ("managed, kept in redis:", "limits      of *", "prometheus, audit"))
    assert "/metrics" in told
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [extras] = re.findall(r"responses-asgi\[([\w,]+)\]", section)
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.split(","))


def test_the_page_names_keys_that_there_are() -> None:
    from responses_asgi.config import KEYS

    known = {key.name for key in KEYS} | {key.path[-1] for key in KEYS}
    named = re.findall(r"`((?:server|limits)\.\w+|\w+_env|verify|graceful_timeout|keep_alive)[`:]", PAGE)
    assert len(named) >= 8
    assert set(named) <= known
