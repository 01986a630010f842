from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request

MISSING = "missing_required_parameter"


def mistake(body: object, **options: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        validate_request(body, **options)
    assert caught.value.status == 400
    return caught.value


def with_input(*items: Any) -> JSON:
    return {"model": "m", "input": list(items)}


@pytest.mark.parametrize(
    ("body", "param", "code", "words"),
    [
        ({"input": "Hi"}, "model", MISSING, "Missing required parameter: 'model'"),
        ({"model": "", "input": "Hi"}, "model", MISSING, "model"),
        ({"model": "m"}, "input", MISSING, "input"),
        ({"model": "m", "input": ""}, "input", MISSING, "input"),
        ({"model": "m", "input": []}, "input", MISSING, "input"),
        (
            {"model": "m", "input": 5},
            "input",
            "invalid_type",
            "a string or a list of objects, got the number 5",
        ),
        ({"model": 5, "input": "Hi"}, "model", "invalid_type", "a valid string, got the number 5"),
        (
            {"model": "m", "input": "Hi", "temperature": "hot"},
            "temperature",
            "invalid_type",
            'number, got the string "hot"',
        ),
        ({"model": "m", "input": "Hi", "stream": "yes"}, "stream", "invalid_type", "boolean"),
        ({"model": "m", "input": "Hi", "top_logprobs": 21}, "top_logprobs", "invalid_value", "20"),
        ({"model": "m", "input": "Hi", "top_logprobs": -1}, "top_logprobs", "invalid_value", "0"),
        ({"model": "m", "input": "Hi", "max_output_tokens": 1.5}, "max_output_tokens", "invalid_type", "1.5"),
        ({"model": "m", "input": "Hi", "max_output_tokens": 0}, "max_output_tokens", "invalid_value", "1"),
        (
            {"model": "m", "input": "Hi", "max_output_tokens": True},
            "max_output_tokens",
            "invalid_type",
            "true",
        ),
        ({"model": "m", "input": "Hi", "metadata": {"k": 5}}, "metadata.k", "invalid_type", "string"),
        ({"model": "m", "input": "Hi", "metadata": {"k": "v" * 513}}, "metadata.k", "invalid_value", "512"),
        (
            {"model": "m", "input": "Hi", "metadata": {str(i): "" for i in range(17)}},
            "metadata",
            "invalid_value",
            "16",
        ),
        ({"model": "m", "input": "Hi", "include": ["a", 4]}, "include[1]", "invalid_type", "4"),
        ({"model": "m", "input": "Hi", "reasoning": {"effort": 3}}, "reasoning.effort", "invalid_type", "3"),
        ({"model": "m", "input": "Hi", "text": {"verbosity": 3}}, "text.verbosity", "invalid_type", "3"),
        ({"model": "m", "input": "Hi", "text": {"format": {}}}, "text.format.type", MISSING, "type"),
        (
            {"model": "m", "input": "Hi", "text": {"format": {"type": "json_schema", "schema": {}}}},
            "text.format.name",
            MISSING,
            "name",
        ),
        (
            {"model": "m", "input": "Hi", "text": {"format": {"type": "json_schema", "name": "n"}}},
            "text.format.schema",
            MISSING,
            "schema",
        ),
        ({"model": "m", "input": "Hi", "tools": ["f"]}, "tools[0]", "invalid_type", 'the string "f"'),
        ({"model": "m", "input": "Hi", "tools": [{"name": "f"}]}, "tools[0].type", MISSING, "type"),
        (
            {"model": "m", "input": "Hi", "tools": [{"type": "function", "function": {"name": "f"}}]},
            "tools[0].name",
            MISSING,
            "tools[0].name",
        ),
        (
            {"model": "m", "input": "Hi", "tools": [{"type": "function", "name": "f", "parameters": "{}"}]},
            "tools[0].parameters",
            "invalid_type",
            "dictionary",
        ),
        ({"model": "m", "input": "Hi", "tool_choice": "yes"}, "tool_choice", "invalid_value", "'auto'"),
        ({"model": "m", "input": "Hi", "tool_choice": 5}, "tool_choice", "invalid_type", "5"),
        ({"model": "m", "input": "Hi", "tool_choice": {}}, "tool_choice.type", MISSING, "type"),
        (
            {"model": "m", "input": "Hi", "tool_choice": {"type": "function"}},
            "tool_choice.name",
            MISSING,
            "name",
        ),
        (
            {"model": "m", "input": "Hi", "tool_choice": {"type": "allowed_tools", "tools": [{}]}},
            "tool_choice.tools[0].type",
            MISSING,
            "type",
        ),
        (with_input("Hi"), "input[0]", "invalid_type", "an object"),
        (with_input({}), "input[0].type", MISSING, "type"),
        (with_input({"type": 5}), "input[0].type", "invalid_type", "5"),
        (with_input({"role": "user"}), "input[0].content", MISSING, "content"),
        (with_input({"role": "user", "content": None}), "input[0].content", "invalid_type", "null"),
        (with_input({"role": "tool", "content": "x"}), "input[0].role", "invalid_value", "'developer'"),
        (
            with_input(
                {"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "input_text"}]}
            ),
            "input[1].content[0].text",
            MISSING,
            "input[1].content[0].text",
        ),
        (with_input({"role": "user", "content": [{}]}), "input[0].content[0].type", MISSING, "type"),
        (with_input({"role": "user", "content": ["x"]}), "input[0].content[0]", "invalid_type", "object"),
        (
            with_input({"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}),
            "input[0].arguments",
            "invalid_type",
            "the object {}",
        ),
        (
            with_input({"type": "function_call", "call_id": "c", "name": "", "arguments": "{}"}),
            "input[0].name",
            "invalid_value",
            "name",
        ),
        (with_input({"type": "function_call_output", "call_id": "c"}), "input[0].output", MISSING, "output"),
        (
            with_input({"type": "tool_search_output", "call_id": {"a": 1}, "tools": []}),
            "input[0].call_id",
            "invalid_type",
            "the object",
        ),
        (
            with_input({"type": "function_call", "name": "f", "arguments": "{}", "namespace": {"a": 1}}),
            "input[0].namespace",
            "invalid_type",
            "the object",
        ),
        (
            with_input({"type": "function_call_output", "output": "a", "name": 1}),
            "input[0].name",
            "invalid_type",
            "the number 1",
        ),
        (
            with_input({"type": "local_shell_call_output", "call_id": "c", "output": ["a"]}),
            "input[0].output[0]",
            "invalid_type",
            "object",
        ),
        (with_input({"type": "tool_search_call", "id": ["a"]}), "input[0].id", "invalid_type", "the list"),
        (
            with_input({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text"}]}),
            "input[0].output[0].text",
            MISSING,
            "text",
        ),
        (
            with_input({"type": "reasoning", "summary": [{"type": "summary_text", "text": None}]}),
            "input[0].summary[0].text",
            "invalid_type",
            "null",
        ),
        (
            with_input({"type": "additional_tools", "tools": [{"type": "function"}]}),
            "input[0].tools[0].name",
            MISSING,
            "name",
        ),
        (
            {"model": "m", "input": "Hi", "previous_response_id": "resp_1", "conversation": "conv_1"},
            "previous_response_id",
            "mutually_exclusive_parameters",
            "exclude each other",
        ),
    ],
)
def test_a_mistake_is_told_with_its_exact_place(body: JSON, param: str, code: str, words: str) -> None:
    error = mistake(body)
    assert (error.param, error.code) == (param, code)
    assert words in error.message


@pytest.mark.parametrize("body", [None, 5, "text", ["model"]])
def test_the_body_must_be_an_object(body: object) -> None:
    error = mistake(body)
    assert error.param is None
    assert "must be a JSON object" in error.message


def test_a_long_wrong_value_is_shown_in_part() -> None:
    error = mistake({"model": "m", "input": "Hi", "top_p": "x" * 10_000})
    assert "xxx..." in error.message
    assert len(error.message) < 200


def test_a_long_metadata_key_is_refused() -> None:
    assert mistake({"model": "m", "input": "Hi", "metadata": {"k" * 65: "v"}}).code == "invalid_value"


def test_the_original_body_comes_back_with_unknown_fields() -> None:
    body = {"model": "m", "input": [{"role": "user", "content": "Hi", "mood": 1}], "vendor": {"a": [1]}}
    assert validate_request(body) is body


def test_a_service_with_a_model_of_its_own_needs_none() -> None:
    body = {"input": "Hi"}
    assert validate_request(body, model_required=False) is body
    assert mistake({"input": "Hi", "model": 5}, model_required=False).param == "model"


@pytest.mark.parametrize("field", ["instructions", "previous_response_id", "conversation", "prompt"])
def test_input_may_be_absent_where_something_else_stands_for_it(field: str) -> None:
    value: Any = {"id": "p"} if field == "prompt" else "x"
    assert validate_request({"model": "m", field: value})


@pytest.mark.parametrize(
    "more",
    [
        # What openresponses-rust always sends.
        {"truncation": "auto", "service_tier": "auto", "text": {"verbosity": "medium"}},
        {"stream": True, "stream_options": {"include_obfuscation": None}},
        {
            "tools": [
                {"type": "mcp", "server_label": "s", "server_url": "https://a.test", "allowed_tools": []}
            ]
        },
        {"top_logprobs": 0, "presence_penalty": 0.0, "frequency_penalty": 0},
        # Wider than OpenAI on purpose.
        {"temperature": 5},
        {"max_output_tokens": 1},
        {"reasoning": {"effort": "ludicrous", "budget": 5}},
        {"tools": [{"type": "acme:tool", "anything": {}}]},
        {"tool_choice": {"type": "acme:tool"}},
        {"text": {"format": {"type": "acme_grammar"}}},
        {
            "instructions": None,
            "tools": None,
            "metadata": None,
            "reasoning": None,
            "text": None,
            "stream": None,
        },
    ],
)
def test_what_servers_accept_is_accepted(more: JSON) -> None:
    assert validate_request({"model": "m", "input": "Hi", **more})


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": [{"type": "input_video", "video_url": "https://a.test"}]},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "user", "content": [{"type": "summary_text", "text": "Hi"}]},
        {"role": "user", "content": []},
        {"type": None, "role": "user", "content": "Hi"},
        {"id": "msg_1"},
        {"type": None, "id": "msg_1"},
        {"type": "acme:item"},
        {"type": "function_call_output", "output": "x", "call_id": None},
        {"type": "reasoning", "summary": [], "encrypted_content": None, "content": None},
    ],
)
def test_items_that_clients_send_are_accepted(item: JSON) -> None:
    assert validate_request(with_input(item))
