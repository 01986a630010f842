"""ResponsesToResponses, and unfold, its way of telling a whole response."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import UpstreamError
from responses_asgi.testing import assert_valid_stream
from responses_asgi.translate.responses_to_responses import ResponsesToResponses
from responses_asgi.translate.snapshot import fold
from responses_asgi.translate.unfold import unfold
from responses_asgi.types.json import JSON
from tests.machine import STOP, answer, call, calls, delta

CUSTOM = {"index": 1, "id": "b", "type": "custom", "custom": {"name": "patch", "input": "x"}}
CITATION = {"url": "https://a.test", "title": "A", "start_index": 0, "end_index": 2}
ANSWER = answer(
    [
        delta({"reasoning_content": "hm"}),
        delta({"content": "Hello"}, logprobs={"content": [{"token": "Hello", "logprob": -1}]}),
        delta({"annotations": [{"type": "url_citation", **CITATION}]}),
        delta({"refusal": "but no"}),
        calls(call(0, "a", "now", '{"x":1}'), CUSTOM),
        STOP,
    ]
)


def translator(**options: Any) -> ResponsesToResponses:
    body = {"model": "m", "input": "Hi"}
    return ResponsesToResponses(body, new_id=lambda prefix: prefix + "mine", now=lambda: 5, **options)


def run(events: list[JSON], **options: Any) -> tuple[list[JSON], JSON]:
    machine = translator(**options)
    said = machine.start()
    for event in events:
        said += machine.feed(event)
        if machine.failure or machine.complete():
            break
    said += machine.fail(machine.failure) if machine.failure else machine.finish(marker=False)
    decoded = [event.json() for event in said]
    assert_valid_stream(decoded)
    assert fold(decoded) == machine.snapshot()
    return decoded, machine.snapshot()


def renumbered(events: list[JSON]) -> list[JSON]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def test_a_stream_passes_as_it_is_under_new_numbers() -> None:
    odd = [{**event, "sequence_number": 7} for event in ANSWER.events]
    vendor = {"type": "acme:trace", "note": "kept", "sequence_number": 9}
    said, response = run([*odd[:2], vendor, *odd[2:], {"type": "never.read"}])
    assert said == renumbered([*ANSWER.events[:2], vendor, *ANSWER.events[2:]])
    assert response == ANSWER.response


def test_a_whole_response_becomes_its_stream() -> None:
    said, response = run([ANSWER.response])
    assert response == ANSWER.response
    assert fold(said) == ANSWER.response


def test_unfold_is_the_fold_backwards() -> None:
    hosted = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
    odd = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "new"}],
    }
    response = {**ANSWER.response, "output": [*ANSWER.response["output"], hosted, odd]}
    assert fold(unfold(response)) == response


RAN: JSON = {"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "add", "arguments": '{"a":1}'}
RAN_WELL = {**RAN, "status": "completed", "output": "3", "error": None, "approval_request_id": None}


@pytest.mark.parametrize(
    ("item", "step"),
    [
        (RAN_WELL, "completed"),
        ({**RAN_WELL, "status": "failed", "output": None, "error": {"type": "x"}}, "failed"),
        ({**RAN_WELL, "arguments": ""}, "completed"),
    ],
)
def test_a_call_that_the_server_ran_is_told_in_its_steps(item: JSON, step: str) -> None:
    response = {**ANSWER.response, "output": [item]}
    said, told = run([response])
    assert told == fold(unfold(response)) == response
    steps = [event["type"] for event in said if event["type"].startswith("response.mcp_call.")]
    assert steps == ["response.mcp_call.in_progress", f"response.mcp_call.{step}"]


@pytest.mark.parametrize("length", range(3, 8))
def test_a_call_that_the_server_was_running_is_closed_by_its_own_order(length: int) -> None:
    events = list(unfold({**ANSWER.response, "output": [RAN_WELL]}))
    assert events[length - 1]["output_index"] == 0
    machine = translator()
    said = [*machine.start()]
    for event in renumbered(events[:length]):
        said += machine.feed(event)
    said += machine.fail(UpstreamError("It broke off."))
    decoded = [event.json() for event in said]
    (item,) = assert_valid_stream(decoded)["output"]
    assert item["status"] == "incomplete"
    ended = [event["type"] for event in decoded if event["type"].startswith("response.mcp_call.")]
    # What was said to have gone well did.
    assert ended == [
        "response.mcp_call.in_progress",
        f"response.mcp_call.{'failed' if length < 7 else 'completed'}",
    ]


SHELL: JSON = {"type": "shell_call", "id": "sh_1", "call_id": "call_1", "status": "completed"}
COMMANDS = ["ls -l", "", "rm x"]


def commanded() -> list[JSON]:
    """A stream of commands that are told as they are written."""
    begun = {**SHELL, "status": "in_progress", "action": {"commands": [], "timeout_ms": 5}}
    done = {**SHELL, "action": {"commands": COMMANDS, "timeout_ms": 5}}
    events: list[JSON] = [{"type": "response.output_item.added", "output_index": 0, "item": begun}]
    for number, command in enumerate(COMMANDS):
        place = {"output_index": 0, "command_index": number}
        events.append({"type": "response.shell_call_command.added", **place, "command": ""})
        delta = {"type": "response.shell_call_command.delta", **place}
        events += [{**delta, "delta": letter} for letter in command]
        events.append({"type": "response.shell_call_command.done", **place, "command": command})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": done})
    return [*ANSWER.events[:2], *events]


def test_the_fold_of_commands_is_what_they_say() -> None:
    told = fold(commanded()[:-1])["output"][0]
    assert told["action"] == {"commands": COMMANDS, "timeout_ms": 5}


@pytest.mark.parametrize("cut", range(2, len(commanded()) + 1))
def test_commands_that_are_cut_anywhere_are_closed_by_their_own_order(cut: int) -> None:
    said, response = run(commanded()[:cut])
    assert response["status"] == "failed"
    written = "".join(event["delta"] for event in said if event["type"].endswith("_command.delta"))
    shown = response["output"][0]["action"]["commands"] if cut > 2 else []
    assert "".join(shown) == written
    begun = sum(event["type"].endswith("_command.added") for event in said)
    assert sum(event["type"].endswith("_command.done") for event in said) == begun == len(shown)


@pytest.mark.parametrize("odd", [{"command_index": 7}, {"command_index": None}, {"command_index": "x"}, {}])
def test_commands_of_no_known_place_are_closed_too(odd: JSON) -> None:
    machine = translator()
    events = commanded()[:3]
    events[2]["item"]["action"] = {"commands": None}
    delta = {"type": "response.shell_call_command.delta", "output_index": 0, "delta": "ls", **odd}
    for event in [*events, delta]:
        machine.feed(event)
    said = [event.json() for event in machine.finish(marker=False)]
    assert (said[0]["type"], said[0]["command"]) == ("response.shell_call_command.done", "ls")
    assert machine.snapshot()["output"][0]["action"] == {"commands": ["ls"]}


def test_a_renamed_model_keeps_the_clients_name() -> None:
    assert translator(upstream_model="real").request()["model"] == "real"
    renamed = [
        {**event, "response": {**event["response"], "model": "real-2026"}} if "response" in event else event
        for event in ANSWER.events
    ]
    said, response = run(renamed, upstream_model="real")
    assert response["model"] == "m"
    assert said[0]["response"]["model"] == "m"
    assert run(renamed)[1]["model"] == "real-2026"


def test_an_empty_terminal_output_is_filled_with_the_done_items() -> None:
    last = {**ANSWER.events[-1], "response": {**ANSWER.response, "output": []}}
    assert run([*ANSWER.events[:-1], last])[1] == ANSWER.response


@pytest.mark.parametrize("cut", range(len(ANSWER.events)))
def test_a_stream_cut_anywhere_ends_as_failed(cut: int) -> None:
    said, response = run(ANSWER.events[:cut])
    assert response["status"] == "failed"
    assert said[-2]["type"] == "error"
    assert response["id"] == (ANSWER.response["id"] if cut else "resp_mine")


@pytest.mark.parametrize("cut", range(len(ANSWER.events)))
@pytest.mark.parametrize(
    "error",
    [
        {"type": "error", "message": "overloaded", "code": "server_error", "param": None},
        {"type": "error", "error": {"message": "overloaded"}},
        {"error": {"message": "overloaded"}},
    ],
)
def test_an_error_event_anywhere_ends_as_failed(cut: int, error: JSON) -> None:
    assert run([*ANSWER.events[:cut], error])[1]["error"]["message"] == "overloaded"


def test_a_failed_response_passes() -> None:
    machine = answer([delta({"content": "a"}), {"error": {"message": "overloaded"}}])
    said, response = run(machine.events)
    assert response["error"]["message"] == "overloaded"
    assert said[-1]["type"] == "response.failed"


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ({"object": "response", "status": "queued"}, "The upstream's response has the status 'queued'."),
        ({"object": "response", "error": {"message": "no"}}, "no"),
    ],
)
def test_a_whole_response_that_is_no_answer(response: JSON, message: str) -> None:
    assert run([response])[1]["error"]["message"] == message


def test_failing_from_outside() -> None:
    machine = translator()
    said = machine.fail(UpstreamError("gone", status=502))
    assert [event.type for event in said] == [
        "response.created",
        "response.in_progress",
        "error",
        "response.failed",
    ]
    assert machine.response_id == "resp_mine"


def test_items_of_earlier_rounds_follow_the_input() -> None:
    item = {"type": "function_call_output", "call_id": "a", "output": "x"}
    assert translator().request([item])["input"] == [{"role": "user", "content": "Hi"}, item]
