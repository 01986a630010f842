"""Which upstream a gateway takes for a model, and how wrong tables are told."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi import ConfigurationError, InvalidRequestError, Upstream
from responses_asgi.gateway.routing import ModelMap


def upstream(**options: Any) -> Upstream:
    async def handler(request: Any) -> str:
        return "hello"

    return Upstream.handler(handler, **options)


A, B, C, D = (upstream() for _ in range(4))


@pytest.mark.parametrize(
    ("model", "entry"),
    [
        ("gpt-5", "gpt-5"),
        ("gpt-5.5", "gpt-5*"),
        ("gpt-4o", "gpt-*"),
        ("gpt-", "gpt-*"),
        ("big-mini", "*-mini"),
        ("-mini", "*-mini"),
        ("gpt-mini", "*-mini"),
        ("gpt", "*"),
        ("GPT-5", "*"),
        (None, "*"),
        ("", "*"),
    ],
)
def test_exact_before_the_longest_pattern_before_the_default(model: str | None, entry: str) -> None:
    table = ModelMap({"*": D, "gpt-*": A, "gpt-5*": B, "gpt-5": C, "*-mini": D})
    assert table.find(model, "chat").name == entry


def test_a_pattern_with_a_beginning_and_an_end_does_not_let_them_overlap() -> None:
    table = ModelMap({"ab*ba": A})
    assert table.entry_of("abba") is not None
    assert table.entry_of("ab-x-ba") is not None
    assert table.entry_of("aba") is None


def test_a_sequence_is_the_best_one_and_its_fallbacks() -> None:
    entry = ModelMap({"m": [A, B]}).find("m", "responses")
    assert entry.upstreams["responses"] == (A, B)
    assert list(entry.all()) == [A, B]


def test_each_client_api_can_have_upstreams_of_its_own() -> None:
    table = ModelMap({"m": {"chat": A, "responses": [B, C]}, "n": {"chat": B}, "n*": C})
    assert table.find("m", "chat").upstreams["chat"] == (A,)
    assert table.find("m", "responses").upstreams["responses"] == (B, C)
    assert table.find("n", "chat").upstreams["chat"] == (B,)
    assert table.find("n", "responses").name == "n*"
    assert table.upstreams() == [A, B, C, B, C]


def test_an_upstream_alone_answers_for_every_model() -> None:
    table = ModelMap(A)
    assert table.find("anything", "chat").upstreams["chat"] == (A,)
    assert table.default is not None


def test_an_unknown_model_is_told_with_the_known_ones() -> None:
    table = ModelMap({"one": A, "two-*": B, "three": {"chat": C}})
    with pytest.raises(InvalidRequestError) as caught:
        table.find("four", "responses")
    assert caught.value.body()["error"] == {
        "message": "The model 'four' is not offered here to responses clients; known are: one, two-*.",
        "type": "invalid_request_error",
        "param": "model",
        "code": "model_not_found",
    }
    assert caught.value.status == 404
    with pytest.raises(InvalidRequestError, match="known are: one, two-\\*, three"):
        table.find("four", "chat")


def test_long_names_and_long_tables_are_told_in_short() -> None:
    table = ModelMap({f"model-{number}": A for number in range(25)})
    with pytest.raises(InvalidRequestError) as caught:
        table.find("x" * 10_000, "chat")
    assert "model-19 and 5 more" in caught.value.message
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    ("model", "code"),
    [(5, "invalid_type"), (["a"], "invalid_type"), (None, "missing_required_parameter")],
)
def test_what_is_no_name_is_a_mistake_of_the_request(model: object, code: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ModelMap({"one": A}).find(model, "chat")
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, "model", code)


def test_nobody_there_for_a_client_api() -> None:
    with pytest.raises(InvalidRequestError, match="known are: none"):
        ModelMap({"one": {"chat": A}}).find("one", "responses")


WRONG: list[tuple[Any, str]] = [
    ({}, "an empty mapping"),
    ([A], "got list"),
    ({"": A}, "a key must be a model name"),
    ({5: A}, "a key must be a model name"),
    ({"a*b*": A}, "one '\\*'"),
    ({"m": []}, "upstreams\\['m'\\] must be an Upstream"),
    ({"m": "http://localhost"}, "upstreams\\['m'\\] must be an Upstream.*got str"),
    ({"m": [A, "http://localhost"]}, "must hold Upstreams, got str"),
    ({"m": {"chta": A}}, "must map chat or responses to upstreams, got \\['chta'\\]"),
    ({"m": {}}, "must map chat or responses"),
    ({"m": {"chat": ()}}, "upstreams\\['m'\\]\\['chat'\\]"),
    ({"m": 7}, "got int"),
]


@pytest.mark.parametrize(("table", "told"), WRONG, ids=range(len(WRONG)))
def test_wrong_tables_are_refused_at_the_start(table: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        ModelMap(table)


def test_a_wrong_table_does_not_show_what_an_upstream_holds() -> None:
    secret = upstream(headers={"authorization": "Bearer secret"})
    with pytest.raises(ConfigurationError) as caught:
        ModelMap({"m": (each for each in [secret])})  # type: ignore[dict-item] # a mistake on purpose
    assert "secret" not in str(caught.value)
