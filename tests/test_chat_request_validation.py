from __future__ import annotations

from typing import Any

import pytest

from responses_asgi.errors import InvalidRequestError
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.json import JSON

MISSING = "missing_required_parameter"
TYPE = "invalid_type"
VALUE = "invalid_value"
USER: JSON = {"role": "user", "content": "Hi"}


def mistake(body: object, **options: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        validate_chat_request(body, **options)
    assert caught.value.status == 400
    return caught.value


@pytest.mark.parametrize(
    ("body", "param", "code", "words"),
    [
        ({"messages": [USER]}, "model", MISSING, "Missing required parameter: 'model'"),
        ({"model": "", "messages": [USER]}, "model", MISSING, "model"),
        ({"model": "m"}, "messages", MISSING, "messages"),
        ({"model": "m", "messages": []}, "messages", MISSING, "messages"),
        ({"model": "m", "messages": "Hi"}, "messages", TYPE, 'got the string "Hi"'),
        ({"model": "m", "messages": ["Hi"]}, "messages[0]", TYPE, 'an object, got the string "Hi"'),
    ],
)
def test_the_body(body: object, param: str, code: str, words: str) -> None:
    error = mistake(body)
    assert (error.param, error.code) == (param, code)
    assert words in error.message


def test_a_body_that_is_no_object() -> None:
    assert "must be a JSON object, got the list []" in mistake([]).message


def test_a_service_may_have_a_model_of_its_own() -> None:
    body = {"messages": [USER]}
    assert validate_chat_request(body, model_required=False) is body


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"temperature": "hot"}, "temperature", TYPE),
        ({"stream": "yes"}, "stream", TYPE),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", TYPE),
        ({"stream_options": True}, "stream_options", TYPE),
        ({"n": 0}, "n", VALUE),
        ({"n": 129}, "n", VALUE),
        ({"n": True}, "n", TYPE),
        ({"max_tokens": 0}, "max_tokens", VALUE),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens", TYPE),
        ({"top_logprobs": 21}, "top_logprobs", VALUE),
        ({"logprobs": 3}, "logprobs", TYPE),
        ({"stop": 5}, "stop", TYPE),
        ({"stop": ["a", 5]}, "stop", TYPE),
        ({"seed": "x"}, "seed", TYPE),
        ({"logit_bias": []}, "logit_bias", TYPE),
        ({"modalities": "text"}, "modalities", TYPE),
        ({"modalities": ["text", 5]}, "modalities[1]", TYPE),
        ({"reasoning_effort": 3}, "reasoning_effort", TYPE),
        ({"verbosity": 3}, "verbosity", TYPE),
        ({"metadata": {"k": 5}}, "metadata.k", TYPE),
        ({"web_search_options": True}, "web_search_options", TYPE),
        ({"response_format": "json"}, "response_format", TYPE),
        ({"response_format": {}}, "response_format.type", MISSING),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", MISSING),
        (
            {"response_format": {"type": "json_schema", "json_schema": {}}},
            "response_format.json_schema.name",
            MISSING,
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": []}}},
            "response_format.json_schema.schema",
            TYPE,
        ),
        ({"tools": {}}, "tools", TYPE),
        ({"tools": ["f"]}, "tools[0]", TYPE),
        ({"tools": [{}]}, "tools[0].type", MISSING),
        ({"tools": [{"type": "function", "name": "f"}]}, "tools[0].function", MISSING),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", MISSING),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name", VALUE),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "strict": "yes"}}]},
            "tools[0].function.strict",
            TYPE,
        ),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name", MISSING),
        (
            {
                "tools": [
                    {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {}}}}
                ]
            },
            "tools[0].custom.format.grammar.definition",
            MISSING,
        ),
        ({"tool_choice": "any"}, "tool_choice", VALUE),
        ({"tool_choice": 5}, "tool_choice", TYPE),
        ({"tool_choice": {}}, "tool_choice.type", MISSING),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice.function", MISSING),
        ({"tool_choice": {"type": "custom", "custom": {}}}, "tool_choice.custom.name", MISSING),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": []}}},
            "tool_choice.allowed_tools.mode",
            VALUE,
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [{"type": "function"}]}}},
            "tool_choice.allowed_tools.tools[0].function",
            MISSING,
        ),
        ({"functions": ["f"]}, "functions[0]", TYPE),
        ({"functions": [{"description": "d"}]}, "functions[0].name", MISSING),
        ({"function_call": "required"}, "function_call", VALUE),
        ({"function_call": {}}, "function_call.name", MISSING),
        ({"function_call": 5}, "function_call", TYPE),
        ({"include": "x"}, "include", TYPE),
        ({"reasoning": "high"}, "reasoning", TYPE),
        ({"text": "x"}, "text", TYPE),
    ],
)
def test_fields(fields: JSON, param: str, code: str) -> None:
    error = mistake({"model": "m", "messages": [USER], **fields})
    assert (error.param, error.code) == (param, code)
    assert f"'{param}'" in error.message


