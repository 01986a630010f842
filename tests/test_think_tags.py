from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.translate.think_tags import ThinkTags


def split(*pieces: str) -> tuple[str, str]:
    tags = ThinkTags()
    said = [part for piece in pieces for part in tags.feed(piece)] + tags.flush()
    assert all(text for _, text in said)
    joined = {kind: "".join(text for k, text in said if k == kind) for kind in ("reasoning", "text")}
    return joined["reasoning"], joined["text"]


@pytest.mark.parametrize(
    ("text", "reasoning", "rest"),
    [
        ("<think>why</think>because", "why", "because"),
        ("\n <think>\nwhy\n</think>\n\nbecause\n", "why", "because\n"),
        ("no tags at all", "", "no tags at all"),
        ("a literal <think>x</think> later", "", "a literal <think>x</think> later"),
        ("<think>a</think>b<think>c</think>", "a", "b<think>c</think>"),
        ("<think></think>only text", "", "only text"),
        ("<think>\n\n</think>\n\nonly text", "", "only text"),
        ("<think>cut off", "cut off", ""),
        ("<think>a < b and </b> c</think>d", "a < b and </b> c", "d"),
        ("<thin", "", "<thin"),
        ("  <thinking>", "", "  <thinking>"),
        ("<think>ends in </thi", "ends in </thi", ""),
        ("<think>x</think>   ", "x", ""),
        ("", "", ""),
    ],
)
def test_splits_thought_from_text(text: str, reasoning: str, rest: str) -> None:
    assert split(text) == (reasoning, rest)
    assert split(*text) == (reasoning, rest)


@given(
    st.text(alphabet="<>/think \nab", max_size=60), st.lists(st.integers(0, 60), max_size=5), st.booleans()
)
def test_cuts_change_nothing(tail: str, cuts: list[int], opened: bool) -> None:
    text = "<think>" * opened + tail
    at = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    assert split(*(text[a:b] for a, b in pairwise(at))) == split(text)


def test_certain_text_is_not_held_back() -> None:
    tags = ThinkTags()
    assert tags.feed("<think>one") == [("reasoning", "one")]
    assert tags.feed(" two") == [("reasoning", " two")]
    assert tags.feed("</think>three") == [("text", "three")]
    assert tags.settled
