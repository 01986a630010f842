"""Every event and response made of a recorded Chat answer fits the published document of its dialect."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.types.events import Dialect
from tests.bridge import ask, response_of
from tests.recordings import COUNTS, Replay, recordings
from tests.schemas import FOLDER, MISSING, assert_events_fit, assert_response_fits
from tests.test_recordings_chat import profile_of, request_for

JSON = dict[str, Any]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)

ANSWERS = [pytest.param(r, id=r["id"]) for r in recordings("chat") if r["response"]["status"] == 200]


@pytest.mark.parametrize("dialect", ["openai", "openresponses"])
@pytest.mark.parametrize("recording", ANSWERS)
async def test_a_recorded_answer_fits_the_document(recording: JSON, dialect: Dialect) -> None:
    request = request_for(recording, stream=recording["streaming"])
    asked = await ask(Replay(recording), request, profile=profile_of(recording), dialect=dialect)
    if asked.status != 200:
        assert not recording["streaming"]
        return
    assert_response_fits(response_of(asked, dialect=dialect), dialect)
    if asked.is_stream:
        assert_events_fit(asked.events, dialect)
    COUNTS[f"fit the {dialect} schema"] += 1
