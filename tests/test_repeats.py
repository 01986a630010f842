"""Chunks that repeat the last one but for their text become the same events as whole ones, byte by byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.exchange.decoding import ChunkReader
from responses_asgi.translate.repeats import Repeats, with_text
from responses_asgi.types.events import Dialect
from responses_asgi.types.json import loads
from tests.chat_answers import answers, streams, styles
from tests.examples import examples
from tests.test_properties import machine

JSON = dict[str, Any]

FRAME = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}

# Shapes of chunks, most of them such that a repetition must not be taken for no more than its text.
SHAPES: list[Any] = [
    lambda text: {"choices": [{"index": 0, "delta": {"content": text}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}}], "usage": None},
    lambda text: {"choices": [{"index": 0, "delta": {"reasoning_content": text, "content": None}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"reasoning": text}, "finish_reason": None}]},
    lambda text: {"choices": [{"index": 0, "delta": {"reasoning_content": "a", "reasoning": text}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"content": text, "refusal": "no"}}]},
    lambda text: {"choices": [{"index": 0, "delta": {"refusal": text}}]},
    lambda text: {"choices": [{"index": 1, "delta": {"content": text}}]},
    lambda text: {"choices": [{"delta": {"content": text}}, {"index": 1, "delta": {"content": text}}]},
    lambda text: {"choices": [{"delta": {"content": text}, "finish_reason": "whatever"}]},
    lambda text: {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]},
    lambda text: {
        "choices": [
            {
                "delta": {"content": text},
                "logprobs": {"content": [{"token": "t", "logprob": -1, "bytes": []}]},
            }
        ]
    },
    lambda text: {"choices": [{"delta": {"content": text, "annotations": [{"type": "odd"}]}}]},
    lambda text: {"choices": [{"delta": {"content": text}, "own": 1}], "theirs": {"content": "x"}},
    lambda text: {
        "choices": [{"delta": {"content": text}}],
        "usage": {"prompt_tokens": 1, "total_tokens": 2},
    },
    lambda text: {"choices": [{"delta": {"content": text}, "message": {"content": "all"}}]},
    lambda text: {"choices": [{"message": {"content": text}}]},
    lambda text: {"content": "x", "choices": [{"delta": {"content": text}}]},
    lambda text: {"choices": [{"delta": {"content": text}}], "error": {"message": "late"}},
    lambda text: {
        "choices": [
            {"delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": text}}]}}
        ]
    },
    lambda text: [{"choices": [{"delta": {"content": text}}]}],
    lambda text: None,
]

texts = st.sampled_from(
    ["", "a", " b", "c\n", '"', "\\", "é", "\u2028", "😀", "<think>", "</think>"]
) | st.text(max_size=5)
chunks = st.tuples(st.sampled_from(SHAPES), st.lists(texts, min_size=1, max_size=5), st.booleans())


def framed(runs: list[tuple[Any, list[str], bool]]) -> bytes:
    """An event stream: of each shape some chunks, one after the other."""
    said = []
    for shape, run, ascii_only in runs:
        for text in run:
            document = shape(text)
            if isinstance(document, dict):
                document = {**FRAME, **document}
            said.append(json.dumps(document, ensure_ascii=ascii_only))
    return "".join(f"data: {document}\n\n" for document in said).encode("utf-8", "surrogatepass")


def events_of(stream: bytes, *, repeats: bool, profile: str, dialect: Dialect = "openai") -> tuple[Any, ...]:
    """The events of a stream, its losses and its answer; and how many of its chunks were told as texts."""
    reader, translator = ChunkReader(max_event_bytes=1_000_000, repeats=repeats), machine(dialect, profile)
    events, repeated = translator.start(), 0
    for chunk in reader.read(stream):
        repeated += isinstance(chunk, str)
        events += translator.repeat(chunk) if isinstance(chunk, str) else translator.feed(chunk)
        if translator.failure:
            break
    failure = translator.failure or reader.failure
    events += translator.fail(failure) if failure else translator.finish(marker=True)
    told = [(event.type, event.data) for event in events]
    return (told, list(translator.losses), translator.snapshot()), repeated


@examples(200)
@given(st.lists(chunks, min_size=1, max_size=5), st.sampled_from(["generic", "llamacpp"]))
def test_repeated_chunks_become_the_events_of_whole_ones(
    runs: list[tuple[Any, list[str], bool]], profile: str
) -> None:
    stream = framed(runs)
    plain, none = events_of(stream, repeats=False, profile=profile)
    repeated, _ = events_of(stream, repeats=True, profile=profile)
    assert none == 0
    assert repeated == plain


@given(st.data())
def test_answers_of_servers_become_the_same_events(data: st.DataObject) -> None:
    answer, style = data.draw(answers), data.draw(styles)
    documents = data.draw(streams(answer, style))
    stream = "".join(f"data: {json.dumps(document)}\n\n" for document in documents).encode()
    dialect: Dialect = data.draw(st.sampled_from(["openai", "openresponses"]))
    plain, _ = events_of(stream, repeats=False, profile="generic", dialect=dialect)
    assert events_of(stream, repeats=True, profile="generic", dialect=dialect)[0] == plain


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_nearly_all_chunks_of_a_usual_answer_are_repetitions(number: int) -> None:
    runs = [(SHAPES[number], [f"{word} " for word in range(50)], False)]
    (told, _, _), repeated = events_of(framed(runs), repeats=True, profile="generic")
    assert repeated == 49
    assert sum(name.endswith(".delta") for name, _ in told) == 50


def test_no_more_is_learned_from_a_server_that_pads_its_chunks_at_random() -> None:
    repeats = Repeats()
    for number in range(10):
        padded = {"choices": [{"delta": {"content": "a"}}], "obfuscation": str(number)}
        data = json.dumps(padded).encode()
        assert repeats.text(data) is None
        repeats.learn(data, loads(data))
    assert repeats.text(data) is None


@pytest.mark.parametrize(
    "literal",
    [b'""', b"null", b"1", b'["a"]', b'"a', b'"a","b":"c"', b"", b'"\x01"', b'"\xff"'],
)
def test_what_is_no_text_there_is_no_repetition(literal: bytes) -> None:
    repeats = Repeats()
    data = b'{"choices":[{"delta":{"content":"a"}}]}'
    repeats.learn(data, loads(data))
    assert repeats.text(data) == "a"
    assert repeats.text(data.replace(b'"a"', literal)) is None


def test_the_place_of_the_text_is_found_among_others_of_its_name() -> None:
    repeats = Repeats()
    data = b'{"content":"a","model":"\\"content\\":\\"a\\"","choices":[{"delta":{"content":"a"}}]}'
    repeats.learn(data, loads(data))
    assert repeats.text(data[: -len('"a"}}]}')] + b'"b"}}]}') == "b"
    twice = b'{"choices":[{"delta":{"content":"b","content":"a"}}]}'
    repeats.learn(twice, loads(twice))
    assert repeats.text(twice.replace(b'"b"', b'"c"')) is None
    assert repeats.text(twice.replace(b'"a"', b'"c"')) == "c"


def test_a_chunk_is_given_another_text_where_it_has_one() -> None:
    chunk = {
        "id": "c",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a", "refusal": None}}],
    }
    assert with_text(chunk, "b") == {
        "id": "c",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "b", "refusal": None}}],
    }
