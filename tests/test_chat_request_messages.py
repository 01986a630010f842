"""Chat messages -> Responses items: rounds, calls and outputs, earlier reasoning, remembered answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import PROFILES, profile_for
from responses_asgi.translate.input_items import MAX_CALL_ID, Recall, input_items
from responses_asgi.translate.messages import UNANSWERED, UNNAMED_FUNCTION
from responses_asgi.translate.reasoning import open_details
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.json import JSON

USER: JSON = {"role": "user", "content": "Hi"}


def call(call_id: str | None, name: str = "f", arguments: str = "{}") -> JSON:
    made: JSON = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return made if call_id is None else {"id": call_id, **made}


def tool(call_id: str, content: Any = "42") -> JSON:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def calling(*calls: JSON, **fields: Any) -> JSON:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **fields}


class Made:
    """The items of a history, and what was lost."""

    def __init__(
        self, *messages: JSON, profile: str = "generic", stored: bool = False, recall: Recall | None = None
    ) -> None:
        self.losses = Losses()
        body = validate_chat_request({"model": "m", "messages": list(messages)})
        self.items = input_items(
            body["messages"],
            stored=stored,
            profile=profile_for(profile),
            losses=self.losses,
            recall=recall,
        )

    @property
    def kinds(self) -> list[str]:
        return [item.get("role") or item["type"] for item in self.items]

    @property
    def lost(self) -> list[tuple[str, str]]:
        return [(loss.path, loss.action) for loss in self.losses]


# Order


def test_every_system_message_stays_where_it_was() -> None:
    made = Made(
        {"role": "system", "content": "A"},
        USER,
        {"role": "developer", "content": [{"type": "text", "text": "B"}]},
        {"role": "system", "content": "C"},
        profile="vllm",
    )
    assert [(item["role"], item["content"]) for item in made.items] == [
        ("system", "A"),
        ("user", "Hi"),
        ("developer", [{"type": "input_text", "text": "B"}]),
        ("system", "C"),
    ]
    assert made.lost == []


def test_a_round_is_text_then_calls_then_outputs() -> None:
    made = Made(USER, calling(call("a"), call("b"), content="Wait."), tool("a", "1"), tool("b", "2"), USER)
    assert made.kinds == [
        "user",
        "assistant",
        *("function_call", "function_call", "function_call_output", "function_call_output"),
        "user",
    ]
    assert [(item["call_id"], item["output"]) for item in made.items[4:6]] == [("a", "1"), ("b", "2")]
    assert made.lost == []


def test_only_text_is_said_by_an_assistant() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    video = {"type": "video_url", "video_url": {"url": "https://a.test/v"}}
    made = Made(
        USER,
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "A"}, {"type": "refusal", "refusal": "No."}, picture, video],
        },
    )
    assert [part["type"] for part in made.items[1]["content"]] == ["output_text", "refusal"]
    assert made.lost == [("messages[1].content[2]", "dropped"), ("messages[1].content[3]", "dropped")]


def test_content_that_is_lost_as_a_whole_leaves_the_message() -> None:
    made = Made({"role": "user", "content": [{"type": "video_url", "video_url": "https://a.test/v"}]})
    assert made.items == [{"type": "message", "role": "user", "content": ""}]
    assert made.lost == [("messages[0].content[0]", "dropped")]


def test_several_texts_of_an_assistant_stay_apart() -> None:
    parts = [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    made = Made(USER, {"role": "assistant", "content": parts})
    assert made.items[1]["content"] == [
        {"type": "output_text", "text": "A", "annotations": []},
        {"type": "output_text", "text": "B", "annotations": []},
    ]


def test_images_of_outputs_are_carried() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "high"}}
    made = Made(USER, calling(call("a")), tool("a", [{"type": "text", "text": "See"}, picture]))
    assert made.items[-1]["output"] == [
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "high"},
    ]


def test_a_breakpoint_the_upstream_does_not_take_is_reported() -> None:
    losses = Losses()
    part = {"type": "text", "text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}}
    items = input_items(
        [{"role": "user", "content": [part]}],
        stored=False,
        profile=replace(PROFILES["generic"], responses_withheld=frozenset({"prompt_cache_breakpoint"})),
        losses=losses,
    )
    assert items[0]["content"] == [{"type": "input_text", "text": "Hi"}]
    assert [loss.path for loss in losses] == ["messages[0].content[0].prompt_cache_breakpoint"]


# Calls and outputs


def test_what_rides_on_calls_and_outputs_is_carried() -> None:
    signed = {**call("a"), "extra_content": {"google": {"thought_signature": "s"}}, "index": 0}
    made = Made(USER, calling(signed), {**tool("a"), "cache_control": {"type": "ephemeral"}})
    assert made.items[1] == {
        "type": "function_call",
        "call_id": "a",
        "name": "f",
        "arguments": "{}",
        "extra_content": {"google": {"thought_signature": "s"}},
    }
    assert made.items[2]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("recall", [None, lambda call_id: ANSWER])
def test_a_call_of_an_unknown_type_is_refused(recall: Recall | None) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Made(USER, calling(call("a"), {"id": "b", "type": "acme:call"}), recall=recall)
    assert caught.value.param == "messages[1].tool_calls[1].type"


def test_the_output_of_a_custom_call_is_of_its_kind() -> None:
    custom = {"id": "a", "type": "custom", "custom": {"name": "c", "input": "x"}}
    made = Made(USER, calling(custom), tool("a", "done"))
    assert made.items[1:] == [
        {"type": "custom_tool_call", "call_id": "a", "name": "c", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "done"},
    ]


def test_a_call_without_output_gets_one_after_the_calls_of_its_round() -> None:
    made = Made(USER, calling(call("a"), call("b")), tool("b", "2"), USER, calling(call("c")))
    assert [(item["type"], item.get("call_id"), item.get("output")) for item in made.items[1:5]] == [
        ("function_call", "a", None),
        ("function_call", "b", None),
        ("function_call_output", "a", UNANSWERED),
        ("function_call_output", "b", "2"),
    ]
    assert made.items[-1] == {"type": "function_call_output", "call_id": "c", "output": UNANSWERED}
    assert made.lost == [
        ("messages[1].tool_calls[0]", "emulated"),
        ("messages[4].tool_calls[0]", "emulated"),
    ]


def test_an_output_without_call_gets_one() -> None:
    made = Made(USER, tool("a", "1"), {**tool("b", "2"), "name": "known"})
    assert [(item["type"], item["call_id"], item.get("name")) for item in made.items[1:]] == [
        ("function_call", "a", UNNAMED_FUNCTION),
        ("function_call_output", "a", None),
        ("function_call", "b", "known"),
        ("function_call_output", "b", None),
    ]
    assert made.lost == [("messages[1]", "emulated"), ("messages[2]", "emulated")]


def test_ids_that_recur_are_told_apart() -> None:
    """Some servers count their calls from 0 in every answer."""
    made = Made(
        USER, calling(call("call_0")), tool("call_0", "1"), calling(call("call_0")), tool("call_0", "2")
    )
    ids = [item["call_id"] for item in made.items[1:]]
    assert ids == ["call_0", "call_0", "call_0_2", "call_0_2"]
    assert [item["output"] for item in made.items if "output" in item] == ["1", "2"]


def test_long_ids_are_shortened_alike() -> None:
    long = "call_" + "x" * 300
    made = Made(USER, calling(call(long), call("y" * MAX_CALL_ID)), tool(long), tool("y" * MAX_CALL_ID))
    ids = [item["call_id"] for item in made.items[1:]]
    assert ids[0] == ids[2] != long
    assert ids[1] == ids[3] == "y" * MAX_CALL_ID
    assert all(len(call_id) <= MAX_CALL_ID for call_id in ids)
    assert Made(USER, calling(call(long)), tool(long)).items[1]["call_id"] == ids[0]


def test_calls_without_ids_are_answered_in_order() -> None:
    made = Made(USER, calling(call(None, "f"), call("", "g")), tool("", "1"), tool("", "2"))
    calls = made.items[1:3]
    assert [(item["call_id"], item["output"]) for item in made.items[3:]] == [
        (calls[0]["call_id"], "1"),
        (calls[1]["call_id"], "2"),
    ]


def test_a_name_is_lost_only_where_the_call_has_another_one() -> None:
    made = Made(
        USER,
        calling(call("a"), call("b")),
        {**tool("a"), "name": "f"},
        {**tool("b"), "name": "other"},
    )
    assert made.lost == [("messages[3].name", "dropped")]
    assert not any("name" in item for item in made.items[3:])


# The older functions


def legacy(name: str, arguments: str = "{}") -> JSON:
    return {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": arguments}}


def test_older_calls_and_outputs_share_an_id_that_was_made_up() -> None:
    made = Made(
        USER,
        legacy("f", '{"x":1}'),
        {"role": "function", "name": "f", "content": "1"},
        legacy("f", '{"x":2}'),
        {"role": "function", "name": "f", "content": None},
    )
    first, its_output, second, its_other = made.items[1:]
    assert (first["name"], first["arguments"]) == ("f", '{"x":1}')
    assert its_output == {"type": "function_call_output", "call_id": first["call_id"], "output": "1"}
    assert its_other == {"type": "function_call_output", "call_id": second["call_id"], "output": ""}
    assert first["call_id"] != second["call_id"]
    assert made.lost == [("messages[1].function_call", "emulated"), ("messages[3].function_call", "emulated")]


def test_made_up_ids_do_not_change_when_the_history_grows_and_hit_no_other() -> None:
    history = [USER, legacy("f"), {"role": "function", "name": "f", "content": "1"}]
    before = Made(*history).items
    after = Made(*history, calling(call(before[1]["call_id"])), tool(before[1]["call_id"])).items
    assert after[:3] == before
    assert after[3]["call_id"] == after[4]["call_id"] != before[1]["call_id"]


# Earlier reasoning that the client gives back


def test_details_travel_as_text_and_token() -> None:
    details = [{"type": "reasoning.text", "text": "Think.", "signature": "s"}]
    made = Made(
        USER, calling(call("a"), reasoning="Think.", reasoning_details=details, content="A"), tool("a")
    )
    thought = made.items[1]
    assert made.kinds[1:] == ["reasoning", "assistant", "function_call", "function_call_output"]
    assert thought["content"] == [{"type": "reasoning_text", "text": "Think."}]
    assert open_details(thought["encrypted_content"]) == details
    assert made.lost == []


def test_unreadable_details_travel_as_token_alone() -> None:
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    thought = Made(USER, calling(call("a"), reasoning_details=details), tool("a")).items[1]
    assert "content" not in thought
    assert open_details(thought["encrypted_content"]) == details


@pytest.mark.parametrize(
    ("details", "lost"),
    [
        ([{"type": "reasoning.text", "text": "Think."}], []),
        ([{"type": "reasoning.summary", "summary": "Think."}, "broken"], []),
        ([{"type": "reasoning.text", "text": "Think.", "signature": "s"}], ["messages[1].reasoning_details"]),
    ],
)
def test_a_server_without_tokens_gets_the_text(details: list[Any], lost: list[str]) -> None:
    made = Made(USER, {"role": "assistant", "content": "A", "reasoning_details": details}, profile="vllm")
    assert made.items[1]["content"] == [{"type": "reasoning_text", "text": "Think."}]
    assert "encrypted_content" not in made.items[1]
    assert [loss.path for loss in made.losses] == lost


def test_thinking_parts_are_no_text() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Think."}]}
    message = {"role": "assistant", "content": [thinking, {"type": "text", "text": "A"}]}
    made = Made(USER, message, profile="lmstudio")
    assert made.items[1]["content"] == [{"type": "reasoning_text", "text": "Think."}]
    assert made.items[2]["content"] == "A"
    refused = Made(USER, message, profile="openai")
    assert refused.kinds == ["user", "assistant"]
    assert refused.lost == [("messages[1].content", "dropped")]


def test_thinking_of_an_odd_shape_is_read_as_far_as_it_can_be() -> None:
    pieces = [{"type": "text", "text": ["odd"]}, "odd", {"type": "text", "text": "Think."}]
    message = {"role": "assistant", "content": [{"type": "thinking", "thinking": pieces}]}
    made = Made(USER, message, profile="lmstudio")
    assert made.items[1]["content"] == [{"type": "reasoning_text", "text": "Think."}]


def test_the_same_thought_has_the_same_id() -> None:
    def thought(text: str) -> Any:
        return Made(USER, {"role": "assistant", "content": "A", "reasoning": text}).items[1]["id"]

    assert thought("one") == thought("one") != thought("two")
    assert thought("one").startswith("rs_")


# What is remembered of an earlier answer

THOUGHT: JSON = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "encrypted_content": "gAAA",
    "status": None,
}
SAID: JSON = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "phase": "commentary",
    "content": [{"type": "output_text", "text": "Let me\n\nsee.", "annotations": []}],
}


def made_call(call_id: str, arguments: str = '{"x":1}', **fields: Any) -> JSON:
    return {
        "type": "function_call",
        "id": f"fc_{call_id}",
        "call_id": call_id,
        "name": "f",
        "arguments": arguments,
        **fields,
    }


def memory(*answers: Sequence[JSON]) -> Callable[[str], Sequence[JSON]]:
    """Remembers answers by their call ids; the latest answer wins, as in the store."""
    known = {item["call_id"]: answer for answer in answers for item in answer if "call_id" in item}
    return lambda call_id: known.get(call_id, ())


ANSWER = [THOUGHT, SAID, made_call("a"), made_call("b", "{}")]
ASKED = calling(call("a", "f", '{"x": 1}'), call("b", "f", ""), content="Let me see.")


@pytest.mark.parametrize("profile", ["generic", "openai", "vllm"])
def test_a_remembered_answer_replaces_the_message(profile: str) -> None:
    made = Made(
        USER,
        {**ASKED, "reasoning_content": "shown to the client"},
        tool("a", "1"),
        tool("b", "2"),
        profile=profile,
        recall=memory(ANSWER),
    )
    without_status = {key: value for key, value in THOUGHT.items() if key != "status"}
    assert made.items[1:5] == [without_status, *ANSWER[1:]]
    assert [item["output"] for item in made.items[5:]] == ["1", "2"]
    assert made.lost == []


def test_what_the_client_added_to_a_remembered_answer_is_reported() -> None:
    added = {**ASKED, "prefix": True, "tool_calls": [{**ASKED["tool_calls"][0], "x": 1}, call("b")]}
    made = Made(USER, added, tool("a"), tool("b"), recall=memory(ANSWER))
    assert made.items[1]["id"] == "rs_1"
    assert made.lost == [("messages[1].prefix", "dropped"), ("messages[1].tool_calls[0].x", "dropped")]


def test_text_that_the_client_left_out_comes_back() -> None:
    made = Made(USER, {**ASKED, "content": None}, tool("a"), tool("b"), recall=memory(ANSWER))
    assert SAID in made.items


@pytest.mark.parametrize(
    "message",
    [
        {**ASKED, "content": "Something else."},
        {**ASKED, "tool_calls": ASKED["tool_calls"][:1]},
        {**ASKED, "tool_calls": ASKED["tool_calls"][::-1]},
        {**ASKED, "tool_calls": [*ASKED["tool_calls"], call("c")]},
        {**ASKED, "tool_calls": [call("a", "f", '{"x": 2}'), call("b")]},
        {**ASKED, "tool_calls": [call("a", "f", "broken"), call("b")]},
        {**ASKED, "tool_calls": [call("a", "g", '{"x": 1}'), call("b")]},
        {**ASKED, "refusal": "No."},
        {**ASKED, "function_call": {"name": "f", "arguments": "{}"}},
    ],
)
def test_a_message_that_was_changed_is_sent_as_it_is(message: JSON) -> None:
    outputs = [tool(made["id"]) for made in message["tool_calls"]]
    made, plain = Made(USER, message, *outputs, recall=memory(ANSWER)), Made(USER, message, *outputs)
    assert made.items == plain.items
    assert made.lost == [("messages[1]", "dropped"), *plain.lost]


def test_what_is_forgotten_is_mapped_plainly() -> None:
    made = Made(USER, ASKED, tool("a"), tool("b"), recall=lambda call_id: ())
    assert made.items == Made(USER, ASKED, tool("a"), tool("b")).items
    assert made.lost == []


def test_any_of_the_ids_brings_the_answer_back() -> None:
    recall = memory(ANSWER)
    made = Made(
        USER, ASKED, tool("a"), tool("b"), recall=lambda call_id: recall(call_id) if call_id == "b" else ()
    )
    assert made.items[1]["id"] == "rs_1"


def test_no_remembered_item_is_sent_twice() -> None:
    """An id that recurs stands for the latest answer."""
    earlier = calling(call("a", "f", '{"x":1}'), call("b"))
    made = Made(
        USER, earlier, tool("a"), tool("b"), ASKED, tool("a"), tool("b"), recall=memory(ANSWER), stored=True
    )
    assert [item.get("id") for item in made.items] == [
        *(None, None, None, None, None),
        *("rs_1", "msg_1", "fc_a", "fc_b", None, None),
    ]
    assert made.lost == []


def test_every_round_is_given_back() -> None:
    first = [{**THOUGHT, "id": "rs_0"}, made_call("z")]
    made = Made(
        USER,
        calling(call("z", "f", '{"x":1}')),
        tool("z"),
        ASKED,
        tool("a"),
        tool("b"),
        recall=memory(first, ANSWER),
    )
    assert [item["id"] for item in made.items if "id" in item] == [
        "rs_0",
        "fc_z",
        "rs_1",
        "msg_1",
        "fc_a",
        "fc_b",
    ]


UNREADABLE = [{"type": "reasoning", "id": "rs_1", "summary": []}, SAID, made_call("a"), made_call("b", "{}")]


def test_reasoning_that_the_upstream_could_not_read_goes_with_the_ids_that_refer_to_it() -> None:
    made = Made(USER, ASKED, tool("a"), tool("b"), profile="openai", recall=memory(UNREADABLE))
    assert made.kinds[1:4] == ["assistant", "function_call", "function_call"]
    assert not any("id" in item for item in made.items)
    assert made.items[1]["phase"] == "commentary"
    assert made.lost == [("messages[1]", "dropped")]


@pytest.mark.parametrize(("profile", "stored"), [("openai", True), ("generic", False)])
def test_reasoning_that_the_upstream_can_find_or_read_is_kept(profile: str, stored: bool) -> None:
    made = Made(USER, ASKED, tool("a"), tool("b"), profile=profile, stored=stored, recall=memory(UNREADABLE))
    assert [item["id"] for item in made.items if "id" in item] == ["rs_1", "msg_1", "fc_a", "fc_b"]
    assert made.lost == []
