"""How a history of items becomes Chat messages."""

from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.loss import Losses
from responses_asgi.profiles import profile_for
from responses_asgi.translate.messages import ATTACHED, FILLER, GO_ON, UNANSWERED, UNNAMED_FUNCTION
from responses_asgi.translate.reasoning import open_details, reasoning_text, seal_details
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request

IMAGE = "data:image/png;base64,AAAA"


def user(content: Any = "Hi") -> JSON:
    return {"role": "user", "content": content}


def says(text: str) -> JSON:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def call(call_id: str | None = "call_1", name: str = "f", arguments: str = "{}", **more: Any) -> JSON:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, **more}


def output(call_id: str | None = "call_1", value: Any = "42", **more: Any) -> JSON:
    return {"type": "function_call_output", "call_id": call_id, "output": value, **more}


def thought(text: str = "", **more: Any) -> JSON:
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": content, **more}


def translate(
    *items: JSON, profile: str = "generic", **body: Any
) -> tuple[list[JSON], list[tuple[str, str]]]:
    """The messages, and the reported paths with what was done."""
    losses = Losses()
    request = validate_request({"model": "m", "input": list(items), **body})
    chat = to_chat_request(request, profile=profile_for(profile), losses=losses)
    return chat["messages"], [(loss.path, loss.action) for loss in losses]


def shape(messages: list[JSON]) -> list[str]:
    """Roles, with the ids of calls and answers: `assistant(a,b) tool(a) tool(b)`."""
    shapes = []
    for message in messages:
        ids = [tool_call["id"] for tool_call in message.get("tool_calls", ())]
        ids += [message["tool_call_id"]] if message["role"] == "tool" else []
        shapes.append(f"{message['role']}({','.join(ids)})" if ids else message["role"])
    return shapes


# Rounds


def test_a_namespace_of_a_call_whose_tool_is_in_none_is_reported() -> None:
    item = {"type": "local_shell_call", "call_id": "c", "action": {"command": ["ls"]}, "namespace": "a"}
    messages, losses = translate(item, output("c"))
    assert messages[0]["tool_calls"][0]["function"]["name"] == "local_shell"
    assert ("input[0].namespace", "dropped") in losses


def test_text_and_parallel_calls_become_one_message_with_the_outputs_after_it() -> None:
    messages, losses = translate(
        user(), says("Let me look."), call("a"), call("b", "g", '{"x":1}'), output("a", "1"), output("b", "2")
    )
    assert shape(messages) == ["user", "assistant(a,b)", "tool(a)", "tool(b)"]
    assert messages[1]["content"] == "Let me look."
    assert messages[1]["tool_calls"][1]["function"] == {"name": "g", "arguments": '{"x":1}'}
    assert [message["content"] for message in messages[2:]] == ["1", "2"]
    assert losses == []


def test_a_new_call_after_an_output_is_a_new_round() -> None:
    messages, _ = translate(user(), call("a"), output("a"), call("b"), output("b"))
    assert shape(messages) == ["user", "assistant(a)", "tool(a)", "assistant(b)", "tool(b)"]


def test_text_after_an_output_is_a_new_round() -> None:
    messages, _ = translate(user(), call("a"), output("a"), says("It is 42."), user("Thanks"))
    assert shape(messages) == ["user", "assistant(a)", "tool(a)", "assistant", "user"]


def test_text_after_a_call_is_folded_before_it() -> None:
    messages, losses = translate(user(), call("a"), says("One moment."), output("a"))
    assert shape(messages) == ["user", "assistant(a)", "tool(a)"]
    assert messages[1]["content"] == "One moment."
    assert losses == []


def test_outputs_follow_their_calls_whatever_stands_between() -> None:
    messages, _ = translate(user(), call("a"), user("Hurry!"), output("a", "1"), says("Done."))
    assert shape(messages) == ["user", "assistant(a)", "tool(a)", "user", "assistant"]


def test_outputs_are_told_in_the_order_of_the_calls() -> None:
    messages, _ = translate(user(), call("a"), call("b"), output("b", "2"), output("a", "1"))
    assert shape(messages) == ["user", "assistant(a,b)", "tool(a)", "tool(b)"]
    assert messages[2]["content"] == "1"


