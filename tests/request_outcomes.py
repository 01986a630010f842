"""What becomes of every part of a Responses request on a Chat upstream: one row per property.

A row holds an example and its expected outcome: `Carried` (found, equal, at the named place of the Chat
body), `Lost` (left out, changed or emulated, and reported under the path) or `Rejected` (400 with the param).
Names with a dot are properties of nested objects.
"""

from __future__ import annotations

import json

from responses_asgi.types.json import JSON
from tests.outcomes import Carried, Lost, Rejected, Row

SCHEMA: JSON = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOL: JSON = {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
CHAT_TOOL: JSON = {
    "type": "function",
    "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
}
TOOLS: JSON = {"tools": [TOOL]}


def compact(value: object) -> str:
    """JSON as it stands inside of arguments and results."""
    return json.dumps(value, separators=(",", ":"))


CALL: JSON = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"x":1}'}
OUTPUT: JSON = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
CHAT_CALL: JSON = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
PATCH: JSON = {"type": "create_file", "path": "a.txt", "diff": "+a"}
SHELLED = [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]
GRAMMAR: JSON = {"type": "grammar", "syntax": "lark", "definition": "start: /a+/"}
RESULT = "messages[2].content"
IMAGE = "data:image/png;base64,AAAA"

FIELDS: list[Row] = [
    Row("access_programs", ["p"], Lost("access_programs")),
    Row("background", True, Rejected("background")),
    Row("client_metadata", {"thread": "t"}, Lost("client_metadata")),
    Row("context_management", [{"type": "compaction"}], Lost("context_management")),
    Row("conversation", "conv_1", Rejected("conversation")),
    Row("conversation", {"id": "conv_1"}, Rejected("conversation")),
    Row("frequency_penalty", 0.5, Carried("frequency_penalty", 0.5)),
    Row("frequency_penalty", 0.5, Lost("frequency_penalty"), "cerebras"),
    Row("image", {"quality": "low"}, Lost("image")),
    Row("include", ["message.output_text.logprobs"], Carried("logprobs", True)),
    Row("include", ["message.output_text.logprobs"], Lost("include[0]"), "groq"),
    Row("include", ["reasoning.encrypted_content"], Lost("include[0]", "emulated")),
    Row("include", ["file_search_call.results"], Lost("include[0]")),
    Row("input", "Hello", Carried("messages[0]", {"role": "user", "content": "Hello"})),
    Row(
        "input",
        [{"role": "user", "content": "Hi"}],
        Carried("messages[0]", {"role": "user", "content": "Hi"}),
    ),
    Row("instructions", "Be brief.", Carried("messages[0]", {"role": "system", "content": "Be brief."})),
    Row("max_output_tokens", 9, Carried("max_completion_tokens", 9)),
    Row("max_output_tokens", 9, Carried("max_tokens", 9), "generic"),
    Row("max_tool_calls", 3, Lost("max_tool_calls")),
    Row("metadata", {"k": "v"}, Carried("metadata", {"k": "v"})),
    Row("metadata", {"k": "v"}, Lost("metadata"), "generic"),
    Row("model", "gpt-5.5", Carried("model", "gpt-5.5")),
    Row("moderation", {"model": "m"}, Carried("moderation", {"model": "m"})),
    Row("moderation", {"model": "m"}, Lost("moderation"), "generic"),
    Row("parallel_tool_calls", False, Carried("parallel_tool_calls", False), also=TOOLS),
    Row("parallel_tool_calls", False, Lost("parallel_tool_calls"), "cerebras", TOOLS),
    Row("presence_penalty", 0.5, Carried("presence_penalty", 0.5)),
    Row("previous_response_id", "resp_1", Rejected("previous_response_id", "previous_response_not_found")),
    Row("prompt", {"id": "pmpt_1"}, Rejected("prompt")),
    Row("prompt_cache_key", "k", Carried("prompt_cache_key", "k")),
    Row("prompt_cache_key", "k", Lost("prompt_cache_key"), "generic"),
    Row("prompt_cache_options", {"ttl": "30m"}, Carried("prompt_cache_options", {"ttl": "30m"})),
    Row("prompt_cache_options", {"ttl": "30m"}, Lost("prompt_cache_options"), "generic"),
    Row("prompt_cache_options.ttl", "30m", Carried("prompt_cache_options.ttl", "30m")),
    Row("prompt_cache_options.mode", "explicit", Carried("prompt_cache_options.mode", "explicit")),
    Row("prompt_cache_options.prewarm", True, Lost("prompt_cache_options.prewarm")),
    Row(
        "prompt_cache_options.comparison_response_id",
        "resp_1",
        Lost("prompt_cache_options.comparison_response_id"),
    ),
    Row("prompt_cache_retention", "24h", Carried("prompt_cache_retention", "24h")),
    Row("prompt_cache_retention", "24h", Lost("prompt_cache_retention"), "generic"),
    Row("reasoning", {"effort": "low"}, Carried("reasoning_effort", "low")),
    Row("reasoning.effort", "xhigh", Carried("reasoning_effort", "xhigh")),
    Row("reasoning.effort", "xhigh", Lost("reasoning.effort", "clamped"), "vllm"),
    Row("reasoning.effort", "high", Carried("thinking", {"type": "enabled"}), "deepseek"),
    Row("reasoning.effort", "none", Carried("thinking", {"type": "disabled"}), "deepseek"),
    Row("reasoning.summary", "auto", Lost("reasoning.summary")),
    Row("reasoning.generate_summary", "auto", Lost("reasoning.generate_summary")),
    Row("reasoning.context", "all_turns", Lost("reasoning.context")),
    Row("reasoning.mode", "pro", Lost("reasoning.mode")),
    Row("safety_identifier", "s", Carried("safety_identifier", "s")),
    Row("safety_identifier", "s", Lost("safety_identifier"), "generic"),
    Row("service_tier", "flex", Carried("service_tier", "flex")),
    Row("service_tier", "ultrafast", Lost("service_tier")),
    Row("service_tier", "auto", Lost("service_tier"), "generic"),
    Row("store", True, Lost("store")),
    Row("stream", True, Carried("stream_options", {"include_usage": True})),
    Row("stream", True, Carried("stream", True), "mistral"),
    Row("stream", False, Carried("stream", False)),
    Row("stream_options", {"include_obfuscation": True}, Lost("stream_options.include_obfuscation")),
    Row("stream_options.include_obfuscation", True, Lost("stream_options.include_obfuscation")),
    Row("temperature", 2.5, Carried("temperature", 2.5)),
    Row("text", {"verbosity": "low"}, Carried("verbosity", "low")),
    Row("text.verbosity", "low", Carried("verbosity", "low")),
    Row("text.verbosity", "low", Lost("text.verbosity"), "generic"),
    Row("text.format", {"type": "text"}, Carried("response_format", {"type": "text"})),
    Row("text.format", {"type": "json_object"}, Carried("response_format", {"type": "json_object"})),
    Row(
        "text.format",
        {"type": "json_schema", "name": "n", "description": "d", "schema": SCHEMA, "strict": True},
        Carried(
            "response_format",
            {
                "type": "json_schema",
                "json_schema": {"name": "n", "description": "d", "schema": SCHEMA, "strict": True},
            },
        ),
    ),
    Row(
        "text.format",
        {"type": "json_schema", "name": "n", "schema": SCHEMA},
        Lost("text.format", "clamped"),
        "deepseek",
    ),
    Row("text.new_thing", 1, Lost("text.new_thing")),
    Row("tool_choice", "required", Carried("tool_choice", "required"), also=TOOLS),
    Row("tools", [TOOL], Carried("tools", [CHAT_TOOL])),
    Row("tools", [TOOL], Lost("tools[0]"), "perplexity"),
    Row("top_logprobs", 3, Carried("top_logprobs", 3)),
    Row("top_logprobs", 3, Carried("logprobs", True)),
    Row("top_logprobs", 3, Lost("top_logprobs"), "deepseek", {"reasoning": {"effort": "high"}}),
    Row("top_p", 0.5, Carried("top_p", 0.5)),
    Row("truncation", "auto", Lost("truncation")),
    Row("user", "u", Carried("user", "u")),
    Row("user", "u", Lost("user"), "mistral"),
    # Not in the schemas: the client's own fields.
    Row("stop", ["END"], Carried("stop", ["END"]), "generic"),
    Row("vendor_option", {"a": 1}, Carried("vendor_option", {"a": 1}), "generic"),
    Row("n", 2, Lost("n", "clamped")),
    Row("messages", [], Lost("messages")),
]

