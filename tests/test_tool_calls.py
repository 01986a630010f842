from __future__ import annotations

from typing import Any

import pytest

from tests.machine import STOP, answer, call, calls, delta, whole

TOOLS = {"tools": [{"type": "function", "name": name} for name in ("get", "get_weather", "now")]}


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [
                calls(call(0, "a", "now", "")),
                calls(call(0, arguments='{"x"')),
                calls(call(0, arguments=":1}")),
            ],
            [("now", '{"x":1}')],
            id="fragments at one index",
        ),
        pytest.param(
            [calls(call(0, "a", "now", '{"x":')), calls(call(0, "a", "now", "1}"))],
            [("now", '{"x":1}')],
            id="id and name repeated",
        ),
        pytest.param(
            [calls(call(0, "a", "now", '{"x":')), calls({**call(0, "", "", "1}")})],
            [("now", '{"x":1}')],
            id="empty id and name on the rest",
        ),
        pytest.param(
            [calls(call(0, "a", "now", "{}")), calls(call(0, "b", "get", "{}"))],
            [("now", "{}"), ("get", "{}")],
            id="new id at a used index",
        ),
        pytest.param(
            [
                calls(call(0, "a", "now", "[1"), call(1, "b", "get", "[2")),
                calls(call(1, arguments="]")),
                calls(call(0, arguments="]")),
            ],
            [("now", "[1]"), ("get", "[2]")],
            id="interleaved by index",
        ),
        pytest.param(
            [
                calls(call(id="a", name="now", arguments="{")),
                calls(call(arguments="}")),
                calls(call(name="get", arguments="{}")),
            ],
            [("now", "{}"), ("get", "{}")],
            id="no index: rest to the last call, a name opens another",
        ),
        pytest.param(
            [
                calls(call(id="a", name="now", arguments="[")),
                calls(call(id="b", name="get", arguments="[")),
                calls(call(id="a", arguments="]"), call(id="b", arguments="]")),
            ],
            [("now", "[]"), ("get", "[]")],
            id="no index: routed by id",
        ),
        pytest.param(
            [
                calls(call(0, "a", "get_")),
                calls(call(0, name="wea")),
                calls(call(0, name="ther")),
                calls(call(0, arguments="{}")),
            ],
            [("get_weather", "{}")],
            id="name in fragments",
        ),
        pytest.param(
            [calls(call(0, "a", "get")), calls(call(0, name="_weather"))],
            [("get_weather", "{}")],
            id="a declared name that begins another",
        ),
        pytest.param([calls(call(0, "a", "now"))], [("now", "{}")], id="no arguments"),
        pytest.param(
            [calls(call(0, "a", "now", {"x": "é"}))], [("now", '{"x": "é"}')], id="arguments as an object"
        ),
        pytest.param(
            [calls({"index": 0, "id": "a", "function": {"name": "now", "arguments": None}})],
            [("now", "{}")],
            id="arguments null",
        ),
        pytest.param(
            [calls(call(0, arguments='{"x":1}')), calls(call(0, "a", "now"))],
            [("now", '{"x":1}')],
            id="arguments before the name",
        ),
        pytest.param(
            [
                delta({"function_call": {"name": "now", "arguments": "{"}}),
                delta({"function_call": {"arguments": "}"}}),
            ],
            [("now", "{}")],
            id="legacy function_call",
        ),
        pytest.param(
            [calls(call(0, "a", "now", "")), delta({"content": " "}), calls(call(0, arguments='{"x":1}'))],
            [("now", '{"x":1}')],
            id="text between name and arguments",
        ),
        pytest.param(
            [
                calls(call(0, "a", "now", "")),
                calls(call(0, "b", arguments='{"x":')),
                calls(call(0, "c", arguments="1}")),
            ],
            [("now", '{"x":1}')],
            id="an id of its own for every fragment",
        ),
        pytest.param(
            [calls(call(0, "a", "now", '{"x":')), calls(call(0, "b", "now", "1}"))],
            [("now", '{"x":1}')],
            id="an id of its own and the name on every fragment",
        ),
        pytest.param(
            [
                calls(call(0, name="now", arguments='{"x":1}')),
                calls(call(0, name="get", arguments='{"y":1}')),
            ],
            [("now", '{"x":1}'), ("get", '{"y":1}')],
            id="one index and no ids for all calls",
        ),
        pytest.param(
            [
                calls(call(0, name="now", arguments='{"x":1}')),
                calls(call(0, name="now", arguments='{"y":1}')),
            ],
            [("now", '{"x":1}'), ("now", '{"y":1}')],
            id="one index and no ids for all calls of one tool",
        ),
        pytest.param(
            [whole({"tool_calls": [{"id": "a", "name": "now", "arguments": {"x": 1}}]}, None)],
            [("now", '{"x": 1}')],
            id="whole: name and arguments on the call itself",
        ),
        pytest.param(
            [
                whole(
                    {
                        "tool_calls": [call(0, "a", "now", "{}")],
                        "function_call": {"name": "now", "arguments": "{}"},
                    },
                    None,
                )
            ],
            [("now", "{}")],
            id="whole: function_call repeats the tool call",
        ),
        pytest.param(
            [calls(call(0, "a", "now", '{"x":"\ud83d')), calls(call(0, arguments='\ude00"}'))],
            [("now", '{"x":"\U0001f600"}')],
            id="a character in two halves",
        ),
        pytest.param(
            [whole({"tool_calls": [call(0, "a", "now", "{}"), call(0, "b", "get", "{}")]}, None)],
            [("now", "{}"), ("get", "{}")],
            id="whole: every entry is a call",
        ),
        pytest.param(
            [whole({"tool_calls": [call(id="a", name="now"), call(id="a", name="now")]}, None)],
            [("now", "{}"), ("now", "{}")],
            id="whole: same id twice",
        ),
        pytest.param(
            [
                delta({"tool_calls": call(0, "", "now", '{"x"')}),
                delta({"tool_calls": call(0, "", arguments=":1}")}),
            ],
            [("now", '{"x":1}')],
            id="one call outside a list",
        ),
        pytest.param(
            [
                calls(call(0, "a", "now", "")),
                calls(call(1, arguments='{"x":')),
                calls(call(1, arguments="1}")),
            ],
            [("now", '{"x":1}')],
            id="arguments at another index than the id",
        ),
        pytest.param(
            [
                calls(call(0, "a", "now", '{"x":')),
                calls(call(0, arguments="1}")),
                calls(call(0, "b", "get", "")),
                calls(call(1, arguments='{"y":')),
                calls(call(1, arguments="1}")),
            ],
            [("now", '{"x":1}'), ("get", '{"y":1}')],
            id="second call at a used index, its arguments at the next",
        ),
        pytest.param(
            [whole({"function_call": {"name": "now", "arguments": "{}"}}, None)],
            [("now", "{}")],
            id="whole: legacy function_call",
        ),
    ],
)
def test_fragments_find_their_call(chunks: list[Any], expected: list[tuple[str, str]]) -> None:
    result = answer([*chunks, delta(finish="tool_calls")], TOOLS)
    assert result.calls == expected
    assert result.response["status"] == "completed"
    ids = [item["call_id"] for item in result.items("function_call")]
    assert len(set(ids)) == len(ids)
    assert all(ids)