def test_messages_of_one_round_are_joined_by_a_blank_line() -> None:
    messages, _ = translate(user(), says("First."), says("Second."))
    assert messages[1] == {"role": "assistant", "content": "First.\n\nSecond."}


def test_the_text_of_a_few_assistant_parts_is_contiguous() -> None:
    parts = [{"type": "output_text", "text": "one "}, {"type": "output_text", "text": "word"}]
    messages, _ = translate(user(), {"role": "assistant", "content": parts})
    assert messages[1]["content"] == "one word"


@pytest.mark.parametrize(("profile", "content"), [("generic", ""), ("openai", None), ("mistral", "")])
def test_content_beside_nothing_but_calls(profile: str, content: str | None) -> None:
    messages, _ = translate(user(), call("aaaaaaaaa"), output("aaaaaaaaa"), profile=profile)
    assert messages[1]["content"] == content


def test_an_empty_assistant_message_stays_one() -> None:
    messages, _ = translate(user(), {"role": "assistant", "content": ""}, user("Well?"))
    assert messages[1] == {"role": "assistant", "content": ""}


def test_empty_arguments_become_an_empty_object() -> None:
    messages, _ = translate(user(), call(arguments=""), output())
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_refusals_have_a_field_of_their_own_where_it_is_known() -> None:
    refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]}
    messages, _ = translate(user(), refusal, profile="openai")
    assert messages[1] == {"role": "assistant", "content": None, "refusal": "I cannot."}
    messages, _ = translate(user(), refusal, profile="generic")
    assert messages[1] == {"role": "assistant", "content": "I cannot."}


def test_images_of_the_assistant_are_reported() -> None:
    parts = [{"type": "output_text", "text": "See"}, {"type": "input_image", "image_url": IMAGE}]
    messages, losses = translate(user(), {"role": "assistant", "content": parts})
    assert messages[1]["content"] == "See"
    assert losses == [("input[1].content[1]", "dropped")]


def test_videos_are_reported_wherever_they_stand() -> None:
    video = {"type": "input_video", "video_url": "https://a.test/v.mp4"}
    answer = {"role": "assistant", "content": [video, {"type": "output_text", "text": "See"}]}
    messages, losses = translate(user(), answer, call(), output(value=[video]))
    assert messages[1]["content"] == "See"
    assert messages[2]["content"] == ""
    assert losses == [("input[1].content[0]", "dropped"), ("input[3].output[0]", "dropped")]


def test_fields_of_nobody_are_carried() -> None:
    signature = {"google": {"thought_signature": "abc"}}
    messages, losses = translate(
        {**user(), "name": "Ada"},
        {**says("Hm."), "prefix": True},
        call(extra_content=signature),
        output(is_error=True),
    )
    assert messages[0] == {"role": "user", "content": "Hi", "name": "Ada"}
    assert messages[1]["prefix"] is True
    assert messages[1]["tool_calls"][0]["extra_content"] == signature
    assert messages[2]["is_error"] is True
    assert losses == []


def test_what_calls_of_other_kinds_carried_is_reported() -> None:
    _, losses = translate(user(), call(namespace="ns", caller={"type": "program"}), output())
    assert losses == [("input[1].caller", "dropped"), ("input[1].namespace", "emulated")]


def test_a_custom_call_is_a_function_call_with_one_argument() -> None:
    custom = {"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": 'say "hi"\n'}
    result = {"type": "custom_tool_call_output", "call_id": "c", "output": "done"}
    messages, losses = translate(user(), custom, result)
    assert shape(messages) == ["user", "assistant(c)", "tool(c)"]
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == '{"input":"say \\"hi\\"\\n"}'
    assert losses == [("input[1]", "emulated")]


# Orphans


def test_an_unanswered_call_is_answered() -> None:
    messages, losses = translate(user(), call("a"), call("b"), output("b"), user("Go on"))
    assert shape(messages) == ["user", "assistant(a,b)", "tool(a)", "tool(b)", "user"]
    assert messages[2]["content"] == UNANSWERED
    assert losses == [("input[1]", "emulated")]


