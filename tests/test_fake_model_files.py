"""Scripts in files, and `responses-asgi fake`, which serves them to any language."""

from __future__ import annotations

import builtins
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from responses_asgi import sync_client
from responses_asgi.cli import main
from responses_asgi.errors import ConfigurationError
from responses_asgi.testing import FakeModel, Pace
from responses_asgi.testing.script_file import FAULTS, PARTS, load_fake
from tests.loopback import ask

USAGE = {"prompt_tokens": 1, "completion_tokens": 2}
SCRIPT = {
    "profile": "deepseek",
    "pace": {"chunk_size": 3},
    "rules": [
        {
            "when": {"text": {"regex": "^weather"}, "tool_result": False},
            "say": [
                {"error": {"status": 429, "retry_after": 0}},
                {"tool_call": {"name": "weather", "arguments": {"city": "Oslo"}}},
            ],
            "times": 2,
        },
        {"when": {"tool_result": "sun"}, "say": ["It is sunny."]},
    ],
    "turns": [
        ["Plain ", {"reasoning": "hm"}, {"text": "text"}, {"usage": USAGE}],
        {"reply": "cut", "faults": [{"cut": {"at": 300, "clean": True}}, "crlf"], "pace": {"ttft": 0}},
        {"reply": [{"json": {"city": "Oslo"}}, {"finish": "length"}], "when": {"turn": 0}},
    ],
}  # fmt: skip


def file(folder: Path, script: object, name: str = "script.json") -> Path:
    path = folder / name
    path.write_text(script if isinstance(script, str) else json.dumps(script))
    return path


def test_a_json_script(tmp_path: Path) -> None:
    with sync_client(load_fake(file(tmp_path, SCRIPT))) as sdk:
        call = sdk.responses.create(model="m", input="weather?").output[0]
        assert call.type == "function_call"
        result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sun"}
        assert (
            sdk.responses.create(model="m", input=["weather", call, result][1:]).output_text == "It is sunny."
        )
        plain = sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        assert plain.choices[0].message.content == "Plain text"
        assert plain.usage is not None
        assert plain.usage.total_tokens == 3
        assert len(list(sdk.responses.create(model="m", input="Hi", stream=True))) == 0
        last = sdk.responses.create(model="m", input="Hi")
        assert (last.output_text, last.status) == ('{"city":"Oslo"}', "incomplete")


def test_a_list_is_a_script_and_the_command_line_comes_first(tmp_path: Path) -> None:
    fake = load_fake(file(tmp_path, ["Hi"]), profile="mistral", pace=Pace(chunk_size=1))
    with sync_client(fake, max_retries=0) as sdk:
        with pytest.raises(openai.BadRequestError, match="mistral"):
            sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], metadata={})
        deltas = [e for e in sdk.responses.create(model="m", input="Hi", stream=True) if "delta" in e.type]
        assert len(deltas) == 2


def test_python_scripts(tmp_path: Path) -> None:
    made = file(tmp_path, "from responses_asgi.testing import FakeModel\nfake = FakeModel('made')\n", "a.py")
    listed = file(tmp_path, "turns = ['listed']\n", "b.py")
    for path, said in ((made, "made"), (listed, "listed")):
        with sync_client(load_fake(path)) as sdk:
            assert sdk.responses.create(model="m", input="Hi").output_text == said


@pytest.mark.parametrize("name", sorted(PARTS))
async def test_every_part_can_be_written(name: str, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {
        "tool_call": {"name": "f", "arguments": {}},
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        "finish": "stop",
        "citation": {"url": "https://a.test"},
        "stall": 0,
        "cut": {},
        "json": [1],
        "error": 503,
    }
    value = arguments.get(name, "text")
    fake = load_fake(file(tmp_path, [{name: value}]))
    got = await ask(fake, "/v1/responses", {"model": "m", "input": "Hi", "stream": True})
    assert got.status == (503 if name == "error" else 200)


@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_every_fault_can_be_written(name: str, tmp_path: Path) -> None:
    arguments = {"stall": {"seconds": 0}}
    fake = load_fake(file(tmp_path, [{"reply": "Hi", "faults": [{name: arguments.get(name, {})}]}]))
    assert (await ask(fake, "/v1/responses", {"model": "m", "input": "Hi", "stream": True})).status == 200


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("{", "cannot be read"),
        ([{"say": "x"}], "turns[0]: got {'say': 'x'}, expected one of text"),
        ([["a", 3]], "turns[0][1]"),
        ([{"tool_call": {"nam": "x"}}], "turns[0].tool_call"),
        ([{"reply": "a", "faults": ["melt"]}], "turns[0].faults[0]: got {'melt': {}}"),
        ([{"reply": "a", "fault": "cut"}], "turns[0]"),
        ({"turn": []}, "script: got"),
        ({"turns": "a"}, "turns: got 'a', expected a list"),
        ({"rules": [{"when": {"txt": "a"}, "say": []}]}, "rules[0].when"),
        ({"rules": [{"when": {}}]}, "rules[0].say"),
        ({"profile": "nobody"}, "nobody"),
        ("x = 1", "must define `fake`"),
    ],
)
def test_what_is_no_script_is_named(script: Any, named: str, tmp_path: Path) -> None:
    name = "script.py" if script == "x = 1" else "script.json"
    with pytest.raises(ConfigurationError) as caught:
        load_fake(file(tmp_path, script, name))
    assert named in str(caught.value)


def test_a_missing_file_ends_with_status_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["fake", str(tmp_path / "none.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err


@contextmanager
def serving(log: Path, *options: str) -> Iterator[str]:
    """Run the command on a free port until the block ends, and yield its base URL."""
    command = [sys.executable, "-m", "responses_asgi", "fake", *options, "--port", "0"]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 30
        while not (found := re.search(r"running on (http://\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield found.group(1)
    finally:
        process.terminate()
        process.wait(10)


def test_the_command_serves_a_script(tmp_path: Path) -> None:
    path = str(file(tmp_path, ["one", ["two", {"error": {"message": "No."}}]]))
    with (
        serving(tmp_path / "log", path) as base,
        openai.OpenAI(base_url=f"{base}/v1", api_key="x", max_retries=0) as sdk,
    ):
        assert sdk.responses.create(model="m", input="Hi").output_text == "one"
        user: Any = [{"role": "user", "content": "Hi"}]
        with pytest.raises(openai.APIError, match=r"No\."):
            list(sdk.chat.completions.create(model="m", messages=user, stream=True))
        assert httpx.get(f"{base}/v1/models").json()["data"][0]["id"] == "fake-model"


def test_the_command_hands_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    served: dict[str, Any] = {}
    monkeypatch.setattr("uvicorn.run", lambda app, **options: served.update(options, app=app))
    assert main(["fake", "--port", "8123", "--host", "0.0.0.0", "--log-level", "error", "--ttft", "1"]) == 0
    app = served.pop("app")
    assert isinstance(app, FakeModel)
    assert served == {
        "host": "0.0.0.0",
        "port": 8123,
        "log_level": "error",
        "timeout_graceful_shutdown": 1,
    }
    assert main(["fake", *["--profile", "mistral", "--tokens-per-second", "5"]]) == 0
    with sync_client(served["app"], max_retries=0) as sdk, pytest.raises(openai.BadRequestError):
        sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], metadata={})


def test_without_uvicorn_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def without_uvicorn(name: str, *rest: Any, **options: Any) -> Any:
        if name == "uvicorn":
            raise ImportError(name)
        return real_import(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without_uvicorn)
    assert main(["fake"]) == 2
    assert "responses-asgi[server]" in capsys.readouterr().err
