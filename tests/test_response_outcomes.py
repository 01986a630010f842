"""The table of outcomes holds, and it is complete: every property of both answer schemas has a row."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from responses_asgi.convert import (
    Converted,
    chat_stream_to_responses,
    completion_to_response,
    response_to_completion,
    responses_stream_to_chat,
)
from responses_asgi.errors import APIError
from responses_asgi.types.json import JSON
from tests.outcomes import MISSING, Carried, Failed, Idle, Lost, Row, find, properties, types
from tests.response_outcomes import (
    CALL,
    CHOICE,
    COMPLETION,
    EVENTS,
    ITEM,
    ITEM_FIELDS,
    ITEMS,
    MESSAGE,
    PARTS,
    RESPONSE,
    RESPONSE_USAGE,
    TEXT,
    TOOL_CALL,
    USAGE,
    WHOLE_ITEMS,
)

SPEC = Path(__file__).parents[2] / "shared" / "spec"


def named(rows: list[Row]) -> list[Any]:
    return [pytest.param(row, id=f"{row.name}-{type(row.outcome).__name__}") for row in rows]


def options() -> JSON:
    ids = itertools.count()
    return {"new_id": lambda prefix: f"{prefix}{next(ids)}", "now": lambda: 5}


def check(row: Row, convert: Callable[[JSON], Converted], answer: JSON, without: JSON) -> None:
    """The outcome of an answer with the row's value; `without` is the same answer that lacks it."""
    outcome = row.outcome
    if isinstance(outcome, Failed):
        with pytest.raises(APIError) as caught:
            convert(answer)
        assert caught.value.code == outcome.code
        return
    value, losses = convert(answer)
    if isinstance(outcome, Carried):
        assert find(value, outcome.place) == outcome.value
        assert losses == []
    elif isinstance(outcome, Lost):
        # The rows name the whole form; in a stream the same is told of a delta.
        told = [(loss.path.replace("[0].delta.", "[0].message."), loss.action) for loss in losses]
        assert outcome in told
        assert all(loss.reason for loss in losses)
    else:
        assert isinstance(outcome, Idle)
        assert (value, losses) == convert(without)


def placed(target: JSON, name: str, value: object) -> JSON:
    """The object with this property, whose name may have a dot."""
    outer, _, inner = name.partition(".")
    return {**target, outer: {**(target.get(outer) or {}), inner: value} if inner else value}


# Chat Completions -> Responses


def whole(completion: JSON) -> Converted:
    return completion_to_response(completion, **options())


def streamed(completion: JSON) -> Converted:
    """The same as chunks: one with the delta, one with the end."""
    said, ended = [], []
    for choice in completion["choices"]:
        rest = {name: value for name, value in choice.items() if name not in ("message", "delta")}
        said.append({**rest, "delta": choice.get("message", choice.get("delta")), "finish_reason": None})
        ended.append({"index": choice.get("index", 0), "delta": {}, "finish_reason": choice["finish_reason"]})
    fields = {name: value for name, value in completion.items() if name != "choices"}
    stream = chat_stream_to_responses([{"choices": said}, {**fields, "choices": ended}], **options())
    list(stream)
    if stream.error:
        raise stream.error
    return Converted(stream.value, stream.losses)


forms = pytest.mark.parametrize("convert", [whole, streamed])


def completion_of(choice: JSON) -> JSON:
    return {"choices": [{"index": 0, "finish_reason": "stop", **choice}]}


@forms
@pytest.mark.parametrize("row", named(COMPLETION))
def test_completion(row: Row, convert: Callable[[JSON], Converted]) -> None:
    base = completion_of({"message": TEXT})
    answer = {**base, row.name: row.value}
    answer["choices"] = [{"finish_reason": "stop", **choice} for choice in answer["choices"]]
    check(row, convert, answer, base)


@forms
@pytest.mark.parametrize("row", named(CHOICE))
def test_choice(row: Row, convert: Callable[[JSON], Converted]) -> None:
    base: JSON = (
        {"finish_reason": "stop"}
        if row.name in ("message", "delta")
        else completion_of({"message": TEXT})["choices"][0]
    )
    without = {name: value for name, value in base.items() if name != row.name}
    check(row, convert, {"choices": [placed(base, row.name, row.value)]}, {"choices": [without]})


@forms
@pytest.mark.parametrize("row", named(MESSAGE))
def test_message(row: Row, convert: Callable[[JSON], Converted]) -> None:
    without = {"content": "Hey"}
    check(
        row,
        convert,
        completion_of({"message": {**without, row.name: row.value}}),
        completion_of({"message": without}),
    )


