"""The deltas of one text: numbered without gap, one after the other or many at once, of whole characters."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.sse import encode
from responses_asgi.translate.deltas import Deltas
from responses_asgi.translate.response_writer import ResponseWriter
from responses_asgi.types.events import Event
from responses_asgi.types.json import dumps
from tests.examples import examples

PLACE = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
TAILS = st.sampled_from([{}, {"logprobs": []}])

halves = st.sampled_from(
    ["\ud83d", "\ude00", "x\ud83d", "\ude00y", "\ud83d\ude00", "\ud83dz", "😀", '"\\\n', "\x7f"]
)
texts = st.lists(halves | st.text(min_size=1, max_size=4), min_size=1, max_size=6)


def writer() -> ResponseWriter:
    made = ResponseWriter({}, dialect="openai", new_id=lambda prefix: prefix, now=lambda: 0)
    made.sequence = 9
    return made


def deltas(tail: dict[str, object], into: ResponseWriter | None = None) -> Deltas:
    return Deltas(into or writer(), "response.output_text.delta", PLACE, tail)


def said(events: list[Event]) -> str:
    return "".join(event.json()["delta"] for event in events)


def paired(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@examples(300)
@given(texts, TAILS)
def test_many_at_once_are_the_same_events_as_one_after_the_other(
    pieces: list[str], tail: dict[str, object]
) -> None:
    one, many = deltas(tail), deltas(tail)
    events = [event for text in pieces for event in one.more(text)]
    assert many.all(pieces) == events
    assert many.end() == one.end() == paired("".join(pieces))
    assert many.all(pieces) == [event for text in pieces for event in one.more(text)]


@examples(300)
@given(texts, TAILS)
def test_each_event_is_what_the_encoder_writes(pieces: list[str], tail: dict[str, object]) -> None:
    into = writer()
    made = deltas(tail, into)
    events = [*made.all(pieces[:3]), *made.all(pieces[3:])]
    text = made.end()
    events += into.take()
    assert said(events) == text
    for number, event in enumerate(events, 9):
        whole = {
            "type": event.type,
            **PLACE,
            "delta": event.json()["delta"],
            **tail,
            "sequence_number": number,
        }
        assert event.json() == whole
        assert event.sse == encode(event.type, event.data)
        if event.data.isascii() or b"\\ud" not in event.data:
            assert event.data == dumps(whole)


def test_nothing_is_told_of_half_a_character_before_its_other_half_comes() -> None:
    made = deltas({})
    assert made.more("\ud83d") == []
    assert [json.loads(event.data)["delta"] for event in made.more("\ude00")] == ["😀"]
    assert made.all(["a", "b\ud83d"]) != []
    assert said(made.all(["\ude00", "c"])) == "😀c"
    assert made.pieces == ["\ud83d", "\ude00", "a", "b\ud83d", "\ude00", "c"]
    assert made.end() == "😀ab😀c"
