"""The input of custom tools is taken out of its wrapping, however it is written and wherever it is cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from responses_asgi.translate.input_reader import INPUT, InputReader
from tests.machine import answer, call, calls, delta

CUSTOM = {"tools": [{"type": "custom", "name": "apply"}]}
# Halves of characters, too: some servers escape each on its own.
texts = st.text(st.characters(codec=None, exclude_categories=())) | st.text('"\\/bnrtu0aé\U0001f600{},: \n')
cuts = st.lists(st.integers(0, 60), max_size=8)


def cut(text: str, at: list[int]) -> list[str]:
    places = [0, *sorted({place for place in at if 0 < place < len(text)}), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


def read(pieces: list[str]) -> tuple[str, bool]:
    reader = InputReader()
    said = [reader.feed(piece) for piece in pieces if piece]
    return whole("".join([*said, reader.end()])), reader.left_out


def whole(text: str) -> str:
    """The text with its UTF-16 pairs joined."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@given(texts, st.booleans(), st.booleans(), cuts)
@example("\U0001f600", True, False, [15])
def test_the_input_comes_out_as_it_went_in(text: str, ascii: bool, spaced: bool, at: list[int]) -> None:
    separators = (", ", " : ") if spaced else (",", ":")
    written = json.dumps({INPUT: text}, ensure_ascii=ascii, separators=separators)
    assert read(cut(written, at)) == (whole(text), False)


@given(texts, cuts)
def test_bare_text_stays_what_it_is(text: str, at: list[int]) -> None:
    if text.lstrip()[:1] in ("{", '"'):
        text = f"x{text}"
    assert read(cut(text, at)) == (whole(text), False)


@given(texts, cuts)
def test_nothing_depends_on_where_it_is_cut(text: str, at: list[int]) -> None:
    for written in (text, "{" + text, '{"input":"' + text, '{"input":"' + text + '"}', '"' + text):
        assert read(cut(written, at)) == read([written])


@given(st.dictionaries(st.text(max_size=3), st.none() | st.integers() | st.text(), max_size=3), cuts)
def test_other_json_is_kept_or_reported(document: dict[str, object], at: list[int]) -> None:
    written = json.dumps(document)
    said, left_out = read(cut(written, at))
    if INPUT in document:
        value = document[INPUT]
        assert said == (value if isinstance(value, str) else json.dumps(value))
        assert left_out == (len(document) > 1)
    elif len(document) == 1 and isinstance(only := next(iter(document.values())), str):
        assert said == only
    else:
        assert said == (written if document else "")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('{"input":"x = {"a": "b"}"}', 'x = {"a": "b"}'),
        ('{"input":"say "hi", she"}', 'say "hi", she'),
        ('{"input":"print("hi")"}', 'print("hi")'),
        ('{"input":"a\nb"}', "a\nb"),
        ('{"input":"\\d+ \\\'x\\\'"}', "\\d+ \\'x\\'"),
        ('{"input":"\\uZZZZ"}', "\\uZZZZ"),
        ('{"input":"a"}\n', "a"),
        ('"quoted"', "quoted"),
        ('"quoted" and more', '"quoted" and more'),
        ('{"patch":"p"}', "p"),
        ('{"input":{"a":1}}', '{"a":1}'),
        ('{ print("a") }', '{ print("a") }'),
        ("{}", ""),
        ("", ""),
        ("  ", "  "),
        ('{"inp', ""),
        ('{"input":"cut \\u12', "cut "),
        ('{"input":"cut \\', "cut "),
        ('{"input":"half \\ud83d', "half \ud83d"),
        ("[1]", "[1]"),
    ],
)
def test_what_models_write(written: str, said: str) -> None:
    assert read([written]) == (said, False)
    assert read(list(written)) == (said, False)


def test_what_follows_the_document_is_reported() -> None:
    assert read(['{"input":"a"} and so on']) == ("a", True)
    assert read(['{"input":"a","b":1}']) == ("a", True)
    assert read(['{"b":1,"input":"a"}']) == ("a", True)


@given(texts.filter(bool), st.integers(1, 9))
def test_the_events_of_a_call_say_the_same(text: str, size: int) -> None:
    written = json.dumps({INPUT: text})
    pieces = [written[i : i + size] for i in range(0, len(written), size)]
    chunks = [calls(call(0, "a", "apply", "")), *(calls(call(0, arguments=piece)) for piece in pieces)]
    result = answer([*chunks, delta(finish="tool_calls")], CUSTOM)
    [item] = result.items("custom_tool_call")
    assert item["input"] == json.loads(json.dumps(whole(text)))


def test_the_input_is_told_while_it_is_written() -> None:
    chunks = [calls(call(0, "a", "apply", '{"input":"one ')), calls(call(0, arguments="two"))]
    result = answer([*chunks, calls(call(0, arguments='"}')), delta(finish="tool_calls")], CUSTOM)
    deltas = [event["delta"] for event in result.events if event["type"].endswith("input.delta")]
    assert deltas == ["one ", "two"]
