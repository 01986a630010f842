"""Rows that say what becomes of one part of a request, and how they are looked up and counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from responses_asgi.types.json import JSON


class Carried(NamedTuple):
    place: str
    value: Any


class Lost(NamedTuple):
    path: str
    action: str = "dropped"


class Rejected(NamedTuple):
    param: str
    code: str = "unsupported_parameter"


class DoneHere(NamedTuple):
    """Not sent, and not lost: it asks for nothing, or this service itself does what it asks for."""

    name: str


class Failed(NamedTuple):
    """The answer becomes an error of this code."""

    code: str


class Idle(NamedTuple):
    """Nothing is made of it, and nothing is lost."""

    reason: str


Outcome = Carried | Lost | Rejected | DoneHere | Failed | Idle


class Row(NamedTuple):
    name: str
    value: Any
    outcome: Outcome
    profile: str = "openai"
    also: JSON | None = None
    """Other fields of the request that the example needs."""


MISSING = object()


def find(document: Any, place: str) -> Any:
    """The value at a path such as `messages[0].content`."""
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", place):
        try:
            document = document[int(index)] if index else document[name]
        except (KeyError, IndexError, TypeError):
            return MISSING
    return document


def named(rows: list[Row]) -> list[Any]:
    return [pytest.param(row, id=f"{row.name}-{type(row.outcome).__name__}-{row.profile}") for row in rows]


def members(schemas: JSON, schema: JSON) -> Iterator[JSON]:
    """The object schemas that a schema stands for, references and unions resolved."""
    if "$ref" in schema:
        yield from members(schemas, schemas[schema["$ref"].rpartition("/")[2]])
        return
    for key in ("oneOf", "anyOf", "allOf"):
        for branch in schema.get(key, ()):
            yield from members(schemas, branch)
    if "items" in schema:
        yield from members(schemas, schema["items"])
    if "properties" in schema or "enum" in schema:
        yield schema


def properties(schemas: JSON, schema: JSON) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for member in members(schemas, schema):
        found |= member.get("properties", {})
    return found


def types(schemas: JSON, schema: JSON) -> set[str]:
    """The values of `type` in a union, and its plain strings."""
    found: set[str] = set()
    for member in members(schemas, schema):
        kind = member.get("properties", {}).get("type", {})
        found.update(kind.get("enum", ()), [kind["const"]] if "const" in kind else [])
        if "properties" not in member:
            found.update(member["enum"])
    return found