def test_an_output_without_call_gets_one() -> None:
    messages, losses = translate(user(), output("a", "1"), output("b", "2", name="weather"), says("Fine."))
    assert shape(messages) == ["user", "assistant(a)", "tool(a)", "assistant(b)", "tool(b)", "assistant"]
    assert messages[1]["tool_calls"][0]["function"] == {"name": UNNAMED_FUNCTION, "arguments": "{}"}
    assert messages[3]["tool_calls"][0]["function"]["name"] == "weather"
    assert messages[4]["content"] == "2"
    assert losses == [("input[1]", "emulated"), ("input[2]", "emulated")]


def test_ids_that_recur_answer_in_order_and_stay_unique() -> None:
    messages, _ = translate(
        user(), call("call_0"), output("call_0", "1"), call("call_0"), output("call_0", "2")
    )
    assert shape(messages) == [
        "user",
        "assistant(call_0)",
        "tool(call_0)",
        "assistant(call_0_2)",
        "tool(call_0_2)",
    ]
    assert [messages[2]["content"], messages[4]["content"]] == ["1", "2"]


def test_an_output_without_id_answers_the_oldest_open_call_of_its_name() -> None:
    messages, _ = translate(
        user(), call("a", "f"), call("b", "g"), output(None, "of g", name="g"), output(None, "of f")
    )
    assert shape(messages) == ["user", "assistant(a,b)", "tool(a)", "tool(b)"]
    assert [message["content"] for message in messages[2:]] == ["of f", "of g"]


def test_a_call_without_id_gets_one() -> None:
    messages, _ = translate(user(), call(None), output(None))
    assert shape(messages) == ["user", "assistant(call_1)", "tool(call_1)"]
    messages, _ = translate(user(), call(None, id="fc_9"), output("fc_9"), output(None))
    assert shape(messages)[1:3] == ["assistant(fc_9)", "tool(fc_9)"]


def test_ids_of_mistral_are_nine_letters_and_digits_everywhere() -> None:
    messages, _ = translate(
        user(),
        call("call_with-a_long_id"),
        output("call_with-a_long_id"),
        call("abcDEF123"),
        profile="mistral",
    )
    first = messages[1]["tool_calls"][0]["id"]
    assert len(first) == 9
    assert first.isalnum()
    assert messages[2]["tool_call_id"] == first
    assert messages[3]["tool_calls"][0]["id"] == "abcDEF123"
    again, _ = translate(user(), call("call_with-a_long_id"), profile="mistral")
    assert again[1]["tool_calls"][0]["id"] == first


def test_a_message_stands_between_tool_and_user_for_mistral() -> None:
    messages, _ = translate(user(), call("aaaaaaaaa"), output("aaaaaaaaa"), user("And?"), profile="mistral")
    assert shape(messages) == ["user", "assistant(aaaaaaaaa)", "tool(aaaaaaaaa)", "assistant", "user"]
    assert messages[3]["content"] == FILLER


# Outputs


def test_images_of_outputs_move_to_a_user_message_after_all_outputs() -> None:
    pictures = [{"type": "input_text", "text": "a cat"}, {"type": "input_image", "image_url": IMAGE}]
    only = [{"type": "input_image", "image_url": IMAGE, "detail": "original"}]
    messages, losses = translate(
        user(), call("a", "view"), call("b", "view"), output("a", pictures), output("b", only), says("Nice.")
    )
    assert shape(messages) == ["user", "assistant(a,b)", "tool(a)", "tool(b)", "user", "assistant"]
    assert [messages[2]["content"], messages[3]["content"]] == ["a cat", ATTACHED]
    assert messages[4]["content"] == [
        {"type": "text", "text": "Output of view (a):"},
        {"type": "image_url", "image_url": {"url": IMAGE}},
        {"type": "text", "text": "Output of view (b):"},
        {"type": "image_url", "image_url": {"url": IMAGE, "detail": "high"}},
    ]
    assert ("input[3].output[1]", "emulated") in losses
    assert ("input[4].output[0]", "emulated") in losses
    assert ("input[4].output[0].detail", "clamped") in losses


