"""Every hand-written shape of a Responses upstream becomes a legal Chat answer that says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from responses_asgi.testing.response_shapes import RESPONSE_SHAPES, ResponsesShape
from responses_asgi.types.json import loads
from tests.chat_facts import citations_of
from tests.chat_machine import ChatAnswer, answer, answer_to_bytes
from tests.facts import Facts

EVERY = [pytest.param(shape, id=name) for name, shape in RESPONSE_SHAPES.items()]
WHOLE = [pytest.param(shape, id=name) for name, shape in RESPONSE_SHAPES.items() if not shape.streamed_only]


def play(shape: ResponsesShape, *, stream: bool = True, **options: Any) -> ChatAnswer:
    """What a client gets that asks for a stream, from an upstream that streams or answers whole."""
    body, request = shape.turn.body(stream=stream), shape.request(stream=True)
    if stream:
        return answer_to_bytes(body, request, **options)
    return answer([loads(body)], request, marker=True, **options)


def expected_facts(shape: ResponsesShape) -> Facts:
    answer = shape.answer
    return Facts(
        text=answer.text,
        reasoning=answer.reasoning,
        refusal=answer.refusal,
        calls=answer.calls,
        usage=answer.usage,
        status=answer.status,
    )


def check(got: ChatAnswer, shape: ResponsesShape, *, counted: bool = True) -> None:
    if shape.answer.status == "failed":
        assert got.failure is not None
        assert shape.answer.error in got.completion["error"]["message"]
        assert got.chunks[-1] == got.completion
        said = got.said.get("choices", [{"message": {"content": ""}}])[0]["message"]["content"]
        assert shape.answer.text.startswith(said), "what was said before the failure stays said"
        return
    expected = expected_facts(shape)
    told = replace(got.facts, usage=expected.usage) if not counted else got.facts
    assert told == expected
    assert citations_of(got.message) == list(shape.citations)
    scores = (got.completion["choices"][0]["logprobs"] or {}).get("content") or ()
    assert tuple(score["token"] for score in scores) == shape.scored
    assert got.reported == set(shape.reported)


@pytest.mark.parametrize("shape", EVERY)
def test_a_streamed_answer_is_legal_and_says_the_same(shape: ResponsesShape) -> None:
    got = play(shape)
    check(got, shape, counted="stream_options" not in shape.options)
    if shape.answer.status == "failed" and shape.answer.text:
        assert got.said["choices"][0]["message"]["content"] == shape.answer.text


@pytest.mark.parametrize("shape", WHOLE)
def test_a_whole_answer_says_the_same(shape: ResponsesShape) -> None:
    check(play(shape, stream=False), shape)


@pytest.mark.parametrize("shape", WHOLE)
def test_a_whole_answer_is_the_fold_of_the_streamed_one(shape: ResponsesShape) -> None:
    if shape.answer.status == "failed":
        assert play(shape, stream=False).completion.keys() == {"error"}
        return
    assert play(shape, stream=False).completion == play(shape).completion


@pytest.mark.parametrize("block", [1, 7])
@pytest.mark.parametrize("shape", EVERY)
def test_bytes_cut_anywhere_give_the_same_chunks(shape: ResponsesShape, block: int) -> None:
    assert play(shape, block=block).chunks == play(shape).chunks
