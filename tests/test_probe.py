"""`responses-asgi probe` finds out what a server is like, by asking it alone."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from responses_asgi import PROFILES, Profile, ResponsesMiddleware, Upstream
from responses_asgi.cli import main
from responses_asgi.cli.probe import examine
from responses_asgi.cli.probe.findings import Finding
from responses_asgi.cli.probe.questions import QUESTIONS
from responses_asgi.cli.probe.verdict import Verdict
from responses_asgi.errors import APIError
from responses_asgi.profiles import OPENAI_ONLY
from responses_asgi.testing import Cut, Error, FakeModel, Finish, Reasoning, ToolCall, Turn
from responses_asgi.testing.model_request import ModelRequest
from responses_asgi.types.asgi import ASGIApp, Receive, Scope, Send
from responses_asgi.types.json import JSON
from tests.loopback import ask, reply, served, unused_url

# What follows from a refusal by a server that plays a profile, and so must be found out.
SHOWN = (
    "allowed_tools",
    "user_after_tool",
    "strict_tools",
    "developer_role",
    "json_schema",
    "merge_system",
    "stream_usage",
    "token_limit_field",
)
ASKED_FIELDS = {"metadata", "prompt_cache_key", "safety_identifier", "service_tier", "user", "verbosity"}


def model(request: ModelRequest, profile: Profile = PROFILES["generic"]) -> Any:
    """What a small model says behind a server of this profile."""
    body = request.body
    choice = body.get("tool_choice")
    if body.get(profile.token_limit_field):
        return ["1 2 3", Finish("length")]
    if isinstance(choice, dict) and profile.allowed_tools:
        return ToolCall(choice["allowed_tools"]["tools"][0]["function"]["name"], {"a": 2, "b": 3})
    if (body.get("response_format") or {}).get("type") in ("json_schema", "json_object"):
        return '{"color": "blue"}'
    if "tools" in body and request.tool_result is None and "Use the tool" in request.text:
        return ToolCall("add", {"a": 2, "b": 3})
    if "Think" in request.text:
        return [Reasoning("17 * 20 + 17 * 3."), "391"]
    return request.text or "Hello."


def server_like(name: str) -> FakeModel:
    return FakeModel(lambda request: model(request, PROFILES[name]), profile=name)


def probe(app: ASGIApp, **options: Any) -> tuple[dict[str, Finding], Verdict]:
    return asyncio.run(examine(app, **options))


@pytest.mark.parametrize("name", PROFILES)
def test_every_personality_gets_its_row(name: str) -> None:
    profile = PROFILES[name]
    _, found = probe(server_like(name))
    assert name in found.fit
    for field in SHOWN if "tools" not in profile.withheld else SHOWN[3:]:
        assert getattr(found.profile, field) == getattr(profile, field), field
    assert found.profile.call_id_length == profile.call_id_length
    assert found.profile.reasoning_required == profile.reasoning_required
    if profile.reasoning_required:
        assert found.profile.reasoning_field == profile.reasoning_field
    assert profile.withheld & ASKED_FIELDS <= found.profile.withheld


@pytest.mark.parametrize("name", PROFILES)
def test_what_was_found_out_makes_the_server_usable(name: str) -> None:
    """A conversation with all that servers differ in goes through, over the profile that was found."""
    fake = server_like(name)
    _, found = probe(fake)
    tool = {
        "type": "function",
        "name": "add",
        "parameters": {"type": "object", "properties": {}},
        "strict": True,
    }
    body: JSON = {
        "model": "m",
        "stream": True,
        "metadata": {"a": "b"},
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "x", "schema": {}}},
        "tools": [tool],
        "input": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "2 + 3?"},
            {"type": "function_call", "call_id": "call_" + 20 * "0", "name": "add", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_" + 20 * "0", "output": "5"},
            {"role": "developer", "content": "Be kind."},
            {"role": "user", "content": "Thanks."},
        ],
    }
    bridge = ResponsesMiddleware(Upstream.asgi(fake, profile=found.profile))
    answer = asyncio.run(ask(bridge, "/v1/responses", body))
    assert answer.status == 200, answer.body
    assert b"response.completed" in answer.body


def test_rows_that_a_server_would_refuse_do_not_fit() -> None:
    _, found = probe(server_like("mistral"))
    assert found.fit == ["mistral"]
    _, found = probe(server_like("deepseek"))
    assert "openai" not in found.fit
    assert "generic" not in found.fit
    _, found = probe(server_like("openai"))
    assert found.fit[0] == "openai"


def test_each_finding_says_what_showed_it() -> None:
    findings, found = probe(server_like("perplexity"))
    assert list(findings) == [question.name for question in QUESTIONS]
    assert 20 <= len(QUESTIONS) <= 30
    shown = {change.field: change.question for change in found.changes}
    assert shown["think_tags"] == "stream"
    assert shown["merge_system"] == "later system message"
    assert shown["withheld"] == "tools, logprobs"
    assert findings["user after tool"].says == "not asked: it takes no tools"
    assert "refused (400: perplexity: System message" in findings["later system message"].says


def test_a_field_that_is_only_left_unread_is_still_kept_back() -> None:
    findings, found = probe(server_like("openai"))
    assert findings["special fields"].says == "accepted, as any unknown field is"
    assert found.profile.withheld == OPENAI_ONLY


class Picky:
    """A server that knows `user` and `metadata`, and refuses what it does not know; status 500 is its no."""

    def __init__(self, *known: str, status: int = 400) -> None:
        self._known = {"model", "messages", "stream", *known}
        self._status = status
        self.fake = FakeModel(self._turn)

    def _turn(self, request: ModelRequest) -> Any:
        unknown = sorted(request.body.keys() - self._known)
        return Error(self._status, f"unknown field {unknown[0]}") if unknown else model(request)


def test_a_server_that_refuses_the_unknown_is_believed_what_it_accepts() -> None:
    special = ("metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier")
    findings, found = probe(Picky(*special, "user", "verbosity").fake)
    assert findings["special fields"].says == "all known"
    assert not found.profile.withheld & {*special, "verbosity"}
    assert found.profile.withheld >= {"tools", "logprobs", "reasoning_effort"}
    assert findings["token limit"].says.count("refused") == 2


def test_a_template_that_fails_with_500_refuses_as_well() -> None:
    findings, found = probe(Picky("tools", status=500).fake)
    assert found.profile.stream_usage is False
    assert "refused (500: unknown field stream_options)" in findings["stream_options"].says


def test_an_overloaded_server_shows_nothing() -> None:
    def busy(request: ModelRequest) -> Any:
        return model(request) if len(request.body) == 2 else Error(503, "overloaded")

    findings, found = probe(FakeModel(busy))
    assert "no clear answer (503" in findings["stream_options"].says
    told = {change.field for change in found.changes}
    assert told <= {"text_parts", "developer_role", "reasoning_field"}


def test_what_a_stream_lacks_is_noticed() -> None:
    def unfinished(request: ModelRequest) -> Any:
        if request.stream and not request.body.get("stream_options"):
            return Turn([{"choices": [{"index": 0, "delta": {"content": "Hi"}}]}, "[DONE]"])
        return model(request)

    _, found = probe(FakeModel(unfinished))
    assert found.profile.done_completes


def test_an_answer_that_is_not_streamed_is_told() -> None:
    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        await reply(send, {"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})

    findings, _ = probe(whole, model="m")
    assert findings["stream"].says == "the answer comes whole"
    assert findings["answer"].says == "whole answer, with finish_reason"


def test_chunks_that_are_no_json_are_read_over() -> None:
    def odd(request: ModelRequest) -> Any:
        if request.stream:
            choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}
            return Turn([b"data: {broken\n\n", b"data: 5\n\n", {"choices": [choice]}, "[DONE]"])
        return model(request)

    findings, _ = probe(FakeModel(odd))
    assert findings["stream"].says == "1 chunks, [DONE]"


async def test_a_connection_that_is_lost_shows_nothing() -> None:
    def cut(request: ModelRequest) -> Any:
        return ["Hal", Cut(), "f"] if request.stream else model(request)

    async with served(FakeModel(cut)) as url:
        upstream = Upstream.http(url)
        findings, _ = await examine(upstream.app)
        await upstream.aclose()
    assert "no clear answer (502" in findings["stream"].says


@pytest.mark.parametrize(
    ("turn", "said"),
    [(Error(401, "no such key"), "no such key"), (Error(400, "never"), "plainest request fails.*never")],
)
def test_a_server_that_cannot_be_asked_ends_it(turn: Any, said: str) -> None:
    with pytest.raises(APIError, match=said):
        probe(FakeModel(turn))
    with pytest.raises(APIError, match="names no model"):
        probe(FakeModel(turn, models=()))


@pytest.fixture
def server() -> Iterator[str]:
    from responses_asgi.testing.server import served as served_in_thread

    with served_in_thread(server_like("deepseek")) as there:
        yield there.url


def test_the_command_writes_a_configuration(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "gateway.yaml"
    assert main(["probe", server, "--write", str(file)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "developer role         refused (400: deepseek: unknown variant" in said.err
    written = yaml.safe_load(file.read_text())["upstreams"]["probed"]
    assert written["url"] == server
    assert written["api"] == "both"
    assert written["profile"]["base"] == "generic"
    assert written["profile"]["reasoning_required"] is True
    assert "reasoning_required: true  # tool result: only with reasoning_content" in file.read_text()
    assert main(["check", str(file)]) == 0


def test_the_command_prints_python(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", server, "--format", "python", "--profile", "openai"]) == 0
    text = capsys.readouterr().out
    names: dict[str, Any] = {}
    exec(compile(ast.parse(text), "profile.py", "exec"), names)
    profile = names["PROFILE"]
    assert isinstance(profile, Profile)
    assert profile.name == "probed"
    assert profile.json_schema is False
    assert replace(profile, name="openai").developer_role is False


def test_a_file_with_the_ending_of_python_holds_python(server: str, tmp_path: Path) -> None:
    assert main(["probe", server, "--write", str(tmp_path / "profile.py")]) == 0
    assert "PROFILE = replace(" in (tmp_path / "profile.py").read_text()


def test_nobody_there_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", unused_url(), "--model", "m"]) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("responses-asgi: http://127.0.0.1:")
    assert "\n" not in error


def test_the_bar_is_for_those_who_see_it(
    server: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["probe", server]) == 0
    assert f"{len(QUESTIONS)}/{len(QUESTIONS)} done" in capsys.readouterr().err