def test_texts_of_an_output_are_a_list_or_joined() -> None:
    texts = [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}]
    messages, _ = translate(user(), call(), output(value=texts), profile="openai")
    assert messages[2]["content"] == [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    messages, _ = translate(user(), call(), output(value=texts))
    assert messages[2]["content"] == "one\ntwo"
    messages, _ = translate(user(), call(), output(value=[]))
    assert messages[2]["content"] == ""


# Content and system messages


def test_content_is_a_string_where_that_says_it_all() -> None:
    texts = [{"type": "input_text", "text": "one"}, {"type": "input_text", "text": "two"}]
    assert translate(user(texts[:1]), profile="openai")[0][0]["content"] == "one"
    assert translate(user(texts))[0][0]["content"] == "one\ntwo"
    assert len(translate(user(texts), profile="openai")[0][0]["content"]) == 2
    mixed = [*texts, {"type": "input_image", "image_url": IMAGE}]
    assert [part["type"] for part in translate(user(mixed))[0][0]["content"]] == ["text", "text", "image_url"]
    assert translate(user([]))[0][0]["content"] == ""


def test_instructions_come_first() -> None:
    messages, _ = translate(user(), instructions="Be brief.")
    assert messages[0] == {"role": "system", "content": "Be brief."}
    assert translate(user(), instructions="")[0] == [user()]


def test_system_messages_keep_their_places_by_default() -> None:
    messages, losses = translate(
        {"role": "developer", "content": "One."}, user(), {"role": "system", "content": "Two."}, user("Go")
    )
    assert shape(messages) == ["system", "user", "system", "user"]
    assert losses == []


def test_system_messages_are_joined_at_the_front_where_templates_demand_it() -> None:
    late = [{"type": "input_text", "text": "Three."}, {"type": "input_text", "text": "Four."}]
    messages, losses = translate(
        {"role": "developer", "content": "Two."},
        user(),
        {"role": "system", "content": late},
        profile="vllm",
        instructions="One.",
    )
    assert messages == [{"role": "system", "content": "One.\n\nTwo.\n\nThree.\nFour."}, user()]
    assert losses == [("input[2]", "emulated")]


def test_a_system_message_with_an_image_keeps_its_place() -> None:
    picture = [{"type": "input_image", "image_url": IMAGE}]
    messages, _ = translate(user(), {"role": "system", "content": picture}, profile="vllm")
    assert shape(messages) == ["user", "system"]


# Reasoning


@pytest.mark.parametrize(
    ("profile", "field"),
    [("deepseek", "reasoning_content"), ("vllm", "reasoning"), ("openrouter", "reasoning")],
)
def test_reasoning_goes_back_on_the_message_of_its_round(profile: str, field: str) -> None:
    messages, losses = translate(
        user(), thought("Look first."), call("a"), output("a"), thought("Seen."), says("42."), profile=profile
    )
    assert messages[1][field] == "Look first."
    assert messages[3][field] == "Seen."
    assert losses == []


def test_reasoning_that_trails_its_round_belongs_to_it() -> None:
    messages, _ = translate(user(), thought("A."), call("a"), thought("B."), output("a"), profile="deepseek")
    assert messages[1]["reasoning_content"] == "A.\nB."


def test_a_message_of_somebody_else_ends_the_claim() -> None:
    messages, losses = translate(
        user(), thought("Never mind."), user("Wait"), says("Yes?"), profile="deepseek"
    )
    assert "reasoning_content" not in messages[2]
    assert losses == [("input[1]", "dropped")]


def test_deepseek_gets_reasoning_content_with_every_call_if_need_be_empty() -> None:
    messages, _ = translate(user(), says("Hello."), user(), call("a"), output("a"), profile="deepseek")
    assert messages[3]["reasoning_content"] == ""
    assert "reasoning_content" not in messages[1]


def test_servers_that_take_no_reasoning_back_get_none() -> None:
    messages, losses = translate(user(), thought("Hm."), says("Yes."), profile="openai")
    assert messages[1] == {"role": "assistant", "content": "Yes."}
    assert losses == [("input[1]", "dropped")]


def test_sealed_details_go_back_unchanged() -> None:
    details = [
        {"type": "reasoning.text", "text": "Look.", "signature": "sig=", "index": 0, "format": "x"},
        {"type": "reasoning.encrypted", "data": "AAAA", "id": "rs_1"},
    ]
    item = thought(encrypted_content=seal_details(details))
    messages, losses = translate(user(), item, call("a"), output("a"), profile="openrouter")
    assert messages[1]["reasoning_details"] == details
    assert "reasoning" not in messages[1]
    assert losses == []
    # Elsewhere the readable part of it is what can be given back.
    messages, _ = translate(user(), item, call("a"), output("a"), profile="deepseek")
    assert messages[1]["reasoning_content"] == "Look."


def test_thinking_parts_go_back_before_the_text() -> None:
    part = {"type": "thinking", "thinking": [{"type": "text", "text": "Add."}], "signature": "sig"}
    sealed = thought("ignored", encrypted_content=seal_details([part]))
    messages, _ = translate(user(), sealed, says("8."), profile="mistral")
    assert messages[1]["content"] == [part, {"type": "text", "text": "8."}]
    messages, _ = translate(user(), thought("Add."), call("aaaaaaaaa"), profile="mistral")
    assert messages[1]["content"] == [{"type": "thinking", "thinking": [{"type": "text", "text": "Add."}]}]
    cached = {"type": "output_text", "text": "8.", "cache_control": {"type": "ephemeral"}}
    answer = {"role": "assistant", "content": [cached]}
    messages, _ = translate(user(), thought("Add."), answer, profile="mistral")
    assert [piece["type"] for piece in messages[1]["content"]] == ["thinking", "text"]
    messages, _ = translate(user(), thought(), says("8."), profile="mistral")
    assert messages[1]["content"] == "8."


def test_reasoning_that_only_its_maker_can_read_is_reported() -> None:
    messages, losses = translate(user(), thought(encrypted_content="gAAAA"), says("Yes."), profile="deepseek")
    assert "reasoning_content" not in messages[1]
    assert losses == [("input[1]", "dropped")]


def test_the_text_of_reasoning_is_token_then_content_then_summary() -> None:
    summary = [{"type": "summary_text", "text": "short"}, {"type": "summary_text", "text": "er"}]
    token = seal_details([{"type": "reasoning.summary", "summary": "sealed"}])
    assert reasoning_text({"summary": summary}) == "short\ner"
    assert reasoning_text({**thought("long"), "summary": summary}) == "long"
    assert reasoning_text({**thought("long"), "encrypted_content": token}) == "sealed"
    assert reasoning_text({**thought("long"), "encrypted_content": "foreign"}) == "long"
    hidden = seal_details([{"type": "reasoning.encrypted", "data": "x"}])
    assert reasoning_text({**thought("long"), "encrypted_content": hidden}) == "long"
    assert reasoning_text({"type": "reasoning"}) == ""


def test_only_our_own_tokens_are_opened() -> None:
    details = [{"type": "reasoning.encrypted", "data": "ÄÖ?>"}]
    assert open_details(seal_details(details)) == details
    assert seal_details(details).startswith("rd1.")
    for foreign in (
        None,
        5,
        "",
        "gAAAA",
        "rd1.",
        "rd1.???",
        "rd1.bm90IGpzb24",
        "rd1.e30",
        "rd1.WzFd",
        "rd1.Ä",
    ):
        assert open_details(foreign) is None


@pytest.mark.parametrize(
    ("part", "lacks"),
    [
        ({"type": "input_image"}, "image_url"),
        ({"type": "input_file", "filename": "a.pdf"}, "file_data"),
        ({"type": "input_video"}, "video_url"),
    ],
)
@pytest.mark.parametrize("profile", ["generic", "qwen"])
def test_part_without_its_source_is_refused(part: JSON, lacks: str, profile: str) -> None:
    body = {"model": "m", "input": [user([{"type": "input_text", "text": "See"}, part])]}
    with pytest.raises(InvalidRequestError) as caught:
        to_chat_request(validate_request(body), profile=profile_for(profile), losses=Losses())
    assert caught.value.code == "missing_required_parameter"
    assert caught.value.param == f"input[0].content[1].{lacks}"


def test_an_answer_that_broke_off_at_the_end_is_gone_on_with() -> None:
    cut = {**says("Half an "), "status": "incomplete"}
    messages, losses = translate(user(), cut)
    assert shape(messages) == ["user", "assistant", "user"]
    assert messages[-1]["content"] == GO_ON
    assert losses == [("input[1]", "emulated")]
    assert shape(translate(user(), cut, user("No, stop."))[0]) == ["user", "assistant", "user"]
    # An answer that is whole is the client's own beginning of the next one.
    assert shape(translate(user(), says("Half an "))[0]) == ["user", "assistant"]


def test_an_empty_list_of_further_tools_is_nothing() -> None:
    assert translate(user(), {"type": "additional_tools", "tools": []}) == ([user()], [])
