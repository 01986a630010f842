"""Responses events to Chat chunks: what is said in which chunk, and what the options change."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import UpstreamError
from responses_asgi.testing.response_shapes.shape import (
    FIGURES,
    USAGE,
    called,
    response,
    said,
    thought,
    told,
)
from responses_asgi.types.events import DONE
from responses_asgi.types.json import JSON
from tests.chat_facts import facts_of_choice
from tests.chat_machine import answer, checked, translator

OPENING = {"role": "assistant", "content": "", "refusal": None}


def events(*items: list[JSON], **fields: Any) -> list[JSON]:
    return [event for event in told(*items, **fields) if isinstance(event, dict)]


def test_a_text_answer_chunk_by_chunk() -> None:
    got = answer(events(said(0, "He", "y")))
    assert got.deltas == [OPENING, {"content": "He"}, {"content": "y"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in got.chunks[:-1]] == [None, None, None, "stop"]
    assert got.chunks[-1]["choices"] == []
    assert got.chunks[-1]["usage"]["total_tokens"] == 30
    assert got.events[-1].data == DONE
    assert {event.type for event in got.events} == {""}


def test_the_role_is_said_with_the_first_event() -> None:
    machine = translator()
    assert machine.start() == []
    assert [event.json()["choices"][0]["delta"] for event in machine.feed(events()[0])] == [OPENING]


def test_choices_are_opened_in_their_order_whichever_answer_comes_first() -> None:
    """The openai SDK appends a choice that is new to it, and looks it up by its index."""
    machine = translator({"n": 3})
    made = [machine.feed(events()[0], number) for number in (2, 0, 1)]
    choices = [[event.json()["choices"][0] for event in part] for part in made]
    assert [[choice["index"] for choice in part] for part in choices] == [[0, 1, 2], [], []]
    assert [choice["delta"] for choice in choices[0]] == [OPENING] * 3


def test_a_call_chunk_by_chunk() -> None:
    got = answer(events(called(0, "tide", '{"a"', ":1}")))
    assert [delta["tool_calls"][0] for delta in got.deltas[1:-1]] == [
        {"index": 0, "id": "call_0", "type": "function", "function": {"name": "tide", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 0, "function": {"arguments": ":1}"}},
    ]


def test_a_custom_call_chunk_by_chunk() -> None:
    got = answer(events(called(0, "patch", "free", custom=True)))
    assert [delta["tool_calls"][0] for delta in got.deltas[1:-1]] == [
        {"index": 0, "id": "call_0", "type": "custom", "custom": {"name": "patch", "input": ""}},
        {"index": 0, "custom": {"input": "free"}},
    ]


def test_a_legacy_call_chunk_by_chunk() -> None:
    got = answer(events(called(0, "tide", "{}")), {"functions": [{"name": "tide"}]})
    assert got.deltas == [
        OPENING,
        {"function_call": {"name": "tide", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
        {},
    ]
    assert got.facts.status == "function_call"


# The frame


def test_the_model_is_the_upstreams_own_name() -> None:
    assert answer(events(said(0, "a"))).completion["model"] == "scripted-1"


def test_a_model_that_was_renamed_on_the_way_keeps_the_clients_name() -> None:
    got = answer(events(said(0, "a")), {"model": "house"}, upstream_model="real")
    assert {chunk["model"] for chunk in got.chunks} == {"house"}


def test_a_model_that_is_told_late_changes_nothing() -> None:
    late = events(said(0, "a"))[2:]
    assert answer(late, {"model": "asked"}).completion["model"] == "asked"


def test_the_upstream_gets_its_own_model_and_the_items_of_earlier_rounds() -> None:
    item: JSON = {"type": "function_call_output", "call_id": "c", "output": "1"}
    body = translator({"model": "house"}, upstream_model="real").request([item])
    assert body["model"] == "real"
    assert body["input"][-1] == item


def test_the_id_is_known_before_anything_is_said() -> None:
    machine = translator()
    assert machine.response_id == "chatcmpl-1"
    assert machine.feed(events()[0])[0].json()["id"] == "chatcmpl-1"


# Reasoning


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thoughts"])
def test_reasoning_goes_to_the_field_that_was_chosen(field: str) -> None:
    got = answer(events(thought(0, raw=[["hm"]]), said(1, "so")), reasoning_field=field)
    assert got.message == {"role": "assistant", "content": "so", "refusal": None, field: "hm"}
    assert got.reported == set()


def test_reasoning_without_a_field_is_reported() -> None:
    got = answer(events(thought(0, raw=[["hm"]]), said(1, "so")), reasoning_field=None)
    assert got.message == {"role": "assistant", "content": "so", "refusal": None}
    assert got.reported == {"output.reasoning"}


@pytest.mark.parametrize("recall", [None, lambda call_id: ()])
def test_reasoning_is_remembered_with_the_calls_it_led_to(recall: Any) -> None:
    machine = translator(recall=recall)
    items = [thought(0, encrypted_content="x"), called(1, "tide", "{}"), called(2, "wind", "{}")]
    for event in events(*items):
        machine.feed(event)
    machine.finish(marker=False)
    done = [item[-1]["item"] for item in items]
    assert machine.remembered() == {"call_1": done, "call_2": done}
    action = "emulated" if recall else "dropped"
    assert [(loss.path, loss.action) for loss in machine.losses] == [
        ("output.reasoning.encrypted_content", action)
    ]


def test_calls_without_reasoning_need_not_be_remembered() -> None:
    machine = translator()
    for event in events(called(0, "tide", "{}")):
        machine.feed(event)
    machine.finish(marker=False)
    assert machine.remembered() == {}


# The end


def test_the_answer_is_complete_with_the_terminal_event() -> None:
    machine = translator()
    for event in events(said(0, "a")):
        assert not machine.complete()
        machine.feed(event)
    assert machine.complete()
    assert machine.failure is None


def test_a_fault_is_told_at_any_time_and_the_usage_before_it() -> None:
    machine = translator({"stream": True, "stream_options": {"include_usage": True}, "n": 2})
    made = [chunk for event in events(said(0, "a")) for chunk in machine.feed(event, 0)]
    made += machine.fail(UpstreamError("gone", status=502))
    got = checked(machine, made, usage=True)
    assert got.chunks[-2]["usage"]["total_tokens"] == 30
    assert got.chunks[-1]["error"]["message"] == "gone"


def test_one_of_two_answers_that_breaks_off_fails_both() -> None:
    machine = translator({"n": 2})
    made = [chunk for event in events(said(0, "a")) for chunk in machine.feed(event, 0)]
    made += machine.feed(events(said(0, "b"))[0], 1)
    got = checked(machine, [*made, *machine.finish(marker=False)], usage=False)
    assert "terminal" in got.completion["error"]["message"]


def test_the_usage_of_several_answers_is_their_sum() -> None:
    machine = translator({"n": 3})
    usages = [{**USAGE, "cost": 0.5, "plan": "a"}, {**USAGE, "plan": "b"}, None]
    for number, usage in enumerate(usages):
        machine.feed(response(usage=usage), number)
    machine.finish(marker=True)
    completion = machine.snapshot()
    assert facts_of_choice(completion).usage == tuple(2 * figure for figure in FIGURES)
    assert (completion["usage"]["cost"], completion["usage"]["plan"]) == (0.5, "b")
    assert [choice["index"] for choice in completion["choices"]] == [0, 1, 2]


# What cannot be said


def test_an_end_that_differs_from_what_was_streamed_is_reported() -> None:
    stream = said(0, "Hey")
    stream[-1]["item"]["content"] = [{"type": "output_text", "text": "Ho", "annotations": []}]
    got = answer(events(stream))
    assert got.facts.text == "Hey"
    assert got.reported == {"output.message"}


def test_parts_and_items_in_no_known_form_are_passed_over() -> None:
    odd: list[Any] = [
        7,
        {"type": "message", "content": ["a", {"type": "output_text", "text": 5, "annotations": 5}]},
        {"type": "message", "content": 5},
        {"type": "reasoning", "content": None, "summary": [None]},
        {"type": "function_call", "name": None, "arguments": "{}"},
    ]
    got = answer([response(output=odd, incomplete_details=None)])
    assert got.facts.status == "stop"
    assert (got.facts.text, got.facts.calls) == ("", ())


def test_content_that_is_a_string() -> None:
    assert answer([response(output=[{"type": "message", "content": "a"}])]).facts.text == "a"


def test_items_that_were_only_announced() -> None:
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "tide", "arguments": "{}"}
    begun = {"type": "message", "id": "m", "content": []}
    got = answer(
        [
            {"type": "response.output_item.added", "output_index": 0, "item": begun},
            {"type": "response.output_text.delta", "output_index": 0, "delta": "a"},
            {"type": "response.output_item.added", "output_index": 1, "item": call},
            {"type": "response.completed", "response": response(output=[])},
        ]
    )
    assert (got.facts.text, got.facts.calls) == ("a", (("tide", "{}"),))


def test_citations_of_a_later_text_are_where_that_text_stands_in_the_message() -> None:
    def said(place: int, text: str, *cited: tuple[int, int]) -> list[JSON]:
        made = []
        for start, end in cited:
            link = {"type": "url_citation", "url": "https://a.test", "title": "t"}
            made.append({**link, "start_index": start, "end_index": end})
        where = {"output_index": place, "content_index": 0}
        part = {"type": "output_text", "text": text, "annotations": made}
        item = {"id": f"msg_{place}", "type": "message", "role": "assistant", "content": []}
        return [
            {"type": "response.output_item.added", "output_index": place, "item": item},
            {"type": "response.output_text.delta", **where, "delta": text},
            {"type": "response.output_item.done", "output_index": place, "item": {**item, "content": [part]}},
        ]

    events = [*said(0, "pre", (0, 3)), *said(1, "mid"), *said(2, "the end", (4, 7))]
    got = answer([*events, {"type": "response.completed", "response": response()}])
    message = got.completion["choices"][0]["message"]
    places = [found["url_citation"] for found in message["annotations"]]
    cited = [message["content"][place["start_index"] : place["end_index"]] for place in places]
    assert (message["content"], cited) == ("pre\n\nmid\n\nthe end", ["pre", "end"])


def test_a_part_that_only_its_done_event_tells() -> None:
    place = {"output_index": 0, "content_index": 0}
    cited = {"type": "url_citation", "url": "https://a.test", "title": "t", "start_index": 0, "end_index": 1}
    got = answer(
        [
            {"type": "response.reasoning_summary_part.done", "part": {"type": "summary_text", "text": "s"}},
            {
                "type": "response.content_part.done",
                **place,
                "part": {"type": "output_text", "text": "a", "annotations": [cited]},
            },
            {"type": "response.content_part.done", **place, "part": None},
            {"type": "response.completed", "response": response()},
        ]
    )
    assert (got.facts.text, got.facts.reasoning) == ("a", "s")
    assert len(got.message["annotations"]) == 1


def test_one_index_for_every_item() -> None:
    """As LiteLLM has numbered them; the ids are right."""
    items = [
        events(thought(0, raw=[["hm"]])),
        events(called(1, "tide", "{}")),
        events(called(2, "tide", "[1]")),
    ]
    stream = [event for item in items for event in item if "output_index" in event]
    for event in stream:
        event["output_index"] = 0
    done = [event["item"] for event in stream if event["type"] == "response.output_item.done"]
    got = answer([*stream, {"type": "response.completed", "response": response(output=done)}])
    assert (got.facts.reasoning, got.facts.calls) == ("hm", (("tide", "{}"), ("tide", "[1]")))


@pytest.mark.parametrize("named", [True, False])
def test_neither_index_nor_id_on_the_deltas(named: bool) -> None:
    stream = [*events(said(0, "a", "b")), *events(called(1, "tide", "{", "}"))]
    stream = [event for event in stream if "output_index" in event]
    for event in stream:
        event.pop("output_index")
        event.pop("item_id", None)
        if not named and "item" in event:
            event["item"].pop("id")
    got = answer([*stream, {"type": "response.completed", "response": response()}])
    assert (got.facts.text, got.facts.calls) == ("ab", (("tide", "{}"),))


def test_calls_without_index_whose_id_is_the_call_id() -> None:
    """As llama.cpp streams them: all items are done at the end."""
    begun = [{"type": "function_call", "call_id": name, "name": "tide", "arguments": ""} for name in "ab"]
    done = [{**begun[0], "arguments": "[1]"}, {**begun[1], "arguments": "[2]"}]
    got = answer(
        [
            {"type": "response.output_item.added", "item": begun[0]},
            {"type": "response.function_call_arguments.delta", "item_id": "a", "delta": "[1"},
            {"type": "response.function_call_arguments.delta", "item_id": "a", "delta": "]"},
            {"type": "response.output_item.added", "item": begun[1]},
            {"type": "response.function_call_arguments.delta", "item_id": "b", "delta": "[2]"},
            *({"type": "response.output_item.done", "item": item} for item in done),
            {"type": "response.completed", "response": response(output=done)},
        ]
    )
    assert got.facts.calls == (("tide", "[1]"), ("tide", "[2]"))
    assert [call["id"] for call in got.message["tool_calls"]] == ["a", "b"]


def test_reasoning_with_an_id_per_delta_before_a_message_at_the_same_index() -> None:
    """As LiteLLM has streamed them: the reasoning is not announced, and the id of the message is new."""
    deltas = [
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "item_id": name, "delta": name}
        for name in ("h", "m")
    ]
    final = [
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "id": "msg", "content": [{"type": "output_text", "text": "a"}]},
    ]
    for announced in (True, False):
        added = {"type": "response.output_item.added", "output_index": 0, "item": {**final[1], "content": []}}
        text = {"type": "response.output_text.delta", "output_index": 0, "item_id": "msg", "delta": "a"}
        end = {"type": "response.completed", "response": response(output=final)}
        got = answer([*deltas, *([added] if announced else []), text, end])
        assert (got.facts.reasoning, got.facts.text) == ("hm", "a")


def test_parts_that_are_numbered_otherwise_in_the_deltas() -> None:
    stream = events(said(0, "a", "b"))
    for event in stream:
        if "content_index" in event:
            event["content_index"] = 1
    assert answer(stream).facts.text == "ab"


def test_a_message_of_the_user_is_no_answer() -> None:
    question = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]}
    reply = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
    got = answer([response(output=[question, reply])])
    assert got.facts.text == "a"
    assert got.reported == {"output.message"}


def test_an_item_that_is_announced_twice_is_one() -> None:
    stream = events(said(0, "a"))
    got = answer([*stream[:3], stream[2], *stream[3:]])
    assert got.facts.text == "a"


@pytest.mark.parametrize(
    "fields",
    [
        {"response": response(None)},  # type: ignore[arg-type]  # what a server leaves out
        {"response": response("in_progress")},
        {"output": [], "usage": USAGE},
        {},
    ],
)
def test_a_terminal_event_whose_response_lacks_its_status(fields: JSON) -> None:
    deltas = [event for event in events(said(0, "a")) if event["type"] == "response.output_text.delta"]
    got = answer([*deltas, {"type": "response.completed", **fields}])
    assert (got.facts.text, got.facts.status) == ("a", "stop")


def test_an_error_on_a_terminal_event_is_the_error() -> None:
    got = answer([{"type": "response.failed", "error": {"message": "no"}}])
    assert got.failure is not None
    assert got.failure.message == "no"


def test_a_whole_response_that_is_called_something_else() -> None:
    said_so = [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}]
    assert answer([response(output=said_so, object="chat.response")]).facts.text == "a"


def test_an_action_in_an_answer_that_was_cut_is_reported_only() -> None:
    action = {"type": "computer_call", "id": "c", "call_id": "c", "action": {}}
    cut = {"incomplete_details": {"reason": "max_output_tokens"}}
    got = answer([response("incomplete", output=[action], **cut)])
    assert got.facts.status == "length"
    assert got.reported == {"output.computer_call"}


def test_a_call_without_a_name_is_reported() -> None:
    got = answer(events(called(0, "", "{}")))
    assert got.facts.calls == ()
    assert got.reported == {"output.function_call"}


def test_a_namespace_is_reported() -> None:
    got = answer(events(called(0, "tide", "{}", namespace="sea")))
    assert got.facts.calls == (("tide", "{}"),)
    assert got.reported == {"output.function_call.namespace"}


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", None, 5])
def test_a_response_that_is_no_answer_is_an_error(status: Any) -> None:
    got = answer([response(status=status)])
    assert got.failure is not None
    assert str(status) in got.completion["error"]["message"]


def test_an_error_keeps_its_code_and_status() -> None:
    error = {"code": "rate_limit_exceeded", "message": "Slow down."}
    got = answer([{"type": "response.failed", "response": response("failed", error=error)}])
    assert got.failure is not None
    assert (got.failure.status, got.failure.code) == (429, "rate_limit_exceeded")


@pytest.mark.parametrize(("kind", "field"), [("refusal", "refusal"), ("reasoning_text", "reasoning_content")])
def test_only_what_is_said_has_log_probabilities(kind: str, field: str) -> None:
    scored = [{"token": "No", "logprob": -1.0, "bytes": None, "top_logprobs": []}]
    delta = {"type": f"response.{kind}.delta", "output_index": 0, "delta": "No", "logprobs": scored}
    got = answer([delta, {"type": "response.completed", "response": response("completed")}])
    assert (got.message[field], got.completion["choices"][0]["logprobs"]) == ("No", None)
    assert got.reported == {f"output.{field}.logprobs"}


@pytest.mark.parametrize("id", [["msg"], {"a": 1}, 1, None])
def test_the_id_that_an_event_names_its_item_by_may_be_anything(id: Any) -> None:
    told = events(said(0, "a"))
    got = answer([{**event, "item_id": id} if "item_id" in event else event for event in told])
    assert got.message["content"] == "a"


@pytest.mark.parametrize(
    "details", [None, "odd", ["odd"], {"reason": None}, {"reason": ["odd"]}, {"reason": {}}]
)
def test_a_reason_of_any_shape_is_said_as_length_and_reported(details: Any) -> None:
    response = {"status": "incomplete", "output": [], "incomplete_details": details}
    got = answer([{"type": "response.incomplete", "response": response}])
    assert got.completion["choices"][0]["finish_reason"] == "length"
    assert got.reported == {"incomplete_details.reason"}
