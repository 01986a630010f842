"""The chunks of a text that goes on are those that JSON would make, whatever the text holds."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.translate.chat_pieces import CheckedPieces, Pieces
from responses_asgi.translate.stop_cut import StopCut
from responses_asgi.types.events import Event, StreamEvent
from responses_asgi.types.json import dumps

# With halves of characters, and what could be taken for the place between two texts.
texts = st.text() | st.sampled_from(
    ["", '","', '"', '\\","', "\\", "\ud83d", "\ude00", "\u2028", "\x7f", "\n"]
)


def pieces(said: list[str]) -> Pieces:
    return Pieces(b'data: {"id":"c","choices":[{"delta":{"content":', b'}}],"usage":null}\n\n', said)


def chunk(text: str) -> Any:
    return {"id": "c", "choices": [{"delta": {"content": text}}], "usage": None}


@given(st.lists(texts, min_size=1, max_size=5))
def test_each_piece_is_a_chunk_with_its_text(run: list[str]) -> None:
    one_by_one: list[str] = []
    at_once: list[str] = []
    each = [event for text in run for event in pieces(one_by_one).more(text)]
    assert [event.json() for event in each] == [chunk(text) for text in run]
    assert [event.json() for event in pieces(at_once).more_of(run)] == [chunk(text) for text in run]
    assert one_by_one == at_once == run


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_chunks_are_the_bytes_that_all_others_are_made_of(run: list[str]) -> None:
    expected = [b"data: " + dumps(chunk(text)) + b"\n\n" for text in run]
    assert [event.sse for event in pieces([]).more_of(run)] == expected
    assert [event.sse for text in run for event in pieces([]).more(text)] == expected
    assert [event.type for event in pieces([]).more_of(run)] == [""] * len(run)
    assert [json.loads(event.data) for event in pieces([]).more_of(run)] == [chunk(text) for text in run]


def test_what_is_checked_may_say_nothing_and_more_later() -> None:
    cut = StopCut(["END"])

    def say(text: str) -> list[Event]:
        left = cut.feed(text)
        return [StreamEvent("", dumps(left))] if left else []

    checked = CheckedPieces(say)
    assert [event.json() for event in checked.more_of(["one E", "N", "d two E", "ND", "three"])] == [
        "one ",
        "ENd two ",
    ]
    assert checked.more("four") == []
