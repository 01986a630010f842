"""The tools of Codex, called by a model that knows nothing but Chat: each call is done and answered."""

from __future__ import annotations

import json
import sys

import pytest

from responses_asgi.testing import ModelRequest, Turn
from responses_asgi.types.json import JSON
from tests.chat_history import Check, assert_history, calling, tool_named, turn
from tests.codex import calendar_server
from tests.codex.bridged import SHAPES, Shape, bridged, last_call
from tests.codex.codex_cli import Codex
from tests.programs import assistants, outputs

PATCH = """\
*** Begin Patch
*** Add File: greeting.txt
+Hello, "world" \\ ünï
+second line
*** End Patch
"""
PATCHED = 'Hello, "world" \\ ünï\nsecond line\n'


def test_a_shell_command(codex: Codex, shape: Shape) -> None:
    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert len(called["tool_calls"]) == 1
        (output,) = outputs(request)
        assert "it is 42" in output

    turns = [turn("I shall ask. ", shape.shell("echo it is $((40 + 2))")), turn("42.", check=check)]
    with bridged(codex, turns, profile=shape.profile):
        run = codex.exec(shape.model, "What is 40 + 2?")
    assert run.text == "42."
    assert run.items("agent_message")[0]["text"].strip() == "I shall ask."
    (command,) = run.items("command_execution")
    assert command["exit_code"] == 0


def test_parallel_calls(codex: Codex, shape: Shape) -> None:
    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert [call["id"] for call in called["tool_calls"]] == ["call_one", "call_two"]
        told = {result.call_id: result.output for result in request.tool_results}
        assert list(told) == ["call_one", "call_two"]
        assert "first" in told["call_one"]
        assert "second" in told["call_two"]

    calls = [shape.shell("echo first", "call_one"), shape.shell("echo second", "call_two")]
    with bridged(codex, [turn(*calls), turn("Both.", check=check)], profile=shape.profile):
        run = codex.exec(shape.model, "Ask twice")
    assert run.text == "Both."


def test_a_patch_creates_a_file(codex: Codex, shape: Shape) -> None:
    patch = calling("apply_patch", PATCH)
    if shape.code_mode:
        patch = calling("exec", f"text(await tools.apply_patch({json.dumps(PATCH)}))")
    if shape is SHAPES["fallback"]:  # it is given no tool of its own for patches
        patch = calling("exec_command", {"cmd": f"apply_patch <<'EOF'\n{PATCH}EOF\n"})

    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        assert len(called["tool_calls"]) == 1
        assert "*** Add File: greeting.txt" in str(last_call(request).arguments)
        assert len(outputs(request)) == 1

    with bridged(codex, [turn(patch), turn("Written.", check=check)], profile=shape.profile):
        run = codex.exec(shape.model, "Write a greeting")
    assert run.text == "Written."
    assert (codex.folder / "greeting.txt").read_text() == PATCHED
    (change,) = run.items("file_change")
    assert change["status"] == "completed"


def test_several_rounds_of_tools(codex: Codex, shape: Shape) -> None:
    def count(rounds: int) -> Check:
        def check(request: ModelRequest) -> None:
            assert len(assistants(request)) == rounds
            assert f"round {rounds}" in outputs(request)[-1]

        return check

    turns = [
        turn(shape.shell("echo round 1")),
        turn(shape.shell("echo round 2"), check=count(1)),
        turn(shape.shell("echo round 3"), check=count(2)),
        turn("Three rounds.", check=count(3)),
    ]
    with bridged(codex, turns, profile=shape.profile):
        assert codex.exec(shape.model, "Go on").text == "Three rounds."


def test_a_call_that_codex_refuses_is_told(codex: Codex) -> None:
    shape = SHAPES["classic"]

    def check(request: ModelRequest) -> None:
        assert "cmd" in outputs(request)[0]

    turns = [turn(calling("exec_command", {"command": "ls"})), turn("I was wrong.", check=check)]
    with bridged(codex, turns, profile=shape.profile):
        assert codex.exec(shape.model, "Err").text == "I was wrong."


