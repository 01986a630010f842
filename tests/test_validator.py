"""assert_valid_stream: one good stream, and for every rule a change of it that breaks this rule first."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from responses_asgi.testing import RULES, InvalidStream, assert_valid_stream
from responses_asgi.types.events import StreamEvent

JSON = dict[str, Any]
Events = list[JSON]

USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 18,
}
CITATION = {"type": "url_citation", "url": "https://a.test", "title": "A", "start_index": 0, "end_index": 2}
SCORES = [{"token": "lo", "logprob": -0.5, "bytes": [], "top_logprobs": []}]


def response(status: str, **fields: Any) -> JSON:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": status,
        "model": "m",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        **fields,
    }


def text_part(where: str, kind: str, event: str, text: str, *, place: JSON) -> Events:
    """A part that says its text in one delta."""
    frame = "response.reasoning_summary_part" if where == "summary" else "response.content_part"
    field = "refusal" if kind == "refusal" else "text"
    return [
        {"type": f"{frame}.added", **place, "part": {"type": kind, field: ""}},
        {"type": f"{event}.delta", **place, "delta": text},
        {"type": f"{event}.done", **place, field: text},
        {"type": f"{frame}.done", **place, "part": {"type": kind, field: text}},
    ]


def reasoning(index: int) -> Events:
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "status": "in_progress"}
    place = {"item_id": "rs_1", "output_index": index}
    done = {
        **item,
        "summary": [{"type": "summary_text", "text": "short"}],
        "content": [{"type": "reasoning_text", "text": "hm"}],
        "status": "completed",
    }
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        *text_part(
            "summary",
            "summary_text",
            "response.reasoning_summary_text",
            "short",
            place={**place, "summary_index": 0},
        ),
        *text_part(
            "content", "reasoning_text", "response.reasoning_text", "hm", place={**place, "content_index": 0}
        ),
        {"type": "response.output_item.done", "output_index": index, "item": done},
    ]


def message(index: int, *, status: str = "completed") -> Events:
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "status": "in_progress"}
    place = {"item_id": "msg_1", "output_index": index}
    first = {**place, "content_index": 0}
    blank = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    part = {**blank, "text": "Hello", "annotations": [CITATION], "logprobs": SCORES}
    refusal = {"type": "refusal", "refusal": "No."}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        {"type": "response.content_part.added", **first, "part": blank},
        {"type": "response.output_text.delta", **first, "delta": "Hel", "logprobs": []},
        {"type": "response.output_text.delta", **first, "delta": "lo", "logprobs": SCORES},
        {
            "type": "response.output_text.annotation.added",
            **first,
            "annotation_index": 0,
            "annotation": CITATION,
        },
        {"type": "response.output_text.done", **first, "text": "Hello", "logprobs": SCORES},
        {"type": "response.content_part.done", **first, "part": part},
        *text_part("content", "refusal", "response.refusal", "No.", place={**place, "content_index": 1}),
        {
            "type": "response.output_item.done",
            "output_index": index,
            "item": {**item, "content": [part, refusal], "status": status},
        },
    ]


def call(index: int, number: int, pieces: list[str], *, custom: bool = False) -> Events:
    kind, field, event = (
        ("custom_tool_call", "input", "response.custom_tool_call_input")
        if custom
        else ("function_call", "arguments", "response.function_call_arguments")
    )
    own = f"fc_{number}"
    item = {
        "id": own,
        "type": kind,
        "call_id": f"call_{number}",
        "name": "f",
        field: "",
        "status": "in_progress",
    }
    place = {"item_id": own, "output_index": index}
    said = "".join(pieces) or "{}"
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        *({"type": f"{event}.delta", **place, "delta": piece} for piece in pieces),
        {"type": f"{event}.done", **place, field: said},
        {
            "type": "response.output_item.done",
            "output_index": index,
            "item": {**item, field: said, "status": "completed"},
        },
    ]


def vendor_item(index: int) -> Events:
    place = {"item_id": "x_1", "output_index": index}
    item = {"id": "x_1", "type": "acme:search", "query": "q"}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item},
        {"type": "acme:search.progress", **place, "percent": 50},
        {"type": "response.output_item.done", "output_index": index, "item": {**item, "query": "q2"}},
    ]


def numbered(events: Events) -> Events:
    events = [deepcopy(event) for event in events]
    for number, event in enumerate(events):
        event["sequence_number"] = number
    return events


def stream(*body: Events, status: str = "completed", **fields: Any) -> Events:
    """A whole stream around the events of its items."""
    events = [event for events in body for event in events]
    done = {e["output_index"]: e["item"] for e in events if e["type"] == "response.output_item.done"}
    final = response(status, output=[done[i] for i in sorted(done)], **{"usage": USAGE, **fields})
    return numbered(
        [
            {"type": "response.created", "response": response("in_progress")},
            {"type": "response.in_progress", "response": response("in_progress")},
            *events,
            {"type": f"response.{status}", "response": final},
        ]
    )


def good() -> Events:
    """Every kind of item; the two function calls interleave; an event and an item nobody knows."""
    first, second = call(2, 1, ['{"a"', ":1}"]), call(3, 2, [])
    both = [first[0], second[0], *first[1:3], second[1], first[3], *second[2:], first[4]]
    return stream(
        reasoning(0),
        message(1),
        [{"type": "keepalive"}],
        both,
        call(4, 3, ["*** patch"], custom=True),
        vendor_item(5),
    )


ERROR = {"type": "server_error", "code": "server_error", "message": "broke", "param": None}


def failed() -> Events:
    events = stream(message(0, status="incomplete"), status="failed", error=ERROR)
    flat = {key: ERROR[key] for key in ("code", "message", "param")}
    return numbered([*events[:-1], {"type": "error", **flat, "error": ERROR}, events[-1]])


def incomplete() -> Events:
    return stream(
        message(0, status="incomplete"),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    )


def wire(events: Events, *, newline: str = "\n") -> bytes:
    blocks = (f"event: {e['type']}{newline}data: {json.dumps(e)}{newline}{newline}" for e in events)
    return "".join(blocks).encode()


def at(events: Events, kind: str, nth: int = 0) -> int:
    return [i for i, event in enumerate(events) if event["type"] == kind][nth]


def event(events: Events, kind: str, nth: int = 0) -> JSON:
    return events[at(events, kind, nth)]


# What a legal stream may look like


@pytest.mark.parametrize("make", [good, failed, incomplete])
def test_a_legal_stream_passes_in_every_form(make: Callable[[], Events]) -> None:
    events = make()
    final = events[-1]["response"]
    assert assert_valid_stream(events) == final
    assert assert_valid_stream([StreamEvent(e["type"], json.dumps(e).encode()) for e in events]) == final
    text = wire(events)
    assert assert_valid_stream(text) == final
    assert assert_valid_stream(text.decode()) == final
    assert assert_valid_stream([text[:17], text[17:]]) == final
    assert assert_valid_stream(b": hi\n\n" + wire(events, newline="\r\n") + b"data: [DONE]\n\n") == final


def test_an_answer_that_says_nothing_is_legal() -> None:
    assert assert_valid_stream(stream(usage=None))["output"] == []


def test_blank_lines_between_events_and_an_error_without_a_code_are_legal() -> None:
    events = failed()
    error = event(events, "error")
    error["code"] = error["error"]["code"] = None
    assert_valid_stream(wire(events).replace(b"\n\n", b"\n\n\n"))


def test_queued_may_come_before_in_progress() -> None:
    events = stream(message(0))
    events.insert(1, {"type": "response.queued", "response": response("queued")})
    assert_valid_stream(numbered(events))


def test_open_responses_names_raw_reasoning_differently_and_ends_with_the_marker() -> None:
    text = wire(good()).replace(b"response.reasoning_text.", b"response.reasoning.")
    assert_valid_stream(text + b"data: [DONE]\n\n", dialect="openresponses")
    with pytest.raises(InvalidStream, match=r"^done-marker"):
        assert_valid_stream(text, dialect="openresponses")


def test_a_message_may_open_beside_a_call_whose_arguments_are_cut() -> None:
    cut, said = call(0, 1, ['{"a']), message(1)
    assert_valid_stream(stream(cut[:2], said, cut[2:]))
    free, said = call(0, 1, ["free text"], custom=True), message(1)
    assert_valid_stream(stream(free[:2], said, free[2:]))


def test_items_of_unknown_type_may_stay_open_beside_a_call() -> None:
    hosted = vendor_item(0)
    hosted[0]["item"]["type"] = hosted[2]["item"]["type"] = "acme_call"
    assert_valid_stream(stream(hosted[:1], call(1, 1, []), hosted[1:]))


def test_encrypted_reasoning_needs_no_text() -> None:
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    assert_valid_stream(
        stream(
            [
                {"type": "response.output_item.added", "output_index": 0, "item": item},
                {"type": "response.output_item.done", "output_index": 0, "item": item},
            ]
        )
    )


def test_an_mcp_call_lives_by_its_own_order() -> None:
    item = {"id": "mcp_1", "type": "mcp_call", "name": "t", "arguments": "", "server_label": "s"}
    place = {"item_id": "mcp_1", "output_index": 0}
    done = {**item, "arguments": "{}", "output": "ok"}
    assert_valid_stream(
        stream(
            [
                {"type": "response.output_item.added", "output_index": 0, "item": item},
                {"type": "response.mcp_call.in_progress", **place},
                {"type": "response.mcp_call_arguments.delta", **place, "delta": "{}"},
                {"type": "response.mcp_call_arguments.done", **place, "arguments": "{}"},
                {"type": "response.mcp_call.completed", **place},
                {"type": "response.output_item.done", "output_index": 0, "item": done},
            ]
        )
    )


def acts() -> Events:
    """Calls that are actions of the client: two commands, a patch whose diff is streamed, a search."""
    command, diff = "response.shell_call_command", "response.apply_patch_call_operation_diff"
    action = {"commands": [], "timeout_ms": None, "max_output_length": None}
    shell = {"id": "sh_1", "type": "shell_call", "call_id": "a", "action": action, "status": "in_progress"}
    patch = {"id": "apc_1", "type": "apply_patch_call", "call_id": "b", "operation": {"diff": ""}}
    search = {"id": "tsc_1", "type": "tool_search_call", "call_id": "c", "arguments": {}}
    place = {"item_id": "apc_1", "output_index": 1}
    said = {**shell, "action": {**action, "commands": ["ls", ""]}, "status": "completed"}
    return stream(
        [
            {"type": ADDED, "output_index": 0, "item": shell},
            {"type": f"{command}.added", "output_index": 0, "command_index": 0, "command": ""},
            {"type": f"{command}.delta", "output_index": 0, "command_index": 0, "delta": "l"},
            {"type": f"{command}.delta", "output_index": 0, "command_index": 0, "delta": "s"},
            {"type": f"{command}.done", "output_index": 0, "command_index": 0, "command": "ls"},
            {"type": f"{command}.added", "output_index": 0, "command_index": 1, "command": ""},
            {"type": f"{command}.done", "output_index": 0, "command_index": 1, "command": ""},
            {"type": DONE, "output_index": 0, "item": said},
            {"type": ADDED, "output_index": 1, "item": patch},
            {"type": f"{diff}.delta", **place, "delta": "+a"},
            {"type": f"{diff}.done", **place, "diff": "+a"},
            {"type": DONE, "output_index": 1, "item": {**patch, "operation": {"diff": "+a"}}},
            {"type": ADDED, "output_index": 2, "item": search},
            {"type": DONE, "output_index": 2, "item": {**search, "arguments": {"q": 1}}},
        ]
    )


def test_actions_live_by_their_own_orders() -> None:
    assert_valid_stream(acts())


def test_the_message_names_rule_event_and_what_was_expected() -> None:
    events = good()
    events[7]["sequence_number"] = 9
    with pytest.raises(InvalidStream) as caught:
        assert_valid_stream(events)
    assert caught.value.rule == "sequence-number"
    assert caught.value.number == 7
    assert "event 7 (response.content_part.added): sequence_number: got 9, expected 7" in str(caught.value)


def test_long_values_are_cut_in_the_message() -> None:
    events = good()
    event(events, "response.output_text.done")["text"] = "x" * 5_000
    with pytest.raises(InvalidStream, match=r"\.\.\. \(5002 characters\)") as caught:
        assert_valid_stream(events)
    assert len(str(caught.value)) < 1_000


# What breaks each rule. A case changes a good stream in place, or returns the changed one.

Change = Callable[[Events], "Events | bytes | None"]


def put(kind: str, nth: int = 0, **fields: Any) -> Change:
    """Set fields of the nth event of a kind."""
    return lambda events: event(events, kind, nth).update(fields)


def put_in(kind: str, field: str, nth: int = 0, **fields: Any) -> Change:
    """Set fields of an object inside the nth event of a kind."""
    return lambda events: event(events, kind, nth)[field].update(fields)


def drop(kind: str, nth: int = 0) -> Change:
    return lambda events: numbered([e for i, e in enumerate(events) if i != at(events, kind, nth)])


def lose(kind: str, *path: str, nth: int = 0) -> Change:
    """Remove one field of the nth event of a kind."""

    def change(events: Events) -> None:
        home = event(events, kind, nth)
        for name in path[:-1]:
            home = home[name]
        del home[path[-1]]

    return change


def double(kind: str, nth: int = 0) -> Change:
    def change(events: Events) -> Events:
        place = at(events, kind, nth)
        return numbered([*events[: place + 1], *events[place:]])

    return change


def swap(kind: str, nth: int = 0) -> Change:
    """Exchange an event with the one after it."""

    def change(events: Events) -> Events:
        place = at(events, kind, nth)
        events[place : place + 2] = reversed(events[place : place + 2])
        return numbered(events)

    return change


def last(**fields: Any) -> Change:
    return lambda events: events[-1]["response"].update(fields)


def as_bytes(change: Callable[[bytes], bytes]) -> Change:
    return lambda events: change(wire(events))


def built(make: Callable[[], Events]) -> Change:
    """A stream of its own in place of the good one."""
    return lambda _: make()


def late_item_after_incomplete() -> Events:
    return stream(
        message(0, status="incomplete"),
        call(1, 1, []),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    )


def empty_message() -> Events:
    said = message(0)
    said[-1]["item"]["content"] = []
    return stream([said[0], said[-1]])


def empty_reasoning() -> Events:
    said = reasoning(0)
    said[-1]["item"].update(summary=[], content=[])
    return stream([said[0], said[-1]])


def two_messages_at_once() -> Events:
    one, two = message(0), message(1)
    two = json.loads(json.dumps(two).replace("msg_1", "msg_2"))
    return stream(one[:1], two[:1], one[1:], two[1:])


def text_beside_whole_call() -> Events:
    whole = call(0, 1, ['{"a":1}'])
    return stream(whole[:2], message(1), whole[2:])


ADDED, DONE = "response.output_item.added", "response.output_item.done"
DELTA, TEXT_DONE = "response.output_text.delta", "response.output_text.done"
PART_ADDED, PART_DONE = "response.content_part.added", "response.content_part.done"
ARGUMENTS = "response.function_call_arguments"
COMMAND = "response.shell_call_command"
COMPLETED = "response.completed"

CASES: list[tuple[str, Callable[[], Events], Change]] = [
    ("shape", good, put("response.output_text.delta", logprobs=True)),
    ("shape", good, put("response.output_item.added", item={"id": "x", "type": ["message"]})),
    ("utf-8", good, as_bytes(lambda text: text.replace(b"Hello", b"Hell\xff"))),
    ("sse-form", good, as_bytes(lambda text: text.replace(b"event: keepalive\n", b""))),
    (
        "sse-form",
        good,
        as_bytes(lambda text: text.replace(b"event: keepalive\n", b": c\nevent: keepalive\n")),
    ),
    ("sse-form", good, as_bytes(lambda text: text.replace(b'"Hel"', b'\ndata: "Hel"'))),
    ("sse-form", good, as_bytes(lambda text: text[:-1])),
    ("json", good, as_bytes(lambda text: text.replace(b'data: {"type": "keepalive"', b'data: {"type": '))),
    ("json", good, as_bytes(lambda text: text + b"event: x\ndata: []\n\n")),
    ("event-name", good, as_bytes(lambda text: text.replace(b"event: keepalive", b"event: ping"))),
    ("event-name", good, lambda events: [StreamEvent("ping", json.dumps(events[0]).encode())]),
    ("done-marker", good, as_bytes(lambda text: text + b"data: [DONE]\n\n" * 2)),
    ("done-marker", good, as_bytes(lambda text: text + b"data: [DONE]\n\nevent: x\ndata: {}\n\n")),
    ("done-marker", good, as_bytes(lambda text: text[:2000].rpartition(b"event:")[0] + b"data: [DONE]\n\n")),
    ("event-type", good, lose("keepalive", "type")),
    ("event-type", good, put("keepalive", type=3)),
    ("sequence-number", good, put("keepalive", sequence_number=None)),
    (
        "sequence-number",
        good,
        lambda events: [{**e, "sequence_number": e["sequence_number"] + 1} for e in events],
    ),
    ("sequence-number", good, put("response.in_progress", sequence_number=True)),
    ("response-order", good, drop("response.created")),
    ("response-order", good, drop("response.in_progress")),
    ("response-order", good, double("response.created")),
    ("response-order", good, lambda events: numbered([{"type": "keepalive"}, *events])),
    ("response-order", failed, double("error")),
    ("after-terminal", good, double(COMPLETED)),
    ("after-terminal", good, lambda events: numbered([*events, {"type": "keepalive"}])),
    ("no-terminal", good, drop(COMPLETED)),
    ("no-terminal", good, lambda _: []),
    ("no-terminal", failed, drop("response.failed")),
    ("response-id", good, last(id="resp_2")),
    ("response-id", good, put_in("response.created", "response", id="")),
    ("response-fields", good, put("response.created", response=None)),
    ("response-fields", good, last(object="chat.completion")),
    ("response-fields", good, last(tools=None)),
    ("response-fields", good, lose(COMPLETED, "response", "model")),
    ("created-at", good, put_in("response.created", "response", created_at=1.5)),
    ("created-at", good, last(created_at=1)),
    ("status", good, last(status="in_progress")),
    ("status", good, put_in("response.created", "response", status="completed")),
    ("status", good, put_in("response.in_progress", "response", status="queued")),
    ("early-output", good, put_in("response.created", "response", output=[{"type": "message"}])),
    ("usage", good, put_in("response.created", "response", usage=USAGE)),
    ("usage", good, last(usage={**USAGE, "total_tokens": 18.0})),
    ("usage", good, last(usage={**USAGE, "output_tokens_details": None})),
    ("usage", good, last(usage={**USAGE, "input_tokens_details": {}})),
    ("error-field", good, last(error=ERROR)),
    ("error-field", failed, last(error=None)),
    ("error-field", failed, last(error={**ERROR, "code": None})),
    ("incomplete-details", good, last(incomplete_details={"reason": "content_filter"})),
    ("incomplete-details", incomplete, last(incomplete_details=None)),
    ("incomplete-details", incomplete, last(incomplete_details={"reason": ""})),
    ("error-event", failed, drop("error")),
    ("error-event", failed, put("error", error=None)),
    ("error-event", failed, put_in("error", "error", type=None)),
    ("error-event", failed, put_in("error", "error", message=None)),
    ("error-event", failed, put("error", message="another")),
    ("error-event", failed, lose("error", "param")),
    ("error-event", failed, last(error={**ERROR, "message": "another"})),
    ("error-event", failed, last(error={**ERROR, "code": "another"})),
    ("terminal-output", good, lambda events: events[-1]["response"]["output"].pop()),
    ("terminal-output", good, lambda events: events[-1]["response"]["output"].reverse()),
    ("terminal-output", good, lambda events: events[-1]["response"]["output"][1].update(phase="final")),
    ("never-done", good, drop(DONE, 5)),
    ("dialect", good, lambda events: json.loads(json.dumps(events).replace("reasoning_text.", "reasoning."))),
    ("output-index", good, put(ADDED, 1, output_index=2)),
    ("output-index", good, put(ADDED, 0, output_index=1)),
    ("output-index", good, put(DELTA, output_index=None)),
    ("output-index", good, lose(DELTA, "output_index")),
    ("item-unannounced", good, drop(ADDED, 5)),
    ("item-unannounced", good, put(DELTA, output_index=7)),
    ("item-unannounced", good, put(DELTA, output_index=-1)),
    ("item-closed", good, double(DONE, 1)),
    ("item-closed", good, put("acme:search.progress", output_index=1)),
    ("item-order", good, drop(PART_ADDED)),
    ("item-order", good, drop(TEXT_DONE)),
    ("item-order", good, drop(PART_DONE)),
    ("item-order", good, swap(TEXT_DONE)),
    ("item-order", good, double(PART_ADDED)),
    ("item-order", good, drop(f"{ARGUMENTS}.done")),
    ("item-order", good, swap("response.custom_tool_call_input.done")),
    ("item-order", good, drop("response.reasoning_summary_part.added")),
    ("item-order", good, put(DELTA, type=f"{ARGUMENTS}.delta")),
    ("item-id", good, put(DELTA, 1, item_id="msg_2")),
    ("item-id", good, lose(DELTA, "item_id")),
    ("item-id", good, put_in(ADDED, "item", 1, id="rs_1")),
    ("item-id", good, put_in(ADDED, "item", 1, id=None)),
    ("item-id", good, put_in(DONE, "item", 1, id="msg_2")),
    ("item-identity", good, put_in(DONE, "item", 1, type="reasoning")),
    ("item-identity", good, put_in(DONE, "item", 2, name="g")),
    ("item-identity", good, put_in(DONE, "item", 2, call_id="call_9")),
    ("item-identity", good, put(ADDED, item=None)),
    ("item-identity", good, lose(ADDED, "item", "type")),
    ("item-status", good, put_in(DONE, "item", 1, status="in_progress")),
    ("item-status", incomplete, built(lambda: stream(message(0, status="incomplete")))),
    ("call-id", good, put_in(ADDED, "item", 3, call_id="call_1")),
    ("call-id", good, put_in(ADDED, "item", 3, call_id=None)),
    ("call-id", good, put_in(ADDED, "item", 3, name="")),
    ("zero-values", good, put_in(ADDED, "item", 0, summary=[{"type": "summary_text", "text": "x"}])),
    ("zero-values", good, put_in(ADDED, "item", 0, content=[{"type": "reasoning_text", "text": "x"}])),
    ("zero-values", good, lose(ADDED, "item", "content", nth=1)),
    ("zero-values", good, put_in(ADDED, "item", 2, arguments="{}")),
    ("zero-values", good, put_in(ADDED, "item", 1, status="completed")),
    ("zero-values", good, put_in(PART_ADDED, "part", 1, text="H")),
    ("zero-values", good, put_in(PART_ADDED, "part", 1, annotations=None)),
    ("zero-values", good, lose(PART_ADDED, "part", "annotations", nth=1)),
    ("phantom-item", good, built(empty_message)),
    ("phantom-item", good, built(empty_reasoning)),
    ("interleaving", good, built(two_messages_at_once)),
    ("interleaving", good, built(text_beside_whole_call)),
    ("after-incomplete", incomplete, built(late_item_after_incomplete)),
    ("part-index", good, put(PART_ADDED, 1, content_index=1)),
    ("part-index", good, put(DELTA, content_index=1)),
    ("part-index", good, put(TEXT_DONE, content_index=None)),
    ("part-index", good, put(PART_DONE, 1, content_index=1)),
    ("part-index", good, lose("response.reasoning_summary_text.delta", "summary_index")),
    ("part-type", good, put(PART_ADDED, part=None)),
    ("part-type", good, put_in(PART_ADDED, "part", 1, type="reasoning_text")),
    ("part-type", good, put(DELTA, type="response.refusal.delta")),
    ("annotation-index", good, put("response.output_text.annotation.added", annotation_index=1)),
    ("empty-delta", good, put(DELTA, delta="")),
    ("empty-delta", good, put(f"{ARGUMENTS}.delta", delta=None)),
    ("text", good, put(TEXT_DONE, text="Hell")),
    ("text", good, put(DELTA, delta="Hal")),
    ("text", good, put("response.refusal.done", refusal="Yes.")),
    ("text", good, put("response.reasoning_text.done", text="")),
    ("text", good, put("response.reasoning_summary_text.done", text="s")),
    ("arguments", good, put(f"{ARGUMENTS}.done", 1, arguments='{"a":2}')),
    ("arguments", good, put(f"{ARGUMENTS}.done", arguments="[]")),
    ("arguments", good, put("response.custom_tool_call_input.done", input="{}")),
    ("item-order", acts, drop(f"{COMMAND}.added")),
    ("item-order", acts, drop(f"{COMMAND}.done")),
    ("part-index", acts, put(f"{COMMAND}.added", 1, command_index=2)),
    ("part-index", acts, put(f"{COMMAND}.delta", command_index=1)),
    ("part-index", acts, put(f"{COMMAND}.done", command_index=1)),
    ("zero-values", acts, put(f"{COMMAND}.added", command="l")),
    ("empty-delta", acts, put(f"{COMMAND}.delta", delta="")),
    ("text", acts, put(f"{COMMAND}.done", command="pwd")),
    ("item-done", acts, put_in(DONE, "item", action={"commands": ["ls"]})),
    ("call-id", acts, put_in(ADDED, "item", 1, call_id="a")),
    ("call-id", acts, put_in(ADDED, "item", call_id=None)),
    ("item-id", acts, put("response.apply_patch_call_operation_diff.delta", item_id="sh_1")),
    ("part-done", good, put_in(PART_DONE, "part", 1, text="Hell")),
    ("part-done", good, put_in(PART_DONE, "part", 1, type="refusal")),
    ("part-done", good, put_in(PART_DONE, "part", 1, annotations=[])),
    ("part-done", good, put_in(PART_DONE, "part", 1, logprobs=[])),
    ("part-done", good, put(PART_DONE, part=None)),
    ("item-done", good, put(DONE, item=None)),
    ("item-done", good, lambda events: event(events, DONE, 1)["item"]["content"].pop()),
    ("item-done", good, put_in(DONE, "item", 0, content=None)),
    ("item-done", good, put_in(DONE, "item", 2, arguments="")),
    ("item-done", good, put_in(DONE, "item", 4, input="")),
]


@pytest.mark.parametrize(("rule", "make", "change"), CASES)
def test_a_broken_rule_is_named(rule: str, make: Callable[[], Events], change: Change) -> None:
    events = make()
    changed = change(events)
    with pytest.raises(InvalidStream, match=f"^{rule}: "):
        assert_valid_stream(changed if isinstance(changed, list | bytes) else events)


def test_every_rule_has_a_case_that_breaks_it() -> None:
    assert {rule for rule, _, _ in CASES} == set(RULES)
