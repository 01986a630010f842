"""fold: the response object rebuilt from its events, also when they break off or come from elsewhere."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from responses_asgi.translate.snapshot import fold

JSON = dict[str, Any]

CREATED = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}}


def added(item: JSON, index: int = 0) -> JSON:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def output(*events: JSON) -> list[JSON]:
    result: list[JSON] = fold([CREATED, *events])["output"]
    return result


def test_nothing_folds_to_nothing() -> None:
    assert fold([]) == {}
    assert fold([{"type": "keepalive"}]) == {}


def test_fields_come_from_the_newest_lifecycle_event_and_output_from_the_items() -> None:
    done = {"type": "acme:thing", "id": "x", "n": 2}
    folded = fold(
        [
            CREATED,
            added({"type": "acme:thing", "id": "x"}),
            {"type": "response.output_item.done", "output_index": 0, "item": done},
            {
                "type": "response.completed",
                "response": {"id": "resp_1", "status": "completed", "output": ["?"]},
            },
        ]
    )
    assert folded == {"id": "resp_1", "status": "completed", "output": [done]}


@pytest.mark.parametrize(
    ("family", "where", "name", "kind", "field"),
    [
        ("response.output_text", "content", "content_index", "output_text", "text"),
        ("response.refusal", "content", "content_index", "refusal", "refusal"),
        ("response.reasoning_text", "content", "content_index", "reasoning_text", "text"),
        ("response.reasoning", "content", "content_index", "reasoning_text", "text"),
        ("response.reasoning_summary_text", "summary", "summary_index", "summary_text", "text"),
    ],
)
def test_parts_grow_by_deltas_and_done_values_replace_them(
    family: str, where: str, name: str, kind: str, field: str
) -> None:
    frame = "response.reasoning_summary_part" if where == "summary" else "response.content_part"
    place = {"output_index": 0, name: 0}
    events = [
        added({"type": "message", where: []}),
        {"type": f"{frame}.added", **place, "part": {"type": kind, field: ""}},
        {"type": f"{family}.delta", **place, "delta": "a"},
        {"type": f"{family}.delta", **place, "delta": "b"},
    ]
    before = deepcopy(events)
    assert output(*events) == [{"type": "message", where: [{"type": kind, field: "ab"}]}]
    events.append({"type": f"{family}.done", **place, field: "abc"})
    assert output(*events) == [{"type": "message", where: [{"type": kind, field: "abc"}]}]
    events.append({"type": f"{frame}.done", **place, "part": {"type": kind, field: "d", "more": 1}})
    assert output(*events) == [{"type": "message", where: [{"type": kind, field: "d", "more": 1}]}]
    assert events[: len(before)] == before, "the events are the caller's"


@pytest.mark.parametrize(
    ("family", "field"),
    [
        ("response.function_call_arguments", "arguments"),
        ("response.custom_tool_call_input", "input"),
        ("response.mcp_call_arguments", "arguments"),
        ("response.code_interpreter_call_code", "code"),
    ],
)
def test_calls_grow_by_deltas_and_the_done_value_replaces_them(family: str, field: str) -> None:
    delta = {"type": f"{family}.delta", "output_index": 0, "delta": "x"}
    assert output(added({field: ""}), delta, delta) == [{field: "xx"}]
    assert output(added({field: ""}), delta, {"type": f"{family}.done", "output_index": 0, field: "y"}) == [
        {field: "y"}
    ]
    done = {"type": "response.output_item.done", "output_index": 0, "item": {field: "z"}}
    assert output(added({field: ""}), delta, done) == [{field: "z"}]


def test_annotations_and_log_probabilities_are_collected() -> None:
    place = {"output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    note = {"type": "response.output_text.annotation.added", **place, "annotation_index": 0}
    assert output(
        added({"content": []}),
        {"type": "response.content_part.added", **place, "part": part},
        {"type": "response.output_text.delta", **place, "delta": "a", "logprobs": [{"token": "a"}]},
        {"type": "response.output_text.delta", **place, "delta": "b", "logprobs": [{"token": "b"}]},
        {**note, "annotation": {"url": "u"}},
        {**note, "annotation_index": 1, "annotation": None},
    ) == [
        {
            "content": [
                {
                    "type": "output_text",
                    "text": "ab",
                    "annotations": [{"url": "u"}],
                    "logprobs": [{"token": "a"}, {"token": "b"}],
                }
            ]
        }
    ]


def test_streams_from_elsewhere_fold_as_well_as_they_can() -> None:
    """Parts that nobody announced, missing indices, null items, events for unknown items."""
    assert output(
        added({"type": "message"}),
        {"type": "response.output_text.delta", "output_index": 0, "delta": "a"},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "b"},
        {"type": "response.output_item.added", "output_index": 1, "item": None},
        {"type": "response.output_text.delta", "output_index": 5, "delta": "?"},
        {"type": "response.acme.delta", "output_index": 0, "delta": "?"},
        {"type": "response.acme.done", "output_index": 0},
        {"type": "response.acme.added", "output_index": 0},
        {"type": "response.acme.stirred", "output_index": 0},
    ) == [{"type": "message", "content": [{"type": "output_text", "text": "ab"}]}]
