"""Every hand-written shape of an upstream's answer, streamed and whole, cut anywhere, in both dialects."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from responses_asgi.testing import FakeModel
from responses_asgi.testing.shapes import SHAPES, Answer, Shape
from responses_asgi.types.events import Dialect
from tests.bridge import Asked, ask, response_of
from tests.facts import Facts, facts_of

JSON = dict[str, Any]

IDS = list(SHAPES)
EVERY = [pytest.param(shape, id=name) for name, shape in SHAPES.items()]
WHOLE = [pytest.param(shape, id=name) for name, shape in SHAPES.items() if not shape.streamed_only]


async def play(shape: Shape, *, stream: bool, dialect: Dialect = "openai", **turn: Any) -> Asked:
    app = FakeModel([replace(shape.turn, **turn)])
    asked = await ask(app, shape.request(stream=stream), profile=shape.profile, dialect=dialect)
    expected = shape.turn.raise_before or shape.turn.raise_after
    assert asked.raised is expected, "what the app raised is raised again, nothing else"
    return asked


def expected_facts(answer: Answer) -> Facts:
    return Facts(
        text=answer.text,
        reasoning=answer.reasoning,
        refusal=answer.refusal,
        calls=answer.calls,
        usage=answer.usage,
        status=answer.status,
    )


def check(asked: Asked, shape: Shape, *, dialect: Dialect = "openai") -> None:
    """The answer says what the shape means, as an HTTP error where that is what it means."""
    answer = shape.answer
    if answer.status.startswith("http:") or (answer.status == "failed" and asked.status != 200):
        status = int(answer.status[5:]) if answer.status.startswith("http:") else asked.status
        assert asked.status == status >= 400
        error = json.loads(asked.body)["error"]
        assert {"message", "type", "param", "code"} <= error.keys()
        assert answer.error in error["message"]
        for name, value in shape.turn.headers.items():
            if name.startswith("retry-after"):
                assert asked.headers[name] == value
        return
    response = response_of(asked, dialect=dialect)
    assert facts_of(response) == expected_facts(answer)
    if answer.error:
        assert answer.error in response["error"]["message"]
    if answer.items is not None:
        assert tuple(item["type"] for item in response["output"]) == answer.items


@pytest.mark.parametrize("dialect", ["openai", "openresponses"])
@pytest.mark.parametrize("shape", EVERY)
async def test_a_streamed_answer_is_legal_and_says_the_same(shape: Shape, dialect: Dialect) -> None:
    check(await play(shape, stream=True, dialect=dialect), shape, dialect=dialect)


@pytest.mark.parametrize("dialect", ["openai", "openresponses"])
@pytest.mark.parametrize("shape", WHOLE)
async def test_a_whole_answer_says_the_same(shape: Shape, dialect: Dialect) -> None:
    check(await play(shape, stream=False, dialect=dialect), shape, dialect=dialect)


@pytest.mark.parametrize("block", [1, 7, 100_000])
@pytest.mark.parametrize("shape", EVERY)
async def test_bytes_cut_anywhere_give_the_same_events(shape: Shape, block: int) -> None:
    plain, cut = await play(shape, stream=True), await play(shape, stream=True, block=block)
    check(cut, shape)
    if plain.is_stream:
        assert [anonymous(e) for e in cut.events] == [anonymous(e) for e in plain.events]


def anonymous(value: Any) -> Any:
    """The value without ids and times, which differ from answer to answer."""
    if isinstance(value, dict):
        hidden = {"id", "item_id", "created_at", "completed_at", "call_id"}
        return {key: anonymous(entry) for key, entry in value.items() if key not in hidden}
    return [anonymous(entry) for entry in value] if isinstance(value, list) else value
