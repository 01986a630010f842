"""What becomes of every part of a Chat Completions request on a Responses upstream: one row per property.

The rows are read as those of `request_outcomes`: `Carried` to a place of the Responses body, `Lost` with a
report under the Chat path, `Rejected` with the param; and `DoneHere` is neither sent nor lost.
"""

from __future__ import annotations

from responses_asgi.types.json import JSON
from tests.outcomes import Carried, DoneHere, Lost, Rejected, Row

SCHEMA: JSON = {"type": "object", "properties": {"x": {"type": "integer"}}}
FLAT: JSON = {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
TOOL: JSON = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
}
TOOLS: JSON = {"tools": [TOOL]}
CUSTOM: JSON = {"type": "custom", "custom": {"name": "c"}}
FUNCTIONS: JSON = {"functions": [{"name": "f", "description": "d", "parameters": SCHEMA}]}
FLAT_LEGACY: JSON = {**FLAT, "strict": False}
IMAGE = "data:image/png;base64,AAAA"
PDF = "data:application/pdf;base64,AAAA"

FIELDS: list[Row] = [
    Row("audio", {"voice": "alloy", "format": "wav"}, Rejected("audio")),
    Row("frequency_penalty", 0.5, Carried("frequency_penalty", 0.5), "generic"),
    Row("frequency_penalty", 0.5, Lost("frequency_penalty"), "openai"),
    Row("frequency_penalty", 0, DoneHere("frequency_penalty"), "openai"),
    Row("function_call", "none", Carried("tool_choice", "none"), also=FUNCTIONS),
    Row("function_call", "auto", Carried("tool_choice", "auto"), also=FUNCTIONS),
    Row(
        "function_call",
        {"name": "f"},
        Carried("tool_choice", {"type": "function", "name": "f"}),
        also=FUNCTIONS,
    ),
    Row("function_call", {"name": "f"}, Lost("function_call", "emulated"), also=FUNCTIONS),
    Row("function_call", {"name": "g"}, Rejected("function_call.name"), also=FUNCTIONS),
    Row("function_call", "auto", Lost("function_call"), also={**FUNCTIONS, "tool_choice": "auto"}),
    Row("functions", FUNCTIONS["functions"], Carried("tools", [FLAT_LEGACY])),
    Row("functions", FUNCTIONS["functions"], Carried("parallel_tool_calls", False)),
    Row("functions", FUNCTIONS["functions"], Lost("functions", "emulated")),
    Row("functions", FUNCTIONS["functions"], Carried("tools", [FLAT]), also=TOOLS),
    Row("logit_bias", {"1": 5}, Rejected("logit_bias")),
    Row("logit_bias", {}, DoneHere("logit_bias")),
    Row("logprobs", True, Carried("include", ["message.output_text.logprobs"])),
    Row("logprobs", False, DoneHere("logprobs")),
    Row("max_completion_tokens", 99, Carried("max_output_tokens", 99)),
    Row("max_completion_tokens", 9, Carried("max_output_tokens", 16)),
    Row("max_completion_tokens", 9, Lost("max_completion_tokens", "clamped")),
    Row("max_completion_tokens", 99, Carried("max_output_tokens", 99), also={"max_tokens": 50}),
    Row("max_completion_tokens", 99, Lost("max_tokens"), also={"max_tokens": 50}),
    Row("max_tokens", 99, Carried("max_output_tokens", 99)),
    Row("max_tokens", 1, Lost("max_tokens", "clamped")),
    Row(
        "messages",
        [{"role": "user", "content": "Hello"}],
        Carried("input", [{"type": "message", "role": "user", "content": "Hello"}]),
    ),
    Row("metadata", {"k": "v"}, Carried("metadata", {"k": "v"})),
    Row("modalities", ["text"], DoneHere("modalities")),
    Row("modalities", ["text", "audio"], Rejected("modalities[1]")),
    Row("model", "gpt-5.5", Carried("model", "gpt-5.5")),
    Row("model", "gpt-5.5", Carried("include", ["reasoning.encrypted_content"])),
    Row("moderation", {"model": "m"}, Carried("moderation", {"model": "m"})),
    Row("n", 3, DoneHere("n")),
    Row("parallel_tool_calls", False, Carried("parallel_tool_calls", False), also=TOOLS),
    Row("parallel_tool_calls", True, Lost("parallel_tool_calls", "clamped"), also=FUNCTIONS),
    Row("prediction", {"type": "content", "content": "x"}, Rejected("prediction")),
    Row("presence_penalty", -0.5, Carried("presence_penalty", -0.5), "vllm"),
    Row("presence_penalty", -0.5, Lost("presence_penalty"), "azure"),
    Row("prompt_cache_key", "k", Carried("prompt_cache_key", "k")),
    Row("prompt_cache_options", {"ttl": "30m"}, Carried("prompt_cache_options", {"ttl": "30m"})),
    Row("prompt_cache_options.ttl", "30m", Carried("prompt_cache_options.ttl", "30m")),
    Row("prompt_cache_options.mode", "explicit", Carried("prompt_cache_options.mode", "explicit")),
    Row("prompt_cache_retention", "24h", Carried("prompt_cache_retention", "24h")),
    Row("reasoning_effort", "low", Carried("reasoning", {"effort": "low"})),
    Row("reasoning_effort", "low", Carried("include", ["reasoning.encrypted_content"])),
    Row("reasoning_effort", "xhigh", Carried("reasoning.effort", "high"), "vllm"),
    Row("reasoning_effort", "xhigh", Lost("reasoning_effort", "clamped"), "vllm"),
    Row("response_format", {"type": "text"}, Carried("text", {"format": {"type": "text"}})),
    Row("response_format", {"type": "json_object"}, Carried("text.format", {"type": "json_object"})),
    Row(
        "response_format",
        {
            "type": "json_schema",
            "json_schema": {"name": "n", "description": "d", "schema": SCHEMA, "strict": True},
        },
        Carried(
            "text.format",
            {"type": "json_schema", "name": "n", "description": "d", "schema": SCHEMA, "strict": True},
        ),
    ),
    Row(
        "response_format",
        {"type": "json_schema", "json_schema": {"name": "n"}},
        Lost("response_format.json_schema.schema", "emulated"),
    ),
    Row("safety_identifier", "s", Carried("safety_identifier", "s")),
    Row("seed", 7, Lost("seed")),
    Row("service_tier", "flex", Carried("service_tier", "flex")),
    Row("stop", ["END"], Lost("stop", "emulated")),
    Row("stop", "END", Lost("stop", "emulated")),
    Row("stop", [], DoneHere("stop")),
    Row("store", True, Carried("store", True)),
    Row("store", False, Carried("store", False)),
    Row("store", None, Carried("store", False)),
    Row("stream", True, Carried("stream", True)),
    Row("stream", False, Carried("stream", False)),
    Row("stream_options", {"include_usage": True}, DoneHere("stream_options")),
    Row("stream_options.include_usage", True, DoneHere("stream_options")),
    Row("stream_options.include_obfuscation", True, Lost("stream_options.include_obfuscation")),
    Row("stream_options.include_obfuscation", False, DoneHere("stream_options")),
    Row("temperature", 0.5, Carried("temperature", 0.5)),
    Row("tool_choice", "required", Carried("tool_choice", "required"), also=TOOLS),
    Row("tools", [TOOL], Carried("tools", [FLAT])),
    Row("top_logprobs", 3, Carried("top_logprobs", 3)),
    Row("top_logprobs", 3, Carried("include", ["message.output_text.logprobs"])),
    Row("top_logprobs", 3, Lost("top_logprobs"), also={"logprobs": False}),
    Row("top_p", 0.5, Carried("top_p", 0.5)),
    Row("user", "u", Carried("user", "u")),
    Row("verbosity", "low", Carried("text", {"verbosity": "low"})),
    Row("web_search_options", {}, Carried("tools", [{"type": "web_search"}])),
    Row("web_search_options.search_context_size", "low", Carried("tools[0].search_context_size", "low")),
    Row(
        "web_search_options.user_location",
        {"type": "approximate", "approximate": {"country": "NL", "city": "Delft"}},
        Carried("tools[0].user_location", {"type": "approximate", "country": "NL", "city": "Delft"}),
    ),
    # Not in the schema: the client's own fields, and those of Responses.
    Row("vendor_option", {"a": 1}, Carried("vendor_option", {"a": 1})),
    Row("instructions", "Be brief.", Carried("instructions", "Be brief.")),
    Row("background", True, Rejected("background")),
    Row("input", "Hi", Lost("input")),
    Row("include", ["x"], Carried("include", ["x", "message.output_text.logprobs"]), also={"logprobs": True}),
    Row("reasoning", {"summary": "auto"}, Carried("reasoning", {"summary": "auto"})),
    Row(
        "reasoning",
        {"summary": "auto"},
        Carried("reasoning", {"summary": "auto", "effort": "low"}),
        also={"reasoning_effort": "low"},
    ),
    Row(
        "text",
        {"verbosity": "high"},
        Carried("text", {"verbosity": "high", "format": {"type": "text"}}),
        also={"response_format": {"type": "text"}},
    ),
]