@forms
@pytest.mark.parametrize("row", named(TOOL_CALL))
def test_tool_call(row: Row, convert: Callable[[JSON], Converted]) -> None:
    call = {**CALL, row.name: row.value, **(row.also or {})}
    without = {name: value for name, value in CALL.items() if name != row.name}
    check(
        row,
        convert,
        completion_of({"message": {"tool_calls": [call]}}),
        completion_of({"message": {"tool_calls": [without]}}),
    )


@forms
@pytest.mark.parametrize("row", named(USAGE))
def test_usage(row: Row, convert: Callable[[JSON], Converted]) -> None:
    base = {**completion_of({"message": TEXT}), "usage": {"prompt_tokens": 2, "completion_tokens": 3}}
    check(row, convert, {**base, "usage": placed(base["usage"], row.name, row.value)}, base)


# Responses -> Chat Completions


def completed(response: JSON) -> Converted:
    return response_to_completion(response, **options())


def response_of(*items: JSON, **fields: object) -> JSON:
    return {"object": "response", "status": "completed", "model": "m", "output": list(items), **fields}


@pytest.mark.parametrize("row", named(RESPONSE))
def test_response(row: Row) -> None:
    base = response_of(ITEM)
    without = {name: value for name, value in base.items() if name != row.name or name == "object"}
    check(row, completed, {**base, row.name: row.value, **(row.also or {})}, without)


@pytest.mark.parametrize("row", named(RESPONSE_USAGE))
def test_response_usage(row: Row) -> None:
    usage = placed({"input_tokens": 2, "output_tokens": 3}, row.name, row.value)
    check(row, completed, response_of(ITEM, usage=usage), response_of(ITEM))


@pytest.mark.parametrize("row", named(ITEMS))
def test_item(row: Row) -> None:
    check(row, completed, response_of({"type": row.name, **row.value}), response_of())


@pytest.mark.parametrize("row", named(ITEM_FIELDS))
def test_item_field(row: Row) -> None:
    kind, _, name = row.name.partition(".")
    item = WHOLE_ITEMS[kind]
    base = {
        key: value
        for key, value in item.items()
        if (kind, key) != ("reasoning", "content") or name != "summary"
    }
    check(row, completed, response_of({**base, name: row.value}), response_of(base))


@pytest.mark.parametrize("row", named(PARTS))
def test_part(row: Row) -> None:
    part = {"type": row.name.partition(".")[0], **row.value}
    home = {"reasoning_text": "content", "summary_text": "summary"}.get(part["type"])
    item = {"type": "reasoning", home: [part]} if home else {"type": "message", "content": [part]}
    check(row, completed, response_of(item), response_of())


def test_what_says_nothing_is_not_reported() -> None:
    item = {"type": "message", "phase": None, "mood": [], "content": [7, {"type": "whim", "text": "Hey"}]}
    completion, losses = completed(response_of(item))
    assert completion["choices"][0]["message"]["content"] == "Hey"
    assert losses == []


def events_of(row: Row, *, event: bool) -> list[JSON]:
    """The stream around the row's event, which is left out for `event=False`."""
    placed = [{"type": row.name, **row.value}] if event else []
    if row.name in ("response.created", "response.in_progress"):
        return placed
    opening = {"type": "response.created", "response": {"model": "m"}}
    closing = {"type": "response.completed", "response": response_of()}
    item = row.also
    added = [{"type": "response.output_item.added", "output_index": 0, "item": item}] if item else []
    done = [{"type": "response.output_item.done", "output_index": 0, "item": item}] if item else []
    if item and isinstance(row.outcome, Carried):
        done = []
    return [opening, *added, *placed, *done, closing]


@pytest.mark.parametrize("row", named(EVENTS))
def test_event(row: Row) -> None:
    stream = responses_stream_to_chat(events_of(row, event=True), **options())
    chunks = list(stream)
    outcome = row.outcome
    if isinstance(outcome, Failed):
        assert chunks[-1]["error"]["code"] == outcome.code
    elif isinstance(outcome, Carried):
        assert outcome.value in [find(chunk, outcome.place) for chunk in chunks]
        assert stream.losses == []
    elif isinstance(outcome, Lost):
        assert outcome in [(loss.path, loss.action) for loss in stream.losses]
    else:
        other = responses_stream_to_chat(events_of(row, event=False), **options())
        assert (chunks, stream.losses) == (list(other), other.losses)


def test_a_carried_value_comes_from_the_event_of_its_row() -> None:
    for row in EVENTS:
        if isinstance(row.outcome, Carried) and row.name not in ("response.completed", "response.incomplete"):
            chunks = list(responses_stream_to_chat(events_of(row, event=False), **options()))
            found = [find(chunk, row.outcome.place) for chunk in chunks]
            assert row.outcome.value not in found or row.outcome.value in ("{}",), row.name
            assert MISSING in [*found, MISSING]


