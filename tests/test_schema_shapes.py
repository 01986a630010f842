"""Every event and response of the hand-written shapes fits the published document of its dialect."""

from __future__ import annotations

import pytest

from responses_asgi.testing import FakeModel
from responses_asgi.testing.shapes import SHAPES, Shape
from responses_asgi.types.events import Dialect
from tests.bridge import ask, response_of
from tests.schemas import FOLDER, MISSING, assert_events_fit, assert_response_fits

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)


@pytest.mark.parametrize("dialect", ["openai", "openresponses"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(
    "shape",
    [pytest.param(s, id=name) for name, s in SHAPES.items() if not s.answer.status.startswith("http:")],
)
async def test_an_answer_fits_the_document(shape: Shape, stream: bool, dialect: Dialect) -> None:
    if shape.streamed_only and not stream:
        stream = True
    app = FakeModel([shape.turn])
    asked = await ask(app, shape.request(stream=stream), profile=shape.profile, dialect=dialect)
    if asked.status != 200:
        assert shape.answer.status == "failed"
        return
    assert_response_fits(response_of(asked, dialect=dialect), dialect)
    if asked.is_stream:
        assert_events_fit(asked.events, dialect)


@pytest.mark.parametrize("dialect", ["openai", "openresponses"])
async def test_the_documents_notice_what_is_wrong(dialect: Dialect) -> None:
    shape = SHAPES["reasoning then call"]
    asked = await ask(FakeModel([shape.turn]), shape.request(stream=True), dialect=dialect)
    response = response_of(asked, dialect=dialect)
    with pytest.raises(AssertionError, match=r"at \$\.created_at: 'now' is not of type"):
        assert_response_fits({**response, "created_at": "now"}, dialect)
    with pytest.raises(AssertionError, match=r"'tools' is a required property"):
        assert_response_fits({name: value for name, value in response.items() if name != "tools"}, dialect)
    for event in asked.events:
        if "item_id" in event:
            with pytest.raises(AssertionError, match=r"'item_id' is a required property"):
                assert_events_fit(
                    [{name: value for name, value in event.items() if name != "item_id"}], dialect
                )