CALL: JSON = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
FLAT_CALL: JSON = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"x":1}'}
CUSTOM_CALL: JSON = {"id": "call_1", "type": "custom", "custom": {"name": "c", "input": "a\nb"}}

# Role -> the message (after a user message) and its outcome.
MESSAGES: list[Row] = [
    Row(
        "system", {"content": "S"}, Carried("input[1]", {"type": "message", "role": "system", "content": "S"})
    ),
    Row("system", {"content": "S", "name": "n"}, Lost("messages[1].name")),
    Row(
        "developer",
        {"content": "D"},
        Carried("input[1]", {"type": "message", "role": "developer", "content": "D"}),
        "vllm",
    ),
    Row("developer", {"content": "D", "name": "n"}, Lost("messages[1].name")),
    Row("user", {"content": "U"}, Carried("input[1]", {"type": "message", "role": "user", "content": "U"})),
    Row("user", {"content": "U", "name": "n"}, Lost("messages[1].name")),
    Row("user", {"content": "U", "cache_control": {"a": 1}}, Carried("input[1].cache_control", {"a": 1})),
    Row(
        "assistant",
        {"content": "A"},
        Carried("input[1]", {"type": "message", "role": "assistant", "content": "A"}),
    ),
    Row("assistant", {"content": None}, Carried("input[1].content", "")),
    Row("assistant", {"content": "A", "name": "n"}, Lost("messages[1].name")),
    Row(
        "assistant",
        {"content": None, "refusal": "No."},
        Carried("input[1].content", [{"type": "refusal", "refusal": "No."}]),
    ),
    Row(
        "assistant",
        {"content": "Well.", "refusal": "No."},
        Carried(
            "input[1].content",
            [
                {"type": "output_text", "text": "Well.", "annotations": []},
                {"type": "refusal", "refusal": "No."},
            ],
        ),
    ),
    Row("assistant", {"content": None, "tool_calls": [CALL]}, Carried("input[1]", FLAT_CALL)),
    Row("assistant", {"content": "A", "tool_calls": [CALL]}, Carried("input[2]", FLAT_CALL)),
    Row(
        "assistant",
        {"tool_calls": [CALL]},
        Carried("input[2].output", "No result of this call was recorded; its outcome is unknown."),
    ),
    Row("assistant", {"tool_calls": [CALL]}, Lost("messages[1].tool_calls[0]", "emulated")),
    Row(
        "assistant",
        {"tool_calls": [CUSTOM_CALL]},
        Carried("input[1]", {"type": "custom_tool_call", "call_id": "call_1", "name": "c", "input": "a\nb"}),
    ),
    Row(
        "assistant",
        {"function_call": {"name": "f", "arguments": ""}},
        Carried("input[1]", {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}),
    ),
    Row(
        "assistant",
        {"function_call": {"name": "f", "arguments": "{}"}},
        Lost("messages[1].function_call", "emulated"),
    ),
    Row("assistant", {"content": None, "audio": {"id": "audio_1"}}, Rejected("messages[1].audio")),
    Row(
        "assistant",
        {
            "content": "A",
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {
                        "url": "https://a.test",
                        "title": "t",
                        "start_index": 0,
                        "end_index": 1,
                    },
                }
            ],
        },
        Carried(
            "input[1].content[0].annotations[0]",
            {
                "type": "url_citation",
                "url": "https://a.test",
                "title": "t",
                "start_index": 0,
                "end_index": 1,
            },
        ),
    ),
    Row(
        "assistant",
        {"content": [{"type": "text", "text": "A"}], "annotations": [{"type": "url_citation"}]},
        Lost("messages[1].annotations"),
    ),
    Row("assistant", {"content": "A", "prefix": True}, Carried("input[1].prefix", True)),
    Row("assistant", {"tool_calls": [CALL], "prefix": True}, Lost("messages[1].prefix")),
    Row(
        "assistant",
        {"content": "A", "reasoning_content": "Think."},
        Carried("input[1].content", [{"type": "reasoning_text", "text": "Think."}]),
        "generic",
    ),
    Row("assistant", {"content": "A", "reasoning": "T"}, Carried("input[1].type", "reasoning"), "vllm"),
    Row("assistant", {"content": "A", "reasoning_content": "T"}, Lost("messages[1].reasoning_content")),
    Row("assistant", {"content": "A", "reasoning": {"a": 1}}, Lost("messages[1].reasoning"), "generic"),
    Row(
        "assistant",
        {"content": "A", "reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]},
        Lost("messages[1].reasoning_details"),
        "openrouter",
    ),
    Row("tool", {"tool_call_id": "call_9", "content": "42"}, Carried("input[2].output", "42")),
    Row("tool", {"tool_call_id": "call_9", "content": "42"}, Lost("messages[1]", "emulated")),
    Row(
        "tool",
        {"tool_call_id": "call_9", "content": [{"type": "text", "text": "42"}]},
        Carried("input[2].output", [{"type": "input_text", "text": "42"}]),
    ),
    Row("function", {"name": "f", "content": "42"}, Carried("input[1].name", "f")),
    Row("function", {"name": "f", "content": "42"}, Carried("input[2].output", "42")),
    Row("function", {"name": "f", "content": None}, Carried("input[2].output", "")),
]

