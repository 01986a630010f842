"""Random answers of random Responses servers: always a legal Chat stream that says the same."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from responses_asgi.errors import UpstreamError
from tests.chat_machine import answer, answer_to_bytes, checked, translator
from tests.examples import examples
from tests.responses_answers import PLAIN, Item, ResponsesAnswer, Style, answers, streams, styles

JSON = dict[str, Any]

ASKED: JSON = {"stream": True, "stream_options": {"include_usage": True}}


@st.composite
def sent(draw: st.DrawFn) -> tuple[ResponsesAnswer, Style, list[JSON]]:
    said, style = draw(answers), draw(styles())
    return said, style, draw(streams(said, style))


@examples(300)
@given(sent())
def test_a_stream_is_legal_and_says_the_same(case: tuple[ResponsesAnswer, Style, list[JSON]]) -> None:
    said, _, events = case
    assert answer(events).facts == said.facts


@given(answers, st.data())
def test_a_whole_answer_is_the_fold_of_the_streamed_one(said: ResponsesAnswer, data: st.DataObject) -> None:
    events = data.draw(streams(said, PLAIN))
    assert answer([events[-1]["response"]]).completion == answer(events).completion


@given(sent(), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 40))
def test_bytes_cut_anywhere_give_the_same_chunks(
    case: tuple[ResponsesAnswer, Style, list[JSON]], newline: str, block: int
) -> None:
    events = case[2]
    frames = [f": hi{newline}data: {json.dumps(event, ensure_ascii=False)}{newline * 2}" for event in events]
    assert answer_to_bytes("".join(frames).encode(), ASKED, block=block).chunks == answer(events).chunks


@given(sent(), st.sampled_from(["fail", "error event", "error alone", "failed", "cut"]))
def test_a_fault_after_any_event_ends_the_stream_legally(
    case: tuple[ResponsesAnswer, Style, list[JSON]], fault: str
) -> None:
    said, _, events = case
    faults: dict[str, list[JSON]] = {
        "error event": [{"type": "error", "code": "c", "message": "gone"}],
        "error alone": [{"error": {"message": "gone"}}],
        "failed": [
            {"type": "response.failed", "response": {"status": "failed", "error": {"message": "gone"}}}
        ],
        "cut": [],
    }
    for length in range(len(events)):
        before = events[:length]
        if fault == "fail":
            machine = translator(ASKED)
            made = [chunk for event in before for chunk in machine.feed(event)]
            got = checked(machine, [*made, *machine.fail(UpstreamError("gone", status=502))], usage=True)
        else:
            got = answer([*before, *faults[fault]])
        assert got.failure is not None
        if fault != "cut":
            assert got.completion["error"]["message"] == "gone"
        message = got.said["choices"][0]["message"] if got.said else {}
        assert said.facts.text.startswith(message.get("content") or "")
        assert said.facts.reasoning.startswith(message.get("reasoning_content") or "")
        assert said.facts.refusal.startswith(message.get("refusal") or "")


@given(
    st.lists(st.text("abc", min_size=1, max_size=8), min_size=1, max_size=2),
    st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3),
    styles(),
    st.data(),
)
def test_a_stop_sequence_cuts_the_text_wherever_it_comes(
    texts: list[str], stops: list[str], style: Style, data: st.DataObject
) -> None:
    said = ResponsesAnswer(tuple(Item("text", (text,)) for text in texts), None, None)
    got = answer(data.draw(streams(said, style)), {"stop": stops})
    assert got.facts.text == stopped(said.facts.text, stops)
    assert got.facts.status == "stop"


def stopped(text: str, stops: list[str]) -> str:
    """What a model says that is stopped as soon as a stop sequence is complete."""
    for length in range(len(text)):
        so_far = text[: length + 1]
        starts = [len(so_far) - len(stop) for stop in stops if so_far.endswith(stop)]
        if starts:
            return text[: min(starts)]
    return text


@given(st.lists(sent(), min_size=2, max_size=3), st.data())
def test_several_answers_are_as_many_choices(
    cases: list[tuple[ResponsesAnswer, Style, list[JSON]]], data: st.DataObject
) -> None:
    """`n` calls of the upstream, whose events come in any order between them."""
    machine = translator({**ASKED, "n": len(cases)})
    waiting = {number: list(events) for number, (_, _, events) in enumerate(cases)}
    made = machine.start()
    while waiting:
        number = data.draw(st.sampled_from(sorted(waiting)))
        made += machine.feed(waiting[number].pop(0), number)
        if not waiting[number]:
            del waiting[number]
    got = checked(machine, [*made, *machine.finish(marker=False)], usage=True)
    for choice, (_, _, events) in zip(got.completion["choices"], cases, strict=True):
        assert [{**choice, "index": 0}] == answer(events).completion["choices"]
    known = [said.usage for said, _, _ in cases if said.usage]
    assert got.facts.usage == (tuple(map(sum, zip(*known, strict=True))) if known else None)


# Events that follow no documented form: every known field with any value.

numbers = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers(-3, 3) | numbers | st.text(max_size=4)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "id", "message", "error"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def mostly(form: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Usually in this form, else anything at all."""
    return form | form | form | junk