def test_a_declared_name_opens_its_item_at_once() -> None:
    result = answer([calls(call(0, "a", "now")), calls(call(0, arguments="{}")), STOP], TOOLS)
    assert result.types[2:5] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
    ]
    assert result.events[2]["item"] == {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "a",
        "name": "now",
        "arguments": "",
        "status": "in_progress",
    }


def test_a_call_waits_for_an_id_that_comes_after_the_name() -> None:
    result = answer([calls(call(0, name="now")), calls(call(0, "a", arguments="{}")), STOP], TOOLS)
    assert [item["call_id"] for item in result.items("function_call")] == ["a"]


def test_whole_arguments_do_not_go_on_at_another_index() -> None:
    """They are a call without a name, which cannot be shown."""
    result = answer([calls(call(0, "a", "now", "{}")), calls(call(1, arguments='{"x":1}')), STOP], TOOLS)
    assert result.response["status"] == "failed"
    assert [item["arguments"] for item in result.items("function_call")] == ["{}"]


def test_text_after_a_whole_call_closes_it() -> None:
    result = answer([calls(call(0, "a", "now", "{}")), delta({"content": "so"}), STOP], TOOLS)
    assert [item["type"] for item in result.response["output"]] == ["function_call", "message"]
    assert result.types.index("output_item.done") < result.types.index("content_part.added")


