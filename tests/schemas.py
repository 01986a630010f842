"""The published schemas of both dialects, as checks of one event or one response object."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from responses_asgi.types.events import Dialect

JSON = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "spec"
MISSING = f"the protocol documents are not here: {FOLDER} does not exist"

FILES: dict[Dialect, str] = {
    "openai": "openai.subset.openapi.json",
    "openresponses": "openresponses.openapi.json",
}
RESPONSES: dict[Dialect, str] = {"openai": "Response", "openresponses": "ResponseResource"}

# Item types that Open Responses has no schema for; events of them cannot be checked against its document.
BEYOND: dict[Dialect, frozenset[str]] = {
    "openai": frozenset(),
    "openresponses": frozenset({"custom_tool_call"}),
}


def assert_response_fits(response: JSON, dialect: Dialect) -> None:
    """The response object fits its dialect's document."""
    response = _tolerated(response, dialect)
    _assert_fits(response, RESPONSES[dialect], dialect, what=f"a response in status {response['status']}")


def assert_events_fit(events: list[JSON], dialect: Dialect) -> None:
    """Every event fits the schema that its dialect's document has for its type."""
    beyond = {
        event["output_index"]
        for event in events
        if event["type"] == "response.output_item.added" and event["item"]["type"] in BEYOND[dialect]
    }
    for event in events:
        if event.get("output_index") in beyond:
            continue
        checked = (
            {**event, "response": _tolerated(event["response"], dialect)} if "response" in event else event
        )
        _assert_fits(checked, _event_schemas(dialect)[event["type"]], dialect, what=event["type"])


def assert_completion_fits(completion: JSON) -> None:
    """The whole Chat answer fits the document."""
    _assert_fits(completion, "CreateChatCompletionResponse", "openai", what="a completion")


def assert_document_fits(document: JSON, schema: str) -> None:
    """The document fits this schema of OpenAI's."""
    _assert_fits(document, schema, "openai", what=f"a {document.get('object')}")


def assert_chunks_fit(chunks: list[JSON]) -> None:
    """Every chunk of a Chat stream fits the document; an error chunk fits the one of error bodies."""
    for chunk in chunks:
        if "error" in chunk:
            _assert_fits(chunk, "ErrorResponse", "openai", what="an error chunk")
        else:
            checked = _without_custom_calls(chunk)
            _assert_fits(checked, "CreateChatCompletionStreamResponse", "openai", what="a chunk")


def _without_custom_calls(chunk: JSON) -> JSON:
    """The chunk with custom calls as function calls: the document has them in whole answers only."""
    chunk = deepcopy(chunk)
    for choice in chunk["choices"]:
        for call in choice["delta"].get("tool_calls", ()):
            if call.get("type") == "custom":
                call["type"] = "function"
    return chunk


def _tolerated(response: JSON, dialect: Dialect) -> JSON:
    """The response without what is known to differ from the document on purpose."""
    response = deepcopy(response)
    if dialect == "openai":
        # The live service sends null until the end, Open Responses requires it, this document forbids it.
        if response["usage"] is None:
            del response["usage"]
        # A closed list in the document; an upstream's own code is worth more to the client.
        if response["error"] is not None and isinstance(response["error"]["code"], str):
            response["error"]["code"] = "server_error"
    response["output"] = [item for item in response["output"] if item["type"] not in BEYOND[dialect]]
    return response


def _assert_fits(value: JSON, schema: str, dialect: Dialect, *, what: str) -> None:
    error = best_match(_validator(dialect, schema).iter_errors(value))
    assert error is None, f"{what} does not fit {schema} at {error.json_path}: {error.message[:300]}"


@cache
def _document(dialect: Dialect) -> JSON:
    document: JSON = json.loads((FOLDER / FILES[dialect]).read_text(encoding="utf-8"))
    return document


@cache
def _validator(dialect: Dialect, schema: str) -> Draft202012Validator:
    components = _document(dialect)["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": components})


@cache
def _event_schemas(dialect: Dialect) -> dict[str, str]:
    """Event type -> name of its schema."""
    schemas = _document(dialect)["components"]["schemas"]
    if dialect == "openai":
        names = [option["$ref"].rpartition("/")[2] for option in schemas["ResponseStreamEvent"]["anyOf"]]
    else:
        names = [name for name in schemas if name.endswith("StreamingEvent")]
    return {schemas[name]["properties"]["type"]["enum"][0]: name for name in names}
