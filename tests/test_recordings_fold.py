"""The fold rebuilds every recorded Responses stream: the terminal response, from the events before it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from httpx_sse import EventSource

from responses_asgi.translate.snapshot import fold
from responses_asgi.types.events import TERMINAL_EVENTS
from tests.recordings import COUNTS, FOLDER, MISSING, recordings

JSON = dict[str, Any]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)

# Servers encrypt and sign anew, change ids, and fill in listed tools between `done` and the terminal event.
CHANGED_AT_THE_END = {"encrypted_content", "fingerprint", "id", "tools"}


def events_of(recording: JSON) -> list[JSON]:
    source = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, text=recording["response"]["body"]
    )
    return [event.json() for event in EventSource(source).iter_sse() if event.data != "[DONE]"]


STREAMS = [
    pytest.param(recording, id=recording["id"])
    for recording in recordings("responses")
    if recording["streaming"] and recording["response"]["status"] == 200
]


@pytest.mark.parametrize("recording", STREAMS)
def test_the_fold_of_a_recorded_stream_is_its_last_response(recording: JSON) -> None:
    events = events_of(recording)
    final = next(event["response"] for event in events if event["type"] in TERMINAL_EVENTS)
    folded = fold(events)
    assert [_kept(item) for item in folded.pop("output")] == [_kept(item) for item in final.pop("output")]
    assert folded == final
    COUNTS["folds"] += 1


@pytest.mark.parametrize("recording", STREAMS)
def test_deltas_alone_fold_to_the_same_texts(recording: JSON) -> None:
    """Without `done` events, as in a stream that broke off; but one server says arguments only there."""
    events = events_of(recording)
    spoken = {family_of(event) for event in events if event["type"].endswith(".delta")}
    silent = {"response.function_call_arguments"} - spoken
    deltas = [e for e in events if not e["type"].endswith(".done") or family_of(e) in silent]
    assert _said(fold(deltas)) == _said(fold(events))


def family_of(event: JSON) -> str:
    kind: str = event["type"]
    return kind.rpartition(".")[0]


def _kept(item: JSON) -> JSON:
    return {name: value for name, value in item.items() if name not in CHANGED_AT_THE_END}


def _said(response: JSON) -> list[tuple[str, list[str]]]:
    """The texts and arguments of each item."""
    return [
        (
            item["type"],
            [part.get("text") or part.get("refusal") or "" for part in _parts(item)]
            + [item.get(field) or "" for field in ("arguments", "input") if isinstance(item.get(field), str)],
        )
        for item in response["output"]
    ]


def _parts(item: JSON) -> list[JSON]:
    return [
        part
        for part in [*(item.get("content") or []), *(item.get("summary") or [])]
        if isinstance(part, dict)
    ]
