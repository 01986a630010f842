"""Tools of namespaces get names of their own, which lead back to what the client called them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.profiles import PROFILES
from responses_asgi.translate.tool_kinds import FUNCTION
from responses_asgi.translate.tool_names import flat_name
from responses_asgi.translate.tool_table import tool_table
from responses_asgi.types.json import JSON

GENERIC = PROFILES["generic"]
LEGAL = re.compile("[A-Za-z0-9_-]{1,64}")

names = st.text("ab_-.é ", min_size=1, max_size=4) | st.text("ab_", min_size=60, max_size=70)
legal_names = st.text("ab_", min_size=1, max_size=6)
spaces = st.dictionaries(names, st.lists(names, min_size=1, max_size=3, unique=True), max_size=4)


def namespace(name: str, *members: str) -> JSON:
    return {"type": "namespace", "name": name, "tools": [function(member) for member in members]}


def function(name: str) -> JSON:
    return {"type": "function", "name": name}


@given(spaces, st.lists(legal_names, max_size=4, unique=True))
def test_every_name_is_legal_and_leads_back(found: dict[str, list[str]], plain: list[str]) -> None:
    tools = [namespace(name, *members) for name, members in found.items()] + [
        function(name) for name in plain
    ]
    table = tool_table({"tools": tools}, profile=GENERIC)
    expected = [(name, member) for name, members in found.items() for member in members]
    assert [(row.namespace, row.name) for row in table.rows.values()] == [
        *expected,
        *((None, name) for name in plain),
    ]
    assert all(LEGAL.fullmatch(name) for name in table.rows)
    for name, row in table.rows.items():
        assert table.name_of(FUNCTION, row.name, row.namespace) == name
        if row.namespace is None:
            assert name == row.name


@given(spaces)
def test_names_do_not_depend_on_the_order(found: dict[str, list[str]]) -> None:
    tools = [namespace(name, *members) for name, members in found.items()]
    table = tool_table({"tools": tools}, profile=GENERIC)
    turned = tool_table({"tools": tools[::-1]}, profile=GENERIC)
    assert {name: row[1:] for name, row in table.rows.items()} == {
        name: row[1:] for name, row in turned.rows.items()
    }


@pytest.mark.parametrize(
    ("space", "name", "flat"),
    [
        ("crm", "find", "crm__find"),
        ("mcp__files__", "read", "mcp__files__read"),
        (None, "shell", "shell"),
        ("", "shell", "shell"),
    ],
)
def test_short_legal_names_are_joined(space: str | None, name: str, flat: str) -> None:
    assert flat_name(space, name) == flat


def test_names_that_would_be_the_same_are_told_apart() -> None:
    tools = [function("a__b__c"), namespace("a", "b__c"), namespace("a__b", "c"), namespace("a.", "x")]
    table = tool_table({"tools": tools}, profile=GENERIC)
    assert len(table.rows) == 4
    assert next(iter(table.rows)) == "a__b__c"
    taken = {flat_name("a", "b")}
    for _ in range(3):
        another = flat_name("a", "b", taken)
        assert another not in taken
        taken.add(another)


def test_a_namespace_that_is_no_longer_declared_keeps_its_name() -> None:
    declared = tool_table({"tools": [namespace("crm", "find")]}, profile=GENERIC)
    gone = tool_table({}, profile=GENERIC)
    assert gone.name_of(FUNCTION, "find", "crm") == declared.name_of(FUNCTION, "find", "crm")
    assert gone.name_of(FUNCTION, "find") == "find"
    # A function that is loaded on its own is its own namespace.
    alone = tool_table({"tools": [function("find")]}, profile=GENERIC)
    assert alone.name_of(FUNCTION, "find", "find") == "find"
    assert gone.name_of(FUNCTION, "find", "find") == "find__find"
