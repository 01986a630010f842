"""The table of outcomes holds, and it is complete: every property of the Chat request schema has a row."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import profile_for
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request
from tests.chat_request_outcomes import (
    CHOICES,
    CUSTOM,
    FIELDS,
    FUNCTION,
    MESSAGES,
    PARTS,
    TOOL,
    TOOL_TYPES,
)
from tests.outcomes import Carried, DoneHere, Rejected, Row, find, named, properties, types

DOCUMENT = Path(__file__).parents[2] / "shared" / "spec" / "openai.subset.openapi.json"

USER: JSON = {"role": "user", "content": "Hi"}


def check(row: Row, body: JSON) -> None:
    body = {"model": "m", "messages": [USER], **(row.also or {}), **body}
    before = copy.deepcopy(body)
    profile, losses = profile_for(row.profile), Losses()

    def translate() -> JSON:
        return to_responses_request(validate_chat_request(body), profile=profile, losses=losses)

    if isinstance(row.outcome, Rejected):
        with pytest.raises(InvalidRequestError) as caught:
            translate()
        assert (caught.value.param, caught.value.code) == row.outcome
        assert caught.value.status == 400
        return
    request = translate()
    assert body == before
    assert validate_request(request) is request
    if isinstance(row.outcome, Carried):
        assert find(request, row.outcome.place) == row.outcome.value
    elif isinstance(row.outcome, DoneHere):
        assert row.outcome.name not in request
        assert losses == []
    else:
        assert row.outcome in [(loss.path, loss.action) for loss in losses]
        assert all(loss.reason for loss in losses)
    told = list(losses)
    assert translate() == request
    assert losses == told


@pytest.mark.parametrize("row", named(FIELDS))
def test_field(row: Row) -> None:
    outer, _, inner = row.name.partition(".")
    check(row, {outer: {inner: row.value} if inner else row.value})


@pytest.mark.parametrize("row", named(MESSAGES))
def test_message(row: Row) -> None:
    check(row, {"messages": [USER, {"role": row.name, **row.value}]})


@pytest.mark.parametrize("row", named(PARTS))
def test_part(row: Row) -> None:
    check(row, {"messages": [{"role": "user", "content": [{"type": row.name, **row.value}]}]})


@pytest.mark.parametrize("row", named(TOOL_TYPES))
def test_tool(row: Row) -> None:
    check(row, {"tools": [{"type": row.name, **row.value}]})


@pytest.mark.parametrize("row", named(FUNCTION))
def test_function_property(row: Row) -> None:
    check(row, {"tools": [{"type": "function", "function": {**TOOL["function"], row.name: row.value}}]})


@pytest.mark.parametrize("row", named(CHOICES))
def test_tool_choice(row: Row) -> None:
    check(row, {"tool_choice": row.value, "tools": [TOOL, CUSTOM]})


# Completeness


@pytest.fixture
def schemas() -> JSON:
    if not DOCUMENT.exists():
        pytest.skip(f"{DOCUMENT} is not here")
    document: JSON = json.loads(DOCUMENT.read_text())["components"]["schemas"]
    return document


def names(rows: list[Row]) -> set[str]:
    return {row.name for row in rows}


def test_every_field_has_a_row(schemas: JSON) -> None:
    fields = properties(schemas, schemas["CreateChatCompletionRequest"])
    assert len(fields) > 30
    assert fields.keys() - names(FIELDS) == set()


@pytest.mark.parametrize("outer", ["prompt_cache_options", "stream_options", "web_search_options"])
def test_every_nested_field_has_a_row(schemas: JSON, outer: str) -> None:
    fields = properties(schemas, schemas["CreateChatCompletionRequest"])
    nested = {f"{outer}.{name}" for name in properties(schemas, fields[outer])}
    assert nested
    assert nested - names(FIELDS) == set()


def roles(schemas: JSON) -> dict[str, JSON]:
    """Role -> the schema of its messages."""
    options = [
        option["$ref"].rpartition("/")[2] for option in schemas["ChatCompletionRequestMessage"]["oneOf"]
    ]
    return {schemas[name]["properties"]["role"]["enum"][0]: schemas[name] for name in options}


def test_every_role_has_a_row(schemas: JSON) -> None:
    assert {"system", "user", "assistant", "tool", "function"} <= roles(schemas).keys()
    assert roles(schemas).keys() - names(MESSAGES) == set()


def test_every_property_of_a_message_is_in_a_row_of_its_role(schemas: JSON) -> None:
    for role, schema in roles(schemas).items():
        shown = {key for row in MESSAGES if row.name == role for key in row.value}
        assert schema["properties"].keys() - shown == {"role"}


def test_every_part_type_has_a_row(schemas: JSON) -> None:
    unions = [name for name in schemas if name.endswith("MessageContentPart")]
    kinds = {kind for name in unions for kind in types(schemas, schemas[name])}
    assert {"text", "image_url", "file", "refusal"} <= kinds
    assert kinds - names(PARTS) == set()


def test_every_tool_type_has_a_row(schemas: JSON) -> None:
    tools = properties(schemas, schemas["CreateChatCompletionRequest"])["tools"]
    kinds = types(schemas, tools)
    assert "function" in kinds
    assert kinds - names(TOOL_TYPES) == set()


def test_every_function_property_has_a_row(schemas: JSON) -> None:
    assert properties(schemas, schemas["FunctionObject"]).keys() - names(FUNCTION) == set()


def test_every_tool_choice_has_a_row(schemas: JSON) -> None:
    kinds = types(schemas, schemas["ChatCompletionToolChoiceOption"])
    assert {"auto", "function", "allowed_tools"} <= kinds
    assert kinds - names(CHOICES) == set()
