"""Turns replayed from the first: calls, outputs, reasoning, branches, both kinds of turns, bounds."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.convert import responses_request_to_chat
from responses_asgi.stores.memory import MemoryStore
from tests.history_turns import (
    ANN,
    BOB,
    answered,
    begin,
    called,
    chatted,
    completion,
    refused,
    response,
    said,
    state_of,
    user,
)


def short(item: dict[str, Any]) -> str:
    """An item in a word."""
    if item.get("type") in ("function_call", "custom_tool_call"):
        return f"call {item['call_id']}"
    if item.get("type") in ("function_call_output", "custom_tool_call_output"):
        return f"{item['type']} {item['call_id']}"
    if item.get("type") == "reasoning":
        return "reasoning"
    content = item["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


async def replayed(state: Any, id: str, **fields: Any) -> list[str]:
    turn = await begin(state, previous_response_id=id, **{"input": "?", **fields})
    return [short(item) for item in turn.history.items]


async def test_a_chain_is_replayed_with_calls_outputs_and_reasoning() -> None:
    state = state_of()
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "status": "completed",
        "encrypted_content": "gA",
    }
    first = await answered(state, thought, called("c1"), input="Hi", instructions="Be brief.")
    output = {"type": "function_call_output", "call_id": "c1", "output": "7"}
    second = await answered(state, said("Seven.", "msg_2"), input=[output], previous_response_id=first)
    turn = await begin(state, input="Sure?", previous_response_id=second)
    assert list(turn.history.items) == [
        {"type": "message", "role": "user", "content": "Hi"},
        {key: value for key, value in thought.items() if key != "status"},
        called("c1"),
        output,
        said("Seven.", "msg_2"),
    ]
    assert "instructions" not in turn.body


async def test_a_chain_of_twenty_turns() -> None:
    state = state_of()
    id = await answered(state, said("a0", "msg_0"), input="q0")
    for i in range(1, 20):
        id = await answered(state, said(f"a{i}", f"msg_{i}"), input=f"q{i}", previous_response_id=id)
    assert await replayed(state, id) == [text for i in range(20) for text in (f"q{i}", f"a{i}")]


async def test_turns_branch() -> None:
    state = state_of()
    root = await answered(state, said("Hey", "msg_1"), input="Hi")
    left = await answered(state, said("L", "msg_2"), input="left", previous_response_id=root)
    right = await answered(state, said("R", "msg_3"), input="right", previous_response_id=root)
    assert await replayed(state, left) == ["Hi", "Hey", "left", "L"]
    assert await replayed(state, right) == ["Hi", "Hey", "right", "R"]
    assert await replayed(state, root) == ["Hi", "Hey"]


async def test_a_missing_turn_is_named_wherever_it_is() -> None:
    state = state_of()
    first = await answered(state, said("Hey", "msg_1"), input="Hi")
    second = await answered(state, said("Fine", "msg_2"), input="How?", previous_response_id=first)
    foreign = await refused(state, BOB, input="?", previous_response_id=second)
    assert await state.kept.responses.delete(ANN, first)
    gone = await refused(state, input="?", previous_response_id=second)
    never = await refused(state, input="?", previous_response_id="x" * 1_000_000)
    for error in (foreign, gone, never):
        assert (error.status, error.code) == (400, "previous_response_not_found")
        assert error.param == "previous_response_id"
    assert first in gone.message
    assert second in foreign.message
    assert len(never.message) < 300


async def test_what_is_replayed_is_kept_for_its_full_time_again() -> None:
    now = [0.0]
    state = state_of(MemoryStore(ttl=100, clock=lambda: now[0]))
    first = await answered(state, said("Hey", "msg_1"), input="Hi")
    id = first
    for i in range(4):
        now[0] += 60
        id = await answered(state, said(f"a{i}", f"msg_{i}"), input=f"q{i}", previous_response_id=id)
    assert (await replayed(state, id))[0] == "Hi"
    now[0] += 101
    assert (await refused(state, input="?", previous_response_id=id)).code == "previous_response_not_found"


@pytest.mark.parametrize("ttl", [None, 50.0])
async def test_a_ttl_of_its_own_comes_before_the_stores(ttl: float | None) -> None:
    now = [0.0]
    state = state_of(MemoryStore(ttl=100, clock=lambda: now[0]), ttl=ttl)
    id = await answered(state, said("Hey", "msg_1"), input="Hi")
    now[0] += 60
    assert (await state.kept.responses.load(ANN, id) is None) == (ttl is not None)


async def test_a_history_that_is_too_long_is_refused() -> None:
    state = state_of(max_items=5)
    id = await answered(state, said("a", "msg_1"), input="1")
    id = await answered(state, said("b", "msg_2"), input="2", previous_response_id=id)
    assert len(await replayed(state, id)) == 4
    id = await answered(state, said("c", "msg_3"), input="3", previous_response_id=id)
    error = await refused(state, input="?", previous_response_id=id)
    assert (error.status, error.code, error.param) == (400, "history_too_long", "previous_response_id")

    conversation = (await state.kept.conversations.create(ANN, [user(str(i)) for i in range(5)]))["id"]
    assert len((await begin(state, input="?", conversation=conversation)).history.items) == 5
    await state.kept.conversations.add(ANN, conversation, [user("6")])
    error = await refused(state, input="?", conversation=conversation)
    assert (error.status, error.code, error.param) == (400, "history_too_long", "conversation")


async def test_turns_without_items_are_bounded_too() -> None:
    state = state_of(max_items=3)
    id = await answered(state, input=[], instructions="a")
    for _ in range(3):
        id = (
            await answered(state, input=[], previous_response_id=id)
            if await replayed(state, id) == []
            else ""
        )
    assert (await refused(state, input="?", previous_response_id=id)).code == "history_too_long"


async def test_an_upstream_that_gives_all_answers_the_same_id_is_told_apart_by_nobody() -> None:
    state = state_of()
    await chatted(state, completion("chatcmpl-1"), user("Hi"), store=True)
    await chatted(state, completion("chatcmpl-1"), user("And?"), previous_response_id="chatcmpl-1")
    error = await refused(state, input="?", previous_response_id="chatcmpl-1")
    assert (error.code, error.param) == ("previous_response_not_found", "previous_response_id")
    assert "the same" in error.message or "several answers" in error.message


# Calls that broke off


@pytest.mark.parametrize(
    ("arguments", "status", "kept"),
    [
        ('{"a": 1', "incomplete", False),
        ("", "incomplete", False),
        ("{}", "incomplete", True),
        ("{", "completed", True),
    ],
)
async def test_a_call_that_was_cut_off_is_not_replayed(arguments: str, status: str, kept: bool) -> None:
    state = state_of()
    id = await answered(
        state, said("Let me see.", "msg_1"), called("c1", arguments, status=status), input="Hi"
    )
    assert ("call c1" in await replayed(state, id)) == kept


async def test_a_custom_call_that_was_cut_off_is_text_and_stays() -> None:
    state = state_of()
    call = {
        "type": "custom_tool_call",
        "id": "ctc_1",
        "call_id": "c1",
        "name": "f",
        "input": "pri",
        "status": "incomplete",
    }
    assert "call c1" in await replayed(state, await answered(state, call, input="Hi"))


async def test_a_call_of_a_completion_that_was_cut_off_is_not_replayed() -> None:
    state = state_of()
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a'}}]
    id = await chatted(state, completion("c", None, "length", tool_calls=calls), user("Hi"), store=True)
    assert await replayed(state, id) == ["Hi"]


# Both kinds of turns


async def test_stored_completions_are_continued_by_either_client() -> None:
    state = state_of()
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}},
    ]
    first = await chatted(
        state,
        completion("chatcmpl-1", "Let me see.", "tool_calls", tool_calls=calls, reasoning_content="Hm."),
        {"role": "system", "content": "Be brief."},
        user("Hi"),
        store=True,
    )
    outputs = [{"role": "tool", "tool_call_id": id, "content": "7"} for id in ("c1", "c2")]
    second = await chatted(state, completion("chatcmpl-2", "Seven."), *outputs, previous_response_id=first)
    third = await answered(state, said("Yes.", "msg_3"), input="Sure?", previous_response_id=second)
    told = [
        "Be brief.",
        "Hi",
        "reasoning",
        "Let me see.",
        "call c1",
        "call c2",
        "function_call_output c1",
        "custom_tool_call_output c2",
        "Seven.",
        "Sure?",
        "Yes.",
    ]
    assert await replayed(state, third) == told
    assert await replayed(state, third, client="chat", messages=[user("?")]) == told


async def test_a_replayed_history_makes_a_chat_request_in_which_every_call_is_answered() -> None:
    state = state_of()
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    first = await chatted(
        state, completion("1", None, "tool_calls", tool_calls=calls), user("Hi"), store=True
    )
    output = {"type": "function_call_output", "call_id": "c1", "output": "7"}
    turn = await begin(state, input=[output, user("And?")], previous_response_id=first)
    chat = responses_request_to_chat({**turn.body, "input": [*turn.history.items, *turn.body["input"]]})
    assert [message["role"] for message in chat.value["messages"]] == ["user", "assistant", "tool", "user"]
    assert chat.losses == []


async def test_what_responses_cannot_carry_of_a_completion_is_reported_or_refused() -> None:
    state = state_of()
    named = {**user("Hi"), "name": "Ann"}
    id = await chatted(state, completion("chatcmpl-1"), named, store=True)
    turn = await begin(state, input="?", previous_response_id=id)
    assert [(loss.path, loss.action) for loss in turn.losses] == [("previous_response_id", "dropped")]
    assert "messages[0].name" in turn.losses[0].reason
    spoken = {"role": "assistant", "audio": {"id": "audio_1"}}
    id = await chatted(state, completion("chatcmpl-2"), user("Hi"), spoken, store=True)
    error = await refused(state, input="?", previous_response_id=id)
    assert (error.status, error.param) == (400, "previous_response_id")
    assert "audio" in error.message


async def test_a_completion_that_broke_off_is_continued_from_what_it_said() -> None:
    state = state_of()
    id = await chatted(state, completion("chatcmpl-1", "Half a", None), user("Hi"), store=True)
    assert await replayed(state, id) == ["Hi", "Half a"]


# Chains that leave a conversation


async def test_a_turn_of_a_conversation_is_continued_with_what_was_before_it() -> None:
    state = state_of()
    conversation = (await state.kept.conversations.create(ANN, [user("First.")]))["id"]
    one = await answered(state, said("Hey", "msg_1"), input="Hi", conversation=conversation)
    two = await answered(state, said("Fine", "msg_2"), input="How?", conversation=conversation)
    three = await chatted(
        state, completion("chatcmpl-3", "Bye"), user("Go."), conversation=conversation, store=True
    )
    assert await replayed(state, one) == ["First.", "Hi", "Hey"]
    assert await replayed(state, two) == ["First.", "Hi", "Hey", "How?", "Fine"]
    assert await replayed(state, three) == ["First.", "Hi", "Hey", "How?", "Fine", "Go.", "Bye"]
    await state.kept.conversations.delete(ANN, conversation)
    error = await refused(state, input="?", previous_response_id=one)
    assert (error.status, error.code, error.param) == (400, "conversation_not_found", "previous_response_id")


async def test_items_of_one_id_are_in_several_conversations() -> None:
    state = state_of()
    item = {**user("Shared."), "id": "msg_shared"}
    for text in ("one", "two"):
        conversation = (await state.kept.conversations.create(ANN, [item, user(text)]))["id"]
        turn = await begin(state, input="?", conversation=conversation)
        assert [short(entry) for entry in turn.history.items] == ["Shared.", text]


async def test_an_answer_is_found_the_moment_it_is_kept() -> None:
    state = state_of()
    turn = await begin(state, input="Hi")
    answer = response(state, said("Hey", "msg_1"))
    assert (await refused(state, input="?", previous_response_id=answer["id"])).status == 400
    await turn.keep(answer)
    assert await replayed(state, answer["id"]) == ["Hi", "Hey"]
