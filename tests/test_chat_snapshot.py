"""fold_chunks on streams that are not this package's own: what servers repeat, leave out or break off."""

from __future__ import annotations

from typing import Any

from responses_asgi.translate.chat_snapshot import fold_chunks

JSON = dict[str, Any]


def chunk(delta: JSON | None, finish: str | None = None, *, index: int = 0, **fields: Any) -> JSON:
    return {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **fields}


def message(*deltas: JSON | None) -> JSON:
    folded: JSON = fold_chunks([chunk(delta) for delta in deltas])["choices"][0]["message"]
    return folded


def test_no_chunks_are_no_completion() -> None:
    assert fold_chunks([]) == {}


def test_an_error_is_an_answer_by_itself() -> None:
    assert fold_chunks(
        [chunk({"content": "a"}), {"error": {"message": "gone"}}, chunk({"content": "b"})]
    ) == {"error": {"message": "gone"}}


def test_a_stream_that_breaks_off_keeps_what_was_said() -> None:
    completion = fold_chunks([chunk({"role": "assistant", "content": "He"})])
    assert completion == {
        "object": "chat.completion",
        "id": "c",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "He", "refusal": None},
                "logprobs": None,
                "finish_reason": None,
            }
        ],
    }


def test_the_newest_value_of_a_field_counts_and_null_is_none() -> None:
    chunks = [
        chunk({}, model="a", service_tier="flex", usage={"total_tokens": 1}, obfuscation="x"),
        chunk({}, model="b", service_tier=None, usage={"total_tokens": 2}),
        {"id": "c", "choices": None},
    ]
    completion = fold_chunks(chunks)
    assert (completion["model"], completion["service_tier"]) == ("b", "flex")
    assert completion["usage"] == {"total_tokens": 2}
    assert "obfuscation" not in completion


def test_the_chunks_are_not_changed_and_nothing_is_shared() -> None:
    chunks = [chunk({"annotations": [{"a": 1}]}), chunk({"annotations": [{"a": 2}]})]
    completion = fold_chunks(chunks)
    completion["choices"][0]["message"]["annotations"][0]["a"] = 3
    assert chunks == [chunk({"annotations": [{"a": 1}]}), chunk({"annotations": [{"a": 2}]})]


def test_what_servers_repeat_counts_once() -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{"}}
    rest = {**call, "function": {"name": "f", "arguments": "}"}}
    folded = message({"role": "assistant", "tool_calls": [call]}, {"role": "assistant", "tool_calls": [rest]})
    assert folded["role"] == "assistant"
    assert folded["content"] is None
    assert folded["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


def test_another_id_at_a_used_index_is_another_call() -> None:
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "1"}}
    second = {"index": 0, "id": "b", "function": {"name": "f", "arguments": "2"}}
    more = {"index": 0, "function": {"arguments": "3"}}
    calls = message({"tool_calls": [first, second]}, {"tool_calls": [more]})["tool_calls"]
    assert [(call["id"], call["function"]["arguments"]) for call in calls] == [("a", "1"), ("b", "23")]


def test_fragments_without_an_index_go_by_id_or_to_the_last_call() -> None:
    first = {"id": "a", "function": {"name": "f", "arguments": "1"}}
    second = {"id": "b", "custom": {"name": "g", "input": "x"}}
    folded = message(
        {"tool_calls": [first]},
        {"tool_calls": [second]},
        {"tool_calls": [{"custom": {"input": "y"}}, {"id": "a", "function": {"arguments": "2"}}]},
        {"tool_calls": None},
    )
    assert folded["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "12"}},
        {"id": "b", "type": "custom", "custom": {"name": "g", "input": "xy"}},
    ]


def test_a_legacy_function_call() -> None:
    folded = message({"function_call": {"name": "f"}}, {"function_call": {"arguments": "{}"}}, None)
    assert folded["function_call"] == {"name": "f", "arguments": "{}"}
    assert folded["content"] is None


def test_texts_lists_and_objects_of_any_name_are_kept() -> None:
    folded = message(
        {"content": "", "reasoning": "a", "reasoning_details": [{"text": "a"}], "audio": {"id": "x"}},
        {"reasoning": "b", "reasoning_details": [{"text": "b"}], "audio": {"data": "y"}, "refusal": None},
    )
    assert folded == {
        "role": "assistant",
        "content": "",
        "refusal": None,
        "reasoning": "ab",
        "reasoning_details": [{"text": "a"}, {"text": "b"}],
        "audio": {"id": "x", "data": "y"},
    }
