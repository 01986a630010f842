"""Rounds: one legal response over several upstream calls, whatever mix of calls the upstream makes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest

from responses_asgi.errors import UpstreamError
from responses_asgi.testing import assert_valid_stream
from responses_asgi.translate.responses_to_chat import ResponsesToChat
from responses_asgi.translate.responses_to_responses import ResponsesToResponses
from responses_asgi.translate.rounds import HostedName, HostedResult, Rounds
from responses_asgi.translate.snapshot import fold
from responses_asgi.translate.translator import Translator
from responses_asgi.translate.unfold import unfold
from responses_asgi.types.events import Event
from responses_asgi.types.json import JSON
from tests.machine import GENERIC, STOP, call, calls, delta

NAMES = {
    "wiki__read": HostedName("wiki", "read"),
    "wiki__ask": HostedName("wiki", "ask"),
    "wiki__write": HostedName("wiki", "write", approval=True),
}
TOOLS = [{"type": "function", "name": name} for name in (*NAMES, "local")]
LISTED = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "wiki", "tools": [{"name": "read"}]}
CALLED = delta(finish="tool_calls")
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


NUMBERS = count(1)


def over_chat() -> Translator:
    """Ids are different from round to round, as those of real answers are."""
    body = {"model": "m", "input": "Hi", "tools": TOOLS}
    return ResponsesToChat(
        body, profile=GENERIC, new_id=lambda prefix: f"{prefix}{next(NUMBERS)}", now=lambda: 1_700_000_000
    )


def over_responses() -> Translator:
    body = {"model": "m", "input": "Hi", "tools": TOOLS}
    return ResponsesToResponses(body, new_id=lambda prefix: prefix + "mine", now=lambda: 5)


class Told:
    """Rounds on their way, and everything the client was told."""

    def __init__(self, make: Any = over_chat, *, listed: Sequence[JSON] = (), convert: bool = False) -> None:
        numbers = count(1)
        self.machine = Rounds(
            make, names=NAMES, new_id=lambda prefix: f"{prefix}{next(numbers)}", listed=listed
        )
        self.events: list[JSON] = []
        self.asked = [self.machine.request()]
        self._convert = convert
        self.take(self.machine.start())

    def take(self, events: Sequence[Event]) -> None:
        self.events += [event.json() for event in events]

    def round(self, *chunks: JSON, marker: bool = True) -> None:
        """One upstream call; over Responses the chunks are what such an upstream would have said."""
        for chunk in self._said(chunks) if self._convert else chunks:
            self.take(self.machine.feed(chunk))
            if self.machine.failure:
                self.take(self.machine.fail(self.machine.failure))
                return
        self.take(self.machine.finish(marker=marker))

    def _said(self, chunks: Sequence[JSON]) -> list[JSON]:
        machine = over_chat()
        machine.start()
        for chunk in chunks:
            machine.feed(chunk)
        machine.finish(marker=True)
        return list(unfold(machine.snapshot()))

    def settle(self, *results: HostedResult) -> None:
        for pending, result in zip(list(self.machine.pending), results, strict=True):
            self.take(self.machine.settle(pending, result))
        if self.machine.goes_on:
            self.machine.next_round()
            self.asked.append(self.machine.request())
        else:
            self.take(self.machine.end())

    def response(self) -> JSON:
        """The whole response, when the stream was legal and tells the same."""
        final: JSON = assert_valid_stream(self.events)
        assert fold(self.events) == final == self.machine.snapshot()
        return final

    @property
    def types(self) -> list[str]:
        return [item["type"] for item in self.response()["output"]]


both = pytest.mark.parametrize(("make", "convert"), [(over_chat, False), (over_responses, True)])
READ = calls(call(0, "call_a", "wiki__read", '{"page":1}'))


@both
def test_a_hosted_call_is_run_between_two_upstream_calls(make: Any, convert: bool) -> None:
    told = Told(make, convert=convert)
    told.round(delta({"content": "Let me look."}), READ, CALLED, delta(usage=None) | {"usage": USAGE})
    pending = told.machine.pending
    assert [(each.name, each.arguments) for each in pending] == [("wiki__read", '{"page":1}')]
    told.settle(HostedResult("It says 42."))
    told.round(delta({"content": "42."}), STOP, {"choices": [], "usage": USAGE})
    response = told.response()
    assert told.types == ["message", "mcp_call", "message"]
    shown = response["output"][1]
    assert shown | {"id": ""} == {
        "id": "",
        "type": "mcp_call",
        "server_label": "wiki",
        "name": "read",
        "arguments": '{"page":1}',
        "output": "It says 42.",
        "error": None,
        "approval_request_id": None,
        "status": "completed",
    }
    assert response["usage"]["total_tokens"] == 6
    assert [event["sequence_number"] for event in told.events] == list(range(len(told.events)))


def test_the_upstream_is_told_what_it_said_and_what_came_of_it() -> None:
    told = Told()
    told.round(delta({"content": "Let me look."}), READ, CALLED)
    told.settle(HostedResult("It says 42."))
    assert told.asked[1]["messages"] == [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {
                    "id": "call_a",
                    "type": "function",
                    "function": {"name": "wiki__read", "arguments": '{"page":1}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_a", "content": "It says 42."},
    ]


def test_three_rounds_with_parallel_calls() -> None:
    told = Told(listed=[LISTED])
    told.round(calls(call(0, "a", "wiki__read", "{}"), call(1, "b", "wiki__ask", "{}")), CALLED)
    told.settle(HostedResult("one"), HostedResult("two", failed=True))
    told.round(calls(call(0, "c", "wiki__read", "{}")), CALLED)
    told.settle(HostedResult("three"))
    told.round(delta({"content": "Done."}), STOP)
    output = told.response()["output"]
    assert told.types == ["mcp_list_tools", "mcp_call", "mcp_call", "mcp_call", "message"]
    assert [item.get("output") for item in output[1:4]] == ["one", None, "three"]
    assert output[2]["error"] == {
        "type": "mcp_tool_execution_error",
        "content": [{"type": "text", "text": "two"}],
    }
    assert [message["role"] for message in told.asked[2]["messages"]] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
        "tool",
    ]


def test_calls_of_the_client_end_the_response_after_the_hosted_ones_are_run() -> None:
    told = Told()
    told.round(calls(call(0, "a", "wiki__read", "{}"), call(1, "b", "local", "{}")), CALLED)
    told.settle(HostedResult("one"))
    assert len(told.asked) == 1
    assert told.types == ["mcp_call", "function_call"]
    assert told.response()["status"] == "completed"


def test_a_call_that_needs_an_approval_ends_the_response_with_the_question() -> None:
    told = Told()
    told.round(calls(call(0, "a", "wiki__write", '{"x"'), call(0, None, None, ":1}")), CALLED)
    assert not told.machine.pending
    request = told.response()["output"][0]
    assert request == {
        "id": request["id"],
        "type": "mcp_approval_request",
        "server_label": "wiki",
        "name": "write",
        "arguments": '{"x":1}',
    }


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_an_incomplete_answer_runs_nothing(finish: str) -> None:
    told = Told()
    told.round(READ, delta(finish=finish))
    assert not told.machine.pending
    response = told.response()
    assert response["status"] == "incomplete"
    assert response["output"][0]["status"] == "incomplete"


def test_an_upstream_that_fails_in_the_second_round_fails_the_response() -> None:
    told = Told()
    told.round(READ, CALLED)
    told.settle(HostedResult("one"))
    told.round(delta({"content": "Wel"}), {"error": {"message": "gone", "code": 500}})
    response = told.response()
    assert response["status"] == "failed"
    assert told.types == ["mcp_call", "message"]
    assert isinstance(told.machine.failure, UpstreamError)


def test_an_answer_that_is_cut_in_a_hosted_call_is_closed_legally() -> None:
    told = Told()
    told.round(delta({"content": "Hm"}), calls(call(0, "a", "wiki__read", '{"pa')), marker=False)
    assert told.response()["status"] == "failed"


def test_a_failure_while_calls_are_pending() -> None:
    told = Told()
    told.round(READ, CALLED)
    told.take(told.machine.fail(UpstreamError("The client left.", status=499)))
    assert told.response()["output"][0]["status"] == "incomplete"


def test_losses_of_all_rounds_are_reported_once() -> None:
    told = Told()
    told.round(delta({"content": "a", "odd": 1}), READ, CALLED)
    told.settle(HostedResult("one"))
    told.round(delta({"content": "a", "odd": 1, "even": 2}), STOP)
    paths = [loss.path for loss in told.machine.losses]
    assert len(paths) == len(set(paths))
    assert {path.rpartition(".")[2] for path in paths} >= {"odd", "even"}
