"""One table of (Chat, Responses) values, run both ways: each side becomes the other, and nothing is lost."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from responses_asgi.loss import Losses
from responses_asgi.profiles import profile_for
from responses_asgi.translate.to_chat_request import to_chat_request
from responses_asgi.translate.to_responses_request import to_responses_request
from responses_asgi.types.chat import validate_chat_request
from responses_asgi.types.json import JSON
from responses_asgi.types.responses import validate_request


class Pair(NamedTuple):
    name: str
    chat: JSON
    responses: JSON
    profile: str = "openai"


CHAT: JSON = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
RESPONSES: JSON = {
    "model": "m",
    "input": [{"type": "message", "role": "user", "content": "Hi"}],
    "store": False,
}

SCHEMA: JSON = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}
IMAGE = "data:image/png;base64,AAAA"
PDF = "data:application/pdf;base64,AAAA"
TOOL: JSON = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
}
FLAT: JSON = {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}


def said(role: str, content: Any) -> JSON:
    return {"type": "message", "role": role, "content": content}


def same(name: str, value: Any, profile: str = "openai") -> Pair:
    """A field of the same name and meaning."""
    return Pair(name, {name: value}, {name: value}, profile)


def content(name: str, chat: list[JSON], responses: list[JSON], profile: str = "openai") -> Pair:
    """Parts of a user message, after a text, so that the content stays a list."""
    return Pair(
        name,
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "See"}, *chat]}]},
        {"input": [said("user", [{"type": "input_text", "text": "See"}, *responses])]},
        profile,
    )


def history(name: str, messages: list[JSON], items: list[JSON], profile: str = "openai") -> Pair:
    user: JSON = {"role": "user", "content": "Hi"}
    return Pair(name, {"messages": [user, *messages]}, {"input": [said("user", "Hi"), *items]}, profile)


def chat_call(call_id: str, arguments: str = "{}") -> JSON:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def flat_call(call_id: str, arguments: str = "{}") -> JSON:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": arguments}


def output(call_id: str, value: Any) -> JSON:
    return {"type": "function_call_output", "call_id": call_id, "output": value}


def tool(call_id: str, value: Any) -> JSON:
    return {"role": "tool", "tool_call_id": call_id, "content": value}


def choice(name: str, chat: Any, responses: Any) -> Pair:
    return Pair(name, {"tools": [TOOL], "tool_choice": chat}, {"tools": [FLAT], "tool_choice": responses})


PAIRS = [
    Pair("nothing else", {}, {}),
    # Fields
    same("temperature", 0.5),
    same("top_p", 0.5),
    same("metadata", {"k": "v"}),
    same("service_tier", "flex"),
    same("user", "u"),
    same("safety_identifier", "s"),
    same("prompt_cache_key", "k"),
    same("prompt_cache_retention", "24h"),
    same("prompt_cache_options", {"ttl": "30m", "mode": "explicit"}),
    same("moderation", {"model": "m"}),
    same("stream", False),
    same("presence_penalty", 0.5, "vllm"),
    same("frequency_penalty", -0.5, "vllm"),
    same("vendor_option", {"a": 1}),
    Pair("token limit", {"max_completion_tokens": 99}, {"max_output_tokens": 99}),
    Pair("older token limit", {"max_tokens": 99}, {"max_output_tokens": 99}, "generic"),
    Pair("effort", {"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}, "lmstudio"),
    Pair("verbosity", {"verbosity": "low"}, {"text": {"verbosity": "low"}}),
    Pair("logprobs", {"logprobs": True}, {"include": ["message.output_text.logprobs"]}),
    Pair(
        "top logprobs",
        {"logprobs": True, "top_logprobs": 3},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 3},
    ),
    # Formats
    Pair("text format", {"response_format": {"type": "text"}}, {"text": {"format": {"type": "text"}}}),
    Pair(
        "JSON format",
        {"response_format": {"type": "json_object"}},
        {"text": {"format": {"type": "json_object"}}},
    ),
    Pair(
        "schema",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "description": "d", "schema": SCHEMA, "strict": True},
            }
        },
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "n",
                    "description": "d",
                    "schema": SCHEMA,
                    "strict": True,
                }
            }
        },
    ),
    # Tools
    Pair("tool", {"tools": [TOOL]}, {"tools": [FLAT]}),
    Pair(
        "lax tool",
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": False}}]},
        {"tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}]},
    ),
    Pair(
        "parallel",
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tools": [FLAT], "parallel_tool_calls": False},
    ),
    *(choice(f"choice {word}", word, word) for word in ("none", "auto", "required")),
    choice(
        "choice of a function",
        {"type": "function", "function": {"name": "f"}},
        {"type": "function", "name": "f"},
    ),
    choice(
        "allowed tools",
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
        },
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
    ),
    # Content
    content("texts", [{"type": "text", "text": "B"}], [{"type": "input_text", "text": "B"}]),
    content(
        "cache breakpoint",
        [{"type": "text", "text": "B", "prompt_cache_breakpoint": {"mode": "explicit"}}],
        [{"type": "input_text", "text": "B", "prompt_cache_breakpoint": {"mode": "explicit"}}],
    ),
    content(
        "image",
        [{"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}}],
        [{"type": "input_image", "image_url": IMAGE, "detail": "low"}],
    ),
    content(
        "file",
        [{"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}],
        [{"type": "input_file", "file_data": PDF, "filename": "a.pdf"}],
    ),
    content(
        "file id",
        [{"type": "file", "file": {"file_id": "file-1"}}],
        [{"type": "input_file", "file_id": "file-1"}],
    ),
    content(
        "video",
        [{"type": "video_url", "video_url": {"url": "https://a.test/v"}}],
        [{"type": "input_video", "video_url": "https://a.test/v"}],
        "vllm",
    ),
    # Histories
    history(
        "instructions in their places",
        [{"role": "system", "content": "S"}, {"role": "developer", "content": "D"}],
        [said("system", "S"), said("developer", "D")],
    ),
    history(
        "answer",
        [{"role": "assistant", "content": "A"}, {"role": "user", "content": "B"}],
        [said("assistant", "A"), said("user", "B")],
    ),
    history(
        "refusal",
        [{"role": "assistant", "content": None, "refusal": "No."}],
        [said("assistant", [{"type": "refusal", "refusal": "No."}])],
    ),
    history(
        "text, calls, outputs",
        [
            {
                "role": "assistant",
                "content": "Wait.",
                "tool_calls": [chat_call("a", '{"x": 1}'), chat_call("b")],
            },
            tool("a", "1"),
            tool("b", [{"type": "text", "text": "2"}, {"type": "text", "text": "3"}]),
            {"role": "assistant", "content": "Done."},
        ],
        [
            said("assistant", "Wait."),
            flat_call("a", '{"x": 1}'),
            flat_call("b"),
            output("a", "1"),
            output("b", [{"type": "input_text", "text": "2"}, {"type": "input_text", "text": "3"}]),
            said("assistant", "Done."),
        ],
    ),
    history(
        "calls only",
        [{"role": "assistant", "content": None, "tool_calls": [chat_call("a")]}, tool("a", "")],
        [flat_call("a"), output("a", "")],
    ),
]

both_ways = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)


@both_ways
def test_chat_becomes_responses(pair: Pair) -> None:
    losses = Losses()
    body = validate_chat_request({**CHAT, **pair.chat})
    made = to_responses_request(body, profile=profile_for(pair.profile), losses=losses)
    assert made == {**RESPONSES, **pair.responses}
    assert losses == []


@both_ways
def test_responses_becomes_chat(pair: Pair) -> None:
    losses = Losses()
    body = validate_request({**RESPONSES, **pair.responses})
    made = to_chat_request(body, profile=profile_for(pair.profile), losses=losses)
    assert made == {**CHAT, **pair.chat}
    assert losses == []


def test_details_come_back_as_they_went() -> None:
    """Reasoning details of a Chat server go through a Responses client, and the other way round."""
    details = [{"type": "reasoning.text", "text": "Think.", "signature": "s"}]
    message: JSON = {"role": "assistant", "content": "A", "reasoning_details": details}
    body = {**CHAT, "messages": [*CHAT["messages"], message]}
    made = to_responses_request(body, profile=profile_for("generic"), losses=Losses())
    assert [item["type"] for item in made["input"]] == ["message", "reasoning", "message"]
    losses = Losses()
    back = to_chat_request(made, profile=profile_for("openrouter"), losses=losses)
    assert back["messages"] == body["messages"]
    assert losses == []


@pytest.mark.parametrize(
    ("field", "profile"), [("reasoning_content", "deepseek"), ("reasoning", "vllm"), ("thinking", "mistral")]
)
def test_thoughts_come_back_in_the_field_of_the_server(field: str, profile: str) -> None:
    message: JSON = {"role": "assistant", "content": "A", field: "Think."}
    if field == "thinking":
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Think."}]}
        message = {"role": "assistant", "content": [thinking, {"type": "text", "text": "A"}]}
    body = {**CHAT, "messages": [*CHAT["messages"], message]}
    made = to_responses_request(body, profile=profile_for("generic"), losses=Losses())
    assert made["input"][1]["content"] == [{"type": "reasoning_text", "text": "Think."}]
    back = to_chat_request(made, profile=profile_for(profile), losses=Losses())
    assert back["messages"] == body["messages"]
