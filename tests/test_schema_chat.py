"""Every chunk and completion for Chat clients fits the published document, from shapes and recordings."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.testing.response_shapes import RESPONSE_SHAPES, ResponsesShape
from tests.chat_machine import ChatAnswer
from tests.recordings import COUNTS, recordings
from tests.schemas import FOLDER, MISSING, assert_chunks_fit, assert_completion_fits
from tests.test_chat_stream_rules import play
from tests.test_recordings_responses import replay

JSON = dict[str, Any]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)

SHAPES = [pytest.param(shape, id=name) for name, shape in RESPONSE_SHAPES.items()]
ANSWERED = [
    pytest.param(r, id=r["id"])
    for r in recordings("responses")
    if "op:create" in r["tags"] and r["response"]["status"] == 200
]


def check(got: ChatAnswer) -> None:
    assert_chunks_fit(got.chunks)
    if got.failure is None:
        assert_completion_fits(got.completion)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_fits_the_document(shape: ResponsesShape) -> None:
    check(play(shape))


@pytest.mark.parametrize("recording", ANSWERED)
def test_a_recorded_answer_fits_the_document(recording: JSON) -> None:
    check(replay(recording))
    COUNTS["fit the Chat schema"] += 1


def test_the_document_notices_what_is_wrong() -> None:
    got = play(RESPONSE_SHAPES["call"])
    with pytest.raises(AssertionError, match=r"at \$\.created: 'now' is not of type"):
        assert_completion_fits({**got.completion, "created": "now"})
    with pytest.raises(AssertionError, match=r"'choices' is a required property"):
        assert_completion_fits({n: v for n, v in got.completion.items() if n != "choices"})
    for chunk in got.chunks[:-1]:
        bare = [{n: v for n, v in choice.items() if n != "delta"} for choice in chunk["choices"]]
        with pytest.raises((AssertionError, KeyError), match="delta"):
            assert_chunks_fit([{**chunk, "choices": bare}])