def loose(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[JSON]:
    """An object that may have each of these fields, in its form or in another."""
    return st.fixed_dictionaries({}, optional={name: mostly(form) for name, form in fields.items()})


short = st.text(max_size=4)
index = st.integers(-1, 2)
annotations = loose(type=st.sampled_from(["url_citation", "file_path"]), url=short)
scores = loose(token=short, logprob=numbers, bytes=junk, top_logprobs=st.lists(junk, max_size=1))
parts = loose(
    type=st.sampled_from(["output_text", "refusal", "reasoning_text", "summary_text"]),
    text=short,
    refusal=short,
    annotations=st.lists(mostly(annotations), max_size=2),
    logprobs=st.lists(mostly(scores), max_size=2),
)
items = loose(
    type=st.sampled_from(
        ["message", "reasoning", "function_call", "custom_tool_call", "web_search_call", "shell_call"]
    ),
    id=short,
    call_id=short,
    name=short,
    namespace=short,
    arguments=short,
    input=short,
    content=st.lists(mostly(parts), max_size=2),
    summary=st.lists(mostly(parts), max_size=2),
    status=short,
)
usages = loose(input_tokens=index, output_tokens=numbers, input_tokens_details=junk)
responses = loose(
    status=st.sampled_from(["completed", "incomplete", "in_progress"]),
    model=short,
    output=st.lists(mostly(items), max_size=3),
    usage=usages,
    incomplete_details=loose(reason=short),
    service_tier=short,
    moderation=junk,
    choices=junk,
)
families = st.sampled_from(
    [
        "output_text",
        "refusal",
        "reasoning_text",
        "reasoning_summary_text",
        "function_call_arguments",
        "custom_tool_call_input",
        "output_item",
        "output_text.annotation",
        "web_search_call",
    ]
)
steps = st.sampled_from(["added", "delta", "done"])
wild_events = loose(
    type=st.builds("response.{}.{}".format, families, steps)
    | st.sampled_from(["response.created", "response.completed", "response.incomplete", "keepalive"]),
    response=responses,
    item=items,
    item_id=short,
    output_index=index,
    content_index=index,
    summary_index=index,
    delta=short,
    text=short,
    refusal=short,
    arguments=short,
    input=short,
    annotation=annotations,
    logprobs=st.lists(mostly(scores), max_size=2),
    object=st.just("response"),
    error=st.none(),
)


@examples(400)
@example([{"type": "response.incomplete", "response": {"incomplete_details": {"reason": []}}}], {})
@example([{"object": "response", "status": "completed", "output": [{"type": []}]}], {})
@example(
    [
        {
            "object": "response",
            "status": "completed",
            "output": [{"type": "shell_call", "call_id": []}, {"type": "shell_call_output", "call_id": [1]}],
        }
    ],
    {},
)
@given(
    st.lists(wild_events, max_size=6),
    st.sampled_from([{}, {"stop": ["a"]}, {"functions": [{"name": "f"}]}, {"stream_options": None}]),
)
def test_no_event_is_so_wild_that_the_stream_breaks(events: list[JSON], body: JSON) -> None:
    answer(events, body)