# Content part type -> the part (alone in a user message) and its outcome.
PARTS: list[Row] = [
    Row("text", {"text": "Hi"}, Carried("input[0].content", [{"type": "input_text", "text": "Hi"}])),
    Row("input_text", {"text": "Hi"}, Carried("input[0].content[0].type", "input_text")),
    Row(
        "text",
        {"text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
        Carried("input[0].content[0].prompt_cache_breakpoint", {"mode": "explicit"}),
    ),
    Row(
        "text",
        {"text": "Hi", "cache_control": {"type": "ephemeral"}},
        Carried("input[0].content[0].cache_control", {"type": "ephemeral"}),
    ),
    Row("refusal", {"refusal": "No."}, Carried("input[0].content[0]", {"type": "input_text", "text": "No."})),
    Row(
        "image_url",
        {"image_url": {"url": IMAGE, "detail": "low"}},
        Carried("input[0].content[0]", {"type": "input_image", "image_url": IMAGE, "detail": "low"}),
    ),
    Row(
        "image_url",
        {"image_url": {"url": IMAGE}},
        Carried("input[0].content[0]", {"type": "input_image", "image_url": IMAGE, "detail": "auto"}),
    ),
    Row("image_url", {"image_url": IMAGE}, Carried("input[0].content[0].image_url", IMAGE)),
    Row(
        "file",
        {"file": {"file_data": PDF, "filename": "a.pdf"}},
        Carried("input[0].content[0]", {"type": "input_file", "file_data": PDF, "filename": "a.pdf"}),
    ),
    Row(
        "file",
        {"file": {"file_id": "file-1"}},
        Carried("input[0].content[0]", {"type": "input_file", "file_id": "file-1"}),
    ),
    Row(
        "input_audio",
        {"input_audio": {"data": "AAAA", "format": "wav"}},
        Rejected("messages[0].content[0].type"),
    ),
    Row("video_url", {"video_url": {"url": "https://a.test/v"}}, Lost("messages[0].content[0]")),
    Row(
        "video_url",
        {"video_url": {"url": "https://a.test/v"}},
        Carried("input[0].content[0]", {"type": "input_video", "video_url": "https://a.test/v"}),
        "vllm",
    ),
    Row("acme:part", {}, Rejected("messages[0].content[0].type")),
]

# Tool type -> the tool (alone) and its outcome.
TOOL_TYPES: list[Row] = [
    Row("function", {"function": TOOL["function"]}, Carried("tools", [FLAT])),
    Row("custom", {"custom": {"name": "c"}}, Carried("tools", [{"type": "custom", "name": "c"}])),
    Row(
        "custom",
        {"custom": {"name": "c", "description": "d", "format": {"type": "text"}}},
        Carried("tools", [{"type": "custom", "name": "c", "description": "d", "format": {"type": "text"}}]),
    ),
    Row(
        "custom",
        {
            "custom": {
                "name": "c",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: X"}},
            }
        },
        Carried("tools[0].format", {"type": "grammar", "syntax": "lark", "definition": "start: X"}),
    ),
    Row("web_search", {"filters": {}}, Carried("tools", [{"type": "web_search", "filters": {}}])),
    Row("acme:tool", {"a": 1}, Carried("tools", [{"type": "acme:tool", "a": 1}])),
]

# Property of a function definition -> its outcome.
FUNCTION: list[Row] = [
    Row("name", "g", Carried("tools[0].name", "g")),
    Row("description", "e", Carried("tools[0].description", "e")),
    Row("parameters", SCHEMA, Carried("tools[0].parameters", SCHEMA)),
    Row("parameters", None, Carried("tools[0].parameters", {"type": "object", "properties": {}})),
    Row("strict", True, Carried("tools[0].strict", True)),
    Row("strict", False, Carried("tools[0].strict", False)),
    Row("strict", None, Carried("tools[0].strict", False)),
    Row("vendor", 1, Carried("tools[0].vendor", 1)),
]

ALLOWED: JSON = {
    "type": "allowed_tools",
    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
}


def allowed(mode: str, *tools: JSON) -> JSON:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}


