"""Clients that show nothing but summaries of reasoning, over servers that give the reasoning itself."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi import ResponsesMiddleware
from responses_asgi.convert import responses_request_to_chat
from responses_asgi.history.sealed import reasoning_seal
from responses_asgi.seal import Seals
from responses_asgi.testing import FakeModel, Reasoning
from responses_asgi.types.json import JSON
from tests.bridge import ask
from tests.machine import STOP, answer, delta

THINKING = [
    delta({"reasoning_content": "H"}),
    delta({"reasoning_content": "m."}),
    delta({"content": "a"}),
    STOP,
]
SUMMARY = [{"type": "summary_text", "text": "Hm."}]


def thought(body: JSON, **options: Any) -> JSON:
    """The one reasoning item of an answer."""
    [item] = answer(THINKING, body, reasoning_as_summary=True, **options).items("reasoning")
    return item


@pytest.mark.parametrize(
    "asked", [{"summary": "auto"}, {"summary": "detailed"}, {"generate_summary": "concise"}]
)
def test_reasoning_is_its_own_summary_where_one_is_asked_for(asked: JSON) -> None:
    item = thought({"reasoning": asked})
    assert item["summary"] == SUMMARY
    assert "content" not in item, "nothing is told twice"


@pytest.mark.parametrize("asked", [None, {}, {"effort": "low"}, {"summary": None}, {"summary": "none"}])
def test_it_is_what_it_is_where_no_summary_is_asked_for(asked: JSON | None) -> None:
    item = thought({"reasoning": asked})
    assert item["summary"] == []
    assert item["content"] == [{"type": "reasoning_text", "text": "Hm."}]


def test_it_is_told_by_the_events_of_summaries() -> None:
    for dialect in ("openai", "openresponses"):
        result = answer(
            THINKING, {"reasoning": {"summary": "auto"}}, reasoning_as_summary=True, dialect=dialect
        )
        kinds = [event["type"] for event in result.events if "reasoning" in event["type"]]
        family = "response.reasoning_summary"
        assert kinds == [
            f"{family}_part.added",
            f"{family}_text.delta",
            f"{family}_text.delta",
            f"{family}_text.done",
            f"{family}_part.done",
        ]


def test_the_next_turn_gives_it_back() -> None:
    body: JSON = {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    sealed = thought(body, seal=reasoning_seal(Seals(["a key of the service"]), ""))
    assert (sealed["summary"], sealed["encrypted_content"][:8]) == (SUMMARY, "sealed1.")
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    for item in (thought(body), thought({"reasoning": {"summary": "auto"}})):
        given = {"model": "m", "input": [{"role": "user", "content": "a"}, item, call]}
        chat = responses_request_to_chat(given, profile="deepseek").value
        assert chat["messages"][1]["reasoning_content"] == "Hm."


async def test_it_is_reported_and_off_by_itself() -> None:
    body: JSON = {"model": "m", "input": "a", "reasoning": {"summary": "auto", "effort": "low"}}
    turn = [Reasoning("Hm."), "a"]
    asked = await ask(FakeModel([turn]), body, reasoning_as_summary=True, strict=True)
    assert [(loss.path, loss.action) for loss in asked.losses] == [("reasoning.summary", "emulated")]
    assert asked.snapshot["output"][0]["summary"] == SUMMARY
    assert asked.snapshot["reasoning"] == {"effort": "low", "summary": "auto"}
    asked = await ask(FakeModel([turn]), body)
    assert [(loss.path, loss.action) for loss in asked.losses] == [("reasoning.summary", "dropped")]
    assert asked.snapshot["output"][0]["content"] == [{"type": "reasoning_text", "text": "Hm."}]
    assert ResponsesMiddleware(FakeModel("a")).options.reasoning_as_summary is False
