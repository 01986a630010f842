"""Every hand-written shape of a Responses upstream becomes a legal Chat answer that says the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from responses_asgi.testing import FakeModel
from responses_asgi.testing.response_shapes import RESPONSE_SHAPES, ResponsesShape
from responses_asgi.types.json import loads
from tests.bridge import Asked, ask_chat, completion_of
from tests.chat_facts import citations_of, facts_of_choice
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


# The same through the middleware: bytes in, bytes out


async def ask(shape: ResponsesShape, *, stream: bool, upstream: str = "as asked") -> Asked:
    """Ask an app that plays the shape."""
    turn = shape.turn
    if upstream == "the other form":
        body = turn.body(stream=not stream)
        kind = "application/json" if stream else "text/event-stream"
        turn = replace(turn, whole=body, chunks=[body], done=False, headers={"content-type": kind})
    asked = await ask_chat(FakeModel([turn]), shape.request(stream=stream), profile=shape.profile)
    assert asked.raised is None
    return asked


def check_asked(asked: Asked, shape: ResponsesShape) -> None:
    if shape.answer.status == "failed":
        error = (json.loads(asked.body) if asked.status >= 400 else completion_of(asked))["error"]
        assert {"message", "type", "param", "code"} <= error.keys()
        assert shape.answer.error in error["message"]
        return
    expected = expected_facts(shape)
    completion = completion_of(asked)
    told = facts_of_choice(completion)
    counted = "stream_options" not in shape.options
    assert (told if counted else replace(told, usage=expected.usage)) == expected
    assert citations_of(completion["choices"][0]["message"]) == list(shape.citations)
    assert set(shape.reported) <= {loss.path for loss in asked.losses}


@pytest.mark.parametrize("upstream", ["as asked", "the other form"])
@pytest.mark.parametrize("shape", EVERY)
async def test_a_streaming_client_gets_what_the_shape_means(shape: ResponsesShape, upstream: str) -> None:
    if upstream == "the other form" and shape.streamed_only:
        upstream = "as asked"
    check_asked(await ask(shape, stream=True, upstream=upstream), shape)


@pytest.mark.parametrize("shape", WHOLE)
async def test_a_client_of_whole_answers_gets_what_the_shape_means(shape: ResponsesShape) -> None:
    check_asked(await ask(shape, stream=False), shape)


@pytest.mark.parametrize("shape", EVERY)
async def test_a_stream_that_nobody_asked_for_is_understood(shape: ResponsesShape) -> None:
    check_asked(await ask(shape, stream=False, upstream="the other form"), shape)
