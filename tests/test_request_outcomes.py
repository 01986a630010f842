"""The table of outcomes holds, and it is complete: every property of both request schemas has a row."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import profile_for
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request
from tests.outcomes import Carried, Rejected, Row, find, named, properties, types
from tests.request_outcomes import CHOICES, FIELDS, FUNCTION, ITEMS, PARTS, TOOL, TOOL_TYPES, TOOLS

SPEC = Path(__file__).parents[2] / "shared" / "spec"


def check(row: Row, body: JSON) -> None:
    body = {"model": "m", "input": "Hi", **(row.also or {}), **body}
    before = copy.deepcopy(body)
    profile, losses = profile_for(row.profile), Losses()

    def translate() -> JSON:
        return to_chat_request(validate_request(body), profile=profile, losses=losses)

    if isinstance(row.outcome, Rejected):
        with pytest.raises(InvalidRequestError) as caught:
            translate()
        assert (caught.value.param, caught.value.code) == row.outcome
        assert caught.value.status == 400
        return
    chat = translate()
    assert body == before
    if isinstance(row.outcome, Carried):
        assert find(chat, row.outcome.place) == row.outcome.value
    else:
        assert row.outcome in [(loss.path, loss.action) for loss in losses]
        assert all(loss.reason for loss in losses)
        assert row.outcome.action != "dropped" or find(chat, row.outcome.path) != row.value
    told = list(losses)
    assert translate() == chat
    assert losses == told


@pytest.mark.parametrize("row", named(FIELDS))
def test_field(row: Row) -> None:
    outer, _, inner = row.name.partition(".")
    check(row, {outer: {inner: row.value} if inner else row.value})


@pytest.mark.parametrize("row", named(ITEMS))
def test_item(row: Row) -> None:
    check(row, {"input": [{"role": "user", "content": "Hi"}, {"type": row.name, **row.value}]})


@pytest.mark.parametrize("row", named(PARTS))
def test_part(row: Row) -> None:
    part = {"type": row.name, **row.value}
    check(row, {"input": [{"type": "message", "role": "user", "content": [part]}]})


@pytest.mark.parametrize("row", named(TOOL_TYPES))
def test_tool(row: Row) -> None:
    check(row, {"tools": [{"type": row.name, **row.value}]})


@pytest.mark.parametrize("row", named(FUNCTION))
def test_function_property(row: Row) -> None:
    check(row, {"tools": [{**TOOL, row.name: row.value}]})


@pytest.mark.parametrize("row", named(CHOICES))
def test_tool_choice(row: Row) -> None:
    check(row, {"tool_choice": row.value, **TOOLS})


# Completeness


@pytest.fixture(params=["openai.subset.openapi.json", "openresponses.openapi.json"])
def schemas(request: pytest.FixtureRequest) -> JSON:
    path = SPEC / request.param
    if not path.exists():
        pytest.skip(f"{path} is not here")
    document: JSON = json.loads(path.read_text())["components"]["schemas"]
    return document


def first(schemas: JSON, *names: str) -> JSON:
    """The schema that is called so in one of the two documents."""
    found: JSON = next(schemas[name] for name in names if name in schemas)
    return found


def test_every_field_has_a_row(schemas: JSON) -> None:
    fields = properties(schemas, first(schemas, "CreateResponse", "CreateResponseBody"))
    assert len(fields) > 20
    assert fields.keys() - {row.name for row in FIELDS} == set()


@pytest.mark.parametrize("outer", ["reasoning", "text", "stream_options", "prompt_cache_options"])
def test_every_nested_field_has_a_row(schemas: JSON, outer: str) -> None:
    fields = properties(schemas, first(schemas, "CreateResponse", "CreateResponseBody"))
    if outer not in fields:
        pytest.skip(f"{outer} is not in this document")
    nested = {f"{outer}.{name}" for name in properties(schemas, fields[outer])}
    assert nested
    assert nested - {row.name for row in FIELDS} == set()


def test_every_item_type_has_a_row(schemas: JSON) -> None:
    kinds = types(schemas, first(schemas, "InputItem", "ItemParam"))
    assert {"message", "function_call", "reasoning"} <= kinds
    assert kinds - {row.name for row in ITEMS} == set()


def test_every_part_type_has_a_row(schemas: JSON) -> None:
    names = [
        name
        for name in schemas
        if re.fullmatch(r"(Input|Output|Refusal|Reasoning|Summary)\w*Content(Param|AutoParam)?", name)
    ]
    kinds = {kind for name in names for kind in types(schemas, schemas[name])}
    assert {"input_text", "output_text", "input_image"} <= kinds
    assert kinds - {row.name for row in PARTS} == set()


def test_every_tool_type_has_a_row(schemas: JSON) -> None:
    kinds = types(schemas, first(schemas, "Tool", "ResponsesToolParam"))
    assert "function" in kinds
    assert kinds - {row.name for row in TOOL_TYPES} == set()


def test_every_function_property_has_a_row(schemas: JSON) -> None:
    names = properties(schemas, first(schemas, "FunctionTool", "FunctionToolParam")).keys()
    assert names - {row.name for row in FUNCTION} == set()


def test_every_tool_choice_has_a_row(schemas: JSON) -> None:
    kinds = types(schemas, schemas["ToolChoiceParam"])
    assert {"auto", "function", "allowed_tools"} <= kinds
    assert kinds - {row.name for row in CHOICES} == set()