OTHER: JSON = {"type": "function", "function": {"name": "other"}}

# Form of tool_choice -> its outcome with the function tool `f` and the custom tool `c`.
CHOICES: list[Row] = [
    Row("none", "none", Carried("tool_choice", "none")),
    Row("auto", "auto", Carried("tool_choice", "auto")),
    Row("required", "required", Carried("tool_choice", "required")),
    Row("required", {"type": "required"}, Carried("tool_choice", "required")),
    Row(
        "function",
        {"type": "function", "function": {"name": "f"}},
        Carried("tool_choice", {"type": "function", "name": "f"}),
    ),
    Row("function", OTHER, Rejected("tool_choice.function.name")),
    Row(
        "custom",
        {"type": "custom", "custom": {"name": "c"}},
        Carried("tool_choice", {"type": "custom", "name": "c"}),
    ),
    Row("custom", {"type": "custom", "custom": {"name": "f"}}, Rejected("tool_choice.custom.name")),
    Row(
        "allowed_tools",
        ALLOWED,
        Carried(
            "tool_choice",
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        ),
    ),
    Row(
        "allowed_tools",
        allowed("auto", {"type": "web_search"}),
        Carried("tool_choice.tools", [{"type": "web_search"}]),
    ),
    Row("allowed_tools", allowed("auto", OTHER), Lost("tool_choice.allowed_tools.tools[0]")),
    Row("allowed_tools", allowed("auto", OTHER), Carried("tool_choice", "none")),
    Row("allowed_tools", allowed("required", OTHER), Rejected("tool_choice.allowed_tools.tools")),
    Row("web_search", {"type": "web_search"}, Carried("tool_choice", {"type": "web_search"})),
]
