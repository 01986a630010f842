"""Chat chunks to Responses events, one class of upstream behaviour at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses_asgi.errors import UpstreamError
from responses_asgi.testing import assert_valid_stream
from responses_asgi.translate.finish_reasons import FINISH_REASONS
from responses_asgi.translate.reasoning import open_details
from tests.examples import examples
from tests.machine import STOP, TAGGED, answer, call, calls, delta, translator, whole

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_a_text_answer_is_said_in_the_documented_order() -> None:
    result = answer(
        [delta({"role": "assistant", "content": ""}), delta({"content": "He"}), delta({"content": "y"}), STOP]
    )
    assert result.types == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert result.text == "Hey"
    assert [event["sequence_number"] for event in result.events] == list(range(10))
    assert result.response["completed_at"] == 1_700_000_000


def test_nothing_said_is_an_empty_output() -> None:
    result = answer([delta({"role": "assistant", "content": None, "tool_calls": []}), STOP])
    assert result.response["output"] == []
    assert result.response["status"] == "completed"


# Reasoning


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "hmm"},
        {"reasoning": "hmm"},
        {"reasoning": {"thinking": "hmm", "signature": "s"}},
        {"reasoning_content": "hmm", "reasoning": "hmm"},
        {"reasoning": "hmm", "reasoning_details": [{"type": "reasoning.text", "text": "hmm"}]},
        {"content": [{"type": "thinking", "thinking": "hmm"}]},
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"text": "m"}, {}, 5]}
            ]
        },
    ],
)
def test_reasoning_is_read_once_from_any_field(fields: Any) -> None:
    for chunks in ([delta(fields), delta({"content": "so"}), STOP], [whole({**fields})]):
        assert answer(chunks).reasoning == "hmm"


def test_reasoning_and_text_are_items_of_their_own() -> None:
    chunks = [
        delta({"reasoning_content": "a"}),
        delta({"reasoning_content": "b"}),
        delta({"content": "c"}),
        STOP,
    ]
    result = answer(chunks)
    assert [item["type"] for item in result.response["output"]] == ["reasoning", "message"]
    assert (result.reasoning, result.text) == ("ab", "c")
    assert "reasoning_text.delta" in result.types


def test_open_responses_names_reasoning_events_its_own_way() -> None:
    result = answer([delta({"reasoning": "a"}), STOP], dialect="openresponses")
    assert "reasoning.delta" in result.types
    assert "reasoning_text.delta" not in result.types
    assert result.reasoning == "a"


def test_reasoning_after_text_opens_a_second_item() -> None:
    result = answer([delta({"content": "a"}), delta({"reasoning": "b"}), delta({"content": "c"}), STOP])
    assert [item["type"] for item in result.response["output"]] == ["message", "reasoning", "message"]


def test_typed_summaries_become_summary_parts() -> None:
    details = [{"type": "reasoning.summary", "summary": "brief", "index": 0}]
    result = answer(
        [delta({"reasoning": "brief", "reasoning_details": details}), delta({"content": "c"}), STOP]
    )
    assert (result.summary, result.reasoning, result.text) == ("brief", "", "c")


def test_signed_reasoning_travels_in_encrypted_content() -> None:
    chunks = [
        delta({"reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0, "format": "f"}]}),
        delta({"reasoning_details": [{"type": "reasoning.text", "text": "b", "index": 0, "format": None}]}),
        delta({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0}]}),
        delta({"content": "c"}),
        STOP,
    ]
    result = answer(chunks)
    [item] = result.items("reasoning")
    assert open_details(item["encrypted_content"]) == [
        {"type": "reasoning.text", "text": "ab", "index": 0, "format": "f", "signature": "s"}
    ]


def test_the_ids_of_reasoning_details_may_be_anything() -> None:
    pieces = [{"type": "reasoning.encrypted", "id": id, "data": "a"} for id in ([1], [1], {"a": 1}, None)]
    result = answer(
        [*(delta({"reasoning_details": [piece]}) for piece in pieces), STOP],
        {"include": ["reasoning.encrypted_content"]},
    )
    details = open_details(result.items("reasoning")[0]["encrypted_content"])
    assert [(entry["id"], entry["data"]) for entry in details or ()] == [([1], "aa"), ({"a": 1}, "aa")]


def test_encrypted_reasoning_after_the_answer_has_an_item_of_its_own() -> None:
    late = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "id": "1"}]}
    result = answer([delta({"content": "c"}), delta(late), STOP])
    assert [item["type"] for item in result.response["output"]] == ["message", "reasoning"]
    assert open_details(result.items("reasoning")[0]["encrypted_content"]) == late["reasoning_details"]


def test_encrypted_reasoning_of_a_cut_answer_is_reported() -> None:
    late = {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}
    result = answer([delta({"content": "c"}), delta(late), delta(finish="length")])
    assert [loss.path for loss in result.losses] == ["choices[0].message.reasoning_details"]


def test_signed_thinking_parts_are_kept() -> None:
    part = {"type": "thinking", "thinking": "a", "signature": "s"}
    result = answer([whole({"content": [part, {"type": "text", "text": "b"}]})])
    [item] = result.items("reasoning")
    assert open_details(item["encrypted_content"]) == [{"type": "thinking", "text": "a", "signature": "s"}]
    assert (result.reasoning, result.text) == ("a", "b")


def test_think_tags_by_profile_only() -> None:
    chunks = [
        delta({"content": "<thi"}),
        delta({"content": "nk>a</think>"}),
        delta({"content": "\n\nb"}),
        STOP,
    ]
    tagged = answer(chunks, profile=TAGGED)
    assert (tagged.reasoning, tagged.text) == ("a", "b")
    assert answer(chunks).text == "<think>a</think>\n\nb"


@pytest.mark.parametrize(("text", "reasoning", "rest"), [("<think>a", "a", ""), ("<thi", "", "<thi")])
def test_think_tags_of_an_answer_that_ends_early(text: str, reasoning: str, rest: str) -> None:
    result = answer([delta({"content": text}), delta(finish="length")], profile=TAGGED)
    assert (result.reasoning, result.text) == (reasoning, rest)


# Text, refusal, annotations, log probabilities


def test_content_in_other_shapes() -> None:
    parts = [{"type": "text", "text": "a"}, "b", {"type": "reference", "reference_ids": [1]}]
    result = answer([whole({"content": parts})])
    assert result.text == "ab"
    assert [loss.path for loss in result.losses] == ["choices[0].message.content"]
    assert answer([whole({"content": {"city": "Zürich"}})]).text == '{"city":"Zürich"}'


def test_a_refusal_is_a_part_of_the_message() -> None:
    result = answer(
        [delta({"content": "Well, "}), delta({"refusal": "I "}), delta({"refusal": "won't"}), STOP]
    )
    [item] = result.items("message")
    assert [part["type"] for part in item["content"]] == ["output_text", "refusal"]
    assert item["content"][1]["refusal"] == "I won't"


CITATION = {"url": "https://a.test", "title": "A", "start_index": 0, "end_index": 2}


@pytest.mark.parametrize(
    "annotation", [{"type": "url_citation", "url_citation": CITATION}, {"type": "url_citation", **CITATION}]
)
@pytest.mark.parametrize("early", [True, False])
def test_annotations_join_the_text(annotation: Any, early: bool) -> None:
    chunks = [delta({"content": "ab"}), delta({"annotations": [annotation]})]
    result = answer([*(reversed(chunks) if early else chunks), STOP])
    assert result.items("message")[0]["content"][0]["annotations"] == [{"type": "url_citation", **CITATION}]
    assert "output_text.annotation.added" in result.types


def test_annotations_that_lack_fields_or_a_text_are_reported() -> None:
    poor = {"type": "url_citation", "url_citation": {"url": "https://a.test"}}
    result = answer([whole({"content": "ab", "annotations": [poor]})])
    assert result.items("message")[0]["content"][0]["annotations"][0]["start_index"] == 0
    assert [loss.action for loss in result.losses] == ["emulated"]
    assert [loss.action for loss in answer([whole({"annotations": [poor]})]).losses] == ["dropped"]


def test_log_probabilities_go_with_their_text() -> None:
    entry = {
        "token": "a",
        "logprob": -0.5,
        "bytes": None,
        "top_logprobs": [{"token": "b", "logprob": -1, "bytes": [98]}],
    }
    logprobs = {"content": [entry], "refusal": None}
    said = {
        "token": "a",
        "logprob": -0.5,
        "bytes": [],
        "top_logprobs": [{"token": "b", "logprob": -1, "bytes": [98]}],
    }
    result = answer([delta({"content": "a"}, logprobs=logprobs), delta({"content": "c"}), STOP])
    assert result.items("message")[0]["content"][0]["logprobs"] == [said]
    deltas = [event["logprobs"] for event in result.events if event["type"].endswith("text.delta")]
    assert deltas == [[said], []]


def test_log_probabilities_without_a_home_are_reported() -> None:
    entry = {"token": "a", "logprob": -0.5}
    result = answer([delta({}, logprobs={"content": [entry], "refusal": [entry]}), STOP])
    assert {loss.path for loss in result.losses} == {
        "choices[0].logprobs.content",
        "choices[0].logprobs.refusal",
    }


# How it ends


@pytest.mark.parametrize("reason", [*FINISH_REASONS, "STOP", "Length"])
def test_every_known_finish_reason(reason: str) -> None:
    result = answer([delta({"content": "a"}), delta(finish=reason)])
    ending = FINISH_REASONS[reason.lower()]
    assert result.response["status"] == ending.status
    assert (result.response["incomplete_details"] or {}).get("reason") == ending.reason
    assert (result.response["error"] is not None) == (ending.status == "failed")
    assert not result.losses


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "failed"),
        ("content_filter: RECITATION", "incomplete"),
        ("content_filter: NOBODY_KNOWS", "incomplete"),
    ],
)
def test_a_reason_after_a_general_one(reason: str, status: str) -> None:
    assert answer([delta({"content": "a"}), delta(finish=reason)]).response["status"] == status


def test_an_unknown_finish_reason_completes_and_is_reported() -> None:
    result = answer([delta({"content": "a"}), delta(finish="because")])
    assert result.response["status"] == "completed"
    assert "'because'" in result.losses[0].reason


@pytest.mark.parametrize(("first", "then"), [("length", "stop"), ("stop", "length")])
def test_an_incomplete_answer_stays_incomplete(first: str, then: str) -> None:
    result = answer([delta({"content": "a"}), delta(finish=first), delta(finish=then)])
    assert result.response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert result.items("message")[0]["status"] == "incomplete"


@pytest.mark.parametrize("marker", [True, False])
def test_a_stream_without_finish_reason_fails_and_keeps_its_text(marker: bool) -> None:
    result = answer([delta({"content": "a"})], marker=marker)
    assert result.response["status"] == "failed"
    assert "finish_reason" in result.response["error"]["message"]
    assert result.text == "a"
    assert result.types[-2:] == ["error", "failed"]


def test_done_after_content_completes_by_profile() -> None:
    from dataclasses import replace

    lenient = replace(TAGGED, done_completes=True)
    assert answer([delta({"content": "a"})], profile=lenient).response["status"] == "completed"
    assert answer([delta({"content": "a"})], profile=lenient, marker=False).response["status"] == "failed"
    assert answer([], profile=lenient).response["status"] == "failed"


def test_a_whole_answer_needs_no_finish_reason() -> None:
    result = answer([whole({"content": "a"}, None)])
    assert result.response["status"] == "completed"
    assert [loss.path for loss in result.losses] == ["choices[0].finish_reason"]


@pytest.mark.parametrize(
    "chunk",
    [
        {"error": {"message": "overloaded", "code": 503}},
        {"error": "overloaded"},
        {"object": "error", "message": "overloaded"},
        {"type": "error", "message": "overloaded"},
        delta({"content": "b"}, finish="error", error={"message": "overloaded"}),
    ],
)
def test_an_error_chunk_fails_what_was_said(chunk: Any) -> None:
    result = answer([delta({"content": "a"}), chunk])
    assert result.response["status"] == "failed"
    assert result.response["error"]["message"] == "overloaded"
    assert result.text.startswith("a")
    error = result.events[-2]
    assert error["message"] == error["error"]["message"] == "overloaded"


@pytest.mark.parametrize(
    "chunk",
    [
        {"code": 0, "message": "Success", "sid": "s", "choices": []},
        {"choices": None, "base_resp": {"status_code": 0, "status_msg": "success"}},
        {"success": True, "message": "ok"},
    ],
)
def test_a_chunk_that_says_that_all_is_well_is_no_error(chunk: Any) -> None:
    result = answer([chunk, delta({"content": "a"}), STOP, chunk])
    assert (result.response["status"], result.text) == ("completed", "a")


def test_why_groq_stopped_early_is_told() -> None:
    result = answer([delta({"content": "a"}), {"choices": [], "x_groq": {"id": "r", "error": "over it"}}])
    assert result.response["error"]["message"] == "over it"
    assert result.text == "a"


def test_failing_from_outside_closes_what_is_open() -> None:
    machine = translator()
    events = machine.start() + machine.feed(delta({"content": "a"}))
    events += machine.fail(UpstreamError("gone", status=502))
    response = assert_valid_stream([event.json() for event in events])
    assert response["output"][0]["status"] == "incomplete"
    assert machine.failure is not None


# The answer as a whole


@pytest.mark.parametrize(
    "chunks",
    [
        [delta({"content": "a"}), delta(finish="stop") | {"usage": USAGE}],
        [delta({"content": "a"}), STOP, {"choices": [], "usage": USAGE}],
        [delta({"content": "a"}), STOP, {"choices": None, "usage": USAGE}],
        [delta({"content": "a"}) | {"usage": {"prompt_tokens": 1}}, STOP | {"usage": USAGE}],
        [delta({"content": "a"}), STOP | {"x_groq": {"usage": USAGE}}],
        [delta({"content": "a"}) | {"x_groq": {"usage": {"prompt_tokens": 9}}}, STOP | {"usage": USAGE}],
        [whole({"content": "a"}, usage=USAGE)],
    ],
)
def test_usage_wherever_it_is_said(chunks: Any) -> None:
    assert answer(chunks).response["usage"]["total_tokens"] == 5


def test_usage_is_null_when_none_was_given() -> None:
    assert answer([delta({"content": "a"}) | {"usage": None}, STOP]).response["usage"] is None


def test_vendor_fields_of_the_answer_are_carried() -> None:
    chunk = STOP | {
        "citations": ["https://a.test"],
        "service_tier": "flex",
        "obfuscation": "xx",
        "provider": None,
    }
    result = answer([delta({"content": "a"}), chunk | {"metadata": {"a": 1}}])
    assert result.response["citations"] == ["https://a.test"]
    assert result.response["service_tier"] == "flex"
    assert "obfuscation" not in result.response
    assert "provider" not in result.response
    assert result.response["metadata"] == {}
    assert [loss.path for loss in result.losses] == ["metadata"]


def test_the_type_of_a_keep_alive_is_no_field_of_the_answer() -> None:
    result = answer([{"type": "ping"}, delta({"content": "a"}), STOP])
    assert "type" not in result.response
    assert not result.losses


def test_unknown_fields_of_choice_and_delta_are_reported() -> None:
    result = answer(
        [delta({"content": "a", "images": ["..."]}, content_filter_results={}, native=None), STOP]
    )
    assert {loss.path for loss in result.losses} == {
        "choices[0].delta.images",
        "choices[0].content_filter_results",
    }


def test_only_the_first_choice_is_read() -> None:
    second = delta({"content": "b"}) | {"choices": [{"index": 1, "delta": {"content": "b"}}]}
    result = answer([delta({"content": "a"}), second, STOP])
    assert result.text == "a"
    assert [loss.path for loss in result.losses] == ["choices[1]"]


def test_a_message_beside_the_deltas_is_a_repetition() -> None:
    chunks = [delta({"content": c}, message={"content": text}) for c, text in (("a", "a"), ("b", "ab"))]
    assert answer([*chunks, delta({}, finish="stop", message={"content": "ab"})]).text == "ab"


def test_an_empty_delta_beside_the_whole_message() -> None:
    assert (
        answer([delta({"role": "assistant", "content": ""}, "stop", message={"content": "ab"})]).text == "ab"
    )


def test_the_model_is_the_upstreams_unless_it_was_renamed() -> None:
    chunks = [delta({"content": "a"}) | {"model": "m-2026"}, STOP]
    assert answer(chunks).response["model"] == "m-2026"
    assert answer(chunks, upstream_model="other").response["model"] == "m"
    assert (
        answer([delta({"content": "a"}), STOP], {"model": None}, upstream_model="other").response["model"]
        == "other"
    )
    assert translator(upstream_model="other").request()["model"] == "other"


@pytest.mark.parametrize("index", [1, "0", "first"])
def test_the_first_index_seen_is_the_choice(index: Any) -> None:
    chunks = [{"choices": [{"index": index, "delta": {"content": text}}]} for text in ("a", "b")]
    assert (
        answer([*chunks, {"choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}]).text == "ab"
    )


def test_a_completion_text_is_read_as_content() -> None:
    chunks = [{"choices": [{"index": 0, "text": text}]} for text in ("a", "b")]
    assert answer([*chunks, {"choices": [{"text": "", "finish_reason": "stop"}]}]).text == "ab"


@pytest.mark.parametrize(
    ("first", "last", "status"),
    [("null", "stop", "completed"), ("not_finished", None, "failed"), ("odd", "length", "incomplete")],
)
def test_a_placeholder_in_every_chunk_is_no_end(first: str, last: str | None, status: str) -> None:
    chunks = [delta({"content": "a"}, finish=first), delta({"content": "b"}, finish=first)]
    result = answer([*chunks, *([delta(finish=last)] if last else [])], marker=False)
    assert result.response["status"] == status
    assert result.text == "ab"


def test_an_unknown_reason_is_forgotten_when_more_is_said() -> None:
    chunks = [delta({"content": "a"}, finish="odd"), delta({"content": "b"})]
    assert answer(chunks).response["status"] == "failed"


def test_usage_inside_the_choice() -> None:
    inside = delta(finish="stop", usage=USAGE)
    assert answer([delta({"content": "a"}), inside]).response["usage"]["total_tokens"] == 5
    both = inside | {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    assert answer([delta({"content": "a"}), both, delta(usage=USAGE)]).response["usage"]["total_tokens"] == 2


def test_usage_without_figures_is_reported() -> None:
    result = answer([delta({"content": "a"}), STOP | {"usage": [1]}])
    assert result.response["usage"] is None
    assert [loss.path for loss in result.losses] == ["usage"]


@pytest.mark.parametrize(
    "chunk",
    [
        {"errors": [{"message": "overloaded"}]},
        {"error_code": 17, "error_msg": "overloaded"},
        {"code": 500, "message": "overloaded"},
        {"detail": "overloaded"},
        {"base_resp": {"status_code": 1, "status_msg": "overloaded"}, "choices": None},
        {"fault": {"faultstring": "overloaded"}},
    ],
)
def test_error_documents_of_many_shapes(chunk: Any) -> None:
    assert answer([chunk]).response["error"]["message"] == "overloaded"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"reasoning_text": "hmm"}, "hmm"),
        ({"thinking": "hmm"}, "hmm"),
        ({"reasoning": {"content": "hmm"}}, "hmm"),
        ({"reasoning_content": ["h", {"text": "mm"}, 5]}, "hmm"),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "hmm", "signature": "s"}, 7]}, "hmm"),
        ({"reasoning_content": "hmm", "thinking_blocks": [{"type": "thinking", "thinking": "hmm"}]}, "hmm"),
        ({"content": [{"type": "reasoning", "text": "hmm"}]}, "hmm"),
        ({"reasoning": 5}, ""),
    ],
)
def test_reasoning_of_further_servers(fields: Any, expected: str) -> None:
    assert answer([delta(fields), STOP]).reasoning == expected


def test_a_reasoning_part_may_hold_a_summary() -> None:
    part = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "brief"}]}
    assert answer([whole({"content": [part, {"type": "text", "text": "a"}]})]).summary == "brief"


def test_opaque_reasoning_is_kept() -> None:
    [item] = answer([delta({"reasoning_text": "hmm", "reasoning_opaque": "sealed"}), STOP]).items("reasoning")
    assert open_details(item["encrypted_content"]) == [{"type": "reasoning.opaque", "data": "sealed"}]


def test_reasoning_that_moves_to_another_field_is_reported() -> None:
    both = delta({"reasoning": "a", "reasoning_content": "a"})
    assert not answer([both, both, STOP]).losses
    moved = answer([delta({"reasoning": "a"}), delta({"reasoning_content": "b"}), STOP])
    assert moved.reasoning == "a"
    assert [loss.path for loss in moved.losses] == ["choices[0].delta.reasoning"]


@pytest.mark.parametrize("logprobs", [[1], {"content": ["x"]}, {"content": 5}, "x"])
def test_odd_log_probabilities_do_not_cost_the_text(logprobs: Any) -> None:
    assert answer([delta({"content": "a"}, logprobs=logprobs), STOP]).text == "a"


def test_odd_annotations_do_not_cost_the_text() -> None:
    result = answer([delta({"content": "a", "annotations": ["https://a.test"]}), STOP])
    assert result.text == "a"
    assert [loss.path for loss in result.losses] == ["choices[0].message.annotations"]


@pytest.mark.parametrize("field", ["content", "reasoning", "refusal"])
def test_a_character_in_two_halves_is_said_whole(field: str) -> None:
    result = answer([delta({field: "a\ud83d"}), delta({field: "\ude00"}), delta({field: "b\ud83d"}), STOP])
    said = "".join(event["delta"] for event in result.events if event["type"].endswith(".delta"))
    assert said == "a\U0001f600b\ud83d"


def test_half_a_character_waits_for_the_other_half_without_an_event() -> None:
    result = answer(
        [delta({"content": "a"}), delta({"content": "\ud83d"}), delta({"content": "\ude00"}), STOP]
    )
    assert [event["delta"] for event in result.events if event["type"].endswith(".delta")] == [
        "a",
        "\U0001f600",
    ]


@pytest.mark.parametrize(("end", "said"), [("\ude00", '"\U0001f600'), ("", '"\ud83d')])
def test_half_a_character_in_arguments(end: str, said: str) -> None:
    """A half that stays alone is given on as it came."""
    fragments = [call(0, "c", "f", '"'), call(arguments="\ud83d"), call(arguments=end)]
    result = answer([*map(calls, fragments), delta(finish="tool_calls")])
    assert result.response["output"][0]["arguments"] == said


def test_open_responses_is_told_only_choices_and_formats_that_it_knows() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    choice = {"type": "custom", "name": "patch"}
    body = {"text": {"format": schema}, "tool_choice": choice, "reasoning": {"effort": "max"}}
    body["tools"] = [{"type": "custom", "name": "patch"}]
    told = translator(body, dialect="openresponses").snapshot()
    assert told["tool_choice"] == "auto"
    assert told["reasoning"]["effort"] == "xhigh"
    assert told["text"]["format"]["schema"] is None
    told = translator(body).snapshot()
    assert told["tool_choice"] == choice
    assert told["reasoning"]["effort"] == "max"
    assert told["text"]["format"] == schema


# Nothing an upstream sends breaks the stream

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(
    [
        "role",
        "content",
        "refusal",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "annotations",
        "tool_calls",
        "function_call",
        "x",
    ]
)
choices = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 0, 0, 1, None]) | json_values,
        "delta": st.dictionaries(fields, json_values, max_size=3) | json_values,
        "message": st.dictionaries(fields, json_values, max_size=3) | json_values,
        "finish_reason": st.sampled_from(["stop", "length", None]) | json_values,
        "logprobs": st.none() | st.fixed_dictionaries({"content": json_values}) | json_values,
        "error": st.none() | json_values,
    },
)
chunks = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(choices, max_size=2) | json_values,
        "usage": st.fixed_dictionaries({"prompt_tokens": json_values}) | json_values,
        "error": st.none() | json_values,
        "x_groq": json_values,
        "model": json_values,
        "odd": json_values,
    },
)


@examples(300)
@given(st.lists(chunks, max_size=6), st.booleans(), st.sampled_from(["openai", "openresponses"]))
def test_any_json_makes_a_legal_stream(sent: list[Any], marker: bool, dialect: Any) -> None:
    answer(sent, marker=marker, dialect=dialect, profile=TAGGED)


fragments = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": st.sampled_from([0, 1, None, "0", []]),
            "id": st.sampled_from(["a", "b", "", None, 5]),
            "type": st.sampled_from(["function", "custom", None]),
            "function": st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["get", "get_weather", "_weather", "", None]),
                    "arguments": st.sampled_from(["", "{", "}", "{}", None, {"x": 1}]),
                },
            ),
            "custom": st.fixed_dictionaries(
                {}, optional={"name": st.just("patch"), "input": st.text(max_size=3)}
            ),
        },
    ),
    max_size=3,
)
moves = st.one_of(
    fragments.map(lambda found: calls(*found)),
    st.sampled_from([delta({"content": "a"}), delta({"reasoning": "b"}), calls(call(0, "a", "get", "{}"))]),
)


@examples(300)
@given(st.lists(moves, max_size=8), st.sampled_from(["stop", "length", None]))
def test_any_order_of_fragments_makes_a_legal_stream(sent: list[Any], finish: str | None) -> None:
    answer([*sent, delta(finish=finish)], {"tools": [{"type": "function", "name": "get"}]})