def test_a_tool_in_a_namespace(codex: Codex) -> None:
    shape = SHAPES["fallback"]
    target = "01a1f9bd-0000-7000-8000-000000000000"

    def check(request: ModelRequest) -> None:
        assert "not found" in outputs(request)[0]

    turns = [turn(calling("close_agent", {"target": target})), turn("It is gone.", check=check)]
    with bridged(codex, turns, profile=shape.profile):
        assert codex.exec(shape.model, "Close it").text == "It is gone."


def test_a_note_in_the_middle_of_a_script(codex: Codex) -> None:
    """`notify` of code mode makes a second output of the same call."""
    shape = SHAPES["code mode"]

    def check(request: ModelRequest) -> None:
        said = "".join(str(message["content"]) for message in request.messages[-3:])
        assert "half way" in said
        assert "all done" in said

    turns = [turn(calling("exec", "notify('half way'); text('all done')")), turn("Done.", check=check)]
    with bridged(codex, turns, profile=shape.profile):
        assert codex.exec(shape.model, "Report").text == "Done."


@pytest.fixture
def calendar(codex: Codex) -> None:
    """Codex is given the tool of an MCP server."""
    command, script = json.dumps(sys.executable), json.dumps(calendar_server.__file__)
    codex.more = f"\n[mcp_servers.calendar]\ncommand = {command}\nargs = [{script}]\n"


@pytest.mark.usefixtures("calendar")
def test_a_tool_of_an_mcp_server(codex: Codex, shape: Shape) -> None:
    """Codex offers it in a namespace, lets the model search for it, or has it called by a script."""

    def check(request: ModelRequest) -> None:
        assert "On Monday: tea with the Queen" in outputs(request)[-1]

    def found(request: ModelRequest) -> None:
        assert outputs(request)[0].endswith(tool_named(request, "list_events")["name"])

    call = calling("list_events", {"day": "Monday"})
    turns = [turn(call), turn("Tea.", check=check)]
    if shape.code_mode:
        script = "text((await tools.mcp__calendar__list_events({day: 'Monday'})).content[0].text)"
        turns[0] = turn(calling("exec", script))
    if shape is SHAPES["classic"]:
        search = calling("tool_search", {"query": "calendar events"})
        turns[:1] = [turn(search), turn(call, check=found)]
    with bridged(codex, turns, profile=shape.profile):
        run = codex.exec(shape.model, "What is on Monday?")
    assert run.text == "Tea."
    (called,) = run.items("mcp_tool_call")
    assert (called["server"], called["tool"], called["status"]) == ("calendar", "list_events", "completed")


def test_a_search_that_finds_no_tool(codex: Codex) -> None:
    shape = SHAPES["classic"]

    def check(request: ModelRequest) -> None:
        (output,) = outputs(request)
        assert "No tool" in output

    turns = [turn(calling("tool_search", {"query": "calendar"})), turn("None.", check=check)]
    with bridged(codex, turns, profile=shape.profile):
        assert codex.exec(shape.model, "Any calendar?").text == "None."


def test_a_custom_tool_where_the_server_has_them(codex: Codex) -> None:
    def call(request: ModelRequest) -> Turn:
        assert_history(request.body)
        assert tool_named(request, "apply_patch")["format"]["type"] == "grammar"
        half = len(PATCH) // 2
        start = {"index": 0, "id": "call_patch", "type": "custom"}
        deltas: list[JSON] = [
            {"role": "assistant", "tool_calls": [{**start, "custom": {"name": "apply_patch", "input": ""}}]},
            {"tool_calls": [{"index": 0, "custom": {"input": PATCH[:half]}}]},
            {"tool_calls": [{"index": 0, "custom": {"input": PATCH[half:]}}]},
        ]
        chunks = [chunk(delta) for delta in deltas]
        return Turn([*chunks, chunk({}, finish_reason="tool_calls")])

    def check(request: ModelRequest) -> None:
        (called,) = assistants(request)
        custom = {"name": "apply_patch", "input": PATCH}
        assert called["tool_calls"] == [{"id": "call_patch", "type": "custom", "custom": custom}]
        assert len(outputs(request)) == 1

    with bridged(codex, [call, turn("Written.", check=check)], profile="openai"):
        assert codex.exec("gpt-5.5", "Write a greeting").text == "Written."
    assert (codex.folder / "greeting.txt").read_text() == PATCHED


def chunk(delta: JSON, finish_reason: str | None = None) -> JSON:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "gpt-5.5"}
    return {**head, "choices": [choice]}