# Input item type -> the item (after a user message) and its outcome.
ITEMS: list[Row] = [
    Row("additional_tools", {"role": "developer", "tools": [TOOL]}, Carried("tools", [CHAT_TOOL])),
    Row("additional_tools", {"role": "developer", "tools": [TOOL]}, Lost("input[1]", "emulated")),
    Row(
        "additional_tools",
        {"role": "developer", "tools": [{"type": "custom", "name": "c"}]},
        Carried("tools", [{"type": "custom", "custom": {"name": "c"}}]),
    ),
    Row(
        "additional_tools",
        {"role": "developer", "tools": [{"type": "namespace", "name": "n", "tools": [TOOL]}]},
        Carried("tools[0].function.name", "n__f"),
    ),
    Row(
        "apply_patch_call",
        {"call_id": "call_1", "operation": PATCH},
        Carried("messages[1].tool_calls[0].function", {"name": "apply_patch", "arguments": compact(PATCH)}),
    ),
    Row("apply_patch_call", {"call_id": "c", "operation": PATCH}, Lost("input[1]", "emulated")),
    Row(
        "apply_patch_call_output",
        {"call_id": "c", "status": "failed", "output": "no such file"},
        Carried("messages[2].content", "failed\nno such file"),
    ),
    Row("code_interpreter_call", {"id": "ci", "code": "1"}, Lost("input[1]")),
    Row("compaction", {"encrypted_content": "x"}, Rejected("input[1].type")),
    Row("compaction_trigger", {}, Rejected("input[1].type")),
    Row("computer_call", {"call_id": "c"}, Rejected("input[1].type")),
    Row("computer_call_output", {"call_id": "c", "output": {}}, Rejected("input[1].type")),
    Row("configuration_update", {}, Lost("input[1]")),
    Row(
        "custom_tool_call",
        {"call_id": "call_1", "name": "patch", "input": "a\nb"},
        Carried(
            "messages[1].tool_calls[0]",
            {"id": "call_1", "type": "custom", "custom": {"name": "patch", "input": "a\nb"}},
        ),
    ),
    Row(
        "custom_tool_call",
        {"call_id": "call_1", "name": "patch", "input": "a\nb"},
        Carried("messages[1].tool_calls[0].function", {"name": "patch", "arguments": '{"input":"a\\nb"}'}),
        "generic",
    ),
    Row(
        "custom_tool_call",
        {"call_id": "call_1", "name": "patch", "input": "a"},
        Lost("input[1]", "emulated"),
        "generic",
    ),
    Row(
        "custom_tool_call_output",
        {"call_id": "call_0", "output": "done"},
        Carried("messages[2].content", "done"),
    ),
    Row("file_search_call", {"id": "fs", "queries": []}, Lost("input[1]")),
    Row(
        "function_call",
        {"call_id": "call_1", "name": "f", "arguments": '{"x":1}'},
        Carried("messages[1].tool_calls", [CHAT_CALL]),
    ),
    Row("function_call_output", {"call_id": "call_0", "output": "42"}, Carried("messages[2].content", "42")),
    Row("function_call_output", {"call_id": "call_0", "output": "42"}, Lost("input[1]", "emulated")),
    Row("image_generation_call", {"id": "ig", "result": "AAAA"}, Lost("input[1]")),
    Row(
        "item_reference",
        {"id": "msg_1"},
        Rejected("input[1].id"),
    ),
    Row(
        "local_shell_call",
        {"call_id": "c", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        Carried(
            "messages[1].tool_calls[0].function",
            {"name": "local_shell", "arguments": '{"command":["ls"],"env":{}}'},
        ),
    ),
    Row("local_shell_call_output", {"id": "c", "output": "x"}, Carried("messages[2].content", "x")),
    Row("local_shell_call_output", {"id": "c", "output": "x"}, Lost("input[1]", "emulated")),
    Row("mcp_approval_request", {"id": "a"}, Rejected("input[1].type")),
    Row("mcp_approval_response", {"approve": True}, Rejected("input[1].type")),
    Row("mcp_call", {"id": "m", "name": "t", "output": "x"}, Lost("input[1]")),
    Row("mcp_list_tools", {"id": "m", "tools": []}, Lost("input[1]")),
    Row("message", {"role": "user", "content": "Yes"}, Carried("messages[1].content", "Yes")),
    Row("message", {"role": "assistant", "content": "Yes", "phase": "commentary"}, Lost("input[1].phase")),
    Row(
        "message",
        {"role": "developer", "content": "Now."},
        Carried("messages[1]", {"role": "developer", "content": "Now."}),
    ),
    Row(
        "message",
        {"role": "developer", "content": "Now."},
        Carried("messages[1]", {"role": "system", "content": "Now."}),
        "generic",
    ),
    Row("program", {"call_id": "p", "code": ""}, Lost("input[1]")),
    Row("program_output", {"call_id": "p", "result": ""}, Lost("input[1]")),
    Row("reasoning", {"id": "rs", "summary": []}, Lost("input[1]")),
    Row(
        "shell_call",
        {"call_id": "c", "action": {"commands": ["ls"], "timeout_ms": None}},
        Carried("messages[1].tool_calls[0].function", {"name": "shell", "arguments": '{"commands":["ls"]}'}),
    ),
    Row(
        "shell_call",
        {"call_id": "c", "action": {"commands": []}, "environment": {"type": "container_reference"}},
        Lost("input[1].environment"),
    ),
    Row("shell_call_output", {"call_id": "c", "output": SHELLED}, Carried(RESULT, compact(SHELLED))),
    Row(
        "tool_search_call",
        {"call_id": "t", "execution": "client", "arguments": {"query": "q"}},
        Carried("messages[1].tool_calls[0].function", {"name": "tool_search", "arguments": '{"query":"q"}'}),
    ),
    Row("tool_search_call", {"call_id": None, "execution": "server", "arguments": {}}, Lost("input[1]")),
    Row(
        "tool_search_output",
        {"call_id": "t", "execution": "client", "tools": [TOOL]},
        Carried(RESULT, "These tools can be called from now on: f"),
    ),
    Row(
        "tool_search_output",
        {"call_id": "t", "execution": "client", "tools": [TOOL]},
        Carried("tools", [CHAT_TOOL]),
    ),
    Row(
        "tool_search_output",
        {"call_id": None, "execution": "server", "tools": [TOOL]},
        Lost("input[1]", "emulated"),
    ),
    Row("web_search_call", {"id": "ws", "status": "completed"}, Lost("input[1]")),
    Row("acme:thing", {"anything": 1}, Rejected("input[1].type")),
]

# Content part type -> the part (alone in a user message unless the row says otherwise) and its outcome.
PARTS: list[Row] = [
    Row("input_text", {"text": "Hi"}, Carried("messages[0].content", "Hi")),
    Row("text", {"text": "Hi"}, Carried("messages[0].content", "Hi")),
    Row("summary_text", {"text": "Hi"}, Carried("messages[0].content", "Hi")),
    Row("reasoning_text", {"text": "Hi"}, Carried("messages[0].content", "Hi")),
    Row("output_text", {"text": "Hi", "annotations": []}, Carried("messages[0].content", "Hi")),
    Row(
        "output_text",
        {"text": "Hi", "annotations": [{"type": "url_citation"}]},
        Lost("input[0].content[0].annotations"),
    ),
    Row(
        "output_text",
        {"text": "Hi", "annotations": [], "logprobs": [{"token": "Hi"}]},
        Lost("input[0].content[0].logprobs"),
    ),
    Row("refusal", {"refusal": "No."}, Carried("messages[0].content", "No.")),
    Row(
        "input_image",
        {"image_url": IMAGE, "detail": "low"},
        Carried(
            "messages[0].content[0]", {"type": "image_url", "image_url": {"url": IMAGE, "detail": "low"}}
        ),
    ),
    Row(
        "input_image",
        {"image_url": IMAGE, "detail": "original"},
        Lost("input[0].content[0].detail", "clamped"),
    ),
    Row(
        "input_image",
        {"image_url": IMAGE, "detail": "original"},
        Carried("messages[0].content[0].image_url.detail", "high"),
    ),
    Row("input_image", {"file_id": "file-1"}, Rejected("input[0].content[0].file_id")),
    Row(
        "input_image",
        {"detail": "auto"},
        Rejected("input[0].content[0].image_url", "missing_required_parameter"),
    ),
    Row(
        "input_file",
        {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
        Carried(
            "messages[0].content[0]",
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        ),
    ),
    Row("input_file", {"file_id": "file-1"}, Carried("messages[0].content[0].file.file_id", "file-1")),
    Row("input_file", {"file_id": "f", "detail": "high"}, Lost("input[0].content[0].detail")),
    Row("input_file", {"file_url": "https://a.test/b.pdf"}, Rejected("input[0].content[0].file_url")),
    Row(
        "input_audio",
        {"input_audio": {"data": "AAAA", "format": "wav"}},
        Carried(
            "messages[0].content[0]",
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        ),
    ),
    Row("input_video", {"video_url": "https://a.test/v.mp4"}, Lost("input[0].content[0]")),
    Row(
        "input_video",
        {"video_url": "https://a.test/v.mp4"},
        Carried(
            "messages[0].content[0]",
            {"type": "video_url", "video_url": {"url": "https://a.test/v.mp4"}},
        ),
        "openrouter",
    ),
    Row("computer_screenshot", {"image_url": IMAGE}, Rejected("input[0].content[0].type")),
    Row("acme:part", {}, Rejected("input[0].content[0].type")),
    Row(
        "input_text",
        {"text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
        Carried("messages[0].content[0].prompt_cache_breakpoint", {"mode": "explicit"}),
    ),
    Row(
        "input_text",
        {"text": "Hi", "prompt_cache_breakpoint": {"mode": "explicit"}},
        Lost("input[0].content[0].prompt_cache_breakpoint"),
        "generic",
    ),
    Row(
        "input_text",
        {"text": "Hi", "cache_control": {"type": "ephemeral"}},
        Carried("messages[0].content[0].cache_control", {"type": "ephemeral"}),
        "openrouter",
    ),
]

# Tool type -> the tool (alone) and its outcome.
TOOL_TYPES: list[Row] = [
    Row(
        "function",
        {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
        Carried("tools", [CHAT_TOOL]),
    ),
    Row(
        "custom",
        {"name": "c", "format": {"type": "text"}},
        Carried("tools", [{"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}]),
    ),
    Row(
        "custom",
        {"name": "c", "format": GRAMMAR},
        Carried(
            "tools[0].custom.format",
            {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a+/"}},
        ),
    ),
    Row("custom", {"name": "c"}, Lost("tools[0]", "emulated"), "generic"),
    Row("custom", {"name": "c", "format": GRAMMAR}, Lost("tools[0].format", "emulated"), "generic"),
    Row("namespace", {"name": "n", "tools": [TOOL]}, Lost("tools[0]", "emulated")),
    Row("namespace", {"name": "n", "tools": [TOOL]}, Carried("tools[0].function.name", "n__f")),
    Row("tool_search", {"execution": "client"}, Lost("tools[0]", "emulated")),
    Row("tool_search", {"execution": "server"}, Lost("tools[0]")),
    Row("programmatic_tool_calling", {}, Lost("tools[0]")),
    Row("web_search", {"filters": {}}, Lost("tools[0]")),
    Row("web_search_2025_08_26", {}, Lost("tools[0]")),
    Row("web_search_preview", {}, Lost("tools[0]")),
    Row("web_search_preview_2025_03_11", {}, Lost("tools[0]")),
    Row("file_search", {"vector_store_ids": ["vs"]}, Lost("tools[0]")),
    Row("computer", {}, Lost("tools[0]")),
    Row("computer_use_preview", {}, Lost("tools[0]")),
    Row("mcp", {"server_label": "s", "server_url": "https://a.test"}, Lost("tools[0]")),
    Row("code_interpreter", {"container": "c"}, Lost("tools[0]")),
    Row("image_generation", {}, Lost("tools[0]")),
    Row("shell", {}, Lost("tools[0]", "emulated")),
    Row("shell", {"environment": {"type": "local"}}, Lost("tools[0]", "emulated")),
    Row("shell", {"environment": {"type": "container_auto"}}, Lost("tools[0]")),
    Row("local_shell", {}, Lost("tools[0]", "emulated")),
    Row("apply_patch", {}, Lost("tools[0]", "emulated")),
    Row("acme:tool", {}, Lost("tools[0]")),
]

# Property of a function tool -> its outcome.
FUNCTION: list[Row] = [
    Row("type", "function", Carried("tools[0].type", "function")),
    Row("name", "g", Carried("tools[0].function.name", "g")),
    Row("description", "e", Carried("tools[0].function.description", "e")),
    Row("parameters", SCHEMA, Carried("tools[0].function.parameters", SCHEMA)),
    Row("parameters", None, Carried("tools[0].function.parameters", {"type": "object", "properties": {}})),
    Row("strict", False, Carried("tools[0].function.strict", False)),
    Row("strict", True, Lost("tools[0].strict"), "deepseek"),
    Row("output_schema", SCHEMA, Lost("tools[0].output_schema")),
    Row("allowed_callers", ["direct"], Lost("tools[0].allowed_callers")),
    Row("defer_loading", True, Lost("tools[0].defer_loading", "emulated")),
    Row("async", True, Lost("tools[0].async")),
    Row("cache_control", {"type": "ephemeral"}, Carried("tools[0].cache_control", {"type": "ephemeral"})),
]

ALLOWED: JSON = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]}
CHAT_ALLOWED: JSON = {
    "type": "allowed_tools",
    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
}

# Form of tool_choice -> its outcome with the one function tool `f`.
CHOICES: list[Row] = [
    Row("none", "none", Carried("tool_choice", "none")),
    Row("auto", "auto", Carried("tool_choice", "auto")),
    Row("required", "required", Carried("tool_choice", "required")),
    Row("required", {"type": "required"}, Carried("tool_choice", "required")),
    Row(
        "function",
        {"type": "function", "name": "f"},
        Carried("tool_choice", {"type": "function", "function": {"name": "f"}}),
    ),
    Row("function", {"type": "function", "name": "other"}, Rejected("tool_choice.name")),
    Row("allowed_tools", ALLOWED, Carried("tool_choice", CHAT_ALLOWED)),
    Row("allowed_tools", ALLOWED, Lost("tool_choice", "emulated"), "generic"),
    Row("allowed_tools", ALLOWED, Carried("tool_choice", "auto"), "generic"),
    Row("custom", {"type": "custom", "name": "c"}, Rejected("tool_choice.name")),
    Row("mcp", {"type": "mcp", "server_label": "s"}, Rejected("tool_choice.type")),
    *(
        Row(kind, {"type": kind}, Rejected("tool_choice.type"))
        for kind in (
            "file_search",
            "web_search_preview",
            "web_search_preview_2025_03_11",
            "computer",
            "computer_use",
            "computer_use_preview",
            "image_generation",
            "code_interpreter",
            "programmatic_tool_calling",
            "apply_patch",
            "shell",
        )
    ),
]
