"""How a response ends that was cut off: after any event, whatever is kept of it, its stream is legal."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from responses_asgi import APIError, Finish, MemoryStore, Reasoning, Refusal, ToolCall, Upstream
from responses_asgi.background.ending import CANCELLED, LOST, Ending, ending_of
from responses_asgi.sse import SSEDecoder
from responses_asgi.testing import Citation, Error, FakeModel
from responses_asgi.types.json import JSON, loads
from tests.background_driver import assert_whole, events_of, serving

SAID: dict[str, Any] = {
    "text": "Hello there, who are you?",
    "a citation": ["So it is ", Citation("https://example.org", "Example"), "said."],
    "calls": [ToolCall("now", {"city": "Oslo"}), ToolCall("then", {})],
    "reasoning": [Reasoning("Hm, well."), "Hello."],
    "a refusal": [Refusal("I would rather not.")],
    "an incomplete answer": ["Hello", Finish("length")],
    "an error in the middle": ["Hello", Error(500, "The model has burst.")],
    "an error at once": Error(400, "No."),
}


async def told(turn: Any) -> tuple[list[JSON], JSON]:
    """The events of a background response, and the response as it is kept."""
    async with serving(Upstream.asgi(FakeModel(turn)), MemoryStore()) as service:
        body = {"model": "m", "input": "Hi", "background": True, "stream": True}
        events = events_of(await service.ask("POST", "/responses", body))
        return events, await service.get(events[0]["response"]["id"])


@pytest.fixture(scope="module")
def streams() -> dict[str, tuple[list[JSON], JSON]]:
    async def all_told() -> dict[str, tuple[list[JSON], JSON]]:
        return {name: await told(turn) for name, turn in SAID.items()}

    return asyncio.run(all_told())


def added(ending: Ending) -> list[JSON]:
    decoder = SSEDecoder()
    events = [loads(event.data) for logged in ending.events for event in decoder.feed(logged.data)]
    assert [event["sequence_number"] for event in events] == [logged.number for logged in ending.events]
    return events


def being_made(kept: JSON) -> JSON:
    """The response as it was kept before it ended."""
    nothing = dict.fromkeys(("completed_at", "error", "incomplete_details", "usage"))
    return {**kept, **nothing, "status": "in_progress", "output": []}


@pytest.mark.parametrize("name", SAID)
def test_the_stream_itself_is_whole(name: str, streams: dict[str, tuple[list[JSON], JSON]]) -> None:
    events, kept = streams[name]
    response = assert_whole(events)
    assert [event["type"] for event in events[:3]] == [
        "response.created",
        "response.queued",
        "response.in_progress",
    ]
    assert response == kept
    assert {event["response"]["created_at"] for event in events if "response" in event} == {
        kept["created_at"]
    }
    assert all(event["response"]["background"] is True for event in events if "response" in event)


@pytest.mark.parametrize("error", [LOST, CANCELLED], ids=["lost", "cancelled"])
@pytest.mark.parametrize("name", SAID)
def test_a_stream_that_is_cut_anywhere_is_closed(
    name: str, error: APIError, streams: dict[str, tuple[list[JSON], JSON]]
) -> None:
    events, kept = streams[name]
    running = being_made(kept)
    for cut in range(len(events)):
        ending = ending_of(running, events[:cut], error)
        whole = [*events[:cut], *added(ending)]
        response = assert_whole(whole)
        assert response["status"] == "failed"
        if whole[cut - 1]["type"] == "error":
            # The upstream's own failure, which only had to be ended.
            assert response["error"]["message"] == kept["error"]["message"]
            assert len(ending.events) == 1
        else:
            assert response["error"]["message"] == error.message
            expected = "cancelled" if error is CANCELLED else "failed"
            assert ending.response["status"] == expected
        assert ending.response["output"] == response["output"]
        assert ending.response["background"] is True


@pytest.mark.parametrize("name", SAID)
def test_of_an_answer_that_is_kept_the_last_event_can_be_missing(
    name: str, streams: dict[str, tuple[list[JSON], JSON]]
) -> None:
    events, kept = streams[name]
    ending = ending_of(kept, events[:-1], LOST)
    (last,) = added(ending)
    assert last == events[-1]
    assert ending.response == kept


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("error", [LOST, CANCELLED], ids=["lost", "cancelled"])
def test_an_ending_that_was_kept_and_not_logged_is_logged_later(
    name: str, error: APIError, streams: dict[str, tuple[list[JSON], JSON]]
) -> None:
    """Whoever finds it does not know why it was ended."""
    events, kept = streams[name]
    running = being_made(kept)
    for cut in range(len(events)):
        first = ending_of(running, events[:cut], error)
        again = ending_of(first.response, events[:cut], LOST)
        assert again.response == first.response
        assert [event["type"] for event in added(again)] == [event["type"] for event in added(first)]
        response = assert_whole([*events[:cut], *added(again)])
        assert response["error"]["code"] == added(first)[-1]["response"]["error"]["code"]
        assert response["output"] == first.response["output"]


@pytest.mark.parametrize("name", SAID)
def test_an_ending_that_was_logged_and_not_kept_is_kept_later(
    name: str, streams: dict[str, tuple[list[JSON], JSON]]
) -> None:
    events, kept = streams[name]
    running = being_made(kept)
    ending = ending_of(running, events, LOST)
    assert (ending.events, ending.response) == ([], kept)


def test_of_a_response_that_was_never_accepted_there_is_nothing_to_end() -> None:
    assert ending_of({}, [], LOST) == Ending([], {})


def test_a_response_without_a_log_gets_a_whole_stream() -> None:
    stored = {"id": "resp_1", "status": "queued", "created_at": 1, "object": "response", "output": []}
    stored |= {"model": "m", "tools": [], "tool_choice": "auto", "parallel_tool_calls": True}
    ending = ending_of(stored, [], LOST)
    assert assert_whole(added(ending))["id"] == "resp_1"
    assert ending.response["status"] == "failed"


def test_events_of_any_shape_can_be_ended() -> None:
    """An upstream's own: what cannot be closed stays open, and the response fails all the same."""
    response = {"id": "resp_1", "status": "in_progress", "output": []}
    events: list[JSON] = [
        {"type": "response.created", "response": response, "sequence_number": 0},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {"type": "x"},
            "sequence_number": 1,
        },
        {"type": "response.content_part.added", "output_index": 0, "part": 5, "sequence_number": 2},
    ]
    ending = ending_of(response, events, LOST)
    assert [event["type"] for event in added(ending)] == ["error", "response.failed"]
    assert ending.events[0].number == 3
    assert ending.response["status"] == "failed"