def test_text_amid_a_call_does_not_cut_it() -> None:
    chunks = [
        calls(call(0, "a", "now", '{"x":')),
        delta({"content": "so"}),
        calls(call(0, arguments="1}")),
        STOP,
    ]
    result = answer(chunks, TOOLS)
    assert result.calls == [("now", '{"x":1}')]
    assert result.text == "so"


def test_arguments_after_the_end_of_a_call_are_reported() -> None:
    chunks = [
        calls(call(0, "a", "now", "{}")),
        delta({"content": "so"}),
        calls(call(0, arguments="{}")),
        STOP,
    ]
    result = answer(chunks, TOOLS)
    assert result.calls == [("now", "{}")]
    assert ("choices[0].tool_calls", "dropped") in [loss[:2] for loss in result.losses]


def test_a_late_other_name_is_reported() -> None:
    result = answer([calls(call(0, "a", "now", "{")), calls(call(0, name="get", arguments="}")), STOP], TOOLS)
    assert result.calls == [("now", "{}")]
    assert "renamed" in result.losses[0].reason


def test_call_ids_of_the_history_are_not_used_again() -> None:
    history = [
        {"type": "function_call", "call_id": "call_0", "name": "now", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_0", "output": "noon"},
    ]
    result = answer([calls(call(0, "call_0", "now", "{}")), STOP], {**TOOLS, "input": history})
    assert result.items("function_call")[0]["call_id"] == "call_1"


def test_further_fields_of_a_call_stay_on_its_item() -> None:
    signature = {"google": {"thought_signature": "sig"}}
    result = answer(
        [calls({**call(0, "a", "now", "{}"), "extra_content": signature, "status": "odd"}), STOP], TOOLS
    )
    item = result.items("function_call")[0]
    assert item["extra_content"] == signature
    assert item["status"] == "completed"


def test_fields_of_a_call_that_items_have_for_something_else_are_reported() -> None:
    result = answer([calls({**call(0, "a", "now", "{}"), "content": {"a": 1}, "namespace": 1}), STOP], TOOLS)
    assert not {"content", "namespace"} & result.items("function_call")[0].keys()
    lost = [(loss.path, loss.action) for loss in result.losses]
    assert lost == [(f"output.function_call.{name}", "dropped") for name in ("content", "namespace")]


def test_custom_tool_calls() -> None:
    fragment = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    rest = {"index": 0, "custom": {"input": " Patch"}}
    result = answer([calls(fragment), calls(rest), delta({"content": "ok"}), STOP])
    [item] = result.items("custom_tool_call")
    assert (item["name"], item["input"], item["call_id"]) == ("patch", "*** Begin Patch", "a")
    assert "custom_tool_call_input.done" in result.types


@pytest.mark.parametrize(
    "fragments", [["text"], [call(0, "a", arguments="{}")], [call(0, "a")], [{"index": 0, "note": "odd"}]]
)
def test_what_is_no_call_is_never_shown_as_one(fragments: list[Any]) -> None:
    result = answer([delta({"tool_calls": fragments}), STOP])
    assert result.calls == []
    assert result.losses or result.response["status"] == "failed"


def test_the_token_limit_cuts_the_last_call() -> None:
    chunks = [calls(call(0, "a", "now", "{}"), call(1, "b", "get", '{"x":')), delta(finish="length")]
    result = answer(chunks, TOOLS)
    assert [item["status"] for item in result.response["output"]] == ["completed", "incomplete"]
    assert result.calls[1] == ("get", '{"x":')


def test_a_call_cut_before_its_arguments_is_not_completed_with_empty_ones() -> None:
    result = answer([calls(call(0, "a", "now"))], TOOLS, marker=False)
    assert result.response["status"] == "failed"
    assert [(item["status"], item["arguments"]) for item in result.response["output"]] == [("incomplete", "")]