CALL: JSON = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ({}, "role", MISSING),
        ({"role": "robot", "content": "x"}, "role", VALUE),
        ({"role": 5, "content": "x"}, "role", VALUE),
        ({"role": "user"}, "content", MISSING),
        ({"role": "user", "content": None}, "content", TYPE),
        ({"role": "system", "content": 5}, "content", TYPE),
        ({"role": "user", "content": ["x"]}, "content[0]", TYPE),
        ({"role": "user", "content": [{"text": "x"}]}, "content[0].type", MISSING),
        ({"role": "user", "content": [{"type": "text"}]}, "content[0].text", MISSING),
        ({"role": "user", "content": [{"type": "text", "text": 5}]}, "content[0].text", TYPE),
        ({"role": "user", "content": [{"type": "image_url"}]}, "content[0].image_url", MISSING),
        ({"role": "user", "content": [{"type": "image_url", "image_url": 5}]}, "content[0].image_url", TYPE),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
            "content[0].image_url.url",
            MISSING,
        ),
        ({"role": "user", "content": [{"type": "file"}]}, "content[0].file", MISSING),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_id": 5}}]},
            "content[0].file.file_id",
            TYPE,
        ),
        ({"role": "user", "content": "x", "name": 5}, "name", TYPE),
        ({"role": "assistant", "content": 5}, "content", TYPE),
        ({"role": "assistant", "content": [{"type": "refusal"}]}, "content[0].refusal", MISSING),
        ({"role": "assistant", "tool_calls": {}}, "tool_calls", TYPE),
        ({"role": "assistant", "tool_calls": ["f"]}, "tool_calls[0]", TYPE),
        (
            {"role": "assistant", "tool_calls": [CALL, {"type": "function"}]},
            "tool_calls[1].function",
            MISSING,
        ),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"arguments": "{}"}}]},
            "tool_calls[0].function.name",
            MISSING,
        ),
        (
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]},
            "tool_calls[0].function.arguments",
            TYPE,
        ),
        (
            {"role": "assistant", "tool_calls": [{"id": "a", "custom": {"name": "c"}}]},
            "tool_calls[0].custom.input",
            MISSING,
        ),
        ({"role": "assistant", "tool_calls": [{**CALL, "id": 5}]}, "tool_calls[0].id", TYPE),
        ({"role": "assistant", "function_call": {"name": "f"}}, "function_call.arguments", MISSING),
        ({"role": "assistant", "content": "x", "annotations": ["x"]}, "annotations[0]", TYPE),
        ({"role": "tool", "content": "x"}, "tool_call_id", MISSING),
        ({"role": "tool", "tool_call_id": "a"}, "content", MISSING),
        ({"role": "function", "content": "x"}, "name", MISSING),
    ],
)
def test_messages(message: JSON, param: str, code: str) -> None:
    error = mistake({"model": "m", "messages": [USER, USER, message]})
    assert (error.param, error.code) == (f"messages[2].{param}", code)


def test_what_is_not_known_passes_unchanged() -> None:
    body: JSON = {
        "model": "m",
        "vendor": {"a": 1},
        "messages": [
            {"role": "user", "content": [{"type": "acme:part", "x": 1}], "vendor": 1},
            {"role": "assistant", "content": None, "tool_calls": [{"type": "acme:call"}]},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": "https://a.test/i.png"}]},
        ],
        "tools": [{"type": "acme:tool"}],
        "tool_choice": {"type": "acme:tool"},
        "response_format": {"type": "acme:format"},
    }
    before = repr(body)
    assert validate_chat_request(body) is body
    assert repr(body) == before
