"""What one connection remembers, and turns that continue it."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi import APIError
from responses_asgi.history import Recent, Remembered, State, Turn
from responses_asgi.history.items import Entry
from responses_asgi.owners import Owners
from responses_asgi.profiles import profile_for
from responses_asgi.stores.memory import MemoryStore
from responses_asgi.types.json import JSON

OWNER = "0" * 64
CUT = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a', "status": "incomplete"}


def said(text: str) -> JSON:
    return {"type": "message", "role": "user", "content": text}


def remembered(id: str = "resp_1", *items: JSON, size: int = 10) -> Remembered:
    return Remembered(id, [Entry(f"msg_{number}", item) for number, item in enumerate(items)], size)


def recent(*responses: Remembered, max_bytes: int = 1_000) -> Recent:
    kept = Recent(max_bytes=max_bytes)
    for number, response in enumerate(responses):
        kept.remember(f"lane {number}", response)
    return kept


async def begin(state: State, known: Recent | None, spoken: Any = "chat", **body: Any) -> Turn:
    request = {"model": "m", "input": "now", **body}
    return await state.begin(
        request, OWNER, client="responses", spoken=spoken, profile=profile_for("openai"), recent=known
    )


def texts(items: Any) -> list[str]:
    return [item["content"] for item in items]


def test_each_lane_has_one_latest_response() -> None:
    known = recent(remembered("resp_1"), remembered("resp_2"))
    assert known.find("resp_1")
    assert known.find("resp_2")
    known.remember("lane 0", remembered("resp_3"))
    assert known.find("resp_1") is None
    known.remember("lane 1", None)
    assert known.find("resp_2") is None
    known.forget("resp_3")
    known.forget("resp_nowhere")
    assert known.find("resp_3") is None is known.find(None)


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    known = recent(*(remembered(f"resp_{number}", size=400) for number in range(3)))
    assert [known.find(f"resp_{number}") is None for number in range(3)] == [True, False, False]
    known.remember("lane 9", remembered("resp_9", size=1_001))
    assert known.find("resp_9") is None
    assert known.find("resp_1") is not None
    # Of a lane that is too large, the earlier one is gone too: it is not the latest any more.
    known.remember("lane 1", remembered("resp_8", size=2_000))
    assert known.find("resp_1") is None
    assert known.find("resp_2") is not None


def test_what_is_replayed_is_bounded_and_has_no_cut_calls() -> None:
    response = remembered("resp_1", said("a"), CUT)
    assert texts(entry.item for entry in response.replayed(2)) == ["a"]
    with pytest.raises(APIError) as caught:
        response.replayed(1)
    assert (caught.value.code, caught.value.param) == ("history_too_long", "previous_response_id")


@pytest.mark.parametrize("store", [MemoryStore(), None])
@pytest.mark.parametrize("spoken", ["chat", "responses"])
async def test_a_turn_continues_what_is_remembered(store: MemoryStore | None, spoken: str) -> None:
    state = State(store, owners=Owners())
    known = recent(remembered("resp_1", said("before")))
    turn = await begin(state, known, spoken, previous_response_id="resp_1", store=False)
    assert texts(turn.history.items) == ["before"]
    assert turn.history.echo["previous_response_id"] == "resp_1"
    assert "previous_response_id" not in turn.body
    assert turn.entries is not None
    assert texts(entry.item for entry in turn.entries) == ["before", "now"]


@pytest.mark.parametrize("store", [MemoryStore(), None])
async def test_a_turn_of_a_post_remembers_nothing(store: MemoryStore | None) -> None:
    state = State(store, owners=Owners())
    assert not (await begin(state, None)).entries
    with pytest.raises(APIError) as caught:
        await begin(state, None, previous_response_id="resp_1")
    assert (caught.value.status, caught.value.code) == (400, "previous_response_not_found")


async def test_without_a_store_only_what_is_remembered_is_found() -> None:
    state = State(None, owners=Owners())
    known = recent(remembered("resp_1"))
    for field, value, code in (
        ("previous_response_id", "resp_2", "previous_response_not_found"),
        ("conversation", "conv_1", "unsupported_parameter"),
        ("input", [{"type": "item_reference", "id": "msg_1"}], "unsupported_parameter"),
    ):
        with pytest.raises(APIError) as caught:
            await begin(state, known, **{field: value})
        assert caught.value.code == code
    turn = await begin(state, known, store=True)
    assert [loss.path for loss in turn.losses] == ["store"]


async def test_an_upstream_with_a_state_of_its_own_is_asked_for_what_is_not_remembered() -> None:
    state = State(None, owners=Owners())
    known = recent(remembered("resp_1"))
    for fields in ({"previous_response_id": "resp_2"}, {"conversation": "conv_1"}):
        turn = await begin(state, known, "responses", **fields)
        assert fields.items() <= turn.body.items()
        assert turn.entries is None
    body = {"model": "m", "input": "x"}
    for client, remembers in (("responses", None), ("chat", known)):
        turn = await state.begin(body, OWNER, client=client, spoken="responses", recent=remembers)  # type: ignore[arg-type] # a pair of both
        assert turn.body is body


async def test_reasoning_is_asked_for_in_a_form_that_can_be_sent_again() -> None:
    state = State(None, owners=Owners())
    reasoning = {"effort": "low"}
    kept = await begin(state, recent(), "responses", store=True, reasoning=reasoning)
    assert "include" not in kept.body
    left = await begin(state, recent(), "responses", store=False, reasoning=reasoning)
    assert left.body["include"] == ["reasoning.encrypted_content"]