# Completeness


@pytest.fixture(params=["openai.subset.openapi.json", "openresponses.openapi.json"])
def schemas(request: pytest.FixtureRequest) -> JSON:
    return document(request.param)


@pytest.fixture
def openai() -> JSON:
    return document("openai.subset.openapi.json")


def document(name: str) -> JSON:
    path = SPEC / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    found: JSON = json.loads(path.read_text())["components"]["schemas"]
    return found


def names(rows: list[Row]) -> set[str]:
    return {row.name for row in rows}


def first(schemas: JSON, *known: str) -> JSON:
    """The schema that is called so in one of the two documents."""
    found: JSON = next(schemas[name] for name in known if name in schemas)
    return found


@pytest.mark.parametrize("name", ["CreateChatCompletionResponse", "CreateChatCompletionStreamResponse"])
def test_every_property_of_a_chat_answer_has_a_row(openai: JSON, name: str) -> None:
    fields = properties(openai, openai[name])
    assert {"choices", "usage", "model"} <= fields.keys() <= names(COMPLETION)
    choice = properties(openai, fields["choices"])
    assert {"finish_reason", "index"} <= choice.keys() <= names(CHOICE)
    logprobs = {f"logprobs.{name}" for name in properties(openai, choice["logprobs"])}
    assert {"logprobs.content"} <= logprobs <= names(CHOICE)
    message = properties(openai, choice.get("message") or choice["delta"])
    assert {"content", "refusal"} <= message.keys() <= names(MESSAGE)
    assert {"id", "function"} <= properties(openai, message["tool_calls"]).keys() <= names(TOOL_CALL)
    assert {"prompt_tokens"} <= dotted(openai, fields["usage"]) <= names(USAGE)


def dotted(schemas: JSON, schema: JSON) -> set[str]:
    """The properties of an object, and those of its `details`."""
    found = properties(schemas, schema)
    nested = {
        f"{outer}.{inner}"
        for outer, value in found.items()
        if outer.endswith("_details")
        for inner in properties(schemas, value)
    }
    return found.keys() | nested


def test_every_property_of_a_response_has_a_row(schemas: JSON) -> None:
    fields = properties(schemas, first(schemas, "ResponseResource", "Response"))
    assert {"output", "status", "usage"} <= fields.keys() <= names(RESPONSE)
    assert {"input_tokens"} <= dotted(schemas, fields["usage"]) <= names(RESPONSE_USAGE)


def test_every_output_item_has_a_row(schemas: JSON) -> None:
    kinds = types(schemas, first(schemas, "OutputItem", "ItemField"))
    assert {"message", "function_call", "reasoning"} <= kinds <= names(ITEMS)


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("message", ("OutputMessage", "Message")),
        ("reasoning", ("ReasoningItem", "ReasoningBody")),
        ("function_call", ("FunctionToolCall", "FunctionCall")),
        ("custom_tool_call", ("CustomToolCall",)),
    ],
)
def test_every_property_of_an_item_has_a_row(schemas: JSON, kind: str, known: tuple[str, ...]) -> None:
    if not any(name in schemas for name in known):
        pytest.skip(f"{kind} is not in this document")
    fields = {f"{kind}.{name}" for name in properties(schemas, first(schemas, *known))}
    assert len(fields) > 4
    assert fields <= names(ITEM_FIELDS)


def test_every_part_and_its_properties_have_a_row(schemas: JSON) -> None:
    for kind, schema in {
        "output_text": "OutputTextContent",
        "refusal": "RefusalContent",
        "reasoning_text": "ReasoningTextContent",
        "summary_text": "SummaryTextContent",
    }.items():
        fields = {f"{kind}.{name}" for name in properties(schemas, schemas[schema])}
        assert fields
        assert {kind} | fields <= names(PARTS)
    content = properties(schemas, first(schemas, "OutputMessage", "AssistantMessageItemParam"))["content"]
    assert {"output_text", "refusal"} <= types(schemas, content) <= names(PARTS)


def test_every_annotation_has_a_row(schemas: JSON) -> None:
    shown = {
        annotation["type"]
        for row in PARTS
        if row.name == "output_text.annotations"
        for annotation in row.value["annotations"]
    }
    assert {"url_citation"} <= types(schemas, schemas["Annotation"]) <= shown


def test_every_stream_event_has_a_row(schemas: JSON) -> None:
    if "ResponseStreamEvent" in schemas:
        kinds = types(schemas, schemas["ResponseStreamEvent"])
    else:
        options = [schemas[name] for name in schemas if name.endswith("StreamingEvent")]
        kinds = {kind for option in options for kind in types(schemas, option)}
    assert {"response.created", "error", "response.output_text.delta"} <= kinds <= names(EVENTS)
